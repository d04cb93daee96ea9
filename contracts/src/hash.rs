//! SHA-256 digests: 64 lower-case hex characters everywhere.

use std::fmt;
use std::marker::PhantomData;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// 32 bytes of SHA-256, tagged with what was hashed, so a model hash cannot stand where a bundle hash belongs.
pub struct Digest<T> {
    bytes: [u8; 32],
    of: PhantomData<fn() -> T>,
}

/// Why a text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a SHA-256 digest: 64 lower-case hex characters are expected")]
pub struct ParseDigestError {
    /// The text as it was given, cut at 80 characters.
    pub text: String,
}

impl<T> Digest<T> {
    /// Hashes `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_bytes(Sha256::digest(bytes).into())
    }

    /// Wraps 32 bytes that are already a digest.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self {
            bytes,
            of: PhantomData,
        }
    }

    /// The raw 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// 64 lower-case hex characters.
    #[must_use]
    pub fn to_hex(self) -> String {
        hex::encode(self.bytes)
    }

    /// The first `n` hex characters, for people and short ids.
    #[must_use]
    pub fn short(self, n: usize) -> String {
        let mut text = self.to_hex();
        text.truncate(n);
        text
    }

    /// Parses 64 lower-case hex characters.
    ///
    /// # Errors
    /// [`ParseDigestError`] for anything else, upper case included.
    pub fn parse(text: &str) -> Result<Self, ParseDigestError> {
        let refused = || ParseDigestError {
            text: text.chars().take(80).collect(),
        };
        if text.len() != 64 || text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(refused());
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| refused())?;
        Ok(Self::from_bytes(bytes))
    }
}

impl<T> Clone for Digest<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Digest<T> {}
impl<T> PartialEq for Digest<T> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}
impl<T> Eq for Digest<T> {}
impl<T> PartialOrd for Digest<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Digest<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.bytes.cmp(&other.bytes)
    }
}
impl<T> std::hash::Hash for Digest<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}
impl<T> fmt::Display for Digest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.bytes))
    }
}
impl<T> fmt::Debug for Digest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl<T> std::str::FromStr for Digest<T> {
    type Err = ParseDigestError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}
impl<T> Serialize for Digest<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de, T> Deserialize<'de> for Digest<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}
impl<T> schemars::JsonSchema for Digest<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Sha256".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[0-9a-f]{64}$"})
    }
}

macro_rules! digests {
    ($($(#[$doc:meta])* $alias:ident = $tag:ident;)*) => {$(
        #[doc = concat!("Tag of [`", stringify!($alias), "`].")]
        pub enum $tag {}
        $(#[$doc])*
        pub type $alias = Digest<$tag>;
    )*};
}

digests! {
    /// Bytes of a stored artifact: its address in the content-addressed store.
    ArtifactHash = OfArtifact;
    /// Bytes of the original ONNX file.
    ModelHash = OfModel;
    /// Bytes of the reduced ONNX graph.
    ExecHash = OfExec;
    /// JCS of the whole norm-stats document.
    NormStatsHash = OfNormStats;
    /// JCS of the whole feature contract with calendar and macro delays inlined.
    FeatureContractHash = OfFeatureContract;
    /// Feature names joined by `,`: order only.
    FeatureOrderHash = OfFeatureOrder;
    /// JCS of `{model_hash, norm_stats_hash, feature_contract_hash, action}`.
    BundleHash = OfBundle;
    /// JCS of the experiment YAML as parsed.
    ConfigHash = OfConfig;
    /// Bytes of the experiment's file.
    SourceHash = OfSource;
    /// JCS of an experiment's reward section.
    RewardHash = OfReward;
    /// Train, validation and test rows of a dataset.
    DatasetHash = OfDataset;
    /// JCS of a production contract without `signatures`.
    ContractDigest = OfContract;
    /// JCS of a directive without `signatures`.
    DirectiveDigest = OfDirective;
    /// JCS of the evidence of a proposal.
    EvidenceDigest = OfEvidence;
    /// Text of a bearer token: what `engine.toml` holds instead of the token.
    TokenHash = OfToken;
    /// Bytes of a shared library.
    LibraryHash = OfLibrary;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_refuses_other_spellings() {
        let digest = ModelHash::of(b"");
        assert_eq!(
            digest.to_hex(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(ModelHash::parse(&digest.to_hex()), Ok(digest));
        assert!(ModelHash::parse(&digest.to_hex().to_uppercase()).is_err());
        assert!(ModelHash::parse("e3b0").is_err());
        assert_eq!(digest.short(12), "e3b0c44298fc");
    }
}
