//! The feature contract: which numbers, in which order, under which calendar.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{CalendarName, FeatureContractName, InstrumentId, SeriesId};

/// A calendar: when bars are in session and what a local day is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// The name, also the file's stem under `config/calendars/`.
    pub name: CalendarName,
    /// IANA zone, such as `America/Bogota`.
    pub zone: String,
    /// Weekly sessions in local time.
    pub sessions: Vec<WeeklySession>,
    /// Local dates without a session.
    pub holidays: Vec<String>,
    /// Sessions in a year, for annualising.
    pub sessions_per_year: f64,
}

/// One weekly session. A `close` at or before its `open` ends on the next local day (`24:00` is midnight).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeeklySession {
    /// Days on which it opens: `mon` … `sun`.
    pub days: Vec<Weekday>,
    /// Local open, `HH:MM`.
    pub open: String,
    /// Local close, `HH:MM`.
    pub close: String,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the seven days name themselves")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// How a macro series becomes visible and when it is too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MacroRule {
    /// Calendar days between the end of the observation date and its publication.
    pub delay_days: u16,
    /// Oldest accepted observation, in local calendar days.
    pub max_age_days: u16,
}

/// Absolute bounds outside which a price is impossible.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceBounds {
    /// Lowest possible price.
    pub price_min: f64,
    /// Highest possible price.
    pub price_max: f64,
}

/// Which prices a range operator looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RangeSource {
    /// True highs and lows.
    Ohlc,
    /// High = low = close.
    Close,
}

/// One operator with its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(
    tag = "kind",
    content = "params",
    rename_all = "snake_case",
    deny_unknown_fields
)]
pub enum OperatorSpec {
    /// ln(c_t / c_{t−bars})
    LogReturn {
        /// Bars back.
        bars: u16,
    },
    /// Wilder RSI.
    Rsi {
        /// Wilder period.
        period: u16,
    },
    /// Wilder ATR / close × 100.
    Natr {
        /// Wilder period.
        period: u16,
        /// Highs and lows, or closes only.
        range: RangeSource,
    },
    /// Wilder ADX.
    Adx {
        /// Wilder period.
        period: u16,
        /// Highs and lows, or closes only.
        range: RangeSource,
    },
    /// (x − mean)/std over the last `window` daily values, the current one included.
    MacroZscore {
        /// The series.
        series: SeriesId,
        /// Daily values in a full window.
        window: u16,
        /// Daily values from which it is defined.
        min_values: u16,
    },
    /// x_D / x_{D−1} − 1 over the last two daily values.
    MacroChange {
        /// The series.
        series: SeriesId,
    },
    /// minuend − subtrahend, both at their last visible daily value.
    MacroSpread {
        /// The first series.
        minuend: SeriesId,
        /// The series taken from it.
        subtrahend: SeriesId,
    },
    /// The instrument's position; a state feature.
    Position,
    /// (bar open − session open) / session length; a state feature.
    SessionTime,
}

impl OperatorSpec {
    /// State features are given to the model as they are, without normalisation.
    #[must_use]
    pub const fn is_state(&self) -> bool {
        matches!(self, Self::Position | Self::SessionTime)
    }
}

/// A named feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FeatureSpec {
    /// Column name.
    pub name: String,
    /// Kind and parameters.
    #[serde(flatten)]
    pub operator: OperatorSpec,
    /// Lowest and highest value before normalisation; `None` = unclipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<[f64; 2]>,
}

/// A whole feature contract, calendar and macro delays inlined: what `feature_contract_hash` covers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeatureContract {
    /// Name, such as `usdcop_15`.
    pub name: FeatureContractName,
    /// Semantic version.
    pub version: String,
    /// The calendar.
    pub calendar: Calendar,
    /// Visibility and age limits per macro series; every series an operator names must be here.
    #[serde(rename = "macro", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub macro_rules: BTreeMap<SeriesId, MacroRule>,
    /// Absolute price bounds per instrument.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub price_bounds: BTreeMap<InstrumentId, PriceBounds>,
    /// After this many missing bars the operators restart; off when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap_reset_bars: Option<u32>,
    /// The features in the order the model sees them.
    pub features: Vec<FeatureSpec>,
}
