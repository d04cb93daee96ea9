//! Ingests over HTTP: all or nothing, counted by the server, never over what somebody else wrote.

use std::sync::Arc;

use contracts::hash::ArtifactHash;
use control::app::App;
use control::audit::Action;
use control::auth::{Role, Scope};
use control::market::{IngestError, Month, Rows, encode, ingest};
use control::store::{AuditFilter, FaultPlan, RevisionFilter};
use serde_json::{Value, json};

use crate::kit::app::{TestApp, app, person};
use crate::kit::http::{Answer, Who, call, token, user};
use crate::kit::market::{
    SOURCE, bars, closes, current, daily, month, new_ingest, partition, put, source, store, values, vendor,
};
use crate::kit::on_every_database;

const START: &str = "2026-01-05T13:05:00Z";

async fn researcher(test: &TestApp) -> Who {
    user(test, "rita", &[Role::Researcher]).await;
    Who::token(&token(test, "rita", Scope::ResearchWrite, None).await.0)
}

fn entry(month: &str, previous: Option<ArtifactHash>, artifact: ArtifactHash) -> Value {
    json!({
        "kind": "bars", "name": "USDCOP", "month": month, "previous": previous, "artifact": artifact,
        "vendor": "acme", "vendor_id": "USD/COP",
    })
}

fn body(partitions: &[Value]) -> Value {
    json!({"source": {"id": "tests", "sha256": source().sha256, "text": SOURCE}, "partitions": partitions})
}

async fn post(test: &TestApp, who: &Who, body: &Value) -> Answer {
    call(test, who, "POST", "/api/market/ingests", Some(&body.to_string())).await
}

async fn revisions(app: &App) -> usize {
    let all = RevisionFilter {
        all: true,
        ..RevisionFilter::current()
    };
    let rows = app.store.revisions(&bars("USDCOP"), all, None, None).await;
    rows.unwrap().len()
}

async fn events(app: &App) -> Vec<Value> {
    let filter = AuditFilter {
        action: Some(Action::MarketIngested.word().to_owned()),
        ..AuditFilter::default()
    };
    let events = app.store.audit_events(&filter, 100).await.unwrap();
    events.into_iter().map(|stored| stored.event.body).collect()
}

#[test]
fn a_changed_value_is_a_new_revision_and_the_same_again_is_nothing() {
    on_every_database(|database| async {
        let test = app(database);
        let rita = researcher(&test).await;
        let first = put(&test, &closes(START, &[1.0, 2.0, 3.0]));
        let done = post(&test, &rita, &body(&[entry("2026-01", None, first)])).await;
        assert_eq!(done.status, 201, "{}", done.text);
        let told = &done.json()["partitions"][0];
        assert_eq!(
            (&told["revision"], &told["rows"], &told["added"], &told["changed"]),
            (&json!(1), &json!(3), &json!(3), &json!(0))
        );
        let id = done.json()["ingest_id"].as_str().unwrap().to_owned();
        assert!(id.starts_with("ING-"), "{id}");
        assert_eq!(
            test.app.artifacts.get(source().sha256).unwrap(),
            SOURCE.as_bytes()
        );

        for previous in [None, Some(first)] {
            let again = post(&test, &rita, &body(&[entry("2026-01", previous, first)])).await;
            assert_eq!(again.status, 200, "{}", again.text);
            assert_eq!(
                (&again.json()["ingest_id"], &again.json()["partitions"][0]["new"]),
                (&Value::Null, &json!(false))
            );
        }
        // The second bar is another, a fourth came; the first revision stays readable.
        let second = put(&test, &closes(START, &[1.0, 2.5, 3.0, 4.0]));
        let done = post(&test, &rita, &body(&[entry("2026-01", Some(first), second)])).await;
        let told = &done.json()["partitions"][0];
        assert_eq!(
            (&told["revision"], &told["rows"], &told["added"], &told["changed"]),
            (&json!(2), &json!(4), &json!(1), &json!(1)),
            "{}",
            done.text
        );
        assert_eq!(revisions(&test.app).await, 2);
        assert_eq!(
            test.app.artifacts.get(first).unwrap(),
            encode(&closes(START, &[1.0, 2.0, 3.0])).unwrap()
        );

        let told = events(&test.app).await;
        assert_eq!(told.len(), 2, "what changes nothing is not told");
        let rows = told[1]["rows"]["market_revisions"].as_object().unwrap();
        assert!(
            rows["bars USDCOP 2026-01 2"]
                .as_str()
                .unwrap()
                .starts_with("sha256:"),
            "{rows:?}"
        );
        assert_eq!(
            (&told[1]["added"], &told[1]["source_id"]),
            (&json!(1), &json!("tests"))
        );
    });
}

#[test]
fn what_does_not_fit_is_refused_by_name_and_leaves_nothing() {
    on_every_database(|database| async {
        let test = app(database);
        let rita = researcher(&test).await;
        let good = put(&test, &closes(START, &[1.0, 2.0]));
        let feb = put(&test, &closes("2026-02-02T13:05:00Z", &[1.0]));
        let done = post(&test, &rita, &body(&[entry("2026-02", None, feb)])).await;
        assert_eq!(done.status, 201, "{}", done.text);
        let text = test.app.artifacts.put(b"close_time,open\n").unwrap();
        let values = put(&test, &values(&[("2026-01-05", 1.0, None)]));
        let gone: ArtifactHash = "1".repeat(64).parse().unwrap();
        let mut impossible = closes(START, &[1.0, 2.0]);
        if let Rows::Bars(bars) = &mut impossible {
            bars[1].low = f64::NAN;
        }
        let impossible = put(&test, &impossible);
        let lost = put(&test, &closes("2026-02-02T13:10:00Z", &[1.0]));
        let january = |artifact| body(&[entry("2026-01", None, artifact)]);
        let with = |change: &dyn Fn(&mut Value)| {
            let mut body = january(good);
            change(&mut body);
            body
        };
        let many: Vec<Value> = (0..4_097).map(|_| entry("2026-01", None, good)).collect();
        for (asked, status, code, part) in [
            (
                january(gone),
                422,
                "artifact_not_found",
                "bars USDCOP 2026-01: artifact 1111",
            ),
            (january(text), 422, "partition_malformed", "no Parquet file"),
            (january(values), 422, "partition_malformed", "its columns"),
            (
                january(feb),
                422,
                "partition_malformed",
                "row 1: it is not of the partition's month",
            ),
            (
                january(impossible),
                422,
                "partition_malformed",
                "row 2: it is no possible bar",
            ),
            (
                body(&[entry("2026-02", Some(feb), lost)]),
                422,
                "rows_lost",
                "2026-02-02T13:05:00Z",
            ),
            (body(&[]), 422, "partition_count", "0 partitions"),
            (body(&many), 422, "partition_count", "4097 partitions"),
            (
                body(&[entry("2026-01", None, good), entry("2026-01", None, good)]),
                422,
                "partition_twice",
                "bars USDCOP 2026-01",
            ),
            (
                with(&|body| body["source"]["text"] = json!("other")),
                422,
                "source_hash_mismatch",
                "hash",
            ),
            (
                with(&|body| body["note"] = json!("x".repeat(9_000))),
                422,
                "note_too_long",
                "9000",
            ),
            (
                with(&|body| body["partitions"][0]["month"] = json!("2026-13")),
                400,
                "malformed_body",
                "2026-13",
            ),
            (
                with(&|body| body["partitions"][0]["name"] = json!("../x")),
                400,
                "malformed_body",
                "../x",
            ),
            (
                with(&|body| body["partitions"][0]["kind"] = json!("ticks")),
                400,
                "malformed_body",
                "ticks",
            ),
            (
                with(&|body| body["partitions"][0]["vendor"] = json!("")),
                400,
                "malformed_body",
                "label",
            ),
            (
                with(&|body| body["partitions"][0]["previous"] = json!(gone)),
                409,
                "market_changed",
                "there is none",
            ),
            (
                body(&[entry("2026-02", None, good)]),
                409,
                "market_changed",
                &feb.to_hex(),
            ),
        ] {
            let refused = post(&test, &rita, &asked).await;
            assert_eq!(refused.code(), (status, code.to_owned()), "{}", refused.text);
            let detail = refused.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains(part), "{code}: {detail}");
        }
        // A good month beside a bad one is not registered either.
        let both = body(&[entry("2026-01", None, good), entry("2026-03", None, gone)]);
        assert_eq!(post(&test, &rita, &both).await.code().1, "artifact_not_found");
        assert_eq!(
            (revisions(&test.app).await, events(&test.app).await.len()),
            (1, 1)
        );
        let victor = person("victor", &[Role::Viewer]);
        let new = new_ingest(vec![
            partition(&test, &bars("USDCOP"), month("2026-01"), &closes(START, &[1.0])).await,
        ]);
        let refused = ingest(&test.app, &victor, new).await;
        assert!(matches!(refused, Err(IngestError::Forbidden)), "{refused:?}");
    });
}

#[test]
fn a_name_is_of_one_vendor_s_id_for_ever() {
    on_every_database(|database| async {
        let test = app(database);
        let rita = person("rita", &[Role::Researcher]);
        let name = daily("dxy");
        store(&test, &name, &values(&[("2026-01-05", 98.4, None)])).await;
        let more = values(&[("2026-02-05", 98.4, None)]);
        let mut other = partition(&test, &name, month("2026-02"), &more).await;
        other.vendor = vendor("DTWEXBGS");
        let refused = ingest(&test.app, &rita, new_ingest(vec![other]))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), "other_vendor_id");
        let said = refused.to_string();
        assert!(
            said.contains("dxy-id of acme") && said.contains("DTWEXBGS of acme"),
            "{said}"
        );

        // Nor do two come together in one ingest.
        let mut first = partition(
            &test,
            &daily("vix"),
            month("2026-01"),
            &values(&[("2026-01-05", 1.0, None)]),
        )
        .await;
        let mut second = partition(&test, &daily("vix"), month("2026-02"), &more).await;
        first.vendor = vendor("VIXCLS");
        second.vendor = vendor("VIX3M");
        let refused = ingest(&test.app, &rita, new_ingest(vec![first, second]))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), "other_vendor_id");
        assert_eq!(current(&test, &daily("vix"), month("2026-01")).await, None);
    });
}

#[test]
fn of_two_ingests_at_once_one_is_told_that_the_market_changed() {
    on_every_database(|database| async {
        let test = app(database);
        let name = bars("USDCOP");
        store(&test, &name, &closes(START, &[1.0])).await;
        for round in 1..=8_u32 {
            let previous = current(&test, &name, month("2026-01")).await.unwrap();
            let mut asked = Vec::new();
            for side in [1_u32, 2] {
                let close = f64::from(10 * round + side);
                let new = partition(&test, &name, month("2026-01"), &closes(START, &[close])).await;
                assert_eq!(new.previous, Some(previous));
                asked.push(new_ingest(vec![new]));
            }
            let tasks: Vec<_> = asked
                .into_iter()
                .map(|new| {
                    let app = test.app.clone();
                    tokio::spawn(async move {
                        let rita = person("rita", &[Role::Researcher]);
                        ingest(&app, &rita, new).await
                    })
                })
                .collect();
            let mut codes = Vec::new();
            for task in tasks {
                codes.push(task.await.unwrap().map_or_else(|error| error.code(), |_| "done"));
            }
            codes.sort_unstable();
            assert_eq!(codes, ["done", "market_changed"], "{}", test.database.kind);
        }
        assert_eq!(revisions(&test.app).await, 9);
    });
}

#[test]
fn an_ingest_that_breaks_off_anywhere_leaves_nothing_and_goes_well_again() {
    on_every_database(|database| async {
        let test = app(database);
        let rita = person("rita", &[Role::Researcher]);
        let name = bars("USDCOP");
        let months: Vec<Month> = ["2026-01", "2026-02"].map(month).to_vec();
        let new = new_ingest(vec![
            partition(&test, &name, months[0], &closes(START, &[1.0])).await,
            partition(&test, &name, months[1], &closes("2026-02-02T13:05:00Z", &[1.0])).await,
        ]);
        let plan = Arc::new(FaultPlan::default());
        let mut faulty = test.app.clone();
        faulty.store = test.app.store.with_faults(plan.clone());
        let mut failed = 0;
        for statement in 1.. {
            plan.fail_before(statement);
            match ingest(&faulty, &rita, new.clone()).await {
                Err(IngestError::Store(_) | IngestError::Audit(_)) => failed += 1,
                Ok(done) => {
                    assert!(done.ingest_id.is_some() && done.partitions.len() == 2);
                    break;
                }
                Err(other) => panic!("{other}"),
            }
            assert_eq!(
                (revisions(&test.app).await, events(&test.app).await.len()),
                (0, 0),
                "{statement}"
            );
        }
        assert!(failed >= 6, "{failed} statements");
        assert_eq!(
            (revisions(&test.app).await, events(&test.app).await.len()),
            (2, 1)
        );
        let named = |id: &str| {
            let mut new = new.clone();
            new.ingest_id = Some(id.parse().unwrap());
            new
        };
        let again = ingest(&test.app, &rita, named("mine")).await.unwrap();
        assert_eq!(again.ingest_id, None, "nothing is new");
        store(&test, &name, &closes(START, &[2.0])).await;
        let mut more = named("mine");
        more.partitions = vec![partition(&test, &name, months[0], &closes(START, &[3.0])).await];
        let done = ingest(&test.app, &rita, more.clone()).await.unwrap();
        assert_eq!(done.ingest_id, more.ingest_id);
        more.partitions = vec![partition(&test, &name, months[0], &closes(START, &[4.0])).await];
        let taken = ingest(&test.app, &rita, more).await.unwrap_err();
        assert_eq!(taken.code(), "ingest_id_taken");
    });
}

#[test]
fn a_current_file_that_was_altered_is_named_and_heals() {
    on_every_database(|database| async {
        let test = app(database);
        let rita = person("rita", &[Role::Researcher]);
        let name = bars("USDCOP");
        let first = closes(START, &[1.0]);
        store(&test, &name, &first).await;
        let path = test.artifacts.path(put(&test, &first));
        let new = new_ingest(vec![
            partition(&test, &name, month("2026-01"), &closes(START, &[2.0])).await,
        ]);
        std::fs::write(&path, "edited").unwrap();
        let refused = ingest(&test.app, &rita, new.clone()).await.unwrap_err();
        assert_eq!(refused.code(), "market_altered");
        assert!(
            refused.to_string().starts_with("bars USDCOP 2026-01: "),
            "{refused}"
        );
        put(&test, &first);
        ingest(&test.app, &rita, new).await.unwrap();
    });
}
