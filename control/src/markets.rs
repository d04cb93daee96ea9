//! The bars and daily values of an instrument: those of the files that the settings name, or those that were ingested.

use std::sync::Arc;

use backtest::market::Market;
use contracts::features::FeatureContract;
use contracts::files::{BarFileOptions, FileError, read_bars, read_daily};
use contracts::ids::InstrumentId;

use crate::app::App;
use crate::artifacts::ArtifactStore;
use crate::config::MarketFiles;
use crate::market::{self, MarketName, SourcePartition, StoredMarket, StoredMarketError};

/// Why there is no market to look at.
#[derive(Debug, thiserror::Error)]
pub enum MarketError {
    /// Nothing was ingested for it, and the settings name no file.
    #[error(
        "there are no bars of {0}: ingest them, or add [markets.{0}] with bars and stamp to control.toml"
    )]
    Unknown(InstrumentId),
    /// The settings contradict themselves.
    #[error("control.toml: [markets.{instrument}]: {what}")]
    Settings {
        /// Whose section.
        instrument: InstrumentId,
        /// What is wrong.
        what: &'static str,
    },
    /// A file cannot be read, or a row of it is bad: mend the file.
    #[error("the bars or daily values of {instrument} cannot be used")]
    File {
        /// Whose.
        instrument: InstrumentId,
        /// File, line and fault.
        source: FileError,
    },
    /// The market store.
    #[error(transparent)]
    Stored(#[from] StoredMarketError),
}

impl MarketError {
    /// A stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Settings { .. } | Self::File { .. } => "market_unusable",
            Self::Unknown(_) | Self::Stored(StoredMarketError::Nothing(_)) => "no_market",
            Self::Stored(StoredMarketError::Altered { .. } | StoredMarketError::Unreadable { .. }) => {
                "market_altered"
            }
            Self::Stored(StoredMarketError::Store(_)) => "internal",
        }
    }
}

/// Where an instrument's market is read from.
#[derive(Debug, Clone)]
pub enum Source {
    /// Files.
    Files {
        /// Whose.
        instrument: InstrumentId,
        /// Which.
        files: MarketFiles,
    },
    /// The market store's current partitions.
    Stored(StoredMarket),
}

/// A market, and the partitions it was read from; none where files were read.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// Bars and daily values.
    pub market: Market,
    /// What they were read from.
    pub partitions: Vec<SourcePartition>,
}

/// Finds out where an instrument's market is; of the market store the daily series are exactly those that the features name.
///
/// # Errors
/// [`MarketError`].
pub async fn find(
    app: &App,
    instrument: &InstrumentId,
    features: &FeatureContract,
) -> Result<Source, MarketError> {
    let named = app.config.markets.get(instrument);
    let files = named.map_or(Ok(None), |named| named.files());
    let files = files.map_err(|what| MarketError::Settings {
        instrument: instrument.clone(),
        what,
    })?;
    if let Some(files) = files {
        return Ok(Source::Files {
            instrument: instrument.clone(),
            files,
        });
    }
    let series = features.macro_rules.keys().cloned().collect();
    match market::find(&app.store, instrument, series).await {
        Err(StoredMarketError::Nothing(MarketName::Bars(instrument))) => {
            Err(MarketError::Unknown(instrument))
        }
        found => Ok(Source::Stored(found?)),
    }
}

impl Source {
    /// Reads it; a bad row refuses a file, an altered byte a partition. It takes seconds for years of bars: keep it off the async threads.
    ///
    /// # Errors
    /// [`MarketError`].
    pub fn read(self, artifacts: &Arc<dyn ArtifactStore>) -> Result<Loaded, MarketError> {
        match self {
            Self::Files { instrument, files } => of_files(instrument, &files),
            Self::Stored(stored) => {
                let (market, partitions) = stored.read(artifacts)?;
                Ok(Loaded { market, partitions })
            }
        }
    }
}

fn of_files(instrument: InstrumentId, files: &MarketFiles) -> Result<Loaded, MarketError> {
    let read = || -> Result<Market, FileError> {
        let bars = read_bars(&files.bars, &BarFileOptions::stamped(files.stamp))?.bars;
        let daily = files.daily.as_deref().map(read_daily).transpose()?;
        Ok(Market {
            instrument: instrument.clone(),
            bars,
            daily: daily.unwrap_or_default(),
        })
    };
    let market = read().map_err(|source| MarketError::File {
        instrument: instrument.clone(),
        source,
    })?;
    Ok(Loaded {
        market,
        partitions: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use contracts::bar::Stamp;

    use super::*;

    fn load(folder: &std::path::Path, rows: &str) -> Result<Loaded, MarketError> {
        let (bars, daily) = (folder.join("x.csv"), folder.join("macro.csv"));
        std::fs::write(&bars, format!("time,open,high,low,close\n{rows}")).unwrap();
        std::fs::write(&daily, "date,dxy\n2026-01-02,98.4\n").unwrap();
        let files = MarketFiles {
            bars,
            stamp: Stamp::Open,
            daily: Some(daily),
        };
        of_files(InstrumentId::parse("X").unwrap(), &files)
    }

    #[test]
    fn a_market_is_what_its_files_say_and_a_bad_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let good = "2026-01-05T13:00:00Z,1,1,1,1\n2026-01-05T13:05:00Z,1,1,1,1\n";
        let Loaded { market, partitions } = load(folder.path(), good).unwrap();
        assert_eq!(market.bars[0].close_time.to_string(), "2026-01-05T13:05:00Z");
        assert_eq!((market.bars.len(), market.daily.rows.len()), (2, 1));
        assert!(partitions.is_empty());
        let bad = load(folder.path(), "2026-01-05T13:00:00Z,1,1,1,x\n").unwrap_err();
        assert_eq!(
            (bad.code(), bad.to_string().contains('X')),
            ("market_unusable", true)
        );
        let gone = MarketFiles {
            bars: "/nowhere.csv".into(),
            stamp: Stamp::Close,
            daily: None,
        };
        let gone = of_files(InstrumentId::parse("GONE").unwrap(), &gone);
        assert!(matches!(gone, Err(MarketError::File { .. })));
    }
}
