//! Names that others give: a vendor, its name of a series, a source file's id.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::LABEL_BYTES_MAX;

/// A short text that is one line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(Box<str>);

/// Why a text is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no label: 1 to {LABEL_BYTES_MAX} bytes of visible text in one line are expected")]
pub struct ParseLabelError {
    /// As given, cut at 64 characters.
    text: String,
}

impl Label {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Label {
    type Err = ParseLabelError;

    fn from_str(text: &str) -> Result<Self, ParseLabelError> {
        let whole = text.trim() == text && !text.is_empty() && text.len() <= LABEL_BYTES_MAX;
        if whole && !text.chars().any(char::is_control) {
            return Ok(Self(text.into()));
        }
        Err(ParseLabelError {
            text: text.chars().take(64).filter(|c| !c.is_control()).collect(),
        })
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Label {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Who sells the data, and what they call this series.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vendor {
    /// The vendor.
    pub vendor: Label,
    /// Its name of the instrument or series.
    pub vendor_id: Label,
}

impl fmt::Display for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.vendor_id, self.vendor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_one_visible_line() {
        for good in ["DGS10", "USD/COP", "Banco de la República", "x"] {
            assert_eq!(good.parse::<Label>().unwrap().as_str(), good);
        }
        let long = "x".repeat(LABEL_BYTES_MAX + 1);
        for bad in ["", " ", " x", "x ", "a\nb", "a\u{0}b", &long] {
            assert!(bad.parse::<Label>().is_err(), "{bad}");
        }
    }
}
