//! Every operator a chain may hold, against the same arithmetic written out; and what is no chain.

use super::*;
use crate::onnx::proto::{Attribute, FLOAT};
use crate::onnx::testmodels::{self, Builder, Shape};
use crate::policy::{DensePolicy, Policy as _};

/// A graph from three inputs to `outputs` values, built by `nodes`.
fn graph(outputs: i64, nodes: impl FnOnce(&mut Builder, &str) -> String) -> ModelProto {
    let mut b = Builder::new(1, 0);
    let x = b.input("x", None, 3);
    let y = nodes(&mut b, &x);
    b.output(&y, FLOAT, &[None, Some(outputs)]);
    b.model()
}

fn weight(b: &mut Builder, name: &str, dims: &[i64], values: &[f32]) -> String {
    b.initializer(TensorProto::floats(name, dims, values))
}

fn run(model: &ModelProto, x: [f32; 3]) -> Vec<f32> {
    let chain = to_chain(model, 3).expect("a chain");
    let mut out = vec![0.0; chain.head().width()];
    DensePolicy::new(&chain).infer(&x, &mut out).expect("one row");
    out
}

#[test]
fn gemm_with_and_without_transposition_scales_and_bias() {
    let plain = graph(1, |b, x| {
        let w = weight(b, "w", &[3, 1], &[1.0, 2.0, 3.0]);
        let c = weight(b, "c", &[1], &[10.0]);
        b.node("Gemm", &[x, &w, &c], vec![])
    });
    assert_eq!(run(&plain, [1.0, 1.0, 2.0]), [19.0]);
    let scaled = graph(3, |b, x| {
        let w = weight(b, "w", &[3, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
        let c = weight(b, "c", &[1, 3], &[1.0, 1.0, 1.0]);
        let attributes = vec![
            Attribute::int("transB", 1),
            Attribute::float("alpha", 2.0),
            Attribute::float("beta", -1.0),
        ];
        b.node("Gemm", &[x, &w, &c], attributes)
    });
    assert_eq!(run(&scaled, [1.0, 0.0, 1.0]), [7.0, 19.0, 31.0]);
    let bare = graph(1, |b, x| {
        let w = weight(b, "w", &[3, 1], &[1.0, 1.0, 1.0]);
        b.node("Gemm", &[x, &w], vec![])
    });
    assert_eq!(run(&bare, [1.0, 2.0, 3.0]), [6.0]);
}

#[test]
fn constants_are_folded_into_the_product_before_or_made_a_diagonal() {
    // ((x − [1,1,1]) / [1,2,4]) · w, then (2 − y) · 3 + 1, negated.
    let model = graph(1, |b, x| {
        let mean = weight(b, "mean", &[3], &[1.0, 1.0, 1.0]);
        let std = weight(b, "std", &[1, 3], &[1.0, 2.0, 4.0]);
        let w = weight(b, "w", &[3, 1], &[1.0, 1.0, 1.0]);
        let [one, two, three] =
            [("one", 1.0), ("two", 2.0), ("three", 3.0)].map(|(name, value)| weight(b, name, &[], &[value]));
        let y = b.node("Sub", &[x, &mean], vec![]);
        let y = b.node("Div", &[&y, &std], vec![]);
        let y = b.node("MatMul", &[&y, &w], vec![]);
        let y = b.node("Sub", &[&two, &y], vec![]);
        let y = b.node("Mul", &[&three, &y], vec![]);
        let y = b.node("Add", &[&y, &one], vec![]);
        b.node("Neg", &[&y], vec![])
    });
    // y = 1 + 1 + 0.5 = 2.5; −((2 − 2.5)·3 + 1) = 0.5
    assert_eq!(run(&model, [2.0, 3.0, 3.0]), [0.5]);
}

#[test]
fn clip_takes_its_ends_from_inputs_attributes_or_nowhere() {
    let clip = |ends: &[Option<f32>], attributes: Vec<Attribute>| {
        graph(3, |b, x| {
            let mut inputs = vec![x.to_owned()];
            for (i, end) in ends.iter().enumerate() {
                inputs.push(end.map_or_else(String::new, |v| weight(b, &format!("end{i}"), &[], &[v])));
            }
            let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
            b.node("Clip", &inputs, attributes)
        })
    };
    let x = [-9.0, 0.5, 9.0];
    assert_eq!(run(&clip(&[Some(-1.0), Some(2.0)], vec![]), x), [-1.0, 0.5, 2.0]);
    assert_eq!(run(&clip(&[None, Some(2.0)], vec![]), x), [-9.0, 0.5, 2.0]);
    let attributes = vec![Attribute::float("min", -3.0), Attribute::float("max", 3.0)];
    assert_eq!(run(&clip(&[], attributes), x), [-3.0, 0.5, 3.0]);
    assert_eq!(run(&clip(&[], vec![]), x), x);
}

#[test]
fn what_is_no_chain_is_named() {
    let model = graph(3, |b, x| {
        let y = b.node("Tanh", &[x], vec![]);
        b.node("Add", &[&y, x], vec![])
    });
    assert!(matches!(to_chain(&model, 3), Err(NoChain::Node(node)) if node.starts_with("Add")));
    let model = graph(3, |b, x| b.node("Erf", &[x], vec![]));
    assert!(matches!(to_chain(&model, 3), Err(NoChain::Node(node)) if node.starts_with("Erf")));
    let model = graph(1, |b, x| {
        let w = weight(b, "w", &[4, 1], &[1.0; 4]);
        b.node("MatMul", &[x, &w], vec![])
    });
    assert!(matches!(to_chain(&model, 3), Err(NoChain::Weight(_))));
    let model = graph(2, |b, x| b.node("Relu", &[x], vec![]));
    assert_eq!(to_chain(&model, 3), Err(NoChain::Output));
    let model = graph(1, |b, x| b.node("Relu", &[x], vec![]));
    assert!(matches!(to_chain(&model, 3), Err(NoChain::Chain(_))));
    // x ÷ constant is a scaling; constant ÷ x is not.
    let model = graph(3, |b, x| {
        let one = weight(b, "one", &[], &[1.0]);
        b.node("Div", &[&one, x], vec![])
    });
    assert!(matches!(to_chain(&model, 3), Err(NoChain::Node(_))));
}

#[test]
fn a_graph_that_runs_in_circles_ends() {
    let mut model = graph(1, |b, x| b.node_to("Tanh", &[x], vec![], "y"));
    let graph = model.graph.as_mut().expect("a graph");
    graph.node[0].input[0] = "y".into();
    assert!(matches!(to_chain(&model, 3), Err(NoChain::Node(_))));
}

#[test]
fn unreduced_exports_are_no_chains() {
    for model in testmodels::all_general(1, 3) {
        let decoded = crate::onnx::admit::admit(&model.bytes, 3).expect(model.name);
        assert!(to_chain(&decoded.model, 3).is_err(), "{}", model.name);
    }
    let model = testmodels::ppo_continuous(&Shape::new(1, 3));
    let decoded = crate::onnx::admit::admit(&model.bytes, 3).expect(model.name);
    assert!(to_chain(&decoded.model, 3).is_err());
}
