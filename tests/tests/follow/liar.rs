//! Somebody who answers like a control plane and offers whatever the test says: without a stream of events, so that the engine has to
//! ask.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use contracts::hash::ArtifactHash;
use control::artifacts::{ArtifactStore as _, DirectoryStore};
use serde_json::{Value, json};
use testkit::guard::within;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// The two documents.
#[derive(Clone, Default)]
pub struct Offer {
    pub contract: Option<String>,
    pub directive: Option<String>,
}

struct Shared {
    offer: Mutex<Offer>,
    artifacts: DirectoryStore,
    receipts: mpsc::UnboundedSender<Value>,
}

/// See the module.
pub struct Liar {
    shared: Arc<Shared>,
    receipts: mpsc::UnboundedReceiver<Value>,
    address: SocketAddr,
}

impl Liar {
    pub async fn start(offer: Offer, artifacts: DirectoryStore) -> Self {
        let (sender, receipts) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            offer: Mutex::new(offer),
            artifacts,
            receipts: sender,
        });
        let router = Router::new()
            .route("/api/slots/{slot}/{which}", get(document))
            .route("/api/artifacts/{hash}", get(artifact))
            .route("/api/engines/{which}", post(report))
            .with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async { axum::serve(listener, router).await });
        Self {
            shared,
            receipts,
            address,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn offer(&self, offer: Offer) {
        *self.shared.offer.lock().unwrap() = offer;
    }

    /// The next receipt.
    pub async fn receipt(&mut self) -> Value {
        within("a receipt", self.receipts.recv()).await.unwrap()
    }
}

async fn document(State(shared): State<Arc<Shared>>, Path((_, which)): Path<(String, String)>) -> Response {
    let offer = shared.offer.lock().unwrap().clone();
    let text = match which.as_str() {
        "contract" => offer.contract,
        _ => offer.directive,
    };
    match text {
        Some(text) => text.into_response(),
        None => {
            let problem = json!({"code": format!("no_{which}")});
            (StatusCode::NOT_FOUND, axum::Json(problem)).into_response()
        }
    }
}

async fn artifact(State(shared): State<Arc<Shared>>, Path(hash): Path<ArtifactHash>) -> Response {
    match shared.artifacts.get(hash) {
        Ok(bytes) => bytes.into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn report(
    State(shared): State<Arc<Shared>>,
    Path(which): Path<String>,
    axum::Json(body): axum::Json<Value>,
) -> StatusCode {
    if which == "receipts" {
        drop(shared.receipts.send(body));
    }
    StatusCode::NO_CONTENT
}
