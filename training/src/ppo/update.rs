//! The gradient steps of one rollout: clipped surrogate for the actor, squared error for the critic, one norm over both.

use contracts::experiment::PpoSection;

use super::head::Distribution;
use super::learner::Learner;
use super::meet::Meeting;
use super::rollout::Lane;

/// Added to a standard deviation before it divides.
const STD_FLOOR: f64 = 1e-8;
/// Added to a norm before it divides.
const NORM_FLOOR: f64 = 1e-6;

/// A rollout of all environments, one after the other.
#[derive(Debug, Default)]
pub struct Batch {
    observations: Vec<f32>,
    actions: Vec<f32>,
    log_probs: Vec<f32>,
    advantages: Vec<f32>,
    values: Vec<f32>,
    returns: Vec<f32>,
}

impl Batch {
    /// Takes over what the environments collected.
    pub fn fill(&mut self, lanes: &[Lane<'_>]) {
        let gather = |into: &mut Vec<f32>, of: for<'l> fn(&'l Lane<'_>) -> &'l [f32]| {
            into.clear();
            lanes.iter().for_each(|lane| into.extend_from_slice(of(lane)));
        };
        gather(&mut self.observations, |lane| &lane.observations);
        gather(&mut self.actions, |lane| &lane.actions);
        gather(&mut self.log_probs, |lane| &lane.log_probs);
        gather(&mut self.advantages, |lane| &lane.advantages);
        gather(&mut self.values, |lane| &lane.values);
        let both = self.values.iter().zip(&self.advantages);
        self.returns.clear();
        self.returns
            .extend(both.map(|(value, advantage)| value + advantage));
    }

    /// Steps in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.actions.len()
    }

    /// What the critic said, and what it learns.
    #[must_use]
    pub fn judged(&self) -> [&[f32]; 2] {
        [&self.values, &self.returns]
    }
}

/// Means over all rows of all passes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Figures {
    /// −min(ratio × advantage, clipped ratio × advantage).
    pub policy_loss: f64,
    /// (value − return)².
    pub value_loss: f64,
    /// Entropy of the policy.
    pub entropy: f64,
    /// (ratio − 1) − ln ratio.
    pub kl: f64,
    /// Share of ratios outside the clip range.
    pub clip_fraction: f64,
}

/// One of the two networks at work on a rollout.
trait Pass {
    /// Gradient of these rows; gives Σ g².
    fn gradient(&mut self, rows: &[u32]) -> f64;
    fn learner(&mut self) -> &mut Learner;
}

/// Buffers of the rows at hand.
#[derive(Debug, Default)]
struct Rows {
    x: Vec<f32>,
    by_output: Vec<f32>,
}

impl Rows {
    fn gather(&mut self, batch: &Batch, width: usize, rows: &[u32]) {
        self.x.clear();
        for row in rows {
            let at = *row as usize * width;
            self.x.extend_from_slice(&batch.observations[at..at + width]);
        }
        self.by_output.clear();
    }
}

struct ActorPass<'a> {
    learner: &'a mut Learner,
    batch: &'a Batch,
    section: &'a PpoSection,
    distribution: Distribution,
    rows: Rows,
    sums: Figures,
}

impl Pass for ActorPass<'_> {
    fn learner(&mut self) -> &mut Learner {
        self.learner
    }

    fn gradient(&mut self, rows: &[u32]) -> f64 {
        let (batch, learner) = (self.batch, &mut *self.learner);
        self.rows.gather(batch, learner.layout.inputs(), rows);
        let (log_std, outputs) = (learner.extra(), learner.layout.outputs());
        let out = learner.forward(&self.rows.x, rows.len());
        let (mean, divisor) = standardise(rows.iter().map(|row| batch.advantages[*row as usize]));
        let (share, clip) = (1.0 / rows.len() as f64, self.section.clip_range);
        let mut by_log_std = 0.0;
        for (row, out) in rows.iter().zip(out.chunks_exact(outputs)) {
            let at = *row as usize;
            let advantage = (f64::from(batch.advantages[at]) - mean) / divisor;
            let likely = self.distribution.likelihood(out, log_std, batch.actions[at]);
            let log_ratio = likely.log_prob - f64::from(batch.log_probs[at]);
            let ratio = libm::exp(log_ratio);
            let (free, held) = (ratio * advantage, ratio.clamp(1.0 - clip, 1.0 + clip) * advantage);
            // Beyond the clip range, where it would gain by going further, a row pushes nothing.
            let by_log_prob = if free <= held { -free * share } else { 0.0 };
            let by_entropy = -self.section.ent_coef * share;
            for place in 0..outputs {
                let slope =
                    by_log_prob * likely.by_output[place] + by_entropy * likely.entropy_by_output[place];
                self.rows.by_output.push(slope as f32);
            }
            by_log_std += by_log_prob * likely.by_log_std + by_entropy;
            self.sums.policy_loss -= free.min(held);
            self.sums.entropy += likely.entropy;
            self.sums.kl += (ratio - 1.0) - log_ratio;
            self.sums.clip_fraction += f64::from(u8::from((ratio - 1.0).abs() > clip));
        }
        learner.backward(&self.rows.x, &self.rows.by_output, by_log_std as f32)
    }
}

/// Mean and standard deviation (ddof = 1) of the advantages of a batch; 0 and 1 for a single one.
fn standardise(values: impl ExactSizeIterator<Item = f32> + Clone) -> (f64, f64) {
    let n = values.len();
    if n < 2 {
        return (0.0, 1.0);
    }
    let mean = values.clone().map(f64::from).sum::<f64>() / n as f64;
    let squares: f64 = values
        .map(|value| (f64::from(value) - mean) * (f64::from(value) - mean))
        .sum();
    (mean, (squares / (n - 1) as f64).sqrt() + STD_FLOOR)
}

struct CriticPass<'a> {
    learner: &'a mut Learner,
    batch: &'a Batch,
    section: &'a PpoSection,
    rows: Rows,
    loss: f64,
}

impl Pass for CriticPass<'_> {
    fn learner(&mut self) -> &mut Learner {
        self.learner
    }

    fn gradient(&mut self, rows: &[u32]) -> f64 {
        let (batch, learner) = (self.batch, &mut *self.learner);
        self.rows.gather(batch, learner.layout.inputs(), rows);
        let out = learner.forward(&self.rows.x, rows.len());
        let share = 2.0 * self.section.vf_coef / rows.len() as f64;
        for (row, value) in rows.iter().zip(out) {
            let error = f64::from(*value) - f64::from(batch.returns[*row as usize]);
            self.rows.by_output.push((share * error) as f32);
            self.loss += error * error;
        }
        learner.backward(&self.rows.x, &self.rows.by_output, 0.0)
    }
}

/// Passes over a rollout in these orders, one per epoch; `steps` counts gradient steps over the whole training. With two threads each network has its
/// own.
pub fn update(
    [actor, critic]: [&mut Learner; 2],
    batch: &Batch,
    section: &PpoSection,
    distribution: Distribution,
    orders: &[Vec<u32>],
    steps: &mut u64,
    threads: usize,
) -> Figures {
    let mut actor = ActorPass {
        learner: actor,
        batch,
        section,
        distribution,
        rows: Rows::default(),
        sums: Figures::default(),
    };
    let mut critic = CriticPass {
        learner: critic,
        batch,
        section,
        rows: Rows::default(),
        loss: 0.0,
    };
    let size = section.batch_size as usize;
    let batches = || orders.iter().flat_map(|order| order.chunks(size));
    let scale = |squares: f64| (section.max_grad_norm / (squares.sqrt() + NORM_FLOOR)).min(1.0);
    let (before, rate) = (*steps, section.learning_rate);
    if threads < 2 {
        for (step, rows) in (before + 1..).zip(batches()) {
            let squares = actor.gradient(rows) + critic.gradient(rows);
            actor.learner().step(rate, scale(squares), step);
            critic.learner().step(rate, scale(squares), step);
        }
    } else {
        let meeting = Meeting::default();
        let work = |pass: &mut dyn Pass, exchange: &mut dyn FnMut(f64) -> f64| {
            for (step, rows) in (before + 1..).zip(batches()) {
                let mine = pass.gradient(rows);
                // Two numbers give the same sum in either order.
                let squares = mine + exchange(mine);
                pass.learner().step(rate, scale(squares), step);
            }
        };
        let [mut here, mut there] = meeting.sides();
        std::thread::scope(|scope| {
            let (work, critic) = (&work, &mut critic);
            scope.spawn(move || work(critic, &mut |value| there.exchange(value)));
            work(&mut actor, &mut |value| here.exchange(value));
        });
    }
    *steps += batches().count() as u64;
    let rows = (orders.len() * batch.len()).max(1) as f64;
    Figures {
        policy_loss: actor.sums.policy_loss / rows,
        value_loss: critic.loss / rows,
        entropy: actor.sums.entropy / rows,
        kl: actor.sums.kl / rows,
        clip_fraction: actor.sums.clip_fraction / rows,
    }
}
