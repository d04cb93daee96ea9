//! The `verify` driver: the core goes the way of a journal again, and every record must come out as it was written.
//!
//! The journal is an input log and an output log at once. Per core ([`shard`]) the records that came from outside (bars, daily
//! values, positions, latches, directives, swaps) become inputs again, in their order; what the core says to them must be the
//! journal's bytes. What the wall clock did between two records left no input behind: a tick that said something is taken at the
//! time its record names, which the core confirms from calendar, bars and terms ([`crate::core::Core`], `retrace`).
//!
//! Taken as given, and counted where it matters: when bars were received and processed and decided (inputs of the past), that a
//! silence *was* announced at all, operators that a builder warmed outside ([`Summary::bars_on_given_operators`]), and the state
//! in the oldest snapshot where older segments were deleted.
//!
//! What is missing is named where numbers show it: record numbers have no hole (the reader refuses one with file and place), nor
//! have message numbers, nothing may be owed before a `stop`, and only a `start` follows one. Where somebody renumbered everything
//! behind a removed bar, the next bar of that instrument comes out differently. What no journal can show is that whole records
//! were cut off its end, at a place where a batch ended and no `stop` was: a killed engine leaves the same bytes. So the end is
//! reported ([`Summary::stopped`], [`Summary::last_lsn`]), not judged.

mod compare;
mod difference;
mod models;
mod shard;
mod survey;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use contracts::ids::{InstrumentId, SeriesId};

use crate::core::record::{Header, Kind, Outcome, Record};
use crate::core::{ClockMode, CoreOptions};
use crate::journal::{JournalReader, ReadError};
use crate::limits::RETIRED_BUNDLES_KEPT;

pub use difference::Difference;
pub use models::{ContractStore, Model, ModelError, Models};
use shard::Shard;
use survey::Survey;

/// How far a raw output may be off where this machine's arithmetic is not the contract's.
pub const RAW_TOLERANCE: f32 = 1e-5;

/// Why a journal is not verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A record is not what the core says.
    #[error("{0}")]
    Differs(Box<Difference>),
    /// The journal cannot be read: damaged, or a file is missing.
    #[error("the journal cannot be read")]
    Read(#[from] ReadError),
    /// A contract the journal ran under cannot be run here.
    #[error("generation {generation}, adopted in record {lsn}, cannot be run again")]
    Model {
        /// Its generation.
        generation: u64,
        /// The record that adopts it.
        lsn: u64,
        /// Why.
        #[source]
        source: ModelError,
    },
    /// The journal holds no record, or no snapshot to begin with.
    #[error(
        "the journal holds nothing to begin with: neither its first record nor a snapshot of a running core"
    )]
    Empty,
    /// A snapshot's bytes are no state of a core.
    #[error("the snapshot in record {lsn} cannot be read")]
    Snapshot {
        /// The record.
        lsn: u64,
    },
    /// More series than a slot may have.
    #[error("the journal names more macro series than a slot may have")]
    Series,
}

/// What was verified.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records read.
    pub records: u64,
    /// Bars recomputed.
    pub bars: u64,
    /// Of these, decided.
    pub signals: u64,
    /// Files.
    pub segments: u64,
    /// Runs begun.
    pub starts: u64,
    /// Generations adopted.
    pub generations: BTreeSet<u64>,
    /// Snapshots compared.
    pub snapshots: u64,
    /// Bars whose operators began in a snapshot of the journal, not in a bar of it.
    pub bars_on_given_operators: u64,
    /// Records before the first snapshot of their core: their beginnings were deleted.
    pub skipped: u64,
    /// Records at the end that belong to a batch that was not written whole.
    pub unfinished: u64,
    /// Records that followed from the last ones of a run and are not there: a batch was not written whole, or was cut.
    pub owed: u64,
    /// Bytes behind the last whole record.
    pub torn_bytes: u64,
    /// The last record.
    pub last_lsn: u64,
    /// True when it is a `stop`: the last run ended in order, so nothing is missing behind it.
    pub stopped: bool,
    /// The highest record that the journal itself says was on disk.
    pub synced_lsn: u64,
    /// Why bits were not compared, where they were not.
    pub other_numerics: Option<String>,
}

/// One record on its way.
#[derive(Clone, Copy)]
struct Line<'a> {
    header: Header,
    payload: &'a [u8],
    record: Record<'a>,
}

/// What all cores share.
struct Context<'a> {
    models: &'a mut dyn Models,
    /// The newest loaded models of this run, so that cores of one engine share them as they did.
    loaded: VecDeque<(u64, Model)>,
    shards: u16,
    summary: Summary,
}

impl Context<'_> {
    fn model(&mut self, generation: u64, lsn: u64) -> Result<Model, VerifyError> {
        if let Some((_, model)) = self.loaded.iter().find(|(held, _)| *held == generation) {
            return Ok(model.clone());
        }
        let model = self
            .models
            .model(generation, self.shards)
            .map_err(|source| VerifyError::Model {
                generation,
                lsn,
                source,
            })?;
        if let Some(why) = &model.other_numerics {
            self.summary.other_numerics.get_or_insert_with(|| why.clone());
        }
        self.loaded.push_back((generation, model.clone()));
        if self.loaded.len() > RETIRED_BUNDLES_KEPT {
            self.loaded.pop_front();
        }
        Ok(model)
    }
}

/// Verifies everything `reader` has; `progress` is told the records done and how many there are.
///
/// # Errors
/// [`VerifyError`]; [`VerifyError::Differs`] for the first record that is not what the core says.
pub fn verify(
    reader: &JournalReader,
    models: &mut dyn Models,
    mut progress: impl FnMut(u64, u64),
) -> Result<Summary, VerifyError> {
    let survey = Survey::of(reader)?;
    let mut run = Run {
        context: Context {
            models,
            loaded: VecDeque::new(),
            shards: 0,
            summary: Summary {
                segments: reader.segments().len() as u64,
                torn_bytes: survey.torn_bytes,
                ..Summary::default()
            },
        },
        series: survey.series.clone().into(),
        shards: Vec::new(),
        next_seq: None,
    };
    if let Some(layout) = &survey.begins_with_snapshots {
        run.lay_out(&layout.instruments, layout.shards);
    }
    let mut cursor = reader.from_lsn(reader.oldest_lsn())?;
    while let Some(read) = cursor.read()? {
        let line = Line {
            header: read.header,
            payload: read.payload,
            record: read.record()?,
        };
        run.take(&line)?;
        progress(run.context.summary.records, survey.records);
    }
    run.end()
}

struct Run<'a> {
    context: Context<'a>,
    series: Arc<[SeriesId]>,
    shards: Vec<Shard>,
    next_seq: Option<u64>,
}

impl Run<'_> {
    fn options(&self, instruments: &Arc<[InstrumentId]>, shard: u16, shards: u16) -> CoreOptions {
        CoreOptions {
            shard,
            shards,
            clock: ClockMode::Wall,
            series: Arc::clone(&self.series),
            ..CoreOptions::single(Arc::clone(instruments))
        }
    }

    /// Cores that wait for their first snapshot.
    fn lay_out(&mut self, instruments: &Arc<[InstrumentId]>, shards: u16) {
        self.context.shards = shards;
        self.shards = (0..shards)
            .map(|shard| Shard::unborn(self.options(instruments, shard, shards)))
            .collect();
    }

    fn take(&mut self, line: &Line<'_>) -> Result<(), VerifyError> {
        self.context.summary.records += 1;
        self.number(line)?;
        let summary = &mut self.context.summary;
        if summary.stopped && line.kind() != Kind::Start {
            return Err(
                Difference::of(line, "kind", line.kind().word(), "start: the run before stopped").into(),
            );
        }
        summary.last_lsn = line.header.lsn;
        summary.synced_lsn = summary.synced_lsn.max(line.header.synced_lsn);
        summary.stopped = line.kind() == Kind::Stop;
        match &line.record {
            Record::Start(start) => {
                let mut instruments = Vec::new();
                for name in start.instruments.iter() {
                    instruments
                        .push(InstrumentId::parse(name).map_err(|_| {
                            Difference::of(line, "instruments", name, "names of instruments")
                        })?);
                }
                self.start(&instruments.into(), start.shards)
            }
            Record::Stop(_) => self.stop(line),
            Record::Contract(_) => Ok(()),
            Record::Swapped(swapped) if self.context.shards > 1 => {
                match self.shards.iter().all(|shard| shard.has_adopted(swapped)) {
                    true => Ok(()),
                    false => Err(Difference::of(
                        line,
                        "generation",
                        swapped.generation,
                        "not adopted by every core",
                    )
                    .into()),
                }
            }
            _ => match self.shards.get_mut(usize::from(line.header.shard)) {
                Some(shard) => shard.take(line, &mut self.context),
                None => Err(Difference::of(line, "shard", line.header.shard, "no such core").into()),
            },
        }
    }

    /// Messages are numbered without a hole.
    fn number(&mut self, line: &Line<'_>) -> Result<(), VerifyError> {
        if line.header.seq == 0 {
            return Ok(());
        }
        let due = self
            .next_seq
            .replace(line.header.seq + 1)
            .unwrap_or(line.header.seq);
        if due != line.header.seq {
            let missing = match line.header.seq.checked_sub(due + 1) {
                Some(0) => format!("{due}, which is missing before it"),
                Some(_) => format!("{due}; {due} to {} are missing before it", line.header.seq - 1),
                None => due.to_string(),
            };
            return Err(Difference::of(line, "seq", line.header.seq, missing).into());
        }
        match &line.record {
            Record::Bar(bar) if matches!(bar.outcome, Outcome::Decided { .. }) => {
                self.context.summary.signals += 1;
            }
            _ => {}
        }
        Ok(())
    }

    /// A run ends in order: everything its cores said was written.
    fn stop(&mut self, line: &Line<'_>) -> Result<(), VerifyError> {
        for shard in self.shards.iter_mut().filter(|shard| !shard.is_unborn()) {
            self.context.summary.unfinished += shard.end(&mut self.context)?;
            if let Some((kind, _)) = shard.owed() {
                return Err(Difference::of(line, "kind", line.kind().word(), kind.word()).into());
            }
        }
        Ok(())
    }

    /// A run begins: the engine knew what the journal said, and no model.
    fn start(&mut self, instruments: &Arc<[InstrumentId]>, shards: u16) -> Result<(), VerifyError> {
        self.context.summary.starts += 1;
        let mut old = std::mem::take(&mut self.shards);
        if old.iter().any(Shard::is_unborn) {
            self.lay_out(instruments, shards);
            return Ok(());
        }
        let mut images = Vec::new();
        for shard in &mut old {
            images.extend(shard.end_of_run(&mut self.context)?);
        }
        self.context.loaded.clear();
        self.context.shards = shards;
        for shard in 0..shards {
            let options = self.options(instruments, shard, shards);
            let mut reborn = Shard::new(options);
            if images.len() == usize::from(shards) {
                reborn.inherit(&images[usize::from(shard)])?;
            } else {
                // Another number of cores: every core finds its instruments by name; the first core's word on the slot counts.
                for image in images.iter().rev() {
                    reborn.inherit(image)?;
                }
            }
            self.shards.push(reborn);
        }
        Ok(())
    }

    fn end(mut self) -> Result<Summary, VerifyError> {
        if self.shards.is_empty() || self.shards.iter().all(Shard::is_unborn) {
            return Err(VerifyError::Empty);
        }
        for shard in &mut self.shards {
            self.context.summary.unfinished += shard.end(&mut self.context)?;
            self.context.summary.owed += shard.owed().map_or(0, |(_, count)| count);
        }
        Ok(self.context.summary)
    }
}

impl Line<'_> {
    const fn kind(&self) -> Kind {
        self.header.kind
    }
}
