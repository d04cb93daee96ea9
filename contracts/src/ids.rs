//! Identifiers as distinct types: a `ModelId` where a `ProposalId` belongs does not compile.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::{ID_BYTES_MAX, INSTRUMENT_BYTES_MAX};

/// Why a text is not an identifier of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}: 1 to {max} characters of A–Z a–z 0–9 . _ - {extra} are expected")]
pub struct ParseIdError {
    /// The text as it was given, cut at 120 characters.
    pub text: String,
    /// What was expected, with its article.
    pub what: &'static str,
    /// Longest accepted length in bytes.
    pub max: usize,
    /// Further characters this kind accepts.
    pub extra: &'static str,
}

fn check(text: &str, what: &'static str, max: usize, extra: &'static str) -> Result<(), ParseIdError> {
    let accepted = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c) || extra.contains(c);
    if text.is_empty() || text.len() > max || !text.chars().all(accepted) || text.starts_with('.') {
        return Err(ParseIdError {
            text: text.chars().take(120).collect(),
            what,
            max,
            extra,
        });
    }
    Ok(())
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident, $what:literal, $max:expr, $extra:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Parses and checks the characters and the length.
            ///
            /// # Errors
            /// [`ParseIdError`] naming the text and what was expected.
            pub fn parse(text: &str) -> Result<Self, ParseIdError> {
                check(text, $what, $max, $extra)?;
                Ok(Self(text.into()))
            }

            /// The identifier's text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl std::str::FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "minLength": 1, "maxLength": $max})
            }
        }
    )*};
}

ids! {
    /// A tradable instrument, such as `USDCOP` or `BTC-USDT` (`/` and `:` allowed, as vendors write them).
    InstrumentId, "an instrument name", INSTRUMENT_BYTES_MAX, "/:";
    /// A source of market data, as its file under `config/sources` names it.
    SourceId, "a source name", ID_BYTES_MAX, "";
    /// A vendor of market data, such as `twelvedata`.
    VendorName, "a vendor's name", INSTRUMENT_BYTES_MAX, "";
    /// What a vendor calls an instrument or a series, such as `USD/COP` or `DGS10`.
    VendorId, "a vendor's id", ID_BYTES_MAX, "/:=^";
    /// A daily macro series, such as `dxy`.
    SeriesId, "a macro series name", INSTRUMENT_BYTES_MAX, "";
    /// A registered model: `{experiment}-{first 12 of bundle_hash}`.
    ModelId, "a model id", ID_BYTES_MAX, "";
    /// A deployment slot, such as `usdcop-5m`.
    SlotId, "a slot name", ID_BYTES_MAX, "";
    /// An experiment's name.
    ExperimentName, "an experiment name", ID_BYTES_MAX, "";
    /// A promotion proposal: `PROP-{model_id}-{n}`.
    ProposalId, "a proposal id", ID_BYTES_MAX, "";
    /// An experiment contract: `CTR-EXP-{name}-{version}`.
    ContractId, "a contract id", ID_BYTES_MAX, "";
    /// A training run, as its trainer names it.
    RunId, "a training run's id", ID_BYTES_MAX, "";
    /// An ingest of market data.
    IngestId, "an ingest's id", ID_BYTES_MAX, "";
    /// An engine process, as it names itself.
    EngineId, "an engine id", ID_BYTES_MAX, "";
    /// An environment such as `paper`, `prod` or `local`.
    Environment, "an environment name", ID_BYTES_MAX, "";
    /// A signing key, as listed in `trusted_keys`.
    KeyId, "a key id", ID_BYTES_MAX, "";
    /// A person, as the control plane knows them.
    PersonId, "a user name", ID_BYTES_MAX, "@";
    /// A calendar's name, such as `usdcop`.
    CalendarName, "a calendar name", ID_BYTES_MAX, "";
    /// A feature contract's name, such as `usdcop_15`.
    FeatureContractName, "a feature contract name", ID_BYTES_MAX, "";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_real_names_and_refuses_the_rest() {
        for good in ["USDCOP", "BTC-USDT", "EUR/USD", "C:EURUSD"] {
            assert_eq!(
                InstrumentId::parse(good).map(|id| id.to_string()),
                Ok(good.to_owned())
            );
        }
        let long = "x".repeat(INSTRUMENT_BYTES_MAX + 1);
        for bad in ["", " ", "a b", "../x", ".hidden", "naïve", long.as_str()] {
            assert!(InstrumentId::parse(bad).is_err(), "{bad}");
        }
        assert!(ModelId::parse("a/b").is_err());
    }
}
