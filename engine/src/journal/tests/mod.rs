//! The journal on a simulated disk, and once on a real one.

mod damage;
mod order;
mod segments;

use std::sync::Arc;

use contracts::reason::{FlattenCause, Latch, LiveState, Position};
use contracts::time::{UnixNanos, UtcMillis};

use super::sim::SimDisk;
use super::*;
use crate::core::record::{BootId, Durability, Kind, Records};

const BOOT: BootId = BootId([1; 16]);

fn options(durability: Durability, segment_bytes: u64) -> JournalOptions {
    JournalOptions {
        durability,
        segment_bytes,
        ..JournalOptions::default()
    }
}

fn opened(disk: &SimDisk, options: JournalOptions) -> Result<Opened, JournalError> {
    open(Arc::new(disk.clone()), options)
}

fn started(disk: &SimDisk, options: JournalOptions, boot: BootId) -> Writer {
    opened(disk, options).unwrap().start(&start(boot, 1)).unwrap()
}

fn start(boot: BootId, shards: u16) -> Start<'static> {
    Start {
        time: UnixNanos(5),
        boot,
        engine_version: "0.1.0",
        shards,
        instruments: &["USDCOP"],
    }
}

/// One unpublished and one published record.
fn batch(n: i64) -> Records {
    let mut records = Records::default();
    records.push_gap("USDCOP", UtcMillis(n), UtcMillis(n + 1));
    records.push_state(Some("USDCOP"), LiveState::Warming, UtcMillis(n));
    records
}

fn put(writer: &mut Writer, records: &mut Records) -> Appended {
    let appended = writer.append(records, UnixNanos(9)).unwrap();
    writer.commit().unwrap();
    appended
}

fn snapshot(shard: u16, shards: u16, state: &[u8]) -> Records {
    let mut records = Records::default().for_shard(shard);
    records.push_snapshot(shard, shards, state);
    records
}

fn all(mut cursor: Cursor) -> Vec<(u64, u64, Kind)> {
    let mut found = Vec::new();
    while let Some(read) = cursor.read().unwrap() {
        read.record().unwrap();
        found.push((read.header.lsn, read.header.seq, read.header.kind));
    }
    found
}

fn last_name(disk: &SimDisk) -> String {
    disk.list().unwrap().pop().unwrap()
}
