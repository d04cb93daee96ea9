//! Proposals, their evidence, and the plan's log of decisions.

use contracts::evidence::{BaselineComparison, CriterionResult, Defect, Evidence, Metrics};
use contracts::hash::EvidenceDigest;
use contracts::ids::{ExperimentName, ModelId, PersonId, ProposalId, SlotId};
use contracts::production::{FirstVote, Recommendation, Signed};
use contracts::time::UtcMillis;
use sqlx::any::AnyRow;

use super::text::{Columns, json, number, time};
use super::tx::exactly_one;
use super::{Dialect, Store, StoreError, Tx};
use crate::words::words;

const TABLE: &str = "promotion_proposals";

words! {
    /// Where a proposal stands.
    ProposalStatus {
        /// The second vote is open.
        PendingApproval = "PENDING_APPROVAL",
        /// Yes.
        Approved = "APPROVED",
        /// No.
        Rejected = "REJECTED",
        /// Nobody voted in time.
        Expired = "EXPIRED",
    }
}

/// A proposal: the first vote and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ProposalRow {
    /// `PROP-{model_id}-{n}`.
    pub proposal_id: ProposalId,
    /// The model.
    pub model_id: ModelId,
    /// Its experiment.
    pub experiment_name: ExperimentName,
    /// Where it would run.
    pub slot: SlotId,
    /// Of the evidence: 1, 2, ….
    pub revision: u32,
    /// Digest of the newest evidence.
    pub evidence_digest: EvidenceDigest,
    /// The first vote.
    pub recommendation: Recommendation,
    /// How sure it is of itself.
    pub confidence: Option<f64>,
    /// Why.
    pub reason: String,
    /// Set when no person can override it.
    pub not_overridable: Option<Defect>,
    /// Figures, for lists.
    pub metrics: Metrics,
    /// The production model beside it.
    pub vs_baseline: Option<BaselineComparison>,
    /// Which that was.
    pub baseline_model_id: Option<ModelId>,
    /// The gates.
    pub criteria_results: Vec<CriterionResult>,
    /// Hashes, for lists.
    pub lineage: serde_json::Value,
    /// Where it stands.
    pub status: ProposalStatus,
    /// Who decided.
    pub reviewer: Option<PersonId>,
    /// What they said.
    pub reviewer_notes: Option<String>,
    /// When.
    pub reviewed_at: Option<UtcMillis>,
    /// Until when an approval may be deployed.
    pub deploy_by: Option<UtcMillis>,
    /// When L4 cast its vote.
    pub created_at: UtcMillis,
    /// Until when the second vote is open.
    pub expires_at: UtcMillis,
}

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

/// One row of the plan's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalLog<'a> {
    /// APPROVE, REJECT, REQUEST_MORE_TESTS or EXPIRE.
    pub action: crate::audit::Action,
    /// The model.
    pub model_id: &'a ModelId,
    /// The proposal.
    pub proposal_id: &'a ProposalId,
    /// Who; `control` for an expiry.
    pub reviewer: &'a str,
    /// Their address.
    pub reviewer_email: Option<&'a str>,
    /// What they said.
    pub notes: Option<&'a str>,
    /// What ran in the slot.
    pub previous_production_model: Option<&'a ModelId>,
    /// From where.
    pub client_ip: Option<&'a str>,
    /// With what.
    pub user_agent: Option<&'a str>,
    /// The event in the chain.
    pub audit_seq: u64,
    /// When.
    pub created_at: UtcMillis,
}

impl Tx {
    /// Stores a new proposal with its first evidence.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the model has an open one.
    pub async fn insert_proposal(&mut self, row: &ProposalRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO promotion_proposals (proposal_id, model_id, experiment_name, slot, revision, evidence_digest,
                recommendation, confidence, reason, not_overridable, metrics, vs_baseline, baseline_model_id,
                criteria_results, lineage, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        )
        .bind(row.proposal_id.to_string())
        .bind(row.model_id.to_string())
        .bind(row.experiment_name.to_string())
        .bind(row.slot.to_string())
        .bind(i64::from(row.revision))
        .bind(row.evidence_digest.to_hex())
        .bind(word(row.recommendation))
        .bind(row.confidence)
        .bind(row.reason.as_str())
        .bind(row.not_overridable.map(Defect::word))
        .bind(json(&row.metrics))
        .bind(row.vs_baseline.as_ref().map(json))
        .bind(row.baseline_model_id.as_ref().map(ModelId::to_string))
        .bind(json(&row.criteria_results))
        .bind(json(&row.lineage))
        .bind(time(row.created_at))
        .bind(time(row.expires_at))
        .execute(self.statement()?)
        .await?;
        self.changed(TABLE, vec![row.proposal_id.to_string().into()]);
        Ok(())
    }

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
            "proposal_evidence",
            vec![proposal.to_string().into(), u64::from(row.revision).into()],
        );
        Ok(())
    }

    /// The proposal, which nobody else decides before this transaction ends.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn proposal_for_update(&mut self, id: &ProposalId) -> Result<Option<ProposalRow>, StoreError> {
        let sql = match self.dialect() {
            Dialect::Sqlite => "SELECT * FROM promotion_proposals WHERE proposal_id = $1",
            Dialect::Postgres => "SELECT * FROM promotion_proposals WHERE proposal_id = $1 FOR UPDATE",
        };
        let row = sqlx::query(sql)
            .bind(id.to_string())
            .fetch_optional(self.statement()?)
            .await?;
        row.as_ref().map(read).transpose()
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
        row.as_ref().map(read_evidence).transpose()
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
        row.as_ref().map(read_evidence).transpose()
    }

    /// PENDING_APPROVAL → `status`, once.
    ///
    /// # Errors
    /// [`StoreError::RowCount`] when somebody was first.
    pub async fn decide_proposal(
        &mut self,
        id: &ProposalId,
        decided: &Decided<'_>,
    ) -> Result<(), StoreError> {
        let done = sqlx::query(
            "UPDATE promotion_proposals SET status = $2, reviewer = $3, reviewer_notes = $4, reviewed_at = $5,
                deploy_by = $6
             WHERE proposal_id = $1 AND status = 'PENDING_APPROVAL'",
        )
        .bind(id.to_string())
        .bind(decided.status.word())
        .bind(decided.reviewer)
        .bind(decided.notes)
        .bind(time(decided.at))
        .bind(decided.deploy_by.map(time))
        .execute(self.statement()?)
        .await?;
        self.changed(TABLE, vec![id.to_string().into()]);
        exactly_one(TABLE, done.rows_affected())
    }

    /// Puts newer evidence into force; what the row holds of status and review stays.
    ///
    /// # Errors
    /// [`StoreError::RowCount`] when it is decided, or another revision than the one before this is in force.
    pub async fn revise_proposal(&mut self, row: &ProposalRow) -> Result<(), StoreError> {
        let done = sqlx::query(
            "UPDATE promotion_proposals SET revision = $2, evidence_digest = $3, recommendation = $4, confidence = $5,
                reason = $6, not_overridable = $7, metrics = $8, vs_baseline = $9, baseline_model_id = $10,
                criteria_results = $11, lineage = $12, expires_at = $13
             WHERE proposal_id = $1 AND status = 'PENDING_APPROVAL' AND revision = $2 - 1",
        )
        .bind(row.proposal_id.to_string())
        .bind(i64::from(row.revision))
        .bind(row.evidence_digest.to_hex())
        .bind(word(row.recommendation))
        .bind(row.confidence)
        .bind(row.reason.as_str())
        .bind(row.not_overridable.map(Defect::word))
        .bind(json(&row.metrics))
        .bind(row.vs_baseline.as_ref().map(json))
        .bind(row.baseline_model_id.as_ref().map(ModelId::to_string))
        .bind(json(&row.criteria_results))
        .bind(json(&row.lineage))
        .bind(time(row.expires_at))
        .execute(self.statement()?)
        .await?;
        self.changed(TABLE, vec![row.proposal_id.to_string().into()]);
        exactly_one(TABLE, done.rows_affected())
    }

    /// How many proposals the model has had, and the one that is open.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn proposals_of(&mut self, model: &ModelId) -> Result<(u64, Option<ProposalId>), StoreError> {
        let rows = sqlx::query("SELECT proposal_id, status FROM promotion_proposals WHERE model_id = $1")
            .bind(model.to_string())
            .fetch_all(self.statement()?)
            .await?;
        let mut open = None;
        for row in &rows {
            let row = Columns::of(TABLE, row);
            if row.parsed::<ProposalStatus>("status")? == ProposalStatus::PendingApproval {
                open = Some(row.parsed("proposal_id")?);
            }
        }
        Ok((rows.len() as u64, open))
    }

    /// Adds a row to the plan's log of decisions.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_approval_log(&mut self, log: &ApprovalLog<'_>) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO approval_audit_log (action, model_id, proposal_id, reviewer, reviewer_email, notes,
                previous_production_model, client_ip, user_agent, audit_seq, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(log.action.word())
        .bind(log.model_id.to_string())
        .bind(log.proposal_id.to_string())
        .bind(log.reviewer)
        .bind(log.reviewer_email)
        .bind(log.notes)
        .bind(log.previous_production_model.map(ModelId::to_string))
        .bind(log.client_ip)
        .bind(log.user_agent)
        .bind(number(log.audit_seq))
        .bind(time(log.created_at))
        .execute(self.statement()?)
        .await?;
        Ok(())
    }
}

/// A decision about a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decided<'a> {
    /// What it becomes.
    pub status: ProposalStatus,
    /// Who; nobody for an expiry.
    pub reviewer: Option<&'a str>,
    /// What they said.
    pub notes: Option<&'a str>,
    /// When.
    pub at: UtcMillis,
    /// Until when an approval may be deployed.
    pub deploy_by: Option<UtcMillis>,
}

impl Store {
    /// The proposal.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn proposal(&self, id: &ProposalId) -> Result<Option<ProposalRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM promotion_proposals WHERE proposal_id = $1")
            .bind(id.to_string())
            .fetch_optional(self.pool())
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// Proposals, newest first, with the row number to go on below; of one status where that is given.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn proposals(
        &self,
        status: Option<ProposalStatus>,
        below: Option<u64>,
        limit: u32,
    ) -> Result<Vec<(u64, ProposalRow)>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM promotion_proposals WHERE ($1 IS NULL OR status = $1) AND ($2 IS NULL OR id < $2)
             ORDER BY id DESC LIMIT $3",
        )
        .bind(status.map(ProposalStatus::word))
        .bind(below.map(number))
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| Ok((Columns::of(TABLE, row).count("id")?, read(row)?)))
            .collect()
    }

    /// How many there are.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count_proposals(&self, status: Option<ProposalStatus>) -> Result<u64, StoreError> {
        let row =
            sqlx::query("SELECT COUNT(*) AS n FROM promotion_proposals WHERE ($1 IS NULL OR status = $1)")
                .bind(status.map(ProposalStatus::word))
                .fetch_one(self.pool())
                .await?;
        Columns::of(TABLE, &row).count("n")
    }

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
        row.as_ref().map(read_evidence).transpose()
    }

    /// Open proposals whose time has run out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn overdue_proposals(&self, now: UtcMillis) -> Result<Vec<ProposalId>, StoreError> {
        let rows = sqlx::query(
            "SELECT proposal_id FROM promotion_proposals WHERE status = 'PENDING_APPROVAL' AND expires_at <= $1 ORDER BY id",
        )
        .bind(time(now))
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| Columns::of(TABLE, row).parsed("proposal_id"))
            .collect()
    }
}

const EVIDENCE: &str = "SELECT revision, evidence, evidence_digest, first_vote FROM proposal_evidence
    WHERE proposal_id = $1 AND revision = $2";

/// The recommendation's word.
pub(crate) const fn word(recommendation: Recommendation) -> &'static str {
    match recommendation {
        Recommendation::Promote => "PROMOTE",
        Recommendation::Review => "REVIEW",
        Recommendation::Reject => "REJECT",
    }
}

fn recommendation(word: &str) -> Result<Recommendation, StoreError> {
    match word {
        "PROMOTE" => Ok(Recommendation::Promote),
        "REVIEW" => Ok(Recommendation::Review),
        "REJECT" => Ok(Recommendation::Reject),
        other => Err(StoreError::Corrupt {
            table: TABLE,
            detail: format!("recommendation: `{other}`"),
        }),
    }
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn read(row: &AnyRow) -> Result<ProposalRow, StoreError> {
    let row = Columns::of(TABLE, row);
    Ok(ProposalRow {
        proposal_id: row.parsed("proposal_id")?,
        model_id: row.parsed("model_id")?,
        experiment_name: row.parsed("experiment_name")?,
        slot: row.parsed("slot")?,
        revision: small(row.count("revision")?),
        evidence_digest: row.parsed("evidence_digest")?,
        recommendation: recommendation(&row.text("recommendation")?)?,
        confidence: row.real_or_null("confidence")?,
        reason: row.text("reason")?,
        not_overridable: row.parsed_or_null("not_overridable")?,
        metrics: row.json("metrics")?,
        vs_baseline: row.json_or_null("vs_baseline")?,
        baseline_model_id: row.parsed_or_null("baseline_model_id")?,
        criteria_results: row.json("criteria_results")?,
        lineage: row.json("lineage")?,
        status: row.parsed("status")?,
        reviewer: row.parsed_or_null("reviewer")?,
        reviewer_notes: row.text_or_null("reviewer_notes")?,
        reviewed_at: row.time_or_null("reviewed_at")?,
        deploy_by: row.time_or_null("deploy_by")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
    })
}

fn read_evidence(row: &AnyRow) -> Result<EvidenceRow, StoreError> {
    let row = Columns::of("proposal_evidence", row);
    Ok(EvidenceRow {
        revision: small(row.count("revision")?),
        evidence: row.json("evidence")?,
        evidence_digest: row.parsed("evidence_digest")?,
        first_vote: row.json("first_vote")?,
    })
}
