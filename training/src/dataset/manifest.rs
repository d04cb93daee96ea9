//! `manifest.json`: what a dataset is made of and where it comes from, with the hash of everything.

use std::collections::BTreeMap;

use backtest::market::Market;
use contracts::evidence::MarketHash;
use contracts::experiment::DateRange;
use contracts::experiment::contract::ExperimentContract;
use contracts::hash::{
    ArtifactHash, ConfigHash, DatasetHash, FeatureContractHash, FeatureOrderHash, NormStatsHash,
};
use contracts::ids::{ContractId, ExperimentName, FeatureContractName, InstrumentId};
use contracts::time::UtcMillis;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SplitName;

/// Tag of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DatasetV1 {
    /// The only one this build reads.
    #[serde(rename = "twovote/dataset/v1")]
    V1,
}

/// Which features, and which of them are columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeaturesOfDataset {
    /// Name of the feature contract.
    pub contract: FeatureContractName,
    /// Its version.
    pub version: String,
    /// Its content.
    pub feature_contract_hash: FeatureContractHash,
    /// Names of all its features, in order.
    pub feature_order_hash: FeatureOrderHash,
    /// The features that are columns, in order: all but those of state.
    pub columns: Vec<String>,
    /// Columns whose deviation on train is below 1e-8: the normaliser centres them and divides by 1.
    pub constant_on_train: Vec<String>,
}

/// One split and its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitFacts {
    /// Name of the Parquet file.
    pub file: String,
    /// Its bytes.
    pub sha256: ArtifactHash,
    /// Rows.
    pub rows: u64,
    /// Of the first row.
    pub first_close_time: UtcMillis,
    /// Of the last row.
    pub last_close_time: UtcMillis,
    /// Session dates the experiment gives it.
    pub window: DateRange,
    /// Sessions the calendar lists there.
    pub listed_sessions: u64,
    /// Bars of the window in session and not quarantined.
    pub used_bars: u64,
    /// Bars of the window without a row, by reason.
    pub withheld: BTreeMap<String, u64>,
}

/// What a dataset is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What this document is.
    pub schema_version: DatasetV1,
    /// For which experiment.
    pub experiment: ExperimentName,
    /// Its contract.
    pub contract_id: ContractId,
    /// Content of the experiment.
    pub config_hash: ConfigHash,
    /// Whose bars.
    pub instrument: InstrumentId,
    /// Which features.
    pub features: FeaturesOfDataset,
    /// Bars and daily values they were computed from.
    pub market_hash: MarketHash,
    /// Every row.
    pub dataset_hash: DatasetHash,
    /// The fitted norm stats; also the SHA-256 of `norm_stats.json`, which is canonical.
    pub norm_stats_hash: NormStatsHash,
    /// The three splits.
    pub splits: BTreeMap<SplitName, SplitFacts>,
    /// What the market was read from, as the builder's caller says.
    pub sources: Vec<Value>,
}

impl Manifest {
    /// The fields that tell whether it was built for this experiment and these features: where it differs, and how.
    #[must_use]
    pub fn differs_from(&self, contract: &ExperimentContract) -> Option<String> {
        let pairs = [
            (
                "contract_id",
                self.contract_id.to_string(),
                contract.contract_id.to_string(),
            ),
            (
                "config_hash",
                self.config_hash.to_hex(),
                contract.config_hash.to_hex(),
            ),
            (
                "feature_contract_hash",
                self.features.feature_contract_hash.to_hex(),
                contract.feature_contract_hash.to_hex(),
            ),
        ];
        let (field, here, there) = pairs.into_iter().find(|(_, here, there)| here != there)?;
        Some(format!("{field} is {here}, the experiment's is {there}"))
    }

    /// Whether it was computed from this market.
    #[must_use]
    pub fn is_of(&self, market: &Market) -> bool {
        self.market_hash == market.hash()
    }
}
