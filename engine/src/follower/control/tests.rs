//! The link against a control plane of a few lines.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use contracts::hash::ContractDigest;
use contracts::ids::Environment;
use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc};

use super::*;
use crate::bundle::testing::{made, options, trusted};
use crate::bundle::{BundleCell, Keeper};
use crate::clock::SystemClock;
use crate::core::input::Input;
use crate::edges::control::control_queue;
use crate::follower::tests::{Receipts, Rest, directive};
use crate::follower::{DirectiveGate, DirectiveParts, Directives, Follower, FollowerParts, Receipt, spawn};

const TOKEN: &str = "tvt_test";
const HANG: Duration = Duration::from_secs(60);

struct Plane {
    contract: Mutex<Option<Vec<u8>>>,
    directive: Mutex<Option<Vec<u8>>>,
    artifacts: Mutex<BTreeMap<ArtifactHash, Vec<u8>>>,
    /// Asked for an artifact it does not have, it says nothing at all.
    silent: AtomicBool,
    events: broadcast::Sender<String>,
    posts: mpsc::UnboundedSender<(String, Value)>,
    /// Told of every artifact that is asked for.
    asked: mpsc::UnboundedSender<ArtifactHash>,
    fetched: AtomicUsize,
}

impl Plane {
    /// Says that the slot's documents may be others.
    fn tell(&self) {
        drop(self.events.send(r#"{"event":"slot","slot":"test"}"#.to_owned()));
    }
}

type Shared = State<Arc<Plane>>;

fn problem(status: u16, code: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    (status, axum::Json(json!({"code": code}))).into_response()
}

async fn document(
    State(plane): Shared,
    Path((_, which)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    assert_eq!(headers["authorization"], format!("Bearer {TOKEN}"));
    let held = match which.as_str() {
        "contract" => &plane.contract,
        _ => &plane.directive,
    };
    match held.lock().unwrap().clone() {
        Some(bytes) => bytes.into_response(),
        None => problem(404, &format!("no_{which}")),
    }
}

async fn artifact(State(plane): Shared, Path(hash): Path<ArtifactHash>) -> Response {
    plane.fetched.fetch_add(1, Ordering::SeqCst);
    plane.asked.send(hash).ok();
    let held = plane.artifacts.lock().unwrap().get(&hash).cloned();
    match held {
        Some(bytes) => bytes.into_response(),
        None if plane.silent.load(Ordering::SeqCst) => std::future::pending().await,
        None => problem(404, "no_such_artifact"),
    }
}

async fn events(State(plane): Shared) -> Response {
    let heard = plane.events.subscribe();
    let stream = futures_util::stream::unfold(heard, |mut heard| async {
        let text = heard.recv().await.ok()?;
        Some((Ok::<_, Infallible>(Event::default().data(text)), heard))
    });
    Sse::new(stream).into_response()
}

async fn report(
    State(plane): Shared,
    Path(which): Path<String>,
    axum::Json(body): axum::Json<Value>,
) -> StatusCode {
    drop(plane.posts.send((which, body)));
    StatusCode::NO_CONTENT
}

struct Rig {
    source: Option<ControlSource>,
    directives: ControlDirectives,
    outbox: Outbox,
    metrics: Arc<Metrics>,
    plane: Arc<Plane>,
    posts: mpsc::UnboundedReceiver<(String, Value)>,
    asked: mpsc::UnboundedReceiver<ArtifactHash>,
    bell: Bell,
    runtime: tokio::runtime::Runtime,
    _stop: watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

/// A link to a plane whose contract is `{}`; `there` says whether anybody listens.
fn rig(there: bool) -> Rig {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let (posts_in, posts) = mpsc::unbounded_channel();
    let (asked_in, asked) = mpsc::unbounded_channel();
    let bell = Bell::default();
    let plane = Arc::new(Plane {
        contract: Mutex::new(Some(b"{}".to_vec())),
        directive: Mutex::default(),
        artifacts: Mutex::default(),
        silent: AtomicBool::new(false),
        events: broadcast::Sender::new(16),
        posts: posts_in,
        asked: asked_in,
        fetched: AtomicUsize::new(0),
    });
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    if there {
        let router = Router::new()
            .route("/api/slots/{slot}/{which}", get(document))
            .route("/api/artifacts/{hash}", get(artifact))
            .route("/api/events", get(events))
            .route("/api/engines/{which}", post(report))
            .with_state(Arc::clone(&plane));
        runtime.spawn(async { axum::serve(listener, router).await });
    } else {
        drop(listener);
    }
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, TOKEN).unwrap();
    std::fs::set_permissions(&token_file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let metrics = Metrics::new(1);
    let (stop, stopped) = watch::channel(false);
    let Following {
        source,
        directives,
        outbox,
    } = start(ControlParts {
        config: ControlConfig {
            url,
            token_file,
            ca_file: None,
        },
        engine_id: EngineId::parse("engine-1").unwrap(),
        slot: SlotId::parse("test").unwrap(),
        bell: bell.clone(),
        metrics: Arc::clone(&metrics),
        clock: SystemClock::shared(),
        vitals: Box::new(|| Heartbeat {
            generation_highest: 7,
            directive_highest: 9,
            state: json!({"serving": null}),
        }),
        runtime: runtime.handle().clone(),
        stopped,
        seed: 1,
    })
    .unwrap();
    Rig {
        source: Some(source),
        directives,
        outbox,
        metrics,
        plane,
        posts,
        asked,
        bell,
        runtime,
        _stop: stop,
        _folder: folder,
    }
}

impl Rig {
    fn source(&mut self) -> &mut ControlSource {
        self.source.as_mut().unwrap()
    }

    fn until(&mut self, what: &str, mut is: impl FnMut(&mut Self) -> bool) {
        let began = std::time::Instant::now();
        while !is(self) {
            assert!(began.elapsed() < HANG, "hang: {what}");
            std::thread::yield_now();
        }
    }

    fn posted(&mut self, which: &str) -> Value {
        let Self { posts, runtime, .. } = self;
        let next = async {
            loop {
                let (path, body) = posts.recv().await.unwrap();
                if path == which {
                    return body;
                }
            }
        };
        runtime.block_on(async { tokio::time::timeout(HANG, next).await.expect("a hang") })
    }
}

#[test]
fn what_the_plane_says_is_known_at_the_first_look_and_at_every_event() {
    let mut rig = rig(true);
    assert_eq!(rig.source().contract().unwrap().unwrap(), b"{}");
    assert_eq!(
        rig.directives.directive().unwrap(),
        None,
        "it says that there is none"
    );
    rig.until("the stream of events", |rig| {
        rig.metrics.control_connected.load(Ordering::SeqCst) == 1
    });
    assert!(rig.metrics.control_contact_ms.load(Ordering::SeqCst) > 0);
    *rig.plane.contract.lock().unwrap() = Some(b"{\"new\":1}".to_vec());
    rig.plane.tell();
    rig.until("the new contract", |rig| {
        rig.source().contract().unwrap().unwrap() == b"{\"new\":1}"
    });
}

#[test]
fn an_artifact_that_is_not_there_is_asked_for_again_only_later() {
    let mut rig = rig(true);
    let hash = ArtifactHash::of(b"x");
    assert_eq!(rig.source().contract().unwrap().unwrap(), b"{}");
    assert!(matches!(
        rig.source().artifact(hash, 10),
        Err(FetchError::Missing)
    ));
    assert!(matches!(
        rig.source().artifact(hash, 10),
        Err(FetchError::Unavailable(_))
    ));
    assert_eq!(rig.plane.fetched.load(Ordering::SeqCst), 1);
    rig.until("another attempt", |rig| {
        drop(rig.source().artifact(hash, 10));
        rig.plane.fetched.load(Ordering::SeqCst) == 2
    });
}

#[test]
fn receipts_and_heartbeats_arrive() {
    let mut rig = rig(true);
    let contract = ContractDigest::of(b"c");
    rig.outbox.put(&Receipt::Superseded {
        generation: 3,
        contract,
    });
    let receipt = rig.posted("receipts");
    assert_eq!(
        receipt,
        json!({"engine_id": "engine-1", "slot": "test", "status": "superseded", "generation": 3, "contract": contract})
    );
    let beat = rig.posted("heartbeats");
    assert_eq!(
        (&beat["generation_highest"], &beat["directive_highest"]),
        (&json!(7), &json!(9))
    );
}

#[test]
fn a_plane_that_is_away_is_said_to_be_and_holds_nobody_up() {
    let mut rig = rig(false);
    assert!(matches!(rig.source().contract(), Err(FetchError::Unavailable(_))));
    assert!(matches!(
        rig.directives.directive(),
        Err(FetchError::Unavailable(_))
    ));
    let connect = |rig: &mut Rig| rig.metrics.control_failures.of("connect").load(Ordering::SeqCst);
    let first = connect(&mut rig);
    assert!(first > 0);
    rig.until("another attempt", |rig| connect(rig) > first);
    assert_eq!(rig.metrics.control_connected.load(Ordering::SeqCst), 0);
    // Goes before the runtime it asks by.
    drop(rig.source.take());
}

#[test]
fn a_halt_waits_for_no_artifact_and_a_newer_contract_for_none_of_an_older_one() {
    let mut rig = rig(true);
    let (older, newer) = (made(1, 10), made(2, 11));
    *rig.plane.contract.lock().unwrap() = Some(older.json.clone());
    rig.plane.silent.store(true, Ordering::SeqCst);
    rig.until("the older contract", |rig| {
        rig.source()
            .contract()
            .is_ok_and(|json| json.as_ref() == Some(&older.json))
    });
    let (cell, receipts) = (Arc::new(BundleCell::default()), Arc::default());
    let gate = DirectiveGate::new(
        Environment::parse("local").unwrap(),
        SlotId::parse("test").unwrap(),
        trusted(),
        None,
    );
    let gate = Arc::new(Mutex::new(gate));
    let (ordered_in, ordered) = std::sync::mpsc::channel();
    let (control, orders) = control_queue(move || {
        ordered_in.send(()).ok();
    });
    let directives = Directives::new(DirectiveParts {
        source: Box::new(rig.directives.clone()),
        cache: None,
        gate: Arc::clone(&gate),
        control,
        bell: rig.bell.clone(),
    });
    let follower = Follower::new(FollowerParts {
        source: Box::new(rig.source.take().unwrap()),
        cache: None,
        options: options(1),
        accepted: None,
        gate,
        receipts: Box::new(Receipts(Arc::clone(&receipts))),
        keeper: Keeper::new(Arc::clone(&cell)),
        engine: Box::new(Rest(Arc::default())),
    });
    // Only what rings wakes them.
    let never = Duration::from_secs(3_600);
    let directives = spawn(directives, rig.bell.clone(), never).unwrap();
    let follower = spawn(follower, rig.bell.clone(), never).unwrap();
    let asked = rig.runtime.block_on(rig.asked.recv()).unwrap();
    assert_eq!(asked, older.contract.artifacts.model);

    *rig.plane.directive.lock().unwrap() = Some(directive(5, None));
    rig.plane.tell();
    ordered.recv_timeout(HANG).expect("the halt reaches the cores");
    let order = orders.pop().unwrap().input;
    assert!(
        matches!(
            order,
            Input::Directive {
                number: 5,
                halted: true,
                ..
            }
        ),
        "{order:?}"
    );
    let given_up = |rig: &Rig| rig.metrics.control_failures.of("timeout").load(Ordering::SeqCst);
    assert_eq!(given_up(&rig), 0, "the artifact is still waited for");
    assert!(cell.newest().is_none());

    rig.plane
        .artifacts
        .lock()
        .unwrap()
        .extend(newer.artifacts.clone());
    *rig.plane.contract.lock().unwrap() = Some(newer.json.clone());
    rig.plane.tell();
    rig.until("the newer contract", |_| cell.newest().is_some());
    assert_eq!(cell.newest().unwrap().terms.generation, 11);
    assert_eq!(given_up(&rig), 0, "the older one's artifact was let go");
    let contract = older.contract.digest().unwrap();
    let expected = Receipt::Superseded {
        generation: 10,
        contract,
    };
    assert_eq!(*receipts.lock().unwrap(), [expected]);

    rig.bell.end();
    drop(follower.join().unwrap());
    drop(directives.join().unwrap());
}
