//! The model registry's rows: what a model is never changes, only where it stands does.

use contracts::hash::{
    ArtifactHash, BundleHash, ConfigHash, DatasetHash, ExecHash, FeatureContractHash, FeatureOrderHash,
    ModelHash, NormStatsHash,
};
use contracts::ids::{ContractId, ExperimentName, ModelId, PersonId, ProposalId, SlotId};
use contracts::numerics::Numerics;
use contracts::production::ActionBinding;
use contracts::time::UtcMillis;
use sqlx::any::AnyRow;

use super::text::{Columns, json, time};
use super::tx::exactly_one;
use super::{Dialect, Store, StoreError, Tx};
use crate::registry::Stage;

const TABLE: &str = "model_registry";

/// A registered model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRow {
    /// `{experiment}-{first 12 of bundle_hash}`.
    pub model_id: ModelId,
    /// The experiment's name.
    pub experiment_name: ExperimentName,
    /// The experiment's contract.
    pub contract_id: ContractId,
    /// Where it would run.
    pub slot: SlotId,
    /// Bytes of the ONNX file, and its address.
    pub model_hash: ModelHash,
    /// Bytes of the reduced graph, and its address.
    pub exec_hash: Option<ExecHash>,
    /// Address of `norm_stats.json`.
    pub norm_stats_artifact: ArtifactHash,
    /// Canonical JSON of the norm stats.
    pub norm_stats_hash: NormStatsHash,
    /// Address of the golden vectors.
    pub golden: ArtifactHash,
    /// The whole bundle.
    pub bundle_hash: BundleHash,
    /// The features.
    pub feature_contract_hash: FeatureContractHash,
    /// The experiment as written.
    pub config_hash: ConfigHash,
    /// Names of the features, in order.
    pub feature_order_hash: FeatureOrderHash,
    /// What it was trained on.
    pub dataset_hash: Option<DatasetHash>,
    /// Which run trained it.
    pub training_run: Option<String>,
    /// From output to position.
    pub action: ActionBinding,
    /// Under which arithmetic.
    pub numerics: Numerics,
    /// What the admission found, for people.
    pub admission: serde_json::Value,
    /// Trials the registration declared.
    pub declared_trials: u32,
    /// Where it stands.
    pub stage: Stage,
    /// Its proposal in force.
    pub l4_proposal_id: Option<ProposalId>,
    /// Who approved it.
    pub approved_by: Option<PersonId>,
    /// When.
    pub approved_at: Option<UtcMillis>,
    /// Who registered it.
    pub registered_by: PersonId,
    /// When.
    pub created_at: UtcMillis,
    /// Last promotion.
    pub promoted_at: Option<UtcMillis>,
    /// Last archiving.
    pub archived_at: Option<UtcMillis>,
    /// Withdrawal.
    pub withdrawn_at: Option<UtcMillis>,
}

/// Why somebody is an author of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authorship {
    /// Created the experiment contract.
    Experiment,
    /// Built the dataset.
    Dataset,
    /// Launched the training.
    Training,
    /// Registered the model.
    Registration,
    /// Owns the token that did one of these.
    Token,
}

impl Authorship {
    const fn word(self) -> &'static str {
        match self {
            Self::Experiment => "experiment",
            Self::Dataset => "dataset",
            Self::Training => "training",
            Self::Registration => "registration",
            Self::Token => "token",
        }
    }
}

impl Tx {
    /// Stores a new model in `staging`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the bundle is registered already.
    pub async fn insert_model(
        &mut self,
        model: &ModelRow,
        lineage: &serde_json::Value,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO model_registry (model_id, experiment_name, contract_id, slot, model_path, model_hash, exec_hash,
                norm_stats_path, norm_stats_hash, golden_hash, bundle_hash, feature_contract_hash, config_hash,
                feature_order_hash, dataset_hash, training_run, action, numerics, admission, declared_trials, lineage,
                registered_by, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
                $23)",
        )
        .bind(model.model_id.to_string())
        .bind(model.experiment_name.to_string())
        .bind(model.contract_id.to_string())
        .bind(model.slot.to_string())
        .bind(format!("sha256:{}", model.model_hash))
        .bind(model.model_hash.to_hex())
        .bind(model.exec_hash.map(|hash| hash.to_hex()))
        .bind(format!("sha256:{}", model.norm_stats_artifact))
        .bind(model.norm_stats_hash.to_hex())
        .bind(model.golden.to_hex())
        .bind(model.bundle_hash.to_hex())
        .bind(model.feature_contract_hash.to_hex())
        .bind(model.config_hash.to_hex())
        .bind(model.feature_order_hash.to_hex())
        .bind(model.dataset_hash.map(|hash| hash.to_hex()))
        .bind(model.training_run.clone())
        .bind(json(&model.action))
        .bind(json(&model.numerics))
        .bind(json(&model.admission))
        .bind(i64::from(model.declared_trials))
        .bind(json(lineage))
        .bind(model.registered_by.to_string())
        .bind(time(model.created_at))
        .execute(self.statement()?)
        .await?;
        self.changed(TABLE, vec![model.model_id.to_string().into()]);
        Ok(())
    }

    /// Notes an author.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_author(
        &mut self,
        model: &ModelId,
        who: &PersonId,
        why: Authorship,
    ) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO model_authors (model_id, username, reason) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(model.to_string())
            .bind(who.to_string())
            .bind(why.word())
            .execute(self.statement()?)
            .await?;
        self.changed(
            "model_authors",
            vec![
                model.to_string().into(),
                who.to_string().into(),
                why.word().into(),
            ],
        );
        Ok(())
    }

    /// The model, which nobody else changes before this transaction ends.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn model_for_update(&mut self, id: &ModelId) -> Result<Option<ModelRow>, StoreError> {
        let sql = match self.dialect() {
            Dialect::Sqlite => "SELECT * FROM model_registry WHERE model_id = $1",
            Dialect::Postgres => "SELECT * FROM model_registry WHERE model_id = $1 FOR UPDATE",
        };
        let row = sqlx::query(sql)
            .bind(id.to_string())
            .fetch_optional(self.statement()?)
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// The slot's production model. The slot's row must be locked: see [`Tx::slot_for_update`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn production_model(&mut self, slot: &SlotId) -> Result<Option<ModelRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM model_registry WHERE slot = $1 AND is_active = 1")
            .bind(slot.to_string())
            .fetch_optional(self.statement()?)
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// production → archived.
    ///
    /// # Errors
    /// [`StoreError::RowCount`] when it is not in production.
    pub async fn archive_model(&mut self, id: &ModelId, at: UtcMillis) -> Result<(), StoreError> {
        let done = sqlx::query(
            "UPDATE model_registry SET stage = 'archived', is_active = 0, archived_at = $2
             WHERE model_id = $1 AND stage = 'production'",
        )
        .bind(id.to_string())
        .bind(time(at))
        .execute(self.statement()?)
        .await?;
        self.changed(TABLE, vec![id.to_string().into()]);
        exactly_one(TABLE, done.rows_affected())
    }

    /// staging (or, in a rollback, archived) → production. Which of the two is the caller's: `from`.
    ///
    /// # Errors
    /// [`StoreError::RowCount`] when it is not in `from`; [`StoreError::Conflict`] when the slot has another.
    pub async fn promote_model(
        &mut self,
        id: &ModelId,
        from: Stage,
        at: UtcMillis,
    ) -> Result<(), StoreError> {
        let done = sqlx::query(
            "UPDATE model_registry SET stage = 'production', is_active = 1, promoted_at = $3
             WHERE model_id = $1 AND stage = $2",
        )
        .bind(id.to_string())
        .bind(from.word())
        .bind(time(at))
        .execute(self.statement()?)
        .await?;
        self.changed(TABLE, vec![id.to_string().into()]);
        exactly_one(TABLE, done.rows_affected())
    }

    /// Any stage → withdrawn, for ever.
    ///
    /// # Errors
    /// [`StoreError::RowCount`] when it is withdrawn already.
    pub async fn withdraw_model(&mut self, id: &ModelId, at: UtcMillis) -> Result<(), StoreError> {
        let done = sqlx::query(
            "UPDATE model_registry SET stage = 'withdrawn', is_active = 0, withdrawn_at = $2
             WHERE model_id = $1 AND stage <> 'withdrawn'",
        )
        .bind(id.to_string())
        .bind(time(at))
        .execute(self.statement()?)
        .await?;
        self.changed(TABLE, vec![id.to_string().into()]);
        exactly_one(TABLE, done.rows_affected())
    }

    /// Notes the vote that allowed the model.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn note_approval(
        &mut self,
        id: &ModelId,
        proposal: &super::ProposalRow,
        by: &PersonId,
        at: UtcMillis,
    ) -> Result<(), StoreError> {
        let done = sqlx::query(
            "UPDATE model_registry SET l4_proposal_id = $2, l4_recommendation = $3, l4_confidence = $4, approved_by = $5,
                approved_at = $6, metrics = $7
             WHERE model_id = $1",
        )
        .bind(id.to_string())
        .bind(proposal.proposal_id.to_string())
        .bind(super::proposals::word(proposal.recommendation))
        .bind(proposal.confidence)
        .bind(by.to_string())
        .bind(time(at))
        .bind(json(&proposal.metrics))
        .execute(self.statement()?)
        .await?;
        self.changed(TABLE, vec![id.to_string().into()]);
        exactly_one(TABLE, done.rows_affected())
    }

    /// The model of a bundle.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn model_of_bundle(&mut self, bundle: BundleHash) -> Result<Option<ModelRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM model_registry WHERE bundle_hash = $1")
            .bind(bundle.to_hex())
            .fetch_optional(self.statement()?)
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// Everybody who had a hand in the model.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn authors(&mut self, id: &ModelId) -> Result<Vec<PersonId>, StoreError> {
        let rows =
            sqlx::query("SELECT DISTINCT username FROM model_authors WHERE model_id = $1 ORDER BY username")
                .bind(id.to_string())
                .fetch_all(self.statement()?)
                .await?;
        rows.iter()
            .map(|row| Columns::of("model_authors", row).parsed("username"))
            .collect()
    }
}

impl Store {
    /// The model.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn model(&self, id: &ModelId) -> Result<Option<ModelRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM model_registry WHERE model_id = $1")
            .bind(id.to_string())
            .fetch_optional(self.pool())
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// The model of a bundle.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn model_of_bundle(&self, bundle: BundleHash) -> Result<Option<ModelRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM model_registry WHERE bundle_hash = $1")
            .bind(bundle.to_hex())
            .fetch_optional(self.pool())
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// Models, newest first; of one stage or slot where that is given.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn models(
        &self,
        stage: Option<Stage>,
        slot: Option<&SlotId>,
        limit: u32,
    ) -> Result<Vec<ModelRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM model_registry WHERE ($1 IS NULL OR stage = $1) AND ($2 IS NULL OR slot = $2)
             ORDER BY id DESC LIMIT $3",
        )
        .bind(stage.map(Stage::word))
        .bind(slot.map(SlotId::to_string))
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &AnyRow) -> Result<ModelRow, StoreError> {
    let row = Columns::of(TABLE, row);
    let path = row.text("norm_stats_path")?;
    let norm_stats_artifact = path
        .strip_prefix("sha256:")
        .and_then(|hex| ArtifactHash::parse(hex).ok())
        .ok_or_else(|| StoreError::Corrupt {
            table: TABLE,
            detail: "norm_stats_path is no address".to_owned(),
        })?;
    Ok(ModelRow {
        model_id: row.parsed("model_id")?,
        experiment_name: row.parsed("experiment_name")?,
        contract_id: row.parsed("contract_id")?,
        slot: row.parsed("slot")?,
        model_hash: row.parsed("model_hash")?,
        exec_hash: row.parsed_or_null("exec_hash")?,
        norm_stats_artifact,
        norm_stats_hash: row.parsed("norm_stats_hash")?,
        golden: row.parsed("golden_hash")?,
        bundle_hash: row.parsed("bundle_hash")?,
        feature_contract_hash: row.parsed("feature_contract_hash")?,
        config_hash: row.parsed("config_hash")?,
        feature_order_hash: row.parsed("feature_order_hash")?,
        dataset_hash: row.parsed_or_null("dataset_hash")?,
        training_run: row.text_or_null("training_run")?,
        action: row.json("action")?,
        numerics: row.json("numerics")?,
        admission: row.json("admission")?,
        declared_trials: row.count32("declared_trials")?,
        stage: row.parsed("stage")?,
        l4_proposal_id: row.parsed_or_null("l4_proposal_id")?,
        approved_by: row.parsed_or_null("approved_by")?,
        approved_at: row.time_or_null("approved_at")?,
        registered_by: row.parsed("registered_by")?,
        created_at: row.time("created_at")?,
        promoted_at: row.time_or_null("promoted_at")?,
        archived_at: row.time_or_null("archived_at")?,
        withdrawn_at: row.time_or_null("withdrawn_at")?,
    })
}
