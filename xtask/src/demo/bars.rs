//! The demo's bars, cut in two: history the engine starts with, and what the feed brings live.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which end of a bar its time names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Stamp {
    /// Its open.
    Open,
    /// Its close.
    Close,
}

impl Stamp {
    /// As the engine's command line and settings write it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Close => "close",
        }
    }
}

/// A file of bars with what must be said about it.
#[derive(Debug, Clone)]
pub struct Bars {
    pub file: PathBuf,
    pub stamp: Stamp,
    pub macros: Option<PathBuf>,
}

/// The file of bars, cut.
#[derive(Debug)]
pub struct Cut {
    /// Everything before the live days, in a file of its own.
    pub history: PathBuf,
    pub history_bars: usize,
    pub live_bars: usize,
    /// Dates of the history, ascending.
    pub history_dates: Vec<String>,
    /// Time of the first live bar, as the file writes it.
    pub first_live: String,
}

impl Bars {
    /// Adds `--bars`, `--stamp` and `--macro` to a command of the engine.
    pub fn name<'c>(&self, command: &'c mut Command, bars: &Path) -> &'c mut Command {
        command
            .arg("--bars")
            .arg(bars)
            .args(["--stamp", self.stamp.word()]);
        if let Some(macros) = &self.macros {
            command.arg("--macro").arg(macros);
        }
        command
    }

    /// Writes all but the last `live_days` UTC dates to `folder/history.csv`.
    pub fn split(&self, folder: &Path, live_days: usize) -> Result<Cut, String> {
        let text = self.read()?;
        let cut = cut(&text, live_days).map_err(|why| format!("{}: {why}", self.file.display()))?;
        let history = folder.join("history.csv");
        std::fs::write(&history, &text[..cut.at])
            .map_err(|error| format!("{}: {error}", history.display()))?;
        Ok(Cut {
            history,
            history_bars: cut.before,
            live_bars: cut.after,
            history_dates: cut.dates,
            first_live: cut.first,
        })
    }

    fn read(&self) -> Result<String, String> {
        let named = |error: &dyn std::fmt::Display| format!("cannot read {}: {error}", self.file.display());
        if self.file.extension().is_some_and(|extension| extension == "gz") {
            let output = Command::new("gzip")
                .arg("-dc")
                .arg(&self.file)
                .output()
                .map_err(|error| named(&error))?;
            if !output.status.success() {
                return Err(named(&String::from_utf8_lossy(&output.stderr)));
            }
            return String::from_utf8(output.stdout).map_err(|error| named(&error));
        }
        std::fs::read_to_string(&self.file).map_err(|error| named(&error))
    }
}

struct At {
    at: usize,
    before: usize,
    after: usize,
    dates: Vec<String>,
    first: String,
}

/// Where the last `live_days` dates begin. Rows are taken to begin with an RFC 3339 time, as the engine reads them.
fn cut(text: &str, live_days: usize) -> Result<At, String> {
    let date = |line: &str| line.get(..10).map(str::to_owned);
    let dates: BTreeSet<String> = text.lines().skip(1).filter_map(date).collect();
    let Some(first_date) = live_days
        .checked_sub(1)
        .and_then(|n| dates.iter().rev().nth(n).cloned())
    else {
        return Err(format!(
            "it holds {} dates, --live-days asks for {live_days}",
            dates.len()
        ));
    };
    let (mut at, mut before) = (0, 0);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if index > 0 && date(line).is_some_and(|d| d >= first_date) {
            let first = line.split(',').next().unwrap_or_default().to_owned();
            let after = text[at..].lines().count();
            return Ok(At {
                at,
                before,
                after,
                dates: dates.into_iter().filter(|date| *date < first_date).collect(),
                first,
            });
        }
        at += line.len();
        before += usize::from(index > 0);
    }
    Err("it holds no bar".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "ts,close\n2025-01-06T13:00:00Z,1\n2025-01-06T13:05:00Z,2\n2025-01-07T13:00:00Z,3\n";

    #[test]
    fn the_last_days_are_live() {
        let at = cut(TEXT, 1).expect("two dates");
        assert_eq!(
            (at.before, at.after, at.first.as_str()),
            (2, 1, "2025-01-07T13:00:00Z")
        );
        assert_eq!(&TEXT[at.at..], "2025-01-07T13:00:00Z,3\n");
    }

    #[test]
    fn more_days_than_there_are_is_an_error() {
        assert!(cut(TEXT, 3).is_err());
        assert!(cut(TEXT, 0).is_err());
    }
}
