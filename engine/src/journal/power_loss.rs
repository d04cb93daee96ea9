//! A thousand seeded lives of a journal on a disk whose power fails: what was claimed still holds.
//!
//! Each life is a few runs that write, publish, sync, fill segments, and end by a stop, a kill, or the power. Which pages of
//! what was not synced survive is drawn page by page.

use std::collections::HashMap;
use std::sync::Arc;

use contracts::reason::LiveState;
use contracts::time::{UnixNanos, UtcMillis};
use rand::{Rng, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::sim::SimDisk;
use super::*;
use crate::core::record::{BootId, Durability, Kind, Record, Records};

/// What clients have been sent, by every number it was sent under.
#[derive(Default)]
struct Clients {
    sent: HashMap<(u32, u64), Vec<u8>>,
}

impl Clients {
    fn publish(&mut self, epoch: u32, records: &Records) {
        for entry in records.entries().iter().filter(|entry| entry.kind.is_published()) {
            let header = records.header(*entry).unwrap();
            assert_eq!(header.epoch, epoch);
            let before = self
                .sent
                .insert((epoch, header.seq), records.payload(*entry).to_vec());
            assert_eq!(
                before, None,
                "(epoch {epoch}, seq {}) was given twice",
                header.seq
            );
        }
    }

    /// Everything sent that no later epoch has voided is in the journal with the same bytes.
    fn check_kept(&self, writer: &Writer) {
        let reader = writer.reader();
        let oldest = reader.oldest_seq();
        let mut held = HashMap::new();
        let mut cursor = reader.from_lsn(reader.oldest_lsn()).unwrap();
        let (mut lsn, mut seq) = (reader.oldest_lsn(), oldest);
        while let Some(read) = cursor.read().unwrap() {
            assert_eq!(read.header.lsn, lsn, "a hole in the records");
            lsn += 1;
            if read.header.seq != 0 {
                assert_eq!(read.header.seq, seq, "a hole in the messages");
                seq += 1;
                held.insert(read.header.seq, read.payload.to_vec());
            }
        }
        for ((epoch, seq), payload) in &self.sent {
            let void = writer
                .carry()
                .rewound_from(*epoch)
                .is_some_and(|first| *seq >= first);
            if !void && *seq >= oldest {
                assert_eq!(held.get(seq), Some(payload), "epoch {epoch}, seq {seq} is lost");
            }
        }
    }
}

/// The state of a core that only counts its records; what a snapshot must bring back.
fn count_of(recovered: &Recovered, shard: u16) -> u64 {
    let snapshot = recovered
        .snapshots
        .iter()
        .find(|snapshot| snapshot.shard == shard);
    let (mut count, after) = snapshot.map_or((0, 0), |snapshot| {
        (
            u64::from_le_bytes(snapshot.state.as_slice().try_into().unwrap()),
            snapshot.lsn,
        )
    });
    let mut cursor = recovered.records().unwrap();
    while let Some(read) = cursor.read().unwrap() {
        let counted = matches!(read.record().unwrap(), Record::State(_) | Record::Gap(_));
        count += u64::from(counted && read.header.shard == shard && read.header.lsn > after);
    }
    count
}

/// The same from the whole journal, when nothing of it has been deleted.
fn count_of_all(recovered: &Recovered, shard: u16) -> u64 {
    let mut count = 0;
    let mut cursor = recovered.reader().from_lsn(1).unwrap();
    while let Some(read) = cursor.read().unwrap() {
        count += u64::from(matches!(read.header.kind, Kind::State | Kind::Gap) && read.header.shard == shard);
    }
    count
}

struct Life {
    rng: ChaCha8Rng,
    disk: SimDisk,
    options: JournalOptions,
    shards: u16,
    clients: Clients,
    counts: Vec<u64>,
    next_payload: i64,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Stopped,
    Killed,
    PowerLost,
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let durability = if seed.is_multiple_of(2) {
            Durability::Process
        } else {
            Durability::Disk
        };
        let shards = rng.random_range(1..=2);
        Self {
            options: JournalOptions {
                durability,
                segment_bytes: rng.random_range(300..3_000),
                ..JournalOptions::default()
            },
            rng,
            disk: SimDisk::default(),
            shards,
            clients: Clients::default(),
            counts: vec![0; usize::from(shards)],
            next_payload: 0,
        }
    }

    /// A batch of core `shard`, with its snapshot in front when the journal wants one.
    fn batch(&mut self, writer: &Writer, shard: u16) -> Records {
        let mut records = Records::default().for_shard(shard);
        if writer.wants_snapshot(shard) && self.rng.random_bool(0.7) {
            records.push_snapshot(shard, self.shards, &self.counts[usize::from(shard)].to_le_bytes());
        }
        for _ in 0..self.rng.random_range(1..6) {
            self.next_payload += 1;
            let at = UtcMillis(self.next_payload);
            if self.rng.random() {
                records.push_state(Some("USDCOP"), LiveState::Warming, at);
            } else {
                records.push_gap("USDCOP", at, at);
            }
            self.counts[usize::from(shard)] += 1;
        }
        records
    }

    /// One run, from recovery to its end.
    fn run(&mut self, boot: BootId) -> End {
        let opened = open(Arc::new(self.disk.clone()), self.options).unwrap();
        for shard in 0..self.shards {
            let count = count_of(&opened.recovered, shard);
            assert_eq!(count, count_of_all(&opened.recovered, shard), "core {shard}");
            self.counts[usize::from(shard)] = count;
        }
        let mut writer = opened
            .start(&Start {
                time: UnixNanos(1),
                boot,
                engine_version: "test",
                shards: self.shards,
                instruments: &["USDCOP"],
            })
            .unwrap();
        self.clients.check_kept(&writer);
        for _ in 0..self.rng.random_range(0..40) {
            let group = self.rng.random_range(1..4);
            let mut pending = Vec::new();
            for _ in 0..group {
                let shard = self.rng.random_range(0..self.shards);
                let mut records = self.batch(&writer, shard);
                writer.append(&mut records, UnixNanos(1)).unwrap();
                pending.push(records);
                if self.rng.random_bool(0.02) {
                    return self.end(writer);
                }
            }
            writer.commit().unwrap();
            let epoch = writer.epoch();
            pending
                .iter()
                .for_each(|records| self.clients.publish(epoch, records));
            if self.options.durability == Durability::Process
                && self.rng.random_bool(0.2)
                && let Some(request) = writer.sync_request()
            {
                request.run().unwrap();
            }
        }
        self.end(writer)
    }

    fn end(&mut self, writer: Writer) -> End {
        match self.rng.random_range(0..5) {
            0 => {
                writer.stop(UnixNanos(2)).unwrap();
                End::Stopped
            }
            1 => End::Killed,
            _ => {
                drop(writer);
                self.disk.lose_power(&mut self.rng);
                End::PowerLost
            }
        }
    }
}

#[test]
fn a_thousand_power_failures() {
    let (mut lost, mut kept, mut cut) = (0_u32, 0_u32, 0_u32);
    for seed in 0..1_000 {
        let mut life = Life::new(seed);
        let mut boot = 1_u8;
        let mut epoch = 1;
        let mut end = None;
        for _ in 0..life.rng.random_range(2..6) {
            // The power may also fail between an orderly stop and the next start: nothing can be lost then.
            if end == Some(End::Stopped) && life.rng.random() {
                life.disk.lose_power(&mut life.rng);
                boot += 1;
            }
            if end == Some(End::PowerLost) {
                boot += 1;
            }
            let opened = open(Arc::new(life.disk.clone()), life.options).unwrap();
            cut += u32::from(opened.recovered.torn.is_some());
            drop(opened);
            // The power may fail again while the journal is being repaired.
            if end.is_some() && life.rng.random_bool(0.2) {
                life.disk.lose_power(&mut life.rng);
                boot += 1;
                end = end.filter(|end| *end == End::Stopped).or(Some(End::PowerLost));
            }
            let may_be_lost = end == Some(End::PowerLost) && life.options.durability == Durability::Process;
            end = Some(life.run(BootId([boot; 16])));
            let epoch_now = {
                let reader = JournalReader::offline(Arc::new(life.disk.clone())).unwrap();
                highest_epoch(&reader)
            };
            // The run's own start record was synced before anything was published, so it is there whatever happened.
            assert_eq!(epoch_now, epoch + u32::from(may_be_lost), "seed {seed}");
            epoch = epoch_now;
            lost += u32::from(may_be_lost);
            kept += u32::from(end == Some(End::PowerLost) && !may_be_lost);
        }
        // Whatever the end, one more start finds everything that was claimed.
        if end == Some(End::PowerLost) {
            boot += 1;
        }
        life.run(BootId([boot; 16]));
    }
    assert!(
        lost > 200 && kept > 200 && cut > 200,
        "{lost} with loss, {kept} without, {cut} cut"
    );
}

fn highest_epoch(reader: &JournalReader) -> u32 {
    let mut cursor = reader.from_lsn(reader.oldest_lsn()).unwrap();
    let mut highest = 0;
    while let Some(read) = cursor.read().unwrap() {
        highest = highest.max(read.header.epoch);
    }
    highest
}

/// After a failed sync the kernel forgets that pages are dirty. Records that survive the process are written again at the next
/// start, so they also survive the power.
#[test]
fn records_behind_a_failed_sync_are_written_again() {
    for seed in 0..100 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let disk = SimDisk::default();
        let options = JournalOptions {
            durability: Durability::Disk,
            ..JournalOptions::default()
        };
        let start = |boot| Start {
            time: UnixNanos(1),
            boot: BootId([boot; 16]),
            engine_version: "test",
            shards: 1,
            instruments: &["USDCOP"],
        };
        let mut writer = open(Arc::new(disk.clone()), options)
            .unwrap()
            .start(&start(1))
            .unwrap();
        let mut records = Records::default();
        records.push_state(None, LiveState::Live, UtcMillis(1));
        writer.append(&mut records, UnixNanos(1)).unwrap();
        disk.fail_sync_after(Some(0));
        assert!(writer.commit().is_err());
        drop(writer);
        // The process ends, another begins on the same boot and publishes behind the record it found.
        let mut writer = open(Arc::new(disk.clone()), options)
            .unwrap()
            .start(&start(1))
            .unwrap();
        assert_eq!(writer.next_seq(), 2);
        writer.append(&mut records, UnixNanos(1)).unwrap();
        writer.commit().unwrap();
        drop(writer);
        disk.lose_power(&mut rng);
        let writer = open(Arc::new(disk.clone()), options)
            .unwrap()
            .start(&start(2))
            .unwrap();
        assert_eq!(writer.next_seq(), 3, "seed {seed}");
    }
}

/// Writes and publishes until the disk refuses; publishes nothing whose commit failed.
fn write_until_refused(life: &mut Life, boot: u8) -> Result<(), JournalError> {
    let start = Start {
        time: UnixNanos(1),
        boot: BootId([boot; 16]),
        engine_version: "test",
        shards: life.shards,
        instruments: &["USDCOP"],
    };
    let mut writer = open(Arc::new(life.disk.clone()), life.options)?.start(&start)?;
    for step in 0..60 {
        let shard = life.rng.random_range(0..life.shards);
        let mut records = life.batch(&writer, shard);
        writer.append(&mut records, UnixNanos(1))?;
        writer.commit()?;
        life.clients.publish(writer.epoch(), &records);
        if step % 5 == 0 {
            writer.sync()?;
        }
    }
    Ok(())
}

/// Wherever in its life the disk fills up or a sync fails: what was published has its record, also after the power is gone, and
/// its number is given to nothing else.
#[test]
fn no_message_without_a_record() {
    let (mut refused, mut went_well) = (0_u32, 0_u32);
    for seed in 0..600 {
        let mut life = Life::new(seed);
        if seed % 3 == 0 {
            let after = life.rng.random_range(0..60);
            life.disk.fail_sync_after(Some(after));
        } else {
            let room = life.rng.random_range(0..24_000);
            life.disk.set_room(Some(room));
        }
        match write_until_refused(&mut life, 1) {
            Err(JournalError::Io { .. }) => refused += 1,
            Err(other) => panic!("seed {seed}: {other}"),
            Ok(()) => went_well += 1,
        }
        life.disk.set_room(None);
        life.disk.fail_sync_after(None);
        let power_lost = life.rng.random();
        if power_lost {
            life.disk.lose_power(&mut life.rng);
        }
        // Recovery, the check of everything sent, and more messages under numbers that are free.
        life.run(BootId([1 + u8::from(power_lost); 16]));
    }
    assert!(
        refused > 300 && went_well > 30,
        "{refused} refused, {went_well} not"
    );
}
