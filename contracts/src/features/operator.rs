//! One feature of a contract: its name, the operator that computes it, its clip.
//!
//! Parsing is strict and keeps the place: `kind` comes before `params`, so parameters are read as their own type and an
//! unknown or ill-typed one is reported with its path, line and column.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::ids::SeriesId;

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
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
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

    /// The macro series it reads, in the order of its parameters.
    pub fn series(&self) -> impl Iterator<Item = &SeriesId> {
        let (first, second) = match self {
            Self::MacroZscore { series, .. } | Self::MacroChange { series } => (Some(series), None),
            Self::MacroSpread { minuend, subtrahend } => (Some(minuend), Some(subtrahend)),
            _ => (None, None),
        };
        first.into_iter().chain(second)
    }

    /// What is wrong with the parameters, if anything.
    pub(super) fn fault(&self) -> Option<String> {
        match self {
            Self::LogReturn { bars: 0 } => Some("bars must be at least 1".to_owned()),
            Self::Rsi { period: 0 | 1 }
            | Self::Natr { period: 0 | 1, .. }
            | Self::Adx { period: 0 | 1, .. } => Some("period must be at least 2".to_owned()),
            Self::MacroZscore {
                window, min_values, ..
            } if *min_values < 2 || min_values > window => Some(format!(
                "min_values {min_values} must lie between 2 and the window {window}"
            )),
            _ => None,
        }
    }
}

/// A named feature.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
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

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    LogReturn,
    Rsi,
    Natr,
    Adx,
    MacroZscore,
    MacroChange,
    MacroSpread,
    Position,
    SessionTime,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bars {
    bars: u16,
}
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Period {
    period: u16,
}
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PeriodRange {
    period: u16,
    range: RangeSource,
}
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Window {
    series: SeriesId,
    window: u16,
    min_values: u16,
}
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Series {
    series: SeriesId,
}
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spread {
    minuend: SeriesId,
    subtrahend: SeriesId,
}
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl<'de> DeserializeSeed<'de> for Kind {
    type Value = OperatorSpec;

    fn deserialize<D: Deserializer<'de>>(self, params: D) -> Result<OperatorSpec, D::Error> {
        Ok(match self {
            Self::LogReturn => {
                let Bars { bars } = Bars::deserialize(params)?;
                OperatorSpec::LogReturn { bars }
            }
            Self::Rsi => {
                let Period { period } = Period::deserialize(params)?;
                OperatorSpec::Rsi { period }
            }
            Self::Natr => {
                let PeriodRange { period, range } = PeriodRange::deserialize(params)?;
                OperatorSpec::Natr { period, range }
            }
            Self::Adx => {
                let PeriodRange { period, range } = PeriodRange::deserialize(params)?;
                OperatorSpec::Adx { period, range }
            }
            Self::MacroZscore => {
                let Window {
                    series,
                    window,
                    min_values,
                } = Window::deserialize(params)?;
                OperatorSpec::MacroZscore {
                    series,
                    window,
                    min_values,
                }
            }
            Self::MacroChange => {
                let Series { series } = Series::deserialize(params)?;
                OperatorSpec::MacroChange { series }
            }
            Self::MacroSpread => {
                let Spread { minuend, subtrahend } = Spread::deserialize(params)?;
                OperatorSpec::MacroSpread { minuend, subtrahend }
            }
            Self::Position => {
                Nothing::deserialize(params)?;
                OperatorSpec::Position
            }
            Self::SessionTime => {
                Nothing::deserialize(params)?;
                OperatorSpec::SessionTime
            }
        })
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    Name,
    Kind,
    Params,
    Clip,
}

struct FeatureVisitor;

impl<'de> Visitor<'de> for FeatureVisitor {
    type Value = FeatureSpec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a feature {name, kind, params, clip}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FeatureSpec, A::Error> {
        let (mut name, mut kind, mut operator, mut clip) = (None, None, None, None);
        while let Some(field) = map.next_key::<Field>()? {
            match field {
                Field::Name => set(&mut name, "name", map.next_value::<String>()?)?,
                Field::Kind => set(&mut kind, "kind", map.next_value::<Kind>()?)?,
                Field::Clip => set(&mut clip, "clip", map.next_value::<[f64; 2]>()?)?,
                Field::Params => {
                    let kind = kind.ok_or_else(|| de::Error::custom("`kind` must stand before `params`"))?;
                    set(&mut operator, "params", map.next_value_seed(kind)?)?;
                }
            }
        }
        let name = name.ok_or_else(|| de::Error::missing_field("name"))?;
        let operator = match (operator, kind) {
            (Some(operator), _) => operator,
            (None, Some(Kind::Position)) => OperatorSpec::Position,
            (None, Some(Kind::SessionTime)) => OperatorSpec::SessionTime,
            (None, Some(_)) => return Err(de::Error::missing_field("params")),
            (None, None) => return Err(de::Error::missing_field("kind")),
        };
        Ok(FeatureSpec { name, operator, clip })
    }
}

fn set<T, E: de::Error>(slot: &mut Option<T>, field: &'static str, value: T) -> Result<(), E> {
    if slot.replace(value).is_some() {
        return Err(E::duplicate_field(field));
    }
    Ok(())
}

impl<'de> Deserialize<'de> for FeatureSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FeatureVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(yaml: &str) -> Result<FeatureSpec, String> {
        serde_norway::from_str(yaml).map_err(|e| e.to_string())
    }

    #[test]
    fn a_feature_survives_json() {
        for yaml in [
            "{name: a, kind: log_return, params: {bars: 12}}",
            "{name: b, kind: natr, params: {period: 10, range: close}, clip: [0, 1.5]}",
            "{name: c, kind: macro_zscore, params: {series: dxy, window: 252, min_values: 60}}",
            "{name: d, kind: macro_spread, params: {minuend: a, subtrahend: b}}",
            "{name: e, kind: position}",
        ] {
            let spec = parse(yaml).unwrap();
            let json = serde_json::to_string(&spec).unwrap();
            assert_eq!(
                serde_json::from_str::<FeatureSpec>(&json).unwrap(),
                spec,
                "{json}"
            );
        }
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        for (yaml, expected) in [
            (
                "name: a\nkind: rsi\nparams: {period: 9, x: 1}",
                "params: unknown field `x`, expected `period` at line 3",
            ),
            (
                "name: a\nkind: rsi\nparams: {period: nine}",
                "params.period: invalid type",
            ),
            ("name: a\nkind: macd\nparams: {}", "unknown variant `macd`"),
            ("name: a\nkind: rsi", "missing field `params`"),
            (
                "name: a\nparams: {period: 9}\nkind: rsi",
                "`kind` must stand before `params`",
            ),
            ("name: a\nkind: position\nclipp: [0, 1]", "unknown field `clipp`"),
            ("kind: position", "missing field `name`"),
        ] {
            let error = parse(yaml).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn parameters_out_of_range_are_faults() {
        let fault = |yaml| parse(yaml).unwrap().operator.fault();
        assert!(fault("{name: a, kind: log_return, params: {bars: 0}}").is_some());
        assert!(fault("{name: a, kind: rsi, params: {period: 1}}").is_some());
        assert!(
            fault("{name: a, kind: macro_zscore, params: {series: s, window: 5, min_values: 6}}").is_some()
        );
        assert!(fault("{name: a, kind: macro_change, params: {series: s}}").is_none());
    }
}
