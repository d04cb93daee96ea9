//! Notifications: what is posted, how it is signed, when it is tried again, and what is never called.

use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use control::auth::{Actor, Role};
use control::limits::{DELIVERY_LEASE_MS, DELIVERY_PAUSES_S};
use control::notify::{
    self, Deliverer, Lookup, SIGNATURE_HEADER, SystemLookup, TIMESTAMP_HEADER, TargetKind, WebhookConfig,
};
use control::slots::{Halt, ResumeRequest, confirm_resume, halt, request_resume};
use control::store::{DeliveryFilter, DeliveryRow, DeliveryState, ProposalRow};
use control::votes::{Approve, Reject, approve, reject};
use serde_json::{Value, json};

use crate::kit::app::{TestApp, app, person};
use crate::kit::http::{Who, call, logged_in, token};
use crate::kit::on_every_database;
use crate::kit::sample::{self, Shape};

const SECRET: &[u8] = b"between us";

type Taken = Arc<Mutex<Vec<(HeaderMap, Vec<u8>)>>>;

/// Somebody who is told: keeps what comes, answers in turn, with the last answer for ever.
struct Receiver {
    url: String,
    taken: Taken,
}

impl Receiver {
    async fn answering(answers: &'static [u16]) -> Self {
        let taken = Taken::default();
        let (kept, count) = (taken.clone(), Arc::new(AtomicUsize::new(0)));
        let handler = async move |headers: HeaderMap, body: Bytes| {
            kept.lock().unwrap().push((headers, body.to_vec()));
            let n = count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
            let status = StatusCode::from_u16(answers[n]).unwrap();
            (status, [("location", "/elsewhere"), ("retry-after", "0")])
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(handler)).await });
        Self { url, taken }
    }

    fn count(&self) -> usize {
        self.taken.lock().unwrap().len()
    }

    fn last(&self) -> (HeaderMap, Value) {
        let taken = self.taken.lock().unwrap();
        let (headers, body) = taken.last().unwrap();
        (headers.clone(), serde_json::from_slice(body).unwrap())
    }
}

fn target(test: &TestApp, url: &str, kind: TargetKind) -> WebhookConfig {
    let secret = test.artifacts.path(contracts::hash::Digest::of(b"secret"));
    std::fs::create_dir_all(secret.parent().unwrap()).unwrap();
    std::fs::write(&secret, [SECRET, b"\n"].concat()).unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    WebhookConfig {
        name: "desk".to_owned(),
        url: url.to_owned(),
        kind,
        secret_file: Some(secret),
        events: Vec::new(),
        allow_private: vec!["127.0.0.1".parse().unwrap()],
    }
}

/// Tells these from now on.
fn tell(test: &mut TestApp, webhooks: Vec<WebhookConfig>) {
    let mut config = (*test.app.config).clone();
    config.webhooks = webhooks;
    test.app.config = Arc::new(config);
}

async fn stop_slot(test: &TestApp, reason: &str) {
    let request = Halt {
        slot: "usdcop-5m".parse().unwrap(),
        reason: reason.to_owned(),
    };
    halt(&test.app, &person("olga", &[Role::Operator]), &request)
        .await
        .unwrap();
}

async fn log(test: &TestApp) -> Vec<DeliveryRow> {
    test.app
        .store
        .deliveries(&DeliveryFilter::default(), 50)
        .await
        .unwrap()
}

async fn open_proposal(test: &TestApp, seed: u32) -> ProposalRow {
    let experiment = match seed {
        1 => sample::experiment(&test.app, "rita").await,
        _ => test.app.store.experiments(None, 1).await.unwrap().remove(0),
    };
    let model = sample::model(&test.app, &experiment, "rita", seed).await;
    sample::proposal(&test.app, &model, 1, Shape::default()).await
}

fn vera() -> Actor {
    person("vera", &[Role::Approver])
}

#[test]
fn votes_are_told_once_and_signed_and_a_refused_vote_is_not_told() {
    on_every_database(|database| async {
        let mut test = app(database);
        let receiver = Receiver::answering(&[204]).await;
        let webhook = target(&test, &receiver.url, TargetKind::Generic);
        tell(&mut test, vec![webhook]);
        let deliverer = Deliverer::new(test.app.clone());
        let proposal = open_proposal(&test, 1).await;
        let yes = Approve {
            proposal_id: proposal.proposal_id.clone(),
            evidence_digest: proposal.evidence_digest,
            notes: Some("fine".to_owned()),
            promote_to_production: true,
        };
        approve(&test.app, &person("rita", &[Role::Approver]), &yes)
            .await
            .unwrap_err();
        assert_eq!(deliverer.round().await.unwrap(), 0, "an author's vote is refused");
        approve(&test.app, &vera(), &yes).await.unwrap();
        assert_eq!(deliverer.round().await.unwrap(), 1);
        assert_eq!(deliverer.round().await.unwrap(), 0, "once");

        let (headers, body) = receiver.last();
        let header = |name: &str| headers[name].to_str().unwrap().to_owned();
        assert_eq!(header("twovote-event"), "approved");
        assert_eq!(body["event"], "approved");
        assert_eq!(body["subject"], proposal.proposal_id.to_string());
        assert_eq!(body["detail"]["by"], "vera");
        assert_eq!(body["detail"]["generation"], 1);
        assert!(
            body["text"].as_str().unwrap().contains("generation 1): fine"),
            "{body}"
        );
        let at: i64 = header(TIMESTAMP_HEADER).parse().unwrap();
        assert_eq!(at, test.app.now().0 / 1000);
        let bytes = receiver.taken.lock().unwrap().last().unwrap().1.clone();
        assert_eq!(header(SIGNATURE_HEADER), notify::signature(SECRET, at, &bytes));
        assert_ne!(header(SIGNATURE_HEADER), notify::signature(b"other", at, &bytes));

        let second = open_proposal(&test, 2).await;
        let no = Reject {
            proposal_id: second.proposal_id.clone(),
            evidence_digest: second.evidence_digest,
            notes: Some("too few trades".to_owned()),
        };
        reject(&test.app, &vera(), &no).await.unwrap();
        assert_eq!(deliverer.round().await.unwrap(), 1);
        assert_eq!(receiver.last().1["event"], "rejected");

        let admin = logged_in(&test, "ada", &[Role::Admin]).await;
        let shown = call(
            &test,
            &admin,
            "GET",
            "/api/deliveries?state=delivered&limit=1",
            None,
        )
        .await
        .json();
        assert_eq!(shown["deliveries"][0]["event"], "rejected");
        assert_eq!(shown["deliveries"][0]["last_status"], 204);
        let next = format!("/api/deliveries?cursor={}", shown["next"]);
        let before = call(&test, &admin, "GET", &next, None).await.json();
        assert_eq!(before["deliveries"][0]["event"], "approved");
        assert_eq!(before["next"], Value::Null);
    });
}

#[test]
fn a_target_that_fails_is_tried_again_with_growing_pauses_and_then_given_up() {
    on_every_database(|database| async {
        let mut test = app(database);
        let receiver = Receiver::answering(&[500, 429, 200, 500]).await;
        let webhook = target(&test, &receiver.url, TargetKind::Generic);
        tell(&mut test, vec![webhook]);
        open_proposal(&test, 1).await;
        let deliverer = Deliverer::new(test.app.clone());
        stop_slot(&test, "first").await;
        let id = log(&test).await[0].id.to_string();
        for (try_number, pause) in (1..).zip(&DELIVERY_PAUSES_S[..2]) {
            assert_eq!(deliverer.round().await.unwrap(), 1);
            assert_eq!(receiver.last().0["twovote-delivery"].to_str().unwrap(), id);
            let row = &log(&test).await[0];
            assert_eq!((row.state, row.attempts), (DeliveryState::Waiting, try_number));
            assert_eq!(
                row.next_at,
                test.app.now().plus_ms(i64::try_from(*pause).unwrap() * 1000)
            );
            test.clock.advance_ms(i64::try_from(*pause).unwrap() * 1000 - 1);
            assert_eq!(deliverer.round().await.unwrap(), 0, "not before its time");
            test.clock.advance_ms(1);
        }
        assert_eq!(deliverer.round().await.unwrap(), 1);
        let row = &log(&test).await[0];
        assert_eq!(
            (row.state, row.attempts, row.last_status),
            (DeliveryState::Delivered, 3, Some(200))
        );
        assert_eq!(row.last_error, None);

        stop_slot(&test, "second").await;
        for pause in DELIVERY_PAUSES_S {
            assert_eq!(deliverer.round().await.unwrap(), 1);
            test.clock.advance_ms(i64::try_from(pause).unwrap() * 1000);
        }
        assert_eq!(deliverer.round().await.unwrap(), 1, "the last try");
        let row = &log(&test).await[0];
        assert_eq!((row.state, row.last_status), (DeliveryState::GivenUp, Some(500)));
        assert_eq!(
            usize::try_from(row.attempts).unwrap(),
            DELIVERY_PAUSES_S.len() + 1
        );
        test.clock.advance_ms(365 * 86_400_000);
        assert_eq!(deliverer.round().await.unwrap(), 0, "given up is given up");
    });
}

#[test]
fn a_restart_goes_on_where_the_process_before_stopped_or_died() {
    on_every_database(|database| async {
        let mut test = app(database);
        let receiver = Receiver::answering(&[200]).await;
        let webhook = target(&test, &receiver.url, TargetKind::Generic);
        tell(&mut test, vec![webhook]);
        open_proposal(&test, 1).await;
        stop_slot(&test, "why").await;
        // It died between its claim and its answer.
        let mut tx = test.app.store.begin().await.unwrap();
        let row = log(&test).await.remove(0);
        let lease = test.app.now().plus_ms(DELIVERY_LEASE_MS);
        assert!(tx.claim_delivery(&row, lease).await.unwrap());
        tx.commit().await.unwrap();
        let mut tx = test.app.store.begin().await.unwrap();
        assert!(
            !tx.claim_delivery(&row, lease).await.unwrap(),
            "a claim is one's own"
        );
        drop(tx);

        let restarted = Deliverer::new(test.app.clone());
        assert_eq!(restarted.round().await.unwrap(), 0, "it may still be on its way");
        test.clock.advance_ms(DELIVERY_LEASE_MS);
        assert_eq!(restarted.round().await.unwrap(), 1);
        assert_eq!(receiver.count(), 1);
        assert_eq!(log(&test).await[0].state, DeliveryState::Delivered);

        stop_slot(&test, "again").await;
        tell(&mut test, Vec::new());
        assert_eq!(Deliverer::new(test.app.clone()).round().await.unwrap(), 1);
        let row = log(&test).await.remove(0);
        assert_eq!(
            row.state,
            DeliveryState::GivenUp,
            "its target has left the settings"
        );
        assert_eq!(receiver.count(), 1);
    });
}

/// Answers in turn.
#[derive(Debug)]
struct Script(Mutex<Vec<IpAddr>>);

impl Lookup for Script {
    fn lookup(
        &self,
        _: &str,
    ) -> std::pin::Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>> {
        let next = self.0.lock().unwrap().remove(0);
        Box::pin(async move { Ok(vec![next]) })
    }
}

#[test]
fn what_is_not_listed_is_not_called_whatever_its_name_says_and_wherever_it_redirects() {
    on_every_database(|database| async {
        let mut test = app(database);
        let receiver = Receiver::answering(&[302]).await;
        open_proposal(&test, 1).await;
        let try_once = async |test: &mut TestApp, url: &str, listed: &str, lookup: Arc<dyn Lookup>| {
            let webhook = WebhookConfig {
                allow_private: vec![listed.parse().unwrap()],
                ..target(test, url, TargetKind::Generic)
            };
            tell(test, vec![webhook]);
            stop_slot(test, "why").await;
            let tried = Deliverer::with_lookup(test.app.clone(), &lookup)
                .round()
                .await
                .unwrap();
            assert_eq!(tried, 1);
            test.clock.advance_ms(1);
            let row = log(test).await.remove(0);
            assert_ne!(row.state, DeliveryState::Delivered);
            // The next try counts for itself alone.
            let mut tx = test.app.store.begin().await.unwrap();
            let done = control::store::DeliveryOutcome::GivenUp {
                status: None,
                error: "",
            };
            tx.note_delivery(row.id, &done).await.unwrap();
            tx.commit().await.unwrap();
            (row.last_status, row.last_error.unwrap())
        };
        let system = || Arc::new(SystemLookup) as Arc<dyn Lookup>;
        let (status, error) = try_once(&mut test, &receiver.url, "10.0.0.0/8", system()).await;
        assert_eq!((status, receiver.count()), (None, 0));
        assert!(error.contains("127.0.0.1 is refused (loopback)"), "{error}");

        let port = receiver
            .url
            .rsplit(':')
            .next()
            .unwrap()
            .trim_end_matches("/hook")
            .to_owned();
        let named = format!("http://hook.example:{port}/hook");
        // A name that was public when somebody looked, and is not when it is called.
        let flips = || -> Arc<dyn Lookup> {
            Arc::new(Script(Mutex::new(vec![
                "127.0.0.1".parse().unwrap(),
                "127.0.0.1".parse().unwrap(),
            ])))
        };
        let (status, error) = try_once(&mut test, &named, "10.0.0.0/8", flips()).await;
        assert_eq!((status, receiver.count()), (None, 0));
        assert!(error.contains("127.0.0.1 is refused (loopback)"), "{error}");
        assert!(!error.contains("/hook"), "the URL may be a secret: {error}");

        let (status, error) = try_once(&mut test, &named, "127.0.0.1", flips()).await;
        assert_eq!(
            (status, receiver.count()),
            (Some(302), 1),
            "listed, called, and not followed"
        );
        assert!(error.contains("redirects are not followed"), "{error}");

        let secret = target(&test, &receiver.url, TargetKind::Generic)
            .secret_file
            .unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).unwrap();
        stop_slot(&test, "open secret").await;
        assert_eq!(Deliverer::new(test.app.clone()).round().await.unwrap(), 1);
        let row = log(&test).await.remove(0);
        assert!(row.last_error.unwrap().contains("chmod 600"));
        assert_eq!(receiver.count(), 1);
    });
}

#[test]
fn slack_gets_words_that_call_nobody_and_each_target_what_it_asked_for() {
    on_every_database(|database| async {
        let mut test = app(database);
        let (slack, generic) = (
            Receiver::answering(&[200]).await,
            Receiver::answering(&[200]).await,
        );
        let webhooks = vec![
            WebhookConfig {
                secret_file: None,
                events: vec![
                    control::notify::NoticeKind::Halted,
                    control::notify::NoticeKind::Resumed,
                ],
                ..target(&test, &slack.url, TargetKind::Slack)
            },
            WebhookConfig {
                name: "archive".to_owned(),
                events: vec![
                    control::notify::NoticeKind::EngineRefused,
                    control::notify::NoticeKind::ExpiringSoon,
                ],
                ..target(&test, &generic.url, TargetKind::Generic)
            },
        ];
        tell(&mut test, webhooks);
        let deliverer = Deliverer::new(test.app.clone());
        let proposal = open_proposal(&test, 1).await;
        stop_slot(&test, "<!channel> a & b").await;
        assert_eq!(deliverer.round().await.unwrap(), 1);
        let (headers, body) = slack.last();
        let text = "slot usdcop-5m was halted by olga: &lt;!channel&gt; a &amp; b";
        assert_eq!(body, json!({"text": text}));
        assert!(!headers.contains_key(SIGNATURE_HEADER));

        let resume = ResumeRequest {
            slot: "usdcop-5m".parse().unwrap(),
            latches: vec![contracts::reason::Latch::Control],
            reason: "mended".to_owned(),
        };
        let (olga, otto) = (
            person("olga", &[Role::Operator]),
            person("otto", &[Role::Operator]),
        );
        request_resume(&test.app, &olga, &resume).await.unwrap();
        confirm_resume(&test.app, &otto, &resume.slot).await.unwrap();
        assert_eq!(deliverer.round().await.unwrap(), 1);
        let told = "slot usdcop-5m goes on (cleared: control): asked by olga, confirmed by otto: mended";
        assert_eq!(slack.last().1["text"], told);

        logged_in(&test, "engine", &[Role::Engine]).await;
        let engine = Who::token(
            &token(
                &test,
                "engine",
                control::auth::Scope::EngineSync,
                Some("usdcop-5m"),
            )
            .await
            .0,
        );
        let receipt = |status: &str| {
            json!({"engine_id": "e1", "slot": "usdcop-5m", "generation": 3, "contract": "0".repeat(64), "status": status,
                "code": "artifact_altered", "detail": "other bytes"})
            .to_string()
        };
        for status in ["serving", "refused"] {
            let path = "/api/engines/receipts";
            let answer = call(&test, &engine, "POST", path, Some(&receipt(status))).await;
            assert_eq!(answer.status, 201, "{}", answer.text);
        }
        assert_eq!(deliverer.round().await.unwrap(), 1, "of the refusal only");
        let told = generic.last().1;
        assert_eq!(told["event"], "engine_refused");
        assert_eq!(
            told["text"],
            "engine e1 of slot usdcop-5m refused generation 3 (artifact_altered): other bytes"
        );

        let day = control::limits::EXPIRING_SOON_MS;
        assert_eq!(notify::tell_expiring(&test.app, day).await.unwrap(), 0);
        test.clock.advance_ms(6 * 86_400_000);
        assert_eq!(notify::tell_expiring(&test.app, day).await.unwrap(), 1);
        assert_eq!(notify::tell_expiring(&test.app, day).await.unwrap(), 0, "once");
        assert_eq!(deliverer.round().await.unwrap(), 1);
        assert_eq!(generic.last().1["subject"], proposal.proposal_id.to_string());
        assert_eq!(generic.last().1["event"], "expiring_soon");
    });
}
