//! Which outputs an action could be read from.

use contracts::action::ActionKind;

use super::probe::{Fact, Facts};
use super::proto::{FLOAT, GraphProto, INT64};

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
pub(super) fn fitting(
    graph: &GraphProto,
    facts: &Facts,
    kind: Option<ActionKind>,
) -> Vec<(String, ActionKind)> {
    let outputs = graph.output.iter();
    outputs
        .filter_map(|output| Some((output.name.clone(), kind_of(facts.get(&output.name)?)?)))
        .filter(|(_, found)| kind.is_none_or(|kind| kind == *found))
        .collect()
}

/// All outputs with their types and shapes at batch 1, for messages.
pub(super) fn describe(graph: &GraphProto, facts: &Facts) -> String {
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
