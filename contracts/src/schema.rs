//! Version tags: every persisted document says in `schema_version` what it is, and a reader refuses what it cannot read.

/// Declares a unit type that is written as its tag and read from nothing else.
macro_rules! schema_tag {
    ($(#[$doc:meta])* $name:ident = $tag:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $name;

        impl $name {
            /// The text in `schema_version`.
            pub const TAG: &'static str = $tag;
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(Self::TAG)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                if text == Self::TAG {
                    return Ok(Self);
                }
                Err(serde::de::Error::custom(format_args!(
                    "schema_version is `{text}`, this build reads `{}`", Self::TAG
                )))
            }
        }
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "const": $tag})
            }
        }
    };
}

pub(crate) use schema_tag;

#[cfg(test)]
mod tests {
    schema_tag!(
        /// A tag for this test.
        Sample = "twovote/sample/v1"
    );

    #[test]
    fn a_tag_reads_only_itself() {
        assert_eq!(serde_json::to_string(&Sample).unwrap(), r#""twovote/sample/v1""#);
        assert_eq!(
            serde_json::from_str::<Sample>(r#""twovote/sample/v1""#).unwrap(),
            Sample
        );
        let error = serde_json::from_str::<Sample>(r#""twovote/sample/v2""#)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("v2") && error.contains("twovote/sample/v1"),
            "{error}"
        );
    }
}
