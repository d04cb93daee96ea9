//! The feature contract: which numbers, in which order, under which calendar.
//!
//! A contract file names its calendar; the contract itself carries it in full, with the macro delays, so that its hash
//! covers everything a feature's value depends on.

mod calendar;
mod load;
mod operator;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use self::calendar::{Calendar, DAY_MINUTES, LocalTime, ParseLocalTimeError, Weekday, WeeklySession};
pub use self::load::{LoadContractError, load_calendar, load_contract, parse_contract};
pub use self::operator::{FeatureSpec, OperatorSpec, RangeSource};
use crate::hash::{FeatureContractHash, FeatureOrderHash};
use crate::ids::{FeatureContractName, InstrumentId, SeriesId};
use crate::limits::{FEATURES_MAX, SERIES_MAX};

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

/// A contract that parses but contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {detail}")]
pub struct ContractFault {
    /// Where, such as `features[3].params`.
    pub path: String,
    /// What, and what is expected.
    pub detail: String,
}

impl FeatureContract {
    /// SHA-256 of the canonical JSON of the whole contract.
    ///
    /// # Panics
    /// Never for a checked contract: its numbers are finite.
    #[must_use]
    pub fn hash(&self) -> FeatureContractHash {
        crate::jcs::digest(self).expect("a checked contract holds finite numbers and text keys only")
    }

    /// SHA-256 of the feature names joined by `,`: order only.
    #[must_use]
    pub fn order_hash(&self) -> FeatureOrderHash {
        feature_order_hash(self.features.iter().map(|f| f.name.as_str()))
    }

    /// Features in an observation.
    #[must_use]
    pub fn width(&self) -> usize {
        self.features.len()
    }

    /// The first thing that contradicts the rest, if any.
    ///
    /// # Errors
    /// [`ContractFault`] with the path inside the document.
    pub fn check(&self) -> Result<(), ContractFault> {
        let fault = |path: String, detail: String| Err(ContractFault { path, detail });
        if !is_version(&self.version) {
            return fault(
                "version".into(),
                format!("`{}` is no version such as 2.1.0", self.version),
            );
        }
        if let Some((path, detail)) = self.calendar.fault() {
            return fault(format!("calendar.{path}"), detail);
        }
        if self.features.is_empty() || self.features.len() > FEATURES_MAX {
            let detail = format!(
                "{} features; 1 to {FEATURES_MAX} are possible",
                self.features.len()
            );
            return fault("features".into(), detail);
        }
        if self.macro_rules.len() > SERIES_MAX {
            let detail = format!(
                "{} series; at most {SERIES_MAX} are possible",
                self.macro_rules.len()
            );
            return fault("macro".into(), detail);
        }
        for (instrument, bounds) in &self.price_bounds {
            let PriceBounds { price_min, price_max } = *bounds;
            if !(price_min > 0.0 && price_min < price_max && price_max.is_finite()) {
                let detail = format!("0 < price_min {price_min} < price_max {price_max} is expected");
                return fault(format!("price_bounds.{instrument}"), detail);
            }
        }
        if self.gap_reset_bars == Some(0) {
            return fault(
                "gap_reset_bars".into(),
                "at least 1; leave it out to switch it off".into(),
            );
        }
        self.check_features()
    }

    fn check_features(&self) -> Result<(), ContractFault> {
        let mut names = BTreeSet::new();
        let mut used = BTreeSet::new();
        for (i, feature) in self.features.iter().enumerate() {
            let fault = |field: &str, detail: String| {
                let path = format!("features[{i}].{field}");
                Err(ContractFault { path, detail })
            };
            let name = feature.name.as_str();
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
            if name.is_empty() || name == "close_time" || !name.bytes().all(plain) {
                let detail =
                    format!("`{name}` is no column name: lower-case letters, digits and _ are expected");
                return fault("name", detail);
            }
            if !names.insert(name) {
                return fault("name", format!("`{name}` stands here a second time"));
            }
            if let Some(detail) = feature.operator.fault() {
                return fault("params", detail);
            }
            for series in feature.operator.series() {
                if !self.macro_rules.contains_key(series) {
                    return fault("params", format!("series `{series}` has no rule under `macro`"));
                }
                used.insert(series);
            }
            if let Some([low, high]) = feature.clip
                && !(low < high && low.is_finite() && high.is_finite())
            {
                return fault("clip", format!("[{low}, {high}] is no interval"));
            }
        }
        match self.macro_rules.keys().find(|series| !used.contains(series)) {
            Some(unused) => Err(ContractFault {
                path: format!("macro.{unused}"),
                detail: "no feature uses this series".into(),
            }),
            None => Ok(()),
        }
    }
}

/// SHA-256 of names joined by `,`.
#[must_use]
pub fn feature_order_hash<'a>(names: impl Iterator<Item = &'a str>) -> FeatureOrderHash {
    let joined = names.collect::<Vec<_>>().join(",");
    FeatureOrderHash::of(joined.as_bytes())
}

/// True for three numbers of one to six digits with dots between.
pub(crate) fn is_version(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    parts.len() == 3
        && parts
            .iter()
            .all(|part| (1..=6).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract() -> FeatureContract {
        serde_norway::from_str(
            "name: t\nversion: 1.0.0\n\
             calendar: {name: c, zone: UTC, holidays: [], sessions_per_year: 365,\n\
             \x20 sessions: [{days: [mon], open: '00:00', close: '24:00'}]}\n\
             macro: {dxy: {delay_days: 0, max_age_days: 7}}\n\
             features:\n\
             - {name: r, kind: rsi, params: {period: 9}}\n\
             - {name: d, kind: macro_change, params: {series: dxy}, clip: [-0.1, 0.1]}\n",
        )
        .unwrap()
    }

    #[test]
    fn contradictions_are_named_with_their_path() {
        assert_eq!(contract().check(), Ok(()));
        type Change = fn(&mut FeatureContract);
        let cases: [(&str, Change); 9] = [
            ("version", |c| c.version = "2".into()),
            ("calendar.zone", |c| c.calendar.zone = "X".into()),
            ("features", |c| c.features.clear()),
            ("features[1].name", |c| c.features[1].name = "r".into()),
            ("features[0].name", |c| c.features[0].name = "a,b".into()),
            ("features[1].params", |c| c.macro_rules.clear()),
            ("features[1].clip", |c| c.features[1].clip = Some([1.0, 1.0])),
            ("macro.dxy", |c| c.features.truncate(1)),
            ("gap_reset_bars", |c| c.gap_reset_bars = Some(0)),
        ];
        for (path, change) in cases {
            let mut changed = contract();
            change(&mut changed);
            assert_eq!(changed.check().unwrap_err().path, path);
        }
    }

    #[test]
    fn the_hash_covers_calendar_and_delays_and_the_order_hash_only_names() {
        let base = contract();
        let mut other = contract();
        other.calendar.holidays.push(crate::time::DayNumber(20_000));
        assert_ne!(base.hash(), other.hash());
        let mut other = contract();
        other
            .macro_rules
            .values_mut()
            .for_each(|rule| rule.delay_days = 1);
        assert_ne!(base.hash(), other.hash());
        assert_eq!(base.order_hash(), other.order_hash());
        let json = serde_json::to_string(&base).unwrap();
        assert_eq!(
            serde_json::from_str::<FeatureContract>(&json).unwrap().hash(),
            base.hash()
        );
    }
}
