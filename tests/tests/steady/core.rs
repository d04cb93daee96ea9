//! `Core::step` in its steady state: nothing allocated, nothing freed, no lock, no system call.
//!
//! What ONNX Runtime does inside a run is its own: it is measured here and may not grow past the committed figures.

use std::ops::Range;

use contracts::numerics::Executor;
use engine::core::Input;
use engine::core::record::{Outcome, Record};
use testkit::market::{Grid, Market, MarketSpec};
use testkit::rig::{Rig, features, inputs_of, options, ort};
use testkit::steady::alloc::{Counts, counted};
use testkit::steady::{seccomp, shim};
use testkit::test_name;

/// Bars after the operators have settled.
const BARS: usize = 100_000;
/// Instruments that close together: the rows of a batch.
const INSTRUMENTS: usize = 8;
/// Batches until every operator has settled (280 bars) and every buffer has its size.
const SETTLED: usize = 400;
/// ONNX Runtime's calls of malloc and its kin per run, at most.
const ORT_ALLOCATIONS_PER_RUN_MAX: u64 = 25;
/// The pthread locks it takes per run, at most.
const ORT_LOCKS_PER_RUN_MAX: u64 = 1;

/// A core that has settled, and what is to come.
struct Prepared {
    rig: Rig,
    inputs: Vec<Input>,
    batches: Vec<Range<usize>>,
}

/// Eight instruments around the clock, no bar missing.
fn prepare(executor: Executor) -> Prepared {
    let contract = features("technical_8");
    let market = Market::generate(&MarketSpec {
        grid: Grid::AroundTheClock,
        missing_per_mille: 0,
        ..MarketSpec::many(11, INSTRUMENTS, 46)
    });
    let inputs = inputs_of(&market, &contract);
    let starts: Vec<usize> = (0..inputs.len()).step_by(INSTRUMENTS).collect();
    let batches: Vec<_> = starts.into_iter().map(|from| from..from + INSTRUMENTS).collect();
    let options = options(&market.instruments, &contract);
    let mut rig = Rig::new(options.clone());
    rig.cell
        .publish(ort::bundle_on(&contract, &options, 11, executor));
    rig.step(&[]);
    for batch in &batches[..SETTLED] {
        rig.step(&inputs[batch.clone()]);
    }
    Prepared { rig, inputs, batches }
}

impl Prepared {
    /// `BARS` bars; gives the number of batches.
    fn steady(&mut self) -> u64 {
        let batches = &self.batches[SETTLED..SETTLED + BARS / INSTRUMENTS];
        for batch in batches {
            self.rig.step(&self.inputs[batch.clone()]);
        }
        batches.len() as u64
    }

    /// Asserts that the last batch came to one decision per instrument.
    fn assert_decided(&self) {
        let decided =
            |record| matches!(record, Ok(Record::Bar(bar)) if matches!(bar.outcome, Outcome::Decided { .. }));
        assert_eq!(
            self.rig.records.iter().filter(|record| decided(*record)).count(),
            INSTRUMENTS
        );
    }
}

#[test]
fn our_code_allocates_and_frees_nothing_under_either_executor() {
    for executor in [Executor::Dense, Executor::Ort] {
        let mut prepared = prepare(executor);
        let (_, counts) = counted(|| prepared.steady());
        prepared.assert_decided();
        assert_eq!(counts, Counts::default(), "{executor:?}");
    }
}

#[test]
fn with_dense_nobody_allocates_frees_or_locks() {
    shim::under(test_name!(), |shim| {
        let mut prepared = prepare(Executor::Dense);
        let (_, counts) = shim.counted(|| prepared.steady());
        prepared.assert_decided();
        assert_eq!(counts, shim::Counts::default());
    });
}

#[test]
fn with_onnx_runtime_a_run_stays_within_the_committed_figures() {
    shim::under(test_name!(), |shim| {
        let mut prepared = prepare(Executor::Ort);
        let (runs, counts) = shim.counted(|| prepared.steady());
        prepared.assert_decided();
        assert!(
            counts.allocations <= runs * ORT_ALLOCATIONS_PER_RUN_MAX,
            "{counts:?} in {runs} runs"
        );
        assert!(
            counts.locks <= runs * ORT_LOCKS_PER_RUN_MAX,
            "{counts:?} in {runs} runs"
        );
        assert_eq!(counts.allocations, counts.frees, "what a run takes it gives back");
    });
}

#[test]
fn with_dense_no_system_call_is_made() {
    seccomp::under(
        test_name!(),
        &[],
        || prepare(Executor::Dense),
        |prepared| {
            prepared.steady();
        },
        |prepared| prepared.assert_decided(),
    );
}

#[test]
fn with_onnx_runtime_no_system_call_is_made_either() {
    seccomp::under(
        test_name!(),
        &[],
        || prepare(Executor::Ort),
        |prepared| {
            prepared.steady();
        },
        |prepared| prepared.assert_decided(),
    );
}
