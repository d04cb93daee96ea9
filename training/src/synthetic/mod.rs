//! A generated market: seeded, repeatable, with an edge that a policy can learn, or the same market with none.
//!
//! What real five-minute bars have and matters to a trader is in it: volatility that is a U over the session and comes in clusters (GARCH),
//! fat tails (Student t), jumps between sessions, missing bars, prices on a tick; daily series that return to a level, are blank on some days
//! and become known by the publication rules of the feature contract. Sessions, holidays and the zone are the calendar's.
//!
//! **The edge** ([`Kind::Edge`]): what the dollar index and the Mexican peso did on the last day known at a session's open, each in units of
//! its usual move, drives the price of that session. The signal s is their sum over √2 ([`edge::Signals`]); every bar's expected log return
//! is s × [`EDGE_PER_SESSION`] × its volatility share. Nothing else in the market says anything about the future: a policy that holds the sign
//! of s is the best there is but for its size, and earns an annual Sharpe ratio of about nine at a basis point a change (the mean over
//! seeds; half a year alone strays by two). No real market offers that; it is chosen so that half a year out of sample tells skill from
//! luck, also the skill of a policy that found half of it: Sharpe 4 is a deflated Sharpe ratio of 0.99 there.
//!
//! **No edge** ([`Kind::Noise`]): every bar is driven as strongly, but up or down by a coin of its own. One bar looks as it does with the edge;
//! given everything before it, its expectation is zero.

mod bars;
mod draws;
pub mod edge;
mod files;
mod series;

use backtest::market::Market;
use contracts::features::FeatureContract;
use contracts::ids::{InstrumentId, SeriesId};
use contracts::time::DayNumber;
use strategy::plan::{FeaturePlan, PlanError};

pub use self::bars::{EDGE_PER_SESSION, SESSION_VOLATILITY};
pub use self::files::{MarketFiles, WriteMarketError, write};

/// Whether the past says anything about the future.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It does, through two of the daily series.
    Edge,
    /// It does not.
    Noise,
}

/// What to generate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntheticSpec {
    /// With an edge or without.
    pub kind: Kind,
    /// The same seed gives the same market, bit for bit, on every machine.
    pub seed: u64,
    /// Whose bars.
    pub instrument: InstrumentId,
    /// Local date from which there are sessions.
    pub first_day: DayNumber,
    /// Last local date with a session.
    pub last_day: DayNumber,
    /// Bars left out, in a thousand.
    pub missing_per_mille: u32,
}

impl SyntheticSpec {
    /// A market from one day to another; two bars in a thousand are missing.
    #[must_use]
    pub const fn new(
        kind: Kind,
        seed: u64,
        instrument: InstrumentId,
        first_day: DayNumber,
        last_day: DayNumber,
    ) -> Self {
        Self {
            kind,
            seed,
            instrument,
            first_day,
            last_day,
            missing_per_mille: 2,
        }
    }
}

/// Why a market cannot be generated.
#[derive(Debug, thiserror::Error)]
pub enum SyntheticError {
    /// The feature contract does not compile.
    #[error("the feature contract of the market does not compile")]
    Plan(#[from] PlanError),
    /// The edge lies in daily series that these features do not see.
    #[error(
        "the edge lies in the daily series {series}, for which feature contract {contract} has no rule; generate noise, or use one that has it"
    )]
    Blind {
        /// Which series.
        series: SeriesId,
        /// Name of the feature contract.
        contract: String,
    },
    /// Nothing lies between the dates, or more than is generated at once.
    #[error(
        "{from} to {to} are {days} days; 1 to {} can be generated",
        crate::limits::SYNTHETIC_DAYS_MAX
    )]
    Days {
        /// First day asked for.
        from: DayNumber,
        /// Last day asked for.
        to: DayNumber,
        /// Days from one to the other, both included.
        days: i64,
    },
}

/// Generates a market under the calendar and the publication rules of a feature contract.
///
/// # Errors
/// [`SyntheticError`].
pub fn generate(spec: &SyntheticSpec, features: &FeatureContract) -> Result<Market, SyntheticError> {
    let days = i64::from(spec.last_day.0) - i64::from(spec.first_day.0) + 1;
    if !(1..=crate::limits::SYNTHETIC_DAYS_MAX).contains(&days) {
        return Err(SyntheticError::Days {
            from: spec.first_day,
            to: spec.last_day,
            days,
        });
    }
    let plan = FeaturePlan::new(features)?;
    let daily = series::generate(spec);
    let signals = match spec.kind {
        Kind::Edge => Some(
            edge::Signals::new(&plan, &daily).map_err(|series| SyntheticError::Blind {
                series,
                contract: features.name.to_string(),
            })?,
        ),
        Kind::Noise => edge::Signals::new(&plan, &daily).ok(),
    };
    let bars = bars::generate(spec, plan.calendar(), signals.as_ref());
    Ok(Market {
        instrument: spec.instrument.clone(),
        bars,
        daily,
    })
}
