//! A bundle whose policy runs on ONNX Runtime: a generated model, reduced as registration reduces it.

use std::sync::Arc;

use contracts::action::ActionKind;
use contracts::features::FeatureContract;
use contracts::numerics::Executor;
use engine::bundle::{Bundle, Loaded};
use engine::core::CoreOptions;
use strategy::onnx::inspect::{Request, drawn_observations, inspect};
use strategy::onnx::testmodels::{Shape, ppo_continuous};
use strategy::policy::PolicyExec;
use strategy::policy::source::{ModelRef, PolicySource};

use super::model::{bundle, strategy};

/// A policy of the reduced graph of a generated continuous model, on this executor.
///
/// # Panics
/// When ONNX Runtime is missing (`cargo xtask setup` fetches it).
#[must_use]
pub fn policy(width: usize, seed: u64, executor: Executor) -> PolicyExec {
    let model = ppo_continuous(&Shape::new(seed, width));
    let golden = drawn_observations(width, 1);
    let rule = ActionKind::Continuous.default_rule();
    let request = Request {
        width,
        rule: Some(&rule),
        action_output: None,
        executor: Some(executor),
        golden: &golden,
    };
    let found = inspect(&model.bytes, &request).unwrap_or_else(|error| panic!("{}: {error}", model.name));
    let (graph, bytes) = found.runs(&model.bytes);
    let source = PolicySource::new(&ModelRef {
        bytes,
        graph,
        executor,
        action_output: &found.action_output,
        kind: ActionKind::Continuous,
        width,
    });
    source
        .and_then(|source| source.make(&golden))
        .unwrap_or_else(|error| panic!("{}: {error}", model.name))
}

/// [`bundle`] with that policy on every core.
///
/// # Panics
/// As [`policy`].
#[must_use]
pub fn bundle_on(
    features: &FeatureContract,
    options: &CoreOptions,
    seed: u64,
    executor: Executor,
) -> Arc<Bundle> {
    let like = bundle(features, options, 1, seed);
    let strategy = strategy(features);
    let head = strategy.head();
    let policies: Vec<_> = (0..options.shards)
        .map(|_| Box::new(policy(strategy.width(), seed, executor)))
        .collect();
    let warm = like.warm.iter().filter_map(|seat| seat.pop()).collect();
    Arc::new(Bundle::new(
        like.terms.clone(),
        Arc::new(Loaded::new(strategy, head, policies)),
        warm,
    ))
}
