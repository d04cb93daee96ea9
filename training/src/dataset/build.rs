//! From an experiment and a market to its dataset.

use std::collections::BTreeMap;

use backtest::market::Market;
use contracts::experiment::DateRange;
use contracts::experiment::contract::ExperimentContract;
use contracts::hash::{ArtifactHash, DatasetHash};
use contracts::jcs::to_canonical;
use contracts::norm_stats::{FeatureStats, NormStats, NormStatsMetadata};
use serde_json::Value;
use strategy::limits::STD_MIN;

use super::encode::{file_name, table};
use super::rows::{columns, observer};
use super::{
    Dataset, DatasetError, DatasetV1, FeaturesOfDataset, Manifest, Seen, SplitFacts, SplitName, dataset_hash,
    fit, observe,
};
use crate::limits::FIT_ROWS_MIN;

/// Builds the dataset of an experiment. `sources` says what the market was read from and stands in the manifest as it is.
///
/// All bars before a split warm its operators up; norm stats see the rows of train alone.
///
/// # Errors
/// [`DatasetError`], naming the split and what is missing.
pub fn build(
    contract: &ExperimentContract,
    market: &Market,
    sources: Vec<Value>,
) -> Result<Dataset, DatasetError> {
    let data = &contract.frozen.data;
    if market.instrument != data.instrument {
        return Err(DatasetError::Instrument {
            market: market.instrument.clone(),
            experiment: data.instrument.clone(),
        });
    }
    to_canonical(&sources).map_err(DatasetError::Sources)?;
    let strategy = observer(&contract.feature_contract)?;
    let look = |split, window| -> Result<Seen, DatasetError> {
        let seen = observe(&contract.feature_contract, &strategy, market, window);
        let seen = seen.map_err(|source| DatasetError::Split {
            split,
            window,
            source,
        })?;
        if seen.rows.is_empty() {
            let why = reasons(&seen.withheld);
            return Err(DatasetError::Empty { split, window, why });
        }
        Ok(seen)
    };
    let train = look(SplitName::Train, data.train)?;
    if train.rows.len() < FIT_ROWS_MIN {
        return Err(DatasetError::TooFew {
            rows: train.rows.len(),
        });
    }
    let val = look(SplitName::Val, data.validation)?;
    let test = look(SplitName::Test, data.test)?;
    let names: Vec<String> = columns(&contract.feature_contract).map(str::to_owned).collect();
    let hash = dataset_hash(&names, [&train.rows, &val.rows, &test.rows]);
    let norm_stats = norm_stats(contract, &names, &train, hash);
    let constant = |name: &&String| norm_stats.features[*name].std < STD_MIN;
    let features = FeaturesOfDataset {
        contract: contract.feature_contract.name.clone(),
        version: contract.feature_contract.version.clone(),
        feature_contract_hash: contract.feature_contract_hash,
        feature_order_hash: contract.feature_order_hash,
        constant_on_train: names.iter().filter(constant).cloned().collect(),
        columns: names,
    };
    let mut splits = BTreeMap::new();
    let windows = [data.train, data.validation, data.test];
    for ((split, window), seen) in SplitName::ALL.into_iter().zip(windows).zip([&train, &val, &test]) {
        let bytes = table(&seen.rows, &features.columns, split)?;
        let file = file_name(&contract.name, split);
        splits.insert(split, facts(seen, window, file, &bytes));
    }
    Ok(Dataset {
        manifest: Manifest {
            schema_version: DatasetV1::V1,
            experiment: contract.name.clone(),
            contract_id: contract.contract_id.clone(),
            config_hash: contract.config_hash,
            instrument: market.instrument.clone(),
            features,
            market_hash: market.hash(),
            dataset_hash: hash,
            norm_stats_hash: norm_stats.hash(),
            splits,
            sources,
        },
        splits: [train.rows, val.rows, test.rows],
        norm_stats,
    })
}

/// Fits every column on the rows of train.
fn norm_stats(
    contract: &ExperimentContract,
    names: &[String],
    train: &Seen,
    dataset_hash: DatasetHash,
) -> NormStats {
    let window = contract.frozen.data.train;
    let (fit_start, fit_end) = train.sessions.unwrap_or((window.start, window.end));
    let stats = |(at, name): (usize, &String)| -> (String, FeatureStats) {
        let values = train.rows.features.iter().skip(at).step_by(names.len()).copied();
        (name.clone(), fit(values))
    };
    NormStats {
        metadata: NormStatsMetadata {
            version: contract.feature_contract.version.clone(),
            experiment: contract.name.to_string(),
            fit_start,
            fit_end,
            sample_count: train.rows.len() as u64,
            dataset_hash,
        },
        features: names.iter().enumerate().map(stats).collect(),
    }
}

fn facts(seen: &Seen, window: DateRange, file: String, bytes: &[u8]) -> SplitFacts {
    let times = &seen.rows.close_times;
    SplitFacts {
        file,
        sha256: ArtifactHash::of(bytes),
        rows: times.len() as u64,
        first_close_time: times.first().copied().unwrap_or_default(),
        last_close_time: times.last().copied().unwrap_or_default(),
        window,
        listed_sessions: seen.listed_sessions as u64,
        used_bars: seen.used_bars as u64,
        withheld: seen.withheld.clone(),
    }
}

/// Counts by reason, for a message.
fn reasons(withheld: &BTreeMap<String, u64>) -> String {
    if withheld.is_empty() {
        return "there is no bar in it".to_owned();
    }
    let parts: Vec<String> = withheld
        .iter()
        .map(|(reason, n)| format!("{n} {reason}"))
        .collect();
    parts.join(", ")
}
