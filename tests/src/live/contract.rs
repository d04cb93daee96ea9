//! Local contracts as `engine contract make` writes them, and tapes of generated markets.

use std::path::Path;

use contracts::bar::Bar;
use contracts::features::FeatureContract;
use contracts::ids::{InstrumentId, SeriesId, SlotId};
use contracts::numerics::Executor;
use contracts::signing::SigningKey;
use contracts::time::{DayNumber, UtcMillis};
use engine::bundle::make::{Made, MakeRequest, make};
use engine::feeds::file_server::{Tape, TapeMacro};
use engine::follower::Directory;
use strategy::calendar::Calendar;
use strategy::golden::GoldenInputs;
use strategy::onnx::testmodels::{Shape, ppo_continuous};

use crate::rig;

/// What a contract is made of.
#[derive(Debug, Clone, Copy)]
pub struct MakeSpec<'a> {
    /// The features.
    pub features: &'a FeatureContract,
    /// Seed of the model's weights.
    pub seed: u64,
    /// The executor.
    pub executor: Executor,
    /// The generation, in seconds.
    pub generation: u32,
    /// Width of the two hidden layers.
    pub hidden: usize,
}

/// The key that signs contracts of the kit.
#[must_use]
pub fn signing_key() -> SigningKey {
    SigningKey::from_seed([9; 32])
}

/// A contract for the slot `test` with a generated model.
///
/// # Panics
/// When the model is refused, or ONNX Runtime is missing where it is asked for.
#[must_use]
pub fn made(spec: &MakeSpec<'_>) -> Made {
    let shape = Shape {
        hidden: vec![spec.hidden, spec.hidden],
        ..Shape::new(spec.seed, spec.features.features.len())
    };
    let stats = serde_json::to_vec(&rig::norm_stats(spec.features)).expect("norm stats are plain data");
    make(MakeRequest {
        model: &ppo_continuous(&shape).bytes,
        norm_stats: &stats,
        features: spec.features.clone(),
        slot: SlotId::parse("test").expect("a slot name"),
        action_output: None,
        executor: Some(spec.executor),
        golden: GoldenInputs::Drawn,
        created_at: UtcMillis(i64::from(spec.generation) * 1_000),
        key: &signing_key(),
    })
    .unwrap_or_else(|error| panic!("the contract cannot be made: {error:?}"))
}

/// Lays a contract where an engine looks for it: the artifacts first, then `contract.json` by a rename.
///
/// # Panics
/// When the folder cannot be written.
pub fn lay(folder: &Path, made: &Made) {
    let folder = Directory::new(folder);
    for (hash, bytes) in &made.artifacts {
        folder
            .store_artifact(*hash, bytes)
            .expect("an artifact can be written");
    }
    folder
        .store_contract(&made.json)
        .expect("the contract can be written");
}

/// Bars and daily values as a tape, each value sent when it becomes visible under `features`.
///
/// # Panics
/// When bars are out of order.
#[must_use]
pub fn bars_tape(
    features: &FeatureContract,
    bars: impl IntoIterator<Item = (InstrumentId, Vec<Bar>)>,
    daily: impl IntoIterator<Item = (SeriesId, DayNumber, f64)>,
) -> Tape {
    let calendar = Calendar::new(&features.calendar).expect("a shipped calendar");
    let daily = daily.into_iter().filter_map(|(series, date, value)| {
        let rule = features.macro_rules.get(&series)?;
        let visible = DayNumber(date.0 + 1 + i32::from(rule.delay_days));
        Some(TapeMacro {
            visible_at: calendar.midnight(visible)?,
            series,
            date,
            value,
            arrived_at: None,
        })
    });
    Tape::new(bars, daily.collect()).expect("bars in order")
}
