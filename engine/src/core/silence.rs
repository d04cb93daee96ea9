//! When a feed has been silent longer than the calendar allows.
//!
//! A bar is due at every in-session close; it is overdue `max_bar_age_s` after that. Only instruments that have shown a bar are
//! watched: a cold start has nothing to be late against. The walk over closes is bounded per tick, so that a week-end costs
//! nothing noticeable.

use contracts::limits::BAR_INTERVAL_MS;
use contracts::time::UtcMillis;

use crate::limits::SILENCE_STEPS_PER_TICK;

/// Watches one instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SilenceWatch {
    /// Closes up to here are known not to be overdue: seen, or out of session.
    cleared_through: Option<UtcMillis>,
    /// Since when a bar is overdue.
    silent_since: Option<UtcMillis>,
    /// Whether the open position was flattened for this silence.
    flattened: bool,
}

impl SilenceWatch {
    /// A bar with this close was accepted; true when that ends a silence.
    pub const fn bar_seen(&mut self, close: UtcMillis) -> bool {
        let ended = self.silent_since.is_some();
        *self = Self {
            cleared_through: Some(close),
            silent_since: None,
            flattened: false,
        };
        ended
    }

    /// Since when a bar is overdue.
    #[must_use]
    pub const fn silent_since(&self) -> Option<UtcMillis> {
        self.silent_since
    }

    /// Moves to `now`; true when the silence begins with this tick. `in_session` says whether a bar may close at a time.
    pub fn tick(
        &mut self,
        now: UtcMillis,
        allowance_ms: i64,
        in_session: impl Fn(UtcMillis) -> bool,
    ) -> bool {
        let (Some(mut cleared), None) = (self.cleared_through, self.silent_since) else {
            return false;
        };
        for _ in 0..SILENCE_STEPS_PER_TICK {
            let due = cleared.plus_ms(BAR_INTERVAL_MS);
            if now < due.plus_ms(allowance_ms) {
                break;
            }
            if in_session(due) {
                self.silent_since = Some(due.plus_ms(allowance_ms));
                break;
            }
            cleared = due;
        }
        self.cleared_through = Some(cleared);
        self.silent_since.is_some()
    }

    /// True when the silence has lasted `after_s` seconds and nothing was flattened for it.
    #[must_use]
    pub fn should_flatten(&self, now: UtcMillis, after_s: u32) -> bool {
        let due = self
            .silent_since
            .is_some_and(|since| now >= since.plus_ms(i64::from(after_s) * 1_000));
        due && !self.flattened
    }

    /// An open position was ordered closed: once per silence is enough.
    pub const fn note_flattened(&mut self) {
        self.flattened = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: i64 = 60_000;

    fn at(minutes: i64) -> UtcMillis {
        UtcMillis(minutes * MINUTE_MS)
    }

    #[test]
    fn a_night_is_no_silence_and_a_missing_bar_is() {
        // In session: closes up to minute 60, and again from minute 600 on.
        let in_session = |close: UtcMillis| close <= at(60) || close >= at(600);
        let mut watch = SilenceWatch::default();
        assert!(!watch.tick(at(1_000), MINUTE_MS, in_session), "nothing seen yet");
        watch.bar_seen(at(60));
        for minute in 61..601 {
            assert!(!watch.tick(at(minute), MINUTE_MS, in_session), "minute {minute}");
        }
        assert!(watch.tick(at(601), MINUTE_MS, in_session));
        assert_eq!(watch.silent_since(), Some(at(601)));
        assert!(!watch.tick(at(602), MINUTE_MS, in_session), "said once");
        assert!(!watch.should_flatten(at(601), 120));
        assert!(watch.should_flatten(at(603), 120));
        assert!(watch.should_flatten(at(604), 120), "nothing was open");
        watch.note_flattened();
        assert!(!watch.should_flatten(at(604), 120), "ordered once");
        assert!(watch.bar_seen(at(605)));
        assert!(!watch.should_flatten(at(700), 120));
    }

    #[test]
    fn a_long_week_end_is_walked_in_bounded_steps() {
        let far = at(5 * 10_000);
        let in_session = |close: UtcMillis| close >= far;
        let mut watch = SilenceWatch::default();
        watch.bar_seen(at(0));
        let ticks = (0..100_000).find(|_| watch.tick(far.plus_ms(MINUTE_MS), MINUTE_MS, in_session));
        assert!(ticks.is_some());
    }
}
