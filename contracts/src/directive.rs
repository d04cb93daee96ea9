//! The directive: the desired state of a slot, re-issued every quarter of an hour while a model is in production.
//!
//! It names the contract to run, holds or releases the halt latches, and by its age tells the engine that it is on its own.

use serde::{Deserialize, Serialize};

use crate::hash::{ContractDigest, DirectiveDigest};
use crate::ids::{Environment, KeyId, SlotId};
use crate::jcs::{self, JcsError};
use crate::limits::{CONTRACT_BYTES_MAX, SIGNATURES_MAX};
use crate::reason::Latch;
use crate::schema::schema_tag;
use crate::signing::{self, Domain, Signature, SignatureError, SigningKey, TrustedKeys};
use crate::time::UtcMillis;

schema_tag!(
    /// Tag of a directive.
    DirectiveV1 = "twovote/directive/v1"
);

/// The desired state of a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Directive {
    /// What this document is.
    pub schema_version: DirectiveV1,
    /// The environment.
    pub environment: Environment,
    /// The slot.
    pub slot: SlotId,
    /// Generation of the contract; 0 while the slot is empty.
    pub generation: u64,
    /// Digest of the contract; absent while the slot is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<ContractDigest>,
    /// Sets the control latch. `false` clears nothing.
    pub halted: bool,
    /// The latches that two operators agreed to clear; empty in every routine re-issue.
    pub clears: Vec<Latch>,
    /// Strictly increasing per slot.
    pub number: u64,
    /// When.
    pub issued_at: UtcMillis,
    /// From then on the engine is unconfirmed, whatever the grace.
    pub renew_by: UtcMillis,
    /// Over the digest; not part of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<Signature>,
}

/// Why a text is no directive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectiveError {
    /// Larger than any directive.
    #[error("{bytes} bytes are more than a directive may have ({CONTRACT_BYTES_MAX})")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// No JSON of this version's shape; the detail names line and column.
    #[error("no directive: {detail}")]
    Malformed {
        /// serde's message.
        detail: String,
    },
    /// A member contradicts the rest.
    #[error("{field}: {detail}")]
    Inconsistent {
        /// Which one.
        field: &'static str,
        /// What is wrong.
        detail: &'static str,
    },
}

impl Directive {
    /// Parses a directive and checks what follows from the document alone.
    ///
    /// # Errors
    /// [`DirectiveError`].
    pub fn parse(json: &[u8]) -> Result<Self, DirectiveError> {
        if json.len() > CONTRACT_BYTES_MAX {
            return Err(DirectiveError::TooLarge { bytes: json.len() });
        }
        let directive: Self = serde_json::from_slice(json).map_err(|error| DirectiveError::Malformed {
            detail: error.to_string(),
        })?;
        let inconsistent = |field, detail| Err(DirectiveError::Inconsistent { field, detail });
        if directive.contract.is_some() != (directive.generation > 0) {
            return inconsistent("generation", "is 0 exactly when there is no contract");
        }
        if directive.renew_by <= directive.issued_at {
            return inconsistent("renew_by", "must be later than issued_at");
        }
        if directive.halted && directive.clears.contains(&Latch::Control) {
            return inconsistent("clears", "cannot clear the latch that `halted` sets");
        }
        if directive.clears.windows(2).any(|pair| pair[0] >= pair[1]) {
            return inconsistent("clears", "must be sorted, each latch once");
        }
        if directive.signatures.len() > SIGNATURES_MAX {
            return inconsistent("signatures", "are too many");
        }
        Ok(directive)
    }

    /// What is signed.
    ///
    /// # Errors
    /// [`JcsError`] when `generation` or `number` is above 2^53.
    pub fn digest(&self) -> Result<DirectiveDigest, JcsError> {
        let unsigned = Self {
            signatures: Vec::new(),
            ..self.clone()
        };
        jcs::digest(&unsigned)
    }

    /// Adds a signature.
    ///
    /// # Errors
    /// As [`Self::digest`].
    pub fn sign(&mut self, key: &SigningKey) -> Result<(), JcsError> {
        let signature = key.sign(Domain::Directive, self.digest()?);
        self.signatures.push(signature);
        Ok(())
    }

    /// Checks the signatures.
    ///
    /// # Errors
    /// [`SignatureError`]; a number no digest can cover makes the document count as unsigned.
    pub fn verify(&self, trusted: &TrustedKeys) -> Result<KeyId, SignatureError> {
        let digest = self.digest().map_err(|_| SignatureError::Missing)?;
        signing::verify(&self.signatures, trusted, Domain::Directive, digest)
    }

    /// True when it clears this latch.
    #[must_use]
    pub fn clears(&self, latch: Latch) -> bool {
        self.clears.contains(&latch)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::hash::Digest;
    use crate::production::samples;

    pub(crate) fn sample() -> Directive {
        let mut directive = Directive {
            schema_version: DirectiveV1,
            environment: Environment::parse("paper").unwrap(),
            slot: SlotId::parse("usdcop-5m").unwrap(),
            generation: 3,
            contract: Some(Digest::of(b"contract")),
            halted: false,
            clears: vec![Latch::Control, Latch::Local],
            number: 17,
            issued_at: UtcMillis(1_767_618_300_000),
            renew_by: UtcMillis(1_768_223_100_000),
            signatures: vec![],
        };
        directive.sign(&samples::contract_key()).unwrap();
        directive
    }

    #[test]
    fn signs_verifies_and_round_trips() {
        let directive = sample();
        let parsed = Directive::parse(&serde_json::to_vec(&directive).unwrap()).unwrap();
        assert_eq!(parsed, directive);
        assert!(parsed.verify(&samples::trusted()).is_ok());
        assert!(parsed.clears(Latch::Local));
    }

    #[test]
    fn every_member_is_covered_by_the_signature() {
        type Edit = fn(&mut Directive);
        let edits: [Edit; 8] = [
            |d| d.environment = Environment::parse("prod").unwrap(),
            |d| d.slot = SlotId::parse("other").unwrap(),
            |d| d.generation += 1,
            |d| d.contract = Some(Digest::of(b"other")),
            |d| d.halted = true,
            |d| d.clears.clear(),
            |d| d.number += 1,
            |d| d.renew_by = d.renew_by.plus_ms(1),
        ];
        for (n, edit) in edits.into_iter().enumerate() {
            let mut directive = sample();
            edit(&mut directive);
            let refused = directive.verify(&samples::trusted());
            assert!(
                matches!(refused, Err(SignatureError::Forged { .. })),
                "edit {n}: {refused:?}"
            );
        }
    }

    #[test]
    fn contradictions_are_named() {
        let refused = |edit: fn(&mut Directive)| {
            let mut directive = sample();
            edit(&mut directive);
            match Directive::parse(&serde_json::to_vec(&directive).unwrap()) {
                Err(DirectiveError::Inconsistent { field, .. }) => field,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(refused(|d| d.contract = None), "generation");
        assert_eq!(refused(|d| d.renew_by = d.issued_at), "renew_by");
        assert_eq!(refused(|d| d.halted = true), "clears");
        assert_eq!(
            refused(|d| d.clears = vec![Latch::Local, Latch::Control]),
            "clears"
        );
        let text = serde_json::to_string(&sample()).unwrap();
        let unknown = text.replacen('{', r#"{"more":1,"#, 1);
        assert!(matches!(
            Directive::parse(unknown.as_bytes()),
            Err(DirectiveError::Malformed { .. })
        ));
    }
}
