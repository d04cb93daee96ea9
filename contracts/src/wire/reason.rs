//! `withheld.reason`: a word, or `stale:` and the name of the series.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::reason::Withheld;

/// Why a bar gave no decision, with the series' name where one is too old.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason<'a> {
    /// One of the words without a further part; never [`Withheld::Stale`] (see [`Reason::new`]).
    Word(Withheld),
    /// `stale:<series>`.
    Stale(Cow<'a, str>),
}

/// A text that is none of the reasons.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a reason for withholding; expected one of no_model, warming, stale:<series>, late, off_session, halted, quarantined, not_finite, unconfirmed, no_position"
)]
pub struct ParseReasonError(pub String);

impl<'a> Reason<'a> {
    /// From the core's reason; `series` is read only for [`Withheld::Stale`].
    #[must_use]
    pub const fn new(withheld: Withheld, series: &'a str) -> Self {
        match withheld {
            Withheld::Stale(_) => Self::Stale(Cow::Borrowed(series)),
            word => Self::Word(word),
        }
    }

    /// Parses what [`fmt::Display`] writes.
    ///
    /// # Errors
    /// [`ParseReasonError`] with the text.
    pub fn parse(text: &str) -> Result<Reason<'static>, ParseReasonError> {
        if let Some(series) = text.strip_prefix("stale:").filter(|series| !series.is_empty()) {
            return Ok(Reason::Stale(Cow::Owned(series.to_owned())));
        }
        [
            Withheld::OffSession,
            Withheld::Quarantined,
            Withheld::Halted,
            Withheld::NoModel,
            Withheld::Unconfirmed,
            Withheld::Late,
            Withheld::Warming,
            Withheld::NoPosition,
            Withheld::NotFinite,
        ]
        .into_iter()
        .find(|reason| reason.word() == text)
        .map(Reason::Word)
        .ok_or_else(|| ParseReasonError(text.chars().take(80).collect()))
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(reason) => f.write_str(reason.word()),
            Self::Stale(series) => write!(f, "stale:{series}"),
        }
    }
}

impl Serialize for Reason<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reason<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Reason<'_> {
    fn schema_name() -> Cow<'static, str> {
        "Reason".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^(no_model|warming|stale:.+|late|off_session|halted|quarantined|not_finite|unconfirmed|no_position)$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_refuses_the_rest() {
        for (reason, text) in [
            (Reason::new(Withheld::Stale(3), "dxy"), "stale:dxy"),
            (Reason::new(Withheld::OffSession, "dxy"), "off_session"),
            (Reason::new(Withheld::NotFinite, ""), "not_finite"),
        ] {
            assert_eq!(reason.to_string(), text);
            assert_eq!(Reason::parse(text), Ok(reason));
        }
        for bad in ["", "stale", "stale:", "late ", "LATE"] {
            assert!(Reason::parse(bad).is_err(), "{bad}");
        }
    }
}
