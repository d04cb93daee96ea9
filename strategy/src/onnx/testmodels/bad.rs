//! Bad models: each must be refused, by name, at admission or at the self-test.

use super::builder::{Builder, as_dim};
use super::shapes::Shape;
use crate::onnx::proto::{
    Attribute, FLOAT, FunctionProto, GraphProto, INT64, NodeProto, OperatorSetId, SparseTensor, StringPair,
    TensorProto, ValueInfo,
};
use prost::Message as _;

/// A model and why it must not run.
#[derive(Debug, Clone)]
pub struct BadModel {
    /// What is wrong with it.
    pub name: &'static str,
    /// The ONNX file.
    pub bytes: Vec<u8>,
}

/// One Gemm and Tanh with output `action`, changed by `change` before it is written.
fn small(seed: u64, width: usize, change: impl FnOnce(&mut Builder, &str) -> String) -> Builder {
    let mut b = Builder::new(seed, 0);
    let obs = b.input("obs", None, width);
    let x = b.linear("net", &obs, width, 1);
    let y = change(&mut b, &x);
    b.node_to("Tanh", &[&y], vec![], "action");
    b.output("action", FLOAT, &[None, Some(1)]);
    b
}

/// The good model the bad ones are made from.
#[must_use]
pub fn plain(seed: u64, width: usize) -> Vec<u8> {
    small(seed, width, |_, x| x.to_owned()).bytes()
}

/// Passes admission and answers NaN to everything: log of minus a square, minus one.
#[must_use]
pub fn nan_output(seed: u64, width: usize) -> Vec<u8> {
    let change = |b: &mut Builder, x: &str| {
        let square = b.node("Mul", &[x, x], vec![]);
        let one = b.initializer(TensorProto::floats("one", &[1], &[1.0]));
        let above = b.node("Add", &[&square, &one], vec![]);
        let below = b.node("Neg", &[&above], vec![]);
        b.node("Log", &[&below], vec![])
    };
    small(seed, width, change).bytes()
}

/// Passes admission and gives the same number whatever it sees.
#[must_use]
pub fn constant_output(seed: u64, width: usize) -> Vec<u8> {
    let change = |b: &mut Builder, x: &str| {
        let zero = b.initializer(TensorProto::floats("zero", &[1], &[0.0]));
        b.node("Mul", &[x, &zero], vec![])
    };
    small(seed, width, change).bytes()
}

/// A model one input wider than it says.
#[must_use]
pub fn wrong_width(seed: u64, width: usize) -> Vec<u8> {
    plain(seed, width + 1)
}

/// A model of opset `opset` and IR version `ir_version`.
#[must_use]
pub fn versions(seed: u64, width: usize, opset: i64, ir_version: i64) -> Vec<u8> {
    let mut b = small(seed, width, |_, x| x.to_owned());
    b.opset = opset;
    let mut model = b.model();
    model.ir_version = ir_version;
    model.encode_to_vec()
}

fn with_node(seed: u64, width: usize, op: &str, domain: &str, attributes: Vec<Attribute>) -> Vec<u8> {
    let change = |b: &mut Builder, x: &str| {
        b.push(NodeProto {
            input: vec![x.to_owned()],
            output: vec!["inner".into()],
            name: format!("bad {op}"),
            op_type: op.into(),
            domain: domain.into(),
            attribute: attributes,
            ..NodeProto::default()
        });
        "inner".to_owned()
    };
    small(seed, width, change).bytes()
}

fn sub_graph() -> Attribute {
    Attribute {
        name: "body".into(),
        g: Some(GraphProto::default()),
        kind: 5,
        ..Attribute::default()
    }
}

fn external(seed: u64, width: usize) -> Vec<u8> {
    let mut model = small(seed, width, |_, x| x.to_owned()).model();
    let graph = model.graph.get_or_insert_default();
    graph.initializer[0].raw_data.clear();
    graph.initializer[0].data_location = 1;
    graph.initializer[0].external_data = vec![StringPair {
        key: "location".into(),
        value: "/etc/passwd".into(),
    }];
    model.encode_to_vec()
}

fn external_constant(seed: u64, width: usize) -> Vec<u8> {
    let mut value = TensorProto::floats("hidden", &[1], &[1.0]);
    value.data_location = 1;
    with_node(
        seed,
        width,
        "Constant",
        "",
        vec![Attribute::tensor("value", value)],
    )
}

fn external_sparse(seed: u64, width: usize) -> Vec<u8> {
    let mut model = small(seed, width, |_, x| x.to_owned()).model();
    let mut values = TensorProto::floats("sparse", &[1], &[1.0]);
    values.data_location = 1;
    let graph = model.graph.get_or_insert_default();
    graph.sparse_initializer.push(SparseTensor {
        values: Some(values),
        indices: Some(TensorProto::integers("", &[1], &[0])),
        dims: vec![4],
    });
    model.encode_to_vec()
}

fn with_dims(seed: u64, width: usize, dims: Vec<i64>) -> Vec<u8> {
    let mut model = small(seed, width, |_, x| x.to_owned()).model();
    let graph = model.graph.get_or_insert_default();
    graph.initializer[0].dims = dims;
    model.encode_to_vec()
}

fn giant_sparse(seed: u64, width: usize) -> Vec<u8> {
    let mut model = small(seed, width, |_, x| x.to_owned()).model();
    let graph = model.graph.get_or_insert_default();
    graph.sparse_initializer.push(SparseTensor {
        values: Some(TensorProto::floats("sparse", &[1], &[1.0])),
        indices: Some(TensorProto::integers("", &[1], &[0])),
        dims: vec![1 << 40],
    });
    model.encode_to_vec()
}

/// Passes admission and asks for `values` numbers of memory when it is run.
#[must_use]
pub fn giant_when_run(seed: u64, width: usize, values: i64) -> Vec<u8> {
    let change = |b: &mut Builder, x: &str| {
        let shape = b.initializer(TensorProto::integers("shape", &[1], &[values]));
        let many = b.node("ConstantOfShape", &[&shape], vec![]);
        let sum = b.node("ReduceSum", &[&many], vec![Attribute::int("keepdims", 0)]);
        b.node("Add", &[x, &sum], vec![])
    };
    small(seed, width, change).bytes()
}

fn function(seed: u64, width: usize) -> Vec<u8> {
    let mut model = small(seed, width, |_, x| x.to_owned()).model();
    model.functions.push(FunctionProto {
        name: "hidden".into(),
        domain: "local".into(),
        opset_import: vec![OperatorSetId {
            domain: String::new(),
            version: 17,
        }],
        ..FunctionProto::default()
    });
    model.encode_to_vec()
}

fn two_inputs(seed: u64, width: usize) -> Vec<u8> {
    let mut model = small(seed, width, |_, x| x.to_owned()).model();
    let graph = model.graph.get_or_insert_default();
    graph
        .input
        .push(ValueInfo::tensor("state_in", FLOAT, &[None, Some(64)]));
    model.encode_to_vec()
}

fn with_input(seed: u64, width: usize, elem_type: i32, dims: &[Option<i64>]) -> Vec<u8> {
    let mut model = small(seed, width, |_, x| x.to_owned()).model();
    let graph = model.graph.get_or_insert_default();
    graph.input = vec![ValueInfo::tensor("obs", elem_type, dims)];
    model.encode_to_vec()
}

fn many_nodes(seed: u64, width: usize) -> Vec<u8> {
    let change =
        |b: &mut Builder, x: &str| (0..10_001).fold(x.to_owned(), |x, _| b.node("Identity", &[&x], vec![]));
    small(seed, width, change).bytes()
}

/// Every model that admission refuses.
#[must_use]
pub fn all_refused(seed: u64, width: usize) -> Vec<BadModel> {
    let wide = Some(as_dim(width));
    let bad = |name, bytes| BadModel { name, bytes };
    vec![
        bad("wrong width", wrong_width(seed, width)),
        bad("external initializer", external(seed, width)),
        bad("external constant", external_constant(seed, width)),
        bad("external sparse initializer", external_sparse(seed, width)),
        bad(
            "giant initializer",
            with_dims(seed, width, vec![1 << 40, 1 << 20]),
        ),
        bad(
            "overflowing initializer",
            with_dims(seed, width, vec![i64::MAX; 4]),
        ),
        bad("negative initializer", with_dims(seed, width, vec![-1, 4])),
        bad("giant sparse initializer", giant_sparse(seed, width)),
        bad(
            "foreign domain",
            with_node(seed, width, "FusedGemm", "com.microsoft", vec![]),
        ),
        bad("function", function(seed, width)),
        bad("loop", with_node(seed, width, "Loop", "", vec![sub_graph()])),
        bad(
            "sub-graph",
            with_node(seed, width, "Custom", "", vec![sub_graph()]),
        ),
        bad("random", with_node(seed, width, "RandomNormalLike", "", vec![])),
        bad("recurrent", with_node(seed, width, "LSTM", "", vec![])),
        bad(
            "training batch normalisation",
            with_node(
                seed,
                width,
                "BatchNormalization",
                "",
                vec![Attribute::int("training_mode", 1)],
            ),
        ),
        bad("huge opset", versions(seed, width, 99, 8)),
        bad("no opset", versions(seed, width, 0, 8)),
        bad("huge IR version", versions(seed, width, 17, 99)),
        bad("two inputs", two_inputs(seed, width)),
        bad("integer input", with_input(seed, width, INT64, &[None, wide])),
        bad("flat input", with_input(seed, width, FLOAT, &[wide])),
        bad("fixed batch", with_input(seed, width, FLOAT, &[Some(64), wide])),
        bad("dynamic width", with_input(seed, width, FLOAT, &[None, None])),
        bad("too many nodes", many_nodes(seed, width)),
        bad("no protobuf", b"\xff\xff\xff\xff".to_vec()),
        bad("empty", Vec::new()),
    ]
}

/// A shape with one hidden layer, for tests that need many models quickly.
#[must_use]
pub fn tiny(seed: u64, width: usize) -> Shape {
    Shape {
        hidden: vec![8],
        ..Shape::new(seed, width)
    }
}
