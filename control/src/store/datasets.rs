//! Where models come from: datasets and training runs, as whoever made them declared them. Never changed.

use contracts::hash::{DatasetHash, NormStatsHash};
use contracts::ids::{ContractId, PersonId, RunId};
use contracts::time::UtcMillis;
use sqlx::any::AnyRow;

use super::text::{Columns, json, time};
use super::{Store, StoreError, Tx};

/// A dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct DatasetRow {
    /// Of its rows.
    pub dataset_hash: DatasetHash,
    /// The experiment it was built for.
    pub contract_id: ContractId,
    /// The scaler fitted on its train split.
    pub norm_stats_hash: NormStatsHash,
    /// What its builder says about it.
    pub manifest: serde_json::Value,
    /// Who built it.
    pub created_by: PersonId,
    /// When it was registered.
    pub created_at: UtcMillis,
}

/// A training run.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingRow {
    /// Its name.
    pub run_id: RunId,
    /// The experiment it trained for.
    pub contract_id: ContractId,
    /// On what.
    pub dataset_hash: DatasetHash,
    /// What the trainer says about it.
    pub manifest: serde_json::Value,
    /// Who launched it.
    pub launched_by: PersonId,
    /// When it was registered.
    pub created_at: UtcMillis,
}

impl Tx {
    /// Stores a new dataset.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when its hash is registered for the experiment already.
    pub async fn insert_dataset(&mut self, row: &DatasetRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO datasets (dataset_hash, contract_id, norm_stats_hash, manifest, created_by, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(row.dataset_hash.to_hex())
        .bind(row.contract_id.to_string())
        .bind(row.norm_stats_hash.to_hex())
        .bind(json(&row.manifest))
        .bind(row.created_by.to_string())
        .bind(time(row.created_at))
        .execute(self.statement()?)
        .await?;
        let key = vec![
            row.contract_id.to_string().into(),
            row.dataset_hash.to_hex().into(),
        ];
        self.changed("datasets", key);
        Ok(())
    }

    /// Stores a new training run.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when its name is taken.
    pub async fn insert_training(&mut self, row: &TrainingRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO training_runs (run_id, contract_id, dataset_hash, manifest, launched_by, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(row.run_id.to_string())
        .bind(row.contract_id.to_string())
        .bind(row.dataset_hash.to_hex())
        .bind(json(&row.manifest))
        .bind(row.launched_by.to_string())
        .bind(time(row.created_at))
        .execute(self.statement()?)
        .await?;
        self.changed("training_runs", vec![row.run_id.to_string().into()]);
        Ok(())
    }
}

impl Store {
    /// The dataset of an experiment.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn dataset(
        &self,
        contract: &ContractId,
        hash: DatasetHash,
    ) -> Result<Option<DatasetRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM datasets WHERE contract_id = $1 AND dataset_hash = $2")
            .bind(contract.to_string())
            .bind(hash.to_hex())
            .fetch_optional(self.pool())
            .await?;
        row.as_ref().map(dataset).transpose()
    }

    /// Datasets, newest first; of one experiment where that is given.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn datasets(
        &self,
        contract: Option<&ContractId>,
        limit: u32,
    ) -> Result<Vec<DatasetRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM datasets WHERE ($1 IS NULL OR contract_id = $1) ORDER BY id DESC LIMIT $2",
        )
        .bind(contract.map(ContractId::to_string))
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(dataset).collect()
    }

    /// The training run.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn training(&self, id: &RunId) -> Result<Option<TrainingRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM training_runs WHERE run_id = $1")
            .bind(id.to_string())
            .fetch_optional(self.pool())
            .await?;
        row.as_ref().map(training).transpose()
    }

    /// Training runs, newest first; of one experiment where that is given.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn trainings(
        &self,
        contract: Option<&ContractId>,
        limit: u32,
    ) -> Result<Vec<TrainingRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM training_runs WHERE ($1 IS NULL OR contract_id = $1) ORDER BY id DESC LIMIT $2",
        )
        .bind(contract.map(ContractId::to_string))
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(training).collect()
    }
}

fn dataset(row: &AnyRow) -> Result<DatasetRow, StoreError> {
    let row = Columns::of("datasets", row);
    Ok(DatasetRow {
        dataset_hash: row.parsed("dataset_hash")?,
        contract_id: row.parsed("contract_id")?,
        norm_stats_hash: row.parsed("norm_stats_hash")?,
        manifest: row.json("manifest")?,
        created_by: row.parsed("created_by")?,
        created_at: row.time("created_at")?,
    })
}

fn training(row: &AnyRow) -> Result<TrainingRow, StoreError> {
    let row = Columns::of("training_runs", row);
    Ok(TrainingRow {
        run_id: row.parsed("run_id")?,
        contract_id: row.parsed("contract_id")?,
        dataset_hash: row.parsed("dataset_hash")?,
        manifest: row.json("manifest")?,
        launched_by: row.parsed("launched_by")?,
        created_at: row.time("created_at")?,
    })
}
