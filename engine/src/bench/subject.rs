//! What is measured: a policy with its features, and the bars that go through it.
//!
//! Without files a policy of the usual size is made from a seed: two hidden layers of 64, tanh, one output, over the fifteen features
//! of `config/features/usdcop_15.yaml`, which the program carries inside.

use std::sync::Arc;

use contracts::action::{ActionKind, ActionRule};
use contracts::features::{FeatureContract, LoadContractError, parse_contract};
use contracts::hash::DatasetHash;
use contracts::ids::InstrumentId;
use contracts::norm_stats::{FeatureStats, NormStats, NormStatsError, NormStatsMetadata};
use contracts::numerics::Executor;
use contracts::reason::Position;
use contracts::time::DayNumber;
use strategy::onnx::inspect::drawn_observations;
use strategy::onnx::proto::FLOAT;
use strategy::onnx::testmodels::Builder;
use strategy::plan::{FeaturePlan, PlanError};
use strategy::policy::source::{Graph, ModelRef};
use strategy::policy::{PolicyExec, PolicySource, SourceError};

use super::market;
use crate::core::Input;
use crate::drivers::replay::inputs;
use crate::feeds::file_server::{Tape, TapeError};

/// Hidden layers of the seeded policy.
pub const HIDDEN: [usize; 2] = [64, 64];
/// Bars with a full observation below which nothing is measured.
pub const BARS_MIN: usize = 1_000;

/// Why nothing can be measured.
#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// The features inside the program are damaged: a fault of its build.
    #[error(transparent)]
    Features(#[from] LoadContractError),
    /// The features do not compile.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The norm stats are not those of the features.
    #[error(transparent)]
    NormStats(#[from] NormStatsError),
    /// The bars make no feed.
    #[error(transparent)]
    Tape(#[from] TapeError),
    /// Most bars would be withheld, and withholding is not what is to be measured. Give more bars, or the daily values.
    #[error(
        "{found} of {bars} bars have a full observation, {BARS_MIN} are needed: give more bars, and daily values where the features use them"
    )]
    TooFewBars {
        /// Bars with a full observation.
        found: usize,
        /// Bars given.
        bars: usize,
    },
}

/// The graph that is run.
#[derive(Debug, Clone)]
pub struct Model {
    /// The ONNX file.
    pub bytes: Vec<u8>,
    /// Whether it is reduced.
    pub graph: Graph,
    /// The output to act on.
    pub output: String,
    /// How the output is read.
    pub rule: ActionRule,
}

/// A policy, its features and its bars.
#[derive(Debug)]
pub struct Subject {
    /// For the reader of the figures.
    pub name: String,
    /// The features.
    pub features: FeatureContract,
    /// The scaler.
    pub stats: NormStats,
    /// The policy.
    pub model: Model,
    /// Whose bars.
    pub instruments: Arc<[InstrumentId]>,
    /// Bars, and daily values before the first bar that may see them.
    pub inputs: Arc<[Input]>,
    /// Place of the first bar with a full observation.
    pub settled: usize,
    /// Bars from there on.
    pub bars: usize,
    /// Those of them with a full observation: the others are withheld.
    pub full: usize,
    /// Features of some bars before normalisation, row by row.
    pub rows: Vec<f64>,
}

/// Rows kept for the stages that need no order.
const ROWS: usize = 256;

impl Subject {
    /// The seeded policy over `tape`, or over `bars` generated bars.
    ///
    /// # Errors
    /// [`SubjectError`].
    ///
    /// # Panics
    /// Never: the fixed name is an instrument's.
    pub fn seeded(seed: u64, bars: usize, tape: Option<&Tape>) -> Result<Self, SubjectError> {
        let features = parse_contract(
            "usdcop_15.yaml",
            include_str!("../../../config/features/usdcop_15.yaml"),
            include_str!("../../../config/calendars/usdcop.yaml"),
        )?;
        let plan = FeaturePlan::new(&features)?;
        let generated;
        let tape = match tape {
            Some(tape) => tape,
            None => {
                let instrument = InstrumentId::parse("USDCOP").expect("an instrument's name");
                generated = market::tape(&plan, &features, &instrument, bars, seed)?;
                &generated
            }
        };
        let seen = Seen::of(&plan, tape);
        let stats = seen.fitted(&features);
        let (model, width) = (seeded_model(seed, features.width()), features.width());
        let [a, b] = HIDDEN;
        Self::over(
            format!("seeded policy {width}-{a}-{b}-1"),
            features,
            stats,
            model,
            seen,
        )
    }

    /// A given policy over `tape`.
    ///
    /// # Errors
    /// [`SubjectError`].
    pub fn of(
        name: String,
        features: FeatureContract,
        stats: NormStats,
        model: Model,
        tape: &Tape,
    ) -> Result<Self, SubjectError> {
        let seen = Seen::of(&FeaturePlan::new(&features)?, tape);
        stats.check_for(&features)?;
        Self::over(name, features, stats, model, seen)
    }

    fn over(
        name: String,
        features: FeatureContract,
        stats: NormStats,
        model: Model,
        seen: Seen,
    ) -> Result<Self, SubjectError> {
        if seen.full < BARS_MIN {
            return Err(SubjectError::TooFewBars {
                found: seen.full,
                bars: seen.all,
            });
        }
        Ok(Self {
            name,
            features,
            stats,
            model,
            instruments: seen.instruments,
            inputs: seen.inputs.into(),
            settled: seen.settled,
            bars: seen.bars,
            full: seen.full,
            rows: seen.rows,
        })
    }

    /// The policy on an executor.
    ///
    /// # Errors
    /// [`SourceError`]: the graph is no dense chain, or ONNX Runtime is not there.
    pub fn policy(&self, executor: Executor) -> Result<PolicyExec, SourceError> {
        let width = self.features.width();
        let source = PolicySource::new(&ModelRef {
            bytes: &self.model.bytes,
            graph: self.model.graph,
            executor,
            action_output: &self.model.output,
            kind: self.model.rule.kind(),
            width,
        })?;
        source.make(&drawn_observations(width, 1))
    }
}

/// A chain that needs no reduction, so that it can be made without ONNX Runtime.
fn seeded_model(seed: u64, width: usize) -> Model {
    let mut b = Builder::new(seed, 1);
    let (mut x, mut inputs) = (b.input("observation", None, width), width);
    for (layer, outputs) in HIDDEN.into_iter().enumerate() {
        let y = b.linear(&format!("policy.{layer}"), &x, inputs, outputs);
        x = b.node("Tanh", &[&y], vec![]);
        inputs = outputs;
    }
    let output = b.linear("action", &x, inputs, 1);
    b.output(&output, FLOAT, &[None, Some(1)]);
    Model {
        bytes: b.bytes(),
        graph: Graph::Reduced,
        output,
        rule: ActionKind::Continuous.default_rule(),
    }
}

/// What the features say about a tape.
struct Seen {
    instruments: Arc<[InstrumentId]>,
    inputs: Vec<Input>,
    all: usize,
    settled: usize,
    bars: usize,
    full: usize,
    rows: Vec<f64>,
    /// Count, sum, sum of squares, smallest and largest per feature.
    sums: Vec<[f64; 5]>,
}

impl Seen {
    fn of(plan: &FeaturePlan, tape: &Tape) -> Self {
        // Measured is one instrument: a second one's bars would be left out, so the caller gives one.
        let instruments: Arc<[InstrumentId]> = tape.instruments().take(1).cloned().collect();
        let all: Vec<Input> = inputs(tape, &instruments, plan.series()).collect();
        let width = plan.width();
        let mut seen = Self {
            all: 0,
            settled: all.len(),
            bars: 0,
            full: 0,
            rows: Vec::with_capacity(ROWS * width),
            sums: vec![[0.0, 0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY]; width],
            inputs: Vec::new(),
            instruments,
        };
        let Some(name) = seen.instruments.first() else {
            return seen;
        };
        let (mut state, mut macros) = (plan.new_instrument(name), plan.new_macros());
        let mut features = vec![0.0; width];
        for (place, input) in all.iter().enumerate() {
            match *input {
                Input::Macro {
                    series,
                    date,
                    value,
                    arrived_at,
                } => {
                    macros.insert(usize::from(series.0), date, value, arrived_at);
                }
                Input::Bar { bar, .. } => {
                    let observed = plan.observe(&mut state, &mut macros, &bar, Position::Flat, &mut features);
                    seen.count(place, observed.defined && observed.withheld.is_none(), &features);
                }
                _ => {}
            }
        }
        seen.inputs = all;
        seen
    }

    fn count(&mut self, place: usize, full: bool, features: &[f64]) {
        self.all += 1;
        if full {
            self.settled = self.settled.min(place);
            self.full += 1;
            if self.rows.len() < ROWS * features.len() {
                self.rows.extend_from_slice(features);
            }
            for (sums, x) in self.sums.iter_mut().zip(features) {
                let [count, sum, squares, min, max] = *sums;
                *sums = [count + 1.0, sum + x, squares + x * x, min.min(*x), max.max(*x)];
            }
        }
        self.bars += usize::from(place >= self.settled);
    }

    /// A scaler fitted on the bars themselves: good enough for observations of the usual size.
    fn fitted(&self, features: &FeatureContract) -> NormStats {
        let rows = self.full as u64;
        let of = |[count, sum, squares, min, max]: [f64; 5]| {
            let mean = sum / count.max(1.0);
            let variance = (squares / count.max(1.0) - mean * mean).max(0.0);
            FeatureStats {
                mean,
                std: variance.sqrt(),
                min,
                max,
                count: rows,
            }
        };
        let scaled = features.features.iter().zip(&self.sums);
        NormStats {
            metadata: NormStatsMetadata {
                version: features.version.clone(),
                experiment: "bench".to_owned(),
                fit_start: DayNumber(0),
                fit_end: DayNumber(1),
                sample_count: rows,
                dataset_hash: DatasetHash::of(b"bench"),
            },
            features: scaled
                .filter(|(feature, _)| !feature.operator.is_state())
                .map(|(feature, sums)| (feature.name.clone(), of(*sums)))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeded_subject_is_settled_and_the_same_each_time() {
        let subject = Subject::seeded(7, 1_500, None).unwrap();
        assert_eq!(subject.full, subject.bars);
        assert!(subject.bars > BARS_MIN, "{} bars", subject.bars);
        assert_eq!(subject.rows.len(), ROWS * 15);
        let again = Subject::seeded(7, 1_500, None).unwrap();
        assert_eq!(again.inputs, subject.inputs);
        assert_eq!(again.stats, subject.stats);
        assert_ne!(Subject::seeded(8, 1_500, None).unwrap().inputs, subject.inputs);
    }

    #[test]
    fn too_few_bars_are_refused() {
        let refusal = Subject::seeded(7, 500, None).unwrap_err();
        assert!(refusal.to_string().contains("of 500 bars"), "{refusal}");
    }
}
