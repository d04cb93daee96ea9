//! The link against a control plane of a few lines.

use std::convert::Infallible;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use contracts::hash::ContractDigest;
use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc};

use super::*;
use crate::clock::SystemClock;
use crate::follower::Receipt;

const TOKEN: &str = "tvt_test";
const HANG: Duration = Duration::from_secs(60);

struct Plane {
    contract: Mutex<Option<Vec<u8>>>,
    events: broadcast::Sender<String>,
    posts: mpsc::UnboundedSender<(String, Value)>,
    fetched: AtomicUsize,
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
    match plane.contract.lock().unwrap().clone() {
        Some(bytes) if which == "contract" => bytes.into_response(),
        _ => problem(404, &format!("no_{which}")),
    }
}

async fn artifact(State(plane): Shared, Path(_): Path<String>) -> Response {
    plane.fetched.fetch_add(1, Ordering::SeqCst);
    problem(404, "no_such_artifact")
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
    outbox: Outbox,
    metrics: Arc<Metrics>,
    plane: Arc<Plane>,
    posts: mpsc::UnboundedReceiver<(String, Value)>,
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
    let plane = Arc::new(Plane {
        contract: Mutex::new(Some(b"{}".to_vec())),
        events: broadcast::Sender::new(16),
        posts: posts_in,
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
    let (source, outbox) = start(ControlParts {
        config: ControlConfig {
            url,
            token_file,
            ca_file: None,
        },
        engine_id: EngineId::parse("engine-1").unwrap(),
        slot: SlotId::parse("test").unwrap(),
        bell: Bell::default(),
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
        outbox,
        metrics,
        plane,
        posts,
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
        rig.source().directive().unwrap(),
        None,
        "it says that there is none"
    );
    rig.until("the stream of events", |rig| {
        rig.metrics.control_connected.load(Ordering::SeqCst) == 1
    });
    assert!(rig.metrics.control_contact_ms.load(Ordering::SeqCst) > 0);
    *rig.plane.contract.lock().unwrap() = Some(b"{\"new\":1}".to_vec());
    drop(
        rig.plane
            .events
            .send(r#"{"event":"slot","slot":"test"}"#.to_owned()),
    );
    rig.until("the new contract", |rig| {
        rig.source().contract().unwrap().unwrap() == b"{\"new\":1}"
    });
}

#[test]
fn an_artifact_that_is_not_there_is_asked_for_again_only_later() {
    let mut rig = rig(true);
    let hash = ArtifactHash::of(b"x");
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
        rig.source().directive(),
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
