//! One core going the way of its records again.
//!
//! A record that came from outside is stepped through the core; what the core says is then due in the journal, record by record.
//! Three kinds of records must wait for others before they can be stepped: what is said *about* a bar lies before that bar; the
//! time of a directive and of a swap lies in the records they caused; and the operators of a warmed swap in the snapshot behind it.

use std::sync::Arc;

use contracts::hash::FeatureContractHash;
use contracts::ids::InstrumentId;
use contracts::reason::{FlattenCause, LiveState};
use contracts::time::{UnixNanos, UtcMillis};
use strategy::plan::FeaturePlan;

use super::compare::differing;
use super::{Context, Difference, Line, Model, VerifyError};
use crate::bundle::{Bundle, BundleCell, Holder, WarmState};
use crate::core::record::{Header, Kind, Record, SwapRecord, SwappedRecord};
use crate::core::snapshot::CoreImage;
use crate::core::{ClockMode, Core, CoreOptions, Input, InstrumentIndex, Records, SeriesIndex};
use crate::drivers::load::fresh;
use crate::drivers::pump::records_for;

/// A record that waits for those behind it.
struct Held {
    header: Header,
    payload: Vec<u8>,
}

impl Held {
    fn line(&self) -> Line<'_> {
        Line {
            header: self.header,
            payload: &self.payload,
            record: Record::decode(self.header.kind, &self.payload).expect("decoded when it was read"),
        }
    }
}

/// One core.
pub(super) struct Shard {
    core: Core,
    cell: Arc<BundleCell>,
    records: Records,
    /// How many of `records` the journal has confirmed; the rest is due.
    confirmed: usize,
    held: Vec<Held>,
    /// The model that runs, or whose operators were inherited.
    model: Option<Model>,
    adopted: Option<u64>,
    /// Operators began in a snapshot, not in a bar of the journal.
    given: bool,
    unborn: bool,
    /// The newest time a recovery would find in the journal.
    recovered_now: UnixNanos,
    /// The generation a recovery would find the positions under.
    recovered_ran: u64,
}

impl Shard {
    /// A core that knows nothing.
    pub fn new(options: CoreOptions) -> Self {
        let cell = Arc::new(BundleCell::default());
        let records = records_for(options.instruments.len());
        let holder = Holder::new(Arc::clone(&cell), usize::from(options.shard));
        let mut core = Core::new(options, holder);
        core.retrace();
        Self {
            core,
            cell,
            records,
            confirmed: 0,
            held: Vec::new(),
            model: None,
            adopted: None,
            given: false,
            unborn: false,
            recovered_now: UnixNanos(0),
            recovered_ran: 0,
        }
    }

    /// A core whose beginnings were deleted: it waits for its first snapshot.
    pub fn unborn(options: CoreOptions) -> Self {
        Self {
            unborn: true,
            ..Self::new(options)
        }
    }

    pub const fn is_unborn(&self) -> bool {
        self.unborn
    }

    pub fn has_adopted(&self, swapped: &SwappedRecord<'_>) -> bool {
        self.unborn || self.adopted >= Some(swapped.generation)
    }

    /// Takes the next record of this core.
    pub fn take(&mut self, line: &Line<'_>, context: &mut Context<'_>) -> Result<(), VerifyError> {
        if self.unborn {
            return self.first_snapshot(line, context);
        }
        match &line.record {
            Record::Bar(bar) => {
                self.recovered_now = self.recovered_now.max(bar.now);
                if bar.generation != 0 {
                    self.recovered_ran = bar.generation;
                }
            }
            Record::Snapshot(snapshot) => {
                let image = image_of(line, snapshot.state)?;
                self.recovered_now = image.now.max(self.recovered_now);
                self.recovered_ran = image.ran;
            }
            _ => {}
        }
        if self.confirmed < self.records.len() {
            return self.confirm(line, context);
        }
        let Some(first) = self.held.first() else {
            return self.begin(line, context);
        };
        match first.header.kind {
            Kind::Directive => {
                self.directive(Some(line), context)?;
                self.take(line, context)
            }
            Kind::Swap if line.kind() == Kind::Swapped && self.held.len() == 1 => {
                self.hold(line);
                Ok(())
            }
            Kind::Swap => {
                self.swap(Some(line), context)?;
                self.take(line, context)
            }
            // Said about a bar that must follow.
            _ => match &line.record {
                Record::Bar(_) => self.bar(line, context),
                Record::State(_) | Record::LevelShift(_) => {
                    self.hold(line);
                    Ok(())
                }
                _ => Err(unsaid(&first.line())),
            },
        }
    }

    fn hold(&mut self, line: &Line<'_>) {
        self.held.push(Held {
            header: line.header,
            payload: line.payload.to_vec(),
        });
    }

    /// A record that nothing is due before.
    fn begin(&mut self, line: &Line<'_>, context: &mut Context<'_>) -> Result<(), VerifyError> {
        self.follow_mode(if line.header.simulated {
            ClockMode::Feed
        } else {
            ClockMode::Wall
        });
        match &line.record {
            Record::Bar(_) => return self.bar(line, context),
            Record::Swap(_) | Record::Directive(_) | Record::LevelShift(_) => {
                self.hold(line);
                return Ok(());
            }
            Record::State(state) => match (state.instrument, state.state) {
                (Some(name), LiveState::StaleFeed) => {
                    let instrument = self.instrument(line, name)?;
                    self.forget_said();
                    self.core
                        .retrace_silence(instrument, state.since, &mut self.records);
                }
                (None, _) if !line.header.simulated => {
                    self.step(&[Input::Clock {
                        now: nanos(state.since),
                    }]);
                }
                _ => {
                    self.hold(line);
                    return Ok(());
                }
            },
            Record::Flatten(order) if order.cause == FlattenCause::StaleFeed => {
                let instrument = self.instrument(line, order.instrument)?;
                self.forget_said();
                self.core
                    .retrace_stale_flatten(instrument, order.time, &mut self.records);
            }
            Record::Halt(halt) => {
                self.core.retrace_clock(nanos(halt.time));
                self.step(&[Input::Halt { latch: halt.latch }]);
            }
            Record::Macro(value) => {
                let series = &self.core.options().series;
                let place = series.iter().position(|name| name.as_str() == value.series);
                let Some(series) = place.and_then(|at| u8::try_from(at).ok()).map(SeriesIndex) else {
                    return Err(Difference::of(line, "series", value.series, "no name of a series").into());
                };
                self.step(&[Input::Macro {
                    series,
                    date: value.date,
                    value: value.value,
                    arrived_at: value.arrived_at,
                }]);
            }
            Record::Position(report) => {
                let instrument = self.instrument(line, report.instrument)?;
                self.step(&[Input::Position {
                    instrument,
                    position: report.position,
                    as_of: report.as_of,
                }]);
            }
            Record::Gap(gap) => {
                let instrument = self.instrument(line, gap.instrument)?;
                self.step(&[Input::Gap {
                    instrument,
                    from: gap.from,
                    to: gap.to,
                }]);
            }
            Record::Conflict(conflict) => {
                let instrument = self.instrument(line, conflict.instrument)?;
                self.step(&[Input::Bar {
                    instrument,
                    bar: conflict.offered,
                    received_at: UnixNanos(0),
                    backfilled: false,
                }]);
            }
            Record::Snapshot(snapshot) => {
                let image = image_of(line, snapshot.state)?;
                self.follow_mode(image.clock);
                self.core.retrace_clock(image.now);
                self.step(&[Input::Snapshot]);
            }
            _ => return Err(unsaid(line)),
        }
        self.confirm(line, context)
    }

    fn follow_mode(&mut self, clock: ClockMode) {
        if self.core.options().clock != clock {
            self.step(&[Input::Mode { clock }]);
        }
    }

    fn forget_said(&mut self) {
        self.records.clear();
        self.confirmed = 0;
    }

    fn step(&mut self, inputs: &[Input]) {
        self.forget_said();
        self.core.step(inputs, &mut self.records);
    }

    fn instrument(&self, line: &Line<'_>, name: &str) -> Result<InstrumentIndex, VerifyError> {
        let all = &self.core.options().instruments;
        all.iter()
            .position(|known| known.as_str() == name)
            .and_then(|at| u32::try_from(at).ok())
            .map(InstrumentIndex)
            .ok_or_else(|| Difference::of(line, "instrument", name, "no instrument of the slot").into())
    }

    /// The bar behind what was said about it.
    fn bar(&mut self, line: &Line<'_>, context: &mut Context<'_>) -> Result<(), VerifyError> {
        let Record::Bar(bar) = &line.record else {
            return Err(unsaid(line));
        };
        let instrument = self.instrument(line, bar.instrument)?;
        self.follow_mode(if bar.simulated {
            ClockMode::Feed
        } else {
            ClockMode::Wall
        });
        self.core.retrace_clock(bar.now);
        self.step(&[Input::Bar {
            instrument,
            bar: bar.bar,
            received_at: bar.received_at,
            backfilled: bar.backfilled,
        }]);
        self.records.stamp_decided(bar.decided_at);
        context.summary.bars += 1;
        context.summary.bars_on_given_operators += u64::from(self.given && self.adopted.is_some());
        self.confirm_held(context)?;
        self.confirm(line, context)
    }

    fn confirm_held(&mut self, context: &mut Context<'_>) -> Result<(), VerifyError> {
        for held in std::mem::take(&mut self.held) {
            self.confirm(&held.line(), context)?;
        }
        Ok(())
    }

    /// The journal's next record must be what is due.
    fn confirm(&mut self, line: &Line<'_>, context: &mut Context<'_>) -> Result<(), VerifyError> {
        let Some(entry) = self.records.entries().get(self.confirmed).copied() else {
            return Err(unsaid(line));
        };
        let due = self.records.payload(entry);
        if entry.kind != line.kind() {
            let word = entry.kind.word();
            return Err(Difference::of(line, "kind", line.kind().word(), word).into());
        }
        let tolerant = context.summary.other_numerics.is_some();
        if let Some(field) = differing(entry.kind, line.payload, due, tolerant) {
            return Err(Difference::of(line, field.name, field.journaled, field.recomputed).into());
        }
        context.summary.snapshots += u64::from(entry.kind == Kind::Snapshot);
        self.confirmed += 1;
        Ok(())
    }

    /// Steps the held directive, at the time of what it caused.
    fn directive(&mut self, next: Option<&Line<'_>>, context: &mut Context<'_>) -> Result<(), VerifyError> {
        let held = self.held.remove(0);
        let line = held.line();
        let Record::Directive(directive) = line.record else {
            return Err(unsaid(&line));
        };
        let caused_at = next.and_then(|next| match &next.record {
            Record::Resume(resume) => Some(resume.time),
            Record::Halt(halt) if directive.halted => Some(halt.time),
            Record::State(state) if state.instrument.is_none() => Some(state.since),
            _ => None,
        });
        if let Some(at) = caused_at {
            self.core.retrace_clock(nanos(at));
        }
        self.step(&[Input::Directive {
            number: directive.number,
            halted: directive.halted,
            clears_control: directive.clears_control,
            clears_local: directive.clears_local,
            issued_at: directive.issued_at,
            renew_by: directive.renew_by,
        }]);
        self.confirm(&line, context)
    }

    /// Publishes the model of the held swap and lets the core adopt it.
    fn swap(&mut self, next: Option<&Line<'_>>, context: &mut Context<'_>) -> Result<(), VerifyError> {
        let held = self.held.first().expect("called for a held swap");
        let (header, line) = (held.header, held.line());
        let Record::Swap(SwapRecord { generation, .. }) = line.record else {
            return Err(unsaid(&line));
        };
        let model = context.model(generation, header.lsn)?;
        let image = match next.map(|next| (next, &next.record)) {
            Some((next, Record::Snapshot(snapshot))) => Some(image_of(next, snapshot.state)?),
            _ => None,
        };
        let probe = bundle_of(&model, Vec::new());
        if let Some(image) = &image
            && self.adopted.is_none()
            && !self.core.needs_warm(&probe)
        {
            self.forget_operators_unless(image)?;
        }
        let mut warm = Vec::new();
        if self.core.needs_warm(&probe) {
            let fresh = fresh(&model.loaded, self.core.options());
            let given = image
                .as_ref()
                .map(|image| given(image, &model, self.core.options()));
            let state = match given {
                Some(Some(given)) => {
                    self.given = !same_operators(&given, &fresh);
                    given
                }
                Some(None) => return Err(VerifyError::Snapshot { lsn: header.lsn + 1 }),
                None => fresh,
            };
            // The seats are counted by core: those of other cores stay empty here.
            for _ in 0..self.core.options().shard {
                warm.push(WarmState {
                    instruments: Vec::new(),
                    macros: None,
                    through: Vec::new(),
                    last: Vec::new(),
                });
            }
            warm.push(state);
            if let Some(image) = &image {
                self.follow_mode(image.clock);
                self.core.retrace_clock(image.now);
            }
        }
        match next.map(|next| &next.record) {
            Some(Record::Flatten(order)) if order.cause == FlattenCause::Swap => {
                self.core.retrace_clock(nanos(order.time));
            }
            Some(Record::State(state)) if state.instrument.is_none() => {
                self.core.retrace_clock(nanos(state.since));
            }
            _ => {}
        }
        self.cell.publish(Arc::new(bundle_of(&model, warm)));
        self.step(&[]);
        self.adopted = Some(generation);
        self.model = Some(model);
        context.summary.generations.insert(generation);
        self.confirm_held(context)
    }

    /// An engine that could not recover its operators was given others: so is this core, if `image` says so.
    fn forget_operators_unless(&mut self, image: &CoreImage) -> Result<(), VerifyError> {
        let own = self.image()?;
        let same = own.macros == image.macros
            && own.slots.len() == image.slots.len()
            && own
                .slots
                .iter()
                .zip(&image.slots)
                .all(|(a, b)| a.features == b.features);
        if !same {
            let mut anew = Self::new(self.core.options().clone());
            anew.held = std::mem::take(&mut self.held);
            anew.recovered_now = self.recovered_now;
            anew.recovered_ran = self.recovered_ran;
            anew.follow_mode(own.clock);
            anew.core.restore(&own, None).map_err(|_| VerifyError::Empty)?;
            anew.core.retrace();
            *self = anew;
        }
        Ok(())
    }

    /// The core's state as a snapshot would hold it.
    fn image(&mut self) -> Result<CoreImage, VerifyError> {
        self.step(&[Input::Snapshot]);
        let state = self.records.iter().find_map(|record| match record {
            Ok(Record::Snapshot(snapshot)) => CoreImage::parse(snapshot.state).ok(),
            _ => None,
        });
        self.forget_said();
        state.ok_or(VerifyError::Empty)
    }

    /// Begins with the first snapshot of a running core.
    fn first_snapshot(&mut self, line: &Line<'_>, context: &mut Context<'_>) -> Result<(), VerifyError> {
        let Record::Snapshot(snapshot) = &line.record else {
            context.summary.skipped += 1;
            return Ok(());
        };
        let image = image_of(line, snapshot.state)?;
        if image.generation == 0 && image.features_of.is_some() {
            // Between a start and its first swap nobody says which contract the operators are of.
            context.summary.skipped += 1;
            return Ok(());
        }
        let shards = context.shards;
        let mut options = self.core.options().clone();
        options.shards = shards;
        let mut born = Self::new(options);
        if image.generation != 0 {
            let model = context.model(image.generation, line.header.lsn)?;
            let options = born.core.options().clone();
            let warm = (0..shards).map(|_| fresh(&model.loaded, &options));
            born.cell.publish(Arc::new(bundle_of(&model, warm.collect())));
            born.step(&[]);
            born.forget_said();
            born.adopted = Some(image.generation);
            born.model = Some(model);
            born.given = true;
            context.summary.generations.insert(image.generation);
        }
        born.recovered_now = image.now;
        born.recovered_ran = image.ran;
        born.restore(&image)
            .map_err(|_| VerifyError::Snapshot { lsn: line.header.lsn })?;
        *self = born;
        Ok(())
    }

    fn restore(&mut self, image: &CoreImage) -> Result<(), crate::core::bytes::BadBytes> {
        let model = self.model.clone();
        let plan: Option<(FeatureContractHash, &FeaturePlan)> = model
            .as_ref()
            .map(|model| (model.terms.feature_contract_hash, model.loaded.strategy.plan()));
        self.core.restore(image, plan)?;
        self.core.retrace();
        self.follow_mode(image.clock);
        Ok(())
    }

    /// What a recovery finds when the run ends here, with the model whose operators they are.
    pub fn end_of_run(&mut self, context: &mut Context<'_>) -> Result<Option<Legacy>, VerifyError> {
        context.summary.unfinished += self.end(context)?;
        let due: Vec<Held> = self.due();
        let mut image = self.image()?;
        image.now = self.recovered_now;
        image.ran = self.recovered_ran;
        undo(&mut image, &due);
        Ok(Some(Legacy {
            image,
            model: self.model.clone(),
            given: self.given,
        }))
    }

    /// The journal, or a run, ends: what waits is stepped, what is left over belongs to a batch that was cut.
    pub fn end(&mut self, context: &mut Context<'_>) -> Result<u64, VerifyError> {
        match self.held.first().map(|held| held.header.kind) {
            Some(Kind::Directive) => self.directive(None, context)?,
            Some(Kind::Swap) => self.swap(None, context)?,
            _ => {}
        }
        let left = self.held.len() as u64;
        self.held.clear();
        Ok(left)
    }

    fn due(&self) -> Vec<Held> {
        let due = self.records.entries().iter().skip(self.confirmed);
        due.map(|entry| Held {
            header: Header {
                lsn: u64::MAX,
                seq: 0,
                synced_lsn: 0,
                epoch: 0,
                len: 0,
                kind: entry.kind,
                shard: 0,
                simulated: false,
            },
            payload: self.records.payload(*entry).to_vec(),
        })
        .collect()
    }

    /// Takes over what the run before left in the journal.
    pub fn inherit(&mut self, legacy: &Legacy) -> Result<(), VerifyError> {
        self.model.clone_from(&legacy.model);
        self.given = legacy.given;
        self.recovered_now = legacy.image.now;
        self.recovered_ran = legacy.image.ran;
        self.restore(&legacy.image).map_err(|_| VerifyError::Empty)
    }
}

/// What a run leaves to the next.
pub(super) struct Legacy {
    image: CoreImage,
    model: Option<Model>,
    given: bool,
}

/// Takes back what the core did and the journal does not have: the batch was cut there. A halt that is due follows the directive
/// that ordered it, and a recovery finds the latch there.
fn undo(image: &mut CoreImage, due: &[Held]) {
    for held in due.iter().rev() {
        match held.line().record {
            Record::Flatten(order) => {
                for slot in &mut image.slots {
                    if slot.name == order.instrument {
                        slot.position = order.position_before;
                    }
                }
            }
            Record::Resume(resume) => {
                image.latches.put(resume.latch, true);
            }
            _ => {}
        }
    }
}

fn bundle_of(model: &Model, warm: Vec<WarmState>) -> Bundle {
    let warm = warm.into_iter().map(Box::new).collect();
    Bundle::new(model.terms.clone(), Arc::clone(&model.loaded), warm)
}

/// The operators in a snapshot; `None` when they are not of this model.
fn given(image: &CoreImage, model: &Model, options: &CoreOptions) -> Option<WarmState> {
    let strategy = &model.loaded.strategy;
    let macros = strategy
        .load_macros(&mut image.macros.as_ref()?.as_slice())
        .ok()?;
    let (mut instruments, mut last) = (Vec::new(), Vec::new());
    for name in options.owned() {
        let slot = image
            .slots
            .iter()
            .find(|slot| slot.name == InstrumentId::as_str(name))?;
        instruments.push(Some(
            strategy
                .load_instrument(&mut slot.features.as_ref()?.as_slice())
                .ok()?,
        ));
        last.push(slot.recent.last().copied());
    }
    Some(WarmState {
        instruments,
        macros: Some(macros),
        through: last.iter().map(|bar| bar.map(|bar| bar.close_time)).collect(),
        last,
    })
}

fn same_operators(a: &WarmState, b: &WarmState) -> bool {
    let bytes = |state: &WarmState| {
        let mut bytes = Vec::new();
        for instrument in state.instruments.iter().flatten() {
            instrument.save(&mut bytes);
        }
        if let Some(macros) = &state.macros {
            macros.save(&mut bytes);
        }
        bytes
    };
    bytes(a) == bytes(b)
}

fn image_of(line: &Line<'_>, state: &[u8]) -> Result<CoreImage, VerifyError> {
    CoreImage::parse(state).map_err(|_| VerifyError::Snapshot { lsn: line.header.lsn })
}

fn unsaid(line: &Line<'_>) -> VerifyError {
    match &line.record {
        Record::State(state) => Difference::of(line, "state", format_args!("{state:?}"), "no such record"),
        _ => Difference::of(line, "kind", line.kind().word(), "no such record"),
    }
    .into()
}

const fn nanos(at: UtcMillis) -> UnixNanos {
    UnixNanos(at.0.saturating_mul(1_000_000))
}
