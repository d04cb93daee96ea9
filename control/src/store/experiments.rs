//! Experiment contracts: what every vote is measured against, never changed.

use contracts::experiment::Experiment;
use contracts::features::FeatureContract;
use contracts::hash::{ConfigHash, FeatureContractHash, FeatureOrderHash, RewardHash, SourceHash};
use contracts::ids::{ContractId, ExperimentName, InstrumentId, PersonId, SlotId};
use contracts::time::UtcMillis;
use sqlx::any::AnyRow;

use super::text::{Columns, json, time};
use super::{Store, StoreError, Tx};

const TABLE: &str = "experiment_contracts";

/// An experiment's contract.
#[derive(Debug, Clone, PartialEq)]
pub struct ExperimentRow {
    /// `CTR-EXP-{name}-{version}`.
    pub contract_id: ContractId,
    /// Name.
    pub name: ExperimentName,
    /// Version.
    pub version: String,
    /// Canonical JSON of the YAML as parsed, before defaults.
    pub config_hash: ConfigHash,
    /// The file's bytes.
    pub source_hash: SourceHash,
    /// Names of the features, in order.
    pub feature_order_hash: FeatureOrderHash,
    /// The feature contract.
    pub feature_contract_hash: FeatureContractHash,
    /// Canonical JSON of the reward section.
    pub reward_config_hash: RewardHash,
    /// First 16 hex of the data section's hash.
    pub date_ranges_version: String,
    /// Where the model would run.
    pub slot: SlotId,
    /// On what.
    pub instrument: InstrumentId,
    /// With defaults: criteria, costs, calendar and holdout are read from here only.
    pub frozen: Experiment,
    /// Calendar and delays inlined.
    pub feature_contract: FeatureContract,
    /// Who registered it.
    pub created_by: PersonId,
    /// When.
    pub created_at: UtcMillis,
}

impl Tx {
    /// Stores a new contract.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when name and version are taken.
    pub async fn insert_experiment(&mut self, row: &ExperimentRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO experiment_contracts (contract_id, experiment_name, experiment_version, config_hash, source_hash,
                feature_order_hash, feature_contract_hash, reward_config_hash, date_ranges_version, slot, instrument,
                frozen_config, feature_contract, created_by, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        )
        .bind(row.contract_id.to_string())
        .bind(row.name.to_string())
        .bind(row.version.as_str())
        .bind(row.config_hash.to_hex())
        .bind(row.source_hash.to_hex())
        .bind(row.feature_order_hash.to_hex())
        .bind(row.feature_contract_hash.to_hex())
        .bind(row.reward_config_hash.to_hex())
        .bind(row.date_ranges_version.as_str())
        .bind(row.slot.to_string())
        .bind(row.instrument.to_string())
        .bind(json(&row.frozen))
        .bind(json(&row.feature_contract))
        .bind(row.created_by.to_string())
        .bind(time(row.created_at))
        .execute(self.statement()?)
        .await?;
        self.changed(TABLE, vec![row.contract_id.to_string().into()]);
        Ok(())
    }

    /// The contract, within the transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn experiment(&mut self, id: &ContractId) -> Result<Option<ExperimentRow>, StoreError> {
        let row = sqlx::query(BY_ID)
            .bind(id.to_string())
            .fetch_optional(self.statement()?)
            .await?;
        row.as_ref().map(read).transpose()
    }
}

impl Store {
    /// The contract.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn experiment(&self, id: &ContractId) -> Result<Option<ExperimentRow>, StoreError> {
        let row = sqlx::query(BY_ID)
            .bind(id.to_string())
            .fetch_optional(self.pool())
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// Contracts, newest first; of one name where that is given.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn experiments(
        &self,
        name: Option<&ExperimentName>,
        limit: u32,
    ) -> Result<Vec<ExperimentRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM experiment_contracts WHERE ($1 IS NULL OR experiment_name = $1) ORDER BY id DESC LIMIT $2",
        )
        .bind(name.map(ExperimentName::to_string))
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(read).collect()
    }
}

const BY_ID: &str = "SELECT * FROM experiment_contracts WHERE contract_id = $1";

fn read(row: &AnyRow) -> Result<ExperimentRow, StoreError> {
    let row = Columns::of(TABLE, row);
    Ok(ExperimentRow {
        contract_id: row.parsed("contract_id")?,
        name: row.parsed("experiment_name")?,
        version: row.text("experiment_version")?,
        config_hash: row.parsed("config_hash")?,
        source_hash: row.parsed("source_hash")?,
        feature_order_hash: row.parsed("feature_order_hash")?,
        feature_contract_hash: row.parsed("feature_contract_hash")?,
        reward_config_hash: row.parsed("reward_config_hash")?,
        date_ranges_version: row.text("date_ranges_version")?,
        slot: row.parsed("slot")?,
        instrument: row.parsed("instrument")?,
        frozen: row.json("frozen_config")?,
        feature_contract: row.json("feature_contract")?,
        created_by: row.parsed("created_by")?,
        created_at: row.time("created_at")?,
    })
}
