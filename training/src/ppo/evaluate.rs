//! A policy without chance on the validation window, through the environment it was trained in.

use backtest::run::session_returns;
use backtest::stats::sharpe;
use serde::{Deserialize, Serialize};
use strategy::policy::dense::Chain;
use strategy::policy::{DensePolicy, InferError, Policy as _};

use crate::environment::{Environment, Window};

/// What a policy did on a window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Mean reward of a decision: what chooses between parameters.
    pub reward: f64,
    /// Net profit over the initial capital.
    pub net_return: f64,
    /// Annual Sharpe ratio of the sessions; none where it is undefined.
    pub sharpe: Option<f64>,
    /// Largest fall from a peak, as a positive fraction.
    pub max_drawdown: f64,
    /// Round trips.
    pub trades: u64,
    /// Whether there were two different decisions: one and the same on every bar is no policy that could be registered.
    pub varied: bool,
}

/// Walks a whole window; the policy's likeliest action at every step.
///
/// # Errors
/// [`InferError`].
pub fn evaluate(window: &Window<'_>, chain: &Chain) -> Result<Evaluation, InferError> {
    let mut policy = DensePolicy::new(chain);
    let mut environment = Environment::whole(window);
    let mut row = vec![0.0; policy.width()];
    let mut raw = vec![0.0; policy.head().width()];
    let (mut reward, mut decisions) = (0.0, 0_u64);
    let mut seen = [false; 3];
    while environment.asks() {
        environment.observe(&mut row);
        policy.infer(&row, &mut raw)?;
        let decision = window.strategy().decide(&raw).map(|decision| decision.action);
        if let Ok(position) = decision {
            seen[(position.as_i8() + 1) as usize] = true;
        }
        let taken = environment.take(decision);
        reward += taken.reward();
        decisions += 1;
        if taken.end.is_some() {
            break;
        }
    }
    let capital = window.settings().initial_capital;
    let (bars, walk) = environment.into_parts();
    let equity = bars.last().map_or(capital, |row| row.equity);
    let returns: Vec<f64> = session_returns(window.prepared(), &bars, capital)
        .iter()
        .map(|session| session.value)
        .collect();
    let per_year = window.strategy().calendar().sessions_per_year();
    let sharpe = sharpe::moments(&returns)
        .ok()
        .map(|moments| sharpe::annual(moments.sharpe(), per_year));
    let (mut peak, mut deepest) = (capital, 0.0_f64);
    for row in &bars {
        peak = peak.max(row.equity);
        deepest = deepest.max((peak - row.equity) / peak);
    }
    Ok(Evaluation {
        reward: reward / decisions.max(1) as f64,
        net_return: equity / capital - 1.0,
        sharpe: if walk.ruined.is_some() { None } else { sharpe },
        max_drawdown: if walk.ruined.is_some() { 1.0 } else { deepest },
        trades: walk.book.trades.len() as u64,
        varied: seen.iter().filter(|seen| **seen).count() > 1,
    })
}
