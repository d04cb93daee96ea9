//! What the core holds per instrument.

use contracts::ids::InstrumentId;
use contracts::reason::{LiveState, Position};
use contracts::time::UtcMillis;
use strategy::instrument::InstrumentState;

use super::accept::RecentBars;
use super::silence::SilenceWatch;

/// One instrument of this core.
pub struct InstrumentSlot {
    /// Its name, for records.
    pub name: InstrumentId,
    /// The last accepted bars.
    pub recent: RecentBars,
    /// Operators; `None` until the first contract is adopted.
    pub features: Option<InstrumentState>,
    /// What is held: the last decision, or the last report in `feedback` mode.
    pub position: Position,
    /// As of when the position was reported; `None` in `signal` mode or before the first report.
    pub reported_as_of: Option<UtcMillis>,
    /// The state last published for it.
    pub said: Option<LiveState>,
    /// While that is `stale_feed`: the state published before, to which a bar that is not used returns.
    pub before_silence: Option<LiveState>,
    /// Watches for silence.
    pub silence: SilenceWatch,
    /// A gap input has come since the last accepted bar: what is missing before the next one is told.
    pub gap_told: bool,
    /// True while a bar of it waits in the current batch.
    pub waiting: bool,
}

impl InstrumentSlot {
    /// An instrument nothing is known of.
    #[must_use]
    pub fn new(name: InstrumentId) -> Self {
        Self {
            name,
            recent: RecentBars::default(),
            features: None,
            position: Position::Flat,
            reported_as_of: None,
            said: None,
            before_silence: None,
            silence: SilenceWatch::default(),
            gap_told: false,
            waiting: false,
        }
    }

    /// Takes over a state that was published.
    pub fn note_said(&mut self, state: LiveState) {
        if state == LiveState::StaleFeed && self.said != Some(LiveState::StaleFeed) {
            self.before_silence = self.said;
        }
        self.said = Some(state);
    }
}
