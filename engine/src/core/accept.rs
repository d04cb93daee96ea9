//! Which bars are accepted: well-formed, not in the future, later than the instrument's last accepted close.
//!
//! The last [`BARS_KEPT`] accepted bars are kept, so that a repeat can be told from a conflict, and so that a swap to another
//! feature contract can catch up from the core's own memory.

use contracts::bar::Bar;
use contracts::time::UtcMillis;

use crate::limits::{BARS_KEPT, FUTURE_TOLERANCE_MS};

/// What the door says about a bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// New, and now the last accepted.
    Accepted,
    /// The same bar again: dropped, counted.
    Duplicate,
    /// The same close time with other content: the first stays.
    Conflict {
        /// The bar that stays.
        kept: Bar,
    },
    /// Older than the last accepted, and not among those kept.
    OutOfOrder,
    /// Closes more than the tolerance after now.
    Future,
    /// Its close time is not a multiple of five minutes.
    OffGrid,
}

/// The last accepted bars of one instrument, oldest first, in a ring of fixed size.
#[derive(Debug, Clone)]
pub struct RecentBars {
    bars: [Bar; BARS_KEPT],
    next: usize,
    len: usize,
}

impl Default for RecentBars {
    fn default() -> Self {
        Self {
            bars: [Bar::default(); BARS_KEPT],
            next: 0,
            len: 0,
        }
    }
}

impl RecentBars {
    /// The newest bar.
    #[must_use]
    pub fn last(&self) -> Option<&Bar> {
        (self.len > 0).then(|| &self.bars[(self.next + BARS_KEPT - 1) % BARS_KEPT])
    }

    /// All kept bars, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Bar> {
        let first = self.next + BARS_KEPT - self.len;
        (0..self.len).map(move |i| &self.bars[(first + i) % BARS_KEPT])
    }

    /// True when every accepted bar that closed after `through` is kept here.
    #[must_use]
    pub fn reaches_back_to(&self, through: Option<UtcMillis>) -> bool {
        let oldest = self.iter().next().map(|bar| bar.close_time);
        self.len < BARS_KEPT || through.is_some_and(|through| oldest.is_none_or(|oldest| oldest <= through))
    }

    /// Keeps `bar` as the newest and forgets the oldest when full.
    pub fn push(&mut self, bar: Bar) {
        self.bars[self.next] = bar;
        self.next = (self.next + 1) % BARS_KEPT;
        self.len = (self.len + 1).min(BARS_KEPT);
    }

    /// Decides on `bar`; keeps it when accepted. `now` is `None` when the feed's own time is the clock.
    pub fn offer(&mut self, bar: &Bar, now: Option<UtcMillis>) -> Verdict {
        if !bar.close_time.is_on_bar_grid() {
            return Verdict::OffGrid;
        }
        if now.is_some_and(|now| bar.close_time > now.plus_ms(FUTURE_TOLERANCE_MS)) {
            return Verdict::Future;
        }
        if self.last().is_none_or(|last| bar.close_time > last.close_time) {
            self.push(*bar);
            return Verdict::Accepted;
        }
        match self.iter().find(|kept| kept.close_time == bar.close_time) {
            Some(kept) if kept.same_bits(bar) => Verdict::Duplicate,
            Some(kept) => Verdict::Conflict { kept: *kept },
            None => Verdict::OutOfOrder,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(minutes: i64, close: f64) -> Bar {
        Bar {
            close_time: UtcMillis(minutes * 60_000),
            open: close,
            high: close,
            low: close,
            close,
            volume: 0.0,
        }
    }

    #[test]
    fn each_bar_gets_the_verdict_it_deserves() {
        let mut recent = RecentBars::default();
        assert_eq!(recent.offer(&bar(5, 1.0), None), Verdict::Accepted);
        assert_eq!(recent.offer(&bar(10, 2.0), None), Verdict::Accepted);
        assert_eq!(recent.offer(&bar(10, 2.0), None), Verdict::Duplicate);
        assert_eq!(
            recent.offer(&bar(5, 1.5), None),
            Verdict::Conflict { kept: bar(5, 1.0) }
        );
        assert_eq!(recent.offer(&bar(7, 1.5), None), Verdict::OffGrid);
        for minutes in 3..=40 {
            assert_eq!(recent.offer(&bar(minutes * 5, 3.0), None), Verdict::Accepted);
        }
        assert_eq!(recent.offer(&bar(5, 1.0), None), Verdict::OutOfOrder);
        assert_eq!(recent.iter().count(), BARS_KEPT);
        assert!(
            recent
                .iter()
                .zip(recent.iter().skip(1))
                .all(|(a, b)| a.close_time < b.close_time)
        );
    }

    #[test]
    fn the_future_is_refused_only_on_a_wall_clock() {
        let mut recent = RecentBars::default();
        let now = Some(UtcMillis(5 * 60_000 - FUTURE_TOLERANCE_MS - 1));
        assert_eq!(recent.offer(&bar(5, 1.0), now), Verdict::Future);
        assert_eq!(
            recent.offer(&bar(5, 1.0), now.map(|t| t.plus_ms(1))),
            Verdict::Accepted
        );
    }

    #[test]
    fn a_nan_repeated_is_a_duplicate_not_a_conflict() {
        let mut recent = RecentBars::default();
        let broken = Bar {
            open: f64::NAN,
            ..bar(5, 1.0)
        };
        assert_eq!(recent.offer(&broken, None), Verdict::Accepted);
        assert_eq!(recent.offer(&broken, None), Verdict::Duplicate);
    }
}
