//! What a recovery would find in the journal: the newest snapshot, and what the records behind it say. The core itself may have gone
//! further, where its batch was cut, and a record may name a state whose bar was cut.

use std::collections::BTreeMap;

use contracts::reason::LiveState;
use contracts::time::{UnixNanos, UtcMillis};

use crate::core::record::Record;
use crate::core::snapshot::CoreImage;

/// An instrument's state as it was said last, and the one before while that is `stale_feed`.
type Said = (Option<LiveState>, Option<LiveState>);

#[derive(Clone, Default)]
pub(super) struct Recovered {
    /// The newest time.
    pub now: UnixNanos,
    /// The generation the positions came about under.
    pub ran: u64,
    slot: Option<LiveState>,
    instruments: BTreeMap<String, Said>,
    /// Gaps told before a bar that has not come.
    pub gaps: BTreeMap<String, (UtcMillis, UtcMillis)>,
}

impl Recovered {
    /// What a snapshot says.
    pub fn of(image: &CoreImage) -> Self {
        let said = |slot: &crate::core::snapshot::SlotImage| (slot.said, slot.before_silence);
        Self {
            now: image.now,
            ran: image.ran,
            slot: image.slot_said,
            instruments: image
                .slots
                .iter()
                .map(|slot| (slot.name.clone(), said(slot)))
                .collect(),
            gaps: BTreeMap::new(),
        }
    }

    /// Takes the next record into account.
    pub fn take(&mut self, record: &Record<'_>) {
        match record {
            Record::Bar(bar) => {
                self.now = self.now.max(bar.now);
                if bar.generation != 0 {
                    self.ran = bar.generation;
                }
                self.gaps.remove(bar.instrument);
            }
            Record::Gap(gap) => {
                self.gaps.insert(gap.instrument.to_owned(), (gap.from, gap.to));
            }
            Record::State(state) => match state.instrument {
                None => self.slot = Some(state.state),
                Some(name) => {
                    let (said, before) = self.instruments.entry(name.to_owned()).or_default();
                    if state.state == LiveState::StaleFeed && *said != Some(LiveState::StaleFeed) {
                        *before = *said;
                    }
                    *said = Some(state.state);
                }
            },
            _ => {}
        }
    }

    /// Takes a snapshot into account: recovery begins with it.
    pub fn begin_with(&mut self, image: &CoreImage) {
        let now = image.now.max(self.now);
        *self = Self::of(image);
        self.now = now;
    }

    /// Adds what another core's run left; its word on the slot counts.
    pub fn add(&mut self, other: &Self) {
        (self.now, self.ran, self.slot) = (other.now, other.ran, other.slot);
        self.instruments
            .extend(other.instruments.iter().map(|(name, said)| (name.clone(), *said)));
        self.gaps
            .extend(other.gaps.iter().map(|(name, gap)| (name.clone(), *gap)));
    }

    /// Writes it over what a core knows.
    pub fn put(&self, image: &mut CoreImage) {
        (image.now, image.ran, image.slot_said) = (self.now, self.ran, self.slot);
        for slot in &mut image.slots {
            (slot.said, slot.before_silence) = self.instruments.get(&slot.name).copied().unwrap_or_default();
        }
    }
}
