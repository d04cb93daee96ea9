//! The engine's only source of wall time.
//!
//! Drivers and edges are given a [`SharedClock`]; the core never sees one, it is told the time as an input. Tests drive a
//! [`ManualClock`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use contracts::time::UnixNanos;

/// Tells the wall time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// UTC now.
    fn now(&self) -> UnixNanos;
}

/// A clock shared by the threads of one engine.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl SystemClock {
    /// The machine's clock, to be shared.
    #[must_use]
    pub fn shared() -> SharedClock {
        Arc::new(Self)
    }
}

impl Clock for SystemClock {
    fn now(&self) -> UnixNanos {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the seam every other module takes its time from"
        )]
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        // A clock before 1970 reads as 1970: every bar is then in the future and refused, nothing is signalled.
        UnixNanos(since_epoch.map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)))
    }
}

/// A clock that stands still until a test moves it.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// Stands at `now`.
    #[must_use]
    pub fn at(now: UnixNanos) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(now.0)))
    }

    /// Moves it, also back: a stepped clock.
    pub fn set(&self, now: UnixNanos) {
        self.0.store(now.0, Ordering::Release);
    }

    /// Moves it on by `ms` milliseconds.
    pub fn advance_ms(&self, ms: i64) {
        self.0.fetch_add(ms * 1_000_000, Ordering::AcqRel);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixNanos {
        UnixNanos(self.0.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::at(UnixNanos(5));
        assert_eq!((clock.now(), clock.now()), (UnixNanos(5), UnixNanos(5)));
        clock.advance_ms(2);
        assert_eq!(clock.now(), UnixNanos(2_000_005));
        clock.set(UnixNanos(1));
        assert_eq!(clock.now(), UnixNanos(1));
    }

    #[test]
    fn the_machine_knows_it_is_later_than_2025() {
        assert!(SystemClock.now() > UnixNanos(1_735_689_600_000_000_000));
    }
}
