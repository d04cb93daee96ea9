//! The bars and daily values that the settings name per instrument.

use backtest::market::Market;
use contracts::files::{BarFileOptions, DailyFile, FileError, read_bars, read_daily};
use contracts::ids::InstrumentId;

use crate::config::{Config, MarketConfig};

/// Why there is no market to look at.
#[derive(Debug, thiserror::Error)]
pub enum MarketError {
    /// The settings name no bars for it.
    #[error("control.toml names no bars for {0}: add [markets.{0}] with bars and stamp")]
    Unknown(InstrumentId),
    /// A file cannot be read, or a row of it is bad: mend the file.
    #[error("the bars or daily values of {instrument} cannot be used")]
    File {
        /// Whose.
        instrument: InstrumentId,
        /// File, line and fault.
        source: FileError,
    },
}

/// Reads an instrument's bars and daily values; a bad row refuses the file. It takes seconds for years of bars: keep it off the async
/// threads.
///
/// # Errors
/// [`MarketError`].
pub fn load(config: &Config, instrument: &InstrumentId) -> Result<Market, MarketError> {
    let named = config.markets.get(instrument);
    let named = named.ok_or_else(|| MarketError::Unknown(instrument.clone()))?;
    let (bars, daily) = read(named).map_err(|source| MarketError::File {
        instrument: instrument.clone(),
        source,
    })?;
    Ok(Market {
        instrument: instrument.clone(),
        bars,
        daily,
    })
}

fn read(named: &MarketConfig) -> Result<(Vec<contracts::bar::Bar>, DailyFile), FileError> {
    let bars = read_bars(&named.bars, &BarFileOptions::stamped(named.stamp))?.bars;
    let daily = named.daily.as_deref().map(read_daily).transpose()?;
    Ok((bars, daily.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(folder: &std::path::Path, rows: &str) -> Config {
        let (bars, daily) = (folder.join("x.csv"), folder.join("macro.csv"));
        std::fs::write(&bars, format!("time,open,high,low,close\n{rows}")).unwrap();
        std::fs::write(&daily, "date,dxy\n2026-01-02,98.4\n").unwrap();
        let text = format!(
            "[markets.X]\nbars = {bars:?}\nstamp = \"open\"\nmacro = {daily:?}\n[markets.GONE]\nbars = \"/nowhere.csv\"\nstamp = \"close\"\n"
        );
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn a_market_is_what_its_files_say_and_a_bad_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let good = "2026-01-05T13:00:00Z,1,1,1,1\n2026-01-05T13:05:00Z,1,1,1,1\n";
        let good = config(folder.path(), good);
        let id = |name: &str| InstrumentId::parse(name).unwrap();
        let market = load(&good, &id("X")).unwrap();
        assert_eq!(market.bars[0].close_time.to_string(), "2026-01-05T13:05:00Z");
        assert_eq!((market.bars.len(), market.daily.rows.len()), (2, 1));
        assert!(matches!(load(&good, &id("Y")), Err(MarketError::Unknown(_))));
        assert!(matches!(load(&good, &id("GONE")), Err(MarketError::File { .. })));

        let bad = config(folder.path(), "2026-01-05T13:00:00Z,1,1,1,x\n");
        assert!(matches!(load(&bad, &id("X")), Err(MarketError::File { .. })));
    }
}
