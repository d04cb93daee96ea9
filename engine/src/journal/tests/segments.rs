//! Segments: their snapshots, their bytes, and what of them is kept.

use super::*;

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
fn the_smallest_retention_leaves_the_last_segment() {
    let disk = SimDisk::default();
    let none = JournalOptions {
        retention_bytes: 1,
        retention_days: 0,
        ..options(Durability::Process, 300)
    };
    let mut writer = started(&disk, none, BOOT);
    for n in 0..20 {
        if writer.wants_snapshot(0) {
            put(&mut writer, &mut snapshot(0, 1, b"state"));
        }
        put(&mut writer, &mut batch(n));
    }
    assert!(writer.retain(UnixNanos(i64::MAX)).unwrap() > 0);
    let left = writer.reader().segments();
    assert_eq!(left.len(), 1);
    assert!(
        left[0].bytes > none.retention_bytes,
        "larger than allowed, and still there"
    );
    assert_eq!(writer.retain(UnixNanos(i64::MAX)).unwrap(), 0);
    put(&mut writer, &mut batch(20));
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
