//! A disk that fails under a running pipeline: no message without a record, and nothing is lost once it is mended.

use engine::core::record::Durability;
use engine::journal::sim::SimDisk;
use engine::journal::{JournalReader, message, open};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use testkit::guard::HangGuard;

use super::*;

const FAILURES: usize = 4;

/// How a disk fails.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// It is full.
    Full,
    /// A sync fails, and what it should have written is forgotten.
    Sync,
}

/// The numbered messages of a journal.
fn written(disk: &SimDisk) -> BTreeMap<u64, String> {
    let reader = JournalReader::offline(Arc::new(disk.clone())).expect("a journal");
    let mut cursor = reader.from_lsn(reader.oldest_lsn()).expect("its first record");
    let mut messages = BTreeMap::new();
    while let Some(read) = cursor.read().expect("a record") {
        let record = read.record().expect("a record of this build");
        if let Some(message) = message(&read.header, &record) {
            let text = serde_json::to_string(&message).expect("JSON");
            let before = messages.insert(read.header.seq, text);
            assert!(before.is_none(), "a number is given once");
        }
    }
    messages
}

/// The pipeline over `disk`; every message is on disk before it is published.
fn running(scene: &Scene, disk: &SimDisk) -> Running {
    let options = JournalOptions {
        durability: Durability::Disk,
        ..journal_options()
    };
    let opened = open(Arc::new(disk.clone()), options).expect("a journal that can be mended");
    Running::over(scene, opened, Wait::Park, Pace::Max, scene.bundle(1, 5), None)
}

/// Streams the tape over a disk that fails again and again, each time under a new pipeline.
fn survives(shards: u16, fault: Fault, seed: u64) {
    let _guard = HangGuard::new("failures of a disk");
    let scene = Scene::new(24, 32, 12, shards);
    let disk = SimDisk::default();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut received = Vec::new();
    for _ in 0..FAILURES {
        let running = running(&scene, &disk);
        match fault {
            Fault::Full => disk.set_room(Some(rng.random_range(1..200_000))),
            Fault::Sync => disk.fail_sync_after(Some(rng.random_range(0..6))),
        }
        received.extend(running.failed());
        disk.set_room(None);
        disk.fail_sync_after(None);
        if fault == Fault::Sync {
            disk.lose_power(&mut rng);
        }
        // A torn tail is cut by the next start; what was published is in front of it.
        let opened = open(Arc::new(disk.clone()), journal_options()).expect("a journal that can be mended");
        drop(opened);
        let written = written(&disk);
        for text in &received {
            let message: Value = serde_json::from_str(text).expect("JSON");
            let seq = message["seq"].as_u64().expect("a number");
            assert_eq!(written.get(&seq), Some(text), "no message without its record");
        }
    }
    let mut last = running(&scene, &disk);
    last.results = written(&disk)
        .values()
        .filter(|text| is_result(&serde_json::from_str(text).expect("JSON")))
        .count();
    assert!(last.results < scene.bars, "the disk failed in the midst");
    last.until_results(scene.bars);
    last.stop();
    let all: Vec<String> = written(&disk).into_values().collect();
    every_bar_has_one_result(&scene, &all);
}

#[test]
fn a_full_disk_under_one_core() {
    survives(1, Fault::Full, 1);
}

#[test]
fn a_full_disk_under_two_cores() {
    survives(2, Fault::Full, 2);
}

#[test]
fn a_failing_sync_under_one_core() {
    survives(1, Fault::Sync, 3);
}

#[test]
fn a_failing_sync_under_two_cores() {
    survives(2, Fault::Sync, 4);
}
