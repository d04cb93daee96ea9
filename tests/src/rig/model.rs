//! Seeded models and the bundles that hold them.

use std::sync::Arc;

use contracts::action::ActionKind;
use contracts::features::FeatureContract;
use contracts::hash::ContractDigest;
use contracts::ids::ModelId;
use contracts::reason::Position;
use engine::bundle::{Bundle, Loaded, OnSwap, Terms, WarmState};
use engine::core::{CoreOptions, Input};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use strategy::onnx::testmodels::norm_stats;
use strategy::policy::dense::{Activation, Chain, DensePolicy, Layer};
use strategy::policy::{Head, PolicyExec};
use strategy::strategy::Strategy;

/// Hidden width of the seeded chains.
const HIDDEN: usize = 16;

/// A 16-unit tanh network with one output, its weights drawn from `seed`.
///
/// # Panics
/// Never: the shapes fit.
#[must_use]
pub fn chain(width: usize, seed: u64) -> Chain {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut draw = |n: usize| {
        (0..n)
            .map(|_| rng.random_range(-0.8f32..0.8))
            .collect::<Vec<f32>>()
    };
    let layers = vec![
        Layer::Linear {
            weights: draw(width * HIDDEN),
            bias: draw(HIDDEN),
        },
        Layer::Activation(Activation::Tanh),
        Layer::Linear {
            weights: draw(HIDDEN),
            bias: draw(1),
        },
    ];
    Chain::new(width, Head::Scalar, layers).expect("shapes that fit")
}

/// The strategy of a seeded model.
///
/// # Panics
/// Never, for a shipped feature contract.
#[must_use]
pub fn strategy(features: &FeatureContract) -> Arc<Strategy> {
    let rule = ActionKind::Continuous.default_rule();
    Arc::new(Strategy::new(features, &norm_stats(features), &rule, Head::Scalar).expect("a strategy"))
}

/// A local contract's bundle with a seeded model: fresh operators for every core, one policy each.
///
/// # Panics
/// Never, for a shipped feature contract.
#[must_use]
pub fn bundle(features: &FeatureContract, options: &CoreOptions, generation: u64, seed: u64) -> Arc<Bundle> {
    warmed(features, options, generation, seed, &[])
}

/// The same with operators that have seen the bars and daily values of `inputs`.
///
/// # Panics
/// Never, for a shipped feature contract.
#[must_use]
pub fn warmed(
    features: &FeatureContract,
    options: &CoreOptions,
    generation: u64,
    seed: u64,
    inputs: &[Input],
) -> Arc<Bundle> {
    let strategy = strategy(features);
    let chain = chain(strategy.width(), seed);
    let policies = (0..options.shards)
        .map(|_| Box::new(PolicyExec::Dense(DensePolicy::new(&chain))))
        .collect();
    let warm = (0..options.shards)
        .map(|shard| {
            Box::new(warm_state(
                &strategy,
                &CoreOptions {
                    shard,
                    ..options.clone()
                },
                inputs,
            ))
        })
        .collect();
    let terms = Terms {
        generation,
        digest: ContractDigest::of(&seed.to_le_bytes()),
        model_id: ModelId::parse(&format!("rig-{seed}")).expect("a model id"),
        feature_contract_hash: features.hash(),
        is_local: true,
        is_feedback: false,
        max_bar_age_ms: 60_000,
        offline_grace_hours: 72,
        on_swap: OnSwap::Adopt,
        flatten_after_s: None,
    };
    Arc::new(Bundle::new(
        terms,
        Arc::new(Loaded::new(strategy, Head::Scalar, policies)),
        warm,
    ))
}

fn warm_state(strategy: &Strategy, options: &CoreOptions, inputs: &[Input]) -> WarmState {
    let mut macros = strategy.new_macros();
    let mut instruments: Vec<_> = options
        .owned()
        .map(|name| strategy.new_instrument(name))
        .collect();
    let mut through = vec![None; instruments.len()];
    let mut last = vec![None; instruments.len()];
    let (mut raw, mut observation) = (vec![0.0; strategy.width()], vec![0.0; strategy.width()]);
    for input in inputs {
        match *input {
            Input::Macro {
                series,
                date,
                value,
                arrived_at,
            } => {
                let series = &options.series[usize::from(series.0)];
                if let Some(place) = strategy.series().iter().position(|s| s == series) {
                    macros.insert(place, date, value, arrived_at);
                }
            }
            Input::Bar { instrument, bar, .. } => {
                let Some(local) = options.local(instrument) else {
                    continue;
                };
                let state = &mut instruments[local];
                strategy.observe(
                    state,
                    &mut macros,
                    &bar,
                    Position::Flat,
                    &mut raw,
                    &mut observation,
                );
                through[local] = Some(bar.close_time);
                last[local] = Some(bar);
            }
            _ => {}
        }
    }
    WarmState {
        instruments: instruments.into_iter().map(Some).collect(),
        macros: Some(macros),
        through,
        last,
    }
}
