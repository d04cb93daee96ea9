//! From a registered model to a proposal, by a job: once, whole, on what is registered, with the look counted first.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, OnceLock};

use backtest::market::Market;
use backtest::run::RunError;
use backtest::run::sight::{Sight, StrategySight};
use contracts::bar::{Bar, Stamp};
use contracts::evidence::Defect;
use contracts::production::{ProductionContract, Recommendation};
use contracts::reason::Position;
use control::audit::verify::check;
use control::audit::{Action, Walk};
use control::auth::Role;
use control::config::MarketConfig;
use control::jobs::{JobState, Runner};
use control::proposals::{Eyes, Lab, Live};
use control::store::{AuditFilter, FaultPlan, ProposalRow, Purpose};
use control::votes::{Approve, ApproveError, Reject, VoteRefused, approve, reject};
use strategy::strategy::{Observed, Strategy};
use tokio::sync::watch;

use crate::kit::app::{TestApp, app, app_with, person};
use crate::kit::http::{call, logged_in};
use crate::kit::registered::{
    self, World, enqueue_first_vote, experiment, features, generated, lenient, proposal_of, strict, work,
    work_in, world,
};
use crate::kit::{database, on_every_database};

const HOUR_MS: i64 = 3_600_000;

async fn actions(test: &TestApp) -> Vec<Action> {
    let events = test
        .app
        .store
        .audit_events(&AuditFilter::default(), 200)
        .await
        .unwrap();
    let mut walk = Walk::new(test.app.keys.trusted());
    for event in &events {
        walk.step(event).unwrap();
    }
    // Every row is as its events say, every file as its address.
    let whole = check(&test.app.store, &test.artifacts, test.app.keys.trusted(), &[])
        .await
        .unwrap();
    let found: Vec<_> = whole
        .findings
        .iter()
        .filter(|found| found.kind != "head")
        .collect();
    assert!(found.is_empty(), "{found:#?}");
    events.iter().map(|event| event.event.action).collect()
}

async fn proposals(test: &TestApp) -> Vec<ProposalRow> {
    let rows = test.app.store.proposals(None, None, 50).await.unwrap();
    rows.into_iter().map(|(_, row)| row).collect()
}

fn yes(proposal: &ProposalRow) -> Approve {
    Approve {
        proposal_id: proposal.proposal_id.clone(),
        evidence_digest: proposal.evidence_digest,
        notes: Some("seen".to_owned()),
        promote_to_production: true,
    }
}

#[test]
fn a_registered_model_is_proposed_with_evidence_a_person_can_vote_on() {
    on_every_database(|database| async {
        let World { test, .. } = &world(database);
        let experiment = experiment(&test.app, generated("twin", lenient()), features("technical_8")).await;
        let model = registered::model(&test.app, &experiment, 1, 3).await;
        enqueue_first_vote(&test.app, &model).await;
        let done = work(&test.app).await;
        let id = proposal_of(&done[0]);

        let row = test.app.store.proposal(&id).await.unwrap().unwrap();
        assert_eq!(row.recommendation, Recommendation::Promote, "{}", row.reason);
        assert_eq!(id.as_str(), format!("PROP-{}-1", model.model_id));
        let shown = test.app.store.evidence(&id, 1).await.unwrap().unwrap();
        let evidence = &shown.evidence;
        assert_eq!(evidence.digest().unwrap(), row.evidence_digest);
        assert_eq!(
            (
                evidence.looks.number,
                evidence.looks.declared,
                evidence.looks.trials
            ),
            (1, 3, 4)
        );
        assert!(evidence.self_test_passed && evidence.causality.look_ahead.is_none());
        assert_eq!(evidence.causality.cuts, 32);
        assert_eq!(evidence.holdout.sessions, 16);
        assert_eq!(evidence.drift.len(), 8);
        assert_eq!(evidence.settings.transaction_cost_bps, 1.0);
        assert!(
            evidence
                .caveats
                .iter()
                .any(|caveat| caveat.contains("3 trials were declared"))
        );
        assert_eq!(row.confidence, evidence.metrics.dsr.value);

        let victor = logged_in(test, "victor", &[Role::Viewer]).await;
        let answer = call(test, &victor, "GET", &format!("/api/experiments/{id}"), None).await;
        assert_eq!(
            answer.headers["etag"].to_str().unwrap(),
            format!("\"{}\"", row.evidence_digest)
        );
        let runs = test
            .app
            .store
            .backtests(Some(&model.model_id), None, 10)
            .await
            .unwrap();
        assert_eq!(runs.len(), 1);
        let run = &runs[0].1;
        assert_eq!(
            (run.purpose, run.fingerprint),
            (Purpose::Proposal, evidence.fingerprint)
        );
        for file in [run.trades, run.equity, run.summary, run.report] {
            test.app.artifacts.get(file.unwrap()).unwrap();
        }
        let page = call(
            test,
            &victor,
            "GET",
            &format!("/api/backtests/{}/report", run.backtest_id),
            None,
        )
        .await;
        assert!(
            page.text.starts_with("<!doctype html>") && page.text.contains("min_sharpe"),
            "{}",
            page.text
        );
        let job = call(test, &victor, "GET", &format!("/api/jobs/{}", done[0].id), None).await;
        assert_eq!(job.json()["result"]["proposal_id"], id.as_str());
        assert_eq!(
            actions(test)
                .await
                .iter()
                .filter(|a| **a == Action::HoldoutLook)
                .count(),
            1
        );
        assert!(actions(test).await.contains(&Action::Proposed));

        // Asked for again, there is nothing to do: while it is open, and when the model has left staging.
        enqueue_first_vote(&test.app, &model).await;
        assert_eq!(proposal_of(&work(&test.app).await[0]), id);
        let approved = approve(&test.app, &person("vera", &[Role::Approver]), &yes(&row))
            .await
            .unwrap();
        let contract = test
            .app
            .store
            .newest_contract(&approved.slot)
            .await
            .unwrap()
            .unwrap();
        let contract = ProductionContract::parse(contract.contract.as_bytes()).unwrap();
        contract.verify(test.app.keys.trusted()).unwrap();
        enqueue_first_vote(&test.app, &model).await;
        assert_eq!(
            work(&test.app).await[0].result.as_ref().unwrap()["stage"],
            "production"
        );
        assert_eq!(proposals(test).await.len(), 1);
    });
}

#[test]
fn what_misses_its_gates_is_rejected_by_name() {
    on_every_database(|database| async {
        let World { test, .. } = &world(database);
        let experiment = experiment(&test.app, generated("twin", strict()), features("technical_8")).await;
        let model = registered::model(&test.app, &experiment, 1, 0).await;
        enqueue_first_vote(&test.app, &model).await;
        let id = proposal_of(&work(&test.app).await[0]);
        let row = test.app.store.proposal(&id).await.unwrap().unwrap();
        assert_eq!(
            (row.recommendation, row.not_overridable),
            (Recommendation::Reject, None)
        );
        for gate in ["min_sharpe", "max_drawdown", "min_win_rate", "min_trades"] {
            assert!(row.reason.contains(gate), "{}", row.reason);
        }

        // Asked for again: not while it is open; after a no, yes.
        let rita = logged_in(test, "rita", &[Role::Researcher]).await;
        let path = format!("/api/models/{}/propose", model.model_id);
        let open = call(test, &rita, "POST", &path, None).await;
        assert_eq!(open.code(), (409, "proposal_open".to_owned()));
        let no = Reject {
            proposal_id: id,
            evidence_digest: row.evidence_digest,
            notes: None,
        };
        reject(&test.app, &person("vera", &[Role::Approver]), &no)
            .await
            .unwrap();
        let asked = call(test, &rita, "POST", &path, None).await;
        assert_eq!(asked.status, 202, "{}", asked.text);
        let second = proposal_of(&work(&test.app).await[0]);
        assert_eq!(second.as_str(), format!("PROP-{}-2", model.model_id));
        let shown = test.app.store.evidence(&second, 1).await.unwrap().unwrap();
        assert_eq!(shown.evidence.looks.number, 1, "the same run again is no look");
    });
}

#[test]
fn the_second_model_is_held_against_the_first_and_a_changed_baseline_is_compared_anew() {
    on_every_database(|database| async {
        let World { test, .. } = &world(database);
        let vera = person("vera", &[Role::Approver]);
        let experiment = experiment(&test.app, generated("twin", lenient()), features("technical_8")).await;
        let mut models = Vec::new();
        for seed in 1..=3 {
            let model = registered::model(&test.app, &experiment, seed, 0).await;
            enqueue_first_vote(&test.app, &model).await;
            models.push(model);
            if seed == 1 {
                let id = proposal_of(&work(&test.app).await[0]);
                let row = test.app.store.proposal(&id).await.unwrap().unwrap();
                approve(&test.app, &vera, &yes(&row)).await.unwrap();
            }
        }
        let done = work(&test.app).await;
        let (second, third) = (proposal_of(&done[0]), proposal_of(&done[1]));
        let row = test.app.store.proposal(&second).await.unwrap().unwrap();
        assert_eq!(row.baseline_model_id.as_ref(), Some(&models[0].model_id));
        let beside = row.vs_baseline.as_ref().unwrap();
        assert!(!beside.in_sample && beside.p_better.value.is_some());
        let shown = test.app.store.evidence(&second, 1).await.unwrap().unwrap();
        assert_eq!(
            shown.evidence.looks.number, 2,
            "a baseline's run again is no look"
        );
        let runs = test
            .app
            .store
            .backtests(Some(&models[0].model_id), None, 10)
            .await
            .unwrap();
        let purposes: Vec<Purpose> = runs.iter().map(|(_, run)| run.purpose).collect();
        assert_eq!(purposes, [Purpose::Baseline, Purpose::Proposal]);

        approve(&test.app, &vera, &yes(&row)).await.unwrap();
        let stale = test.app.store.proposal(&third).await.unwrap().unwrap();
        test.clock.advance_ms(6 * 24 * HOUR_MS);
        let late = control::auth::Actor {
            via: control::auth::Via::Password {
                authenticated_at: test.app.now(),
            },
            ..vera
        };
        let refused = approve(&test.app, &late, &yes(&stale)).await.unwrap_err();
        assert!(
            matches!(&refused, ApproveError::Refused(VoteRefused::BaselineChanged(_))),
            "{refused:?}"
        );
        let compared = work(&test.app).await;
        assert_eq!(
            (compared.len(), compared[0].state),
            (1, JobState::Done),
            "{:?}",
            compared[0].error
        );
        let fresh = test.app.store.proposal(&third).await.unwrap().unwrap();
        assert_eq!(
            (fresh.revision, fresh.baseline_model_id.as_ref()),
            (2, Some(&models[1].model_id))
        );
        assert_ne!(fresh.evidence_digest, stale.evidence_digest);
        assert_eq!(fresh.expires_at, test.app.now().plus_ms(48 * HOUR_MS));
        let old = approve(&test.app, &late, &yes(&stale)).await.unwrap_err();
        assert!(
            matches!(&old, ApproveError::Refused(VoteRefused::EvidenceChanged { .. })),
            "{old:?}"
        );
        let moved = approve(&test.app, &late, &yes(&fresh)).await.unwrap();
        assert_eq!(moved.previous_model_archived.as_ref(), Some(&models[1].model_id));
        actions(test).await;
    });
}

/// Sees as the strategy does, but for one feature, which is of the bar after.
#[derive(Debug)]
struct PeekingEyes;

struct Peeking<'a>(StrategySight<'a>);

impl Sight for Peeking<'_> {
    fn observe(
        &mut self,
        bars: &[Bar],
        at: usize,
        position: Position,
        features: &mut [f64],
        observation: &mut [f32],
    ) -> Observed {
        let seen = self.0.observe(bars, at, position, features, observation);
        let next = bars[(at + 1).min(bars.len() - 1)];
        features[0] = next.close / bars[at].close - 1.0;
        seen
    }
}

impl Eyes for PeekingEyes {
    fn open<'a>(&self, strategy: &'a Strategy, market: &Market) -> Result<Box<dyn Sight + 'a>, RunError> {
        Ok(Box::new(Peeking(StrategySight::new(strategy, market)?)))
    }
}

#[test]
fn a_feature_that_peeks_is_found_and_nobody_can_override_it() {
    on_every_database(|database| async {
        let World { test, .. } = &world(database);
        let experiment = experiment(&test.app, generated("twin", lenient()), features("technical_8")).await;
        let model = registered::model(&test.app, &experiment, 1, 0).await;
        enqueue_first_vote(&test.app, &model).await;
        let lab = Lab {
            eyes: Arc::new(PeekingEyes),
            ..Lab::new(1)
        };
        let id = proposal_of(&work_in(&test.app, lab).await[0]);
        let row = test.app.store.proposal(&id).await.unwrap().unwrap();
        assert_eq!(row.recommendation, Recommendation::Reject);
        assert_eq!(row.not_overridable, Some(Defect::LookAhead));
        assert!(
            row.reason.contains("look_ahead: feature 0 at 2025-02-"),
            "{}",
            row.reason
        );
        let refused = approve(&test.app, &person("vera", &[Role::Approver]), &yes(&row)).await;
        assert!(
            matches!(
                &refused,
                Err(ApproveError::Refused(VoteRefused::NotOverridable(
                    Defect::LookAhead
                )))
            ),
            "{refused:?}"
        );
    });
}

/// Tells when a run begins, and lets it go on when it is told to.
#[derive(Debug)]
struct HeldEyes {
    began: Mutex<Sender<()>>,
    go_on: Mutex<Receiver<()>>,
    once: OnceLock<()>,
}

impl Eyes for HeldEyes {
    fn open<'a>(&self, strategy: &'a Strategy, market: &Market) -> Result<Box<dyn Sight + 'a>, RunError> {
        if self.once.set(()).is_ok() {
            self.began.lock().unwrap().send(()).unwrap();
            // Whoever holds the other end lets go, or is gone.
            self.go_on.lock().unwrap().recv().ok();
        }
        Live.open(strategy, market)
    }
}

fn held() -> (Lab, Receiver<()>, Sender<()>) {
    let ((began, begun), (go, go_on)) = (channel(), channel());
    let eyes = HeldEyes {
        began: Mutex::new(began),
        go_on: Mutex::new(go_on),
        once: OnceLock::new(),
    };
    let lab = Lab {
        eyes: Arc::new(eyes),
        ..Lab::new(1)
    };
    (lab, begun, go)
}

async fn until_begun(begun: Receiver<()>) {
    let waited = tokio::task::spawn_blocking(move || begun.recv_timeout(std::time::Duration::from_secs(60)));
    waited.await.unwrap().unwrap();
}

#[test]
fn a_worker_told_to_stop_gives_its_job_back_and_one_that_is_killed_loses_it() {
    on_every_database(|database| async {
        let World { test, .. } = &world(database);
        let experiment = experiment(&test.app, generated("twin", lenient()), features("technical_8")).await;
        let model = registered::model(&test.app, &experiment, 1, 0).await;
        let job = enqueue_first_vote(&test.app, &model).await;

        let (lab, begun, go) = held();
        let (order, stop) = watch::channel(false);
        let runner = Runner::with_lab(test.app.clone(), lab);
        let working = tokio::spawn(async move { runner.run(stop).await });
        until_begun(begun).await;
        assert_eq!(
            test.app.store.job(job).await.unwrap().unwrap().state,
            JobState::Running
        );
        order.send_replace(true);
        working.await.unwrap();
        drop(go);
        let row = test.app.store.job(job).await.unwrap().unwrap();
        assert_eq!(
            (row.state, row.attempts),
            (JobState::Queued, 0),
            "an order to stop is no attempt"
        );

        let (lab, begun, go) = held();
        let (_order, stop) = watch::channel(false);
        let runner = Runner::with_lab(test.app.clone(), lab);
        let working = tokio::spawn(async move { runner.run(stop).await });
        until_begun(begun).await;
        working.abort();
        assert!(working.await.unwrap_err().is_cancelled());
        assert!(work(&test.app).await.is_empty(), "its lease holds");
        test.clock.advance_ms(HOUR_MS);
        let done = work(&test.app).await;
        assert_eq!((done.len(), done[0].attempts), (1, 2));
        proposal_of(&done[0]);
        drop(go);
        assert_eq!(proposals(test).await.len(), 1);
        assert_eq!(
            actions(test)
                .await
                .iter()
                .filter(|a| **a == Action::Proposed)
                .count(),
            1
        );
    });
}

#[test]
fn two_workers_make_one_proposal_of_one_model() {
    on_every_database(|database| async {
        let World { test, .. } = &world(database);
        let experiment = experiment(&test.app, generated("twin", lenient()), features("technical_8")).await;
        let model = registered::model(&test.app, &experiment, 1, 0).await;
        enqueue_first_vote(&test.app, &model).await;
        let (a, b) = tokio::join!(work(&test.app), work(&test.app));
        assert_eq!(a.len() + b.len(), 1);
        assert_eq!(proposals(test).await.len(), 1);
    });
}

#[test]
fn a_crash_before_any_statement_leaves_all_of_the_proposal_or_nothing() {
    on_every_database(|database| async {
        let World { test, .. } = &world(database);
        let experiment = experiment(&test.app, generated("twin", lenient()), features("technical_8")).await;
        let plan = Arc::new(FaultPlan::default());
        let mut faulty = test.app.clone();
        faulty.store = test.app.store.with_faults(plan.clone());
        let first = registered::model(&test.app, &experiment, 1, 0).await;
        enqueue_first_vote(&faulty, &first).await;
        proposal_of(&work(&faulty).await[0]);
        let longest = plan.longest();
        assert!(longest > 10, "{longest}");

        let second = registered::model(&test.app, &experiment, 2, 0).await;
        enqueue_first_vote(&faulty, &second).await;
        for statement in [8, longest - 3, longest] {
            plan.fail_before(statement);
            let failed = work(&faulty).await;
            assert_eq!(failed[0].state, JobState::Queued, "before statement {statement}");
            assert!(failed[0].error.as_ref().unwrap().contains("planned failure"));
            assert_eq!(proposals(test).await.len(), 1, "before statement {statement}");
            test.clock.advance_ms(HOUR_MS);
        }
        plan.fail_before(0);
        proposal_of(&work(&faulty).await[0]);
        assert_eq!(proposals(test).await.len(), 2);
        actions(test).await;
    });
}

#[test]
fn what_was_edited_or_is_missing_is_not_measured() {
    on_every_database(|database| async {
        let World { test, .. } = &world(database);
        let experiment = experiment(&test.app, generated("twin", lenient()), features("technical_8")).await;
        let model = registered::model(&test.app, &experiment, 1, 0).await;
        let stats = test.artifacts.path(model.norm_stats_artifact);
        let honest = std::fs::read(&stats).unwrap();
        std::fs::write(&stats, b"{}").unwrap();
        enqueue_first_vote(&test.app, &model).await;
        let failed = work(&test.app).await;
        assert_eq!(failed[0].state, JobState::Failed);
        assert!(
            failed[0]
                .error
                .as_ref()
                .unwrap()
                .contains("was changed after it was stored"),
            "{:?}",
            failed[0].error
        );
        std::fs::write(&stats, honest).unwrap();
        enqueue_first_vote(&test.app, &model).await;
        proposal_of(&work(&test.app).await[0]);

        // Without bars there is no vote, and the job says what to write into the settings.
        let bare = app(database::sqlite().await);
        let experiment =
            registered::experiment(&bare.app, generated("twin", lenient()), features("technical_8")).await;
        let model = registered::model(&bare.app, &experiment, 1, 0).await;
        enqueue_first_vote(&bare.app, &model).await;
        let failed = work(&bare.app).await;
        assert!(
            failed[0].error.as_ref().unwrap().contains("[markets.USDCOP]"),
            "{:?}",
            failed[0].error
        );
    });
}

/// The shipped experiment's features and holdout, on the real bars.
#[test]
fn real_bars_give_a_proposal_too() {
    let shared = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let (bars, daily) = (shared.join("usdcop_5m.csv.gz"), shared.join("macro_daily.csv"));
    if !bars.is_file() || !daily.is_file() {
        let skipped = b"SKIPPED: real_bars_give_a_proposal_too: ../shared/data not found\n";
        std::io::Write::write_all(&mut std::io::stderr(), skipped).unwrap();
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let test = app_with(database::sqlite().await, |config| {
            let market = MarketConfig::of_files(bars, Stamp::Open, Some(daily));
            config.markets.insert("USDCOP".parse().unwrap(), market);
        });
        let mut frozen = generated("usdcop_ppo_baseline", strict());
        frozen["data"] = serde_json::json!({"instrument": "USDCOP", "calendar": "usdcop",
            "train": {"start": "2020-03-01", "end": "2024-12-31"},
            "validation": {"start": "2025-01-01", "end": "2025-06-30"},
            "test": {"start": "2025-07-01", "end": "2026-03-16"}});
        frozen["features"] = serde_json::json!({"contract": "usdcop_15", "version": "2.1.0"});
        // At the shipped 75 basis points a model without skill is ruined within weeks.
        frozen["environment"]["transaction_cost_bps"] = serde_json::json!(0.1);
        frozen["environment"]["slippage_bps"] = serde_json::json!(0.0);
        let experiment = experiment(&test.app, frozen, features("usdcop_15")).await;
        let model = registered::model(&test.app, &experiment, 1, 0).await;
        enqueue_first_vote(&test.app, &model).await;
        let id = proposal_of(&work(&test.app).await[0]);
        let row = test.app.store.proposal(&id).await.unwrap().unwrap();
        let evidence = test.app.store.evidence(&id, 1).await.unwrap().unwrap().evidence;
        assert_eq!(
            (row.recommendation, row.not_overridable.is_some()),
            (
                Recommendation::Reject,
                evidence.metrics.sharpe_ratio.value.is_none()
            )
        );
        assert!(
            evidence.causality.look_ahead.is_none(),
            "{:?}",
            evidence.causality
        );
        assert!(
            evidence.holdout.bars > 9_000 && evidence.holdout.sessions > 160,
            "{:?}",
            evidence.holdout
        );
        assert!(
            evidence
                .drift
                .iter()
                .any(|drift| drift.psi.value.is_some_and(|psi| psi > 0.0))
        );
        assert!(evidence.metrics.total_trades > 0);
    });
}
