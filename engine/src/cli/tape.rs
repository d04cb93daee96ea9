//! Files on the command line as one tape: bars by instrument, daily values by when they become visible.

use std::path::{Path, PathBuf};

use contracts::bar::Bar;
use contracts::features::FeatureContract;
use contracts::files::DailyFile;
use contracts::ids::{InstrumentId, SeriesId};
use contracts::time::{DayNumber, UtcMillis};
use strategy::calendar::Calendar;

use super::{CliError, Exit, OrExit};
use crate::feeds::file_server::{Tape, TapeMacro, visible_everywhere};
use commandline::inputs::{self, BarArgs};

/// Reads the files; `features` says when daily values become visible, without it they are sent as early as any calendar could.
///
/// # Errors
/// [`Exit::Usage`] when names and files do not match, [`Exit::NoInput`] and [`Exit::Data`] for the files.
pub fn tape_of(
    bars: &[PathBuf],
    instruments: &[InstrumentId],
    read: &BarArgs,
    daily: Option<&Path>,
    features: Option<&FeatureContract>,
) -> Result<Tape, CliError> {
    if !instruments.is_empty() && instruments.len() != bars.len() {
        return Err(CliError::new(
            Exit::Usage,
            format!("{} --instrument for {} --bars", instruments.len(), bars.len()),
            "name each file's instrument, in the same order, or none",
        ));
    }
    let mut by_instrument = Vec::with_capacity(bars.len());
    for (position, path) in bars.iter().enumerate() {
        let instrument = inputs::instrument(instruments.get(position), path)?;
        by_instrument.push((instrument, ascending(path, read.read(path)?.bars)));
    }
    let daily = match daily {
        Some(path) => values(inputs::daily(path)?, features)?,
        None => Vec::new(),
    };
    Tape::new(by_instrument, daily).or_exit(
        Exit::Usage,
        "these files make no feed",
        "give each instrument one file",
    )
}

/// Under `--on-bad quarantine` a file may hold bars out of order. An engine drops them, so they are not sent.
fn ascending(path: &Path, bars: Vec<Bar>) -> Vec<Bar> {
    let (all, mut last) = (bars.len(), None);
    let kept: Vec<Bar> = bars
        .into_iter()
        .filter(|bar| {
            let later = last.is_none_or(|last| bar.close_time > last);
            if later {
                last = Some(bar.close_time);
            }
            later
        })
        .collect();
    if kept.len() < all {
        tracing::warn!(path = %path.display(), bars = all - kept.len(), "out of order, not sent");
    }
    kept
}

fn values(file: DailyFile, features: Option<&FeatureContract>) -> Result<Vec<TapeMacro>, CliError> {
    let rules = match features {
        None => None,
        Some(contract) => {
            let calendar = Calendar::new(&contract.calendar).or_exit(
                Exit::Data,
                "the feature contract's calendar cannot be used",
                "see the message for what to mend",
            )?;
            Some((contract, calendar))
        }
    };
    let values = file.rows.iter().map(|row| {
        let series = file.series[row.series].clone();
        let published = rules
            .as_ref()
            .and_then(|(contract, calendar)| published(contract, calendar, &series, row.date));
        let visible_at = published.unwrap_or_else(|| visible_everywhere(row.date));
        TapeMacro {
            series,
            date: row.date,
            value: row.value,
            arrived_at: row.arrived_at,
            visible_at: row
                .arrived_at
                .map_or(visible_at, |arrived| arrived.max(visible_at)),
        }
    });
    Ok(values.collect())
}

/// Local midnight of the observation date + 1 + the series' delay; `None` for a series the contract does not use.
fn published(
    contract: &FeatureContract,
    calendar: &Calendar,
    series: &SeriesId,
    date: DayNumber,
) -> Option<UtcMillis> {
    let rule = contract.macro_rules.get(series)?;
    calendar.midnight(DayNumber(
        date.0.checked_add(1)?.checked_add(i32::from(rule.delay_days))?,
    ))
}
