//! Proposals, and the plan's log of decisions.

use contracts::evidence::{BaselineComparison, CriterionResult, Defect, Metrics};
use contracts::hash::EvidenceDigest;
use contracts::ids::{ExperimentName, ModelId, PersonId, ProposalId, SlotId};
use contracts::production::Recommendation;
use contracts::time::UtcMillis;
use sqlx::Any;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;

use super::text::{Columns, json, number, time, with_null_real};
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
        let insert = with_null_real(
            "INSERT INTO promotion_proposals (proposal_id, revision, evidence_digest, recommendation, confidence, reason,
                not_overridable, metrics, vs_baseline, baseline_model_id, criteria_results, lineage, expires_at,
                model_id, experiment_name, slot, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        );
        bind_shown(insert, row)
            .bind(row.model_id.to_string())
            .bind(row.experiment_name.to_string())
            .bind(row.slot.to_string())
            .bind(time(row.created_at))
            .execute(self.statement()?)
            .await?;
        self.changed(TABLE, vec![row.proposal_id.to_string().into()]);
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
        let update = with_null_real(
            "UPDATE promotion_proposals SET revision = $2, evidence_digest = $3, recommendation = $4, confidence = $5,
                reason = $6, not_overridable = $7, metrics = $8, vs_baseline = $9, baseline_model_id = $10,
                criteria_results = $11, lineage = $12, expires_at = $13
             WHERE proposal_id = $1 AND status = 'PENDING_APPROVAL' AND revision = $2 - 1",
        );
        let done = bind_shown(update, row).execute(self.statement()?).await?;
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

/// The recommendation's word.
pub(crate) const fn word(recommendation: Recommendation) -> &'static str {
    match recommendation {
        Recommendation::Promote => "PROMOTE",
        Recommendation::Review => "REVIEW",
        Recommendation::Reject => "REJECT",
    }
}

type Bound<'q> = Query<'q, Any, AnyArguments>;

/// Binds what every revision sets: the id as `$1`, then `revision` to `lineage` and `expires_at` as `$2` to `$13`.
fn bind_shown<'q>(query: Bound<'q>, row: &'q ProposalRow) -> Bound<'q> {
    query
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

fn read(row: &AnyRow) -> Result<ProposalRow, StoreError> {
    let row = Columns::of(TABLE, row);
    Ok(ProposalRow {
        proposal_id: row.parsed("proposal_id")?,
        model_id: row.parsed("model_id")?,
        experiment_name: row.parsed("experiment_name")?,
        slot: row.parsed("slot")?,
        revision: row.count32("revision")?,
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
