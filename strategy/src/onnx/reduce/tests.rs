//! What is left of each shape, node by node, and what is left alone.

use prost::Message as _;

use super::*;
use crate::onnx::admit::admit;
use crate::onnx::probe::probe;
use crate::onnx::proto::{Attribute, dim};
use crate::onnx::testmodels::{self, Builder, Shape, TestModel};
use crate::policy::library;

const WIDTH: usize = 15;

fn reduce_bytes(bytes: &[u8], output: &str, kind: ActionKind) -> Result<ModelProto, ReduceError> {
    let runtime = library::runtime().expect("run `cargo xtask setup` first");
    let admitted = admit(bytes, WIDTH).expect("admitted");
    let facts = probe(runtime, &admitted).expect("runs");
    reduce(&admitted, &facts, output, kind)
}

fn reduced(model: &TestModel) -> ModelProto {
    reduce_bytes(&model.bytes, model.output, model.kind).expect(model.name)
}

fn operators(model: &ModelProto) -> Vec<String> {
    let graph = model.graph.as_ref().expect("a graph");
    graph.node.iter().map(|node| node.op_type.clone()).collect()
}

#[test]
fn only_the_network_is_left() {
    let layers = |activation: &str| {
        let pair = ["Gemm", activation];
        [pair, pair]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    for shape in [Shape::new(1, WIDTH), Shape::new(1, WIDTH).fixed()] {
        let with = |activation, rest: &[&str]| {
            let mut all = layers(activation);
            all.extend(rest.iter().map(|s| (*s).to_owned()));
            all
        };
        assert_eq!(
            operators(&reduced(&testmodels::ppo_continuous(&shape))),
            with("Tanh", &["Gemm"])
        );
        assert_eq!(
            operators(&reduced(&testmodels::ppo_discrete(&shape))),
            with("Tanh", &["Gemm"])
        );
        assert_eq!(
            operators(&reduced(&testmodels::sac(&shape))),
            with("Relu", &["Gemm", "Tanh"])
        );
        assert_eq!(
            operators(&reduced(&testmodels::softmax_argmax(&shape))),
            with("Relu", &["Gemm"])
        );
        assert_eq!(
            operators(&reduced(&testmodels::clipped_vector(&shape))),
            with("Tanh", &["Gemm", "Clip"])
        );
    }
}

#[test]
fn the_result_has_one_input_one_output_their_names_and_a_symbolic_batch() {
    let model = testmodels::ppo_discrete(&Shape::new(1, WIDTH).fixed());
    let reduced = reduced(&model);
    let graph = reduced.graph.as_ref().expect("a graph");
    let dims = |info: &ValueInfo| {
        let tensor = info.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
        let shape = tensor.and_then(|t| t.shape.clone()).expect("a shape");
        shape
            .dim
            .into_iter()
            .map(|d| d.size.expect("a size"))
            .collect::<Vec<_>>()
    };
    let batch = dim::Size::Param("batch".into());
    assert_eq!(graph.input.len(), 1);
    assert_eq!(graph.input[0].name, "input");
    assert_eq!(dims(&graph.input[0]), [batch.clone(), dim::Size::Value(15)]);
    assert_eq!(graph.output.len(), 1);
    assert_eq!(graph.output[0].name, "53");
    assert_eq!(dims(&graph.output[0]), [batch, dim::Size::Value(3)]);
    assert!(!gives_index(&reduced));
    let names = graph.initializer.iter().map(|t| t.name.as_str());
    assert!(
        names.clone().all(|name| !name.contains("value_net")),
        "{:?}",
        names.collect::<Vec<_>>()
    );
    admit(&reduced.encode_to_vec(), WIDTH).expect("admissible again");
}

#[test]
fn an_argmax_that_takes_the_last_maximum_is_not_cut() {
    let mut b = Builder::new(1, 0);
    let x = b.input("x", None, WIDTH);
    let logits = b.linear("head", &x, WIDTH, 3);
    let attributes = vec![
        Attribute::int("axis", 1),
        Attribute::int("keepdims", 0),
        Attribute::int("select_last_index", 1),
    ];
    b.node_to("ArgMax", &[&logits], attributes, "label");
    b.output("label", INT64, &[None]);
    let reduced = reduce_bytes(&b.bytes(), "label", ActionKind::Index).expect("reduces");
    assert_eq!(operators(&reduced), ["Gemm", "ArgMax"]);
    assert!(gives_index(&reduced));
}

#[test]
fn a_tail_that_does_not_keep_the_order_is_not_cut() {
    let mut b = Builder::new(1, 0);
    let x = b.input("x", None, WIDTH);
    let logits = b.linear("head", &x, WIDTH, 3);
    let turned = b.node("Neg", &[&logits], vec![]);
    let soft = b.node("Softmax", &[&turned], vec![Attribute::int("axis", 1)]);
    let attributes = vec![Attribute::int("axis", 1), Attribute::int("keepdims", 0)];
    b.node_to("ArgMax", &[&soft], attributes, "label");
    b.output("label", INT64, &[None]);
    let reduced = reduce_bytes(&b.bytes(), "label", ActionKind::Index).expect("reduces");
    assert_eq!(operators(&reduced), ["Gemm", "Neg"]);
}

#[test]
fn a_reshape_that_stays_loses_its_baked_batch() {
    let model = testmodels::convolution(&Shape::new(1, WIDTH).fixed());
    let reduced = reduced(&model);
    let graph = reduced.graph.as_ref().expect("a graph");
    let reshape = graph
        .node
        .iter()
        .find(|n| n.op_type == "Reshape")
        .expect("it stays");
    let target = graph.initializer.iter().find(|t| t.name == reshape.input[1]);
    assert_eq!(target.and_then(TensorProto::as_integers), Some(vec![-1, 1, 15]));
}

#[test]
fn an_output_without_an_observation_is_no_policy() {
    let mut b = Builder::new(1, 0);
    let x = b.input("x", None, WIDTH);
    let one = b.initializer(TensorProto::floats("one", &[1, 1], &[0.5]));
    b.node_to("Tanh", &[&one], vec![], "action");
    b.output("action", FLOAT, &[Some(1), Some(1)]);
    b.node_to("Tanh", &[&x], vec![], "other");
    b.output("other", FLOAT, &[None, Some(15)]);
    let error = reduce_bytes(&b.bytes(), "action", ActionKind::Continuous);
    assert_eq!(error, Err(ReduceError::Constant("action".into())));
}
