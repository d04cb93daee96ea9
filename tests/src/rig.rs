//! A core in process: a generated policy, a real feature contract, a generated market; no file, socket or clock.
//!
//! ```text
//! let mut rig = Rig::new(&RigOptions::default());
//! rig.step_all();          // every bar of the market, a batch per close time
//! ```

use std::sync::Arc;

use contracts::features::{FeatureContract, load_contract};
use contracts::hash::{ContractDigest, DatasetHash};
use contracts::ids::ModelId;
use contracts::norm_stats::{FeatureStats, NormStats, NormStatsMetadata};
use contracts::numerics::Executor;
use contracts::time::UnixNanos;
use engine::bundle::{Bundle, BundleCell, Holder, Loaded, OnSwap, Terms, WarmState};
use engine::core::{ClockMode, Core, CoreOptions, Input, InstrumentIndex, Records, SeriesIndex};
use strategy::onnx::inspect::{Inspection, Request, drawn_observations, inspect};
use strategy::onnx::testmodels::{Shape, TestModel, ppo_discrete};
use strategy::policy::PolicyExec;
use strategy::policy::source::{ModelRef, PolicySource};
use strategy::strategy::Strategy;

use crate::market::{Grid, Market, MarketSpec};
use crate::shared::repository;

/// Room of the record arena: bytes and records of the largest batch, many times over.
const ARENA: (usize, usize) = (8 << 20, 16_384);

/// What to build.
#[derive(Debug, Clone)]
pub struct RigOptions {
    /// The executor the policy runs on.
    pub executor: Executor,
    /// A feature contract of `config/features`, without its extension.
    pub features: &'static str,
    /// How many instruments.
    pub instruments: usize,
    /// Calendar days of market.
    pub days: u32,
    /// Bars are deleted from the market by this share, in a thousand.
    pub missing_per_mille: u32,
    /// Seed of market and policy.
    pub seed: u64,
}

impl Default for RigOptions {
    /// One instrument, sixty days, `usdcop_15`, dense.
    fn default() -> Self {
        Self {
            executor: Executor::Dense,
            features: "usdcop_15",
            instruments: 1,
            days: 60,
            missing_per_mille: 2,
            seed: 7,
        }
    }
}

/// A core with everything around it.
pub struct Rig {
    /// The core, with its model published and not yet adopted: the first step adopts it.
    pub core: Core,
    /// Where further bundles are published.
    pub cell: Arc<BundleCell>,
    /// What the policy runs in the core, made once more: for comparisons.
    pub policy: PolicyExec,
    /// The strategy the core runs.
    pub strategy: Arc<Strategy>,
    /// The market the inputs are of.
    pub market: Market,
    /// One batch per close time, each led by its clock; macro values before the first bar.
    pub batches: Vec<Vec<Input>>,
    /// Pre-allocated; emptied by the caller.
    pub records: Records,
    /// What was found about the model.
    pub inspection: Inspection,
}

impl Rig {
    /// Builds it.
    ///
    /// # Panics
    /// When a part does not fit: the message names it.
    #[must_use]
    pub fn new(options: &RigOptions) -> Self {
        let contract = feature_contract(options.features);
        let width = contract.features.len();
        let model = ppo_discrete(&Shape::new(options.seed, width));
        let (inspection, source, golden) = examined(&model, width, options.executor);
        let make = || source.make(&golden).expect("the policy was just inspected");
        let norm = plausible_norm_stats(&contract);
        let strategy =
            Strategy::new(&contract, &norm, &inspection.rule, inspection.head).expect("the parts fit");
        let strategy = Arc::new(strategy);
        let loaded = Loaded::new(Arc::clone(&strategy), inspection.head, vec![Box::new(make())]);
        let terms = terms(&contract, 1);
        let market = market(&contract, options);
        // The first bundle of a core brings its operators: here they have seen nothing.
        let fresh = WarmState {
            instruments: market
                .instruments
                .iter()
                .map(|name| Some(strategy.new_instrument(name)))
                .collect(),
            macros: Some(strategy.new_macros()),
            through: vec![None; market.instruments.len()],
        };
        let cell = Arc::new(BundleCell::default());
        cell.publish(Arc::new(Bundle::new(
            terms,
            Arc::new(loaded),
            vec![Box::new(fresh)],
        )));
        let core = Core::new(
            CoreOptions {
                clock: ClockMode::Feed,
                series: strategy.series().into(),
                ..CoreOptions::single(market.instruments.clone().into())
            },
            Holder::new(Arc::clone(&cell), 0),
        );
        let batches = batches(&market, &strategy);
        let records = Records::with_capacity(ARENA.0, ARENA.1);
        Self {
            core,
            cell,
            policy: make(),
            strategy,
            market,
            batches,
            records,
            inspection,
        }
    }

    /// Steps through batches `from..to`, emptying the arena before each; gives the number of bars.
    pub fn step(&mut self, from: usize, to: usize) -> usize {
        let mut bars = 0;
        for batch in &self.batches[from..to] {
            self.records.clear();
            self.core.step(batch, &mut self.records);
            bars += batch
                .iter()
                .filter(|input| matches!(input, Input::Bar { .. }))
                .count();
        }
        bars
    }

    /// Steps through all batches.
    pub fn step_all(&mut self) -> usize {
        self.step(0, self.batches.len())
    }
}

/// A feature contract of `config/features`.
///
/// # Panics
/// When it is not there or not well formed.
#[must_use]
pub fn feature_contract(name: &str) -> FeatureContract {
    let path = repository()
        .join("config")
        .join("features")
        .join(format!("{name}.yaml"));
    load_contract(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Inspects a model and prepares its policies; also the golden rows it was inspected on.
fn examined(model: &TestModel, width: usize, executor: Executor) -> (Inspection, PolicySource, Vec<f32>) {
    let golden = drawn_observations(width, 1);
    let request = Request {
        width,
        rule: None,
        action_output: None,
        executor: Some(executor),
        golden: &golden,
    };
    let inspection =
        inspect(&model.bytes, &request).unwrap_or_else(|error| panic!("{}: {error}", model.name));
    let (graph, bytes) = inspection.runs(&model.bytes);
    let source = PolicySource::new(&ModelRef {
        bytes,
        graph,
        executor: inspection.executor,
        action_output: &inspection.action_output,
        kind: inspection.rule.kind(),
        width,
    })
    .expect("the model was just inspected");
    (inspection, source, golden)
}

/// Terms of a local contract without limits of age.
fn terms(contract: &FeatureContract, generation: u64) -> Terms {
    Terms {
        generation,
        digest: ContractDigest::of(&generation.to_le_bytes()),
        model_id: ModelId::parse(&format!("rig-{generation}")).expect("a model id"),
        feature_contract_hash: contract.hash(),
        is_local: true,
        is_feedback: false,
        max_bar_age_ms: 60_000,
        offline_grace_hours: 72,
        on_swap: OnSwap::Adopt,
        flatten_after_s: None,
    }
}

/// Mean 0 and a deviation of the right order for every feature that is no state; nothing here is fitted.
fn plausible_norm_stats(contract: &FeatureContract) -> NormStats {
    use contracts::features::OperatorSpec;
    let order = |operator: &OperatorSpec| match operator {
        OperatorSpec::LogReturn { .. } | OperatorSpec::MacroChange { .. } => (0.0, 0.002),
        OperatorSpec::Rsi { .. } | OperatorSpec::Adx { .. } => (50.0, 15.0),
        OperatorSpec::Natr { .. } => (0.1, 0.05),
        OperatorSpec::MacroSpread { .. } => (6.0, 1.0),
        _ => (0.0, 1.0),
    };
    let features = contract
        .features
        .iter()
        .filter(|feature| !feature.operator.is_state())
        .map(|feature| {
            let (mean, std) = order(&feature.operator);
            let stats = FeatureStats {
                mean,
                std,
                min: mean - 5.0 * std,
                max: mean + 5.0 * std,
                count: 1_000,
            };
            (feature.name.clone(), stats)
        })
        .collect();
    let day = |text| contracts::time::DayNumber::parse(text).expect("a date");
    NormStats {
        metadata: NormStatsMetadata {
            version: "1.0.0".into(),
            experiment: "rig".into(),
            fit_start: day("2020-01-01"),
            fit_end: day("2020-12-31"),
            sample_count: 1_000,
            dataset_hash: DatasetHash::of(b"rig"),
        },
        features,
    }
}

fn market(contract: &FeatureContract, options: &RigOptions) -> Market {
    let grid = if contract.calendar.name.as_str() == "usdcop" {
        Grid::Bogota
    } else {
        Grid::AroundTheClock
    };
    Market::generate(&MarketSpec {
        grid,
        missing_per_mille: options.missing_per_mille,
        ..MarketSpec::many(options.seed, options.instruments, options.days)
    })
}

/// Macro values first, all of them: the as-of rule hides what is not yet visible.
fn batches(market: &Market, strategy: &Strategy) -> Vec<Vec<Input>> {
    let index = |series| strategy.series().iter().position(|known| known == series);
    let mut first: Vec<Input> = Vec::new();
    for point in &market.macros {
        if let Some(series) = index(&point.series) {
            first.push(Input::Macro {
                series: SeriesIndex(u8::try_from(series).expect("few series")),
                date: point.date,
                value: point.value,
                arrived_at: None,
            });
        }
    }
    // An empty batch first: the core adopts at its end and has macro operators from then on.
    let mut batches = vec![Vec::new(), first];
    let mut last = None;
    for (instrument, bar) in market.in_order() {
        let now = UnixNanos(bar.close_time.0 * 1_000_000);
        if last != Some(bar.close_time) {
            batches.push(vec![Input::Clock { now }]);
            last = Some(bar.close_time);
        }
        let batch = batches.last_mut().expect("one was just begun");
        batch.push(Input::Bar {
            instrument: InstrumentIndex(u32::try_from(instrument).expect("few instruments")),
            bar,
            received_at: now,
            backfilled: false,
        });
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::core::record::{Outcome, Record};

    #[test]
    fn a_market_leads_to_decisions() {
        let mut rig = Rig::new(&RigOptions::default());
        let settled = rig.batches.len() * 3 / 4;
        rig.step(0, settled);
        let mut decided = 0;
        for at in settled..rig.batches.len() {
            rig.step(at, at + 1);
            for record in rig.records.iter() {
                if let Record::Bar(bar) = record.expect("the core writes whole records") {
                    assert!(
                        matches!(bar.outcome, Outcome::Decided { .. }),
                        "{:?}",
                        bar.outcome
                    );
                    decided += 1;
                }
            }
        }
        assert!(decided > 500, "{decided}");
    }
}
