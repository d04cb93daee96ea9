//! From a row's output to a record, and the messages that follow from it.

use contracts::action::Raw;
use contracts::reason::{FlattenCause, LiveState, Position, Withheld};
use contracts::time::{UnixNanos, UtcMillis};

use super::batch::Waiting;
use super::confirmation::{Confirmation, confirmation};
use super::counters::reason_index;
use super::input::ClockMode;
use super::record::{BarRecord, Outcome, Records};
use super::step::Core;

/// What a bar came to.
struct Settled {
    raw: Raw,
    confidence: f64,
    outcome: Result<Position, Withheld>,
    position_after: Position,
}

impl Core {
    /// Decides, moves the position and records the `i`-th waiting bar.
    pub(super) fn finish(&mut self, i: usize, outputs_width: Option<usize>, out: &mut Records) {
        let waiting = self.batch.waiting(i);
        self.slots[waiting.local].waiting = false;
        if let Some((from, to)) = waiting.missing {
            out.push_gap(self.slots[waiting.local].name.as_str(), from, to);
        }
        // As of this bar, not of the batch's last one: what is said must not depend on what waited together.
        self.say_slot_state_at(waiting.now, out);
        let settled = self.settle(&waiting, outputs_width);
        self.say_instrument_state(&waiting, out);
        self.record(i, &waiting, &settled, out);
        self.count(settled.outcome.err());
        let slot = &mut self.slots[waiting.local];
        slot.position = settled.position_after;
    }

    fn settle(&self, waiting: &Waiting, outputs_width: Option<usize>) -> Settled {
        let before = self.position_of(waiting.local);
        let withhold = |reason| Settled {
            raw: Raw::None,
            confidence: 0.0,
            outcome: Err(reason),
            position_after: before,
        };
        if let Some(reason) = waiting.withheld {
            return withhold(reason);
        }
        let (Some(row), Some(width), Some(bundle)) = (waiting.row, outputs_width, self.holder.bundle())
        else {
            return withhold(Withheld::NotFinite);
        };
        match bundle.loaded.strategy.decide(self.batch.output(row, width)) {
            Ok(decision) => Settled {
                raw: decision.raw,
                confidence: decision.confidence,
                outcome: Ok(decision.action),
                position_after: if bundle.terms.is_feedback {
                    before
                } else {
                    decision.action
                },
            },
            Err(_) => withhold(Withheld::NotFinite),
        }
    }

    fn record(&self, i: usize, waiting: &Waiting, settled: &Settled, out: &mut Records) {
        let name = self.slots[waiting.local].name.as_str();
        let bundle = self.holder.bundle();
        if let Some(shift) = waiting.level_shift {
            out.push_level_shift(name, waiting.bar.close_time, shift.from_close, shift.to_close);
        }
        let outcome = match settled.outcome {
            Ok(action) => Outcome::Decided { action },
            Err(reason) => Outcome::Withheld {
                reason,
                series: self.series_word(reason),
            },
        };
        out.push_bar(&BarRecord {
            instrument: name,
            bar: waiting.bar,
            received_at: waiting.received_at,
            now: waiting.now,
            decided_at: waiting.now,
            backfilled: waiting.backfilled,
            simulated: self.options.clock == ClockMode::Feed,
            origin: waiting.origin,
            observation: self.batch.observation(i),
            raw: settled.raw,
            confidence: settled.confidence,
            outcome,
            position_before: self.position_of(waiting.local),
            position_after: settled.position_after,
            generation: bundle.map_or(0, |b| b.terms.generation),
            model_id: bundle.map_or("", |b| b.terms.model_id.as_str()),
            contract: bundle.map_or([0; 32], |b| *b.terms.digest.as_bytes()),
        });
    }

    fn series_word(&self, reason: Withheld) -> &str {
        match reason {
            Withheld::Stale(index) => self
                .holder
                .bundle()
                .and_then(|b| b.loaded.strategy.series().get(usize::from(index)))
                .map_or("", |series| series.as_str()),
            _ => "",
        }
    }

    fn count(&mut self, withheld: Option<Withheld>) {
        match withheld {
            None => self.counters.signals += 1,
            Some(reason) => self.counters.withheld[reason_index(reason)] += 1,
        }
    }

    /// True when a voted contract has had no word for too long.
    pub(super) fn is_unconfirmed(&self) -> bool {
        self.confirmation(self.now_ms()) == Confirmation::Unconfirmed
    }

    fn confirmation(&self, now: UtcMillis) -> Confirmation {
        match self.holder.bundle() {
            Some(bundle) if !bundle.terms.is_local => {
                confirmation(self.directive.as_ref(), bundle.terms.offline_grace_hours, now)
            }
            _ => Confirmation::Confirmed,
        }
    }

    /// Publishes the slot's state when it is another than the last published; only the core that records the slot does.
    pub(super) fn say_slot_state(&mut self, out: &mut Records) {
        self.say_slot_state_at(self.now, out);
    }

    fn say_slot_state_at(&mut self, now: UnixNanos, out: &mut Records) {
        // On the feed's clock there is no time before the first bar, and a state needs its `since`.
        if !self.options.records_slot() || now.0 == 0 {
            return;
        }
        let state = if self.latches.halted() {
            LiveState::Halted
        } else if self.holder.bundle().is_none() {
            LiveState::NoModel
        } else if self.confirmation(now.to_millis()) != Confirmation::Confirmed {
            // Once it has run out, too: every bar then says `unconfirmed`, and the slot is not live.
            LiveState::ContractExpiring
        } else {
            LiveState::Live
        };
        if self.slot_said != Some(state) {
            self.slot_said = Some(state);
            out.push_state(None, state, now.to_millis());
        }
    }

    /// Publishes the instrument's state when it is another than the last published: that of its operators, whatever the engine's
    /// own reasons are. A bar that is not used changes none, but it ends a silence.
    fn say_instrument_state(&mut self, waiting: &Waiting, out: &mut Records) {
        let since = waiting.now.to_millis();
        let slot = &mut self.slots[waiting.local];
        slot.silence.bar_seen(waiting.bar.close_time);
        let state = match slot.before_silence {
            _ if waiting.warming => LiveState::Warming,
            _ if waiting.used => LiveState::Live,
            Some(before) if slot.said == Some(LiveState::StaleFeed) => before,
            _ => return,
        };
        if slot.said != Some(state) {
            slot.note_said(state);
            out.push_state(Some(slot.name.as_str()), state, since);
        }
    }

    /// Orders every open position closed.
    pub(super) fn flatten_all(&mut self, cause: FlattenCause, out: &mut Records) {
        for local in 0..self.slots.len() {
            self.flatten(local, cause, out);
        }
    }

    /// Orders one position closed, if it is open; true when it was.
    pub(super) fn flatten(&mut self, local: usize, cause: FlattenCause, out: &mut Records) -> bool {
        let (generation, time) = (
            self.holder.bundle().map_or(0, |b| b.terms.generation),
            self.now_ms(),
        );
        let slot = &mut self.slots[local];
        let is_open = slot.position != Position::Flat;
        if is_open {
            out.push_flatten(slot.name.as_str(), slot.position, cause, generation, time);
            slot.position = Position::Flat;
        }
        is_open
    }
}
