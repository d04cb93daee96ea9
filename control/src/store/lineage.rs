//! What belongs to a model, for its lineage: read as it is stored, so that what was edited can be shown as such.

use contracts::ids::{ModelId, ProposalId};

use super::slots::read_contract;
use super::text::Columns;
use super::{ContractRow, Store, StoreError};

/// A signed statement as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementText {
    /// `second`, `promote` or `rollback`.
    pub kind: String,
    /// The proposal it is about, where it is about one.
    pub proposal_id: Option<String>,
    /// The document.
    pub statement: String,
}

/// A backtest's identity and files, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BacktestFiles {
    /// Its id.
    pub backtest_id: String,
    /// Of inputs, actions, trades and equity.
    pub fingerprint: String,
    /// Addresses of its trades, equity, summary and report.
    pub files: Vec<String>,
}

impl Store {
    /// Proposals for the model, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn proposals_of(&self, model: &ModelId) -> Result<Vec<ProposalId>, StoreError> {
        let rows = sqlx::query("SELECT proposal_id FROM promotion_proposals WHERE model_id = $1 ORDER BY id")
            .bind(model.to_string())
            .fetch_all(self.pool())
            .await?;
        rows.iter()
            .map(|row| Columns::of("promotion_proposals", row).parsed("proposal_id"))
            .collect()
    }

    /// Statements about the model, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn statements_of(&self, model: &ModelId) -> Result<Vec<StatementText>, StoreError> {
        let rows = sqlx::query(
            "SELECT kind, proposal_id, statement FROM vote_statements WHERE model_id = $1 ORDER BY id",
        )
        .bind(model.to_string())
        .fetch_all(self.pool())
        .await?;
        let read = |row| {
            let row = Columns::of("vote_statements", row);
            Ok(StatementText {
                kind: row.text("kind")?,
                proposal_id: row.text_or_null("proposal_id")?,
                statement: row.text("statement")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Contracts under which the model ran or runs, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn contracts_with(&self, model: &ModelId) -> Result<Vec<ContractRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM production_contracts WHERE model_id = $1 ORDER BY id")
            .bind(model.to_string())
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(read_contract).collect()
    }

    /// Backtests of the model, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn backtest_files_of(&self, model: &ModelId) -> Result<Vec<BacktestFiles>, StoreError> {
        let rows = sqlx::query("SELECT * FROM backtests WHERE model_id = $1 ORDER BY id")
            .bind(model.to_string())
            .fetch_all(self.pool())
            .await?;
        let read = |row| {
            let row = Columns::of("backtests", row);
            let files = ["trades_hash", "equity_hash", "summary_hash", "report_hash"]
                .map(|column| row.text_or_null(column));
            let files: Result<Vec<Option<String>>, StoreError> = files.into_iter().collect();
            Ok(BacktestFiles {
                backtest_id: row.text("backtest_id")?,
                fingerprint: row.text("fingerprint")?,
                files: files?.into_iter().flatten().collect(),
            })
        };
        rows.iter().map(read).collect()
    }
}
