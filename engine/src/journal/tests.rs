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

#[test]
fn numbers_have_no_holes_and_only_messages_get_a_seq() {
    let disk = SimDisk::default();
    let mut writer = started(&disk, options(Durability::Process, 1 << 20), BOOT);
    assert_eq!(
        put(&mut writer, &mut batch(1)),
        Appended {
            lsns: 2..4,
            seqs: 1..2
        }
    );
    let mut second = batch(2);
    assert_eq!(
        put(&mut writer, &mut second),
        Appended {
            lsns: 4..6,
            seqs: 2..3
        }
    );
    assert_eq!(second.header(second.entries()[1]).unwrap().seq, 2);
    assert_eq!(
        all(writer.reader().from_lsn(1).unwrap()),
        [
            (1, 0, Kind::Start),
            (2, 0, Kind::Gap),
            (3, 1, Kind::State),
            (4, 0, Kind::Gap),
            (5, 2, Kind::State)
        ]
    );
    assert_eq!(
        all(writer.reader().from_seq(2).unwrap()),
        [(4, 0, Kind::Gap), (5, 2, Kind::State)]
    );
    assert_eq!(all(writer.reader().from_seq(3).unwrap()), []);
}

#[test]
fn readers_see_what_is_committed_and_follow() {
    let disk = SimDisk::default();
    let mut writer = started(&disk, options(Durability::Disk, 1 << 20), BOOT);
    let mut cursor = writer.reader().from_lsn(2).unwrap();
    writer.append(&mut batch(1), UnixNanos(9)).unwrap();
    assert!(cursor.read().unwrap().is_none(), "appended, not committed");
    let before = disk.syncs();
    writer.append(&mut batch(2), UnixNanos(9)).unwrap();
    writer.commit().unwrap();
    assert_eq!(disk.syncs(), before + 1, "two batches, one sync");
    for lsn in 2..=5 {
        assert_eq!(cursor.read().unwrap().unwrap().header.lsn, lsn);
    }
    assert!(cursor.read().unwrap().is_none());
    put(&mut writer, &mut batch(3));
    assert_eq!(cursor.read().unwrap().unwrap().header.lsn, 6);
}

#[test]
fn process_durability_syncs_only_in_the_background() {
    let disk = SimDisk::default();
    let mut writer = started(&disk, options(Durability::Process, 1 << 20), BOOT);
    let before = disk.syncs();
    put(&mut writer, &mut batch(1));
    assert_eq!(disk.syncs(), before);
    let syncer = Syncer::spawn().unwrap();
    assert!(syncer.offer(writer.sync_request().unwrap()));
    drop(syncer);
    assert_eq!(disk.syncs(), before + 1);
    assert!(writer.sync_request().is_none());
    let mut next = batch(2);
    put(&mut writer, &mut next);
    assert_eq!(next.header(next.entries()[0]).unwrap().synced_lsn, 3);
}

#[test]
fn the_epoch_rises_after_a_reboot_without_stop_and_only_then() {
    let other = BootId([2; 16]);
    let epoch_after = |durability, stop: bool, boot| {
        let disk = SimDisk::default();
        let mut writer = started(&disk, options(durability, 1 << 20), BOOT);
        put(&mut writer, &mut batch(1));
        if stop {
            writer.stop(UnixNanos(9)).unwrap();
        } else {
            drop(writer);
        }
        let writer = started(&disk, options(durability, 1 << 20), boot);
        (writer.epoch(), writer.carry().rewound_from(1))
    };
    assert_eq!(epoch_after(Durability::Process, false, other), (2, Some(2)));
    assert_eq!(epoch_after(Durability::Process, false, BOOT), (1, None));
    assert_eq!(epoch_after(Durability::Process, true, other), (1, None));
    assert_eq!(epoch_after(Durability::Disk, false, other), (1, None));
}

#[test]
fn a_full_segment_is_followed_by_one_that_begins_with_snapshots() {
    let disk = SimDisk::default();
    let mut writer = opened(&disk, options(Durability::Process, 600))
        .unwrap()
        .start(&start(BOOT, 2))
        .unwrap();
    let mut n = 0;
    while !writer.wants_snapshot(0) {
        n += 1;
        put(&mut writer, &mut batch(n));
    }
    assert!(writer.wants_snapshot(1));
    put(&mut writer, &mut snapshot(1, 2, b"one"));
    assert_eq!(writer.reader().segments().len(), 2);
    assert!(writer.wants_snapshot(0) && !writer.wants_snapshot(1));
    // Until core 0 has spoken, recovery begins with the segment before.
    drop(writer);
    let recovered = opened(&disk, options(Durability::Process, 600))
        .unwrap()
        .recovered;
    assert_eq!((recovered.snapshots.len(), recovered.records_from), (0, 1));
    let mut writer = opened(&disk, options(Durability::Process, 600))
        .unwrap()
        .start(&start(BOOT, 2))
        .unwrap();
    put(&mut writer, &mut batch(77));
    put(&mut writer, &mut snapshot(0, 2, b"zero"));
    put(&mut writer, &mut batch(78));
    drop(writer);
    let recovered = opened(&disk, options(Durability::Process, 600))
        .unwrap()
        .recovered;
    let states: Vec<(u16, &[u8])> = recovered
        .snapshots
        .iter()
        .map(|s| (s.shard, s.state.as_slice()))
        .collect();
    assert_eq!(states, [(0, b"zero".as_slice()), (1, b"one")]);
    let kinds: Vec<Kind> = all(recovered.records().unwrap())
        .into_iter()
        .map(|(.., kind)| kind)
        .collect();
    assert_eq!(
        kinds,
        [
            Kind::Start,
            Kind::Gap,
            Kind::State,
            Kind::Snapshot,
            Kind::Gap,
            Kind::State
        ]
    );
}

#[test]
fn another_number_of_cores_begins_a_segment_of_its_own() {
    let disk = SimDisk::default();
    let mut writer = started(&disk, options(Durability::Process, 1 << 20), BOOT);
    put(&mut writer, &mut snapshot(0, 1, b"single"));
    drop(writer);
    let journal = opened(&disk, options(Durability::Process, 1 << 20)).unwrap();
    assert_eq!(journal.recovered.snapshots.len(), 1);
    let mut writer = journal.start(&start(BOOT, 2)).unwrap();
    assert!(writer.wants_snapshot(0) && writer.wants_snapshot(1));
    put(&mut writer, &mut snapshot(0, 2, b"a"));
    assert_eq!(writer.reader().segments().len(), 2);
    put(&mut writer, &mut snapshot(1, 2, b"b"));
    drop(writer);
    let recovered = opened(&disk, options(Durability::Process, 1 << 20))
        .unwrap()
        .recovered;
    assert_eq!(
        recovered.snapshots.iter().map(|s| s.shards).collect::<Vec<_>>(),
        [2, 2]
    );
}

#[test]
fn what_must_stay_known_survives_retention() {
    let disk = SimDisk::default();
    let small = JournalOptions {
        retention_bytes: 1_500,
        ..options(Durability::Process, 500)
    };
    let mut writer = started(&disk, small, BOOT);
    let mut records = Records::default();
    records.push_halt(Latch::Local, UtcMillis(1), true);
    records.push_directive(17, false, [false; 2], UtcMillis(1), UtcMillis(2));
    records.push_flatten("USDCOP", Position::Long, FlattenCause::Halt, 3, UtcMillis(1));
    put(&mut writer, &mut records);
    let mut deleted = 0;
    for n in 0..100 {
        if writer.wants_snapshot(0) {
            put(&mut writer, &mut snapshot(0, 1, b"state"));
        }
        put(&mut writer, &mut batch(n));
        deleted += writer.retain(UnixNanos(9)).unwrap();
    }
    assert!(deleted > 5, "{deleted}");
    let reader = writer.reader();
    assert!(reader.oldest_seq() > 1);
    assert!(matches!(
        reader.from_seq(1),
        Err(ReadError::Gone { asked: 1, .. })
    ));
    assert_eq!(
        all(reader.from_seq(reader.oldest_seq()).unwrap())
            .last()
            .map(|last| last.1),
        Some(101)
    );
    drop(writer);
    let recovered = opened(&disk, small).unwrap().recovered;
    assert!(recovered.carry.local_latch && !recovered.carry.control_latch);
    assert_eq!((recovered.carry.directive, recovered.next_seq), (17, 102));
}

#[test]
fn old_segments_go_and_the_last_stays() {
    let disk = SimDisk::default();
    let short = JournalOptions {
        retention_days: 1,
        ..options(Durability::Process, 300)
    };
    let mut writer = started(&disk, short, BOOT);
    for n in 0..20 {
        if writer.wants_snapshot(0) {
            put(&mut writer, &mut snapshot(0, 1, b"state"));
        }
        put(&mut writer, &mut batch(n));
    }
    assert!(writer.reader().segments().len() > 2);
    assert_eq!(writer.retain(UnixNanos(9)).unwrap(), 0);
    assert!(writer.retain(UnixNanos(3 * 86_400 * 1_000_000_000)).unwrap() > 0);
    assert_eq!(writer.reader().segments().len(), 1);
}

#[test]
fn a_torn_end_is_cut_and_counted() {
    let disk = SimDisk::default();
    let mut writer = started(&disk, options(Durability::Process, 1 << 20), BOOT);
    put(&mut writer, &mut batch(1));
    drop(writer);
    let name = last_name(&disk);
    let whole = disk.bytes(&name);
    let torn = [&whole[..], &whole[whole.len() - 70..whole.len() - 3]].concat();
    disk.put(&name, &torn);
    let recovered = opened(&disk, options(Durability::Process, 1 << 20))
        .unwrap()
        .recovered;
    assert_eq!(recovered.next_lsn, 4);
    let tail = recovered.torn.unwrap();
    assert_eq!((tail.offset, tail.bytes), (whole.len() as u64, 67));
    assert_eq!(disk.bytes(&name), whole);
    assert!(
        opened(&disk, options(Durability::Process, 1 << 20))
            .unwrap()
            .recovered
            .torn
            .is_none()
    );
}

/// Every bit of every synced record: refused, with the file and the offset of the record it lies in.
#[test]
fn a_flipped_bit_in_the_synced_part_is_refused() {
    let disk = SimDisk::default();
    let mut writer = started(&disk, options(Durability::Disk, 1 << 20), BOOT);
    for n in 0..4 {
        put(&mut writer, &mut batch(n));
    }
    drop(writer);
    let name = last_name(&disk);
    let bytes = disk.bytes(&name);
    let mut begins = Vec::new();
    let mut cursor = JournalReader::offline(Arc::new(disk.clone()))
        .unwrap()
        .from_lsn(1)
        .unwrap();
    while let Some(read) = cursor.read().unwrap() {
        begins.push(usize::try_from(read.offset).unwrap());
    }
    // The last batch's records say that everything before them was synced.
    let synced_to = begins[begins.len() - 2];
    for at in 0..synced_to {
        let fresh = SimDisk::default();
        fresh.put(&name, &bytes);
        fresh.flip(&name, at, (at % 8) as u8);
        let offset = begins
            .iter()
            .rev()
            .find(|begin| **begin <= at)
            .map_or(0, |begin| *begin as u64);
        for outcome in [
            opened(&fresh, options(Durability::Disk, 1 << 20)).map(|_| ()),
            JournalReader::offline(Arc::new(fresh.clone()))
                .and_then(|reader| {
                    let mut cursor = reader.from_lsn(1)?;
                    while cursor.read()?.is_some() {}
                    Ok(())
                })
                .map_err(JournalError::Read),
        ] {
            match outcome {
                Err(JournalError::Read(ReadError::Corrupt { file, offset: named })) => {
                    assert_eq!((file.as_str(), named), (name.as_str(), offset), "byte {at}");
                }
                other => panic!("byte {at}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_full_disk_ends_it_and_what_was_published_is_kept() {
    let disk = SimDisk::default();
    let mut writer = started(&disk, options(Durability::Process, 1 << 20), BOOT);
    put(&mut writer, &mut batch(1));
    disk.set_room(Some(100));
    let error = writer.append(&mut batch(2), UnixNanos(9)).unwrap_err();
    assert!(
        matches!(&error, JournalError::Io { what: "write to", .. }),
        "{error}"
    );
    disk.set_room(None);
    assert!(matches!(
        writer.append(&mut batch(3), UnixNanos(9)),
        Err(JournalError::Failed)
    ));
    assert!(matches!(writer.commit(), Err(JournalError::Failed)));
    assert!(matches!(writer.sync(), Err(JournalError::Failed)));
    assert_eq!(writer.reader().next_seq(), 2);
    drop(writer);
    let writer = started(&disk, options(Durability::Process, 1 << 20), BOOT);
    assert_eq!((writer.epoch(), writer.next_seq()), (1, 2));
}

#[test]
fn a_failed_sync_is_never_tried_again() {
    for background in [false, true] {
        let disk = SimDisk::default();
        let durability = if background {
            Durability::Process
        } else {
            Durability::Disk
        };
        let mut writer = started(&disk, options(durability, 1 << 20), BOOT);
        writer.append(&mut batch(1), UnixNanos(9)).unwrap();
        disk.fail_sync_after(Some(0));
        if background {
            writer.commit().unwrap();
            assert!(writer.sync_request().unwrap().run().is_err());
        } else {
            assert!(writer.commit().is_err());
            assert_eq!(writer.reader().next_seq(), 1);
        }
        let syncs = disk.syncs();
        assert!(matches!(writer.commit(), Err(JournalError::Failed)));
        assert!(matches!(
            writer.append(&mut batch(2), UnixNanos(9)),
            Err(JournalError::Failed)
        ));
        assert!(matches!(writer.stop(UnixNanos(9)), Err(JournalError::Failed)));
        assert_eq!(disk.syncs(), syncs);
    }
}

#[test]
fn a_real_directory_is_locked_and_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let real = || Arc::new(RealDisk::locked(dir.path()).unwrap());
    {
        let disk = real();
        assert!(RealDisk::locked(dir.path()).is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock));
        let mut writer = open(disk, options(Durability::Disk, 400))
            .unwrap()
            .start(&start(BOOT, 1))
            .unwrap();
        for n in 0..10 {
            if writer.wants_snapshot(0) {
                put(&mut writer, &mut snapshot(0, 1, b"state"));
            }
            put(&mut writer, &mut batch(n));
        }
        writer.stop(UnixNanos(10)).unwrap();
    }
    let offline = JournalReader::offline(Arc::new(RealDisk::unlocked(dir.path()))).unwrap();
    assert!(offline.segments().len() > 2);
    let offline = all(offline.from_lsn(1).unwrap());
    let opened = open(real(), options(Durability::Disk, 400)).unwrap();
    assert!(opened.recovered.carry.stopped);
    assert_eq!(all(opened.recovered.reader().from_lsn(1).unwrap()), offline);
    // A torn end of a real file is cut, and appending goes on there.
    let last = opened.recovered.reader().segments().pop().unwrap();
    drop(opened);
    let path = dir.path().join(&last.name);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend_from_slice(&[7; 50]);
    std::fs::write(&path, &bytes).unwrap();
    let opened = open(real(), options(Durability::Disk, 400)).unwrap();
    assert_eq!(opened.recovered.torn.as_ref().map(|torn| torn.bytes), Some(50));
    let mut writer = opened.start(&start(BOOT, 1)).unwrap();
    put(&mut writer, &mut batch(100));
    assert_eq!(all(writer.reader().from_lsn(1).unwrap()).len(), offline.len() + 3);
}

/// A whole segment as committed: this version reads what the first one wrote.
#[test]
fn a_segment_is_its_committed_bytes() {
    let disk = SimDisk::default();
    let mut writer = started(&disk, options(Durability::Disk, 1 << 20), BOOT);
    let mut simulated = batch(1_767_618_300_000);
    simulated.set_simulated(true);
    put(&mut writer, &mut simulated);
    put(&mut writer, &mut snapshot(0, 1, b"state"));
    writer.stop(UnixNanos(10)).unwrap();
    let bytes = hex::encode(disk.bytes(&last_name(&disk)));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/segment.v1.hex");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &bytes).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), bytes, "{path}");
}

/// 20,000 seeded mutations of a segment: each is read, cut or refused, none panics, none reads what was not written.
#[test]
fn mutated_segments_never_panic() {
    use rand::{Rng as _, SeedableRng as _};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0x5EED_0002);
    let disk = SimDisk::default();
    let mut writer = started(&disk, options(Durability::Disk, 1 << 20), BOOT);
    for n in 0..3 {
        put(&mut writer, &mut batch(n));
    }
    put(&mut writer, &mut snapshot(0, 1, b"state"));
    drop(writer);
    let name = last_name(&disk);
    let whole = disk.bytes(&name);
    let (mut refused, mut cut) = (0_u32, 0_u32);
    for _ in 0..20_000 {
        let mut bytes = whole.clone();
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..bytes.len());
            match rng.random_range(0..4) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes.insert(at, rng.random()),
                _ => bytes[at] = rng.random(),
            }
        }
        let mutated = SimDisk::default();
        mutated.put(&name, &bytes);
        match opened(&mutated, options(Durability::Disk, 1 << 20)) {
            Err(_) => refused += 1,
            Ok(journal) => {
                cut += u32::from(journal.recovered.torn.is_some());
                let mut cursor = journal
                    .recovered
                    .reader()
                    .from_lsn(journal.recovered.reader().oldest_lsn())
                    .unwrap();
                while let Some(read) = cursor.read().unwrap() {
                    let written = whole
                        .windows(read.payload.len().max(1))
                        .any(|w| w == read.payload);
                    assert!(written, "{:?}", read.header);
                    read.record().unwrap();
                }
            }
        }
    }
    assert!(refused > 1_000 && cut > 100, "{refused} refused, {cut} cut");
}
