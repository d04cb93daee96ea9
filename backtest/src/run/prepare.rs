//! Everything about a window that does not depend on the position: which bars are used, which can be decided on, what is seen at them.

use std::collections::BTreeMap;

use contracts::bar::Bar;
use contracts::experiment::DateRange;
use contracts::reason::{Position, Withheld};
use contracts::time::DayNumber;
use strategy::strategy::Strategy;

use super::error::RunError;
use super::sessions::{SessionFinder, listed};
use super::sight::Sight;
use crate::market::Market;

/// A used bar of the window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Place in the market's bars.
    pub at: usize,
    /// The bar.
    pub bar: Bar,
    /// Date of its session.
    pub session: DayNumber,
    /// No used bar of its session comes after it.
    pub last_of_session: bool,
    /// Bars up to this one whose close is the one before it, as many as in a row.
    pub unchanged: u32,
    /// Row of [`Prepared::features`]; none where the bar is withheld.
    pub row: Option<usize>,
}

/// A window, observed.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// Every used bar in order.
    pub steps: Vec<Step>,
    /// Listed sessions.
    pub sessions: Vec<DayNumber>,
    /// Features before normalisation of every bar that can be decided on, with the position flat; row-major.
    pub features: Vec<f64>,
    /// Bars without a decision, by reason word; those of the model's output are not known yet.
    pub withheld: BTreeMap<String, u64>,
}

/// Observes the bars up to `until` (a place in the market's bars, exclusive) and keeps those of the window.
///
/// # Errors
/// [`RunError`] when bars or window are unusable.
pub fn prepare(
    strategy: &Strategy,
    sight: &mut dyn Sight,
    market: &Market,
    window: DateRange,
    until: usize,
) -> Result<Prepared, RunError> {
    let sessions = listed(strategy.calendar(), window);
    let (Some(first), Some(last)) = (sessions.first(), sessions.last()) else {
        return Err(RunError::NoSession { window });
    };
    let mut prepared = Prepared {
        steps: Vec::new(),
        sessions: Vec::new(),
        features: Vec::new(),
        withheld: BTreeMap::new(),
    };
    let covered = prepared.observe(strategy, sight, market, window, until)?;
    let covers = |(from, to): (DayNumber, DayNumber)| from <= *first && *last <= to;
    if until == market.bars.len() && !covered.is_some_and(covers) {
        return Err(RunError::Uncovered {
            first: *first,
            last: *last,
            covered,
        });
    }
    prepared.sessions = sessions;
    Ok(prepared)
}

impl Prepared {
    /// Gives the sessions of the first and last used bar.
    fn observe(
        &mut self,
        strategy: &Strategy,
        sight: &mut dyn Sight,
        market: &Market,
        window: DateRange,
        until: usize,
    ) -> Result<Option<(DayNumber, DayNumber)>, RunError> {
        let width = strategy.width();
        let (mut features, mut observation) = (vec![0.0; width], vec![0.0; width]);
        let mut finder = SessionFinder::new(strategy.calendar());
        let mut before: Option<Bar> = None;
        let (mut unchanged, mut session, mut covered) = (0, None, None);
        for (at, bar) in market.bars[..until].iter().enumerate() {
            if at > 0 && market.bars[at - 1].close_time >= bar.close_time {
                return Err(RunError::Order { at: bar.close_time });
            }
            let seen = sight.observe(&market.bars, at, Position::Flat, &mut features, &mut observation);
            let place = finder.find(bar.close_time);
            let in_window = window.contains(place.date);
            if in_window && let Some(reason) = seen.withheld {
                *self.withheld.entry(word(strategy, reason)).or_default() += 1;
            }
            if !seen.used {
                continue;
            }
            let same = before.is_some_and(|before| before.close == bar.close);
            unchanged = if same { unchanged + 1 } else { 0 };
            covered = Some((covered.map_or(place.date, |(from, _)| from), place.date));
            if session != place.start
                && let Some(step) = self.steps.last_mut()
            {
                step.last_of_session = true;
            }
            (before, session) = (Some(*bar), place.start);
            if in_window {
                let row = seen.withheld.is_none().then_some(self.features.len() / width);
                if row.is_some() {
                    self.features.extend_from_slice(&features);
                }
                self.steps.push(Step {
                    at,
                    bar: *bar,
                    session: place.date,
                    last_of_session: false,
                    unchanged,
                    row,
                });
            }
        }
        if let Some(step) = self.steps.last_mut() {
            // The data ends here, or what comes is after the window.
            step.last_of_session = true;
        }
        Ok(covered)
    }

    /// Bars that can be decided on.
    #[must_use]
    pub fn rows(&self, width: usize) -> usize {
        self.features.len() / width.max(1)
    }
}

/// The reason on the wire, a stale series named.
fn word(strategy: &Strategy, reason: Withheld) -> String {
    match reason {
        Withheld::Stale(series) => format!("{}:{}", reason.word(), strategy.series()[usize::from(series)]),
        _ => reason.word().to_owned(),
    }
}
