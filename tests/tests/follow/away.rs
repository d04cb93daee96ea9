//! The database goes away under load: reads say so, no vote is lost or counted twice, the engine never notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use control::audit::Walk;
use control::auth::Role;
use control::store::{AuditFilter, ProposalRow, ProposalStatus};
use serde_json::json;
use testkit::guard::{HANG, within};
use testkit::scale::soak;
use tokio::time::interval;

use crate::kit::database;
use crate::kit::http::{Who, logged_in};
use crate::kit::sample;
use crate::place::{Place, Running};
use crate::plane::Plane;
use crate::server::Server;

/// Proposals that are voted on, each by two people at once.
const PROPOSALS: u32 = 12;
/// How long the database is away in full length, in seconds.
const AWAY_S: u64 = 10;
/// Between two tries of one caller, and between two bars: the load.
const PACE: Duration = Duration::from_millis(10);

/// What callers were answered.
#[derive(Default)]
struct Answers {
    good: AtomicU64,
    unavailable: AtomicU64,
    stop: AtomicBool,
}

impl Answers {
    fn count(&self, status: u16, code: impl FnOnce() -> (u16, String)) -> bool {
        match status {
            200 => self.good.fetch_add(1, Ordering::SeqCst),
            _ => {
                assert_eq!(code(), (503, "store_unavailable".to_owned()));
                self.unavailable.fetch_add(1, Ordering::SeqCst)
            }
        };
        status == 200
    }
}

/// Reads until told to stop.
async fn read(plane: Arc<Plane>, who: Who, answers: Arc<Answers>) {
    let mut pace = interval(PACE);
    while !answers.stop.load(Ordering::SeqCst) {
        pace.tick().await;
        let answer = plane.get(&who, "/api/experiments").await;
        answers.count(answer.status.as_u16(), || answer.code());
    }
}

/// Votes on each until it is decided; gives those whose yes was acknowledged.
async fn vote(
    plane: Arc<Plane>,
    who: Who,
    proposals: Vec<ProposalRow>,
    answers: Arc<Answers>,
) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let mut pace = interval(PACE);
    for proposal in proposals {
        loop {
            pace.tick().await;
            let later = json!({"promote_to_production": false});
            let answer = plane.decide(&who, &proposal, "approve", later).await;
            let status = answer.status.as_u16();
            if status == 409 {
                assert_eq!(answer.code().1, "not_pending");
                break;
            }
            if answers.count(status, || answer.code()) {
                acknowledged.push(proposal.proposal_id.to_string());
                break;
            }
        }
    }
    acknowledged
}

/// Bars for as long as `more` says, each a decision of `generation`; gives how many.
async fn stream(engine: &mut Running, generation: u64, mut more: impl FnMut() -> bool) -> u64 {
    let mut pace = interval(PACE);
    let mut bars = 0;
    while more() {
        pace.tick().await;
        engine.assert_signals(generation).await;
        bars += 1;
    }
    bars
}

/// Every proposal is decided, once, by one of those whose vote was acknowledged where one was; and the audit chain is whole.
async fn assert_each_vote_once(plane: &Plane, proposals: &[ProposalRow], by: &[(&str, Vec<String>)]) {
    let store = &plane.test.app.store;
    let events = store.audit_events(&AuditFilter::default(), 1_000).await.unwrap();
    let mut walk = Walk::new(plane.test.app.keys.trusted());
    events.iter().for_each(|event| walk.step(event).unwrap());
    for proposal in proposals {
        let id = proposal.proposal_id.as_str();
        let stored = store.proposal(&proposal.proposal_id).await.unwrap().unwrap();
        assert_eq!(stored.status, ProposalStatus::Approved);
        let reviewer = stored.reviewer.unwrap().to_string();
        let said_yes: Vec<&str> = by
            .iter()
            .filter(|(_, acknowledged)| acknowledged.iter().any(|one| one == id))
            .map(|(who, _)| *who)
            .collect();
        assert!(said_yes.len() <= 1, "{id}: {said_yes:?}");
        // Where the answer was lost on its way, nobody was told yes, and somebody's vote stands.
        assert!(
            said_yes.iter().all(|who| *who == reviewer),
            "{id}: {said_yes:?}, {reviewer}"
        );
        let approvals = events
            .iter()
            .filter(|event| event.event.action.word() == "APPROVE" && event.event.subject == id)
            .count();
        assert_eq!(approvals, 1, "{id}");
    }
}

async fn pending(
    plane: &Plane,
    production: &contracts::ids::ModelId,
    seeds: std::ops::Range<u32>,
) -> Vec<ProposalRow> {
    let mut proposals = Vec::new();
    for seed in seeds {
        let model = sample::model(&plane.test.app, &plane.experiment, "rita", seed).await;
        proposals.push(plane.propose(&model, 1, Some(production)).await);
    }
    proposals
}

#[test]
fn postgres_away_under_load_costs_no_vote_and_no_signal() {
    let Some(server) = Server::make() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let database = database::postgres_at(server.socket()).await;
        let plane = Plane::start(database).await;
        let place = Place::new(&plane);
        let (first, proposal) = plane.proposed(1, None).await;
        plane.deploy(&proposal).await;
        let mut engine = place.start(&plane.url(), 0).await;
        engine.assert_signals(1).await;
        let proposals = pending(&plane, &first.model_id, 100..100 + PROPOSALS).await;
        let (_, next) = plane.proposed(2, Some(&first.model_id)).await;
        let anna = logged_in(&plane.test, "anna", &[Role::Approver]).await;

        let plane = Arc::new(plane);
        let (reads, votes) = (Arc::new(Answers::default()), Arc::new(Answers::default()));
        let readers: Vec<_> = [&plane.vera, &plane.olga]
            .map(|who| tokio::spawn(read(Arc::clone(&plane), who.clone(), Arc::clone(&reads))))
            .into();
        let voters = [&plane.vera, &anna].map(|who| {
            let (proposals, votes) = (proposals.clone(), Arc::clone(&votes));
            tokio::spawn(vote(Arc::clone(&plane), who.clone(), proposals, votes))
        });
        // Some votes before, the others meanwhile and after.
        stream(&mut engine, 1, || votes.good.load(Ordering::SeqCst) < 2).await;
        let stopped = tokio::task::spawn_blocking(move || {
            let mut server = server;
            server.stop();
            server
        });
        let mut server = within("the end of the server", stopped).await.unwrap();
        let (away, began) = (Duration::from_secs(soak(AWAY_S)), Instant::now());
        let refused = || reads.unavailable.load(Ordering::SeqCst) > 0;
        let bars = stream(&mut engine, 1, || {
            assert!(began.elapsed() < away + HANG, "hang: no read was answered 503");
            began.elapsed() < away || !refused()
        })
        .await;
        assert!(bars > 0);
        let server = tokio::task::spawn_blocking(move || {
            server.start();
            server
        })
        .await
        .unwrap();
        let good = reads.good.load(Ordering::SeqCst);
        stream(&mut engine, 1, || reads.good.load(Ordering::SeqCst) < good + 10).await;
        let [vera, anna] = voters;
        let by = [
            ("vera", within("the votes", vera).await.unwrap()),
            ("anna", within("the votes", anna).await.unwrap()),
        ];
        reads.stop.store(true, Ordering::SeqCst);
        for reader in readers {
            within("the readers", reader).await.unwrap();
        }
        assert_each_vote_once(&plane, &proposals, &by).await;
        // And it goes on as before: nobody was restarted.
        assert_eq!(plane.deploy(&next).await, 2);
        engine.swapped(2).await;
        engine.assert_signals(2).await;
        engine.stop().await;
        drop(server);
    });
}

#[test]
fn sqlite_locked_by_somebody_else_costs_no_vote_and_no_signal() {
    use sqlx::Connection as _;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let plane = Plane::start(database::sqlite().await).await;
        let place = Place::new(&plane);
        let (first, proposal) = plane.proposed(1, None).await;
        plane.deploy(&proposal).await;
        let mut engine = place.start(&plane.url(), 0).await;
        engine.assert_signals(1).await;
        let proposals = pending(&plane, &first.model_id, 100..101).await;
        let plane = Arc::new(plane);

        let mut other = sqlx::AnyConnection::connect(&plane.test.database.url)
            .await
            .unwrap();
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();
        let votes = Arc::new(Answers::default());
        let voter = tokio::spawn(vote(
            Arc::clone(&plane),
            plane.vera.clone(),
            proposals.clone(),
            Arc::clone(&votes),
        ));
        // Who only reads is not held up by a writer.
        let reads = Arc::new(Answers::default());
        let reader = tokio::spawn(read(Arc::clone(&plane), plane.olga.clone(), Arc::clone(&reads)));
        let began = Instant::now();
        stream(&mut engine, 1, || {
            assert!(began.elapsed() < HANG, "hang: no vote was answered 503");
            votes.unavailable.load(Ordering::SeqCst) == 0
        })
        .await;
        assert_eq!(votes.good.load(Ordering::SeqCst), 0);
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        let by = [("vera", within("the vote", voter).await.unwrap())];
        reads.stop.store(true, Ordering::SeqCst);
        within("the reader", reader).await.unwrap();
        assert!(reads.good.load(Ordering::SeqCst) > 0);
        assert_eq!(reads.unavailable.load(Ordering::SeqCst), 0);
        assert_eq!(by[0].1.len(), 1);
        assert_each_vote_once(&plane, &proposals, &by).await;
        engine.stop().await;
    });
}
