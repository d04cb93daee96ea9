//! The reduced graph: the action output's ancestors and nothing else, with the batch dimension symbolic.
//!
//! Constants are folded (with the values of the probe run), casts to the same type, identities and reshapes that keep `[n, k]` are
//! passed over, an Expand to the shape a tensor has already is that tensor, and for an index the row-monotone tail before
//! ArgMax is cut with ArgMax itself: discretisation takes the first maximum. All shapes are judged at batch 1, which makes the same
//! rules right for a batch that was fixed at 1 and for a dynamic one; whether the result is right at other batch sizes is not argued but
//! *checked*, row by row against the original, before it is used (`verify.rs`).

use std::collections::{HashMap, HashSet};

use contracts::action::ActionKind;

use super::admit::{Admitted, is_standard};
use super::probe::{Fact, Facts};
use super::proto::{FLOAT, GraphProto, INT64, ModelProto, NodeProto, TensorProto, ValueInfo};

/// Why a graph could not be reduced; the original then runs row by row. Shown in the inspection, not fatal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReduceError {
    /// The output is computed by no node.
    #[error("no node computes `{0}`")]
    NoProducer(String),
    /// A tensor whose shape or type the probe run did not give.
    #[error("nothing is known about tensor `{0}`")]
    Unknown(String),
    /// The output does not depend on the observation.
    #[error("output `{0}` does not depend on the observation")]
    Constant(String),
    /// A sparse weight.
    #[error("the graph has sparse initializers")]
    Sparse,
}

/// Reduces the graph to what `output` needs.
///
/// # Errors
/// [`ReduceError`].
pub fn reduce(
    admitted: &Admitted,
    facts: &Facts,
    output: &str,
    kind: ActionKind,
) -> Result<ModelProto, ReduceError> {
    let graph = admitted.graph();
    if !graph.sparse_initializer.is_empty() {
        return Err(ReduceError::Sparse);
    }
    let walk = Walk::new(graph, facts);
    let end = walk.end(output, kind)?;
    let mut kept = walk.ancestors(end)?;
    for node in &mut kept.nodes {
        batch_reshape(node, facts, &mut kept.initializers);
    }
    for name in kept
        .nodes
        .iter_mut()
        .flat_map(|n| n.output.iter_mut().chain(&mut n.input))
    {
        if name == end {
            output.clone_into(name);
        }
    }
    let input = &admitted.input;
    let symbolic = |dims: &[i64]| -> Vec<Option<i64>> {
        dims.iter()
            .enumerate()
            .map(|(i, d)| (i > 0).then_some(*d))
            .collect()
    };
    let fact = walk.fact(end)?;
    Ok(ModelProto {
        ir_version: admitted.model.ir_version,
        producer_name: "twovote".into(),
        graph: Some(GraphProto {
            node: kept.nodes,
            name: "policy".into(),
            initializer: kept.initializers,
            input: vec![ValueInfo::tensor(
                &input.name,
                FLOAT,
                &symbolic(&walk.fact(&input.name)?.dims),
            )],
            output: vec![ValueInfo::tensor(output, fact.elem_type, &symbolic(&fact.dims))],
            ..GraphProto::default()
        }),
        opset_import: admitted
            .model
            .opset_import
            .iter()
            .filter(|set| is_standard(&set.domain))
            .cloned()
            .collect(),
        ..ModelProto::default()
    })
}

/// A Reshape or Expand that stays gets the batch dimension it had baked in made symbolic: `[1, a, b]` becomes `[-1, a, b]`.
fn batch_reshape(node: &mut NodeProto, facts: &Facts, initializers: &mut Vec<TensorProto>) {
    let dims = |name: Option<&String>| name.and_then(|name| facts.get(name)).map(|f| f.dims.as_slice());
    if node.op_type != "Reshape" {
        return;
    }
    let (Some([1, ..]), Some(&[1, ref rest @ ..])) = (dims(node.input.first()), dims(node.output.first()))
    else {
        return;
    };
    let target: Vec<i64> = std::iter::once(-1).chain(rest.iter().copied()).collect();
    let name = format!("{}/batched_shape", node.output[0]);
    let len = i64::try_from(target.len()).unwrap_or(i64::MAX);
    initializers.push(TensorProto::integers(&name, &[len], &target));
    node.input[1] = name;
}

struct Kept {
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
}

/// The graph with its producers and facts, for walking backwards.
struct Walk<'a> {
    graph: &'a GraphProto,
    facts: &'a Facts,
    producer: HashMap<&'a str, usize>,
}

impl<'a> Walk<'a> {
    fn new(graph: &'a GraphProto, facts: &'a Facts) -> Self {
        let producer = graph
            .node
            .iter()
            .enumerate()
            .flat_map(|(i, node)| node.output.iter().map(move |name| (name.as_str(), i)))
            .filter(|(name, _)| !name.is_empty())
            .collect();
        Self {
            graph,
            facts,
            producer,
        }
    }

    fn fact(&self, name: &str) -> Result<&'a Fact, ReduceError> {
        self.facts
            .get(name)
            .ok_or_else(|| ReduceError::Unknown(name.to_owned()))
    }

    /// The node that computes `name`, if its value depends on the observation.
    fn node(&self, name: &str) -> Option<&'a NodeProto> {
        let fact = self.facts.get(name)?;
        let node = &self.graph.node[*self.producer.get(name)?];
        fact.constant.is_none().then_some(node)
    }

    /// First input of a node that passes its values on in order, if it does.
    fn passes_on(&self, name: &str) -> Option<(&'a str, &'a NodeProto)> {
        let node = self.node(name)?;
        let first = node.input.first()?.as_str();
        let (from, to) = (self.facts.get(first)?, self.facts.get(name)?);
        let same_type = from.elem_type == to.elem_type && to.elem_type != 0;
        let same_count = product(&from.dims) == product(&to.dims);
        let passes = match node.op_type.as_str() {
            "Identity" | "Dropout" => node.output.first().map(String::as_str) == Some(name),
            "Cast" | "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" | "Expand" => true,
            "Concat" => node.input.len() == 1,
            _ => false,
        };
        (passes && same_type && same_count && from.constant.is_none()).then_some((first, node))
    }

    /// Follows nodes that change nothing at all: same type, same `[n, k]`.
    fn resolve(&self, name: &'a str) -> &'a str {
        let mut name = name;
        // Every step goes to an earlier node; the bound holds even for a graph that is not in order.
        for _ in 0..=self.graph.node.len() {
            match self.passes_on(name) {
                Some((first, _)) if self.same_rows(first, name) => name = first,
                _ => break,
            }
        }
        name
    }

    fn same_rows(&self, a: &str, b: &str) -> bool {
        match (self.facts.get(a), self.facts.get(b)) {
            (Some(a), Some(b)) => a.dims == b.dims && matches!(a.dims.as_slice(), [1, _]),
            _ => false,
        }
    }

    /// Follows nodes that change at most how one row of `count` values is shaped.
    fn resolve_row(&self, name: &'a str, count: i64) -> &'a str {
        let is_row = |name: &str| {
            let fact = self.facts.get(name);
            fact.is_some_and(|f| matches!(f.dims.as_slice(), [1] | [1, _]) && product(&f.dims) == Some(count))
        };
        let mut name = name;
        for _ in 0..=self.graph.node.len() {
            match self.passes_on(name) {
                Some((first, _)) if is_row(first) && (count == 1 || self.same_rows(first, name)) => {
                    name = first
                }
                _ => break,
            }
        }
        name
    }

    /// The tensor at which the reduced graph ends.
    fn end(&self, output: &str, kind: ActionKind) -> Result<&'a str, ReduceError> {
        let (output, _) = self
            .producer
            .get_key_value(output)
            .ok_or_else(|| ReduceError::NoProducer(output.to_owned()))?;
        if self.fact(output)?.constant.is_some() {
            return Err(ReduceError::Constant((*output).to_owned()));
        }
        let count = i64::try_from(kind.width()).unwrap_or(1);
        let end = self.resolve_row(output, count);
        let end = match kind {
            ActionKind::Index => self.logits_before(end).unwrap_or(end),
            ActionKind::Continuous | ActionKind::Logits => end,
        };
        // A policy without any node left would be the observation itself.
        self.node(end)
            .map(|_| end)
            .ok_or_else(|| ReduceError::NoProducer(end.to_owned()))
    }

    /// The logits an ArgMax over three values sees, before everything that keeps the order within a row.
    fn logits_before(&self, index: &str) -> Option<&'a str> {
        let node = self.node(index).filter(|node| node.op_type == "ArgMax")?;
        let is_logits = |name: &str| {
            let fact = self.facts.get(name);
            fact.is_some_and(|f| f.elem_type == FLOAT && f.dims == [1, 3] && f.constant.is_none())
        };
        let last_axis = |node: &NodeProto, default| matches!(node.attr_int("axis", default), -1 | 1);
        let mut name = self.resolve(node.input.first()?);
        if !last_axis(node, 0) || node.attr_int("select_last_index", 0) != 0 || !is_logits(name) {
            return None;
        }
        for _ in 0..=self.graph.node.len() {
            let Some(node) = self.node(name) else { break };
            let first = node.input.first().map(|first| self.resolve(first));
            let keeps_order = match node.op_type.as_str() {
                // The default axis is 1 before opset 13 and −1 after: both the last of two.
                "Softmax" | "LogSoftmax" => last_axis(node, -1),
                // x − c with one c per row; the other operand is not looked at.
                "Sub" => node
                    .input
                    .get(1)
                    .is_some_and(|c| self.facts.get(c).is_some_and(|f| f.dims == [1, 1])),
                "Exp" => true,
                _ => false,
            };
            match first {
                Some(first) if keeps_order && is_logits(first) => name = first,
                _ => break,
            }
        }
        Some(name)
    }

    /// The nodes `end` needs, in the graph's order, with their inputs resolved and constants made initializers.
    fn ancestors(&self, end: &'a str) -> Result<Kept, ReduceError> {
        let mut needed = HashSet::new();
        let mut constants = Vec::new();
        let mut seen = HashSet::from([end]);
        let mut open = vec![end];
        while let Some(name) = open.pop() {
            if let Some(constant) = &self.fact(name)?.constant {
                constants.push(constant.clone());
                continue;
            }
            let Some(index) = self.producer.get(name) else {
                continue; // the observation
            };
            if needed.insert(*index) {
                for name in self.graph.node[*index]
                    .input
                    .iter()
                    .filter(|name| !name.is_empty())
                {
                    let name = self.resolve(name);
                    if seen.insert(name) {
                        open.push(name);
                    }
                }
            }
        }
        constants.sort_by(|a, b| a.name.cmp(&b.name));
        let nodes = self
            .graph
            .node
            .iter()
            .enumerate()
            .filter(|(i, _)| needed.contains(i));
        let nodes = nodes
            .map(|(_, node)| NodeProto {
                input: node
                    .input
                    .iter()
                    .map(|name| self.resolve(name).to_owned())
                    .collect(),
                ..node.clone()
            })
            .collect();
        Ok(Kept {
            nodes,
            initializers: constants,
        })
    }
}

fn product(dims: &[i64]) -> Option<i64> {
    dims.iter().try_fold(1_i64, |n, d| n.checked_mul(*d))
}

/// Whether a reduced graph gives an index itself instead of the logits before it.
#[must_use]
pub fn gives_index(reduced: &ModelProto) -> bool {
    let output = reduced.graph.iter().flat_map(|graph| &graph.output).next();
    let tensor = output.and_then(|o| o.r#type.as_ref()?.tensor_type.as_ref());
    tensor.is_some_and(|t| t.elem_type == INT64)
}

#[cfg(test)]
mod tests;
