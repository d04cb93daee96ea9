//! The path through the decisions: orders, fills, equity.
//!
//! Per used bar, in this order: a due order fills at the open; the bar is decided on at its close; under `same_close` a due order fills at the
//! close; at the end of a session `flatten` closes what is held, and the standing decision is due again at the next open; at the end of the run
//! the last position is closed. What is due at a bar is the decision `latency_bars` used bars before it. A stale bar fills no order, but does
//! not keep a night or the end of the run from closing a position at the price there is.

use std::collections::VecDeque;

use contracts::action::PositionSource;
use contracts::evidence::{ExecutionCounts, ExecutionSettings};
use contracts::experiment::{FillRule, OvernightRule};
use contracts::reason::{Position, Withheld};
use contracts::time::UtcMillis;
use strategy::action::NotFinite;

use super::book::{Book, Fill};
use super::decide::Decide;
use super::error::RunError;
use super::prepare::{Prepared, Step};
use crate::outcome::BarRow;

/// What the walk leaves.
#[derive(Debug)]
pub struct Walked {
    /// Every bar.
    pub bars: Vec<BarRow>,
    /// The money.
    pub book: Book,
    /// Counts.
    pub counts: ExecutionCounts,
    /// When equity was gone.
    pub ruined: Option<UtcMillis>,
}

/// A run that is walked bar by bar by whoever calls it: [`walk`] to the window's end, a trainer from one decision to the next.
///
/// Per used bar: [`open`](Self::open), then [`decide`](Self::decide) where there is a decision, then [`close`](Self::close).
#[derive(Debug)]
pub struct Walk<'a> {
    settings: &'a ExecutionSettings,
    /// The money.
    pub book: Book,
    /// Counts; bars withheld before they reached a model are the caller's.
    pub counts: ExecutionCounts,
    /// Decisions that are not due yet, oldest first.
    coming: VecDeque<Position>,
    /// The decision that is due.
    due: Position,
    /// A due order has met a stale bar.
    waiting: bool,
    /// The standing decision.
    decided: Position,
    /// What was held when the bar at hand was decided on.
    held: Position,
    /// Used bars that have closed.
    closes: u32,
    /// When equity was gone.
    pub ruined: Option<UtcMillis>,
}

/// Walks to the end of the window or to ruin.
///
/// # Errors
/// [`RunError::Infer`].
pub fn walk(
    prepared: &Prepared,
    settings: &ExecutionSettings,
    decide: &mut dyn Decide,
) -> Result<Walked, RunError> {
    let mut walk = Walk::new(settings);
    walk.counts.withheld.clone_from(&prepared.withheld);
    let mut bars: Vec<BarRow> = Vec::with_capacity(prepared.steps.len());
    for step in &prepared.steps {
        let seen = walk.open(step);
        if let Some(row) = step.row {
            walk.decide(decide.decide(row, seen)?);
        }
        let ends = bars.len() + 1 == prepared.steps.len();
        bars.push(walk.close(step, ends));
        if walk.ruined.is_some() {
            break;
        }
    }
    Ok(Walked {
        bars,
        book: walk.book,
        counts: walk.counts,
        ruined: walk.ruined,
    })
}

impl<'a> Walk<'a> {
    /// The initial capital, nothing held, nothing decided.
    #[must_use]
    pub fn new(settings: &'a ExecutionSettings) -> Self {
        let delay = match settings.fill {
            FillRule::NextOpen => settings.latency_bars,
            FillRule::SameClose => settings.latency_bars - 1,
        };
        Self {
            settings,
            book: Book::new(settings),
            counts: ExecutionCounts::default(),
            coming: std::iter::repeat_n(Position::Flat, delay as usize).collect(),
            due: Position::Flat,
            waiting: false,
            decided: Position::Flat,
            held: Position::Flat,
            closes: 0,
            ruined: None,
        }
    }

    /// A bar up to its decision: a due order fills at its open. Gives the position the observation is seen with.
    pub fn open(&mut self, step: &Step) -> Position {
        if self.settings.fill == FillRule::NextOpen {
            self.next_due();
            self.fill(step, step.bar.open, self.closes);
        }
        self.held = self.book.held();
        match self.settings.position_source {
            PositionSource::Signal => self.decided,
            PositionSource::Feedback => self.held,
        }
    }

    /// The bar's decision; one that means nothing withholds the bar. Without a call the decision before it stands.
    pub fn decide(&mut self, decision: Result<Position, NotFinite>) {
        match decision {
            Ok(action) => self.decided = action,
            Err(NotFinite) => self.withheld(Withheld::NotFinite),
        }
    }

    /// The bar from its decision on; `ends` closes what is held because nothing follows.
    pub fn close(&mut self, step: &Step, ends: bool) -> BarRow {
        self.coming.push_back(self.decided);
        let closes = self.closes + 1;
        if self.settings.fill == FillRule::SameClose {
            self.next_due();
            self.fill(step, step.bar.close, closes);
        }
        let night = step.last_of_session && self.settings.overnight == OvernightRule::Flatten;
        if ends || night {
            self.flatten(step, closes, ends);
        }
        let mut equity = self.book.equity(step.bar.close);
        if equity <= 0.0 {
            self.flatten(step, closes, true);
            equity = self.book.equity(step.bar.close);
            self.ruined = Some(step.bar.close_time);
        }
        self.closes = closes;
        BarRow {
            bar: step.bar,
            session: step.session,
            decided: self.decided,
            held: self.held,
            equity,
            cost: self.book.take_cost(),
        }
    }

    fn next_due(&mut self) {
        self.due = self.coming.pop_front().unwrap_or(self.due);
    }

    /// Fills what is due, unless the bar is stale.
    fn fill(&mut self, step: &Step, price: f64, closes: u32) {
        if self.due == self.book.held() {
            self.waiting = false;
            return;
        }
        if step.unchanged >= self.settings.stale_after_bars {
            self.waiting = true;
            return;
        }
        self.counts.delayed_fills += u64::from(std::mem::take(&mut self.waiting));
        self.change(self.due, step, price, closes, false);
    }

    fn flatten(&mut self, step: &Step, closes: u32, forced: bool) {
        if self.book.held() != Position::Flat {
            self.change(Position::Flat, step, step.bar.close, closes, forced);
        }
    }

    fn change(&mut self, to: Position, step: &Step, price: f64, closes: u32, forced: bool) {
        self.counts.flat_bar_fills += u64::from(step.bar.high == step.bar.low);
        let fill = Fill {
            bar: step.bar,
            price,
            closes,
            forced,
        };
        self.book.change(to, fill);
    }

    fn withheld(&mut self, reason: Withheld) {
        *self.counts.withheld.entry(reason.word().to_owned()).or_default() += 1;
    }
}

#[cfg(test)]
mod tests;
