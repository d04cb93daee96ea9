//! The signal behind the edge: what two daily series did on the last day that is known.
//!
//! It is computed from the values as the operators see them (the two newest dates visible at an instant), so that a policy can read it off
//! its features, and only what was published by then is in it.

use contracts::files::DailyFile;
use contracts::ids::SeriesId;
use contracts::time::UtcMillis;
use strategy::plan::FeaturePlan;

use super::series::{DXY, Driver, USDMXN, id};

/// Most that one series adds, in its usual daily moves: a jump of the index does not move the peso without limit.
pub const MOVE_MAX: f64 = 2.5;

/// The signal at every instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Signals {
    /// Per driver, ascending: from when on which move is the last known one, in usual daily moves.
    moves: Vec<Vec<(UtcMillis, f64)>>,
}

impl Signals {
    /// The signal as these features see the drivers; a series without a rule is named.
    ///
    /// # Errors
    /// The series.
    pub fn new(plan: &FeaturePlan, daily: &DailyFile) -> Result<Self, SeriesId> {
        let moves = [DXY, USDMXN].iter().map(|driver| moves(driver, plan, daily));
        Ok(Self {
            moves: moves.collect::<Result<_, _>>()?,
        })
    }

    /// Between −3.5 and 3.5, with a standard deviation of about 1; 0 before both series have two values.
    #[must_use]
    pub fn at(&self, at: UtcMillis) -> f64 {
        let last = |moves: &Vec<(UtcMillis, f64)>| {
            let known = moves.partition_point(|(from, _)| *from <= at);
            known.checked_sub(1).map(|newest| moves[newest].1)
        };
        let known: Option<Vec<f64>> = self.moves.iter().map(last).collect();
        known.map_or(0.0, |moves| signal([moves[0], moves[1]]))
    }
}

/// The signal of these relative changes of the dollar index and of the Mexican peso (the features `dxy_change_1d`, `usdmxn_change_1d`).
#[must_use]
pub fn signal_of(dxy_change: f64, usdmxn_change: f64) -> f64 {
    signal([in_moves(&DXY, dxy_change), in_moves(&USDMXN, usdmxn_change)])
}

fn signal(moves: [f64; 2]) -> f64 {
    (moves[0] + moves[1]) / std::f64::consts::SQRT_2
}

fn in_moves(driver: &Driver, change: f64) -> f64 {
    (change / driver.daily).clamp(-MOVE_MAX, MOVE_MAX)
}

fn moves(driver: &Driver, plan: &FeaturePlan, daily: &DailyFile) -> Result<Vec<(UtcMillis, f64)>, SeriesId> {
    let name = id(driver);
    let (Some(rule), Some(series)) = (
        plan.series().iter().position(|known| *known == name),
        daily.series.iter().position(|known| *known == name),
    ) else {
        return Err(name);
    };
    let (mut moves, mut before) = (Vec::new(), None);
    for row in daily.rows.iter().filter(|row| row.series == series) {
        let visible = plan.visible_at(rule, row.date, row.arrived_at);
        if let (Some(before), Some(visible)) = (before, visible) {
            moves.push((visible, in_moves(driver, row.value / before - 1.0)));
        }
        before = Some(row.value);
    }
    Ok(moves)
}
