//! The one check every directive passes, whether the source brought it or an operator handed it in.

use contracts::directive::{Directive, DirectiveError};
use contracts::hash::ContractDigest;
use contracts::ids::{Environment, SlotId};
use contracts::reason::Latch;
use contracts::signing::{SignatureError, TrustedKeys};

use crate::core::input::Input;

/// Why a directive changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectiveRefused {
    /// It is no directive.
    #[error("it is no directive")]
    Malformed(#[source] DirectiveError),
    /// Its signatures do not carry it.
    #[error("its signatures do not carry it")]
    BadSignature(#[source] SignatureError),
    /// It is for another environment.
    #[error("it is for environment `{found}`, this engine is in `{own}`")]
    Environment {
        /// The directive's.
        found: Environment,
        /// The engine's.
        own: Environment,
    },
    /// It is for another slot.
    #[error("it is for slot `{found}`, this engine serves `{own}`")]
    Slot {
        /// The directive's.
        found: SlotId,
        /// The engine's.
        own: SlotId,
    },
    /// It, or a newer one, was accepted before.
    #[error("its number {found} is not above {highest}, which was accepted before")]
    Replayed {
        /// The directive's.
        found: u64,
        /// The highest accepted.
        highest: u64,
    },
}

impl DirectiveRefused {
    /// A stable word for receipts and the command line.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::BadSignature(_) => "bad_signature",
            Self::Environment { .. } => "environment_mismatch",
            Self::Slot { .. } => "slot_mismatch",
            Self::Replayed { .. } => "replayed",
        }
    }
}

/// What the newest directive wants the slot to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Desired {
    /// There has never been a directive: any contract that passes its checks.
    Anything,
    /// The journal knows the newest directive's number and nobody has said since what it wants: nothing until somebody does.
    Unknown,
    /// A signed "this slot runs nothing".
    Nothing,
    /// This contract and no other.
    Contract(ContractDigest),
}

impl Desired {
    /// True when a voted contract of this digest may be adopted.
    #[must_use]
    pub fn allows(self, digest: ContractDigest) -> bool {
        self == Self::Anything || self == Self::Contract(digest)
    }
}

/// Verifies directives and remembers the highest number, and what that one wants.
#[derive(Debug)]
pub struct DirectiveGate {
    environment: Environment,
    slot: SlotId,
    trusted: TrustedKeys,
    highest: Option<u64>,
    desired: Desired,
    /// The bytes of the newest directive, until the follower has cached them.
    uncached: Option<Vec<u8>>,
}

impl DirectiveGate {
    /// `highest` is the highest number in the journal.
    #[must_use]
    pub const fn new(
        environment: Environment,
        slot: SlotId,
        trusted: TrustedKeys,
        highest: Option<u64>,
    ) -> Self {
        Self {
            environment,
            slot,
            trusted,
            highest,
            desired: match highest {
                None => Desired::Anything,
                Some(_) => Desired::Unknown,
            },
            uncached: None,
        }
    }

    /// What the newest directive wants.
    #[must_use]
    pub const fn desired(&self) -> Desired {
        self.desired
    }

    /// The highest number accepted so far.
    #[must_use]
    pub const fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// Checks everything but the number.
    ///
    /// # Errors
    /// [`DirectiveRefused`].
    pub fn verify(&self, json: &[u8]) -> Result<Directive, DirectiveRefused> {
        let directive = Directive::parse(json).map_err(DirectiveRefused::Malformed)?;
        directive
            .verify(&self.trusted)
            .map_err(DirectiveRefused::BadSignature)?;
        if directive.environment != self.environment {
            return Err(DirectiveRefused::Environment {
                found: directive.environment,
                own: self.environment.clone(),
            });
        }
        if directive.slot != self.slot {
            return Err(DirectiveRefused::Slot {
                found: directive.slot,
                own: self.slot.clone(),
            });
        }
        Ok(directive)
    }

    /// Checks a directive, its number included, without accepting it.
    ///
    /// # Errors
    /// [`DirectiveRefused`].
    pub fn check(&self, json: &[u8]) -> Result<Directive, DirectiveRefused> {
        let directive = self.verify(json)?;
        match self.highest {
            Some(highest) if directive.number <= highest => Err(DirectiveRefused::Replayed {
                found: directive.number,
                highest,
            }),
            _ => Ok(directive),
        }
    }

    /// Remembers that a checked directive, whose bytes are `json`, was handed to the cores: its number and all below are spent,
    /// and what it wants is wanted.
    pub fn accept(&mut self, directive: &Directive, json: &[u8]) {
        if self.highest.is_none_or(|highest| directive.number > highest) {
            self.highest = Some(directive.number);
            self.want(directive);
            self.uncached = Some(json.to_owned());
        }
    }

    /// Takes from a directive whose number the journal knows what it wants, which is not in the journal.
    pub fn recall(&mut self, directive: &Directive) {
        if self.desired == Desired::Unknown && self.highest == Some(directive.number) {
            self.want(directive);
        }
    }

    /// The newest directive's bytes, once, to be cached.
    pub const fn take_uncached(&mut self) -> Option<Vec<u8>> {
        self.uncached.take()
    }

    fn want(&mut self, directive: &Directive) {
        self.desired = directive.contract.map_or(Desired::Nothing, Desired::Contract);
    }
}

/// What the cores are told of a checked directive.
#[must_use]
pub fn input(directive: &Directive) -> Input {
    Input::Directive {
        number: directive.number,
        halted: directive.halted,
        clears_control: directive.clears(Latch::Control),
        clears_local: directive.clears(Latch::Local),
        issued_at: directive.issued_at,
        renew_by: directive.renew_by,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use contracts::directive::DirectiveV1;
    use contracts::signing::{KeyPurpose, SigningKey, TrustedKey};
    use contracts::time::UtcMillis;

    use super::*;

    pub(crate) fn key() -> SigningKey {
        SigningKey::from_seed([9; 32])
    }

    pub(crate) fn gate() -> DirectiveGate {
        let trusted = TrustedKeys::new(vec![TrustedKey {
            purpose: KeyPurpose::Contract,
            public_key: key().public_key(),
        }]);
        DirectiveGate::new(
            Environment::parse("paper").unwrap(),
            SlotId::parse("usdcop-5m").unwrap(),
            trusted,
            Some(4),
        )
    }

    /// A directive of an empty slot, edited and then signed.
    pub(crate) fn signed(edit: impl FnOnce(&mut Directive)) -> Vec<u8> {
        let mut directive = Directive {
            schema_version: DirectiveV1,
            environment: Environment::parse("paper").unwrap(),
            slot: SlotId::parse("usdcop-5m").unwrap(),
            generation: 0,
            contract: None,
            halted: false,
            clears: vec![],
            number: 5,
            issued_at: UtcMillis(0),
            renew_by: UtcMillis(604_800_000),
            signatures: vec![],
        };
        edit(&mut directive);
        directive.sign(&key()).unwrap();
        serde_json::to_vec(&directive).unwrap()
    }

    #[test]
    fn only_a_newer_signed_directive_for_this_slot_passes() {
        let mut gate = gate();
        let code = |gate: &DirectiveGate, json: &[u8]| gate.check(json).unwrap_err().code();
        let good = signed(|d| d.clears = vec![Latch::Local]);
        let directive = gate.check(&good).unwrap();
        assert!(matches!(
            input(&directive),
            Input::Directive {
                number: 5,
                clears_local: true,
                clears_control: false,
                halted: false,
                ..
            }
        ));
        assert_eq!(code(&gate, &signed(|d| d.number = 4)), "replayed");
        assert_eq!(
            code(&gate, &signed(|d| d.slot = SlotId::parse("other").unwrap())),
            "slot_mismatch"
        );
        let other = Environment::parse("prod").unwrap();
        assert_eq!(
            code(&gate, &signed(|d| d.environment = other)),
            "environment_mismatch"
        );
        assert_eq!(code(&gate, b"{}"), "malformed");

        let text = String::from_utf8(good.clone()).unwrap();
        let altered = text.replace(r#""number":5"#, r#""number":6"#);
        assert_eq!(code(&gate, altered.as_bytes()), "bad_signature");
        let mut unsigned: Directive = serde_json::from_slice(&good).unwrap();
        unsigned.signatures.clear();
        assert_eq!(
            code(&gate, &serde_json::to_vec(&unsigned).unwrap()),
            "bad_signature"
        );

        gate.accept(&directive, &good);
        assert_eq!(code(&gate, &good), "replayed", "each number once");
    }
}
