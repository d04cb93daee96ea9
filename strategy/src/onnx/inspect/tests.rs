//! Every real export becomes a dense chain that answers as the original does; every other model says why not.

use super::*;
use crate::onnx::testmodels::{self, Shape, TestModel};
use crate::policy::source::ModelRef;
use crate::policy::{PolicyExec, PolicySource, same_bits};

const WIDTH: usize = 15;

fn request(golden: &[f32]) -> Request<'_> {
    Request {
        width: WIDTH,
        rule: None,
        action_output: None,
        executor: None,
        golden,
    }
}

fn make(model: &TestModel, inspection: &Inspection, golden: &[f32]) -> PolicyExec {
    let (graph, bytes) = inspection.runs(&model.bytes);
    let source = PolicySource::new(&ModelRef {
        bytes,
        graph,
        executor: inspection.executor,
        action_output: &inspection.action_output,
        kind: inspection.rule.kind(),
        width: WIDTH,
    });
    source.expect(model.name).make(golden).expect(model.name)
}

#[test]
fn every_real_export_reduces_to_a_dense_chain() {
    let golden = drawn_observations(WIDTH, 1);
    for model in testmodels::all_dense(7, WIDTH) {
        let inspection = inspect(&model.bytes, &request(&golden)).expect(model.name);
        assert_eq!(inspection.action_output, model.output, "{}", model.name);
        assert_eq!(inspection.rule.kind(), model.kind, "{}", model.name);
        let Reduction::Used { nodes, .. } = inspection.reduction else {
            panic!("{}: {:?}", model.name, inspection.reduction);
        };
        assert!(
            nodes <= 8 && nodes < inspection.nodes,
            "{}: {nodes} nodes",
            model.name
        );
        assert!(
            matches!(inspection.dense, Dense::Admitted { max_difference, .. } if max_difference < 1e-5),
            "{}: {:?}",
            model.name,
            inspection.dense
        );
        assert_eq!(inspection.executor, Executor::Dense);
        assert_eq!(inspection.rows_checked, GOLDEN_ROWS + CHECKED_ROWS);

        let mut policy = make(&model, &inspection, &golden);
        assert!(crate::action::fits(&inspection.rule, policy.head()));
        assert_eq!(policy.head(), inspection.head);
        let out = infer_in_batches(&mut policy, &golden, 64).expect("runs");
        let close = out
            .iter()
            .zip(&inspection.golden_outputs)
            .all(|(a, b)| (a - b).abs() <= 1e-5);
        assert!(
            close && out.len() == inspection.golden_outputs.len(),
            "{}",
            model.name
        );
    }
}

#[test]
fn other_graphs_run_reduced_in_onnx_runtime_with_the_same_bits() {
    let golden = drawn_observations(WIDTH, 2);
    for model in testmodels::all_general(7, WIDTH) {
        let inspection = inspect(&model.bytes, &request(&golden)).expect(model.name);
        assert_eq!(inspection.executor, Executor::Ort, "{}", model.name);
        assert!(matches!(inspection.dense, Dense::NotAdmitted(_)));
        assert!(
            matches!(inspection.reduction, Reduction::Used { .. }),
            "{}: {:?}",
            model.name,
            inspection.reduction
        );
        let mut policy = make(&model, &inspection, &golden);
        for size in [1, 7, 64] {
            let out = infer_in_batches(&mut policy, &golden, size).expect("runs");
            assert!(same_bits(&out, &inspection.golden_outputs), "{}", model.name);
        }
    }
}

#[test]
fn an_inspection_is_the_same_every_time() {
    let golden = drawn_observations(WIDTH, 3);
    let model = testmodels::ppo_discrete(&testmodels::tiny(3, WIDTH));
    let first = inspect(&model.bytes, &request(&golden)).expect("good model");
    assert_eq!(inspect(&model.bytes, &request(&golden)), Ok(first));
}

#[test]
fn candidates_are_listed_and_a_named_one_is_taken() {
    let golden = drawn_observations(WIDTH, 4);
    let model = testmodels::ppo_continuous(&Shape::new(4, WIDTH));
    let rule = ActionKind::Continuous.default_rule();
    let mut request = request(&golden);
    request.rule = Some(&rule);
    let inspection = inspect(&model.bytes, &request).expect("good model");
    let names: Vec<_> = inspection
        .candidates
        .iter()
        .map(|c| (c.name.as_str(), c.chosen))
        .collect();
    assert_eq!(names, [("53", true), ("value", false), ("log_prob", false)]);
    // log_prob of the mean is one constant; unnamed it would be refused.
    assert!(inspection.candidates[2].constant && !inspection.candidates[0].constant);
    assert!(inspection.candidates[0].min < inspection.candidates[0].max);

    request.action_output = Some("value");
    let named = inspect(&model.bytes, &request).expect("named output");
    assert_eq!(named.action_output, "value");
    assert_eq!(named.executor, Executor::Dense);

    request.action_output = Some("nothing");
    let error = inspect(&model.bytes, &request).expect_err("no such output");
    assert!(matches!(error, InspectError::NamedOutput { .. }));
    assert!(error.to_string().contains("`log_prob`"), "{error}");
}

#[test]
fn a_constant_action_is_refused_unless_named() {
    let golden = drawn_observations(WIDTH, 5);
    let bytes = testmodels::constant_output(1, WIDTH);
    let error = inspect(&bytes, &request(&golden)).expect_err("constant");
    assert!(
        matches!(&error, InspectError::ConstantAction { rows: 256, .. }),
        "{error}"
    );
    let named = Request {
        action_output: Some("action"),
        ..request(&golden)
    };
    assert!(inspect(&bytes, &named).is_ok());
}

#[test]
fn nan_wrong_kind_and_ragged_golden_rows_are_refused() {
    let golden = drawn_observations(WIDTH, 6);
    let error = inspect(&testmodels::nan_output(1, WIDTH), &request(&golden)).expect_err("NaN");
    assert!(matches!(error, InspectError::NoAction { row: 0, .. }), "{error}");

    let rule = ActionKind::Logits.default_rule();
    let logits = Request {
        rule: Some(&rule),
        ..request(&golden)
    };
    let error = inspect(&testmodels::plain(1, WIDTH), &logits).expect_err("no logits");
    assert!(matches!(error, InspectError::NoFittingOutput { .. }), "{error}");

    let error = inspect(&testmodels::plain(1, WIDTH), &request(&golden[1..])).expect_err("ragged");
    assert!(matches!(error, InspectError::Golden { .. }), "{error}");
}

#[test]
fn the_executor_can_be_asked_for() {
    let golden = drawn_observations(WIDTH, 7);
    let ask = |executor| Request {
        executor: Some(executor),
        ..request(&golden)
    };
    let model = testmodels::sac(&Shape::new(2, WIDTH));
    let inspection = inspect(&model.bytes, &ask(Executor::Ort)).expect("good model");
    assert_eq!(inspection.executor, Executor::Ort);
    assert_eq!(make(&model, &inspection, &golden).executor(), Executor::Ort);
    let model = testmodels::gelu(&Shape::new(2, WIDTH));
    let error = inspect(&model.bytes, &ask(Executor::Dense)).expect_err("no chain");
    assert!(matches!(error, InspectError::NotDense { .. }), "{error}");
}
