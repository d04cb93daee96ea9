//! Which instruments a client asks for: a list, or `"*"`.

use std::borrow::Cow;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::InstrumentId;
use crate::limits::SUBSCRIPTION_INSTRUMENTS_MAX;

/// `"*"`, or a list of 1 to [`SUBSCRIPTION_INSTRUMENTS_MAX`] names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstrumentFilter {
    /// Every instrument the token allows.
    All,
    /// These.
    Only(Vec<InstrumentId>),
}

impl Serialize for InstrumentFilter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str("*"),
            Self::Only(names) => names.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for InstrumentFilter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FilterVisitor)
    }
}

struct FilterVisitor;

impl<'de> Visitor<'de> for FilterVisitor {
    type Value = InstrumentFilter;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "\"*\" or a list of 1 to {SUBSCRIPTION_INSTRUMENTS_MAX} instrument names"
        )
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        if text == "*" {
            Ok(InstrumentFilter::All)
        } else {
            Err(E::invalid_value(de::Unexpected::Str(text), &self))
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut names = Vec::new();
        while let Some(name) = seq.next_element()? {
            if names.len() == SUBSCRIPTION_INSTRUMENTS_MAX {
                return Err(de::Error::invalid_length(names.len() + 1, &self));
            }
            names.push(name);
        }
        if names.is_empty() {
            return Err(de::Error::invalid_length(0, &self));
        }
        Ok(InstrumentFilter::Only(names))
    }
}

impl schemars::JsonSchema for InstrumentFilter {
    fn schema_name() -> Cow<'static, str> {
        "InstrumentFilter".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let item = generator.subschema_for::<InstrumentId>();
        schemars::json_schema!({"oneOf": [
            {"const": "*"},
            {"type": "array", "minItems": 1, "maxItems": SUBSCRIPTION_INSTRUMENTS_MAX, "items": item},
        ]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_or_a_list_and_nothing_else() {
        let parse = serde_json::from_str::<InstrumentFilter>;
        assert_eq!(parse("\"*\"").unwrap(), InstrumentFilter::All);
        let only = InstrumentFilter::Only(vec![InstrumentId::parse("USDCOP").unwrap()]);
        assert_eq!(parse("[\"USDCOP\"]").unwrap(), only);
        let long = format!("[{}\"A\"]", "\"A\",".repeat(SUBSCRIPTION_INSTRUMENTS_MAX));
        for bad in ["[]", "\"USDCOP\"", "1", "null", "[1]", "[\"a b\"]", long.as_str()] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
