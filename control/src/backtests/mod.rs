//! Backtests that somebody ran elsewhere: the look is told first, then what came of it.

use contracts::evidence::Metrics;
use contracts::hash::ArtifactHash;
use contracts::ids::ContractId;
use serde_json::json;

use crate::app::App;
use crate::artifacts::{self, NamedError};
use crate::audit::{self, Action, AppendError, Event};
use crate::auth::Actor;
use crate::limits::{LOOK_SESSIONS_MAX, SHARPE_TOLD_MAX};
use crate::proposals::{Counted, Look, LookError, Origin, backtest_id, ledger};
use crate::store::{BacktestRow, Purpose, StoreError};

/// Why nothing was recorded; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The sessions are none.
    #[error("a look is at sessions from a first to a last one, at least one and at most {LOOK_SESSIONS_MAX}")]
    Window,
    /// The figure is none that a strategy has.
    #[error(
        "a Sharpe ratio of {0} per session is no figure of a strategy: tell one from -{SHARPE_TOLD_MAX} to {SHARPE_TOLD_MAX}, or null"
    )]
    Implausible(f64),
    /// The experiment is not registered.
    #[error("experiment contract {0} is not registered")]
    UnknownExperiment(ContractId),
    /// The figures came before the look.
    #[error("the look at these sessions was not told first: POST it to /api/looks")]
    NotTold,
    /// A file of it is not there.
    #[error(transparent)]
    File(#[from] NamedError),
    /// The look was not noted.
    #[error("the look was not noted")]
    Look(#[from] LookError),
    /// The audit event was not stored.
    #[error("the backtest was not audited")]
    Audit(#[from] AppendError),
    /// The database.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
}

impl RecordError {
    /// A stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Window => "window",
            Self::Implausible(_) => "figure_implausible",
            Self::UnknownExperiment(_) => "experiment_not_found",
            Self::NotTold => "look_not_told",
            Self::File(_) => "artifact_not_found",
            Self::Look(_) | Self::Audit(_) | Self::Store(_) => "store",
        }
    }
}

/// A look that is in the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct Noted {
    /// False when the same was there already.
    pub new: bool,
    /// All looks at these sessions.
    pub counted: Counted,
    /// Trials declared for the bundle, where it is registered.
    pub declared: u32,
}

/// Notes a researcher's look, before they see a figure, and counts.
///
/// # Errors
/// [`RecordError`].
pub async fn note_look(app: &App, actor: &Actor, look: &Look) -> Result<Noted, RecordError> {
    let days = i64::from(look.last_session.0) - i64::from(look.first_session.0) + 1;
    if days < 1
        || days > i64::from(LOOK_SESSIONS_MAX)
        || look.sessions == 0
        || i64::from(look.sessions) > days
    {
        return Err(RecordError::Window);
    }
    let figure = look.sharpe_per_session;
    if let Some(sharpe) = figure.filter(|sharpe| !sharpe.is_finite() || sharpe.abs() > SHARPE_TOLD_MAX) {
        return Err(RecordError::Implausible(sharpe));
    }
    let mut tx = app.store.begin().await?;
    let new = ledger::note(app, &mut tx, look, Origin::Told, &actor.audit_name(), app.now()).await?;
    let counted = ledger::counted(&mut tx, &look.instrument, look.first_session, look.last_session).await?;
    let model = tx.model_of_bundle(look.bundle_hash).await?;
    let declared = model.map_or(0, |model| model.declared_trials);
    tx.commit().await?;
    Ok(Noted {
        new,
        counted,
        declared,
    })
}

/// Files of a run that were uploaded before it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RunFiles {
    /// The trades, as Parquet.
    pub trades: Option<ArtifactHash>,
    /// Equity per bar, as Parquet.
    pub equity: Option<ArtifactHash>,
    /// Settings, counts, figures and session returns, as JSON.
    pub summary: Option<ArtifactHash>,
    /// The page for people.
    pub report: Option<ArtifactHash>,
}

impl RunFiles {
    fn named(&self) -> Vec<(String, ArtifactHash)> {
        let all = [
            ("trades", self.trades),
            ("equity", self.equity),
            ("summary", self.summary),
            ("report", self.report),
        ];
        let named = all.into_iter();
        named
            .filter_map(|(name, hash)| Some((name.to_owned(), hash?)))
            .collect()
    }
}

/// What somebody tells of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct NewBacktest {
    /// Under which experiment.
    pub contract_id: ContractId,
    /// The look it came of, told before.
    pub look: Look,
    /// The figures.
    pub metrics: Metrics,
    /// Its files.
    pub files: RunFiles,
}

/// Stores what came of a look; it is attached to no proposal. Gives its id, and whether it is new. Of a run that is told again the files
/// of the first time stay.
///
/// # Errors
/// [`RecordError`].
pub async fn record(app: &App, actor: &Actor, new: NewBacktest) -> Result<(String, bool), RecordError> {
    let NewBacktest {
        contract_id,
        look,
        metrics,
        files,
    } = new;
    if app.store.experiment(&contract_id).await?.is_none() {
        return Err(RecordError::UnknownExperiment(contract_id));
    }
    artifacts::require(&app.artifacts, files.named()).await?;
    let costs = look.costs().map_err(LookError::from)?;
    let mut tx = app.store.begin().await?;
    let looks = tx
        .looks(&look.instrument, look.first_session, look.last_session)
        .await?;
    let told = looks.iter().any(|told| {
        (told.fingerprint, told.bundle_hash) == (look.fingerprint, look.bundle_hash)
            && (told.first_session, told.last_session) == (look.first_session, look.last_session)
            && ledger::origin(&told.costs).1 == costs
    });
    if !told {
        return Err(RecordError::NotTold);
    }
    let model = tx.model_of_bundle(look.bundle_hash).await?;
    let (bundle, run) = (look.bundle_hash.to_hex(), look.fingerprint.to_hex());
    let row = BacktestRow {
        backtest_id: backtest_id(Purpose::Research, &bundle, contract_id.as_str(), &run),
        purpose: Purpose::Research,
        model_id: model.map(|model| model.model_id),
        bundle_hash: look.bundle_hash,
        contract_id,
        instrument: look.instrument,
        first_session: look.first_session,
        last_session: look.last_session,
        fingerprint: look.fingerprint,
        settings: look.settings,
        metrics,
        trades: files.trades,
        equity: files.equity,
        summary: files.summary,
        report: files.report,
        created_by: actor.audit_name(),
        created_at: app.now(),
    };
    let new = tx.insert_backtest(&row).await?;
    if new {
        let event = Event {
            actor: row.created_by.clone(),
            action: Action::BacktestRecorded,
            subject: row.backtest_id.clone(),
            body: json!({"contract_id": row.contract_id, "bundle_hash": row.bundle_hash, "fingerprint": row.fingerprint}),
        };
        audit::append(&mut tx, app.keys.audit(), row.created_at, event).await?;
    }
    tx.commit().await?;
    Ok((row.backtest_id, new))
}
