//! Experiments, models, datasets and training runs over HTTP: what comes in, and what is no input.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, Bytes};
use control::auth::{Role, Scope};
use control::limits::MODEL_FORM_BYTES_MAX;
use serde_json::{Value, json};

use crate::kit::app::TestApp;
use crate::kit::http::{Answer, Who, call, logged_in, token};
use crate::kit::models::{app_with_bars, form, form_type, model, norm_stats, send, upload, yaml};
use crate::kit::on_every_database;

async fn hand_in(test: &TestApp, who: &Who, text: &str) -> Answer {
    let body = Body::from(text.to_owned());
    send(test, who, "/api/contracts", "application/yaml", None, body).await
}

fn code(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

async fn empty(test: &TestApp) -> bool {
    let models = test.app.store.models(None, None, 10).await.unwrap();
    models.is_empty() && test.app.artifacts.list().unwrap().is_empty()
}

#[test]
fn from_the_yaml_to_a_registered_model_with_a_token_of_a_researcher() {
    on_every_database(|database| async {
        let test = app_with_bars(database);
        logged_in(&test, "rita", &[Role::Researcher]).await;
        let who = Who::token(&token(&test, "rita", Scope::ResearchWrite, None).await.0);
        let made = hand_in(&test, &who, &yaml()).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let id = made.json()["contract_id"].as_str().unwrap().to_owned();
        let again = hand_in(&test, &who, &format!("# mine\n{}", yaml())).await;
        assert_eq!(
            (again.status.as_u16(), &again.json()["created"]),
            (200, &json!(false))
        );
        let looser = yaml().replace("min_sharpe: 0.5", "min_sharpe: 0.1");
        let differs = hand_in(&test, &who, &looser).await;
        assert_eq!(differs.code(), code(409, "experiment_differs"));
        let change = &differs.json()["changes"][0];
        assert_eq!(change["path"], "evaluation.success_criteria.min_sharpe");
        assert_eq!((&change["old"], &change["new"]), (&json!(0.5), &json!(0.1)));
        let get = async |path: &str| call(&test, &who, "GET", path, None).await;
        let shown = get(&format!("/api/contracts/{id}")).await.json();
        assert_eq!(shown["contract"]["frozen"]["slot"], "usdcop-5m");
        let listed = get("/api/contracts?name=usdcop_ppo_baseline").await.json();
        assert_eq!(listed["contracts"][0]["contract_id"], json!(id));

        let stats = contracts::norm_stats::NormStats::parse(&norm_stats()).unwrap();
        let dataset = json!({"contract_id": id, "dataset_hash": stats.metadata.dataset_hash,
            "norm_stats_hash": stats.hash(), "manifest": {"rows": 3}});
        let run = json!({"run_id": "RUN-1", "contract_id": id, "dataset_hash": stats.metadata.dataset_hash,
            "manifest": {"seed": 42}});
        for (path, body) in [("/api/datasets", dataset), ("/api/training-runs", run)] {
            let made = call(&test, &who, "POST", path, Some(&body.to_string())).await;
            assert_eq!(made.status, 201, "{}", made.text);
            let again = call(&test, &who, "POST", path, Some(&body.to_string())).await;
            assert_eq!(again.status, 200, "{}", again.text);
            assert_eq!(get(path).await.status, 200);
        }
        assert_eq!(
            get("/api/training-runs/RUN-1").await.json()["launched_by"],
            "rita"
        );
        assert_eq!(
            get("/api/training-runs/RUN-2").await.code(),
            code(404, "not_found")
        );

        let (model, stats) = (model(1), norm_stats());
        let fields: [(&str, Option<&str>, &[u8]); 5] = [
            ("contract_id", None, id.as_bytes()),
            ("model", Some("../../../etc/passwd"), &model),
            ("norm_stats", Some("..\\..\\x.json"), &stats),
            ("training_run", None, b"RUN-1"),
            ("trials", None, b"3"),
        ];
        let made = upload(&test, &who, form(&fields)).await;
        assert_eq!(made.status, 201, "{}", made.text);
        assert_eq!(made.json()["declared_trials"], 3);
        let again = upload(&test, &who, form(&fields)).await;
        assert_eq!(
            (again.status.as_u16(), &again.json()["created"]),
            (200, &json!(false))
        );
        let model_id = made.json()["model_id"].as_str().unwrap().to_owned();
        let shown = get(&format!("/api/models/{model_id}")).await.json();
        assert_eq!(shown["training_run"], "RUN-1");
    });
}

#[test]
fn a_fault_in_a_yaml_is_named_with_its_path_and_line() {
    on_every_database(|database| async {
        let test = app_with_bars(database);
        let rita = logged_in(&test, "rita", &[Role::Researcher]).await;
        let text = yaml().replace("pnl: 0.5", "pnl: 0.6");
        let fault = hand_in(&test, &rita, &text).await;
        assert_eq!(fault.code(), code(422, "experiment_invalid"));
        let line = text.lines().position(|line| line.contains("weights:")).unwrap() + 1;
        assert_eq!(fault.json()["path"], "reward.weights");
        assert_eq!(fault.json()["line"], json!(line), "{}", fault.text);
        let bomb = format!("a: &a [x, x]\n{}", "b: &b [*a, *a, *a]\n".repeat(2000));
        let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
        let tricks = yaml().replace("contract: technical_8", "contract: ../../etc/passwd");
        for bad in [
            "",
            "{",
            "- 1",
            "\0",
            "key: [",
            &deep,
            &bomb,
            &tricks,
            "a: 1\na: 2",
            "!!binary x",
        ] {
            let refused = hand_in(&test, &rita, bad).await;
            assert_eq!(refused.code().0, 422, "{bad:.40}: {}", refused.text);
        }
        let large = "#".repeat(70_000);
        assert_eq!(
            hand_in(&test, &rita, &large).await.code(),
            code(413, "body_too_large")
        );
        let invalid = Body::from(vec![0xff, 0xfe, b'a']);
        let refused = send(&test, &rita, "/api/contracts", "text/yaml", None, invalid).await;
        assert_eq!(refused.code().0, 422, "{}", refused.text);
        let json = call(&test, &rita, "POST", "/api/contracts", Some("{}")).await;
        assert_eq!(json.code(), code(415, "not_yaml"));
        let listed = call(&test, &rita, "GET", "/api/contracts", None).await.json();
        assert_eq!(listed["contracts"], json!([]));
    });
}

#[test]
fn a_form_that_is_none_is_a_problem_and_leaves_nothing() {
    on_every_database(|database| async {
        let test = app_with_bars(database);
        let rita = logged_in(&test, "rita", &[Role::Researcher]).await;
        hand_in(&test, &rita, &yaml()).await;
        let id = b"CTR-EXP-usdcop_ppo_baseline-1.0.0".as_slice();
        let (model, stats) = (model(1), norm_stats());
        let good: [(&str, Option<&str>, &[u8]); 3] = [
            ("contract_id", None, id),
            ("model", Some("m.onnx"), &model),
            ("norm_stats", Some("n.json"), &stats),
        ];
        let with = |extra: &[(&'static str, Option<&'static str>, &'static [u8])]| {
            let mut fields = good.to_vec();
            fields.extend(extra.iter().copied());
            form(&fields)
        };
        let whole = form(&good);
        let mut bodies: Vec<Vec<u8>> = vec![
            Vec::new(),
            b"nothing".to_vec(),
            whole[..whole.len() / 2].to_vec(),
            form(&good[..2]),
            form(&good[1..]),
            with(&[("contract_id", None, b"CTR-EXP-usdcop_ppo_baseline-1.0.0")]),
            with(&[("unknown", None, b"1")]),
            with(&[("", None, b"1")]),
            with(&[("trials", None, b"-1")]),
            with(&[("trials", None, b"99999999999999999999")]),
            with(&[("dataset_hash", None, b"../../etc/passwd")]),
            with(&[("training_run", None, b"../x")]),
            with(&[("training_run", None, b"x' OR '1'='1")]),
            with(&[("action_output", None, b"\0")]),
            with(&[("action_output", None, b"\xff\xfe")]),
        ];
        bodies.push(form(&[
            ("contract_id", None, b"../../etc/passwd"),
            good[1],
            good[2],
        ]));
        for body in bodies {
            let shown = String::from_utf8_lossy(&body[..body.len().min(120)]).into_owned();
            let refused = upload(&test, &rita, body).await;
            assert_eq!(
                refused.code(),
                code(400, "malformed_form"),
                "{shown}: {}",
                refused.text
            );
        }
        let long = form(&[good[0], good[1], good[2], ("action_output", None, &[b'x'; 300])]);
        assert_eq!(
            upload(&test, &rita, long).await.code(),
            code(413, "body_too_large")
        );
        let text = Body::from("{}");
        let refused = send(&test, &rita, "/api/models", "application/json", None, text).await;
        assert_eq!(refused.code(), code(415, "not_a_form"));
        let refused = upload(
            &test,
            &rita,
            form(&[good[0], ("model", None, b"no model"), good[2]]),
        )
        .await;
        assert_eq!(refused.code(), code(422, "not_onnx"));
        let unknown = form(&[("contract_id", None, b"CTR-EXP-none-1"), good[1], good[2]]);
        let refused = upload(&test, &rita, unknown).await;
        assert_eq!(refused.code(), code(422, "experiment_not_found"));
        let greedy = strategy::onnx::testmodels::all_refused(1, 8);
        for name in [
            "external initializer",
            "foreign domain",
            "loop",
            "giant initializer",
        ] {
            let bad = greedy.iter().find(|bad| bad.name == name).unwrap();
            let refused = upload(
                &test,
                &rita,
                form(&[good[0], ("model", None, &bad.bytes), good[2]]),
            )
            .await;
            assert_eq!(refused.code().0, 422, "{name}: {}", refused.text);
        }
        assert!(empty(&test).await);
    });
}

/// A body of `total` bytes in pieces, counting what was taken of it.
fn endless(total: u64, taken: &Arc<AtomicU64>) -> Body {
    const PIECE: usize = 1 << 20;
    let taken = Arc::clone(taken);
    let head = form(&[("model", Some("m.onnx"), b"")]);
    // The part's head without its end: whatever follows belongs to the file.
    let head = head[..head.len() - 2 - "--xXx-boundary-xXx--\r\n".len()].to_vec();
    let pieces = std::iter::once(Bytes::from(head)).chain(std::iter::repeat_n(
        Bytes::from(vec![0_u8; PIECE]),
        usize::try_from(total).unwrap() / PIECE,
    ));
    let counted = pieces.map(move |piece| {
        taken.fetch_add(piece.len() as u64, Ordering::SeqCst);
        Ok::<_, std::io::Error>(piece)
    });
    Body::from_stream(futures_util::stream::iter(counted))
}

#[test]
fn a_gigabyte_is_refused_before_it_has_come() {
    on_every_database(|database| async {
        let test = app_with_bars(database);
        let rita = logged_in(&test, "rita", &[Role::Researcher]).await;
        let (gigabyte, kind) = (1_u64 << 30, form_type());
        let taken = Arc::new(AtomicU64::new(0));
        let announced = endless(gigabyte, &taken);
        let refused = send(&test, &rita, "/api/models", &kind, Some(gigabyte), announced).await;
        assert_eq!(refused.code(), code(413, "body_too_large"));
        assert_eq!(taken.load(Ordering::SeqCst), 0, "nothing is read");

        let silent = endless(gigabyte, &taken);
        let refused = send(&test, &rita, "/api/models", &kind, None, silent).await;
        assert_eq!(refused.code(), code(413, "body_too_large"));
        let most = MODEL_FORM_BYTES_MAX as u64 + (2 << 20);
        assert!(taken.load(Ordering::SeqCst) < most, "{taken:?}");

        let taken = Arc::new(AtomicU64::new(0));
        let nobody = endless(gigabyte, &taken);
        let refused = send(&test, &Who::default(), "/api/models", &kind, None, nobody).await;
        assert_eq!(refused.code(), code(401, "login_required"));
        assert_eq!(taken.load(Ordering::SeqCst), 0, "nobody's upload is not read");
        assert!(empty(&test).await);
        let listed: Value = call(&test, &rita, "GET", "/api/models", None).await.json();
        assert_eq!(listed["models"], json!([]));
    });
}

#[test]
fn wrong_types_in_datasets_and_training_runs_are_problems() {
    on_every_database(|database| async {
        let test = app_with_bars(database);
        let rita = logged_in(&test, "rita", &[Role::Researcher]).await;
        hand_in(&test, &rita, &yaml()).await;
        let id = "CTR-EXP-usdcop_ppo_baseline-1.0.0";
        let zeros = "0".repeat(64);
        let dataset =
            json!({"contract_id": id, "dataset_hash": zeros, "norm_stats_hash": zeros, "manifest": {}});
        let edits: [(&str, Value, u16); 7] = [
            ("contract_id", json!("../x"), 400),
            ("contract_id", json!("CTR-EXP-none-1"), 422),
            ("dataset_hash", json!("abc"), 400),
            ("dataset_hash", json!(7), 400),
            ("manifest", json!([1]), 422),
            ("manifest", json!(null), 422),
            ("extra", json!(1), 400),
        ];
        for (field, value, status) in edits {
            let mut body = dataset.clone();
            body[field] = value;
            let answer = call(&test, &rita, "POST", "/api/datasets", Some(&body.to_string())).await;
            assert_eq!(answer.code().0, status, "{body}: {}", answer.text);
        }
        for path in [
            "/api/datasets/CTR-EXP-none-1/abc",
            "/api/datasets?contract_id=a%20b",
            "/api/training-runs/..%2Fx",
            "/api/training-runs?x=1",
            "/api/contracts/..%2F..%2Fetc",
            "/api/contracts?limit=x",
            "/api/models/..%2Fx/lineage",
        ] {
            let answer = call(&test, &rita, "GET", path, None).await;
            assert_eq!(answer.code().0, 400, "{path}: {}", answer.text);
        }
    });
}
