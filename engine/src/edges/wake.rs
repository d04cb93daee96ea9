//! Waking every client after a batch, without a lock: one seat with an `AtomicWaker` per client.
//!
//! `tokio::sync::Notify` and `watch` take a mutex to wake; the publisher may be the core's own thread, and a mutex there could park it.
//! One seat serves every reason to wake (messages, a tick, a reload of tokens, the end): the client looks at all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Waker;

use futures_util::task::AtomicWaker;

#[derive(Debug, Default)]
struct Seat {
    taken: AtomicBool,
    waker: AtomicWaker,
}

/// A fixed number of seats.
#[derive(Debug)]
pub struct WakeList {
    seats: Box<[Seat]>,
    /// Seats at or above this index were never taken: waking costs by the most clients there ever were at once.
    high: AtomicUsize,
}

/// A client's seat; dropping it frees it.
#[derive(Debug)]
pub struct WakeSeat {
    list: Arc<WakeList>,
    index: usize,
}

impl WakeList {
    /// `seats` empty seats.
    #[must_use]
    pub fn new(seats: usize) -> Arc<Self> {
        Arc::new(Self {
            seats: (0..seats).map(|_| Seat::default()).collect(),
            high: AtomicUsize::new(0),
        })
    }

    /// Takes a free seat; `None` when there is none.
    #[must_use]
    pub fn take(self: &Arc<Self>) -> Option<WakeSeat> {
        let free = |seat: &Seat| {
            seat.taken
                .compare_exchange(false, true, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        };
        let index = self.seats.iter().position(free)?;
        self.high.fetch_max(index + 1, Ordering::AcqRel);
        Some(WakeSeat {
            list: Arc::clone(self),
            index,
        })
    }

    /// Wakes every client that waits.
    pub fn wake_all(&self) {
        for seat in &self.seats[..self.high.load(Ordering::Acquire)] {
            seat.waker.wake();
        }
    }

    /// Taken seats.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.seats
            .iter()
            .filter(|seat| seat.taken.load(Ordering::Relaxed))
            .count()
    }
}

impl WakeSeat {
    /// Asks to be woken from now on; the caller looks for news *after* this, so none is missed.
    pub fn register(&self, waker: &Waker) {
        self.list.seats[self.index].waker.register(waker);
    }
}

impl Drop for WakeSeat {
    fn drop(&mut self) {
        let seat = &self.list.seats[self.index];
        drop(seat.waker.take());
        seat.taken.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicU32);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn wakes_who_waits_and_reuses_seats() {
        let list = WakeList::new(2);
        let (a, b) = (list.take().unwrap(), list.take().unwrap());
        assert!(list.take().is_none());
        let (count_a, count_b) = (Arc::new(Count::default()), Arc::new(Count::default()));
        a.register(&Waker::from(Arc::clone(&count_a)));
        b.register(&Waker::from(Arc::clone(&count_b)));
        list.wake_all();
        list.wake_all();
        assert_eq!(
            (count_a.0.load(Ordering::SeqCst), count_b.0.load(Ordering::SeqCst)),
            (1, 1)
        );
        drop(a);
        assert_eq!(list.taken(), 1);
        assert!(list.take().is_some());
        assert_eq!(Arc::strong_count(&count_a), 1, "a freed seat keeps no waker");
    }
}
