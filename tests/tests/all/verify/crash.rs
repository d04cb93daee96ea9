//! A batch that was not written whole, a recovery, and a run that goes on: an honest journal, wherever the cut was.

use engine::core::Input;
use engine::core::record::Kind;
use engine::drivers::outlet::Numbers;

use super::edit::{Place, copy, cut, places};
use super::{Latch, Scene, UnixNanos, directive, verified};

/// Inputs in one batch; the cuts lie between the records of such batches.
const BATCH: usize = 12;
/// Records of bars and daily values between two cuts; what controls the slot is cut before and behind each record.
const EVERY: usize = 301;
/// Cuts at most, spread over all of them.
const CUTS: usize = 30;

/// One run with everything a batch can hold: bars, a halt and its orders, directives, two swaps.
fn first_run(scene: &Scene, dir: &std::path::Path) {
    let n = scene.inputs.len();
    let (core, cell) = scene.core();
    let mut pump = scene.pump(core, scene.start(scene.opened(dir)));
    cell.publish(scene.bundle(1, 0));
    let mut run = |from: usize, to: usize, first: &[Input]| {
        let mut first = first.to_vec();
        for part in scene.inputs[from..to].chunks(BATCH) {
            first.extend_from_slice(part);
            pump.run(&first).expect("a journal of our own");
            first.clear();
        }
    };
    run(0, n * 4 / 10, &[]);
    run(
        n * 4 / 10,
        n * 4 / 10 + 40,
        &[Input::Halt { latch: Latch::Local }],
    );
    run(
        n * 4 / 10 + 40,
        n / 2,
        &[directive(1, true, false), directive(2, false, true)],
    );
    cell.publish(scene.bundle(2, 0));
    run(n / 2, n * 55 / 100, &[]);
    cell.publish(scene.bundle(3, n * 55 / 100 - 20));
    run(n * 55 / 100, n * 58 / 100, &[]);
}

fn cuts(places: &[Place]) -> Vec<usize> {
    let snapshot = |place: &Place| place.header.kind == Kind::Snapshot;
    let first = places.iter().position(snapshot).expect("more than one segment") + 1;
    let is_plain = |place: &Place| matches!(place.header.kind, Kind::Bar | Kind::Macro);
    let all: Vec<usize> = (first + 1..places.len())
        .filter(|at| at.is_multiple_of(EVERY) || !is_plain(&places[*at]) || !is_plain(&places[at - 1]))
        .collect();
    let step = all.len().div_ceil(CUTS);
    all.into_iter().step_by(step.max(1)).collect()
}

#[test]
fn a_run_cut_inside_a_batch_and_gone_on_with_is_honest() {
    let whole = tempfile::tempdir().expect("a journal of our own");
    let mut scene = Scene::new(1);
    first_run(&scene, whole.path());
    let places = places(whole.path());
    let n = scene.inputs.len();
    let mut unfinished = 0;
    for at in cuts(&places) {
        let dir = copy(whole.path());
        cut(dir.path(), &places[at]);
        let generation = places[..at]
            .iter()
            .filter_map(|place| match place.record() {
                engine::core::record::Record::Swap(swap) => Some(swap.generation),
                _ => None,
            })
            .next_back()
            .expect("a model was adopted before the first snapshot");
        let mut pump = scene.recovered_pump(dir.path(), generation);
        // The feed begins somewhat earlier than the journal ends; what is known is refused.
        for part in scene.inputs[n * 39 / 100..n * 60 / 100].chunks(BATCH) {
            pump.run(part).expect("a journal of our own");
        }
        pump.run(&[Input::Halt {
            latch: Latch::Control,
        }])
        .expect("a journal of our own");
        let (_, outlet) = pump.into_parts();
        let (Numbers::Journal(writer), _) = outlet.into_parts() else {
            panic!("the outlet had a journal");
        };
        writer.stop(UnixNanos(9)).expect("a journal of our own");
        let (before, cut) = (&places[at - 1].header, &places[at].header);
        let summary = match verified(dir.path(), &mut scene.models) {
            Ok(summary) => summary,
            Err(error) => panic!(
                "cut between the {} in record {} and the {} behind it: {error}",
                before.kind.word(),
                before.lsn,
                cut.kind.word()
            ),
        };
        assert_eq!((summary.starts, summary.stopped), (2, true));
        unfinished += u64::from(summary.unfinished + summary.owed > 0);
    }
    assert!(unfinished > 0, "no cut parted what belongs together");
}
