//! Decisions of a window: bar by bar, or all three positions of a block as one batch.
//!
//! The observation holds the position, and the position follows from the decisions before: in sequence there is nothing to batch. But a
//! position has three values. So a block of bars is evaluated for all three, and the path is walked through the answers. A row's output does
//! not depend on the other rows of its batch (the executors prove it at load), so both ways decide alike, bit for bit.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use contracts::reason::Position;
use strategy::action::NotFinite;
use strategy::policy::{Policy as _, PolicyExec};

use super::error::RunError;
use super::prepare::Prepared;
use super::{Candidate, Progress};
use crate::limits::BLOCK_BARS;

const POSITIONS: [Position; 3] = [Position::Short, Position::Flat, Position::Long];

/// The decision on a row of [`Prepared::features`], by the position it is seen with.
pub trait Decide {
    /// Decides.
    ///
    /// # Errors
    /// [`RunError::Infer`].
    fn decide(&mut self, row: usize, position: Position) -> Result<Result<Position, NotFinite>, RunError>;
}

/// Evaluates a row when it is asked for.
pub struct OneByOne<'a> {
    candidate: Candidate<'a>,
    prepared: &'a Prepared,
    policy: PolicyExec,
    features: Vec<f64>,
    observation: Vec<f32>,
    raw: Vec<f32>,
    /// Told before each evaluation: bars done.
    progress: &'a dyn Fn(Progress),
}

impl<'a> OneByOne<'a> {
    /// One policy, nothing evaluated yet.
    ///
    /// # Errors
    /// [`RunError::Source`].
    pub fn new(
        candidate: Candidate<'a>,
        prepared: &'a Prepared,
        progress: &'a dyn Fn(Progress),
    ) -> Result<Self, RunError> {
        let width = candidate.strategy.width();
        Ok(Self {
            policy: candidate.source.make(candidate.golden)?,
            candidate,
            prepared,
            features: vec![0.0; width],
            observation: vec![0.0; width],
            raw: vec![0.0; candidate.strategy.head().width()],
            progress,
        })
    }
}

impl Decide for OneByOne<'_> {
    fn decide(&mut self, row: usize, position: Position) -> Result<Result<Position, NotFinite>, RunError> {
        let strategy = self.candidate.strategy;
        let width = strategy.width();
        if row.is_multiple_of(BLOCK_BARS) {
            (self.progress)(Progress {
                done: row,
                total: self.prepared.rows(width),
            });
        }
        self.features
            .copy_from_slice(&self.prepared.features[row * width..(row + 1) * width]);
        strategy.observe_as(position, &mut self.features, &mut self.observation);
        self.policy.infer(&self.observation, &mut self.raw)?;
        Ok(strategy.decide(&self.raw).map(|decision| decision.action))
    }
}

/// What a row decides for each position: short, flat, long.
type Answers = [Result<Position, NotFinite>; 3];

/// Every row evaluated for every position before the walk.
#[derive(Debug)]
pub struct Batched {
    answers: Vec<Answers>,
}

impl Decide for Batched {
    fn decide(&mut self, row: usize, position: Position) -> Result<Result<Position, NotFinite>, RunError> {
        Ok(self.answers[row][place(position)])
    }
}

const fn place(position: Position) -> usize {
    (position.as_i8() + 1) as usize
}

impl Batched {
    /// Evaluates all rows with `threads` policies, which share nothing: their number changes nothing but the time.
    ///
    /// # Errors
    /// [`RunError::Source`], [`RunError::Infer`].
    pub fn new(
        candidate: Candidate<'_>,
        prepared: &Prepared,
        threads: usize,
        progress: &dyn Fn(Progress),
    ) -> Result<Self, RunError> {
        let width = candidate.strategy.width();
        let total = prepared.rows(width);
        let blocks: Vec<&[f64]> = prepared.features.chunks(BLOCK_BARS * width).collect();
        let policies = (0..threads.clamp(1, blocks.len().max(1)))
            .map(|_| candidate.source.make(candidate.golden))
            .collect::<Result<Vec<_>, _>>()?;
        let mut answers = vec![[Err(NotFinite); 3]; total];
        let next = AtomicUsize::new(0);
        let (sender, receiver) = mpsc::sync_channel(policies.len());
        std::thread::scope(|scope| {
            for mut policy in policies {
                let (sender, next, blocks) = (sender.clone(), &next, &blocks);
                scope.spawn(move || {
                    let mut work = Work::new(candidate);
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(block) = blocks.get(at) else { return };
                        let answers = work.block(&mut policy, block);
                        // Nobody listens any more once a block has failed.
                        if sender.send((at, answers)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            let mut done = 0;
            for (at, block) in receiver {
                let block = block?;
                done += block.len();
                answers[at * BLOCK_BARS..][..block.len()].copy_from_slice(&block);
                progress(Progress { done, total });
            }
            Ok(Self { answers })
        })
    }
}

/// Buffers of one thread.
struct Work<'a> {
    candidate: Candidate<'a>,
    rows: Vec<f32>,
    raw: Vec<f32>,
    features: Vec<f64>,
}

impl<'a> Work<'a> {
    fn new(candidate: Candidate<'a>) -> Self {
        Self {
            candidate,
            rows: Vec::new(),
            raw: Vec::new(),
            features: vec![0.0; candidate.strategy.width()],
        }
    }

    fn block(&mut self, policy: &mut PolicyExec, block: &[f64]) -> Result<Vec<Answers>, RunError> {
        let strategy = self.candidate.strategy;
        let (width, head) = (strategy.width(), strategy.head().width());
        // Where the position is no feature, one answer holds for all three.
        let seen: &[Position] = if strategy.sees_position() {
            &POSITIONS
        } else {
            &POSITIONS[..1]
        };
        let bars = block.len() / width;
        self.rows.resize(bars * seen.len() * width, 0.0);
        self.raw.resize(bars * seen.len() * head, 0.0);
        let mut rows = self.rows.chunks_exact_mut(width);
        for features in block.chunks_exact(width) {
            for (position, row) in seen.iter().zip(&mut rows) {
                self.features.copy_from_slice(features);
                strategy.observe_as(*position, &mut self.features, row);
            }
        }
        policy.infer(&self.rows, &mut self.raw)?;
        let answer = |raw: &[f32]| strategy.decide(raw).map(|decision| decision.action);
        Ok(self
            .raw
            .chunks_exact(head * seen.len())
            .map(|raw| std::array::from_fn(|at| answer(&raw[at.min(seen.len() - 1) * head..][..head])))
            .collect())
    }
}
