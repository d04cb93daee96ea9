//! What is learnt in: a window of the market, walked decision by decision.
//!
//! Features and their order, normalisation and the position's place in the observation are `strategy`'s; orders, fills, costs and nights are
//! the backtest's [`Walk`]. Nothing of either is written again here, so a policy is trained in what it will be judged in.

mod tally;
#[cfg(test)]
mod tests;
mod window;

pub(crate) use window::up_to;
pub use window::{Window, WindowError};

use backtest::outcome::BarRow;
use backtest::run::walk::Walk;
use contracts::reason::Position;
use strategy::action::NotFinite;

use self::tally::Tally;
use crate::reward::Terms;

/// Why there is no next decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Equity is gone: nothing follows.
    Ruined,
    /// The episode is long enough: what follows is the value function's to say. The observation is the one after the last decision.
    Truncated,
    /// The window's last bar has closed, and so has the position.
    Finished,
}

/// What a decision led to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Taken {
    /// The weighted terms; their sum is the reward.
    pub terms: Terms,
    /// Why this was the last one.
    pub end: Option<End>,
}

impl Taken {
    /// Σ weight × term.
    #[must_use]
    pub fn reward(&self) -> f64 {
        self.terms.iter().sum()
    }
}

/// A stretch of a window: places of its first step, and of the step at which it is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Episode {
    /// First step.
    pub from: usize,
    /// The step whose decision is not made any more; past the window's last one for a run to its end, which closes the position.
    pub until: usize,
}

/// One walk through a window.
#[derive(Debug)]
pub struct Environment<'a> {
    window: &'a Window<'a>,
    episode: Episode,
    walk: Walk<'a>,
    tally: Tally,
    /// The step that waits for its decision.
    at: usize,
    /// Position the observation is seen with.
    seen: Position,
    /// Decisions of this episode so far, one for each step that asked for one; what is not finite is 2.
    decisions: Vec<i8>,
    /// Every bar so far, where they are kept.
    bars: Option<Vec<BarRow>>,
    /// Features before normalisation of the row at hand.
    features: Vec<f64>,
}

/// A decision that was no number, in a list of decisions.
const NOT_FINITE: i8 = 2;

impl<'a> Environment<'a> {
    /// At the first decision of an episode.
    #[must_use]
    pub fn new(window: &'a Window<'a>, episode: Episode) -> Self {
        Self::begin(window, episode, None)
    }

    /// At the first decision of the whole window, every bar kept.
    #[must_use]
    pub fn whole(window: &'a Window<'a>) -> Self {
        let steps = window.prepared.steps.len();
        let episode = Episode {
            from: 0,
            until: steps,
        };
        Self::begin(window, episode, Some(Vec::with_capacity(steps)))
    }

    fn begin(window: &'a Window<'a>, episode: Episode, bars: Option<Vec<BarRow>>) -> Self {
        let mut environment = Self {
            window,
            episode,
            walk: Walk::new(&window.settings),
            tally: Tally::new(window.settings.initial_capital),
            at: episode.from,
            seen: Position::Flat,
            decisions: Vec::new(),
            bars,
            features: vec![0.0; window.strategy.width()],
        };
        environment.walk_on();
        environment
    }

    /// Where an episode stood after these decisions.
    ///
    /// # Errors
    /// [`Unfit`] where the window has no such episode, or it was over before.
    pub fn replayed(window: &'a Window<'a>, episode: Episode, decisions: &[i8]) -> Result<Self, Unfit> {
        if !window.holds(episode) {
            return Err(Unfit);
        }
        let mut environment = Self::new(window, episode);
        for decision in decisions {
            let decision = match *decision {
                NOT_FINITE => Err(NotFinite),
                decision => Ok(Position::try_from(i64::from(decision)).map_err(|_| Unfit)?),
            };
            if environment.take(decision).end.is_some() {
                return Err(Unfit);
            }
        }
        Ok(environment)
    }

    /// The episode and its decisions so far: all it takes to be here again.
    #[must_use]
    pub fn so_far(&self) -> (Episode, &[i8]) {
        (self.episode, &self.decisions)
    }

    /// Whether a decision is asked for.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.walk.ruined.is_none() && self.at < self.window.prepared.steps.len()
    }

    /// What is seen at the bar that waits for its decision.
    ///
    /// # Panics
    /// If the walk is over, or the row is not as wide as the features.
    pub fn observe(&mut self, row: &mut [f32]) {
        let window = self.window;
        let place = window.prepared.steps[self.at]
            .row
            .expect("a step that asks can be seen");
        let width = self.features.len();
        self.features
            .copy_from_slice(&window.prepared.features[place * width..(place + 1) * width]);
        window.strategy.observe_as(self.seen, &mut self.features, row);
    }

    /// Decides, and walks on to the next decision or the end.
    ///
    /// # Panics
    /// If the walk is over.
    pub fn take(&mut self, decision: Result<Position, NotFinite>) -> Taken {
        let steps = &self.window.prepared.steps;
        self.decisions.push(decision.map_or(NOT_FINITE, Position::as_i8));
        self.walk.decide(decision);
        self.tally.decided(decision.ok());
        self.close();
        if self.walk.ruined.is_none() {
            self.walk_on();
        }
        // Equity may be lost at the close of this bar, or at that of a withheld one after it.
        let end = if self.walk.ruined.is_some() {
            Some(End::Ruined)
        } else if self.at == steps.len() {
            Some(End::Finished)
        } else {
            (self.at >= self.episode.until).then_some(End::Truncated)
        };
        let price = steps[self.at.min(steps.len() - 1)].bar.close;
        let change = self
            .tally
            .mark(self.walk.book.equity(price), self.walk.book.cost());
        Taken {
            terms: self.window.reward.weighted(&change),
            end,
        }
    }

    /// Every bar kept, and the walk that led through them.
    #[must_use]
    pub fn into_parts(self) -> (Vec<BarRow>, Walk<'a>) {
        (self.bars.unwrap_or_default(), self.walk)
    }

    /// Closes the bar at hand and goes to the next.
    fn close(&mut self) {
        let steps = &self.window.prepared.steps;
        let ends = self.at + 1 == steps.len() && self.episode.until == steps.len();
        let row = self.walk.close(&steps[self.at], ends);
        self.tally.paid(row.cost);
        match &mut self.bars {
            Some(bars) => bars.push(row),
            // Only their sum is wanted.
            None => self.walk.book.trades.clear(),
        }
        if self.walk.ruined.is_none() {
            self.at += 1;
        }
    }

    /// Opens bars until one can be decided on, the window ends, or equity is gone.
    fn walk_on(&mut self) {
        while let Some(step) = self.window.prepared.steps.get(self.at) {
            self.seen = self.walk.open(step);
            self.tally.opened(
                self.walk.book.held(),
                self.window.reward.params().inactivity_grace_bars,
            );
            if step.row.is_some() {
                return;
            }
            self.close();
            if self.walk.ruined.is_some() {
                return;
            }
        }
    }
}

/// Decisions that are not those of an episode of this window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the decisions are none of an episode of this window")]
pub struct Unfit;
