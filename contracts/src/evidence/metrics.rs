//! The figures of a run. Names are the plan's where it has one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::DayNumber;

/// Why a figure is null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Undefined {
    /// Fewer than two sessions, or no trade.
    TooFew,
    /// No session differs from another.
    ZeroVariance,
    /// No trade lost, so that a ratio to the losses has no value.
    NoLosses,
    /// No drawdown, so that a ratio to it has no value.
    NoDrawdown,
    /// Equity fell to 0 or below.
    Ruined,
    /// The figure is at or below what it is compared with.
    NotAbove,
    /// There is nothing to compare with.
    NoBaseline,
    /// Too few values in a bin, or none.
    NoData,
}

/// A two-sided interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// A figure, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// The figure; null when undefined.
    pub value: Option<f64>,
    /// Its 95 % interval, where one is computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci95: Option<Interval>,
    /// Why the figure is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undefined: Option<Undefined>,
}

impl Measured {
    /// A finite figure; anything else is undefined for `otherwise`.
    #[must_use]
    pub fn new(value: f64, otherwise: Undefined) -> Self {
        if value.is_finite() {
            Self {
                value: Some(value),
                ci95: None,
                undefined: None,
            }
        } else {
            Self::none(otherwise)
        }
    }

    /// No figure.
    #[must_use]
    pub const fn none(why: Undefined) -> Self {
        Self {
            value: None,
            ci95: None,
            undefined: Some(why),
        }
    }

    /// The same figure with an interval.
    #[must_use]
    pub const fn with_interval(mut self, interval: Option<Interval>) -> Self {
        self.ci95 = interval;
        self
    }
}

/// Every figure of a run. Sharpe and its kin are of returns per session, annualised by the calendar's number of sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Annual: mean/std(ddof = 1) × √sessions_per_year.
    pub sharpe_ratio: Measured,
    /// The same per session, as every test statistic takes it.
    pub sharpe_per_session: Measured,
    /// Annual, over the downside deviation.
    pub sortino_ratio: Measured,
    /// Annual return over the drawdown.
    pub calmar_ratio: Measured,
    /// Largest fall from a peak, as a positive fraction of it; per bar, the initial capital is the first peak.
    pub max_drawdown: Measured,
    /// Upper 95 % bound of it by resampling sessions.
    pub max_drawdown_upper95: Measured,
    /// Bars from the peak to the return to it, the longest.
    pub max_drawdown_duration_bars: u64,
    /// Net profit over the initial capital.
    pub total_return: Measured,
    /// Trades with net profit / closed trades, with its Wilson interval.
    pub win_rate: Measured,
    /// Profits / losses of trades.
    pub profit_factor: Measured,
    /// Closed trades.
    pub total_trades: u64,
    /// Mean net profit of a trade, in quote currency.
    pub avg_trade_pnl: Measured,
    /// Mean net profit of a trade over its mean loss.
    pub expectancy: Measured,
    /// Share of used bars with a position.
    pub exposure: Measured,
    /// Notional traded over the initial capital.
    pub turnover: Measured,
    /// Costs over the gross profit.
    pub cost_share: Measured,
    /// Cost in basis points at which the net profit is 0.
    pub break_even_cost_bps: Measured,
    /// Skewness of the session returns (population moments).
    pub skewness: Measured,
    /// Kurtosis of the session returns, not excess (normal = 3).
    pub kurtosis: Measured,
    /// P(true Sharpe > 0), Bailey and López de Prado 2012.
    pub psr: Measured,
    /// P(true Sharpe > the best of N lucky ones).
    pub dsr: Measured,
    /// Sessions needed for 95 % confidence in a Sharpe above 0.
    pub min_track_record_sessions: Measured,
    /// First session.
    pub test_period_start: DayNumber,
    /// Last session.
    pub test_period_end: DayNumber,
    /// Listed sessions, those without a bar included.
    pub sessions: u32,
}
