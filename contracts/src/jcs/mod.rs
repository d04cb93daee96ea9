//! Canonical JSON after RFC 8785 (JCS): one value, one text, one digest.
//!
//! Keys are ordered by their UTF-16 code units, numbers are IEEE doubles in ECMAScript's shortest form, strings escape
//! only what they must. The writer is a serde serializer of its own rather than a pass over `serde_json::Value`, because
//! the latter turns a NaN into `null` in silence, and a digest must not.

mod serializer;

use serde::Serialize;

use crate::hash::Digest;

/// Largest integer up to which every integer is a double.
const EXACT_INTEGER_MAX: u128 = 1 << 53;

/// Why a value has no canonical form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JcsError {
    /// NaN and infinities are no JSON numbers; the document that holds one must be mended, not hashed.
    #[error("{0} has no form in JSON: only finite numbers can be hashed")]
    NotFinite(String),
    /// An integer no double can hold: two such integers would get one digest. Write it as a text.
    #[error("{0} is no exact double: integers beyond 2^53 cannot be hashed, write it as a text")]
    InexactInteger(String),
    /// A map key that is neither a text nor an integer.
    #[error("a map key is no text: {0}")]
    KeyNotText(String),
    /// The same key twice in one object.
    #[error("the key `{0}` occurs twice in one object")]
    DuplicateKey(String),
    /// The value's own `Serialize` refused.
    #[error("{0}")]
    Refused(String),
}

impl serde::ser::Error for JcsError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Refused(message.to_string())
    }
}

/// The canonical text of `value`.
///
/// An `f32` counts as the double of the same value.
///
/// # Errors
/// [`JcsError`] when the value holds a number JSON or a double cannot carry, or an object without unique text keys.
pub fn to_canonical(value: &(impl Serialize + ?Sized)) -> Result<String, JcsError> {
    let mut out = String::new();
    value.serialize(serializer::Canonical { out: &mut out })?;
    Ok(out)
}

/// SHA-256 of the canonical text; the tag of the digest is chosen by the caller.
///
/// # Errors
/// As [`to_canonical`].
pub fn digest<T>(value: &(impl Serialize + ?Sized)) -> Result<Digest<T>, JcsError> {
    Ok(Digest::of(to_canonical(value)?.as_bytes()))
}

/// ECMAScript's `Number::toString` (RFC 8785, 3.2.2.3).
fn push_number(out: &mut String, number: f64) -> Result<(), JcsError> {
    if !number.is_finite() {
        return Err(JcsError::NotFinite(number.to_string()));
    }
    out.push_str(ryu_js::Buffer::new().format_finite(number));
    Ok(())
}

/// An integer, as the double it is.
#[expect(
    clippy::cast_precision_loss,
    reason = "checked: only exact integers are converted"
)]
fn push_integer(out: &mut String, integer: i128) -> Result<(), JcsError> {
    if integer.unsigned_abs() > EXACT_INTEGER_MAX {
        return Err(JcsError::InexactInteger(integer.to_string()));
    }
    push_number(out, integer as f64)
}

/// A quoted string (RFC 8785, 3.2.2.2): two-character escapes where they exist, `\u00xx` for other controls.
fn push_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use serde_json::{Value, json};

    use super::*;

    fn canonical(text: &str) -> String {
        to_canonical(&serde_json::from_str::<Value>(text).unwrap()).unwrap()
    }

    #[test]
    fn the_example_of_rfc_8785_section_3_2() {
        let input = r#"{
            "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
            "literals": [null, true, false]
        }"#;
        let expected = concat!(
            r#"{"literals":[null,true,false],"#,
            r#""numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"#,
            r#""string":"€$\u000f\nA'B\"\\\\\"/"}"#
        );
        assert_eq!(canonical(input), expected);
    }

    #[test]
    fn keys_are_ordered_by_utf16_code_units_as_in_section_3_2_3() {
        let input = r#"{
            "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh",
            "1": "One", "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"
        }"#;
        let text = canonical(input);
        let order = ["Carriage", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew"];
        let found: Vec<usize> = order.iter().map(|word| text.find(word).unwrap()).collect();
        assert!(found.is_sorted(), "{text}");
        assert_eq!(
            canonical(r#"{"peach":1,"p\u00e9ch\u00e9":2,"p\u00eache":3,"sin":4}"#),
            r#"{"peach":1,"péché":2,"pêche":3,"sin":4}"#
        );
    }

    #[test]
    fn the_number_samples_of_appendix_b() {
        for (bits, expected) in [
            (0x0000_0000_0000_0000_u64, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0xc340_0000_0000_0000, "-9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0x41b3_de43_5555_5554, "333333333.33333325"),
            (0x41b3_de43_5555_5555, "333333333.3333333"),
            (0x41b3_de43_5555_5556, "333333333.3333334"),
            (0x41b3_de43_5555_5557, "333333333.33333343"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
        ] {
            assert_eq!(
                to_canonical(&f64::from_bits(bits)).as_deref(),
                Ok(expected),
                "{bits:016x}"
            );
        }
    }

    #[test]
    fn what_would_hash_ambiguously_is_refused() {
        assert!(matches!(to_canonical(&[f64::NAN]), Err(JcsError::NotFinite(_))));
        assert!(matches!(
            to_canonical(&f32::INFINITY),
            Err(JcsError::NotFinite(_))
        ));
        assert!(matches!(
            to_canonical(&(u64::MAX)),
            Err(JcsError::InexactInteger(_))
        ));
        assert!(matches!(
            to_canonical(&i64::MIN),
            Err(JcsError::InexactInteger(_))
        ));
        assert_eq!(to_canonical(&(1_u64 << 53)).as_deref(), Ok("9007199254740992"));
        let odd_keys = HashMap::from([((1, 2), 3)]);
        assert!(matches!(to_canonical(&odd_keys), Err(JcsError::KeyNotText(_))));
    }

    /// Every shape serde knows, against the value `serde_json` makes of it.
    #[test]
    fn a_type_and_its_json_have_one_canonical_form() {
        #[derive(serde::Serialize)]
        #[serde(rename_all = "snake_case")]
        enum Shape {
            Unit,
            Newtype(i8),
            Tuple(u8, char),
            Struct { z: Option<f32>, a: () },
        }
        #[derive(serde::Serialize)]
        struct Flat {
            b: u8,
            #[serde(flatten)]
            more: BTreeMap<String, bool>,
        }
        #[derive(serde::Serialize)]
        struct All(
            Vec<Shape>,
            Flat,
            BTreeMap<u16, &'static str>,
            Option<Flat>,
            (i64, f64),
        );
        let all = All(
            vec![
                Shape::Unit,
                Shape::Newtype(-1),
                Shape::Tuple(1, 'ö'),
                Shape::Struct { z: Some(0.5), a: () },
                Shape::Struct { z: None, a: () },
            ],
            Flat {
                b: 1,
                more: BTreeMap::from([("a".to_owned(), true)]),
            },
            BTreeMap::from([(10, "ten"), (9, "nine")]),
            None,
            (-0, -0.0),
        );
        let value = serde_json::to_value(&all).unwrap();
        let text = to_canonical(&all).unwrap();
        assert_eq!(text, to_canonical(&value).unwrap());
        assert_eq!(
            text,
            r#"[["unit",{"newtype":-1},{"tuple":[1,"ö"]},{"struct":{"a":null,"z":0.5}},{"struct":{"a":null,"z":null}}],{"a":true,"b":1},{"10":"ten","9":"nine"},null,[0,0]]"#
        );
    }

    #[test]
    fn a_digest_is_sha256_of_the_text() {
        let digest: crate::hash::ConfigHash = digest(&json!({"b": 1, "a": 2.0})).unwrap();
        assert_eq!(digest, crate::hash::Digest::of(br#"{"a":2,"b":1}"#));
    }
}
