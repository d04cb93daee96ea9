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

struct Walk<'a> {
    settings: &'a ExecutionSettings,
    book: Book,
    counts: ExecutionCounts,
    /// Decisions that are not due yet, oldest first.
    coming: VecDeque<Position>,
    /// The decision that is due.
    due: Position,
    /// A due order has met a stale bar.
    waiting: bool,
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
    let delay = match settings.fill {
        FillRule::NextOpen => settings.latency_bars,
        FillRule::SameClose => settings.latency_bars - 1,
    };
    let mut walk = Walk {
        settings,
        book: Book::new(settings),
        counts: ExecutionCounts {
            withheld: prepared.withheld.clone(),
            ..ExecutionCounts::default()
        },
        coming: std::iter::repeat_n(Position::Flat, delay as usize).collect(),
        due: Position::Flat,
        waiting: false,
    };
    let mut bars: Vec<BarRow> = Vec::with_capacity(prepared.steps.len());
    let (mut decided, mut ruined) = (Position::Flat, None);
    for (at, step) in (0_u32..).zip(&prepared.steps) {
        if settings.fill == FillRule::NextOpen {
            walk.next_due();
            walk.fill(step, step.bar.open, at);
        }
        let held = walk.book.held();
        if let Some(row) = step.row {
            let seen = match settings.position_source {
                PositionSource::Signal => decided,
                PositionSource::Feedback => held,
            };
            match decide.decide(row, seen)? {
                Ok(action) => decided = action,
                Err(_) => walk.withheld(Withheld::NotFinite),
            }
        }
        walk.coming.push_back(decided);
        if settings.fill == FillRule::SameClose {
            walk.next_due();
            walk.fill(step, step.bar.close, at + 1);
        }
        let ends = bars.len() + 1 == prepared.steps.len();
        let night = step.last_of_session && settings.overnight == OvernightRule::Flatten;
        if ends || night {
            walk.close(step, at + 1, ends);
        }
        let mut equity = walk.book.equity(step.bar.close);
        if equity <= 0.0 {
            walk.close(step, at + 1, true);
            equity = walk.book.equity(step.bar.close);
            ruined = Some(step.bar.close_time);
        }
        bars.push(BarRow {
            bar: step.bar,
            session: step.session,
            decided,
            held,
            equity,
            cost: walk.book.take_cost(),
        });
        if ruined.is_some() {
            break;
        }
    }
    Ok(Walked {
        bars,
        book: walk.book,
        counts: walk.counts,
        ruined,
    })
}

impl Walk<'_> {
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

    fn close(&mut self, step: &Step, closes: u32, forced: bool) {
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
