//! Going the way of a journal again: what the wall clock did between two records left no input behind.
//!
//! A journal holds every input but the ticks of the clock. What a tick said is in the journal with the time it refers to, so a
//! verifying driver moves the clock without a word and lets exactly those ticks be taken that spoke. They say what they said only
//! if the calendar, the bars seen and the contract's terms agree.

use contracts::reason::{FlattenCause, LiveState};
use contracts::time::{UnixNanos, UtcMillis};

use super::input::InstrumentIndex;
use super::record::Records;
use super::step::Core;

impl Core {
    /// From here on [`super::Input::Clock`] watches no silence; [`Core::retrace_silence`] and [`Core::retrace_stale_flatten`] do.
    pub(crate) const fn retrace(&mut self) {
        self.silence_checked = None;
    }

    /// The tick at `at` that found `instrument` silent; says nothing when it is not.
    pub(crate) fn retrace_silence(&mut self, instrument: InstrumentIndex, at: UtcMillis, out: &mut Records) {
        let (Some(local), Some(bundle)) = (self.options.local(instrument), self.holder.bundle()) else {
            return;
        };
        let slot = &mut self.slots[local];
        loop {
            let before = slot.silence;
            let calendar = bundle.loaded.strategy.calendar();
            if slot.silence.tick(at, bundle.terms.max_bar_age_ms, |close| {
                calendar.in_session(close)
            }) {
                slot.note_said(LiveState::StaleFeed);
                let since = slot.silence.silent_since().unwrap_or(at);
                return out.push_state(Some(slot.name.as_str()), LiveState::StaleFeed, since);
            }
            if slot.silence == before {
                return;
            }
        }
    }

    /// The tick at `at` that closed a silent instrument's position; says nothing when the contract does not ask for it then.
    pub(crate) fn retrace_stale_flatten(
        &mut self,
        instrument: InstrumentIndex,
        at: UtcMillis,
        out: &mut Records,
    ) {
        self.set_clock(UnixNanos(at.0.saturating_mul(1_000_000)));
        let after_s = self.holder.bundle().and_then(|b| b.terms.flatten_after_s);
        if let (Some(local), Some(after_s)) = (self.options.local(instrument), after_s)
            && self.slots[local].silence.should_flatten(at, after_s)
            && self.flatten(local, FlattenCause::StaleFeed, out)
        {
            self.slots[local].silence.note_flattened();
        }
    }
}
