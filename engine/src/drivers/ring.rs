//! The hand-over between two threads: a bounded ring whose full-policy is `Block`.
//!
//! A waiting side parks (`std::thread::park`, a futex on Linux: no mutex is touched to wake it) or spins: it looks
//! [`RING_SPINS_MAX`] times, then offers its place to another thread (`sched_yield`, no mutex either) and looks again, so that
//! a machine with fewer cores than spinning threads still gets to the one that has work. Nothing is ever dropped
//! for lack of room: a full ring makes the producer wait, and bars that wait become `late` by the core's own rule.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;

use crossbeam::queue::ArrayQueue;

use crate::limits::RING_SPINS_MAX;

/// How a side waits for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// Sleeps until woken: no CPU while idle, a futex call per hand-over.
    #[default]
    Park,
    /// Looks again at once, now and then letting others run: lowest latency while every thread has a core of its own.
    Spin,
}

struct Side {
    thread: OnceLock<Thread>,
    asleep: AtomicBool,
}

impl Side {
    const fn new() -> Self {
        Self {
            thread: OnceLock::new(),
            asleep: AtomicBool::new(false),
        }
    }

    fn wake(&self) {
        // Pairs with the fence in `sleep_unless`: either this side sees `asleep`, or the sleeper sees what was just done.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed)
            && self.asleep.swap(false, Ordering::AcqRel)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    fn sleep_unless(&self, ready: impl Fn() -> bool) {
        self.thread.get_or_init(std::thread::current);
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if !ready() {
            std::thread::park();
        }
        self.asleep.store(false, Ordering::Relaxed);
    }
}

/// Looks until `ready`, at most [`RING_SPINS_MAX`] times; then `give_way` once.
fn spin_unless(ready: impl Fn() -> bool, give_way: impl FnOnce()) {
    for _ in 0..RING_SPINS_MAX {
        if ready() {
            return;
        }
        std::hint::spin_loop();
    }
    give_way();
}

struct Shared<T> {
    queue: ArrayQueue<T>,
    wait: Wait,
    producer: Side,
    consumer: Side,
    producers: AtomicUsize,
    closed: AtomicBool,
}

/// The end that pushes; dropping the last one closes the ring once it is drained.
pub struct Producer<T>(Arc<Shared<T>>);

/// The end that pops.
pub struct Consumer<T>(Arc<Shared<T>>);

/// A handle that wakes the consumer without pushing: for a bundle published while nothing comes in.
pub struct Waker<T>(Arc<Shared<T>>);

/// A ring of `capacity` items between one producer and one consumer.
#[must_use]
pub fn ring<T>(capacity: usize, wait: Wait) -> (Producer<T>, Consumer<T>) {
    let shared = Arc::new(Shared {
        queue: ArrayQueue::new(capacity.max(1)),
        wait,
        producer: Side::new(),
        consumer: Side::new(),
        producers: AtomicUsize::new(1),
        closed: AtomicBool::new(false),
    });
    (Producer(Arc::clone(&shared)), Consumer(shared))
}

impl<T> Producer<T> {
    /// Pushes, waiting while the ring is full. Returns the item when the consumer is gone.
    ///
    /// # Errors
    /// The item itself.
    pub fn push(&self, mut item: T) -> Result<(), T> {
        let shared = &*self.0;
        loop {
            match shared.queue.push(item) {
                Ok(()) => {
                    shared.consumer.wake();
                    return Ok(());
                }
                Err(back) => item = back,
            }
            let ready = || !shared.queue.is_full() || shared.closed.load(Ordering::Acquire);
            match shared.wait {
                Wait::Spin => spin_unless(ready, std::thread::yield_now),
                Wait::Park => shared.producer.sleep_unless(ready),
            }
            if shared.closed.load(Ordering::Acquire) {
                return Err(item);
            }
        }
    }

    /// Another end that pushes, for another thread.
    ///
    /// Only one thread can sleep for room: a shared ring must hold everything its producers can have under way at once.
    #[must_use]
    pub fn another(&self) -> Self {
        self.0.producers.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(&self.0))
    }

    /// True when nobody will pop any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Acquire)
    }

    /// Items waiting, for the metrics.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.queue.len()
    }

    /// True when nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.queue.is_empty()
    }

    /// A handle that wakes the consumer.
    #[must_use]
    pub fn waker(&self) -> Waker<T> {
        Waker(Arc::clone(&self.0))
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        if self.0.producers.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        self.0.closed.store(true, Ordering::Release);
        self.0.consumer.wake();
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::Release);
        self.0.producer.wake();
    }
}

impl<T> Waker<T> {
    /// Makes a sleeping consumer look up once.
    pub fn wake(&self) {
        self.0.consumer.wake();
    }
}

/// What waiting on a ring came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// Something waits, or somebody called.
    Look,
    /// The producer is gone and nothing waits.
    Closed,
}

impl<T> Consumer<T> {
    /// Takes what waits, without waiting.
    #[must_use]
    pub fn pop(&self) -> Option<T> {
        let item = self.0.queue.pop();
        if item.is_some() {
            self.0.producer.wake();
        }
        item
    }

    /// True when nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.queue.is_empty()
    }

    /// Takes the next item, waiting for it; `None` when the producers are gone and nothing waits.
    #[must_use]
    pub fn take(&self) -> Option<T> {
        loop {
            if let Some(item) = self.pop() {
                return Some(item);
            }
            if self.wait() == Woken::Closed {
                return self.pop();
            }
        }
    }

    /// Waits until something may be there. May return without cause; the caller looks and waits again.
    #[must_use]
    pub fn wait(&self) -> Woken {
        self.wait_unless(|| false)
    }

    /// The same, but does not sleep when `called` says that something else is to be done. Whoever makes it true calls
    /// [`Waker::wake`] afterwards.
    #[must_use]
    pub fn wait_unless(&self, called: impl Fn() -> bool) -> Woken {
        let shared = &*self.0;
        let ready = || !shared.queue.is_empty() || shared.closed.load(Ordering::Acquire) || called();
        match shared.wait {
            Wait::Spin => spin_unless(ready, std::thread::yield_now),
            Wait::Park => shared.consumer.sleep_unless(ready),
        }
        if shared.closed.load(Ordering::Acquire) && shared.queue.is_empty() {
            return Woken::Closed;
        }
        Woken::Look
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn everything_arrives_in_order(wait: Wait) {
        let (producer, consumer) = ring::<u64>(4, wait);
        let reader = std::thread::spawn(move || {
            let mut seen = Vec::new();
            loop {
                while let Some(item) = consumer.pop() {
                    seen.push(item);
                }
                if consumer.wait() == Woken::Closed {
                    return seen;
                }
            }
        });
        for item in 0..20_000 {
            assert_eq!(producer.push(item), Ok(()));
        }
        drop(producer);
        assert_eq!(reader.join().unwrap(), (0..20_000).collect::<Vec<_>>());
    }

    #[test]
    fn nothing_is_lost_parked() {
        everything_arrives_in_order(Wait::Park);
    }

    #[test]
    fn nothing_is_lost_spinning() {
        everything_arrives_in_order(Wait::Spin);
    }

    #[test]
    fn a_spinning_side_gives_way_after_a_bounded_number_of_looks() {
        let (looks, gave_way) = (Cell::new(0), Cell::new(0));
        let look = |ready_at: u32| {
            spin_unless(
                || {
                    looks.set(looks.get() + 1);
                    looks.get() >= ready_at
                },
                || gave_way.set(gave_way.get() + 1),
            );
        };
        look(3);
        assert_eq!((looks.get(), gave_way.get()), (3, 0));
        looks.set(0);
        look(u32::MAX);
        assert_eq!((looks.get(), gave_way.get()), (RING_SPINS_MAX, 1));
    }

    #[test]
    fn a_producer_learns_that_nobody_reads() {
        let (producer, consumer) = ring::<u8>(1, Wait::Park);
        assert_eq!(producer.push(1), Ok(()));
        let gone = std::thread::spawn(move || drop(consumer));
        assert_eq!(producer.push(2), Err(2));
        gone.join().unwrap();
    }

    #[test]
    fn a_ring_with_several_producers_closes_with_the_last() {
        let (one, consumer) = ring::<u8>(2, Wait::Park);
        let two = one.another();
        assert_eq!(one.push(1), Ok(()));
        drop(one);
        assert_eq!(two.push(2), Ok(()));
        assert!(!two.is_closed());
        drop(two);
        assert_eq!(
            [consumer.take(), consumer.take(), consumer.take()],
            [Some(1), Some(2), None]
        );
    }

    #[test]
    fn a_waker_is_enough_to_look_up() {
        let (producer, consumer) = ring::<u8>(1, Wait::Park);
        let waker = producer.waker();
        let sleeper = std::thread::spawn(move || consumer.wait());
        while !producer.0.consumer.asleep.load(Ordering::Acquire) && !sleeper.is_finished() {
            std::hint::spin_loop();
        }
        waker.wake();
        assert_eq!(sleeper.join().unwrap(), Woken::Look);
        drop(producer);
    }
}
