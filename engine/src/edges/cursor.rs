//! Where one client stands in the sequence, and what it gets next: ring, journal, or nothing yet.
//!
//! Catch-up and live are this one path: `next` only grows, every seq from it on is either sent, filtered out, or named in a
//! `gap … refill:false`. No socket and no clock in here; time is the hub's tick, passed in.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use contracts::wire::{ErrorCode, Gap, Progress, ServerMessage};

use super::history::HistoryEntry;
use super::hub::Hub;
use super::ring::{Lookup, Published};
use crate::core::input::InstrumentIndex;
use crate::limits::{HISTORY_READ_MESSAGES, SKIP_MESSAGES_PER_STEP, STRIKE_WINDOW_MS};

/// Which messages a client gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// All.
    All,
    /// Those of these instruments, and those that concern the slot.
    Only {
        /// For the ring.
        indices: BTreeSet<InstrumentIndex>,
        /// For the journal.
        names: BTreeSet<Box<str>>,
    },
}

impl Filter {
    /// True when a message of this instrument (or of the slot) is for the client.
    #[must_use]
    pub fn admits(&self, instrument: Option<InstrumentIndex>) -> bool {
        match (self, instrument) {
            (Self::All, _) | (_, None) => true,
            (Self::Only { indices, .. }, Some(index)) => indices.contains(&index),
        }
    }

    /// The same by name.
    #[must_use]
    pub fn admits_name(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only { names, .. } => names.contains(name),
        }
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Send a live message.
    Live(Arc<Published>),
    /// Send a message of the journal.
    Past(String),
    /// Send a message about the stream.
    Tell(ServerMessage<'static>),
    /// Read the journal from here, then call [`Cursor::fetched`].
    Fetch {
        /// First seq.
        from: u64,
        /// Most messages.
        max: usize,
    },
    /// Nothing for this client among many messages; call again after letting others run.
    Again,
    /// Nothing now.
    Wait,
    /// End the stream.
    Close(ErrorCode),
}

/// A client's place.
#[derive(Debug)]
pub struct Cursor {
    next: u64,
    filter: Filter,
    fetched: VecDeque<HistoryEntry>,
    /// Has been in the newer half of the ring since it last fell out: only then does falling out count against it. A client that is
    /// still catching up enters the ring at its old end, where one slow write is enough to lose the place.
    settled: bool,
    last_strike_ms: Option<u64>,
    awaiting: bool,
    /// The journal had nothing for the range asked for: below this seq everything is gone.
    nothing_below: Option<u64>,
}

impl Cursor {
    /// A cursor whose first message is `next`.
    #[must_use]
    pub const fn new(next: u64, filter: Filter) -> Self {
        Self {
            next,
            filter,
            fetched: VecDeque::new(),
            settled: false,
            last_strike_ms: None,
            awaiting: false,
            nothing_below: None,
        }
    }

    /// The first seq that is neither sent nor skipped.
    #[must_use]
    pub const fn next_seq(&self) -> u64 {
        self.next
    }

    /// The filter.
    #[must_use]
    pub const fn filter(&self) -> &Filter {
        &self.filter
    }

    /// True when everything published has been sent or skipped.
    #[must_use]
    pub fn is_caught_up(&self, hub: &Hub) -> bool {
        self.next >= hub.ring().next_seq()
    }

    /// The `progress` message that is true now.
    #[must_use]
    pub fn progress(&self, hub: &Hub) -> ServerMessage<'static> {
        ServerMessage::Progress(Progress {
            through: self.next.saturating_sub(1),
            caught_up: self.is_caught_up(hub),
            simulated: hub.simulated(),
        })
    }

    /// What to do next, at tick `now_ms`.
    pub fn step(&mut self, hub: &Hub, now_ms: u64) -> Step {
        if let Some(entry) = self.fetched.pop_front() {
            return self.past(entry, hub);
        }
        if self.awaiting {
            return Step::Wait;
        }
        if let Some(oldest) = self.nothing_below.take().filter(|oldest| *oldest > self.next) {
            return self.lost(oldest, hub);
        }
        for _ in 0..SKIP_MESSAGES_PER_STEP {
            match hub.ring().get(self.next) {
                Lookup::NotYet => {
                    self.settled = true;
                    return Step::Wait;
                }
                Lookup::Older => return self.older(hub, now_ms),
                Lookup::Here(message) => {
                    self.next += 1;
                    self.settled |= hub.ring().next_seq() - self.next <= hub.ring().len() / 2;
                    if self.filter.admits(message.instrument) {
                        return Step::Live(message);
                    }
                }
            }
        }
        Step::Again
    }

    /// What the journal gave for the last [`Step::Fetch`].
    pub fn fetched(&mut self, entries: Vec<HistoryEntry>, hub: &Hub) {
        self.awaiting = false;
        // A record may be in the journal a moment before it is public; the ring gives it when it is.
        let public = hub.ring().next_seq();
        self.fetched = entries
            .into_iter()
            .filter(|entry| entry.seq >= self.next && entry.seq < public)
            .collect();
        self.nothing_below = self.fetched.is_empty().then(|| hub.ring().oldest_seq());
    }

    fn lost(&mut self, up_to: u64, hub: &Hub) -> Step {
        let gap = self.gap(self.next, up_to - 1, false, hub);
        self.next = up_to;
        gap
    }

    fn past(&mut self, entry: HistoryEntry, hub: &Hub) -> Step {
        if entry.seq > self.next {
            let gap = self.lost(entry.seq, hub);
            self.fetched.push_front(entry);
            return gap;
        }
        self.next = entry.seq + 1;
        match &entry.instrument {
            Some(name) if !self.filter.admits_name(name) => Step::Again,
            _ => Step::Past(entry.text),
        }
    }

    fn older(&mut self, hub: &Hub, now_ms: u64) -> Step {
        if self.settled {
            self.settled = false;
            if self
                .last_strike_ms
                .is_some_and(|last| now_ms.saturating_sub(last) < STRIKE_WINDOW_MS)
            {
                return Step::Close(ErrorCode::SlowConsumer);
            }
            self.last_strike_ms = Some(now_ms);
            let last = hub.ring().oldest_seq().saturating_sub(1).max(self.next);
            return self.gap(self.next, last, true, hub);
        }
        self.awaiting = true;
        Step::Fetch {
            from: self.next,
            max: HISTORY_READ_MESSAGES,
        }
    }

    fn gap(&self, from: u64, to: u64, refill: bool, hub: &Hub) -> Step {
        Step::Tell(ServerMessage::Gap(Gap {
            from,
            to,
            refill,
            simulated: hub.simulated(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{entry, hub, publish};
    use super::*;

    /// Steps until there is nothing to do, answering fetches from `kept`; returns what was sent, gaps as `(from, to, refill)`.
    fn drain(
        cursor: &mut Cursor,
        hub: &Hub,
        kept: std::ops::Range<u64>,
        now_ms: u64,
    ) -> (Vec<u64>, Vec<(u64, u64, bool)>) {
        let (mut sent, mut gaps) = (Vec::new(), Vec::new());
        loop {
            match cursor.step(hub, now_ms) {
                Step::Live(message) => sent.push(message.seq),
                Step::Past(text) => sent.push(text.parse().unwrap()),
                Step::Tell(ServerMessage::Gap(gap)) => gaps.push((gap.from, gap.to, gap.refill)),
                Step::Fetch { from, max } => {
                    let entries = kept
                        .clone()
                        .filter(|seq| *seq >= from)
                        .take(max)
                        .map(entry)
                        .collect();
                    cursor.fetched(entries, hub);
                }
                Step::Again => {}
                Step::Wait => return (sent, gaps),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn old_then_live_is_one_ordered_path() {
        let (hub, mut publisher) = hub(8, 1);
        publish(&mut publisher, 1..=500);
        let mut cursor = Cursor::new(3, Filter::All);
        assert_eq!(drain(&mut cursor, &hub, 1..501, 0), ((3..=500).collect(), vec![]));
        publish(&mut publisher, 501..=504);
        assert_eq!(
            drain(&mut cursor, &hub, 1..501, 0),
            ((501..=504).collect(), vec![])
        );
        assert!(cursor.is_caught_up(&hub));
    }

    #[test]
    fn falling_out_is_named_and_refilled_once_a_minute() {
        let (hub, mut publisher) = hub(8, 1);
        let mut cursor = Cursor::new(1, Filter::All);
        assert_eq!(cursor.step(&hub, 0), Step::Wait);
        publish(&mut publisher, 1..=100);
        assert_eq!(
            drain(&mut cursor, &hub, 1..101, 1_000),
            ((1..=100).collect(), vec![(1, 92, true)])
        );
        publish(&mut publisher, 101..=200);
        let mut later = cursor_like(&cursor);
        assert_eq!(cursor.step(&hub, 60_999), Step::Close(ErrorCode::SlowConsumer));
        let (sent, gaps) = drain(&mut later, &hub, 1..201, 61_000);
        assert_eq!((sent, gaps), ((101..=200).collect(), vec![(101, 192, true)]));
    }

    fn cursor_like(cursor: &Cursor) -> Cursor {
        Cursor {
            settled: cursor.settled,
            last_strike_ms: cursor.last_strike_ms,
            ..Cursor::new(cursor.next, cursor.filter.clone())
        }
    }

    #[test]
    fn catching_up_slowly_is_no_strike() {
        let (hub, mut publisher) = hub(8, 1);
        publish(&mut publisher, 1..=100);
        let mut cursor = Cursor::new(93, Filter::All);
        for round in 0..20 {
            // One message taken from the old end of the ring, then a burst pushes it out.
            assert!(matches!(
                cursor.step(&hub, 0),
                Step::Live(_) | Step::Past(_) | Step::Fetch { .. }
            ));
            publish(&mut publisher, 101 + round * 8..=108 + round * 8);
            cursor.fetched(vec![entry(cursor.next_seq())], &hub);
        }
    }

    #[test]
    fn what_is_below_retention_is_named() {
        let (hub, mut publisher) = hub(8, 50);
        publish(&mut publisher, 50..=60);
        let mut cursor = Cursor::new(1, Filter::All);
        assert_eq!(
            drain(&mut cursor, &hub, 30..61, 0),
            ((30..=60).collect(), vec![(1, 29, false)])
        );
        let mut cursor = Cursor::new(1, Filter::All);
        assert_eq!(
            drain(&mut cursor, &hub, 0..0, 0),
            ((53..=60).collect(), vec![(1, 52, false)])
        );
    }

    #[test]
    fn a_filter_skips_and_progress_says_how_far() {
        let (hub, mut publisher) = hub(8, 1);
        publish(&mut publisher, 1..=20);
        // `testing::publish` gives even seqs to B and odd ones to A; multiples of 5 concern the slot.
        let only_a = Filter::Only {
            indices: BTreeSet::from([InstrumentIndex(0)]),
            names: BTreeSet::from(["A".into()]),
        };
        let mut cursor = Cursor::new(1, only_a);
        let (sent, _) = drain(&mut cursor, &hub, 1..21, 0);
        assert_eq!(sent, [1, 3, 5, 7, 9, 10, 11, 13, 15, 17, 19, 20]);
        let ServerMessage::Progress(progress) = cursor.progress(&hub) else {
            panic!()
        };
        assert_eq!((progress.through, progress.caught_up), (20, true));
    }

    #[test]
    fn a_record_that_is_not_public_yet_is_not_sent_from_the_journal() {
        let (hub, mut publisher) = hub(4, 1);
        publish(&mut publisher, 1..=20);
        let mut cursor = Cursor::new(10, Filter::All);
        // The journal already holds 21 and 22.
        assert_eq!(drain(&mut cursor, &hub, 1..23, 0), ((10..=20).collect(), vec![]));
    }
}
