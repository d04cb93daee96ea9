//! From a reduced graph to a dense chain, if it is one.
//!
//! The graph is walked from its output backwards: every node has one operand that depends on the observation, everything else is a
//! weight. Scaling and shifting by constants is folded into the product before it; what the folding changes in the last
//! place is covered by the comparison with ONNX Runtime that every dense chain must pass before it is used.

use std::collections::HashMap;

use super::proto::{GraphProto, ModelProto, NodeProto, TensorProto, dim};
use crate::limits::{DENSE_LAYERS_MAX, FOLDED_WIDTH_MAX};
use crate::policy::Head;
use crate::policy::dense::{Activation, Chain, ChainError, Layer};

/// Why a graph is no dense chain; it then runs in ONNX Runtime.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoChain {
    /// The graph has no single output of the right shape.
    #[error("the graph does not end in one float output [n, 1], [n] or [n, 3]")]
    Output,
    /// A node that is no product, sum, scaling or activation, or that joins two paths.
    #[error("node {0} is not part of a chain of products and activations")]
    Node(String),
    /// A weight whose type, shape or length does not fit.
    #[error("a weight of node {0} does not fit")]
    Weight(String),
    /// The layers do not fit each other.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

/// Reads the graph as a chain that takes `width` values.
///
/// # Errors
/// [`NoChain`] naming the first node that is not part of one.
pub fn to_chain(model: &ModelProto, width: usize) -> Result<Chain, NoChain> {
    let graph = model.graph.as_ref().ok_or(NoChain::Output)?;
    let (name, head) = output(graph)?;
    let weights: Weights<'_> = graph.initializer.iter().map(|t| (t.name.as_str(), t)).collect();
    let producer: HashMap<&str, &NodeProto> = graph
        .node
        .iter()
        .flat_map(|node| node.output.iter().map(move |name| (name.as_str(), node)))
        .collect();
    let mut path = Vec::new();
    let mut name = name;
    while let Some(node) = producer.get(name) {
        let operand = operand(node, &weights)?;
        path.push((*node, operand));
        name = &node.input[operand];
        if path.len() > 2 * DENSE_LAYERS_MAX {
            return Err(NoChain::Node(node.label()));
        }
    }
    let mut layers = Layers {
        width,
        layers: Vec::new(),
    };
    for (node, operand) in path.into_iter().rev() {
        layer(node, operand, &weights, &mut layers)?;
    }
    Ok(Chain::new(width, head, layers.layers)?)
}

type Weights<'a> = HashMap<&'a str, &'a TensorProto>;

fn output(graph: &GraphProto) -> Result<(&str, Head), NoChain> {
    let [output] = graph.output.as_slice() else {
        return Err(NoChain::Output);
    };
    let tensor = output.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
    let tensor = tensor
        .filter(|t| t.elem_type == super::proto::FLOAT)
        .ok_or(NoChain::Output)?;
    let dims: Vec<_> = tensor
        .shape
        .iter()
        .flat_map(|s| &s.dim)
        .map(|d| &d.size)
        .collect();
    match dims.as_slice() {
        [_] | [_, Some(dim::Size::Value(1))] => Ok((&output.name, Head::Scalar)),
        [_, Some(dim::Size::Value(3))] => Ok((&output.name, Head::Logits)),
        _ => Err(NoChain::Output),
    }
}

/// Position of the one input that is no weight.
fn operand(node: &NodeProto, weights: &Weights<'_>) -> Result<usize, NoChain> {
    let mut found = node
        .input
        .iter()
        .enumerate()
        .filter(|(_, name)| !name.is_empty() && !weights.contains_key(name.as_str()))
        .map(|(i, _)| i);
    match (found.next(), found.next()) {
        (Some(i), None) if node.output.len() == 1 => Ok(i),
        _ => Err(NoChain::Node(node.label())),
    }
}

/// Layers collected so far and the width they end with.
struct Layers {
    width: usize,
    layers: Vec<Layer>,
}

impl Layers {
    fn linear(&mut self, weights: Vec<f32>, bias: Vec<f32>) {
        self.width = bias.len();
        self.layers.push(Layer::Linear { weights, bias });
    }

    /// y = scale·x + shift per value, folded into the product before it or made a small diagonal product.
    fn affine(&mut self, scale: &[f32], shift: &[f32]) -> Option<()> {
        let width = self.width;
        if let Some(Layer::Linear { weights, bias }) = self.layers.last_mut() {
            for row in weights.chunks_exact_mut(width) {
                row.iter_mut().zip(scale).for_each(|(w, s)| *w *= s);
            }
            for ((b, s), t) in bias.iter_mut().zip(scale).zip(shift) {
                *b = b.mul_add(*s, *t);
            }
            return Some(());
        }
        if width > FOLDED_WIDTH_MAX {
            return None;
        }
        let mut weights = vec![0.0; width * width];
        for (k, s) in scale.iter().enumerate() {
            weights[k * width + k] = *s;
        }
        self.linear(weights, shift.to_vec());
        Some(())
    }
}

fn layer(node: &NodeProto, operand: usize, weights: &Weights<'_>, to: &mut Layers) -> Result<(), NoChain> {
    let bad_weight = || NoChain::Weight(node.label());
    let bad_node = || NoChain::Node(node.label());
    let weight = |i: usize| {
        node.input
            .get(i)
            .and_then(|name| weights.get(name.as_str()).copied())
    };
    let other = 1_usize.wrapping_sub(operand);
    match node.op_type.as_str() {
        "Gemm" if operand == 0 && node.attr_int("transA", 0) == 0 => {
            let transposed = node.attr_int("transB", 0) != 0;
            let (mut w, outputs) =
                matrix(weight(1).ok_or_else(bad_weight)?, to.width, transposed).ok_or_else(bad_weight)?;
            let alpha = node.attr_float("alpha", 1.0);
            w.iter_mut().for_each(|w| *w *= alpha);
            let beta = node.attr_float("beta", 1.0);
            let mut bias = match node.input.get(2).filter(|name| !name.is_empty()) {
                Some(_) => row(weight(2).ok_or_else(bad_weight)?, outputs).ok_or_else(bad_weight)?,
                None => vec![0.0; outputs],
            };
            bias.iter_mut().for_each(|b| *b *= beta);
            to.linear(w, bias);
        }
        "MatMul" if operand == 0 => {
            let (w, outputs) =
                matrix(weight(1).ok_or_else(bad_weight)?, to.width, false).ok_or_else(bad_weight)?;
            to.linear(w, vec![0.0; outputs]);
        }
        "Add" | "Mul" | "Sub" | "Div" if node.input.len() == 2 => {
            let c = row(weight(other).ok_or_else(bad_weight)?, to.width).ok_or_else(bad_weight)?;
            let (zero, one) = (vec![0.0; to.width], vec![1.0; to.width]);
            let each = |f: fn(f32) -> f32| c.iter().map(|c| f(*c)).collect::<Vec<f32>>();
            let done = match (node.op_type.as_str(), operand) {
                ("Add", _) => to.affine(&one, &c),
                ("Mul", _) => to.affine(&c, &zero),
                ("Sub", 0) => to.affine(&one, &each(|c| -c)),
                ("Sub", _) => to.affine(&vec![-1.0; to.width], &c),
                ("Div", 0) => to.affine(&each(|c| 1.0 / c), &zero),
                _ => None,
            };
            done.ok_or_else(bad_node)?;
        }
        "Neg" => {
            let (minus, zero) = (vec![-1.0; to.width], vec![0.0; to.width]);
            to.affine(&minus, &zero).ok_or_else(bad_node)?;
        }
        "Tanh" => to.layers.push(Layer::Activation(Activation::Tanh)),
        "Relu" => to.layers.push(Layer::Activation(Activation::Relu)),
        "Sigmoid" => to.layers.push(Layer::Activation(Activation::Sigmoid)),
        "Clip" if operand == 0 => {
            // Before opset 11 the ends were attributes.
            let end = |i: usize, name: &str, default: f32| match node.input.get(i).filter(|n| !n.is_empty()) {
                Some(_) => row(weight(i)?, 1).map(|v| v[0]),
                None => Some(node.attr_float(name, default)),
            };
            let low = end(1, "min", f32::MIN).ok_or_else(bad_weight)?;
            let high = end(2, "max", f32::MAX).ok_or_else(bad_weight)?;
            to.layers.push(Layer::Activation(Activation::Clip { low, high }));
        }
        _ => return Err(bad_node()),
    }
    Ok(())
}

/// A weight as `inputs × outputs`, row `k` holding the weights of input `k`.
fn matrix(tensor: &TensorProto, inputs: usize, transposed: bool) -> Option<(Vec<f32>, usize)> {
    let values = tensor.as_floats()?;
    let [a, b] = tensor.dims.as_slice() else {
        return None;
    };
    let (a, b) = (usize::try_from(*a).ok()?, usize::try_from(*b).ok()?);
    if a == 0 || b == 0 {
        return None;
    }
    if !transposed {
        return (a == inputs).then_some((values, b));
    }
    if b != inputs {
        return None;
    }
    let mut out = Vec::with_capacity(values.len());
    for k in 0..b {
        out.extend((0..a).map(|j| values[j * b + k]));
    }
    Some((out, a))
}

/// A weight that is one number or one number per column.
fn row(tensor: &TensorProto, width: usize) -> Option<Vec<f32>> {
    let values = tensor.as_floats()?;
    let (last, lead) = match tensor.dims.split_last() {
        Some((last, lead)) => (usize::try_from(*last).ok()?, lead),
        None => (1, &[][..]),
    };
    if lead.iter().any(|d| *d != 1) || lead.len() > 1 {
        return None;
    }
    match (last == width, last) {
        (true, _) => Some(values),
        (false, 1) => Some(vec![*values.first()?; width]),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
