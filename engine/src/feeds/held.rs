//! What is held of each instrument, and what a break in the connection cost.
//!
//! A source that cannot go on after a given close time leaves a hole: before the first bar that follows it, the hole is
//! filled from history, and what history lacks becomes a gap event, in order.

use contracts::bar::Bar;
use contracts::native::FeedMode;
use contracts::time::{UnixNanos, UtcMillis};

use super::event::{FeedEvent, FeedRefusal};
use super::history::History;
use crate::core::input::InstrumentIndex;
use crate::limits::FUTURE_TOLERANCE_MS;

/// Newest close time per instrument, and whose hole is still to be looked at.
pub(super) struct Held {
    after: Vec<Option<UtcMillis>>,
    unchecked: Vec<bool>,
    history: Option<Box<dyn History>>,
    bars: Vec<Bar>,
    mode: FeedMode,
}

impl Held {
    pub(super) fn new(after: Vec<Option<UtcMillis>>, history: Option<Box<dyn History>>) -> Self {
        Self {
            unchecked: vec![false; after.len()],
            after,
            history,
            bars: Vec::new(),
            mode: FeedMode::Live,
        }
    }

    pub(super) fn after(&self) -> &[Option<UtcMillis>] {
        &self.after
    }

    /// A new connection to a source that `resumes` by itself or does not.
    pub(super) fn connected(&mut self, resumes: bool) {
        self.unchecked.fill(!resumes);
        self.mode = FeedMode::Live;
    }

    /// Takes over what `events` delivers from position `from` on, and puts what fills or names a hole in front of the bar
    /// that shows it.
    pub(super) fn take(&mut self, events: &mut Vec<FeedEvent>, from: usize, now: UnixNanos) {
        let mut position = from;
        while position < events.len() {
            match events[position] {
                FeedEvent::Hello { mode, .. } => self.mode = mode,
                // A bar was left out, whatever the source can resume.
                FeedEvent::Ignored {
                    reason: FeedRefusal::PartialWindow,
                } => self.unchecked.fill(true),
                FeedEvent::Bar {
                    instrument,
                    bar,
                    received_at,
                    ..
                } => {
                    let k = instrument.0 as usize;
                    // The core will refuse a bar from the future; to ask for what follows it would mean silence.
                    let ahead = self.mode == FeedMode::Live
                        && bar.close_time.0 - now.to_millis().0 > FUTURE_TOLERANCE_MS;
                    let held = self.after[k];
                    // A duplicate or a correction does not show what is missing either.
                    let follows = !ahead && held.is_none_or(|held| bar.close_time > held);
                    if follows
                        && std::mem::take(&mut self.unchecked[k])
                        && let Some(held) = held
                    {
                        let filling = self.fill(instrument, held, bar.close_time, received_at);
                        let inserted = filling.len();
                        events.splice(position..position, filling);
                        position += inserted;
                    }
                    if follows {
                        self.after[k] = Some(bar.close_time);
                    }
                }
                _ => {}
            }
            position += 1;
        }
    }

    fn fill(
        &mut self,
        instrument: InstrumentIndex,
        after: UtcMillis,
        before: UtcMillis,
        received_at: UnixNanos,
    ) -> Vec<FeedEvent> {
        let mut filling = Vec::new();
        let Some(history) = self.history.as_mut() else {
            return filling;
        };
        self.bars.clear();
        history.bars(instrument, after, before, &mut self.bars);
        let hole = |from, to| {
            history
                .due(instrument, from, to)
                .map(|(from, to)| FeedEvent::Gap { instrument, from, to })
        };
        let mut last = after;
        for &bar in &self.bars {
            filling.extend(hole(last, bar.close_time));
            filling.push(FeedEvent::Bar {
                instrument,
                bar,
                received_at,
                backfilled: true,
            });
            last = bar.close_time;
        }
        filling.extend(hole(last, before));
        filling
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feeds::history::MemoryHistory;
    use contracts::limits::BAR_INTERVAL_MS;

    const ONE: InstrumentIndex = InstrumentIndex(0);

    fn at(step: i64) -> UtcMillis {
        UtcMillis(step * BAR_INTERVAL_MS)
    }

    fn event(step: i64, backfilled: bool) -> FeedEvent {
        let bar = Bar {
            close_time: at(step),
            ..Bar::default()
        };
        FeedEvent::Bar {
            instrument: ONE,
            bar,
            received_at: UnixNanos(9),
            backfilled,
        }
    }

    fn known(steps: &[i64]) -> Option<Box<dyn History>> {
        let bars = steps.iter().map(|&step| Bar {
            close_time: at(step),
            ..Bar::default()
        });
        Some(Box::new(MemoryHistory::new(vec![bars.collect()], |_, _| true)))
    }

    fn now(step: i64) -> UnixNanos {
        UnixNanos(at(step).0 * 1_000_000)
    }

    #[test]
    fn history_fills_the_hole_and_a_gap_names_the_rest() {
        let mut held = Held::new(vec![Some(at(10))], known(&[9, 12, 13, 20]));
        held.connected(false);
        let mut events = vec![event(16, false), event(18, false)];
        held.take(&mut events, 0, now(18));
        let gap = |from, to| FeedEvent::Gap {
            instrument: ONE,
            from: at(from),
            to: at(to),
        };
        let expected = [
            gap(11, 11),
            event(12, true),
            event(13, true),
            gap(14, 15),
            event(16, false),
            event(18, false),
        ];
        assert_eq!(events, expected);
        assert_eq!(held.after(), [Some(at(18))]);
    }

    #[test]
    fn the_hole_is_looked_at_before_the_first_bar_that_follows_it() {
        let mut held = Held::new(vec![Some(at(10))], known(&[11, 12]));
        held.connected(false);
        // A duplicate, an older one and one from the future say nothing of the hole.
        let mut events = vec![event(10, false), event(8, false), event(1_000, false)];
        held.take(&mut events, 0, now(13));
        assert_eq!(events.len(), 3);
        let mut events = vec![event(13, false)];
        held.take(&mut events, 0, now(13));
        assert_eq!(events, [event(11, true), event(12, true), event(13, false)]);
    }

    #[test]
    fn without_a_known_bar_the_whole_hole_is_a_gap() {
        let mut held = Held::new(vec![Some(at(10))], known(&[]));
        held.connected(false);
        let mut events = vec![event(13, false)];
        held.take(&mut events, 0, now(13));
        let gap = FeedEvent::Gap {
            instrument: ONE,
            from: at(11),
            to: at(12),
        };
        assert_eq!(events, [gap, event(13, false)]);
    }

    #[test]
    fn nothing_is_filled_where_the_source_resumes_or_nothing_was_held() {
        for (resumes, after) in [(true, Some(at(1))), (false, None)] {
            let mut held = Held::new(vec![after], known(&[2, 3]));
            held.connected(resumes);
            let mut events = vec![event(5, false)];
            held.take(&mut events, 0, now(5));
            assert_eq!(events.len(), 1);
        }
    }

    #[test]
    fn a_bar_that_was_left_out_is_filled_or_named_even_where_the_source_resumes() {
        let mut held = Held::new(vec![Some(at(10))], known(&[12]));
        held.connected(true);
        let left_out = FeedEvent::Ignored {
            reason: FeedRefusal::PartialWindow,
        };
        let mut events = vec![left_out, event(13, false)];
        held.take(&mut events, 0, now(13));
        let gap = FeedEvent::Gap {
            instrument: ONE,
            from: at(11),
            to: at(11),
        };
        assert_eq!(events, [left_out, gap, event(12, true), event(13, false)]);
    }

    #[test]
    fn a_bar_from_the_future_is_not_held_unless_the_feed_is_a_replay() {
        let mut held = Held::new(vec![None], None);
        let mut events = vec![event(1_000, false)];
        held.take(&mut events, 0, now(5));
        assert_eq!(held.after(), [None]);
        let hello = FeedEvent::Hello {
            mode: FeedMode::Replay,
            speed: contracts::native::Speed::Max,
        };
        let mut events = vec![hello, event(1_000, false)];
        held.take(&mut events, 0, now(5));
        assert_eq!(held.after(), [Some(at(1_000))]);
    }
}
