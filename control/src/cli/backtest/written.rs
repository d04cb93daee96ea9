//! What a backtest leaves on disk.

use std::path::{Path, PathBuf};

use backtest::outcome::Outcome;
use backtest::output::{OutputError, equity_parquet, metrics_json, trades_parquet};
use backtest::report::{Report, html};
use contracts::evidence::{CriterionResult, Metrics};

use crate::cli::{CliError, Exit, OrExit};

/// A run and what is said about it.
pub struct Written<'a> {
    /// Which model under which experiment.
    pub title: &'a str,
    /// The run.
    pub outcome: &'a Outcome,
    /// Its figures.
    pub metrics: &'a Metrics,
    /// The gates.
    pub criteria: &'a [CriterionResult],
    /// What stands on every file.
    pub caveats: &'a [String],
}

/// A run's files.
pub struct Files {
    /// Equity per bar, as Parquet.
    pub equity: Vec<u8>,
    /// The trades, as Parquet.
    pub trades: Vec<u8>,
    /// Everything else, as JSON.
    pub summary: Vec<u8>,
    /// The page for people.
    pub report: Vec<u8>,
}

impl Written<'_> {
    /// Makes tables, figures and page.
    ///
    /// # Errors
    /// [`Exit::Software`] for what cannot be made.
    pub fn files(&self) -> Result<Files, CliError> {
        let failed = |error: OutputError| {
            CliError::new(
                Exit::Software,
                "the output cannot be made",
                "see the message below",
            )
            .caused_by(error)
        };
        Ok(Files {
            equity: equity_parquet(self.outcome, self.caveats).map_err(failed)?,
            trades: trades_parquet(self.outcome, self.caveats).map_err(failed)?,
            summary: metrics_json(self.outcome, self.metrics, self.caveats).map_err(failed)?,
            report: html(&Report {
                title: self.title,
                outcome: self.outcome,
                metrics: self.metrics,
                criteria: self.criteria,
                caveats: self.caveats,
            })
            .into_bytes(),
        })
    }
}

impl Files {
    /// Writes tables and figures into `folder`, and the page to `report` where that is asked for; the files' names.
    ///
    /// # Errors
    /// [`Exit::Io`] for what cannot be written.
    pub fn write(&self, folder: &Path, report: Option<&Path>) -> Result<Vec<PathBuf>, CliError> {
        let mut files = vec![
            (folder.join("equity.parquet"), &self.equity),
            (folder.join("trades.parquet"), &self.trades),
            (folder.join("metrics.json"), &self.summary),
        ];
        files.extend(report.map(|path| (path.to_owned(), &self.report)));
        for (path, bytes) in &files {
            write(path, bytes).or_exit(
                Exit::Io,
                format!("cannot write {}", path.display()),
                "check the directory, its rights and its room",
            )?;
        }
        Ok(files.into_iter().map(|(path, _)| path).collect())
    }
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, bytes)
}
