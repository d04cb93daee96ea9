//! The state machine: accept → features → normalise → policy → action → record.
//!
//! Order is everything here: inputs are taken in the order given; a batch ends before any input that is not a bar, before a
//! second bar of an instrument, and at the end of the inputs. A new bundle is looked for once per batch, before its first bar
//! is observed, so one batch knows one model.

use contracts::bar::Bar;
use contracts::hash::FeatureContractHash;
use contracts::limits::BAR_INTERVAL_MS;
use contracts::reason::{FlattenCause, Latch, LiveState, Position, Withheld};
use contracts::time::{UnixNanos, UtcMillis};

use super::accept::Verdict;
use super::batch::{Batch, Waiting};
use super::confirmation::NewestDirective;
use super::counters::Counters;
use super::input::{ClockMode, DayNumber, Input, InstrumentIndex, SeriesIndex};
use super::latches::Latches;
use super::macro_feed::MacroFeed;
use super::options::CoreOptions;
use super::record::Records;
use super::slot::InstrumentSlot;
use crate::bundle::Holder;
use crate::limits::{RECORDS_BYTES_SLACK, SNAPSHOT_BYTES_PER_INSTRUMENT};

/// The hot path of one shard.
pub struct Core {
    pub(super) options: CoreOptions,
    pub(super) holder: Holder,
    /// The generation under which the positions came about; 0 before the first.
    pub(super) ran: u64,
    pub(super) slots: Vec<InstrumentSlot>,
    pub(super) macros: MacroFeed,
    /// Which feature contract the operators are of; outlives the bundle in a snapshot.
    pub(super) features_of: Option<FeatureContractHash>,
    pub(super) latches: Latches,
    pub(super) directive: Option<NewestDirective>,
    pub(super) now: UnixNanos,
    /// When the feed's silence was last looked at; `None` when it never is.
    pub(super) silence_checked: Option<UtcMillis>,
    pub(super) slot_said: Option<LiveState>,
    pub(super) batch: Batch,
    pub(super) counters: Counters,
    /// Where a snapshot is put together: with room from the start, because a swap that brings operators writes one.
    pub(super) scratch: Vec<u8>,
}

impl Core {
    /// A core that has seen nothing; `holder` brings the models.
    #[must_use]
    pub fn new(options: CoreOptions, holder: Holder) -> Self {
        let slots: Vec<_> = options.owned().cloned().map(InstrumentSlot::new).collect();
        let rows_max = options
            .batch_rows_max
            .clamp(1, strategy::limits::BATCH_ROWS_MAX)
            .min(slots.len().max(1));
        Self {
            holder,
            ran: 0,
            macros: MacroFeed::default(),
            features_of: None,
            latches: Latches::default(),
            directive: None,
            now: UnixNanos(0),
            silence_checked: Some(UtcMillis(i64::MIN)),
            slot_said: None,
            batch: Batch::new(rows_max),
            counters: Counters::default(),
            scratch: Vec::with_capacity(RECORDS_BYTES_SLACK + slots.len() * SNAPSHOT_BYTES_PER_INSTRUMENT),
            slots,
            options,
        }
    }

    /// What was counted so far.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What is held of every owned instrument, in local order.
    pub fn positions(&self) -> impl Iterator<Item = Position> + '_ {
        self.slots.iter().map(|slot| slot.position)
    }

    /// Per owned instrument with a reported position: its local place and as of when.
    pub fn reports(&self) -> impl Iterator<Item = (usize, UtcMillis)> + '_ {
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(local, slot)| Some((local, slot.reported_as_of?)))
    }

    /// True when a daily value would change nothing here.
    #[must_use]
    pub fn knows_macro(&self, series: SeriesIndex, date: DayNumber, value: f64) -> bool {
        self.macros.knows(series, date, value)
    }

    /// The latches.
    #[must_use]
    pub const fn latches(&self) -> Latches {
        self.latches
    }

    /// The newest directive.
    #[must_use]
    pub const fn directive(&self) -> Option<NewestDirective> {
        self.directive
    }

    /// True while a latch is set.
    #[must_use]
    pub const fn is_halted(&self) -> bool {
        self.latches.halted()
    }

    /// The core's options.
    #[must_use]
    pub const fn options(&self) -> &CoreOptions {
        &self.options
    }

    /// Takes the inputs in order and adds their records to `out`.
    ///
    /// Also called without inputs: an idle core adopts a waiting bundle that way. Allocates only where `out` has too little room;
    /// drivers size it with `drivers::pump::records_for`.
    pub fn step(&mut self, inputs: &[Input], out: &mut Records) {
        out.set_simulated(self.options.clock == ClockMode::Feed);
        self.adopt(out);
        for input in inputs {
            match *input {
                Input::Bar {
                    instrument,
                    bar,
                    received_at,
                    backfilled,
                } => {
                    self.on_bar(instrument, bar, received_at, backfilled, out);
                }
                other => {
                    self.flush(out);
                    self.on_other(other, out);
                }
            }
        }
        self.flush(out);
        self.adopt(out);
    }

    /// The core's time in milliseconds.
    #[must_use]
    pub const fn now_ms(&self) -> UtcMillis {
        self.now.to_millis()
    }

    fn on_other(&mut self, input: Input, out: &mut Records) {
        match input {
            Input::Bar { .. } => {}
            Input::Clock { now } => self.on_clock(now, out),
            Input::Macro {
                series,
                date,
                value,
                arrived_at,
            } => {
                self.on_macro(series, date, value, arrived_at, out);
            }
            Input::Position {
                instrument,
                position,
                as_of,
            } => self.on_position(instrument, position, as_of, out),
            Input::Halt { latch } => self.on_halt(latch, out),
            Input::Directive {
                number,
                halted,
                clears_control,
                clears_local,
                issued_at,
                renew_by,
            } => {
                self.on_directive(
                    NewestDirective {
                        number,
                        issued_at,
                        renew_by,
                    },
                    halted,
                    [clears_control, clears_local],
                    out,
                );
            }
            Input::Mode { clock } => {
                self.options.clock = clock;
                out.set_simulated(clock == ClockMode::Feed);
            }
            Input::Snapshot => self.on_snapshot(out),
            Input::Gap { instrument, from, to } => {
                if let Some(local) = self.options.local(instrument) {
                    self.slots[local].gap_told = true;
                    out.push_gap(self.slots[local].name.as_str(), from, to);
                }
            }
        }
    }

    fn on_bar(
        &mut self,
        instrument: InstrumentIndex,
        bar: Bar,
        received_at: UnixNanos,
        backfilled: bool,
        out: &mut Records,
    ) {
        self.counters.bars += 1;
        let Some(local) = self.options.local(instrument) else {
            return;
        };
        if self.slots[local].waiting || self.batch.is_full() {
            self.flush(out);
        }
        if self.batch.is_empty() {
            self.adopt(out);
            self.batch.begin(self.width());
        }
        let wall_now = (self.options.clock == ClockMode::Wall).then(|| self.now_ms());
        let slot = &mut self.slots[local];
        match slot.recent.offer(&bar, wall_now) {
            Verdict::Accepted => {}
            Verdict::Duplicate => return self.counters.duplicates += 1,
            Verdict::OutOfOrder => return self.counters.out_of_order += 1,
            Verdict::Future => return self.counters.future += 1,
            Verdict::OffGrid => return self.counters.off_grid += 1,
            Verdict::Conflict { kept } => {
                self.counters.conflicts += 1;
                self.flush(out);
                return out.push_conflict(self.slots[local].name.as_str(), &kept, &bar);
            }
        }
        self.counters.accepted += 1;
        if self.options.clock == ClockMode::Feed {
            self.now = self
                .now
                .max(UnixNanos(bar.close_time.0.saturating_mul(1_000_000)));
        }
        let mut waiting = Waiting {
            local,
            bar,
            received_at,
            now: self.now,
            backfilled,
            used: false,
            withheld: None,
            warming: false,
            defined: false,
            origin: None,
            level_shift: None,
            gap_told: std::mem::take(&mut self.slots[local].gap_told),
            missing: None,
            row: None,
        };
        self.observe(&mut waiting);
        let own_reason = self.own_reason(&waiting);
        waiting.withheld = [waiting.withheld, own_reason].into_iter().flatten().min();
        self.slots[local].waiting = true;
        self.batch.push(waiting);
    }

    /// Features and observation; leaves `waiting` as it is while there is no model.
    fn observe(&mut self, waiting: &mut Waiting) {
        let Self {
            holder,
            slots,
            macros,
            batch,
            counters,
            ..
        } = self;
        let slot = &mut slots[waiting.local];
        let (Some(bundle), Some(features), Some(macros)) =
            (holder.bundle(), slot.features.as_mut(), macros.state_mut())
        else {
            // Without operators nothing is known; with a model but without them the core would be guessing.
            waiting.withheld = Some(Withheld::Warming);
            waiting.warming = holder.bundle().is_some();
            return;
        };
        let (raw, observation) = batch.scratch();
        let last_used = features.last_used().filter(|_| !waiting.gap_told);
        let seen =
            bundle
                .loaded
                .strategy
                .observe(features, macros, &waiting.bar, slot.position, raw, observation);
        counters.missing_bars += u64::from(seen.missing_bars);
        if let Some(last) = last_used.filter(|_| seen.missing_bars > 0) {
            let first = last.close_time.plus_ms(BAR_INTERVAL_MS);
            waiting.missing = Some((first, waiting.bar.close_time.plus_ms(-BAR_INTERVAL_MS)));
        }
        waiting.used = seen.used;
        waiting.withheld = seen.withheld;
        waiting.warming = seen.withheld == Some(Withheld::Warming);
        waiting.defined = seen.defined;
        waiting.level_shift = seen.level_shift;
        waiting.origin = features.origin();
    }

    /// The reasons that are the engine's own; the strategy's come from its observation.
    fn own_reason(&self, waiting: &Waiting) -> Option<Withheld> {
        if self.latches.halted() {
            return Some(Withheld::Halted);
        }
        let Some(bundle) = self.holder.bundle() else {
            return Some(Withheld::NoModel);
        };
        if self.is_unconfirmed() {
            return Some(Withheld::Unconfirmed);
        }
        let age_ms = waiting.now.to_millis().0 - waiting.bar.close_time.0;
        let too_old = self.options.clock == ClockMode::Wall && age_ms > bundle.terms.max_bar_age_ms;
        if waiting.backfilled || too_old {
            return Some(Withheld::Late);
        }
        let slot = &self.slots[waiting.local];
        (bundle.terms.is_feedback && slot.reported_as_of.is_none()).then_some(Withheld::NoPosition)
    }

    /// Infers what waits and records it in order.
    pub(super) fn flush(&mut self, out: &mut Records) {
        if self.batch.is_empty() {
            return;
        }
        let outputs_width = self.infer();
        for i in 0..self.batch.len() {
            self.finish(i, outputs_width, out);
        }
        self.batch.begin(0);
    }

    /// Runs the policy over the batch's rows; `None` when there is nothing to run or the policy failed as a whole.
    fn infer(&mut self) -> Option<usize> {
        let rows = self.batch.rows_len();
        if rows == 0 {
            return None;
        }
        self.counters.batch(rows);
        let (bundle, policy) = self.holder.current()?;
        let outputs_width = bundle.loaded.head.width();
        let (inputs, outputs) = self.batch.inference(outputs_width);
        strategy::policy::Policy::infer(policy, inputs, outputs)
            .is_ok()
            .then_some(outputs_width)
    }

    pub(super) fn position_of(&self, local: usize) -> Position {
        self.slots[local].position
    }

    /// Sets a latch and closes every open position: also under a latch that was set, whose orders a crash may have lost.
    fn on_halt(&mut self, latch: Latch, out: &mut Records) {
        let changed = self.latches.put(latch, true);
        out.push_halt(latch, self.now_ms(), changed);
        self.flatten_all(FlattenCause::Halt, out);
        self.say_slot_state(out);
    }

    fn on_directive(&mut self, newest: NewestDirective, halted: bool, clears: [bool; 2], out: &mut Records) {
        if self.directive.is_some_and(|held| newest.number <= held.number) {
            return;
        }
        self.directive = Some(newest);
        out.push_directive(newest.number, halted, clears, newest.issued_at, newest.renew_by);
        for (latch, clear) in [(Latch::Control, clears[0]), (Latch::Local, clears[1])] {
            // A directive that both sets and clears the control latch leaves it set: the safe reading.
            if clear && !(halted && latch == Latch::Control) && self.latches.put(latch, false) {
                out.push_resume(latch, self.now_ms());
            }
        }
        if halted && !self.latches.is_set(Latch::Control) {
            self.on_halt(Latch::Control, out);
        }
        self.say_slot_state(out);
    }
}
