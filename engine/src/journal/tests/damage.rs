//! Torn, flipped and mutated bytes; disks that are full or fail.

use super::*;

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
