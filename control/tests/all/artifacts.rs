//! Files handed in by their hash, and registrations that name them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::Request;
use contracts::hash::{ArtifactHash, Digest};
use contracts::norm_stats::NormStats;
use control::api;
use control::artifacts::ArtifactStore as _;
use control::auth::{Role, Scope};
use control::limits::ARTIFACT_BYTES_MAX;
use control::registry::lineage::{Kind, lineage};
use control::registry::{Registration, register};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::kit::app::{TestApp, app};
use crate::kit::http::{Answer, Who, call, logged_in, token, user};
use crate::kit::models::{self, app_with_bars, norm_stats, researcher};
use crate::kit::on_every_database;
use crate::kit::registered::{experiment, features, generated, lenient};
use crate::looks::{look, metrics};

fn hash(bytes: &[u8]) -> ArtifactHash {
    Digest::of(bytes)
}

async fn put(test: &TestApp, who: &Who, hash: ArtifactHash, bytes: &str) -> Answer {
    let path = format!("/api/artifacts/{hash}");
    call(test, who, "PUT", &path, Some(bytes)).await
}

/// A body that comes in pieces of a MiB, and how many of them were taken.
fn pieces(count: u64) -> (Body, Arc<AtomicU64>) {
    let taken = Arc::new(AtomicU64::new(0));
    let counted = taken.clone();
    let piece = Bytes::from(vec![b' '; 1 << 20]);
    let stream = futures_util::stream::iter(0..count).map(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok::<_, std::io::Error>(piece.clone())
    });
    use futures_util::StreamExt as _;
    (Body::from_stream(stream), taken)
}

async fn put_stream(test: &TestApp, who: &Who, length: Option<u64>, body: Body) -> u16 {
    let mut request = Request::put(format!("/api/artifacts/{}", hash(b""))).header("host", "127.0.0.1:9200");
    for (name, value) in &who.0 {
        request = request.header(*name, value);
    }
    if let Some(length) = length {
        request = request.header("content-length", length);
    }
    let mut request = request.body(body).unwrap();
    let peer: SocketAddr = "127.0.0.1:50000".parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = api::router(test.app.clone()).oneshot(request).await.unwrap();
    response.status().as_u16()
}

#[test]
fn a_file_is_kept_under_its_hash_and_under_no_other() {
    on_every_database(|database| async {
        let test = app(database);
        user(&test, "rita", &[Role::Researcher]).await;
        user(&test, "motor", &[Role::Engine]).await;
        let rita = Who::token(&token(&test, "rita", Scope::ResearchWrite, None).await.0);
        let engine = Who::token(
            &token(&test, "motor", Scope::EngineSync, Some("usdcop-5m"))
                .await
                .0,
        );
        let victor = logged_in(&test, "victor", &[Role::Viewer]).await;
        let name = hash(b"rows");
        let path = format!("/api/artifacts/{name}");

        let none = call(&test, &rita, "HEAD", &path, None).await;
        assert_eq!((none.status.as_u16(), none.text.as_str()), (404, ""));
        let wrong = put(&test, &rita, name, "other rows").await;
        assert_eq!(wrong.code(), (422, "hash_mismatch".to_owned()));
        assert!(
            test.artifacts.list().unwrap().is_empty(),
            "nothing of it was kept"
        );
        for who in [&engine, &victor] {
            let refused = put(&test, who, name, "rows").await;
            assert_eq!(refused.code(), (403, "forbidden".to_owned()));
        }

        let first = put(&test, &rita, name, "rows").await;
        assert_eq!(first.status, 201, "{}", first.text);
        assert_eq!(first.json(), json!({"sha256": name, "bytes": 4, "created": true}));
        let again = put(&test, &rita, name, "rows").await;
        assert_eq!(
            (again.status.as_u16(), &again.json()["created"]),
            (200, &json!(false))
        );
        for who in [&rita, &victor] {
            assert_eq!(call(&test, who, "HEAD", &path, None).await.status, 200);
            assert_eq!(call(&test, who, "GET", &path, None).await.text, "rows");
        }
        let stranger = call(&test, &engine, "GET", &path, None).await;
        assert_eq!(stranger.code(), (404, "no_such_artifact".to_owned()));

        // What was changed on disk is not handed out, and the same bytes again heal it.
        std::fs::write(test.artifacts.path(name), "rowz").unwrap();
        let altered = call(&test, &rita, "GET", &path, None).await;
        assert_eq!(altered.code(), (500, "artifact_altered".to_owned()));
        assert_eq!(put(&test, &rita, name, "rows").await.status, 201);
        assert_eq!(call(&test, &rita, "GET", &path, None).await.text, "rows");
    });
}

#[test]
fn a_file_larger_than_an_artifact_is_refused_before_it_is_read() {
    on_every_database(|database| async {
        let test = app(database);
        user(&test, "rita", &[Role::Researcher]).await;
        let rita = Who::token(&token(&test, "rita", Scope::ResearchWrite, None).await.0);
        let most = ARTIFACT_BYTES_MAX as u64;
        let (body, taken) = pieces(1024);
        assert_eq!(put_stream(&test, &rita, Some(most + 1), body).await, 413);
        assert_eq!(taken.load(Ordering::SeqCst), 0, "its length was announced");
        let (body, taken) = pieces(1024);
        assert_eq!(put_stream(&test, &rita, None, body).await, 413);
        assert!(taken.load(Ordering::SeqCst) <= (most >> 20) + 1);
        assert!(test.artifacts.list().unwrap().is_empty());
    });
}

/// What is posted to register a dataset, whose manifest names files.
fn dataset(contract: &str, files: &Value) -> String {
    let stats = NormStats::parse(&norm_stats()).unwrap();
    json!({
        "contract_id": contract, "dataset_hash": stats.metadata.dataset_hash, "norm_stats_hash": stats.hash(),
        "manifest": {"rows": 3, "files": files},
    })
    .to_string()
}

#[test]
fn what_a_manifest_names_must_be_there_and_is_hashed_again_by_the_lineage() {
    on_every_database(|database| async {
        let test = app_with_bars(database);
        let contract = models::experiment(&test, "rita").await;
        user(&test, "rita", &[Role::Researcher]).await;
        let rita = Who::token(&token(&test, "rita", Scope::ResearchWrite, None).await.0);
        let (train, curves) = (hash(b"train"), hash(b"curves"));
        let post = async |path: &str, body: &str| call(&test, &rita, "POST", path, Some(body)).await;

        let body = dataset(contract.as_str(), &json!({"train": train}));
        let early = post("/api/datasets", &body).await;
        assert_eq!(early.code(), (422, "artifact_not_found".to_owned()));
        let said = early.json()["detail"].as_str().unwrap().to_owned();
        assert!(said.contains("train") && said.contains(&train.to_hex()), "{said}");
        let none = call(&test, &rita, "GET", "/api/datasets", None).await.json();
        assert_eq!(none["datasets"], json!([]));
        for files in [json!(7), json!({"train": "x"}), json!([train])] {
            let refused = post("/api/datasets", &dataset(contract.as_str(), &files)).await;
            assert_eq!(refused.code(), (422, "manifest_invalid".to_owned()), "{files}");
        }
        assert_eq!(put(&test, &rita, train, "train").await.status, 201);
        assert_eq!(post("/api/datasets", &body).await.status, 201);
        assert_eq!(post("/api/datasets", &body).await.status, 200, "the same again");

        let stats = NormStats::parse(&norm_stats()).unwrap();
        let run = json!({
            "run_id": "RUN-1", "contract_id": contract, "dataset_hash": stats.metadata.dataset_hash,
            "manifest": {"seed": 42, "files": {"curves": curves}},
        })
        .to_string();
        let early = post("/api/training-runs", &run).await;
        assert_eq!(early.code(), (422, "artifact_not_found".to_owned()));
        assert_eq!(put(&test, &rita, curves, "curves").await.status, 201);
        assert_eq!(post("/api/training-runs", &run).await.status, 201);

        let request = Registration {
            contract_id: contract,
            model: models::model(1),
            norm_stats: norm_stats(),
            dataset_hash: None,
            training_run: Some("RUN-1".parse().unwrap()),
            declared_trials: 0,
            action_output: None,
        };
        let model = Box::pin(register(&test.app, &researcher("rita"), request))
            .await
            .unwrap()
            .model;
        let of = async || {
            let found = Box::pin(lineage(&test.app, &model.model_id)).await.unwrap();
            found.unwrap()
        };
        assert!(of().await.verified);
        for (name, bytes, kind) in [
            ("train", &b"train"[..], Kind::Dataset),
            ("curves", b"curves", Kind::TrainingRun),
        ] {
            std::fs::write(test.artifacts.path(hash(bytes)), "edited").unwrap();
            let found = of().await;
            let broken: Vec<_> = found
                .nodes
                .iter()
                .filter(|node| node.verified == Some(false))
                .collect();
            assert!(
                !found.verified && broken.len() == 1 && broken[0].kind == kind,
                "{broken:?}"
            );
            let detail = broken[0].detail.as_deref().unwrap();
            assert!(detail.starts_with(&format!("{name}: artifact ")), "{detail}");
            test.artifacts.put(bytes).unwrap();
            assert!(of().await.verified, "healed");
        }
    });
}

#[test]
fn a_backtest_run_elsewhere_keeps_its_files_here() {
    on_every_database(|database| async {
        let test = app(database);
        experiment(&test.app, generated("twin", lenient()), features("technical_8")).await;
        user(&test, "rita", &[Role::Researcher]).await;
        let rita = Who::token(&token(&test, "rita", Scope::ResearchWrite, None).await.0);
        let own = look('a', 1.0, "2025-02-03", "2025-02-14");
        let told = call(&test, &rita, "POST", "/api/looks", Some(&own.to_string())).await;
        assert_eq!(told.status, 200, "{}", told.text);
        let page = "<!doctype html><title>run</title>";
        let mut result = json!({
            "contract_id": "CTR-EXP-twin-1.0.0", "look": own, "metrics": metrics(),
            "files": {"trades": hash(b"trades"), "report": hash(page.as_bytes())},
        });
        let post =
            async |body: &Value| call(&test, &rita, "POST", "/api/backtests", Some(&body.to_string())).await;
        assert_eq!(put(&test, &rita, hash(b"trades"), "trades").await.status, 201);
        let early = post(&result).await;
        assert_eq!(early.code(), (422, "artifact_not_found".to_owned()));
        assert!(early.text.contains("report"), "{}", early.text);
        assert_eq!(put(&test, &rita, hash(page.as_bytes()), page).await.status, 201);
        let stored = post(&result).await;
        assert_eq!(stored.status, 201, "{}", stored.text);
        let id = stored.json()["backtest_id"].as_str().unwrap().to_owned();
        let row = call(&test, &rita, "GET", &format!("/api/backtests/{id}"), None).await;
        assert_eq!(
            (&row.json()["trades"], &row.json()["equity"]),
            (&json!(hash(b"trades")), &Value::Null)
        );
        let report = call(&test, &rita, "GET", &format!("/api/backtests/{id}/report"), None).await;
        assert_eq!(report.text, page);
        let policy = report.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("sandbox"),
            "{policy}"
        );

        // Told again with other files, the first ones stay: rows are never changed.
        result["files"] = json!({});
        assert_eq!(post(&result).await.status, 200);
        let report = call(&test, &rita, "GET", &format!("/api/backtests/{id}/report"), None).await;
        assert_eq!(report.text, page);
    });
}
