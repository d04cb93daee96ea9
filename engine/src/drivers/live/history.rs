//! The history files of `engine.toml`: read at a cold start, for warm-ups, and to fill what a feed cannot deliver again.

use std::path::{Path, PathBuf};

use contracts::files::{BarFileOptions, FileError, read_bars, read_daily};
use contracts::ids::InstrumentId;

use crate::config::HistoryConfig;
use crate::drivers::warm::{KnownDaily, KnownHistory};

/// In a path, stands for the instrument's name, where the slot has several.
const PLACEHOLDER: &str = "{instrument}";

/// Reads the files.
///
/// # Errors
/// [`FileError`] naming file and line.
pub fn read(config: &HistoryConfig, instruments: &[InstrumentId]) -> Result<KnownHistory, FileError> {
    let mut history = KnownHistory::default();
    for instrument in instruments {
        let path = path_for(&config.bars, instrument);
        let file = read_bars(&path, &BarFileOptions::stamped(config.stamp))?;
        history.bars.insert(instrument.clone(), file.bars);
    }
    if let Some(path) = &config.macro_file {
        let file = read_daily(path)?;
        history.daily.extend(file.rows.iter().map(|row| KnownDaily {
            series: file.series[row.series].clone(),
            date: row.date,
            value: row.value,
            arrived_at: row.arrived_at,
        }));
    }
    Ok(history)
}

fn path_for(pattern: &Path, instrument: &InstrumentId) -> PathBuf {
    match pattern.to_str() {
        Some(text) => PathBuf::from(text.replace(PLACEHOLDER, instrument.as_str())),
        None => pattern.to_owned(),
    }
}
