//! What one inference allocates, locks and asks of the kernel: nothing with the dense executor; with ONNX Runtime nothing
//! in our code, and inside a run at most the figures committed here.

use contracts::numerics::Executor;
use strategy::onnx::inspect::{Request, drawn_observations, inspect};
use strategy::onnx::testmodels::{Shape, TestModel, layer_norm, ppo_continuous, ppo_discrete};
use strategy::policy::source::ModelRef;
use strategy::policy::{Policy as _, PolicyExec, PolicySource};
use testkit::steady::alloc::{self, counted};
use testkit::steady::{seccomp, shim};
use testkit::test_name;

const WIDTH: usize = 15;
const ROWS: usize = 77;

/// Blocks ONNX Runtime 1.32.0 takes from the heap, and gives back, in one run of a reduced two-layer policy, whatever the
/// batch (measured).
const ORT_ALLOCATIONS_PER_RUN_MAX: u64 = 25;
/// Locks it takes in one run (measured).
const ORT_LOCKS_PER_RUN_MAX: u64 = 1;

/// A policy, its rows and room for its answers.
struct Bench {
    policy: PolicyExec,
    rows: Vec<f32>,
    out: Vec<f32>,
}

impl Bench {
    fn new(model: &TestModel, executor: Executor) -> Self {
        let golden = drawn_observations(WIDTH, 1);
        let request = Request {
            width: WIDTH,
            rule: None,
            action_output: None,
            executor: Some(executor),
            golden: &golden,
        };
        let inspection = inspect(&model.bytes, &request).expect("a good model");
        let (graph, bytes) = inspection.runs(&model.bytes);
        let source = PolicySource::new(&ModelRef {
            bytes,
            graph,
            executor,
            action_output: &inspection.action_output,
            kind: inspection.rule.kind(),
            width: WIDTH,
        });
        let policy = source.and_then(|source| source.make(&golden)).expect("builds");
        let mut bench = Self {
            out: vec![0.0; ROWS * policy.head().width()],
            rows: golden[..ROWS * WIDTH].to_vec(),
            policy,
        };
        bench.run();
        bench
    }

    /// One batch of one row and one of 77, which is 64 + 8 + 4 + 1: five runs of ONNX Runtime.
    fn run(&mut self) {
        let head = self.policy.head().width();
        self.policy
            .infer(&self.rows[..WIDTH], &mut self.out[..head])
            .expect("one row");
        self.policy.infer(&self.rows, &mut self.out).expect("77 rows");
    }
}

const RUNS: u64 = 5;

fn models() -> [TestModel; 2] {
    let shape = Shape::new(3, WIDTH);
    [ppo_continuous(&shape), ppo_discrete(&shape)]
}

#[test]
fn our_code_allocates_nothing_with_either_executor() {
    let general = layer_norm(&Shape::new(3, WIDTH));
    let benches = models()
        .iter()
        .flat_map(|model| [Executor::Dense, Executor::Ort].map(|e| Bench::new(model, e)))
        .chain([Bench::new(&general, Executor::Ort)])
        .collect::<Vec<_>>();
    for mut bench in benches {
        let ((), counts) = counted(|| bench.run());
        assert_eq!(counts, alloc::Counts::default());
    }
}

#[test]
fn a_dense_inference_takes_no_block_and_no_lock() {
    shim::under(test_name!(), |shim| {
        for model in models() {
            let mut bench = Bench::new(&model, Executor::Dense);
            let ((), counts) = shim.counted(|| bench.run());
            assert_eq!(counts, shim::Counts::default());
        }
    });
}

#[test]
fn a_dense_inference_makes_no_system_call() {
    let [model, _] = models();
    seccomp::under(
        test_name!(),
        &[],
        move || Bench::new(&model, Executor::Dense),
        Bench::run,
        |bench| assert!(bench.out.iter().all(|x| x.is_finite())),
    );
}

#[test]
fn onnx_runtime_stays_within_its_committed_figures() {
    shim::under(test_name!(), |shim| {
        for model in models() {
            let mut bench = Bench::new(&model, Executor::Ort);
            let ((), counts) = shim.counted(|| bench.run());
            let shim::Counts {
                allocations,
                frees,
                locks,
            } = counts;
            let figures = format!("{}: {counts:?} in {RUNS} runs\n", model.name);
            std::io::Write::write_all(&mut std::io::stderr(), figures.as_bytes()).expect("stderr is open");
            assert_eq!(allocations, frees, "a run keeps nothing");
            assert!(
                allocations <= RUNS * ORT_ALLOCATIONS_PER_RUN_MAX,
                "{allocations} blocks"
            );
            assert!(locks <= RUNS * ORT_LOCKS_PER_RUN_MAX, "{locks} locks");
        }
    });
}
