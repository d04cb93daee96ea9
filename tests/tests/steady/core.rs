//! `Core::step` in its steady state: nothing allocated, nothing freed, no lock, no system call.
//!
//! What ONNX Runtime does inside a run is its own: it is measured here and may not grow past the committed figures.

use contracts::numerics::Executor;
use testkit::rig::{Rig, RigOptions};
use testkit::steady::alloc::{Counts, counted};
use testkit::steady::{seccomp, shim};
use testkit::test_name;

/// Bars after the operators have settled.
const BARS: usize = 100_000;
/// ONNX Runtime's calls of malloc and its kin per run, at most.
const ORT_ALLOCATIONS_PER_RUN_MAX: u64 = 40;
/// The pthread locks it takes per run, at most.
const ORT_LOCKS_PER_RUN_MAX: u64 = 40;

/// Eight instruments around the clock, no bar missing: 2,304 bars a day in batches of eight.
fn rig(executor: Executor) -> Rig {
    let mut rig = Rig::new(&RigOptions {
        executor,
        features: "technical_8",
        instruments: 8,
        days: 46,
        missing_per_mille: 0,
        seed: 11,
    });
    rig.step(0, SETTLED);
    rig
}

/// Batches until every operator has settled (280 bars) and every buffer has its size.
const SETTLED: usize = 400;

fn steady(rig: &mut Rig) -> (usize, u64) {
    let batches = BARS.div_ceil(8);
    let bars = rig.step(SETTLED, SETTLED + batches);
    (bars, u64::try_from(batches).expect("few batches"))
}

fn decided(rig: &Rig) -> bool {
    use engine::core::record::{Outcome, Record};
    rig.records.iter().any(
        |record| matches!(record, Ok(Record::Bar(bar)) if matches!(bar.outcome, Outcome::Decided { .. })),
    )
}

#[test]
fn our_code_allocates_and_frees_nothing_under_either_executor() {
    for executor in [Executor::Dense, Executor::Ort] {
        let mut rig = rig(executor);
        let ((bars, _), counts) = counted(|| steady(&mut rig));
        assert!(bars >= BARS && decided(&rig), "{bars} bars");
        assert_eq!(counts, Counts::default(), "{executor:?}");
    }
}

#[test]
fn with_dense_nobody_allocates_frees_or_locks() {
    shim::under(test_name!(), |shim| {
        let mut rig = rig(Executor::Dense);
        let ((bars, _), counts) = shim.counted(|| steady(&mut rig));
        assert!(bars >= BARS && decided(&rig), "{bars} bars");
        assert_eq!(counts, shim::Counts::default());
    });
}

#[test]
fn with_onnx_runtime_a_run_stays_within_the_committed_figures() {
    shim::under(test_name!(), |shim| {
        let mut rig = rig(Executor::Ort);
        let ((bars, runs), counts) = shim.counted(|| steady(&mut rig));
        assert!(bars >= BARS && decided(&rig), "{bars} bars");
        assert!(counts.allocations <= runs * ORT_ALLOCATIONS_PER_RUN_MAX, "{counts:?} in {runs} runs");
        assert!(counts.locks <= runs * ORT_LOCKS_PER_RUN_MAX, "{counts:?} in {runs} runs");
        assert_eq!(counts.allocations, counts.frees, "what a run takes it gives back");
    });
}

#[test]
fn with_dense_no_system_call_is_made() {
    seccomp::under(
        test_name!(),
        &[],
        || rig(Executor::Dense),
        |rig| assert!(steady(rig).0 >= BARS),
        |rig| assert!(decided(&rig)),
    );
}

#[test]
fn with_onnx_runtime_no_system_call_is_made_either() {
    seccomp::under(
        test_name!(),
        &[],
        || rig(Executor::Ort),
        |rig| assert!(steady(rig).0 >= BARS),
        |rig| assert!(decided(&rig)),
    );
}
