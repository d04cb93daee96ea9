//! The signed statements a voted contract is built from, and that they are about this contract.

use serde::{Deserialize, Serialize};

use super::ProductionContract;
use crate::hash::{BundleHash, Digest, EvidenceDigest};
use crate::ids::{ModelId, PersonId, ProposalId, SlotId};
use crate::jcs;
use crate::signing::{self, Domain, Signature, SignatureError, SigningKey, TrustedKeys};
use crate::time::UtcMillis;

/// What the out-of-sample backtest recommends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Recommendation {
    /// All criteria are met.
    Promote,
    /// A person must weigh it.
    Review,
    /// It should not run.
    Reject,
}

/// What the person decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It may run.
    Approve,
    /// It may not.
    Reject,
}

/// The first vote, by L4.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FirstVote {
    /// The proposal.
    pub proposal_id: ProposalId,
    /// Digest of the evidence that was computed.
    pub evidence_digest: EvidenceDigest,
    /// The model.
    pub model_id: ModelId,
    /// Its bundle.
    pub bundle_hash: BundleHash,
    /// Where it would run.
    pub slot: SlotId,
    /// The model it was compared with; absent in an empty slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline_model_id: Option<ModelId>,
    /// The recommendation.
    pub recommendation: Recommendation,
    /// When.
    pub issued_at: UtcMillis,
}

/// The second vote, by a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecondVote {
    /// The proposal.
    pub proposal_id: ProposalId,
    /// Digest of the evidence that was shown.
    pub evidence_digest: EvidenceDigest,
    /// The model.
    pub model_id: ModelId,
    /// Its bundle.
    pub bundle_hash: BundleHash,
    /// Where it may run.
    pub slot: SlotId,
    /// The model it replaces; absent in an empty slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline_model_id: Option<ModelId>,
    /// The decision.
    pub decision: Decision,
    /// Who.
    pub voter: PersonId,
    /// When.
    pub voted_at: UtcMillis,
    /// After this the approval has lapsed.
    pub deploy_by: UtcMillis,
}

/// A promotion that followed its vote later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Promote {
    /// The proposal that was approved.
    pub proposal_id: ProposalId,
    /// The model.
    pub model_id: ModelId,
    /// Its bundle.
    pub bundle_hash: BundleHash,
    /// Where.
    pub slot: SlotId,
    /// Who.
    pub actor: PersonId,
    /// When.
    pub at: UtcMillis,
}

/// A return to a model that was in production before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// The model that comes back.
    pub model_id: ModelId,
    /// Its bundle.
    pub bundle_hash: BundleHash,
    /// The model that goes.
    pub from_model_id: ModelId,
    /// Where.
    pub slot: SlotId,
    /// Why.
    pub reason: String,
    /// Who.
    pub actor: PersonId,
    /// When.
    pub at: UtcMillis,
}

/// A statement that can be signed.
pub trait Statement: Serialize {
    /// The prefix of its signed bytes.
    const DOMAIN: Domain;
    /// Its name in messages.
    const NAME: &'static str;
}

impl Statement for FirstVote {
    const DOMAIN: Domain = Domain::FirstVote;
    const NAME: &'static str = "first vote";
}
impl Statement for SecondVote {
    const DOMAIN: Domain = Domain::SecondVote;
    const NAME: &'static str = "second vote";
}
impl Statement for Promote {
    const DOMAIN: Domain = Domain::Promote;
    const NAME: &'static str = "promotion";
}
impl Statement for Rollback {
    const DOMAIN: Domain = Domain::Rollback;
    const NAME: &'static str = "rollback";
}

/// Tag of a statement's digest.
pub enum OfStatement {}

/// A statement with its signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signed<T> {
    /// What is said.
    pub statement: T,
    /// By whom.
    pub signatures: Vec<Signature>,
}

impl<T: Statement> Signed<T> {
    /// Signs a statement.
    ///
    /// # Errors
    /// [`jcs::JcsError`] when the statement has no canonical form; a vote's always has one.
    pub fn new(statement: T, key: &SigningKey) -> Result<Self, jcs::JcsError> {
        let signature = key.sign(T::DOMAIN, jcs::digest::<OfStatement>(&statement)?);
        Ok(Self {
            statement,
            signatures: vec![signature],
        })
    }

    /// That a trusted key for statements of this kind signed it.
    ///
    /// # Errors
    /// [`VoteError::Signature`].
    ///
    /// # Panics
    /// Never: statements hold texts only.
    pub fn verify(&self, trusted: &TrustedKeys) -> Result<(), VoteError> {
        let digest: Digest<OfStatement> = jcs::digest(&self.statement).expect("statements hold texts only");
        signing::verify(&self.signatures, trusted, T::DOMAIN, digest)
            .map(drop)
            .map_err(|source| VoteError::Signature {
                statement: T::NAME,
                source,
            })
    }
}

/// Everything that allows a voted contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Votes {
    /// The first vote.
    pub first: Signed<FirstVote>,
    /// The second vote.
    pub second: Signed<SecondVote>,
    /// When the deployment followed later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promote: Option<Signed<Promote>>,
    /// When the model came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Signed<Rollback>>,
}

/// Why votes do not carry a contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VoteError {
    /// A statement's signatures do not carry it.
    #[error("the {statement} is not carried by its signatures")]
    Signature {
        /// Which statement.
        statement: &'static str,
        /// Why.
        source: SignatureError,
    },
    /// A statement is about something else than this contract.
    #[error("the {statement} is about another {what} than the contract")]
    About {
        /// Which statement.
        statement: &'static str,
        /// What differs.
        what: &'static str,
    },
    /// The two votes saw different evidence.
    #[error("the second vote is about other evidence than the first")]
    OtherEvidence,
    /// The person said no.
    #[error("the second vote is a rejection")]
    Rejected,
    /// Deployed after the approval had lapsed.
    #[error("the approval lapsed at {deploy_by}, the deployment was at {deployed_at}")]
    Lapsed {
        /// The last moment.
        deploy_by: UtcMillis,
        /// The moment.
        deployed_at: UtcMillis,
    },
}

impl Votes {
    /// That all statements are signed by the right keys and are about `contract`.
    pub(super) fn verify(
        &self,
        contract: &ProductionContract,
        trusted: &TrustedKeys,
    ) -> Result<(), VoteError> {
        self.first.verify(trusted)?;
        self.second.verify(trusted)?;
        let (first, second) = (&self.first.statement, &self.second.statement);
        about::<FirstVote>(contract, &first.model_id, first.bundle_hash, &first.slot)?;
        about::<SecondVote>(contract, &second.model_id, second.bundle_hash, &second.slot)?;
        if (&first.proposal_id, first.evidence_digest) != (&second.proposal_id, second.evidence_digest)
            || first.baseline_model_id != second.baseline_model_id
        {
            return Err(VoteError::OtherEvidence);
        }
        if second.decision != Decision::Approve {
            return Err(VoteError::Rejected);
        }
        let differs = |statement, what| Err(VoteError::About { statement, what });
        if contract.approver.as_ref() != Some(&second.voter) {
            return differs(SecondVote::NAME, "approver");
        }
        if contract.approved_at != Some(second.voted_at) {
            return differs(SecondVote::NAME, "approved_at");
        }
        let mut deployed_at = contract.issued_at;
        if let Some(promote) = &self.promote {
            promote.verify(trusted)?;
            let promote = &promote.statement;
            about::<Promote>(contract, &promote.model_id, promote.bundle_hash, &promote.slot)?;
            if promote.proposal_id != second.proposal_id {
                return differs(Promote::NAME, "proposal");
            }
            deployed_at = promote.at;
        }
        if let Some(rollback) = &self.rollback {
            rollback.verify(trusted)?;
            let rollback = &rollback.statement;
            // A model that comes back was deployed in time once: its approval does not lapse.
            return about::<Rollback>(contract, &rollback.model_id, rollback.bundle_hash, &rollback.slot);
        }
        if deployed_at > second.deploy_by {
            return Err(VoteError::Lapsed {
                deploy_by: second.deploy_by,
                deployed_at,
            });
        }
        Ok(())
    }
}

fn about<T: Statement>(
    contract: &ProductionContract,
    model_id: &ModelId,
    bundle_hash: BundleHash,
    slot: &SlotId,
) -> Result<(), VoteError> {
    let what = if *model_id != contract.model_id {
        "model"
    } else if bundle_hash != contract.hashes.bundle_hash {
        "bundle"
    } else if *slot != contract.slot {
        "slot"
    } else {
        return Ok(());
    };
    Err(VoteError::About {
        statement: T::NAME,
        what,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{VerifyError, samples};
    use super::*;
    use crate::ids;

    fn votes_error(contract: &ProductionContract) -> VoteError {
        match contract.verify(&samples::trusted()) {
            Err(VerifyError::Votes(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    /// A voted contract with its votes edited and everything signed afresh by the right keys.
    fn resigned(
        edit: impl FnOnce(&mut ProductionContract, &mut FirstVote, &mut SecondVote),
    ) -> ProductionContract {
        let mut contract = samples::voted();
        let votes = contract.votes.take().unwrap();
        let (mut first, mut second) = (votes.first.statement, votes.second.statement);
        edit(&mut contract, &mut first, &mut second);
        contract.votes = Some(Votes {
            first: Signed::new(first, &samples::backtest_key()).unwrap(),
            second: Signed::new(second, &samples::vote_key()).unwrap(),
            promote: None,
            rollback: None,
        });
        contract.signatures.clear();
        contract.sign(&samples::contract_key()).unwrap();
        contract
    }

    #[test]
    fn two_votes_about_this_contract_carry_it() {
        let contract = resigned(|_, _, _| {});
        assert_eq!(
            contract.verify(&samples::trusted()),
            Ok(samples::contract_key().key_id())
        );
    }

    #[test]
    fn a_vote_about_anything_else_carries_nothing() {
        let other_model = ids::ModelId::parse("other-000000000000").unwrap();
        let about = |contract: &ProductionContract| match votes_error(contract) {
            VoteError::About { statement, what } => (statement, what),
            other => panic!("{other}"),
        };
        assert_eq!(
            about(&resigned(|_, f, _| f.model_id = other_model.clone())),
            ("first vote", "model")
        );
        assert_eq!(
            about(&resigned(|_, _, s| s.model_id = other_model.clone())),
            ("second vote", "model")
        );
        assert_eq!(
            about(&resigned(|_, _, s| s.bundle_hash = Digest::of(b"x"))),
            ("second vote", "bundle")
        );
        assert_eq!(
            about(&resigned(
                |_, f, _| f.slot = ids::SlotId::parse("elsewhere").unwrap()
            )),
            ("first vote", "slot")
        );
        assert_eq!(
            about(&resigned(
                |c, _, _| c.approver = Some(PersonId::parse("mallory").unwrap())
            )),
            ("second vote", "approver")
        );
        assert_eq!(
            votes_error(&resigned(|_, _, s| s.evidence_digest = Digest::of(b"x"))),
            VoteError::OtherEvidence
        );
        assert_eq!(
            votes_error(&resigned(|_, _, s| s.decision = Decision::Reject)),
            VoteError::Rejected
        );
        assert!(matches!(
            votes_error(&resigned(|c, _, s| s.deploy_by = c.issued_at.plus_ms(-1))),
            VoteError::Lapsed { .. }
        ));
    }

    #[test]
    fn a_vote_signed_by_the_contract_key_alone_is_no_vote() {
        let mut contract = samples::voted();
        let votes = contract.votes.as_mut().unwrap();
        votes.second = Signed::new(votes.second.statement.clone(), &samples::contract_key()).unwrap();
        contract.signatures.clear();
        contract.sign(&samples::contract_key()).unwrap();
        assert!(matches!(
            votes_error(&contract),
            VoteError::Signature {
                statement: "second vote",
                source: SignatureError::NotTrusted { .. }
            }
        ));
    }

    #[test]
    fn a_later_promotion_and_a_rollback_add_their_own_statement() {
        let mut contract = resigned(|c, _, s| {
            s.deploy_by = s.voted_at.plus_ms(1_000);
            c.issued_at = s.voted_at.plus_ms(2_000);
        });
        assert!(matches!(votes_error(&contract), VoteError::Lapsed { .. }));
        let (model_id, bundle_hash, slot) = (
            contract.model_id.clone(),
            contract.hashes.bundle_hash,
            contract.slot.clone(),
        );
        let actor = PersonId::parse("olga").unwrap();
        let votes = contract.votes.as_mut().unwrap();
        let second = votes.second.statement.clone();
        let promote = Promote {
            proposal_id: second.proposal_id,
            model_id: model_id.clone(),
            bundle_hash,
            slot: slot.clone(),
            actor: actor.clone(),
            at: second.deploy_by,
        };
        votes.promote = Some(Signed::new(promote, &samples::vote_key()).unwrap());
        contract.signatures.clear();
        contract.sign(&samples::contract_key()).unwrap();
        assert!(contract.verify(&samples::trusted()).is_ok());

        let rollback = Rollback {
            from_model_id: ids::ModelId::parse("later-000000000000").unwrap(),
            model_id,
            bundle_hash,
            slot,
            reason: "losing".to_owned(),
            actor,
            at: second.voted_at.plus_ms(1_000_000),
        };
        let mut back = contract.clone();
        let votes = back.votes.as_mut().unwrap();
        votes.promote = None;
        votes.rollback = Some(Signed::new(rollback.clone(), &samples::vote_key()).unwrap());
        back.signatures.clear();
        back.sign(&samples::contract_key()).unwrap();
        assert!(back.verify(&samples::trusted()).is_ok());

        let votes = back.votes.as_mut().unwrap();
        votes.rollback = Some(Signed::new(rollback, &samples::contract_key()).unwrap());
        back.signatures.clear();
        back.sign(&samples::contract_key()).unwrap();
        assert!(matches!(votes_error(&back), VoteError::Signature { .. }));
    }
}
