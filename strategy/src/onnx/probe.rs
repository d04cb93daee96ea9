//! Facts about every tensor of a graph, from one run in ONNX Runtime.
//!
//! Instead of a second implementation of shape inference and constant folding, the graph is run once, at batch 1 and without
//! optimisation, with every intermediate tensor made an output. ONNX Runtime then tells type, shape and value of each, with
//! its own kernels' bits. Tensors that do not depend on the observation's *values* (weights, and whatever is computed from shapes) are
//! constants; their values are kept.

use std::collections::{HashMap, HashSet};

use ort::session::builder::GraphOptimizationLevel;
use ort::value::{DynValue, Tensor, TensorElementType, ValueType};
use prost::Message as _;

use super::admit::Admitted;
use super::proto::{BOOL, DOUBLE, FLOAT, INT32, INT64, NodeProto, TensorProto, ValueInfo};
use crate::policy::library::Runtime;
use crate::policy::runtime::{OrtError, session_builder};

/// What is known about one tensor at batch 1.
#[derive(Debug, Clone)]
pub struct Fact {
    /// `TensorProto.DataType`; 0 for a type this module does not read.
    pub elem_type: i32,
    /// Its shape.
    pub dims: Vec<i64>,
    /// Its value, if it is a constant.
    pub constant: Option<TensorProto>,
}

/// Facts by tensor name.
pub type Facts = HashMap<String, Fact>;

/// Runs the graph once on zeros and collects the facts.
///
/// # Errors
/// [`OrtError`] when ONNX Runtime refuses the model.
pub fn probe(runtime: &Runtime, admitted: &Admitted) -> Result<Facts, OrtError> {
    let mut model = admitted.model.clone();
    let graph = model.graph.get_or_insert_default();
    let dependent = dependent(&graph.node, &admitted.input.name);
    let mut names = Vec::new();
    let mut seen = HashSet::new();
    for name in graph.node.iter().flat_map(|node| &node.output) {
        if !name.is_empty() && seen.insert(name.clone()) {
            names.push(name.clone());
        }
    }
    graph.output = names.iter().map(|name| ValueInfo::named(name)).collect();
    // Declared shapes may be wrong for the tensors in between; ONNX Runtime infers them itself.
    graph.value_info.clear();

    let mut session = session_builder(runtime, GraphOptimizationLevel::Disable)?
        .commit_from_memory(&model.encode_to_vec())?;
    let dims = admitted.input.dims(1);
    let zeros = Tensor::from_array((dims.clone(), vec![0.0_f32; admitted.input.width]))?;
    let outputs = session.run(ort::inputs![admitted.input.name.as_str() => zeros])?;

    let mut facts: Facts = names
        .iter()
        .filter_map(|name| {
            let value = outputs.get(name)?;
            Some((name.clone(), fact(name, value, !dependent.contains(name))))
        })
        .collect();
    let dims = dims.iter().filter_map(|d| i64::try_from(*d).ok()).collect();
    facts.insert(
        admitted.input.name.clone(),
        Fact {
            elem_type: FLOAT,
            dims,
            constant: None,
        },
    );
    for tensor in &admitted.graph().initializer {
        facts.insert(
            tensor.name.clone(),
            Fact {
                elem_type: tensor.data_type,
                dims: tensor.dims.clone(),
                constant: Some(tensor.clone()),
            },
        );
    }
    Ok(facts)
}

/// Names of the tensors whose values depend on the input's values. Nodes are in topological order, as the format demands.
fn dependent(nodes: &[NodeProto], input: &str) -> HashSet<String> {
    let mut all = HashSet::from([input.to_owned()]);
    for node in nodes {
        let by_shape_only = matches!(node.op_type.as_str(), "Shape" | "Size");
        if !by_shape_only && node.input.iter().any(|name| all.contains(name)) {
            all.extend(node.output.iter().filter(|name| !name.is_empty()).cloned());
        }
    }
    all
}

fn fact(name: &str, value: &DynValue, keep: bool) -> Fact {
    let unknown = Fact {
        elem_type: 0,
        dims: Vec::new(),
        constant: None,
    };
    let ValueType::Tensor { ty, shape, .. } = value.dtype() else {
        return unknown;
    };
    let (elem_type, bytes) = match ty {
        TensorElementType::Float32 => (FLOAT, bytes::<f32, 4>(value, f32::to_le_bytes)),
        TensorElementType::Float64 => (DOUBLE, bytes::<f64, 8>(value, f64::to_le_bytes)),
        TensorElementType::Int64 => (INT64, bytes::<i64, 8>(value, i64::to_le_bytes)),
        TensorElementType::Int32 => (INT32, bytes::<i32, 4>(value, i32::to_le_bytes)),
        TensorElementType::Bool => (BOOL, bytes::<bool, 1>(value, |b| [u8::from(b)])),
        _ => return unknown,
    };
    let dims = shape.to_vec();
    let constant = bytes.filter(|_| keep).map(|raw_data| TensorProto {
        dims: dims.clone(),
        data_type: elem_type,
        name: name.to_owned(),
        raw_data,
        ..TensorProto::default()
    });
    Fact {
        elem_type,
        dims,
        constant,
    }
}

fn bytes<T, const N: usize>(value: &DynValue, encode: impl Fn(T) -> [u8; N]) -> Option<Vec<u8>>
where
    T: ort::value::PrimitiveTensorElementType + Copy,
{
    let (_, values) = value.try_extract_tensor::<T>().ok()?;
    Some(values.iter().flat_map(|v| encode(*v)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::admit::admit;
    use crate::onnx::testmodels::{self, Shape};
    use crate::policy::library;

    #[test]
    fn shapes_values_and_dependence_come_out_of_one_run() {
        let runtime = library::runtime().expect("run `cargo xtask setup` first");
        let model = testmodels::ppo_continuous(&Shape::new(1, 15));
        let admitted = admit(&model.bytes, 15).expect("good model");
        let facts = probe(runtime, &admitted).expect("runs");
        let action = &facts["53"];
        assert_eq!((action.elem_type, action.dims.as_slice()), (FLOAT, &[1, 1][..]));
        assert!(action.constant.is_none());
        // exp(log_std) does not depend on the observation, ones_like(mean) only on its shape.
        let graph = admitted.graph();
        let output = |op: &str| {
            let node = graph.node.iter().find(|node| node.op_type == op);
            node.expect(op).output[0].clone()
        };
        let exp = facts[&output("Exp")].constant.as_ref().expect("a constant");
        let exp = exp.as_floats().expect("floats");
        assert!((f64::from(exp[0]) - libm::exp(-0.5)).abs() < 1e-7);
        let ones = facts[&output("ConstantOfShape")].constant.as_ref();
        assert_eq!(ones.expect("a constant").as_floats().expect("floats"), [1.0]);
        assert!(facts[&output("Expand")].constant.is_none());
    }
}
