//! One core going the way of its records again.
//!
//! A record that came from outside is stepped through the core ([`begin`]); what the core says is then due in the journal, record
//! by record. Three kinds of records must wait for others before they can be stepped: what is said *about* a bar lies before that
//! bar; the time of a directive and of a swap lies in the records they caused; and the operators of a warmed swap ([`swap`]) in the
//! snapshot behind it. [`runs`] is how a run begins and what it leaves to the next.

mod begin;
mod recovered;
mod runs;
mod swap;

use std::sync::Arc;

use contracts::time::{UnixNanos, UtcMillis};

use recovered::Recovered;

use super::compare::differing;
use super::{Context, Difference, Line, Model, VerifyError};
use crate::bundle::{BundleCell, Holder};
use crate::core::record::{Header, Kind, Record, SwappedRecord};
use crate::core::snapshot::CoreImage;
use crate::core::{ClockMode, Core, CoreOptions, Input, InstrumentIndex, Records};
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
    recovered: Recovered,
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
            recovered: Recovered::default(),
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
            Record::Snapshot(snapshot) => self.recovered.begin_with(&image_of(line, snapshot.state)?),
            record => self.recovered.take(record),
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

    fn place(&self, name: &str) -> Option<InstrumentIndex> {
        let all = &self.core.options().instruments;
        let at = all.iter().position(|known| known.as_str() == name)?;
        u32::try_from(at).ok().map(InstrumentIndex)
    }

    fn instrument(&self, line: &Line<'_>, name: &str) -> Result<InstrumentIndex, VerifyError> {
        self.place(name)
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
        self.core.set_clock(bar.now);
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
        let tolerant = self
            .model
            .as_ref()
            .is_some_and(|model| model.other_numerics.is_some());
        if let Some(field) = differing(entry.kind, line.payload, due, tolerant) {
            return Err(Difference::of(line, field.name, field.journaled, field.recomputed).into());
        }
        context.summary.snapshots += u64::from(entry.kind == Kind::Snapshot);
        self.confirmed += 1;
        Ok(())
    }
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
