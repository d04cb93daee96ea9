//! New evidence makes a new revision: figures deflated by the looks there are by now, recommendation and digest anew, a new signature, and
//! at least two days to look at it.

use std::sync::Arc;

use contracts::evidence::{BaselineComparison, MoreTest};
use contracts::ids::ProposalId;
use contracts::time::UtcMillis;
use serde_json::{Value, json};

use super::CONTROL;
use super::draft::{Known, draft};
use super::first_vote::{baseline_row, counted, counted_within, told, voted};
use super::measure::{Beside, Ran, Setting, beside};
use crate::app::Changed;
use crate::audit::{self, Action, Event};
use crate::jobs::{JobError, Work};
use crate::limits::EVIDENCE_SHOWN_MS;
use crate::store::{BacktestRow, ProposalRow, ProposalStatus, Tx};

/// What is new.
#[derive(Debug, Clone)]
pub(super) enum New {
    /// A test that was asked for.
    Test(Box<MoreTest>),
    /// The comparison with what is in production now.
    Baseline(Option<Box<BaselineComparison>>),
}

/// A proposal that can still be voted on.
pub(super) async fn open(
    tx: &mut Tx,
    id: &ProposalId,
    now: UtcMillis,
) -> Result<Result<ProposalRow, Value>, JobError> {
    let row = tx.proposal_for_update(id).await?;
    let row = row.ok_or_else(|| JobError::Missing(id.to_string()))?;
    if row.status == ProposalStatus::PendingApproval && now < row.expires_at {
        return Ok(Ok(row));
    }
    Ok(Err(
        json!({"skipped": "the vote is over", "proposal_id": id, "status": row.status}),
    ))
}

/// The open proposal's candidate, run again: the same run as its evidence's, which is no look.
pub(super) async fn again(work: &Work, id: &ProposalId) -> Result<Result<Again, Value>, JobError> {
    let mut tx = work.app.store.begin().await?;
    let proposal = match open(&mut tx, id, work.app.now()).await? {
        Ok(proposal) => proposal,
        Err(over) => return Ok(Err(over)),
    };
    let shown = tx.evidence(id, proposal.revision).await?;
    let shown = shown.ok_or_else(|| JobError::Missing(id.to_string()))?.evidence;
    drop(tx);
    let (setting, whole) = Setting::of(work, &proposal.model_id).await?;
    let ran = setting.ran(work, "the same backtest", (0.0, 0.3)).await?;
    if ran.outcome.fingerprint != shown.fingerprint {
        return Err(JobError::MarketRevised);
    }
    Ok(Ok(Again { setting, whole, ran }))
}

/// See [`again`].
pub(super) struct Again {
    pub setting: Setting,
    /// Bars after the holdout too.
    pub whole: Arc<backtest::market::Market>,
    pub ran: Arc<Ran>,
}

/// Compares an open proposal with what its slot runs now.
pub(crate) async fn comparison(work: &Work, id: &ProposalId) -> Result<(), JobError> {
    let again = match again(work, id).await? {
        Ok(again) => again,
        Err(over) => return end(work, &over).await,
    };
    let beside = beside(work, &again.setting, &again.ran).await?;
    let new = beside.as_ref().map(|beside| Box::new(beside.comparison.clone()));
    let rows = match &beside {
        Some(beside) => vec![row_of(work, beside).await?],
        None => Vec::new(),
    };
    Box::pin(append(
        work,
        id,
        &again.setting,
        &again.ran,
        New::Baseline(new),
        &rows,
    ))
    .await
}

async fn row_of(work: &Work, beside: &Arc<Beside>) -> Result<BacktestRow, JobError> {
    let (beside, store) = (beside.clone(), work.app.artifacts.clone());
    let (by, at) = (work.created_by.clone(), work.app.now());
    Ok(work
        .compute(move || baseline_row(&store, &beside, &[], (&by, at)))
        .await??)
}

/// Ends the job without having changed a proposal.
pub(super) async fn end(work: &Work, result: &Value) -> Result<(), JobError> {
    let tx = work.app.store.begin().await?;
    Ok(work.finish(tx, result).await?)
}

/// Appends what is new as the proposal's next revision, with the end of the job in the same transaction.
pub(super) async fn append(
    work: &Work,
    id: &ProposalId,
    setting: &Setting,
    ran: &Arc<Ran>,
    new: New,
    backtests: &[BacktestRow],
) -> Result<(), JobError> {
    let (app, declared) = (&work.app, setting.subject.model.declared_trials);
    loop {
        let counted = counted(work, ran).await?;
        let shown = app.store.proposal(id).await?;
        let revision = shown.ok_or_else(|| JobError::Missing(id.to_string()))?.revision;
        let shown = app.store.evidence(id, revision).await?;
        let shown = shown.ok_or_else(|| JobError::Missing(id.to_string()))?;
        let mut known = Known::from(shown.evidence);
        match new.clone() {
            New::Test(test) => known.more_tests.push(*test),
            New::Baseline(baseline) => known.baseline = baseline.map(|baseline| *baseline),
        }
        let trials = counted.trials(declared, ran.outcome.sessions.len());
        let (setting, run) = (setting.clone(), ran.clone());
        let evidence = work
            .compute(move || draft(&setting, &run.outcome, known, &trials))
            .await?;

        let now = app.now();
        let mut tx = app.store.begin().await?;
        let row = match open(&mut tx, id, now).await? {
            Ok(row) => row,
            Err(over) => return Ok(work.finish(tx, &over).await?),
        };
        if row.revision != revision || counted_within(&mut tx, ran).await? != counted {
            // Other evidence came first, or somebody looked at the holdout: on top of that, then.
            continue;
        }
        if matches!(new, New::Baseline(_)) {
            tx.slot_for_update(&row.slot).await?;
            let production = tx.production_model(&row.slot).await?.map(|model| model.model_id);
            let compared = evidence
                .baseline
                .as_ref()
                .map(|baseline| &baseline.baseline_model_id);
            if production.as_ref() != compared {
                return Err(JobError::BaselineMoved);
            }
        }
        let next = ProposalRow {
            revision: row.revision + 1,
            expires_at: row.expires_at.max(now.plus_ms(EVIDENCE_SHOWN_MS)),
            lineage: relinked(row.lineage.clone(), backtests),
            ..row
        };
        let (next, shown) = voted(work, next, evidence, now)?;
        tx.revise_proposal(&next).await?;
        tx.insert_evidence(id, &shown, now).await?;
        for backtest in backtests {
            tx.insert_backtest(backtest).await?;
        }
        let event = Event {
            actor: CONTROL.to_owned(),
            action: Action::EvidenceAdded,
            subject: id.to_string(),
            body: told(&next, backtests),
        };
        audit::append(&mut tx, app.keys.audit(), now, event).await?;
        let result = json!({
            "proposal_id": id, "revision": next.revision, "evidence_digest": next.evidence_digest,
            "recommendation": next.recommendation,
        });
        work.finish(tx, &result).await?;
        app.tell(Changed::Proposal {
            proposal_id: id.to_string(),
        });
        return Ok(());
    }
}

/// Another baseline is another run behind the proposal.
fn relinked(mut lineage: Value, backtests: &[BacktestRow]) -> Value {
    let baseline = backtests
        .iter()
        .find(|row| row.purpose == crate::store::Purpose::Baseline);
    if let Some(baseline) = baseline {
        lineage["baseline_backtest_id"] = json!(baseline.backtest_id);
    }
    lineage
}
