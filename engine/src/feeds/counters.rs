//! Counters of one feed, shared with whoever exports them. The hot path counts and does not log.

use std::sync::atomic::{AtomicU64, Ordering};

use super::event::{FeedEvent, FeedRefusal};

/// What a feed has done since the start.
#[derive(Debug)]
pub struct FeedCounters {
    refusals: Box<[AtomicU64]>,
    connections: AtomicU64,
    messages: AtomicU64,
    bars: AtomicU64,
    macros: AtomicU64,
}

impl Default for FeedCounters {
    fn default() -> Self {
        Self {
            refusals: FeedRefusal::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            connections: AtomicU64::new(0),
            messages: AtomicU64::new(0),
            bars: AtomicU64::new(0),
            macros: AtomicU64::new(0),
        }
    }
}

impl FeedCounters {
    /// How often `reason` occurred.
    #[must_use]
    pub fn refused(&self, reason: FeedRefusal) -> u64 {
        self.refusals[reason.index()].load(Ordering::Relaxed)
    }

    /// Every reason with its count.
    pub fn refusals(&self) -> impl Iterator<Item = (FeedRefusal, u64)> + '_ {
        FeedRefusal::ALL
            .iter()
            .map(|&reason| (reason, self.refused(reason)))
    }

    /// Connections made.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Text messages read.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Closed bars delivered, back-filled ones included.
    #[must_use]
    pub fn bars(&self) -> u64 {
        self.bars.load(Ordering::Relaxed)
    }

    /// Daily values delivered.
    #[must_use]
    pub fn macros(&self) -> u64 {
        self.macros.load(Ordering::Relaxed)
    }

    pub(super) fn refuse(&self, reason: FeedRefusal) {
        self.refusals[reason.index()].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn message(&self) {
        self.messages.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection and gives its number, from 1.
    pub(super) fn connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Counts a batch and takes out what only needed counting.
    pub(super) fn settle(&self, events: &mut Vec<FeedEvent>) {
        events.retain(|event| {
            match event {
                FeedEvent::Ignored { reason } => {
                    self.refuse(*reason);
                    return false;
                }
                FeedEvent::Bar { .. } => self.bars.fetch_add(1, Ordering::Relaxed),
                FeedEvent::Macro { .. } => self.macros.fetch_add(1, Ordering::Relaxed),
                _ => 0,
            };
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_events_are_counted_and_leave() {
        let counters = FeedCounters::default();
        let ignored = FeedEvent::Ignored {
            reason: FeedRefusal::OffGrid,
        };
        let mut events = vec![ignored, FeedEvent::End, ignored];
        counters.settle(&mut events);
        assert_eq!(events, [FeedEvent::End]);
        assert_eq!(counters.refused(FeedRefusal::OffGrid), 2);
        assert_eq!(counters.refusals().map(|(_, n)| n).sum::<u64>(), 2);
    }
}
