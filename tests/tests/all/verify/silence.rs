//! On the wall clock: what a tick said is in the journal, the tick is not.

use contracts::reason::{FlattenCause, LiveState};
use contracts::time::UnixNanos;
use engine::core::record::Record;
use engine::core::{ClockMode, Input};

use std::sync::Arc;

use super::{JournalReader, RealDisk, Scene, verified};

const FLATTEN_AFTER_S: u32 = 30;

#[test]
fn a_silent_feed_is_found_silent_again() {
    let dir = tempfile::tempdir().expect("a journal of our own");
    let mut scene = Scene::new(1);
    scene.options.clock = ClockMode::Wall;
    scene.models.flatten_after_s = Some(FLATTEN_AFTER_S);
    let (core, cell) = scene.core();
    let mut pump = scene.pump(core, scene.start(scene.opened(dir.path())));
    cell.publish(scene.bundle(1, 0));
    let mut now = 0;
    for input in &scene.inputs {
        let due = match input {
            Input::Bar { bar, .. } => bar.close_time.0 * 1_000_000 + 250_000_000,
            _ => now,
        };
        // The clock ticks while nothing comes; a market's night is walked in steps of ten minutes.
        while now > 0 && now + 7_100_000_000 < due {
            now += if due - now > 900_000_000_000 {
                600_000_000_000
            } else {
                7_100_000_000
            };
            pump.run(&[Input::Clock { now: UnixNanos(now) }])
                .expect("a journal of our own");
        }
        now = due;
        pump.run(&[Input::Clock { now: UnixNanos(now) }, *input])
            .expect("a journal of our own");
        // Every few hours the feed falls silent with the session still on.
        if now / 1_000_000_000 % 10_800 == 0 {
            for _ in 0..60 {
                now += 7_100_000_000;
                pump.run(&[Input::Clock { now: UnixNanos(now) }])
                    .expect("a journal of our own");
            }
        }
    }
    let (_, mut outlet) = pump.into_parts();
    outlet
        .writer()
        .expect("a journal")
        .sync()
        .expect("a journal of our own");
    drop(outlet);

    let reader =
        JournalReader::offline(Arc::new(RealDisk::unlocked(dir.path()))).expect("a journal of our own");
    let mut cursor = reader.from_lsn(1).expect("a journal of our own");
    let (mut silences, mut flattened) = (0, 0);
    while let Some(read) = cursor.read().expect("a journal of our own") {
        match read.record().expect("a journal of our own") {
            Record::State(state) if state.state == LiveState::StaleFeed => silences += 1,
            Record::Flatten(order) if order.cause == FlattenCause::StaleFeed => flattened += 1,
            _ => {}
        }
    }
    assert!(
        silences > 3 && flattened > 0,
        "{silences} silences, {flattened} orders"
    );
    if let Err(error) = verified(dir.path(), &mut scene.models) {
        panic!("{error}");
    }
}
