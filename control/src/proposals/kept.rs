//! What a run leaves in the artifact store, and its row.

use std::sync::Arc;

use backtest::outcome::Outcome;
use backtest::output::{OutputError, equity_parquet, metrics_json, trades_parquet};
use backtest::report::{Report, html};
use contracts::evidence::{CriterionResult, Metrics};
use contracts::hash::{ArtifactHash, Digest};
use contracts::time::UtcMillis;

use super::subject::Subject;
use crate::artifacts::{ArtifactError, ArtifactStore};
use crate::store::{BacktestRow, Purpose};

/// Hexadecimal digits of a backtest's id: enough that two never meet.
const ID_DIGITS: usize = 16;

/// Why the files of a run are not kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// A file cannot be written.
    #[error("a file of the run cannot be made")]
    Output(#[from] OutputError),
    /// It cannot be stored.
    #[error("a file of the run cannot be stored")]
    Artifact(#[from] ArtifactError),
}

/// Addresses of a run's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    trades: ArtifactHash,
    equity: ArtifactHash,
    summary: ArtifactHash,
    report: ArtifactHash,
}

/// What a run's page tells beside its figures.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// Its heading.
    pub title: &'a str,
    /// Its figures.
    pub metrics: &'a Metrics,
    /// Its gates.
    pub criteria: &'a [CriterionResult],
    /// What the figures leave out.
    pub caveats: &'a [String],
}

/// Makes and stores a run's files; the same run has the same addresses.
///
/// # Errors
/// [`KeepError`].
pub fn keep(store: &Arc<dyn ArtifactStore>, outcome: &Outcome, told: Told<'_>) -> Result<Kept, KeepError> {
    let page = html(&Report {
        title: told.title,
        outcome,
        metrics: told.metrics,
        criteria: told.criteria,
        caveats: told.caveats,
    });
    Ok(Kept {
        trades: store.put(&trades_parquet(outcome, told.caveats)?)?,
        equity: store.put(&equity_parquet(outcome, told.caveats)?)?,
        summary: store.put(&metrics_json(outcome, told.metrics, told.caveats)?)?,
        report: store.put(page.as_bytes())?,
    })
}

/// The id of a run for a purpose: done again, it is the same.
#[must_use]
pub fn backtest_id(purpose: Purpose, bundle: &str, contract: &str, fingerprint: &str) -> String {
    let hash: Digest<()> =
        Digest::of(format!("{}/{bundle}/{contract}/{fingerprint}", purpose.word()).as_bytes());
    format!("BT-{}", &hash.to_hex()[..ID_DIGITS])
}

/// The row of a run of a registered model.
///
/// # Panics
/// For an outcome without a listed session, which no run has.
#[must_use]
pub fn row(
    purpose: Purpose,
    subject: &Subject,
    outcome: &Outcome,
    metrics: &Metrics,
    kept: Kept,
    (created_by, created_at): (&str, UtcMillis),
) -> BacktestRow {
    let model = &subject.model;
    BacktestRow {
        backtest_id: backtest_id(
            purpose,
            &model.bundle_hash.to_hex(),
            model.contract_id.as_str(),
            &outcome.fingerprint.to_hex(),
        ),
        purpose,
        model_id: Some(model.model_id.clone()),
        bundle_hash: model.bundle_hash,
        contract_id: model.contract_id.clone(),
        instrument: outcome.instrument.clone(),
        first_session: metrics.test_period_start,
        last_session: metrics.test_period_end,
        fingerprint: outcome.fingerprint,
        settings: outcome.settings,
        metrics: metrics.clone(),
        trades: Some(kept.trades),
        equity: Some(kept.equity),
        summary: Some(kept.summary),
        report: Some(kept.report),
        created_by: created_by.to_owned(),
        created_at,
    }
}
