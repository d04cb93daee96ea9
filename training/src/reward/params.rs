//! The parameters of the terms: their names, defaults and ranges. What is not known by name is refused.

use std::collections::BTreeMap;

/// Why the `reward` section gives no reward. Correct the experiment.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RewardError {
    /// A name no term has.
    #[error("reward.params.{name} is no parameter of a reward term; known are {}", NAMES.join(", "))]
    Unknown {
        /// As given.
        name: String,
    },
    /// A number out of its range.
    #[error("reward.params.{name} = {value}, {expected} is expected")]
    Value {
        /// Which.
        name: &'static str,
        /// As given.
        value: f64,
        /// What it may be.
        expected: &'static str,
    },
}

const NAMES: [&str; 5] = [
    "unit_bps",
    "holding_per_bar",
    "inactivity_per_bar",
    "inactivity_grace_bars",
    "churn_per_change",
];

/// Parameters of the terms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Params {
    /// Basis points of the capital at work that count as one.
    pub unit_bps: f64,
    /// Per used bar with a position.
    pub holding_per_bar: f64,
    /// Per used bar without one, after the grace.
    pub inactivity_per_bar: f64,
    /// Used bars without a position that cost nothing.
    pub inactivity_grace_bars: u32,
    /// Per change of the decision by one.
    pub churn_per_change: f64,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            unit_bps: 10.0,
            holding_per_bar: 0.01,
            inactivity_per_bar: 0.01,
            inactivity_grace_bars: 12,
            churn_per_change: 0.1,
        }
    }
}

impl Params {
    /// Defaults where nothing is given.
    ///
    /// # Errors
    /// [`RewardError`].
    pub fn new(given: &BTreeMap<String, f64>) -> Result<Self, RewardError> {
        if let Some(name) = given.keys().find(|name| !NAMES.contains(&name.as_str())) {
            return Err(RewardError::Unknown { name: name.clone() });
        }
        let default = Self::default();
        let not_negative = |name: &'static str, default: f64| {
            checked(given, name, default, "a finite number of at least 0", |value| {
                value >= 0.0
            })
        };
        let whole = |value: f64| value >= 0.0 && value.fract() == 0.0 && value <= f64::from(u32::MAX);
        let grace = checked(
            given,
            "inactivity_grace_bars",
            f64::from(default.inactivity_grace_bars),
            "a whole number of bars",
            whole,
        )?;
        Ok(Self {
            unit_bps: checked(
                given,
                "unit_bps",
                default.unit_bps,
                "a finite number above 0",
                |value| value > 0.0,
            )?,
            holding_per_bar: not_negative("holding_per_bar", default.holding_per_bar)?,
            inactivity_per_bar: not_negative("inactivity_per_bar", default.inactivity_per_bar)?,
            inactivity_grace_bars: grace as u32,
            churn_per_change: not_negative("churn_per_change", default.churn_per_change)?,
        })
    }
}

fn checked(
    given: &BTreeMap<String, f64>,
    name: &'static str,
    default: f64,
    expected: &'static str,
    holds: impl Fn(f64) -> bool,
) -> Result<f64, RewardError> {
    let value = given.get(name).copied().unwrap_or(default);
    if value.is_finite() && holds(value) {
        return Ok(value);
    }
    Err(RewardError::Value {
        name,
        value,
        expected,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(name: &str, value: f64) -> Result<Params, RewardError> {
        Params::new(&BTreeMap::from([(name.to_owned(), value)]))
    }

    #[test]
    fn every_name_is_read_and_others_are_refused_with_the_known_ones() {
        let default = Params::new(&BTreeMap::new()).unwrap();
        assert_eq!(default, Params::default());
        for name in NAMES {
            assert_ne!(params(name, 7.0).unwrap(), default, "{name}");
        }
        let text = params("churn_penalty", 1.0).unwrap_err().to_string();
        assert!(
            text.contains("churn_penalty") && text.contains("churn_per_change"),
            "{text}"
        );
    }

    #[test]
    fn numbers_out_of_range_are_refused_by_name() {
        for (name, value) in [
            ("unit_bps", 0.0),
            ("holding_per_bar", -0.1),
            ("inactivity_per_bar", f64::NAN),
            ("inactivity_grace_bars", 1.5),
            ("churn_per_change", f64::INFINITY),
        ] {
            let text = params(name, value).unwrap_err().to_string();
            assert!(text.starts_with(&format!("reward.params.{name} = ")), "{text}");
        }
    }
}
