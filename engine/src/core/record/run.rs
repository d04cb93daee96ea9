//! Records of the run itself: start, stop, and the snapshot a segment begins with.

use contracts::time::UnixNanos;

use super::bytes::{Malformed, Names, Put, Take, VERSION};
use super::{Kind, Payload};

/// Names one boot of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BootId(pub [u8; 16]);

/// What a published message has survived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The death of the process: the batch was written.
    Process,
    /// The loss of power: the batch was synced.
    Disk,
}

/// The engine started. `N` is how the names lie: `&[&str]` when written, [`Names`] when read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartRecord<'a, N = &'a [&'a str]> {
    /// When.
    pub time: UnixNanos,
    /// The machine's boot.
    pub boot: BootId,
    /// The engine's version.
    pub engine_version: &'a str,
    /// The epoch from here on.
    pub epoch: u32,
    /// The first `seq` this epoch gave or will give: what an older epoch sent from there on is void.
    pub first_seq: u64,
    /// The durability of this run.
    pub durability: Durability,
    /// How many cores.
    pub shards: u16,
    /// The slot's instruments in the order of their dense indices.
    pub instruments: N,
}

/// A start record as it is read.
pub type StartView<'a> = StartRecord<'a, Names<'a>>;

impl Payload for StartRecord<'_> {
    const KIND: Kind = Kind::Start;
    fn put(&self, to: &mut Vec<u8>) {
        let mut put = Put(to);
        put.u8(VERSION);
        put.i64(self.time.0);
        put.bytes(&self.boot.0);
        put.text(self.engine_version);
        put.u32(self.epoch);
        put.u64(self.first_seq);
        put.code(self.durability);
        put.u16(self.shards);
        put.u16(u16::try_from(self.instruments.len()).expect("a slot has fewer than 65536 instruments"));
        for name in self.instruments {
            put.text(name);
        }
    }
}

impl<'a> StartRecord<'a> {
    pub(super) fn take(take: &mut Take<'a>) -> Result<StartView<'a>, Malformed> {
        take.version()?;
        Ok(StartRecord {
            time: UnixNanos(take.i64("time")?),
            boot: BootId(take.array("boot")?),
            engine_version: take.text("engine_version")?,
            epoch: take.u32("epoch")?,
            first_seq: take.u64("first_seq")?,
            durability: take.code("durability")?,
            shards: take.u16("shards")?,
            instruments: take.names("instruments")?,
        })
    }
}

/// The engine stopped in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopRecord {
    /// When.
    pub time: UnixNanos,
}

impl Payload for StopRecord {
    const KIND: Kind = Kind::Stop;
    fn put(&self, to: &mut Vec<u8>) {
        let mut put = Put(to);
        put.u8(VERSION);
        put.i64(self.time.0);
    }
}

impl StopRecord {
    pub(super) fn take(take: &mut Take<'_>) -> Result<Self, Malformed> {
        take.version()?;
        Ok(Self {
            time: UnixNanos(take.i64("time")?),
        })
    }
}

/// One core's whole state; its meaning is the core's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotRecord<'a> {
    /// Which core.
    pub shard: u16,
    /// Of how many.
    pub shards: u16,
    /// Its state.
    pub state: &'a [u8],
}

impl Payload for SnapshotRecord<'_> {
    const KIND: Kind = Kind::Snapshot;
    fn put(&self, to: &mut Vec<u8>) {
        let mut put = Put(to);
        put.u8(VERSION);
        put.u16(self.shard);
        put.u16(self.shards);
        put.bytes(self.state);
    }
}

impl<'a> SnapshotRecord<'a> {
    pub(super) fn take(take: &mut Take<'a>) -> Result<Self, Malformed> {
        take.version()?;
        let (shard, shards) = (take.u16("shard")?, take.u16("shards")?);
        if shard >= shards {
            return Err(Malformed { field: "shard" });
        }
        Ok(Self {
            shard,
            shards,
            state: take.rest(),
        })
    }
}
