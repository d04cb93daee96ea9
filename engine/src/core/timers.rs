//! What time alone changes: the feed's silence, the slot's state, a stale position.

use contracts::reason::{FlattenCause, LiveState, Position};
use contracts::time::{UnixNanos, UtcMillis};

use super::input::ClockMode;
use super::input::{InstrumentIndex, SeriesIndex};
use super::macro_feed::MacroValue;
use super::record::Records;
use super::step::Core;
use crate::limits::SILENCE_TICK_MS;
use contracts::time::DayNumber;
use strategy::macros::MacroInsert;

impl Core {
    /// Takes the wall clock's reading as it is: a clock that was ahead once and was put right must not leave every bar from then
    /// on late. Nothing is said; not at all on the feed's clock.
    pub(crate) const fn set_clock(&mut self, now: UnixNanos) {
        if matches!(self.options.clock, ClockMode::Wall) {
            self.now = now;
        }
    }

    /// Moves the wall clock, and says what that alone changes.
    pub(super) fn on_clock(&mut self, now: UnixNanos, out: &mut Records) {
        if self.options.clock == ClockMode::Feed {
            return;
        }
        self.set_clock(now);
        self.say_slot_state(out);
        let now_ms = self.now_ms();
        // A clock put back has moved, too.
        if self
            .silence_checked
            .is_some_and(|checked| now_ms.0.abs_diff(checked.0) >= SILENCE_TICK_MS.unsigned_abs())
        {
            self.silence_checked = Some(now_ms);
            self.watch_silence(now_ms, out);
        }
    }

    fn watch_silence(&mut self, now: UtcMillis, out: &mut Records) {
        for local in 0..self.slots.len() {
            let Some(bundle) = self.holder.bundle() else {
                return;
            };
            let calendar = bundle.loaded.strategy.calendar();
            let slot = &mut self.slots[local];
            if slot.silence.tick(now, bundle.terms.max_bar_age_ms, |close| {
                calendar.in_session(close)
            }) {
                slot.note_said(LiveState::StaleFeed);
                let since = slot.silence.silent_since().unwrap_or(now);
                out.push_state(Some(slot.name.as_str()), LiveState::StaleFeed, since);
            }
            if bundle
                .terms
                .flatten_after_s
                .is_some_and(|after_s| slot.silence.should_flatten(now, after_s))
                && self.flatten(local, FlattenCause::StaleFeed, out)
            {
                self.slots[local].silence.note_flattened();
            }
        }
    }

    /// Takes a macro value and journals what changed something: every core does, so that the order in which its own bars saw it is
    /// in the journal.
    pub(super) fn on_macro(
        &mut self,
        series: SeriesIndex,
        date: DayNumber,
        value: f64,
        arrived_at: Option<UtcMillis>,
        out: &mut Records,
    ) {
        if !value.is_finite() {
            self.counters.macro_refused += 1;
            return;
        }
        let inserted = self.macros.insert(MacroValue {
            series,
            date,
            value,
            arrived_at,
        });
        match inserted {
            Some(MacroInsert::Duplicate) => return,
            Some(MacroInsert::Refused) => self.counters.macro_refused += 1,
            Some(MacroInsert::New | MacroInsert::Revision) | None => {}
        }
        if let Some(name) = self.options.series.get(usize::from(series.0)) {
            out.push_macro(name.as_str(), date, value, arrived_at);
        }
    }

    /// Takes a reported position (`feedback` mode); the edge has checked the owner, the core checks mode and order.
    pub(super) fn on_position(
        &mut self,
        instrument: InstrumentIndex,
        position: Position,
        as_of: UtcMillis,
        out: &mut Records,
    ) {
        // Without a model nobody knows yet who will want it: a report lost now would be missing when it is adopted.
        let feedback = self.holder.bundle().is_none_or(|b| b.terms.is_feedback);
        let Some(local) = self.options.local(instrument) else {
            return;
        };
        let slot = &mut self.slots[local];
        if !feedback || slot.reported_as_of.is_some_and(|held| as_of < held) {
            self.counters.positions_refused += 1;
            return;
        }
        slot.position = position;
        slot.reported_as_of = Some(as_of);
        out.push_position(slot.name.as_str(), position, as_of);
    }
}
