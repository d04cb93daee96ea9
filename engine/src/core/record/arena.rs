//! The arena a core writes its records into, one batch at a time.
//!
//! Every payload lies behind the space of its header, so the journal fills the headers in place and hands the whole batch to
//! one `write(2)` without copying it.

use contracts::bar::Bar;
use contracts::hash::ContractDigest;
use contracts::reason::{FlattenCause, Latch, LiveState, Position};
use contracts::time::{DayNumber, UnixNanos, UtcMillis};

use super::bar::patch_decided;
use super::{
    BarRecord, ConflictRecord, ContractRecord, DirectiveRecord, FlattenRecord, GapRecord, HEADER_BYTES,
    HaltRecord, Header, Kind, LevelShiftRecord, MacroRecord, Malformed, Payload, PositionRecord, Record,
    ResumeRecord, SnapshotRecord, StartRecord, StateRecord, StopRecord, SwapRecord, SwappedRecord,
};

/// Where one record lies in the arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    start: usize,
    end: usize,
}

/// Records of one batch, encoded, in the order they happened.
///
/// Pushing allocates only when a capacity is exceeded; size it once, with [`Records::with_capacity`].
#[derive(Debug, Default)]
pub struct Records {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    shard: u16,
    simulated: bool,
}

impl Records {
    /// An arena for `entries` records of together `bytes` bytes, headers ([`HEADER_BYTES`] each) included.
    #[must_use]
    pub fn with_capacity(bytes: usize, entries: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            entries: Vec::with_capacity(entries),
            shard: 0,
            simulated: false,
        }
    }

    /// The same arena for core number `shard`; the journal notes it with every record.
    #[must_use]
    pub const fn for_shard(mut self, shard: u16) -> Self {
        self.shard = shard;
        self
    }

    /// Says whether the clock is the feed's; the journal notes it with every record.
    pub const fn set_simulated(&mut self, simulated: bool) {
        self.simulated = simulated;
    }

    /// True when the clock is the feed's.
    #[must_use]
    pub const fn is_simulated(&self) -> bool {
        self.simulated
    }

    /// The core these records are of.
    #[must_use]
    pub const fn shard(&self) -> u16 {
        self.shard
    }

    /// Forgets the records and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }

    /// How many records there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes that can be pushed before the arena grows, headers included.
    #[must_use]
    pub const fn remaining_bytes(&self) -> usize {
        self.bytes.capacity() - self.bytes.len()
    }

    /// Records that can be pushed before the arena grows.
    #[must_use]
    pub const fn remaining_entries(&self) -> usize {
        self.entries.capacity() - self.entries.len()
    }

    /// All frames (header space and payload), one behind the other.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where the records lie.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// A record's encoded payload.
    #[must_use]
    pub fn payload(&self, entry: Entry) -> &[u8] {
        &self.bytes[entry.start + HEADER_BYTES..entry.end]
    }

    /// A record's frame: the space of its header, and its payload.
    pub fn frame_mut(&mut self, entry: Entry) -> &mut [u8] {
        &mut self.bytes[entry.start..entry.end]
    }

    /// The records, decoded.
    pub fn iter(&self) -> impl Iterator<Item = Result<Record<'_>, Malformed>> {
        self.entries
            .iter()
            .map(|entry| Record::decode(entry.kind, self.payload(*entry)))
    }

    /// The header the journal filled in for a record.
    ///
    /// # Errors
    /// [`Malformed`] before the journal has taken the batch.
    pub fn header(&self, entry: Entry) -> Result<Header, Malformed> {
        Header::parse(&self.bytes[entry.start..entry.end])
    }

    /// Appends a record.
    pub fn push<P: Payload>(&mut self, payload: &P) {
        let start = self.bytes.len();
        self.bytes.resize(start + HEADER_BYTES, 0);
        payload.put(&mut self.bytes);
        self.entries.push(Entry {
            kind: P::KIND,
            start,
            end: self.bytes.len(),
        });
    }

    /// Writes when this batch had been decided into all its bar records.
    pub fn stamp_decided(&mut self, at: UnixNanos) {
        for entry in &self.entries {
            if entry.kind == Kind::Bar {
                patch_decided(&mut self.bytes[entry.start + HEADER_BYTES..entry.end], at);
            }
        }
    }

    /// Appends a bar and its result.
    pub fn push_bar(&mut self, record: &BarRecord<'_>) {
        self.push(record);
    }

    /// Appends a daily value.
    pub fn push_macro(&mut self, series: &str, date: DayNumber, value: f64, arrived_at: Option<UtcMillis>) {
        self.push(&MacroRecord {
            series,
            date,
            value,
            arrived_at,
        });
    }

    /// Appends a reported position.
    pub fn push_position(&mut self, instrument: &str, position: Position, as_of: UtcMillis) {
        self.push(&PositionRecord {
            instrument,
            position,
            as_of,
        });
    }

    /// Appends an accepted contract.
    pub fn push_contract(&mut self, record: &ContractRecord<'_>) {
        self.push(record);
    }

    /// Appends an accepted directive; `clears` is `[control, local]`.
    pub fn push_directive(
        &mut self,
        number: u64,
        halted: bool,
        clears: [bool; 2],
        issued_at: UtcMillis,
        renew_by: UtcMillis,
    ) {
        let [clears_control, clears_local] = clears;
        self.push(&DirectiveRecord {
            number,
            halted,
            clears_control,
            clears_local,
            issued_at,
            renew_by,
        });
    }

    /// Appends a set latch; `changed` is false when it was set already.
    pub fn push_halt(&mut self, latch: Latch, time: UtcMillis, changed: bool) {
        self.push(&HaltRecord { latch, time, changed });
    }

    /// Appends a cleared latch.
    pub fn push_resume(&mut self, latch: Latch, time: UtcMillis) {
        self.push(&ResumeRecord { latch, time });
    }

    /// Appends an order to close a position.
    pub fn push_flatten(
        &mut self,
        instrument: &str,
        position_before: Position,
        cause: FlattenCause,
        generation: u64,
        time: UtcMillis,
    ) {
        self.push(&FlattenRecord {
            instrument,
            position_before,
            cause,
            generation,
            time,
        });
    }

    /// Appends one core's adoption of a model.
    pub fn push_swap(
        &mut self,
        shard: u16,
        generation: u64,
        digest: ContractDigest,
        model_id: &str,
        previous_model_id: Option<&str>,
    ) {
        let previous_model_id = previous_model_id.unwrap_or("");
        self.push(&SwapRecord {
            shard,
            generation,
            digest,
            model_id,
            previous_model_id,
        });
    }

    /// Appends the last core's adoption of a model.
    pub fn push_swapped(
        &mut self,
        generation: u64,
        digest: ContractDigest,
        model_id: &str,
        previous_model_id: Option<&str>,
    ) {
        let previous_model_id = previous_model_id.unwrap_or("");
        self.push(&SwappedRecord {
            generation,
            digest,
            model_id,
            previous_model_id,
        });
    }

    /// Appends a state of the slot (`None`) or of an instrument.
    pub fn push_state(&mut self, instrument: Option<&str>, state: LiveState, since: UtcMillis) {
        self.push(&StateRecord {
            instrument,
            state,
            since,
        });
    }

    /// Appends a gap in a feed.
    pub fn push_gap(&mut self, instrument: &str, from: UtcMillis, to: UtcMillis) {
        self.push(&GapRecord { instrument, from, to });
    }

    /// Appends a confirmed level shift.
    pub fn push_level_shift(
        &mut self,
        instrument: &str,
        close_time: UtcMillis,
        from_close: f64,
        to_close: f64,
    ) {
        self.push(&LevelShiftRecord {
            instrument,
            close_time,
            from_close,
            to_close,
        });
    }

    /// Appends a conflict between two bars.
    pub fn push_conflict(&mut self, instrument: &str, kept: &Bar, offered: &Bar) {
        self.push(&ConflictRecord {
            instrument,
            kept: *kept,
            offered: *offered,
        });
    }

    /// Appends a start.
    pub fn push_start(&mut self, record: &StartRecord<'_>) {
        self.push(record);
    }

    /// Appends a stop.
    pub fn push_stop(&mut self, time: UnixNanos) {
        self.push(&StopRecord { time });
    }

    /// Appends a core's whole state.
    pub fn push_snapshot(&mut self, shard: u16, shards: u16, state: &[u8]) {
        self.push(&SnapshotRecord { shard, shards, state });
    }
}
