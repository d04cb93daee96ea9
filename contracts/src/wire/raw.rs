//! The model's output before clipping, as messages carry it: a number, three numbers, or an integer.

use std::borrow::Cow;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::action::Raw;

impl Serialize for Raw {
    /// An f32 is written in its own shortest decimal form, not in that of the f64 it could be widened to.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_unit(),
            Self::Scalar(value) => serializer.serialize_f32(*value),
            Self::Logits(values) => values.serialize(serializer),
            Self::Index(index) => serializer.serialize_i64(*index),
        }
    }
}

impl<'de> Deserialize<'de> for Raw {
    /// The form decides: an integer is an index, a number with a point or an exponent a scalar.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a number, three numbers, an integer or null")
    }
    fn visit_unit<E: de::Error>(self) -> Result<Raw, E> {
        Ok(Raw::None)
    }
    fn visit_i64<E: de::Error>(self, index: i64) -> Result<Raw, E> {
        Ok(Raw::Index(index))
    }
    fn visit_u64<E: de::Error>(self, index: u64) -> Result<Raw, E> {
        i64::try_from(index)
            .map(Raw::Index)
            .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(index), &self))
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the text was the shortest form of an f32; the nearest f32 is that value"
    )]
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Scalar(value as f32))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut values = [0.0; 3];
        for (k, value) in values.iter_mut().enumerate() {
            *value = seq
                .next_element()?
                .ok_or_else(|| de::Error::invalid_length(k, &self))?;
        }
        if seq.next_element::<de::IgnoredAny>()?.is_some() {
            return Err(de::Error::invalid_length(4, &self));
        }
        Ok(Raw::Logits(values))
    }
}

impl schemars::JsonSchema for Raw {
    fn schema_name() -> Cow<'static, str> {
        "Raw".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"oneOf": [
            {"type": "number", "description": "continuous: one f32; an integer: the index"},
            {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3, "description": "logits"},
            {"type": "null"},
        ]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_round_trips_by_its_bits() {
        for (raw, text) in [
            (Raw::Scalar(0.1), "0.1"),
            (Raw::Scalar(-1.0), "-1.0"),
            (Raw::Scalar(f32::MIN_POSITIVE), "1.1754944e-38"),
            (Raw::Logits([0.25, -0.0, 1e20]), "[0.25,-0.0,1e+20]"),
            (Raw::Index(2), "2"),
            (Raw::None, "null"),
        ] {
            assert_eq!(serde_json::to_string(&raw).unwrap(), text);
            assert_eq!(serde_json::from_str::<Raw>(text).unwrap(), raw);
        }
        for bad in ["[1.0,2.0]", "[1.0,2.0,3.0,4.0]", "\"1\"", "{}", "true"] {
            assert!(serde_json::from_str::<Raw>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn shortest_f32_decimals_come_back_as_the_same_f32() {
        let mut bits = 0x3f80_0001_u32;
        for _ in 0..20_000 {
            bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let value = f32::from_bits(bits);
            if !value.is_finite() {
                continue;
            }
            let text = serde_json::to_string(&Raw::Scalar(value)).unwrap();
            let Raw::Scalar(back) = serde_json::from_str(&text).unwrap() else {
                panic!("{text} is no scalar");
            };
            assert_eq!(back.to_bits(), bits, "{text}");
        }
    }
}
