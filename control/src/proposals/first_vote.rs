//! The first vote about a registered model: run on its holdout, scrutinised, compared, judged, signed and proposed.

use std::sync::Arc;

use backtest::metrics::measure;
use backtest::vote;
use contracts::evidence::Evidence;
use contracts::ids::{ModelId, ProposalId};
use contracts::production::{FirstVote, Signed};
use contracts::time::UtcMillis;
use serde_json::{Value, json};

use super::CONTROL;
use super::draft::{Known, draft, lineage};
use super::kept::{self, KeepError, Told, keep};
use super::ledger::{self, Counted, Look};
use super::measure::{Beside, Ran, Setting, beside, keep_sources, look, scrutinise};
use super::revise;
use crate::app::Changed;
use crate::audit::{self, Action, Event};
use crate::jobs::{JobError, Work};
use crate::limits::DAY_MS;
use crate::notify::{self, Notice};
use crate::registry::Stage;
use crate::store::{BacktestRow, EvidenceRow, ProposalRow, ProposalStatus, Purpose, Tx};

/// Casts the first vote. Done again, it finds the proposal that is open and leaves it.
pub(crate) async fn first_vote(work: &Work, id: &ModelId) -> Result<(), JobError> {
    if let Some(settled) = settled(work, id).await? {
        return revise::end(work, &settled).await;
    }
    let (setting, _) = Setting::of(work, id).await?;
    let ran = setting.ran(work, "backtest", (0.0, 0.4)).await?;
    look(
        work,
        &Look::of(&ran.outcome, setting.subject.model.bundle_hash, None),
    )
    .await?;
    let beside = beside(work, &setting, &ran).await?;
    let scrutiny = scrutinise(work, &setting, &ran).await?;
    let known = Known {
        market_hash: scrutiny.market_hash,
        sources: keep_sources(work, &setting).await?,
        baseline: beside.as_ref().map(|beside| beside.comparison.clone()),
        causality: scrutiny.causality,
        drift: scrutiny.drift,
        more_tests: Vec::new(),
    };
    loop {
        let counted = counted(work, &ran).await?;
        let judged = judge(work, &setting, &ran, &beside, known.clone(), &counted).await?;
        if propose(work, &setting, &ran, judged, &counted).await? {
            return Ok(());
        }
        // Somebody looked at the holdout meanwhile: the figures are deflated anew.
    }
}

/// What makes a run needless.
async fn settled(work: &Work, id: &ModelId) -> Result<Option<Value>, JobError> {
    let mut tx = work.app.store.begin().await?;
    let (_, open) = tx.proposals_of(id).await?;
    if let Some(open) = open {
        return Ok(Some(json!({"proposal_id": open, "created": false})));
    }
    let model = tx.model_for_update(id).await?;
    let model = model.ok_or_else(|| JobError::Missing(id.to_string()))?;
    Ok((model.stage != Stage::Staging)
        .then(|| json!({"skipped": "the model has left staging", "stage": model.stage})))
}

/// How often the holdout of a run was looked at by now.
pub(super) async fn counted(work: &Work, ran: &Ran) -> Result<Counted, JobError> {
    let mut tx = work.app.store.begin().await?;
    counted_within(&mut tx, ran).await
}

pub(super) async fn counted_within(tx: &mut Tx, ran: &Ran) -> Result<Counted, JobError> {
    let sessions = &ran.outcome.sessions;
    let (Some(first), Some(last)) = (sessions.first(), sessions.last()) else {
        return Err(JobError::NothingToTest("the run has no session".to_owned()));
    };
    let instrument = &ran.outcome.instrument;
    Ok(ledger::counted(tx, instrument, first.session, last.session).await?)
}

/// Evidence with the rows of the runs behind it.
pub(super) struct Judged {
    pub evidence: Evidence,
    pub backtests: Vec<BacktestRow>,
}

async fn judge(
    work: &Work,
    setting: &Setting,
    ran: &Arc<Ran>,
    beside: &Option<Arc<Beside>>,
    known: Known,
    counted: &Counted,
) -> Result<Judged, JobError> {
    let trials = counted.trials(setting.subject.model.declared_trials, ran.outcome.sessions.len());
    let (setting, ran, beside) = (setting.clone(), ran.clone(), beside.clone());
    let (store, by) = (
        work.app.artifacts.clone(),
        (work.created_by.clone(), work.app.now()),
    );
    drop(work.reporter.stage("figures, report", (0.9, 1.0)));
    let judged = work.compute(move || {
        let evidence = draft(&setting, &ran.outcome, known, &trials);
        let mut backtests = Vec::new();
        let told = Told {
            title: setting.subject.model.model_id.as_str(),
            metrics: &evidence.metrics,
            criteria: &evidence.criteria,
            caveats: &evidence.caveats,
        };
        let files = keep(&store, &ran.outcome, told)?;
        let by = (by.0.as_str(), by.1);
        let subject = &setting.subject;
        backtests.push(kept::row(
            Purpose::Proposal,
            subject,
            &ran.outcome,
            &evidence.metrics,
            files,
            by,
        ));
        if let Some(beside) = &beside {
            backtests.push(baseline_row(&store, beside, &evidence.caveats, by)?);
        }
        Ok::<_, KeepError>(Judged { evidence, backtests })
    });
    Ok(judged.await??)
}

/// Files and row of the production model's run.
pub(super) fn baseline_row(
    store: &Arc<dyn crate::artifacts::ArtifactStore>,
    beside: &Beside,
    caveats: &[String],
    by: (&str, UtcMillis),
) -> Result<BacktestRow, KeepError> {
    let metrics = measure(&beside.outcome, None);
    let told = Told {
        title: beside.subject.model.model_id.as_str(),
        metrics: &metrics,
        criteria: &[],
        caveats,
    };
    let files = keep(store, &beside.outcome, told)?;
    Ok(kept::row(
        Purpose::Baseline,
        &beside.subject,
        &beside.outcome,
        &metrics,
        files,
        by,
    ))
}

/// Writes proposal, evidence, vote, runs, event and the end of the job in one transaction. False when the ledger has moved meanwhile.
async fn propose(
    work: &Work,
    setting: &Setting,
    ran: &Ran,
    judged: Judged,
    counted: &Counted,
) -> Result<bool, JobError> {
    let (app, now) = (&work.app, work.app.now());
    let model = &setting.subject.model;
    let missing = |what: &dyn std::fmt::Display| JobError::Missing(what.to_string());
    let mut tx = app.store.begin().await?;
    let slot = tx.slot_for_update(&model.slot).await?;
    slot.ok_or_else(|| missing(&model.slot))?;
    let standing = tx.model_for_update(&model.model_id).await?;
    let stage = standing.ok_or_else(|| missing(&model.model_id))?.stage;
    let (before, open) = tx.proposals_of(&model.model_id).await?;
    if stage != Stage::Staging || open.is_some() {
        let settled = json!({"proposal_id": open, "created": false, "stage": stage});
        work.finish(tx, &settled).await?;
        return Ok(true);
    }
    let production = tx
        .production_model(&model.slot)
        .await?
        .map(|model| model.model_id);
    let compared = judged.evidence.baseline.as_ref();
    if production.as_ref() != compared.map(|baseline| &baseline.baseline_model_id) {
        return Err(JobError::BaselineMoved);
    }
    if counted_within(&mut tx, ran).await? != *counted {
        return Ok(false);
    }
    let id = ProposalId::parse(&format!("PROP-{}-{}", model.model_id, before + 1));
    let id = id.map_err(|error| JobError::Missing(error.to_string()))?;
    let (proposal, shown) = rows(work, setting, id, judged.evidence, &judged.backtests, now)?;
    tx.insert_proposal(&proposal).await?;
    tx.insert_evidence(&proposal.proposal_id, &shown, now).await?;
    for row in &judged.backtests {
        tx.insert_backtest(row).await?;
    }
    let event = Event {
        actor: CONTROL.to_owned(),
        action: Action::Proposed,
        subject: proposal.proposal_id.to_string(),
        body: told(&proposal, &judged.backtests),
    };
    notify::post(app, &mut tx, &Notice::Proposed(&proposal)).await?;
    audit::append(&mut tx, app.keys.audit(), now, event).await?;
    let result = json!({
        "proposal_id": proposal.proposal_id, "created": true, "recommendation": proposal.recommendation,
        "reason": proposal.reason,
    });
    work.finish(tx, &result).await?;
    app.tell(Changed::Proposal {
        proposal_id: proposal.proposal_id.to_string(),
    });
    Ok(true)
}

/// What the chain keeps of a proposal's rows.
pub(super) fn told(proposal: &ProposalRow, backtests: &[BacktestRow]) -> Value {
    let runs: Vec<Value> = backtests
        .iter()
        .map(|run| {
            json!({
                "backtest_id": run.backtest_id, "purpose": run.purpose, "fingerprint": run.fingerprint,
                "trades": run.trades, "equity": run.equity, "summary": run.summary, "report": run.report,
            })
        })
        .collect();
    json!({
        "proposal_id": proposal.proposal_id, "model_id": proposal.model_id, "slot": proposal.slot,
        "revision": proposal.revision, "evidence_digest": proposal.evidence_digest,
        "recommendation": proposal.recommendation, "confidence": proposal.confidence,
        "not_overridable": proposal.not_overridable, "baseline_model_id": proposal.baseline_model_id,
        "status": proposal.status, "expires_at": proposal.expires_at, "backtests": runs,
    })
}

fn rows(
    work: &Work,
    setting: &Setting,
    id: ProposalId,
    evidence: Evidence,
    backtests: &[BacktestRow],
    now: UtcMillis,
) -> Result<(ProposalRow, EvidenceRow), JobError> {
    let subject = &setting.subject;
    let model = &subject.model;
    let days = subject.experiment.frozen.promotion.expires_in_days;
    let run = |purpose| {
        let found = backtests.iter().find(|row| row.purpose == purpose);
        found.map(|row| row.backtest_id.as_str())
    };
    let own = run(Purpose::Proposal).unwrap_or_default();
    let lineage = lineage(subject, &evidence, own, run(Purpose::Baseline));
    let blank = ProposalRow {
        proposal_id: id,
        model_id: model.model_id.clone(),
        experiment_name: model.experiment_name.clone(),
        slot: model.slot.clone(),
        revision: 1,
        evidence_digest: evidence.digest()?,
        recommendation: contracts::production::Recommendation::Reject,
        confidence: None,
        reason: String::new(),
        not_overridable: None,
        metrics: evidence.metrics.clone(),
        vs_baseline: None,
        baseline_model_id: None,
        criteria_results: Vec::new(),
        lineage,
        status: ProposalStatus::PendingApproval,
        reviewer: None,
        reviewer_notes: None,
        reviewed_at: None,
        deploy_by: None,
        created_at: now,
        expires_at: now.plus_ms(i64::from(days) * DAY_MS),
    };
    voted(work, blank, evidence, now)
}

/// The row with what the evidence says, and the evidence with L4's signature: the same of a first and of every later revision.
pub(super) fn voted(
    work: &Work,
    row: ProposalRow,
    evidence: Evidence,
    now: UtcMillis,
) -> Result<(ProposalRow, EvidenceRow), JobError> {
    let result = vote::of_evidence(&evidence);
    let digest = evidence.digest()?;
    let baseline = evidence.baseline.as_ref();
    let statement = FirstVote {
        proposal_id: row.proposal_id.clone(),
        evidence_digest: digest,
        model_id: row.model_id.clone(),
        bundle_hash: evidence.candidate.bundle_hash,
        slot: row.slot.clone(),
        baseline_model_id: baseline.map(|baseline| baseline.baseline_model_id.clone()),
        recommendation: result.recommendation,
        issued_at: now,
    };
    let first_vote = Signed::new(statement, work.app.keys.first_vote())?;
    let row = ProposalRow {
        evidence_digest: digest,
        recommendation: result.recommendation,
        confidence: result.confidence,
        reason: result.reason,
        not_overridable: result.not_overridable,
        metrics: evidence.metrics.clone(),
        vs_baseline: baseline.cloned(),
        baseline_model_id: baseline.map(|baseline| baseline.baseline_model_id.clone()),
        criteria_results: evidence.criteria.clone(),
        ..row
    };
    let shown = EvidenceRow {
        revision: row.revision,
        evidence,
        evidence_digest: digest,
        first_vote,
    };
    Ok((row, shown))
}
