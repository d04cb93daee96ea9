//! A trainer's state to its checkpoint and back.

use std::path::Path;

use super::Trainer;
use crate::environment::{Environment, Episode, Unfit};
use crate::ppo::checkpoint::{Checkpoint, CheckpointError, Head, LaneState};
use crate::ppo::plan::{TrainError, TrainOptions};
use crate::ppo::rollout::Lane;

impl Trainer<'_> {
    /// Writes the state, if a checkpoint is wanted.
    pub(super) fn save(&mut self, options: &TrainOptions<'_>) -> Result<(), TrainError> {
        let Some(path) = options.checkpoint else {
            return Ok(());
        };
        let lists: Vec<Vec<f32>> = [&self.actor, &self.critic]
            .into_iter()
            .flat_map(|learner| [&learner.parameters, &learner.moments[0], &learner.moments[1]])
            .chain(&self.best_parameters)
            .cloned()
            .collect();
        let lane = |lane: &Lane<'_>| {
            lane.environment.as_ref().map(|environment| {
                let (episode, decisions) = environment.so_far();
                LaneState {
                    from: episode.from,
                    until: episode.until,
                    decisions: decisions.to_vec(),
                }
            })
        };
        let head = Head {
            identity: self.identity.clone(),
            update: self.update,
            gradient_steps: self.gradient_steps,
            evaluations_since: self.evaluations_since,
            stopped_early: self.stopped_early,
            best: self.best,
            lanes: self.lanes.iter().map(lane).collect(),
            points: self.points.clone(),
            lengths: lists.iter().map(Vec::len).collect(),
        };
        Checkpoint { head, lists }
            .save(path)
            .map_err(|source| at(path, source))?;
        self.saved = self.update;
        Ok(())
    }

    /// Goes on where the checkpoint stands, if there is one.
    pub(super) fn resume(&mut self, options: &TrainOptions<'_>) -> Result<(), TrainError> {
        let Some(path) = options.checkpoint else {
            return Ok(());
        };
        let found = Checkpoint::load(path, &self.identity).map_err(|source| at(path, source))?;
        let Some(checkpoint) = found else { return Ok(()) };
        self.take_over(checkpoint).map_err(|Unfit| {
            let detail = "its state does not fit the training it names".to_owned();
            at(path, CheckpointError::Damaged { detail })
        })
    }

    fn take_over(&mut self, checkpoint: Checkpoint) -> Result<(), Unfit> {
        let Checkpoint { head, lists } = checkpoint;
        let mut lists = lists.into_iter();
        for learner in [&mut self.actor, &mut self.critic] {
            let [mean, square] = &mut learner.moments;
            for list in [&mut learner.parameters, mean, square] {
                let read = lists.next().filter(|read| read.len() == list.len());
                *list = read.ok_or(Unfit)?;
            }
        }
        self.best_parameters = lists.next();
        let length = self.best_parameters.as_ref().map(Vec::len);
        let expected = head.best.map(|_| self.actor.parameters.len());
        if length != expected || lists.next().is_some() || head.lanes.len() != self.lanes.len() {
            return Err(Unfit);
        }
        for (lane, state) in self.lanes.iter_mut().zip(head.lanes) {
            lane.environment = match state {
                None => None,
                Some(LaneState {
                    from,
                    until,
                    decisions,
                }) => {
                    let episode = Episode { from, until };
                    Some(Environment::replayed(self.train, episode, &decisions)?)
                }
            };
        }
        self.update = head.update;
        self.saved = head.update;
        self.gradient_steps = head.gradient_steps;
        self.evaluations_since = head.evaluations_since;
        self.stopped_early = head.stopped_early;
        self.best = head.best;
        self.points = head.points;
        Ok(())
    }
}

fn at(path: &Path, source: CheckpointError) -> TrainError {
    TrainError::Checkpoint {
        path: path.to_owned(),
        source,
    }
}
