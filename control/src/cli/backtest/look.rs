//! A look at a holdout, told to the server before a figure of it is shown.

use backtest::outcome::Outcome;
use backtest::stats::sharpe;
use backtest::stats::trials::TrialStats;
use contracts::hash::BundleHash;
use serde_json::{Value, json};

use super::written::Files;
use crate::cli::remote::{Call, Remote};
use crate::cli::{CliError, Exit};
use crate::limits::SHARPE_TOLD_MAX;

/// What is told: which model was run over which sessions, how, and how well it did per session.
pub fn told(outcome: &Outcome, bundle: BundleHash) -> Value {
    let returns: Vec<f64> = outcome.sessions.iter().map(|session| session.value).collect();
    let moments = sharpe::moments(&returns)
        .ok()
        .filter(|_| outcome.ruined.is_none());
    let sessions = &outcome.sessions;
    json!({
        "instrument": outcome.instrument,
        "first_session": sessions.first().map(|session| session.session),
        "last_session": sessions.last().map(|session| session.session),
        "sessions": sessions.len(), "bundle_hash": bundle, "settings": outcome.settings,
        "fingerprint": outcome.fingerprint,
        "sharpe_per_session": moments.map(|moments| moments.sharpe()).filter(plausible),
    })
}

/// Beyond that (a handful of sessions, all alike) it says nothing of the strategy: the look counts, its figure does not.
fn plausible(ratio: &f64) -> bool {
    ratio.is_finite() && ratio.abs() <= SHARPE_TOLD_MAX
}

/// Tells it; how many looks there are now.
///
/// # Errors
/// See [`crate::cli::remote`].
pub async fn count(remote: &mut Remote<'_>, look: &Value, sessions: usize) -> Result<TrialStats, CliError> {
    let noted = remote
        .send(Call::post(&["api", "looks"], look.clone()))
        .await?
        .json()?;
    let number = |name: &str| noted[name].as_u64().and_then(|n| u32::try_from(n).ok());
    let sharpes = || -> Option<Vec<f64>> { noted["sharpes"].as_array()?.iter().map(Value::as_f64).collect() };
    let counted = number("number").zip(number("declared")).zip(sharpes());
    let ((number, declared), sharpes) = counted.ok_or_else(|| {
        CliError::new(
            Exit::Unavailable,
            "the server does not say how many looks there are",
            "check that --url names a `control serve` of this version",
        )
    })?;
    Ok(TrialStats::new(number, declared, &sharpes, sessions))
}

/// Hands the files and then the figures in (`body`, with contract, look and metrics); the backtest's id.
///
/// # Errors
/// See [`crate::cli::remote`].
pub async fn record(remote: &mut Remote<'_>, mut body: Value, files: &Files) -> Result<Value, CliError> {
    body["files"] = json!({
        "trades": remote.keep(&files.trades).await?, "equity": remote.keep(&files.equity).await?,
        "summary": remote.keep(&files.summary).await?, "report": remote.keep(&files.report).await?,
    });
    let done = remote
        .send(Call::post(&["api", "backtests"], body))
        .await?
        .json()?;
    Ok(done["backtest_id"].clone())
}
