//! A trained actor as an ONNX file: opset 17, dynamic batch, a chain of `Gemm` and `Tanh`.

use contracts::action::ActionKind;
use prost::Message as _;
use strategy::onnx::proto::{
    Attribute, FLOAT, GraphProto, INT64, ModelProto, NodeProto, OperatorSetId, TensorProto, ValueInfo,
};

use crate::ppo::net::Layout;

/// Opset of ai.onnx.
const OPSET: i64 = 17;
/// Version of the file format that came with it.
const IR_VERSION: i64 = 8;

/// How the output is called where the experiment does not name it.
#[must_use]
pub const fn output_name(kind: ActionKind) -> &'static str {
    match kind {
        ActionKind::Continuous | ActionKind::Index => "action",
        ActionKind::Logits => "logits",
    }
}

/// The bytes; nothing in them depends on when or where they were written.
///
/// The input is `observation` `[n, width]`. The output of a continuous action is the mean, unclipped, `action` `[n, 1]`; of logits `logits` `[n, 3]`; of an
/// index the first maximum's, `action` `[n]`. `output` renames it.
#[must_use]
pub fn onnx(layout: &Layout, parameters: &[f32], kind: ActionKind, output: Option<&str>) -> Vec<u8> {
    let output = output.unwrap_or_else(|| output_name(kind));
    // A name may be given to one value only.
    let input = if output == "observation" {
        "input"
    } else {
        "observation"
    };
    let mut graph = GraphProto {
        name: "policy".into(),
        input: vec![ValueInfo::tensor(
            input,
            FLOAT,
            &[None, Some(dim(layout.inputs()))],
        )],
        ..GraphProto::default()
    };
    let places = layout.places();
    let mut value = input.to_owned();
    for (at, place) in places.iter().enumerate() {
        let last = at + 1 == places.len();
        let [weight, bias] = ["weight", "bias"].map(|part| format!("/{at}/{part}"));
        graph.initializer.push(TensorProto::floats(
            &weight,
            &[dim(place.inputs), dim(place.outputs)],
            &parameters[place.weights.clone()],
        ));
        graph.initializer.push(TensorProto::floats(
            &bias,
            &[dim(place.outputs)],
            &parameters[place.bias.clone()],
        ));
        let product = if last && kind != ActionKind::Index {
            output.to_owned()
        } else {
            format!("/{at}/product")
        };
        graph
            .node
            .push(node("Gemm", &[&value, &weight, &bias], &product, Vec::new()));
        value = product;
        if !last {
            let bounded = format!("/{at}/tanh");
            graph.node.push(node("Tanh", &[&value], &bounded, Vec::new()));
            value = bounded;
        }
    }
    graph.output.push(match kind {
        ActionKind::Continuous | ActionKind::Logits => {
            ValueInfo::tensor(output, FLOAT, &[None, Some(dim(layout.outputs()))])
        }
        ActionKind::Index => {
            let attributes = vec![Attribute::int("axis", 1), Attribute::int("keepdims", 0)];
            graph.node.push(node("ArgMax", &[&value], output, attributes));
            ValueInfo::tensor(output, INT64, &[None])
        }
    });
    let model = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "twovote".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(graph),
        opset_import: vec![OperatorSetId {
            domain: String::new(),
            version: OPSET,
        }],
        ..ModelProto::default()
    };
    model.encode_to_vec()
}

fn node(op: &str, inputs: &[&str], output: &str, attribute: Vec<Attribute>) -> NodeProto {
    NodeProto {
        input: inputs.iter().map(|name| (*name).to_owned()).collect(),
        output: vec![output.to_owned()],
        name: format!("{op}:{output}"),
        op_type: op.to_owned(),
        attribute,
        ..NodeProto::default()
    }
}

/// A width: checked networks have at most some thousand neurons a layer.
fn dim(width: usize) -> i64 {
    i64::try_from(width).expect("a layer's width is far below 2^63")
}

#[cfg(test)]
mod tests;
