//! The loop: collect, update, evaluate, save, tell.

mod state;

use std::ops::ControlFlow;

use contracts::experiment::{PpoSection, TrainingSection};
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use strategy::strategy::Strategy;

use super::checkpoint::{Best, Identity};
use super::curve::{Curve, Point, explained_variance};
use super::evaluate::{Evaluation, evaluate};
use super::head::{Distribution, training_head};
use super::learner::Learner;
use super::net::Layout;
use super::net::init::{ACTION_GAIN, VALUE_GAIN, orthogonal};
use super::plan::{Ended, Progress, TrainError, TrainOptions, Trained, TrainingPlan};
use super::rollout::{Collect, Lane, Net, collect};
use super::update::{Batch, Figures, update};
use crate::environment::{Window, up_to};
use crate::export::onnx;
use crate::limits::{
    CHECKPOINT_STEPS, ENVIRONMENTS, EVALUATIONS_MAX, PATIENCE_MIN, PATIENCE_SHARE, ROLLOUT_VALUES_MAX,
};
use crate::reward::{Reward, Terms};

/// Raised with every change of the computation: a training does not go on from a state that another one made.
const ALGORITHM: &str = "ppo/1";

/// Trains, or goes on where the checkpoint stands.
///
/// The number of steps is rounded up to whole rollouts. `progress` is told after every update and may break off; then the best model so far is given,
/// and with a checkpoint the training can go on later.
///
/// # Errors
/// [`TrainError`]; a checkpoint that was written stays.
pub fn train(
    plan: &TrainingPlan<'_>,
    options: &TrainOptions<'_>,
    progress: &mut dyn FnMut(&Progress<'_>) -> ControlFlow<()>,
) -> Result<Trained, TrainError> {
    let frozen = &plan.contract.frozen;
    let TrainingSection::Ppo(section) = &frozen.training else {
        return Err(TrainError::NotPpo);
    };
    if plan.market.instrument != frozen.data.instrument {
        return Err(TrainError::Instrument {
            found: plan.market.instrument.to_string(),
            expected: frozen.data.instrument.to_string(),
        });
    }
    plan.norm_stats.check_fit_before(frozen.data.validation.start)?;
    let rule = &frozen.environment.action.rule;
    let features = &plan.contract.feature_contract;
    let strategy = Strategy::new(features, plan.norm_stats, rule, training_head(rule))?;
    check_size(section, strategy.width())?;
    let settings = (&frozen.environment).into();
    let reward = Reward::new(&frozen.reward, &settings)?;
    let window = |name, dates| Window::new(name, &strategy, plan.market, dates, settings, reward.clone());
    let train = window("train", frozen.data.train)?;
    let validation = window("validation", frozen.data.validation)?;
    // What comes later is no part of what is learnt from.
    let market = up_to(&strategy, plan.market, frozen.data.validation.end);
    let identity = Identity::from(
        [
            (
                "algorithm",
                format!("{ALGORITHM} of {}", env!("CARGO_PKG_VERSION")),
            ),
            ("config_hash", plan.contract.config_hash.to_hex()),
            (
                "feature_contract_hash",
                plan.contract.feature_contract_hash.to_hex(),
            ),
            ("norm_stats_hash", plan.norm_stats.hash().to_hex()),
            ("market_hash", market.hash().to_hex()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    let mut trainer = Trainer::new(
        section,
        &train,
        &validation,
        Distribution::of(rule.kind()),
        identity,
    );
    trainer.resume(options)?;
    let ended = trainer.run(options, progress)?;
    let action = &frozen.environment.action;
    let model = trainer
        .best_parameters
        .as_ref()
        .unwrap_or(&trainer.actor.parameters);
    Ok(Trained {
        onnx: onnx(
            &trainer.actor.layout,
            model,
            rule.kind(),
            action.action_output.as_deref(),
        ),
        curve: Curve {
            best: trainer.best.map(|best| best.update),
            points: trainer.points,
        },
        steps: trainer.update * per_update(section),
        gradient_steps: trainer.gradient_steps,
        ended,
    })
}

fn per_update(section: &PpoSection) -> u64 {
    u64::from(section.n_steps) * ENVIRONMENTS as u64
}

fn check_size(section: &PpoSection, width: usize) -> Result<(), TrainError> {
    let values = per_update(section).saturating_mul(width as u64);
    if values <= ROLLOUT_VALUES_MAX {
        return Ok(());
    }
    Err(TrainError::TooLarge {
        n_steps: section.n_steps,
        environments: ENVIRONMENTS,
        values,
        most: ROLLOUT_VALUES_MAX,
    })
}

/// A training under way.
struct Trainer<'a> {
    section: &'a PpoSection,
    train: &'a Window<'a>,
    validation: &'a Window<'a>,
    distribution: Distribution,
    identity: Identity,
    actor: Learner,
    critic: Learner,
    lanes: Vec<Lane<'a>>,
    batch: Batch,
    update: u64,
    gradient_steps: u64,
    evaluations_since: u64,
    stopped_early: bool,
    best: Option<Best>,
    best_parameters: Option<Vec<f32>>,
    points: Vec<Point>,
    /// Updates of the checkpoint on the disk.
    saved: u64,
}

/// Draws of one purpose in one update: `lane` 0 is the order of the rows, others are environments; update 0 is the beginning.
fn stream(seed: u64, update: u64, lane: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(update * (ENVIRONMENTS as u64 + 1) + lane);
    rng
}

impl<'a> Trainer<'a> {
    fn new(
        section: &'a PpoSection,
        train: &'a Window<'a>,
        validation: &'a Window<'a>,
        distribution: Distribution,
        identity: Identity,
    ) -> Self {
        let width = train.strategy().width();
        let mut rng = stream(section.seed, 0, 0);
        let layout = Layout::new(width, &section.net_arch, distribution.head().width());
        let mut parameters = orthogonal(&layout, ACTION_GAIN, &mut rng);
        // ln σ of 0: actions begin with a standard deviation of 1.
        parameters.resize(layout.count() + distribution.extra(), 0.0);
        let values = Layout::new(width, &section.net_arch, 1);
        let critic = orthogonal(&values, VALUE_GAIN, &mut rng);
        Self {
            section,
            train,
            validation,
            distribution,
            identity,
            actor: Learner::new(layout, parameters),
            critic: Learner::new(values, critic),
            lanes: (0..ENVIRONMENTS).map(|_| Lane::default()).collect(),
            batch: Batch::default(),
            update: 0,
            gradient_steps: 0,
            evaluations_since: 0,
            stopped_early: false,
            best: None,
            best_parameters: None,
            points: Vec::new(),
            saved: 0,
        }
    }

    fn planned_updates(&self) -> u64 {
        self.section.total_timesteps.div_ceil(per_update(self.section))
    }

    fn run(
        &mut self,
        options: &TrainOptions<'_>,
        progress: &mut dyn FnMut(&Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Ended, TrainError> {
        let per_update = per_update(self.section);
        let resumed = self.update;
        while self.update < self.planned_updates() && !self.stopped_early {
            self.one_update(options.threads)?;
            let over = self.stopped_early || self.update == self.planned_updates();
            let told = self.points.last().map(|point| {
                progress(&Progress {
                    point,
                    planned_steps: self.planned_updates() * per_update,
                    resumed_steps: resumed * per_update,
                    best: self.best.map(|best| best.update),
                })
            });
            let broken_off = matches!(told, Some(ControlFlow::Break(())));
            if over || broken_off || (self.update - self.saved) * per_update >= CHECKPOINT_STEPS {
                self.save(options)?;
            }
            if broken_off && !over {
                return Ok(Ended::Stopped);
            }
        }
        Ok(if self.stopped_early {
            Ended::EarlyStop
        } else {
            Ended::Finished
        })
    }

    fn one_update(&mut self, threads: usize) -> Result<(), TrainError> {
        let (section, number) = (self.section, self.update + 1);
        let net = |learner: &'_ Learner| -> (Layout, Vec<f32>) {
            (learner.layout.clone(), learner.parameters.clone())
        };
        let (actor, critic) = (net(&self.actor), net(&self.critic));
        let work = Collect {
            window: self.train,
            actor: Net {
                layout: &actor.0,
                parameters: &actor.1,
            },
            log_std: self.actor.extra(),
            distribution: self.distribution,
            critic: Net {
                layout: &critic.0,
                parameters: &critic.1,
            },
            section,
        };
        collect(work, &mut self.lanes, threads, |lane| {
            stream(section.seed, number, lane as u64 + 1)
        });
        self.batch.fill(&self.lanes);
        let orders = self.orders(number);
        let figures = update(
            [&mut self.actor, &mut self.critic],
            &self.batch,
            section,
            self.distribution,
            &orders,
            &mut self.gradient_steps,
            threads,
        );
        let parameters = self.actor.parameters.iter().chain(&self.critic.parameters);
        if !parameters.into_iter().all(|x| x.is_finite()) {
            return Err(TrainError::Diverged { update: number });
        }
        self.update = number;
        let validation = self.evaluate()?;
        self.points.push(self.point(figures, validation));
        Ok(())
    }

    /// Rows in the order they are learnt from, one list per epoch.
    fn orders(&self, number: u64) -> Vec<Vec<u32>> {
        let mut rng = stream(self.section.seed, number, 0);
        let rows = u32::try_from(self.batch.len()).expect("a checked rollout has fewer than 2^28 rows");
        (0..self.section.n_epochs)
            .map(|_| {
                let mut order: Vec<u32> = (0..rows).collect();
                order.shuffle(&mut rng);
                order
            })
            .collect()
    }

    /// At evenly spread updates and the last one: keeps the best parameters, and stops when there was none for a while.
    fn evaluate(&mut self) -> Result<Option<Evaluation>, TrainError> {
        let planned = self.planned_updates();
        let every = planned.div_ceil(EVALUATIONS_MAX).max(1);
        if !self.update.is_multiple_of(every) && self.update != planned {
            return Ok(None);
        }
        let chain = self
            .actor
            .layout
            .chain(&self.actor.parameters, self.distribution.head())?;
        let evaluation = evaluate(self.validation, &chain)?;
        let better = self.best.is_none_or(|best| evaluation.reward > best.reward);
        if evaluation.varied && better {
            self.best = Some(Best {
                update: self.update,
                reward: evaluation.reward,
            });
            self.best_parameters = Some(self.actor.parameters.clone());
            self.evaluations_since = 0;
        } else if self.best.is_some() {
            // A policy that has not begun to trade is no sign that it has learnt too much.
            self.evaluations_since += 1;
            let patience = (planned.div_ceil(every) / PATIENCE_SHARE).max(PATIENCE_MIN);
            // The last update ends the training anyway.
            self.stopped_early = self.evaluations_since >= patience && self.update < planned;
        }
        Ok(Some(evaluation))
    }

    fn point(&self, figures: Figures, validation: Option<Evaluation>) -> Point {
        let rows = self.batch.len().max(1) as f64;
        let mut terms = Terms::default();
        for lane in &self.lanes {
            for (sum, term) in terms.iter_mut().zip(lane.terms) {
                *sum += term / rows;
            }
        }
        let [values, returns] = self.batch.judged();
        Point {
            update: self.update,
            steps: self.update * per_update(self.section),
            reward: terms.iter().sum(),
            terms,
            episodes: self.lanes.iter().map(|lane| lane.episodes).sum(),
            ruined: self.lanes.iter().map(|lane| lane.ruined).sum(),
            entropy: figures.entropy,
            kl: figures.kl,
            clip_fraction: figures.clip_fraction,
            policy_loss: figures.policy_loss,
            value_loss: figures.value_loss,
            explained_variance: explained_variance(values, returns),
            std: (self.distribution == Distribution::Normal)
                .then(|| libm::exp(f64::from(self.actor.extra()))),
            validation,
        }
    }
}
