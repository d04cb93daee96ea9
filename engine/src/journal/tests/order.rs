//! What gets which number, and who sees it when.

use super::*;

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
