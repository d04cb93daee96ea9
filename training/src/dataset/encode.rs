//! The files of a dataset as bytes: three tables, the norm stats, the manifest. The same dataset gives the same bytes.

use backtest::output::table::{Column, write};
use contracts::ids::ExperimentName;
use contracts::jcs::to_canonical;
use contracts::norm_stats::NormStats;

use super::error::EncodeError;
use super::folder::{MANIFEST_FILE, NORM_STATS_FILE};
use super::hash::BAR_COLUMNS;
use super::{Dataset, Rows, SplitName};

/// A file to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetFile {
    /// Its name.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// The tables in the order of the splits, then `norm_stats.json`, then `manifest.json`.
///
/// # Errors
/// [`EncodeError`].
pub fn encode(dataset: &Dataset) -> Result<Vec<DatasetFile>, EncodeError> {
    let mut files = Vec::new();
    for split in SplitName::ALL {
        files.push(DatasetFile {
            name: file_name(&dataset.manifest.experiment, split),
            bytes: table(dataset.rows(split), &dataset.manifest.features.columns, split)?,
        });
    }
    files.push(DatasetFile {
        name: NORM_STATS_FILE.to_owned(),
        bytes: norm_stats(&dataset.norm_stats)?,
    });
    let manifest = to_canonical(&dataset.manifest).map_err(|source| EncodeError::Json {
        file: MANIFEST_FILE,
        source,
    })?;
    files.push(DatasetFile {
        name: MANIFEST_FILE.to_owned(),
        bytes: manifest.into_bytes(),
    });
    Ok(files)
}

/// `DS_{experiment}_{train|val|test}.parquet`.
pub(super) fn file_name(experiment: &ExperimentName, split: SplitName) -> String {
    format!("DS_{experiment}_{split}.parquet")
}

/// One row per bar: `close_time` in UTC milliseconds, everything else doubles.
pub(super) fn table(rows: &Rows, features: &[String], split: SplitName) -> Result<Vec<u8>, EncodeError> {
    let [time, prices @ ..] = BAR_COLUMNS;
    let mut columns = vec![(time, Column::Time(rows.close_times.iter().map(|t| t.0).collect()))];
    for (at, name) in prices.into_iter().enumerate() {
        columns.push((name, Column::Number(rows.prices.iter().map(|p| p[at]).collect())));
    }
    for (at, name) in features.iter().enumerate() {
        columns.push((name, Column::Number(rows.feature(at).collect())));
    }
    write("dataset", &[], &columns).map_err(|source| EncodeError::Table { split, source })
}

/// Canonical JSON: its SHA-256 is the norm stats' hash.
pub(super) fn norm_stats(stats: &NormStats) -> Result<Vec<u8>, EncodeError> {
    let text = to_canonical(stats).map_err(|source| EncodeError::Json {
        file: NORM_STATS_FILE,
        source,
    })?;
    Ok(text.into_bytes())
}
