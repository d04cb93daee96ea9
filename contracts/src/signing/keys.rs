//! Keys and the list of those an engine trusts.

use ed25519_dalek::Signer as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Domain, Signature, SignatureBytes};
use crate::hash::{Digest, LibraryHash};
use crate::ids::KeyId;

/// Hex characters of the public key's hash in a key id: 64 bits, enough to tell a handful of keys apart; the full public
/// key is what is compared.
const KEY_ID_HEX: usize = 16;

/// What a key may sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyPurpose {
    /// Production contracts and directives.
    Contract,
    /// First votes, by the out-of-sample backtest (L4).
    Backtest,
    /// Second votes, later promotions and rollbacks.
    Vote,
    /// Events of the audit chain and its heads.
    Audit,
}

impl std::fmt::Display for KeyPurpose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Contract => "contract",
            Self::Backtest => "backtest",
            Self::Vote => "vote",
            Self::Audit => "audit",
        })
    }
}

/// A private key; wiped from memory when dropped, never printed.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key of 32 secret bytes; the caller draws them from the operating system's generator.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(&seed))
    }

    /// The 32 secret bytes, for the key file.
    #[must_use]
    pub(super) fn seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Its public half.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Its id.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.public_key().key_id()
    }

    /// Signs a digest.
    #[must_use]
    pub fn sign<T>(&self, domain: Domain, digest: Digest<T>) -> Signature {
        let signature = self.0.sign(&domain.signed_bytes(digest));
        Signature {
            key_id: self.key_id(),
            signature: SignatureBytes(signature.to_bytes()),
        }
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.key_id())
    }
}

/// Why a text is not a public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// Not 64 lower-case hex characters.
    #[error("a public key is 64 lower-case hex characters")]
    NotHex,
    /// No point of the curve, or one of small order that any signature would fit.
    #[error("these 32 bytes are no usable Ed25519 public key")]
    NotAKey,
}

/// An Ed25519 public key, written as 64 lower-case hex characters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(ed25519_dalek::VerifyingKey);

impl PublicKey {
    /// Parses 64 lower-case hex characters.
    ///
    /// # Errors
    /// [`PublicKeyError`].
    pub fn parse(text: &str) -> Result<Self, PublicKeyError> {
        let mut bytes = [0; 32];
        if text.bytes().any(|b| b.is_ascii_uppercase()) || hex::decode_to_slice(text, &mut bytes).is_err() {
            return Err(PublicKeyError::NotHex);
        }
        let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| PublicKeyError::NotAKey)?;
        if key.is_weak() {
            return Err(PublicKeyError::NotAKey);
        }
        Ok(Self(key))
    }

    /// 64 lower-case hex characters.
    #[must_use]
    pub fn to_hex(self) -> String {
        hex::encode(self.0.as_bytes())
    }

    /// `ed25519-` and the first 16 hex characters of the SHA-256 of the 32 bytes.
    #[must_use]
    pub fn key_id(self) -> KeyId {
        let hash: LibraryHash = Digest::of(self.0.as_bytes());
        KeyId::parse(&format!("ed25519-{}", hash.short(KEY_ID_HEX)))
            .expect("hex and a dash are accepted in ids")
    }

    /// True when `signature` over `message` is by this key (strict verification, RFC 8032 without its loopholes).
    #[must_use]
    pub fn fits(self, message: &[u8], signature: &SignatureBytes) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.0.verify_strict(message, &signature).is_ok()
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_hex())
    }
}
impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_hex())
    }
}
impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}
impl schemars::JsonSchema for PublicKey {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Ed25519PublicKey".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[0-9a-f]{64}$"})
    }
}

/// One entry of `trusted_keys`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustedKey {
    /// What it may sign.
    pub purpose: KeyPurpose,
    /// The key.
    pub public_key: PublicKey,
}

/// The keys an engine trusts. Rotation: add the new one, re-sign, remove the old one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrustedKeys(Vec<TrustedKey>);

impl TrustedKeys {
    /// From a list.
    #[must_use]
    pub const fn new(keys: Vec<TrustedKey>) -> Self {
        Self(keys)
    }

    /// True when nothing can be verified.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys with a purpose.
    pub fn with_purpose(&self, purpose: KeyPurpose) -> impl Iterator<Item = PublicKey> {
        self.0
            .iter()
            .filter(move |key| key.purpose == purpose)
            .map(|key| key.public_key)
    }

    /// The key of this id, if it is trusted for the purpose.
    #[must_use]
    pub fn find(&self, key_id: &KeyId, purpose: KeyPurpose) -> Option<PublicKey> {
        self.with_purpose(purpose).find(|key| key.key_id() == *key_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, section 7.1, test 1: the key pair and the signature of the empty message.
    #[test]
    fn is_ed25519_as_rfc_8032_has_it() {
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let mut bytes = [0; 32];
        hex::decode_to_slice(seed, &mut bytes).unwrap();
        let public = SigningKey::from_seed(bytes).public_key();
        assert_eq!(
            public.to_hex(),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        );
        let mut signature = [0; 64];
        hex::decode_to_slice(
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            &mut signature,
        )
        .unwrap();
        assert!(public.fits(b"", &SignatureBytes(signature)));
        assert!(!public.fits(b"x", &SignatureBytes(signature)));
    }

    #[test]
    fn a_key_any_signature_fits_is_refused() {
        let identity = format!("01{}", "00".repeat(31));
        assert_eq!(PublicKey::parse(&identity), Err(PublicKeyError::NotAKey));
        assert_eq!(PublicKey::parse("ab"), Err(PublicKeyError::NotHex));
    }

    #[test]
    fn a_private_key_does_not_print_itself() {
        let key = SigningKey::from_seed([7; 32]);
        let shown = format!("{key:?}");
        assert!(
            shown.contains(key.key_id().as_str()) && !shown.contains("0707"),
            "{shown}"
        );
    }
}
