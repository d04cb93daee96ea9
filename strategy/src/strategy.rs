//! `Strategy` = observe (per bar) → infer (per batch) → decide (per bar): the one path of training, backtest and live.

use contracts::action::{ActionRule, ActionRuleError};
use contracts::bar::Bar;
use contracts::features::FeatureContract;
use contracts::ids::{InstrumentId, SeriesId};
use contracts::limits::RAW_OUTPUTS_MAX;
use contracts::norm_stats::{NormStats, NormStatsError};
use contracts::reason::{Position, Withheld};

use crate::action::{self, Decision, NotFinite};
use crate::bytes::LoadStateError;
use crate::calendar::Calendar;
use crate::instrument::InstrumentState;
use crate::macros::MacroState;
use crate::normalise::Normaliser;
use crate::plan::{FeaturePlan, PlanError};
use crate::policy::{Head, InferError, Policy};

pub use crate::plan::Observed;
pub use crate::quarantine::LevelShift;

/// Why a strategy cannot be put together; its parts do not belong to each other.
#[derive(Debug, thiserror::Error)]
pub enum StrategyError {
    /// The feature contract does not compile.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The norm stats are not those of the contract's features.
    #[error(transparent)]
    NormStats(#[from] NormStatsError),
    /// The action rule contradicts itself.
    #[error(transparent)]
    Rule(#[from] ActionRuleError),
    /// The rule cannot read the model's output.
    #[error(
        "an action rule of kind {kind} cannot read an output of kind {head:?}; choose another action_output or rule"
    )]
    Head {
        /// Kind of the rule.
        kind: &'static str,
        /// What the model gives.
        head: Head,
    },
}

/// Features, normalisation and action rule of one model. Immutable; share it by `Arc`.
#[derive(Debug)]
pub struct Strategy {
    plan: FeaturePlan,
    normaliser: Normaliser,
    rule: ActionRule,
    head: Head,
}

/// One bar, observed, inferred and decided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// What became of the bar.
    pub observed: Observed,
    /// The decision, or why there is none.
    pub decision: Result<Decision, Withheld>,
}

impl Strategy {
    /// Puts the parts together and checks that they fit.
    ///
    /// # Errors
    /// [`StrategyError`] naming the part that does not.
    pub fn new(
        contract: &FeatureContract,
        norm: &NormStats,
        rule: &ActionRule,
        head: Head,
    ) -> Result<Self, StrategyError> {
        let plan = FeaturePlan::new(contract)?;
        let normaliser = Normaliser::new(contract, norm)?;
        rule.check()?;
        if !action::fits(rule, head) {
            let kind = match rule {
                ActionRule::Continuous { .. } => "continuous",
                ActionRule::Logits { .. } => "logits",
                ActionRule::Index { .. } => "index",
            };
            return Err(StrategyError::Head { kind, head });
        }
        Ok(Self {
            plan,
            normaliser,
            rule: rule.clone(),
            head,
        })
    }

    /// Features per observation.
    #[must_use]
    pub fn width(&self) -> usize {
        self.plan.width()
    }

    /// What one row of the model's output means.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.head
    }

    /// The compiled feature contract.
    #[must_use]
    pub const fn plan(&self) -> &FeaturePlan {
        &self.plan
    }

    /// The calendar.
    #[must_use]
    pub fn calendar(&self) -> &Calendar {
        self.plan.calendar()
    }

    /// The macro series, sorted: the dense index of one is its place here.
    #[must_use]
    pub fn series(&self) -> &[SeriesId] {
        self.plan.series()
    }

    /// State for an instrument that has seen no bar.
    #[must_use]
    pub fn new_instrument(&self, instrument: &InstrumentId) -> InstrumentState {
        self.plan.new_instrument(instrument)
    }

    /// State that knows no macro value.
    #[must_use]
    pub fn new_macros(&self) -> MacroState {
        self.plan.new_macros()
    }

    /// Restores what [`InstrumentState::save`] wrote, consuming exactly its bytes.
    ///
    /// # Errors
    /// [`LoadStateError`] when they do not fit this contract.
    pub fn load_instrument(&self, input: &mut &[u8]) -> Result<InstrumentState, LoadStateError> {
        self.plan.load_instrument(input)
    }

    /// Restores what [`MacroState::save`] wrote, consuming exactly its bytes.
    ///
    /// # Errors
    /// [`LoadStateError`] when they do not fit this contract.
    pub fn load_macros(&self, input: &mut &[u8]) -> Result<MacroState, LoadStateError> {
        self.plan.load_macros(input)
    }

    /// Takes an accepted bar: later than every bar of the instrument before it. Where it is used, `features` gets the values
    /// before and `observation` those after normalisation. Never allocates.
    ///
    /// # Panics
    /// If a slice is not [`Self::width`] long.
    pub fn observe(
        &self,
        state: &mut InstrumentState,
        macros: &mut MacroState,
        bar: &Bar,
        position: Position,
        features: &mut [f64],
        observation: &mut [f32],
    ) -> Observed {
        let seen = self.plan.observe(state, macros, bar, position, features);
        if seen.used {
            self.normaliser.apply(features, observation);
        }
        seen
    }

    /// Whether the observation holds the position: without it, one evaluation of a bar holds for every position.
    #[must_use]
    pub fn sees_position(&self) -> bool {
        self.plan.sees_position()
    }

    /// The observation [`Self::observe`] would have written had the position been this one, from the `features` it wrote.
    ///
    /// # Panics
    /// If a slice is not [`Self::width`] long.
    pub fn observe_as(&self, position: Position, features: &mut [f64], observation: &mut [f32]) {
        self.plan.set_position(position, features);
        self.normaliser.apply(features, observation);
    }

    /// Reads one row of the model's output.
    ///
    /// # Errors
    /// [`NotFinite`]: withhold the bar.
    ///
    /// # Panics
    /// If `raw` is not one row of [`Self::head`].
    pub fn decide(&self, raw: &[f32]) -> Result<Decision, NotFinite> {
        action::decide(&self.rule, self.head, raw)
    }

    /// Observes, infers and decides one bar.
    ///
    /// # Errors
    /// [`InferError`] of the policy; the bar has moved the state nevertheless.
    ///
    /// # Panics
    /// If a slice is not [`Self::width`] long.
    #[expect(
        clippy::too_many_arguments,
        reason = "the caller owns every buffer, so that nothing is allocated here"
    )]
    pub fn on_bar(
        &self,
        state: &mut InstrumentState,
        macros: &mut MacroState,
        bar: &Bar,
        position: Position,
        policy: &mut dyn Policy,
        features: &mut [f64],
        observation: &mut [f32],
    ) -> Result<Outcome, InferError> {
        let observed = self.observe(state, macros, bar, position, features, observation);
        if let Some(reason) = observed.withheld {
            return Ok(Outcome {
                observed,
                decision: Err(reason),
            });
        }
        let mut raw = [0.0; RAW_OUTPUTS_MAX];
        let raw = &mut raw[..self.head.width()];
        policy.infer(observation, raw)?;
        Ok(Outcome {
            observed,
            decision: self.decide(raw).map_err(|NotFinite| Withheld::NotFinite),
        })
    }
}
