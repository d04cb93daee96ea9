//! Ed25519 signatures over digests, separated by what is signed and by whom.
//!
//! The signed bytes are a prefix line that names the kind of document, then the digest in 64 hex characters; a signature
//! of a directive is therefore none of a contract. A key has one purpose; a vote key signs no contract.

mod files;
mod keys;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use self::files::{KeyFileError, PrivateKeyFile, PrivateKeyV1, PublicKeyFile, PublicKeyV1, public_path};
pub use self::keys::{KeyPurpose, PublicKey, PublicKeyError, SigningKey, TrustedKey, TrustedKeys};
use crate::hash::Digest;
use crate::ids::KeyId;

/// What a signature is about; the first line of the signed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// A production contract.
    ProductionContract,
    /// A directive.
    Directive,
    /// A first vote.
    FirstVote,
    /// A second vote.
    SecondVote,
    /// A promotion that follows its vote later.
    Promote,
    /// A return to an earlier model.
    Rollback,
    /// An event of the audit chain.
    AuditEvent,
    /// A head of the audit chain, kept outside the database.
    AuditHead,
}

impl Domain {
    /// The prefix line, its line feed included.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::ProductionContract => "twovote/production-contract/v1\n",
            Self::Directive => "twovote/directive/v1\n",
            Self::FirstVote => "twovote/first-vote/v1\n",
            Self::SecondVote => "twovote/second-vote/v1\n",
            Self::Promote => "twovote/promote/v1\n",
            Self::Rollback => "twovote/rollback/v1\n",
            Self::AuditEvent => "twovote/audit-event/v1\n",
            Self::AuditHead => "twovote/audit-head/v1\n",
        }
    }

    /// The purpose a key must have to sign this.
    #[must_use]
    pub const fn purpose(self) -> KeyPurpose {
        match self {
            Self::ProductionContract | Self::Directive => KeyPurpose::Contract,
            Self::FirstVote => KeyPurpose::Backtest,
            Self::SecondVote | Self::Promote | Self::Rollback => KeyPurpose::Vote,
            Self::AuditEvent | Self::AuditHead => KeyPurpose::Audit,
        }
    }

    /// The bytes that are signed.
    #[must_use]
    pub fn signed_bytes<T>(self, digest: Digest<T>) -> Vec<u8> {
        [self.prefix().as_bytes(), digest.to_hex().as_bytes()].concat()
    }
}

/// 64 bytes of Ed25519, written as 128 lower-case hex characters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SignatureBytes(pub [u8; 64]);

impl std::fmt::Debug for SignatureBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl Serialize for SignatureBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for SignatureBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let mut bytes = [0; 64];
        if text.bytes().any(|b| b.is_ascii_uppercase())
            || hex::decode_to_slice(text.as_bytes(), &mut bytes).is_err()
        {
            return Err(serde::de::Error::custom(
                "a signature is 128 lower-case hex characters",
            ));
        }
        Ok(Self(bytes))
    }
}

impl schemars::JsonSchema for SignatureBytes {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Ed25519Signature".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[0-9a-f]{128}$"})
    }
}

/// One signature and the key it claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// Which key.
    pub key_id: KeyId,
    /// The signature.
    pub signature: SignatureBytes,
}

/// Why a document's signatures do not carry it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The document is unsigned.
    #[error("the document carries no signature")]
    Missing,
    /// No signature is by a key that is trusted for this purpose. Compare `key_id` with `trusted_keys`.
    #[error("signed by {claimed}, none of which is among the {trusted} keys trusted for `{purpose}`")]
    NotTrusted {
        /// Key ids of the signatures, joined.
        claimed: String,
        /// How many keys are trusted for the purpose.
        trusted: usize,
        /// The purpose.
        purpose: KeyPurpose,
    },
    /// A signature names a trusted key but does not fit the document: it was altered, or the signature forged.
    #[error("the signature by {key_id} does not fit the document: it was altered after signing")]
    Forged {
        /// The key that is claimed.
        key_id: KeyId,
    },
}

/// The id of the trusted key whose signature carries `digest`.
///
/// Signatures by unknown keys are passed over (so a document can be signed for the next key before that key is trusted
/// everywhere); one by a trusted key that does not fit refuses the document, whatever else it carries.
///
/// # Errors
/// [`SignatureError`].
pub fn verify<T>(
    signatures: &[Signature],
    trusted: &TrustedKeys,
    domain: Domain,
    digest: Digest<T>,
) -> Result<KeyId, SignatureError> {
    if signatures.is_empty() {
        return Err(SignatureError::Missing);
    }
    let message = domain.signed_bytes(digest);
    let mut carried_by = None;
    for signature in signatures {
        let Some(key) = trusted.find(&signature.key_id, domain.purpose()) else {
            continue;
        };
        if !key.fits(&message, &signature.signature) {
            return Err(SignatureError::Forged {
                key_id: signature.key_id.clone(),
            });
        }
        carried_by.get_or_insert_with(|| signature.key_id.clone());
    }
    carried_by.ok_or_else(|| SignatureError::NotTrusted {
        claimed: signatures
            .iter()
            .map(|s| s.key_id.as_str())
            .collect::<Vec<_>>()
            .join(", "),
        trusted: trusted.with_purpose(domain.purpose()).count(),
        purpose: domain.purpose(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::DirectiveDigest;

    fn trusted(keys: &[(&SigningKey, KeyPurpose)]) -> TrustedKeys {
        TrustedKeys::new(
            keys.iter()
                .map(|(key, purpose)| TrustedKey {
                    purpose: *purpose,
                    public_key: key.public_key(),
                })
                .collect(),
        )
    }

    #[test]
    fn only_a_fitting_signature_of_a_trusted_key_with_the_purpose_carries() {
        let (ours, theirs) = (SigningKey::from_seed([1; 32]), SigningKey::from_seed([2; 32]));
        let digest = DirectiveDigest::of(b"a");
        let good = ours.sign(Domain::Directive, digest);
        let check = |signatures: &[Signature], keys: &TrustedKeys| {
            verify(signatures, keys, Domain::Directive, digest)
        };
        let keys = trusted(&[(&ours, KeyPurpose::Contract)]);

        assert_eq!(check(std::slice::from_ref(&good), &keys), Ok(ours.key_id()));
        assert_eq!(check(&[], &keys), Err(SignatureError::Missing));
        let foreign = theirs.sign(Domain::Directive, digest);
        assert!(matches!(
            check(std::slice::from_ref(&foreign), &keys),
            Err(SignatureError::NotTrusted { .. })
        ));
        assert_eq!(
            check(&[foreign, good.clone()], &keys),
            Ok(ours.key_id()),
            "an unknown key is passed over"
        );
        let wrong_purpose = trusted(&[(&ours, KeyPurpose::Vote)]);
        assert!(matches!(
            check(std::slice::from_ref(&good), &wrong_purpose),
            Err(SignatureError::NotTrusted { trusted: 0, .. })
        ));

        let other_domain = ours.sign(Domain::ProductionContract, digest);
        let other_digest = ours.sign(Domain::Directive, DirectiveDigest::of(b"b"));
        let mut flipped = good.clone();
        flipped.signature.0[5] ^= 1;
        for bad in [other_domain, other_digest, flipped] {
            let refused = check(&[good.clone(), bad], &keys);
            assert!(
                matches!(refused, Err(SignatureError::Forged { .. })),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn a_signature_prints_as_hex_and_parses_back() {
        let signature = SigningKey::from_seed([1; 32]).sign(Domain::Directive, DirectiveDigest::of(b""));
        let text = serde_json::to_string(&signature).unwrap();
        assert_eq!(serde_json::from_str::<Signature>(&text).unwrap(), signature);
        let upper = text
            .to_uppercase()
            .replace("KEY_ID", "key_id")
            .replace("SIGNATURE", "signature");
        assert!(serde_json::from_str::<Signature>(&upper).is_err());
    }
}
