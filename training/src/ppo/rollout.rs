//! Collecting experience: each environment on its own, all networks' rows of a thread in one batch.
//!
//! An environment's draws come from a stream of its own, so which thread steps it shows in nothing.

use contracts::experiment::PpoSection;
use contracts::reason::Position;
use rand_chacha::ChaCha8Rng;
use strategy::action::NotFinite;

use super::gae::{Follows, advantages};
use super::head::{Decider, Distribution};
use super::net::kernel::Kernel;
use super::net::{Layout, Tape};
use crate::environment::{End, Environment, Window};
use crate::limits::FORWARD_ROWS;
use crate::reward::Terms;

/// A network that is only run.
#[derive(Debug, Clone, Copy)]
pub struct Net<'a> {
    /// Which.
    pub layout: &'a Layout,
    /// Its parameters, perhaps with others behind them.
    pub parameters: &'a [f32],
}

impl Net<'_> {
    /// One output for each row, in batches.
    fn values(&self, kernel: Kernel, tape: &mut Tape, rows: &[f32]) -> Vec<f32> {
        let width = self.layout.inputs();
        rows.chunks(FORWARD_ROWS * width)
            .flat_map(|part| {
                tape.forward(kernel, self.layout, self.parameters, part, part.len() / width)
                    .to_vec()
            })
            .collect()
    }
}

/// What stepping environments needs.
#[derive(Debug, Clone, Copy)]
pub struct Collect<'a, 'n> {
    /// Where.
    pub window: &'a Window<'a>,
    /// Who acts.
    pub actor: Net<'n>,
    /// ln σ of its actions.
    pub log_std: f32,
    /// How its outputs are read.
    pub distribution: Distribution,
    /// Who says what is to be expected.
    pub critic: Net<'n>,
    /// Steps per environment, discount, λ.
    pub section: &'n PpoSection,
}

/// One environment and what was seen in it in the last rollout.
#[derive(Debug, Default)]
pub struct Lane<'a> {
    /// Where it stands; nowhere before its first step.
    pub environment: Option<Environment<'a>>,
    /// Observations, a row a step.
    pub observations: Vec<f32>,
    /// Actions as they were drawn.
    pub actions: Vec<f32>,
    /// ln p of each.
    pub log_probs: Vec<f32>,
    /// Rewards.
    pub rewards: Vec<f32>,
    /// The critic's values.
    pub values: Vec<f32>,
    /// Advantages.
    pub advantages: Vec<f32>,
    /// Sum of each weighted term.
    pub terms: Terms,
    /// Episodes that ended.
    pub episodes: u64,
    /// Of these, ended by ruin.
    pub ruined: u64,
    follows: Vec<Follows>,
    /// Observations after cuts, in order.
    tails: Vec<f32>,
}

/// Steps every environment `n_steps` times, on `threads` threads; `rng` gives each environment's draws.
pub fn collect<'a>(
    work: Collect<'a, '_>,
    lanes: &mut [Lane<'a>],
    threads: usize,
    rng: impl Fn(usize) -> ChaCha8Rng + Sync,
) {
    let share = lanes.len().div_ceil(threads.max(1)).max(1);
    let rng = &rng;
    std::thread::scope(|scope| {
        let mut parts = lanes.chunks_mut(share).enumerate();
        let first = parts.next();
        for (part, lanes) in parts {
            scope.spawn(move || collect_part(work, lanes, part * share, rng));
        }
        if let Some((_, lanes)) = first {
            collect_part(work, lanes, 0, rng);
        }
    });
}

fn collect_part<'a>(
    work: Collect<'a, '_>,
    lanes: &mut [Lane<'a>],
    first: usize,
    rng: &(impl Fn(usize) -> ChaCha8Rng + Sync),
) {
    let kernel = Kernel::detect();
    let mut tape = Tape::default();
    let width = work.actor.layout.inputs();
    let outputs = work.actor.layout.outputs();
    let decider = Decider::new(work.window.strategy(), work.distribution);
    let mut rngs: Vec<ChaCha8Rng> = (0..lanes.len()).map(|lane| rng(first + lane)).collect();
    let mut x = vec![0.0; lanes.len() * width];
    lanes.iter_mut().for_each(Lane::clear);
    for step in 1..=work.section.n_steps {
        for ((lane, rng), row) in lanes.iter_mut().zip(&mut rngs).zip(x.chunks_exact_mut(width)) {
            lane.environment
                .get_or_insert_with(|| Environment::new(work.window, work.window.draw(rng)))
                .observe(row);
            lane.observations.extend_from_slice(row);
        }
        let actor = work.actor;
        let out = tape.forward(kernel, actor.layout, actor.parameters, &x, lanes.len());
        for ((lane, rng), out) in lanes.iter_mut().zip(&mut rngs).zip(out.chunks_exact(outputs)) {
            let drawn = work.distribution.draw(out, work.log_std, rng);
            lane.actions.push(drawn.action);
            lane.log_probs.push(drawn.log_prob);
            lane.take(
                decider.position(drawn.action),
                width,
                step == work.section.n_steps,
            );
        }
    }
    for lane in lanes {
        lane.judge(work.critic, kernel, &mut tape, work.section);
    }
}

impl Lane<'_> {
    fn clear(&mut self) {
        let lists = [
            &mut self.observations,
            &mut self.actions,
            &mut self.log_probs,
            &mut self.rewards,
            &mut self.tails,
        ];
        lists.into_iter().for_each(Vec::clear);
        self.follows.clear();
        (self.terms, self.episodes, self.ruined) = (Terms::default(), 0, 0);
    }

    /// Takes a decision; where the episode or the rollout ends, what is seen after it is kept for its value.
    fn take(&mut self, decision: Result<Position, NotFinite>, width: usize, last: bool) {
        let Some(environment) = &mut self.environment else {
            return;
        };
        let taken = environment.take(decision);
        for (sum, term) in self.terms.iter_mut().zip(taken.terms) {
            *sum += term;
        }
        self.rewards.push(taken.reward() as f32);
        self.follows.push(match taken.end {
            Some(End::Ruined | End::Finished) => Follows::Nothing,
            None if !last => Follows::Step,
            Some(End::Truncated) | None => {
                let from = self.tails.len();
                self.tails.resize(from + width, 0.0);
                environment.observe(&mut self.tails[from..]);
                Follows::Cut(0.0)
            }
        });
        if let Some(end) = taken.end {
            self.episodes += 1;
            self.ruined += u64::from(end == End::Ruined);
            self.environment = None;
        }
    }

    /// Values, then advantages.
    fn judge(&mut self, critic: Net<'_>, kernel: Kernel, tape: &mut Tape, section: &PpoSection) {
        self.values = critic.values(kernel, tape, &self.observations);
        let mut tails = critic.values(kernel, tape, &self.tails).into_iter();
        for follows in &mut self.follows {
            if let Follows::Cut(value) = follows {
                *value = tails.next().unwrap_or_default();
            }
        }
        self.advantages = advantages(
            &self.rewards,
            &self.values,
            &self.follows,
            section.gamma,
            section.gae_lambda,
        );
    }
}
