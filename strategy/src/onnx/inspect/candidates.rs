//! Which outputs an action could be read from, and which one is.

use contracts::action::{ActionKind, ActionRule};

use super::{Candidate, InspectError, Request};
use crate::onnx::admit::Admitted;
use crate::onnx::probe::{Fact, Facts};
use crate::onnx::proto::{FLOAT, GraphProto, INT64};
use crate::onnx::verify::action_of;
use crate::policy::library::Runtime;
use crate::policy::{Batching, OrtPolicy, Policy as _, infer_in_batches};

/// What kind of action fits a tensor, judged at batch 1: float `[n,1]` or `[n]`, float `[n,3]`, int64 `[n]` or `[n,1]`.
fn kind_of(fact: &Fact) -> Option<ActionKind> {
    match (fact.elem_type, fact.dims.as_slice()) {
        (FLOAT, [1] | [1, 1]) => Some(ActionKind::Continuous),
        (FLOAT, [1, 3]) => Some(ActionKind::Logits),
        (INT64, [1] | [1, 1]) => Some(ActionKind::Index),
        _ => None,
    }
}

/// All outputs that fit, in graph order. Without a `kind` every kind counts.
fn fitting(graph: &GraphProto, facts: &Facts, kind: Option<ActionKind>) -> Vec<(String, ActionKind)> {
    let outputs = graph.output.iter();
    outputs
        .filter_map(|output| Some((output.name.clone(), kind_of(facts.get(&output.name)?)?)))
        .filter(|(_, found)| kind.is_none_or(|kind| kind == *found))
        .collect()
}

/// All outputs with their types and shapes at batch 1, for messages.
fn describe(graph: &GraphProto, facts: &Facts) -> String {
    let outputs = graph.output.iter();
    let texts: Vec<String> = outputs
        .map(|output| {
            let what = facts.get(&output.name).map_or_else(
                || "not computed by a node".to_owned(),
                |fact| {
                    let elem_type = match fact.elem_type {
                        FLOAT => "float".to_owned(),
                        INT64 => "int64".to_owned(),
                        other => format!("type {other}"),
                    };
                    format!("{elem_type} {:?} at batch 1", fact.dims)
                },
            );
            format!("`{}` {what}", output.name)
        })
        .collect();
    texts.join(", ")
}

/// All candidates with the chosen one marked, and the rule.
pub(super) fn choose(
    bytes: &[u8],
    runtime: &Runtime,
    admitted: &Admitted,
    facts: &Facts,
    request: &Request<'_>,
) -> Result<(Vec<Candidate>, ActionRule), InspectError> {
    let graph = admitted.graph();
    let wanted = request.rule.map(ActionRule::kind);
    let kind_text = || {
        wanted.map_or_else(
            || "any action kind".to_owned(),
            |kind| format!("{kind:?}").to_lowercase(),
        )
    };
    let fitting = fitting(graph, facts, wanted);
    let position = match request.action_output {
        None => (!fitting.is_empty())
            .then_some(0)
            .ok_or_else(|| InspectError::NoFittingOutput {
                kind: kind_text(),
                found: describe(graph, facts),
            })?,
        Some(name) => fitting
            .iter()
            .position(|(found, _)| found == name)
            .ok_or_else(|| InspectError::NamedOutput {
                name: name.to_owned(),
                kind: kind_text(),
                found: describe(graph, facts),
            })?,
    };
    let kind = fitting[position].1;
    let rule = request.rule.cloned().unwrap_or_else(|| kind.default_rule());
    let mut candidates = Vec::with_capacity(fitting.len());
    for (i, (name, kind)) in fitting.into_iter().enumerate() {
        let rule = if rule.kind() == kind {
            rule.clone()
        } else {
            kind.default_rule()
        };
        let mut policy = OrtPolicy::new(runtime, bytes, request.width, &name, kind, Batching::RowByRow)?;
        let out = infer_in_batches(&mut policy, request.golden, 1)?;
        let head = policy.head();
        let actions = || {
            out.chunks_exact(head.width())
                .map(|row| action_of(&rule, head, row))
        };
        let first = actions().next();
        let constant = actions().all(|action| Some(action) == first);
        let chosen = i == position;
        if let Some(row) = actions().position(|action| action.is_none()).filter(|_| chosen) {
            return Err(InspectError::NoAction { output: name, row });
        }
        if chosen && constant && request.action_output.is_none() {
            return Err(InspectError::ConstantAction {
                output: name,
                rows: out.len() / head.width(),
            });
        }
        candidates.push(Candidate {
            min: out.iter().copied().fold(f32::INFINITY, f32::min),
            max: out.iter().copied().fold(f32::NEG_INFINITY, f32::max),
            name,
            kind,
            constant,
            chosen,
        });
    }
    Ok((candidates, rule))
}
