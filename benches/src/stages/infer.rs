//! Observations through a reduced policy: the dense executor beside ONNX Runtime's `RunWithBinding` on the same graph.

use std::hint::black_box;

use contracts::numerics::Executor;
use strategy::onnx::inspect::{Request, drawn_observations, inspect};
use strategy::onnx::testmodels::{Shape, ppo_continuous};
use strategy::policy::source::ModelRef;
use strategy::policy::{Policy as _, PolicyExec, PolicySource};

use engine::bench::Stage;

const WIDTH: usize = 15;

pub(super) fn stages() -> Vec<Stage> {
    let mut all = Vec::new();
    for hidden in [[64, 64], [256, 256]] {
        for executor in [Executor::Dense, Executor::Ort] {
            for rows in [1, 7, 64] {
                all.push(stage(hidden, executor, rows));
            }
        }
    }
    all
}

fn stage(hidden: [usize; 2], executor: Executor, rows: usize) -> Stage {
    let golden = drawn_observations(WIDTH, 1);
    let mut policy = policy(hidden, executor, &golden);
    let mut out = vec![0.0; rows * policy.head().width()];
    let [a, b] = hidden;
    Stage::new(
        format!("infer {rows} rows of {WIDTH}-{a}-{b}-1, {executor}"),
        move |operations| {
            for _ in 0..operations {
                policy
                    .infer(black_box(&golden[..rows * WIDTH]), &mut out)
                    .expect("whole rows of a good model");
            }
            black_box(&out);
        },
    )
}

fn policy(hidden: [usize; 2], executor: Executor, golden: &[f32]) -> PolicyExec {
    let shape = Shape {
        hidden: hidden.to_vec(),
        ..Shape::new(1, WIDTH)
    };
    let model = ppo_continuous(&shape);
    let request = Request {
        width: WIDTH,
        rule: None,
        action_output: None,
        executor: Some(executor),
        golden,
    };
    let inspection =
        inspect(&model.bytes, &request).expect("a generated model; `cargo xtask setup` fetches ONNX Runtime");
    let (graph, bytes) = inspection.runs(&model.bytes);
    let source = PolicySource::new(&ModelRef {
        bytes,
        graph,
        executor,
        action_output: &inspection.action_output,
        kind: inspection.rule.kind(),
        width: WIDTH,
    });
    source
        .and_then(|source| source.make(golden))
        .expect("what was inspected is built")
}
