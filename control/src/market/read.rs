//! From current partitions to the bars and daily values a run reads.

use std::sync::Arc;

use backtest::market::Market;
use contracts::files::{DailyFile, DailyRow};
use contracts::ids::{InstrumentId, SeriesId};

use super::file::decode;
use super::name::MarketName;
use super::partition::{PartitionError, Rows};
use super::source::SourcePartition;
use crate::artifacts::{ArtifactError, ArtifactStore};
use crate::store::{RevisionFilter, Store, StoreError};

/// Why the store gives no market.
#[derive(Debug, thiserror::Error)]
pub enum StoredMarketError {
    /// Nothing was ingested for it.
    #[error("the market store holds no {0}: ingest it")]
    Nothing(MarketName),
    /// A partition's file is missing or was altered.
    #[error("market_altered: {partition} is not what was ingested")]
    Altered {
        /// Which.
        partition: Box<SourcePartition>,
        /// What is wrong with its file.
        source: ArtifactError,
    },
    /// A partition's file is none: the row was edited, or a newer version wrote it.
    #[error("market_altered: {partition} cannot be read")]
    Unreadable {
        /// Which.
        partition: Box<SourcePartition>,
        /// Why.
        source: PartitionError,
    },
    /// The database.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
}

/// The current partitions of an instrument and the daily series beside it, not read yet.
#[derive(Debug, Clone)]
pub struct StoredMarket {
    instrument: InstrumentId,
    series: Vec<SeriesId>,
    partitions: Vec<SourcePartition>,
}

/// Finds the current partitions of an instrument and of exactly these series, all of one moment.
///
/// # Errors
/// [`StoredMarketError::Nothing`], [`StoredMarketError::Store`].
pub async fn find(
    store: &Store,
    instrument: &InstrumentId,
    series: Vec<SeriesId>,
) -> Result<StoredMarket, StoredMarketError> {
    let filter = RevisionFilter {
        through: store.newest_revision().await?,
        ..RevisionFilter::current()
    };
    let mut names = vec![MarketName::Bars(instrument.clone())];
    names.extend(series.iter().cloned().map(MarketName::Daily));
    let mut partitions = Vec::new();
    for name in names {
        let rows = store.revisions(&name, filter, None, None).await?;
        if rows.is_empty() {
            return Err(StoredMarketError::Nothing(name));
        }
        partitions.extend(rows.iter().map(SourcePartition::from));
    }
    Ok(StoredMarket {
        instrument: instrument.clone(),
        series,
        partitions,
    })
}

impl StoredMarket {
    /// Reads every partition, its bytes held against their hash. It takes seconds for years of bars: keep it off the async threads.
    ///
    /// # Errors
    /// [`StoredMarketError`].
    pub fn read(
        self,
        artifacts: &Arc<dyn ArtifactStore>,
    ) -> Result<(Market, Vec<SourcePartition>), StoredMarketError> {
        let mut rows = Vec::with_capacity(self.partitions.len());
        for partition in &self.partitions {
            let bytes = artifacts
                .get(partition.sha256)
                .map_err(|source| StoredMarketError::Altered {
                    partition: Box::new(partition.clone()),
                    source,
                })?;
            let decoded = decode(partition.name.kind(), partition.month, &bytes);
            rows.push(decoded.map_err(|source| StoredMarketError::Unreadable {
                partition: Box::new(partition.clone()),
                source,
            })?);
        }
        let parts = self.partitions.iter().map(|partition| &partition.name).zip(rows);
        let market = assemble(self.instrument, self.series, parts);
        Ok((market, self.partitions))
    }
}

/// Bars by time; daily values by date, then in the order of `series`, then version by version. Partitions of a name come by month.
pub fn assemble<'a>(
    instrument: InstrumentId,
    series: Vec<SeriesId>,
    partitions: impl IntoIterator<Item = (&'a MarketName, Rows)>,
) -> Market {
    let (mut bars, mut rows) = (Vec::new(), Vec::new());
    for (name, partition) in partitions {
        match (name, partition) {
            (MarketName::Daily(name), Rows::Daily(values)) => {
                let Some(place) = series.iter().position(|series| series == name) else {
                    continue;
                };
                rows.extend(values.into_iter().map(|value| DailyRow {
                    series: place,
                    date: value.date,
                    value: value.value,
                    arrived_at: value.arrived_at,
                }));
            }
            (_, Rows::Bars(month)) => bars.extend(month),
            (MarketName::Bars(_), Rows::Daily(_)) => {}
        }
    }
    // Versions of a value stay in their order.
    rows.sort_by_key(|row| (row.date, row.series));
    Market {
        instrument,
        bars,
        daily: DailyFile { series, rows },
    }
}
