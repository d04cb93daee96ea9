//! The evidence of a proposal, a row for each revision.

use contracts::evidence::Evidence;
use contracts::hash::EvidenceDigest;
use contracts::ids::ProposalId;
use contracts::production::{FirstVote, Signed};
use contracts::time::UtcMillis;
use sqlx::any::AnyRow;

use super::text::{Columns, json, time};
use super::{Store, StoreError, Tx};

const TABLE: &str = "proposal_evidence";

const EVIDENCE: &str = "SELECT revision, evidence, evidence_digest, first_vote FROM proposal_evidence
    WHERE proposal_id = $1 AND revision = $2";

/// What was shown at one revision.
#[derive(Debug, Clone, PartialEq)]
pub struct EvidenceRow {
    /// Which.
    pub revision: u32,
    /// The document.
    pub evidence: Evidence,
    /// Its digest as stored.
    pub evidence_digest: EvidenceDigest,
    /// L4's signed statement.
    pub first_vote: Signed<FirstVote>,
}

impl Tx {
    /// Stores what is shown at a revision.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_evidence(
        &mut self,
        proposal: &ProposalId,
        row: &EvidenceRow,
        at: UtcMillis,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO proposal_evidence (proposal_id, revision, evidence, evidence_digest, first_vote, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(proposal.to_string())
        .bind(i64::from(row.revision))
        .bind(json(&row.evidence))
        .bind(row.evidence_digest.to_hex())
        .bind(json(&row.first_vote))
        .bind(time(at))
        .execute(self.statement()?)
        .await?;
        self.changed(
            TABLE,
            vec![proposal.to_string().into(), u64::from(row.revision).into()],
        );
        Ok(())
    }

    /// The evidence in force, within the transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn evidence(
        &mut self,
        id: &ProposalId,
        revision: u32,
    ) -> Result<Option<EvidenceRow>, StoreError> {
        let row = sqlx::query(EVIDENCE)
            .bind(id.to_string())
            .bind(i64::from(revision))
            .fetch_optional(self.statement()?)
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// The evidence a signed vote names, within the transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn evidence_of_digest(
        &mut self,
        id: &ProposalId,
        digest: EvidenceDigest,
    ) -> Result<Option<EvidenceRow>, StoreError> {
        let row = sqlx::query(
            "SELECT revision, evidence, evidence_digest, first_vote FROM proposal_evidence
             WHERE proposal_id = $1 AND evidence_digest = $2",
        )
        .bind(id.to_string())
        .bind(digest.to_hex())
        .fetch_optional(self.statement()?)
        .await?;
        row.as_ref().map(read).transpose()
    }
}

impl Store {
    /// What was shown at a revision.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn evidence(&self, id: &ProposalId, revision: u32) -> Result<Option<EvidenceRow>, StoreError> {
        let row = sqlx::query(EVIDENCE)
            .bind(id.to_string())
            .bind(i64::from(revision))
            .fetch_optional(self.pool())
            .await?;
        row.as_ref().map(read).transpose()
    }
}

fn read(row: &AnyRow) -> Result<EvidenceRow, StoreError> {
    let row = Columns::of(TABLE, row);
    Ok(EvidenceRow {
        revision: row.count32("revision")?,
        evidence: row.json("evidence")?,
        evidence_digest: row.parsed("evidence_digest")?,
        first_vote: row.json("first_vote")?,
    })
}
