//! Where records leave: numbered, journaled, then published, in this order and never otherwise.
//!
//! Without a journal (a replay of a file) the same numbers are given by counting, so the messages are the same.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use contracts::reason::Position;
use contracts::time::UnixNanos;
use contracts::wire::ServerMessage;

use crate::clock::SharedClock;
use crate::core::record::{Header, Kind, Malformed, Record, Records};
use crate::journal::{Effect, effect, message};
use crate::journal::{JournalError, Writer};
use crate::metrics::{Metrics, Stage};

/// A message that may now be given to anybody.
pub struct Outgoing<'a> {
    /// Its number.
    pub seq: u64,
    /// The message.
    pub message: ServerMessage<'a>,
    /// What it changes for clients that join later.
    pub effect: Effect<'a>,
}

/// Takes published messages, in the order of their numbers.
pub trait Publish: Send {
    /// Takes one message.
    ///
    /// # Errors
    /// When it cannot be given out at all (a closed pipe); the driver stops.
    fn publish(&mut self, outgoing: &Outgoing<'_>) -> std::io::Result<()>;

    /// A position was reported by its owner: no message, but clients that join later begin with it.
    fn reported(&mut self, _instrument: &str, _position: Position) {}

    /// A batch is complete: wake who waits, flush what is buffered.
    ///
    /// # Errors
    /// As [`Publish::publish`].
    fn batch_done(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Why records could not leave.
#[derive(Debug, thiserror::Error)]
pub enum OutletError {
    /// The journal failed: nothing of this batch was published, nothing more will be; the engine ends with exit code 74.
    #[error("the journal failed, nothing more is published")]
    Journal(#[from] JournalError),
    /// The reader of the messages is gone.
    #[error("the messages cannot be written")]
    Publish(#[source] std::io::Error),
    /// A fault of the engine: a record it wrote cannot be read.
    #[error("a record just written cannot be read back")]
    Record(#[from] Malformed),
}

/// Who gives the numbers.
pub enum Numbers {
    /// The journal, after writing.
    Journal(Box<Writer>),
    /// Nobody keeps the records: they are counted.
    Counted {
        /// Next record.
        next_lsn: u64,
        /// Next message.
        next_seq: u64,
    },
}

/// Times and counts what the journal is given.
struct Meter {
    clock: SharedClock,
    metrics: Arc<Metrics>,
}

/// The end of the path.
pub struct Outlet<P> {
    numbers: Numbers,
    publish: P,
    meter: Option<Meter>,
}

impl<P: Publish> Outlet<P> {
    /// An outlet.
    pub const fn new(numbers: Numbers, publish: P) -> Self {
        Self {
            numbers,
            publish,
            meter: None,
        }
    }

    /// The same outlet, counting the journal's bytes and timing its writes and syncs.
    #[must_use]
    pub fn measured(mut self, clock: SharedClock, metrics: Arc<Metrics>) -> Self {
        if let Some(writer) = self.writer() {
            writer.measure_syncs(Arc::clone(&clock), Arc::clone(&metrics));
        }
        self.meter = Some(Meter { clock, metrics });
        self
    }

    /// The journal, where there is one.
    pub const fn writer(&mut self) -> Option<&mut Writer> {
        match &mut self.numbers {
            Numbers::Journal(writer) => Some(writer),
            Numbers::Counted { .. } => None,
        }
    }

    /// Takes the outlet apart, for the orderly end.
    pub fn into_parts(self) -> (Numbers, P) {
        (self.numbers, self.publish)
    }

    /// The publisher.
    pub const fn publisher(&mut self) -> &mut P {
        &mut self.publish
    }

    /// True when the next batch of core `shard` should begin with a snapshot.
    #[must_use]
    pub fn wants_snapshot(&self, shard: u16) -> bool {
        matches!(&self.numbers, Numbers::Journal(writer) if writer.wants_snapshot(shard))
    }

    /// Writes a batch and publishes it: [`Self::append`], [`Self::commit`], [`Self::publish`].
    ///
    /// # Errors
    /// [`OutletError`]; after a journal error the outlet must not be used again.
    pub fn take(&mut self, records: &mut Records, now: UnixNanos) -> Result<(), OutletError> {
        if records.is_empty() {
            return Ok(());
        }
        self.append(records, now)?;
        self.commit()?;
        self.publish(records)
    }

    /// Numbers and writes a batch without publishing it: several are committed together under `disk` durability.
    ///
    /// # Errors
    /// [`OutletError::Journal`].
    pub fn append(&mut self, records: &mut Records, now: UnixNanos) -> Result<(), OutletError> {
        if records.is_empty() {
            return Ok(());
        }
        match &mut self.numbers {
            Numbers::Journal(writer) => {
                let begun = self.meter.as_ref().map(|meter| meter.clock.now());
                writer.append(records, now)?;
                if let (Some(meter), Some(begun)) = (&self.meter, begun) {
                    let taken_ns = meter.clock.now().0 - begun.0;
                    meter.metrics.stage(Stage::JournalWrite).record_ns(taken_ns);
                    let bytes = records.bytes().len() as u64;
                    meter.metrics.journal_bytes.fetch_add(bytes, Ordering::Relaxed);
                }
            }
            Numbers::Counted { next_lsn, next_seq } => count(records, next_lsn, next_seq),
        }
        Ok(())
    }

    /// Makes what was appended publishable.
    ///
    /// # Errors
    /// [`OutletError::Journal`].
    pub fn commit(&mut self) -> Result<(), OutletError> {
        if let Numbers::Journal(writer) = &mut self.numbers {
            writer.commit()?;
        }
        Ok(())
    }

    /// Publishes an appended and committed batch.
    ///
    /// # Errors
    /// [`OutletError`].
    pub fn publish(&mut self, records: &Records) -> Result<(), OutletError> {
        let mut published = false;
        for entry in records.entries() {
            if !entry.kind.is_published() && entry.kind != Kind::Position {
                continue;
            }
            let header = records.header(*entry)?;
            let record = Record::decode(entry.kind, records.payload(*entry))?;
            if let Record::Position(report) = record {
                self.publish.reported(report.instrument, report.position);
            }
            if let (Some(message), Some(effect)) = (message(&header, &record), effect(&record)) {
                let outgoing = Outgoing {
                    seq: header.seq,
                    message,
                    effect,
                };
                self.publish.publish(&outgoing).map_err(OutletError::Publish)?;
                published = true;
            }
        }
        if published {
            self.publish.batch_done().map_err(OutletError::Publish)?;
        }
        Ok(())
    }
}

fn count(records: &mut Records, next_lsn: &mut u64, next_seq: &mut u64) {
    let (shard, simulated) = (records.shard(), records.is_simulated());
    for i in 0..records.len() {
        let entry = records.entries()[i];
        let published = entry.kind.is_published();
        let header = Header {
            lsn: *next_lsn,
            seq: if published { *next_seq } else { 0 },
            synced_lsn: 0,
            epoch: 1,
            len: u32::try_from(records.payload(entry).len()).unwrap_or(u32::MAX),
            kind: entry.kind,
            shard,
            simulated,
        };
        header.fill(records.frame_mut(entry));
        *next_lsn += 1;
        *next_seq += u64::from(published);
    }
}
