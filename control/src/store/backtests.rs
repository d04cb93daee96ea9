//! Backtests that were run, with the files they left in the artifact store.

use contracts::evidence::{ExecutionSettings, Fingerprint, Metrics};
use contracts::hash::{ArtifactHash, BundleHash};
use contracts::ids::{ContractId, InstrumentId, ModelId};
use contracts::time::{DayNumber, UtcMillis};
use sqlx::any::AnyRow;

use super::text::{Columns, json, number, time};
use super::{Store, StoreError, Tx};
use crate::words::words;

const TABLE: &str = "backtests";

words! {
    /// What a backtest was run for.
    Purpose {
        /// The first vote.
        Proposal = "proposal",
        /// What a proposal is compared with.
        Baseline = "baseline",
        /// A test that a reviewer asked for.
        MoreTests = "more_tests",
        /// A researcher's own.
        Research = "research",
    }
}

/// A backtest.
#[derive(Debug, Clone, PartialEq)]
pub struct BacktestRow {
    /// `BT-` and the beginning of a hash of what was run, for what.
    pub backtest_id: String,
    /// For what.
    pub purpose: Purpose,
    /// The model, where it is registered.
    pub model_id: Option<ModelId>,
    /// Its bundle.
    pub bundle_hash: BundleHash,
    /// The experiment.
    pub contract_id: ContractId,
    /// On what.
    pub instrument: InstrumentId,
    /// First session, a local date.
    pub first_session: DayNumber,
    /// Last session.
    pub last_session: DayNumber,
    /// The run.
    pub fingerprint: Fingerprint,
    /// How.
    pub settings: ExecutionSettings,
    /// The figures.
    pub metrics: Metrics,
    /// The trades, as Parquet.
    pub trades: Option<ArtifactHash>,
    /// Equity per bar, as Parquet.
    pub equity: Option<ArtifactHash>,
    /// Settings, counts, figures and session returns, as JSON.
    pub summary: Option<ArtifactHash>,
    /// The page for people.
    pub report: Option<ArtifactHash>,
    /// Who.
    pub created_by: String,
    /// When.
    pub created_at: UtcMillis,
}

impl Tx {
    /// Stores a backtest; the same run for the same purpose again changes nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_backtest(&mut self, row: &BacktestRow) -> Result<bool, StoreError> {
        let hex = |hash: Option<ArtifactHash>| hash.map(|hash| hash.to_hex());
        let done = sqlx::query(
            "INSERT INTO backtests (backtest_id, purpose, model_id, bundle_hash, contract_id, instrument, first_session,
                last_session, fingerprint, settings, metrics, trades_hash, equity_hash, summary_hash, report_hash,
                created_by, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) ON CONFLICT DO NOTHING",
        )
        .bind(row.backtest_id.as_str())
        .bind(row.purpose.word())
        .bind(row.model_id.as_ref().map(ModelId::to_string))
        .bind(row.bundle_hash.to_hex())
        .bind(row.contract_id.to_string())
        .bind(row.instrument.to_string())
        .bind(row.first_session.to_string())
        .bind(row.last_session.to_string())
        .bind(row.fingerprint.to_hex())
        .bind(json(&row.settings))
        .bind(json(&row.metrics))
        .bind(hex(row.trades))
        .bind(hex(row.equity))
        .bind(hex(row.summary))
        .bind(hex(row.report))
        .bind(row.created_by.as_str())
        .bind(time(row.created_at))
        .execute(self.statement()?)
        .await?;
        let new = done.rows_affected() == 1;
        if new {
            self.changed(TABLE, vec![row.backtest_id.as_str().into()]);
        }
        Ok(new)
    }
}

impl Store {
    /// The backtest.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn backtest(&self, id: &str) -> Result<Option<BacktestRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM backtests WHERE backtest_id = $1")
            .bind(id)
            .fetch_optional(self.pool())
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// Backtests, newest first, with the row number to go on below; of one model where that is given.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn backtests(
        &self,
        model: Option<&ModelId>,
        below: Option<u64>,
        limit: u32,
    ) -> Result<Vec<(u64, BacktestRow)>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM backtests WHERE ($1 IS NULL OR model_id = $1) AND ($2 IS NULL OR id < $2)
             ORDER BY id DESC LIMIT $3",
        )
        .bind(model.map(ModelId::to_string))
        .bind(below.map(number))
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| Ok((Columns::of(TABLE, row).count("id")?, read(row)?)))
            .collect()
    }
}

fn read(row: &AnyRow) -> Result<BacktestRow, StoreError> {
    let row = Columns::of(TABLE, row);
    Ok(BacktestRow {
        backtest_id: row.text("backtest_id")?,
        purpose: row.parsed("purpose")?,
        model_id: row.parsed_or_null("model_id")?,
        bundle_hash: row.parsed("bundle_hash")?,
        contract_id: row.parsed("contract_id")?,
        instrument: row.parsed("instrument")?,
        first_session: row.date("first_session")?,
        last_session: row.date("last_session")?,
        fingerprint: row.parsed("fingerprint")?,
        settings: row.json("settings")?,
        metrics: row.json("metrics")?,
        trades: row.parsed_or_null("trades_hash")?,
        equity: row.parsed_or_null("equity_hash")?,
        summary: row.parsed_or_null("summary_hash")?,
        report: row.parsed_or_null("report_hash")?,
        created_by: row.text("created_by")?,
        created_at: row.time("created_at")?,
    })
}
