//! `audit verify`: every edit by hand is found and named; heads find an end that was cut off.

use std::sync::Arc;

use control::audit::verify::{Report, check};
use control::audit::{self, Action, Event, export, heads};
use control::auth::{Role, Scope};
use control::cli::Cli;
use control::limits::{HEAD_EVENTS, HEAD_PERIOD_MS};
use control::notify::{NoticeKind, TargetKind, WebhookConfig};
use control::promote::{RollBack, Withdraw, rollback, withdraw};
use control::slots::{ResumeRequest, confirm_resume, request_resume};
use control::store::{DeliveryFilter, ModelRow, TOLD};
use control::votes::{Approve, Reject, approve, reject};
use sqlx::any::AnyTypeInfoKind;
use sqlx::{Column as _, Connection as _, Row as _};

use crate::kit::app::{TestApp, app, person};
use crate::kit::http::{Who, call, logged_in, token};
use crate::kit::market;
use crate::kit::on_every_database;
use crate::kit::sample::{self, Shape};
use crate::looks;

async fn verify(test: &TestApp) -> Report {
    let heads = heads::read(&test.app.config.audit_heads).unwrap();
    check(&test.app.store, &test.artifacts, test.app.keys.trusted(), &heads)
        .await
        .unwrap()
}

fn places(report: &Report) -> Vec<&str> {
    report
        .findings
        .iter()
        .map(|finding| finding.place.as_str())
        .collect()
}

async fn vote(test: &TestApp, model: &ModelRow, baseline: Option<&ModelRow>, yes: bool) {
    let shape = Shape {
        baseline: baseline.map(|model| model.model_id.clone()),
        ..Shape::default()
    };
    let proposal = sample::proposal(&test.app, model, 1, shape).await;
    let vera = person("vera", &[Role::Approver]);
    if yes {
        let request = Approve {
            proposal_id: proposal.proposal_id,
            evidence_digest: proposal.evidence_digest,
            notes: Some("good".to_owned()),
            promote_to_production: true,
        };
        approve(&test.app, &vera, &request).await.unwrap();
    } else {
        let request = Reject {
            proposal_id: proposal.proposal_id,
            evidence_digest: proposal.evidence_digest,
            notes: None,
        };
        reject(&test.app, &vera, &request).await.unwrap();
    }
}

/// Rows in most told tables, nearly all of them by the operations themselves.
pub async fn much_happened(test: &TestApp) -> Vec<ModelRow> {
    let bars = market::closes("2026-01-05T13:05:00Z", &[4_000.0, 4_001.0]);
    market::store(test, &market::bars("USDCOP"), &bars).await;
    let revised = market::closes("2026-01-05T13:05:00Z", &[4_000.0, 4_002.0, 4_003.0]);
    market::store(test, &market::bars("USDCOP"), &revised).await;
    let experiment = sample::experiment(&test.app, "rita").await;
    let mut models = Vec::new();
    for seed in 1..=3 {
        models.push(sample::model(&test.app, &experiment, "rita", seed).await);
    }
    vote(test, &models[0], None, true).await;
    vote(test, &models[1], Some(&models[0]), true).await;
    vote(test, &models[2], Some(&models[1]), false).await;
    let olga = person("olga", &[Role::Operator]);
    let back = RollBack {
        slot: "usdcop-5m".parse().unwrap(),
        to_model_id: models[0].model_id.clone(),
        reason: "losing".to_owned(),
    };
    rollback(&test.app, &olga, &back).await.unwrap();
    let gone = Withdraw {
        model_id: models[0].model_id.clone(),
        reason: "wrong data".to_owned(),
    };
    withdraw(&test.app, &olga, &gone).await.unwrap();
    let resume = ResumeRequest {
        slot: "usdcop-5m".parse().unwrap(),
        latches: vec![contracts::reason::Latch::Local],
        reason: "mended".to_owned(),
    };
    request_resume(&test.app, &olga, &resume).await.unwrap();
    confirm_resume(&test.app, &person("otto", &[Role::Operator]), &resume.slot)
        .await
        .unwrap();

    let admin = logged_in(test, "ada", &[Role::Admin]).await;
    logged_in(test, "engine", &[Role::Engine]).await;
    let roles = call(
        test,
        &admin,
        "POST",
        "/api/users/engine/roles",
        Some(r#"{"roles": ["engine", "viewer"]}"#),
    )
    .await;
    assert!(roles.status.is_success(), "{}", roles.text);
    let engine = Who::token(
        &token(test, "engine", Scope::EngineSync, Some("usdcop-5m"))
            .await
            .0,
    );
    let contract = test
        .app
        .store
        .newest_contract(&resume.slot)
        .await
        .unwrap()
        .unwrap();
    let receipt = serde_json::json!({"engine_id": "e1", "slot": "usdcop-5m", "generation": 3, "contract": contract.digest,
        "status": "serving"});
    let answer = call(
        test,
        &engine,
        "POST",
        "/api/engines/receipts",
        Some(&receipt.to_string()),
    )
    .await;
    assert_eq!(answer.status, 201, "{}", answer.text);

    logged_in(test, "rosa", &[Role::Researcher]).await;
    let rosa = Who::token(&token(test, "rosa", Scope::ResearchWrite, None).await.0);
    let look = looks::look('a', 1.0, "2025-02-03", "2025-02-14");
    let told = call(test, &rosa, "POST", "/api/looks", Some(&look.to_string())).await;
    assert_eq!(told.status, 200, "{}", told.text);
    let result =
        serde_json::json!({"contract_id": "CTR-EXP-sample-1.0.0", "look": look, "metrics": looks::metrics()});
    let stored = call(test, &rosa, "POST", "/api/backtests", Some(&result.to_string())).await;
    assert_eq!(stored.status, 201, "{}", stored.text);
    models
}

/// Somebody with all rights on the database, whom no rule of the schema stops.
struct Intruder {
    connection: sqlx::AnyConnection,
    sqlite: bool,
}

impl Intruder {
    async fn at(test: &TestApp) -> Self {
        let mut intruder = Self {
            connection: sqlx::AnyConnection::connect(&test.database.url).await.unwrap(),
            sqlite: test.database.kind == "sqlite",
        };
        if intruder.sqlite {
            intruder.run("PRAGMA foreign_keys = OFF").await;
            intruder.run("PRAGMA ignore_check_constraints = ON").await;
            for name in intruder
                .texts("SELECT name FROM sqlite_master WHERE type = 'trigger'")
                .await
            {
                intruder.run(&format!("DROP TRIGGER {name}")).await;
            }
        } else {
            intruder.run("SET session_replication_role = replica").await;
            let checks = "SELECT CAST(conrelid::regclass AS TEXT) || ' DROP CONSTRAINT ' || CAST(conname AS TEXT) AS name
                FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace";
            for drop in intruder.texts(checks).await {
                intruder.run(&format!("ALTER TABLE {drop}")).await;
            }
        }
        intruder
    }

    async fn run(&mut self, sql: &str) -> u64 {
        self.try_run(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    async fn try_run(&mut self, sql: &str) -> Result<u64, sqlx::Error> {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        Ok(sqlx::query(sql)
            .execute(&mut self.connection)
            .await?
            .rows_affected())
    }

    async fn texts(&mut self, sql: &str) -> Vec<String> {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        let rows = sqlx::query(sql).fetch_all(&mut self.connection).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// The columns of a table that holds a row, each with an expression for another value in it.
    async fn changes(&mut self, table: &str) -> Vec<(String, String)> {
        let sql = sqlx::AssertSqlSafe(format!("SELECT * FROM {table} LIMIT 1"));
        let row = sqlx::query(sql)
            .fetch_optional(&mut self.connection)
            .await
            .unwrap();
        let columns = row.iter().flat_map(|row| row.columns());
        columns
            .map(|column| {
                let name = column.name().to_owned();
                let other = match column.type_info().kind() {
                    AnyTypeInfoKind::BigInt | AnyTypeInfoKind::Integer => {
                        format!("COALESCE({name}, 0) + 1000003")
                    }
                    AnyTypeInfoKind::Double | AnyTypeInfoKind::Real => format!("COALESCE({name}, 0) + 0.5"),
                    _ => format!("COALESCE({name}, '') || '0'"),
                };
                (name, other)
            })
            .collect()
    }

    /// One row of a table.
    const fn one(&self) -> (&'static str, &'static str) {
        if self.sqlite {
            ("rowid", "LIMIT 1")
        } else {
            ("ctid", "LIMIT 1")
        }
    }
}

#[test]
fn an_edit_of_any_column_of_any_told_row_is_found_and_the_row_named() {
    on_every_database(|database| async {
        let test = app(database);
        much_happened(&test).await;
        let whole = verify(&test).await;
        assert!(whole.is_whole(), "{}: {:#?}", test.database.kind, whole.findings);
        assert!(whole.rows > 20 && whole.artifacts >= 12, "{whole:?}");
        let mut intruder = Intruder::at(&test).await;
        let (row, limit) = intruder.one();
        let mut tables: Vec<&str> = TOLD.iter().map(|table| table.name).collect();
        tables.push("approval_audit_log");
        let mut edited = 0;
        for table in tables {
            let changes = intruder.changes(table).await;
            if changes.is_empty() {
                continue;
            }
            edited += 1;
            let saved = format!("saved_{table}");
            intruder
                .run(&format!("CREATE TABLE {saved} AS SELECT * FROM {table}"))
                .await;
            for (column, other) in changes {
                // Numbers of rows name nothing elsewhere; the two others change with every use.
                let untold = match (table, column.as_str()) {
                    ("api_tokens", "last_used_at") | ("slots", "directive_number") => true,
                    (_, "id") => ![
                        "vote_statements",
                        "resume_requests",
                        "engine_receipts",
                        "holdout_looks",
                    ]
                    .contains(&table),
                    _ => false,
                };
                let edit = format!(
                    "UPDATE {table} SET {column} = {other} WHERE {row} = (SELECT {row} FROM {table} {limit})"
                );
                assert_eq!(intruder.run(&edit).await, 1, "{edit}");
                let report = verify(&test).await;
                let named = places(&report).iter().any(|place| place.starts_with(table));
                assert_eq!(
                    named, !untold,
                    "{}: {edit}: {:#?}",
                    test.database.kind, report.findings
                );
                intruder.run(&format!("DELETE FROM {table}")).await;
                intruder
                    .run(&format!("INSERT INTO {table} SELECT * FROM {saved}"))
                    .await;
            }
            // A row that is gone, and one that was added.
            intruder
                .run(&format!(
                    "DELETE FROM {table} WHERE {row} = (SELECT {row} FROM {table} {limit})"
                ))
                .await;
            assert!(!verify(&test).await.is_whole(), "a row of {table} is gone");
            intruder.run(&format!("DELETE FROM {table}")).await;
            intruder
                .run(&format!("INSERT INTO {table} SELECT * FROM {saved}"))
                .await;
        }
        assert!(edited >= 14, "{edited} tables");
        let whole = verify(&test).await;
        assert!(whole.is_whole(), "{:#?}", whole.findings);
    });
}

#[test]
fn what_the_edit_was_is_told_in_words_and_so_are_artifacts_contracts_and_directives() {
    on_every_database(|database| async {
        let test = app(database);
        let models = much_happened(&test).await;
        let rejected = &models[2];
        let mut intruder = Intruder::at(&test).await;
        let edit = format!(
            "UPDATE promotion_proposals SET status = 'APPROVED' WHERE model_id = '{}'",
            rejected.model_id
        );
        intruder.run(&edit).await;
        let report = verify(&test).await;
        let [finding] = report.findings.as_slice() else {
            panic!("{:#?}", report.findings)
        };
        assert_eq!(
            finding.place,
            format!("promotion_proposals PROP-{}-1", rejected.model_id)
        );
        assert!(
            finding.detail.starts_with("status is \"APPROVED\", event "),
            "{}",
            finding.detail
        );
        assert!(
            finding.detail.ends_with(" says \"REJECTED\""),
            "{}",
            finding.detail
        );
        intruder.run("UPDATE promotion_proposals SET status = 'REJECTED' WHERE status = 'APPROVED' AND reviewer_notes IS NULL").await;
        assert!(verify(&test).await.is_whole());

        let model = test.artifacts.path(models[1].golden);
        let bytes = std::fs::read(&model).unwrap();
        std::fs::write(&model, b"other").unwrap();
        let report = verify(&test).await;
        assert_eq!(
            places(&report),
            [format!("model_registry {}", models[1].model_id)]
        );
        assert!(
            report.findings[0].detail.starts_with("golden_hash: artifact "),
            "{:?}",
            report.findings
        );
        std::fs::remove_file(&model).unwrap();
        assert_eq!(verify(&test).await.findings[0].kind, "artifact");
        std::fs::write(&model, bytes).unwrap();

        intruder
            .run(
                "UPDATE directives SET directive = REPLACE(directive, '\"halted\":true', '\"halted\":false')",
            )
            .await;
        let report = verify(&test).await;
        assert!(
            report.findings.iter().all(|finding| finding.kind == "directive"),
            "{:#?}",
            report.findings
        );
        assert!(
            report.findings[0].place.starts_with("directives usdcop-5m "),
            "{:#?}",
            report.findings
        );
    });
}

pub async fn notes(test: &TestApp, count: u64) {
    for n in 0..count {
        let mut tx = test.app.store.begin().await.unwrap();
        let event = Event {
            actor: "rita".to_owned(),
            action: Action::HoldoutLook,
            subject: format!("look {n}"),
            body: serde_json::json!({}),
        };
        audit::append(&mut tx, test.app.keys.audit(), test.app.now(), event)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }
}

#[test]
fn altered_deleted_and_reordered_events_are_found_and_so_is_an_end_that_was_cut_off() {
    on_every_database(|database| async {
        let test = app(database);
        notes(&test, 10).await;
        heads::keep(&test.app).await.unwrap().unwrap();
        assert!(verify(&test).await.is_whole());
        let mut intruder = Intruder::at(&test).await;
        intruder
            .run("CREATE TABLE saved AS SELECT * FROM audit_events")
            .await;
        let swap = "UPDATE audit_events SET seq = CASE seq WHEN 99 THEN 5 ELSE 4 END WHERE seq IN (99, 5)";
        for (edits, first) in [
            (
                vec!["UPDATE audit_events SET actor = 'mallory' WHERE seq = 4"],
                "event 4",
            ),
            (
                vec!["UPDATE audit_events SET body = '{\"x\":1}' WHERE seq = 7"],
                "event 7",
            ),
            (
                vec!["UPDATE audit_events SET body = 'no json' WHERE seq = 7"],
                "event 7",
            ),
            (
                vec!["UPDATE audit_events SET action = 'NOTHING' WHERE seq = 3"],
                "event 3",
            ),
            (
                vec!["UPDATE audit_events SET signature = REPLACE(signature, 'a', 'b') WHERE seq = 8"],
                "event 8",
            ),
            (vec!["DELETE FROM audit_events WHERE seq = 6"], "event 7"),
            (vec!["DELETE FROM audit_events WHERE seq <= 2"], "event 3"),
            (
                vec!["UPDATE audit_events SET seq = 99 WHERE seq = 4", swap],
                "event 4",
            ),
            (vec!["DELETE FROM audit_events WHERE seq > 8"], "event 10"),
            (vec!["DELETE FROM audit_events"], "event 10"),
        ] {
            for edit in &edits {
                assert!(intruder.run(edit).await > 0, "{edit}");
            }
            let report = verify(&test).await;
            assert_eq!(
                places(&report).first(),
                Some(&first),
                "{edits:?}: {:#?}",
                report.findings
            );
            intruder.run("DELETE FROM audit_events").await;
            intruder.run("INSERT INTO audit_events SELECT * FROM saved").await;
        }
        assert!(verify(&test).await.is_whole());

        // Cut off, and gone on as if nothing had been: no head is signed over that.
        intruder.run("DELETE FROM audit_events WHERE seq > 8").await;
        notes(&test, HEAD_EVENTS).await;
        let refused = heads::keep(&test.app).await;
        assert!(
            matches!(refused, Err(heads::HeadError::Rewritten(10))),
            "{refused:?}"
        );
        let report = verify(&test).await;
        assert_eq!(
            (report.findings[0].kind, places(&report)),
            ("head", vec!["event 10"])
        );
    });
}

#[test]
fn a_head_is_signed_every_hundred_events_or_hour_and_told() {
    on_every_database(|database| async {
        let mut test = app(database);
        let webhook = |name: &str, kind| WebhookConfig {
            name: name.to_owned(),
            url: "https://example.com/".to_owned(),
            kind,
            secret_file: None,
            events: Vec::new(),
            allow_private: Vec::new(),
        };
        let mut config = (*test.app.config).clone();
        config.webhooks = vec![
            webhook("safe", TargetKind::Generic),
            webhook("desk", TargetKind::Slack),
        ];
        test.app.config = Arc::new(config);
        let keep = async || {
            heads::keep(&test.app)
                .await
                .unwrap()
                .map(|signed| signed.head.seq)
        };
        assert_eq!(keep().await, None, "no event, no head");
        notes(&test, 1).await;
        assert_eq!(keep().await, Some(1));
        notes(&test, HEAD_EVENTS - 1).await;
        assert_eq!(keep().await, None);
        notes(&test, 1).await;
        assert_eq!(keep().await, Some(1 + HEAD_EVENTS));
        notes(&test, 1).await;
        test.clock.advance_ms(HEAD_PERIOD_MS - 1);
        assert_eq!(keep().await, None);
        test.clock.advance_ms(1);
        assert_eq!(keep().await, Some(2 + HEAD_EVENTS));
        test.clock.advance_ms(HEAD_PERIOD_MS);
        assert_eq!(keep().await, None, "nothing is new");
        assert_eq!(verify(&test).await.heads, 3);
        let told = test
            .app
            .store
            .deliveries(&DeliveryFilter::default(), 10)
            .await
            .unwrap();
        let told: Vec<_> = told
            .iter()
            .map(|row| (row.target.as_str(), row.event, row.subject.as_str()))
            .collect();
        let head = |seq| ("safe", NoticeKind::AuditHead, seq);
        assert_eq!(
            told,
            [head("102"), head("101"), head("1")],
            "programs are told of heads, people are not"
        );
    });
}

/// What the verb wrote and its exit code.
pub async fn control(words: &[&str]) -> (String, u8) {
    let words: Vec<String> = ["control"]
        .iter()
        .chain(words)
        .map(|word| (*word).to_owned())
        .collect();
    let run = move || {
        let cli = <Cli as clap::Parser>::try_parse_from(words).unwrap();
        let mut out = Vec::new();
        let code = match cli.command.run(&mut out) {
            Ok(()) => 0,
            Err(error) => error.exit().code(),
        };
        (String::from_utf8(out).unwrap(), code)
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[test]
fn the_verb_says_it_with_exit_codes_and_checks_an_export_without_the_database() {
    on_every_database(|database| async {
        let test = app(database);
        let folder = test.folder.path();
        let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let config = test.settings_file();
        notes(&test, 5).await;
        let verify =
            async |more: &[&str]| control(&[&["audit", "verify", "--config", &config], more].concat()).await;

        let (said, code) = verify(&[]).await;
        assert_eq!(code, 1, "no heads, no certainty: {said}");
        assert_eq!(verify(&["--without-heads"]).await.1, 0);
        heads::keep(&test.app).await.unwrap().unwrap();
        let (said, code) = verify(&[]).await;
        assert_eq!(code, 0, "{said}");
        assert!(
            said.starts_with("5 events, the newest is 5 ") && said.ends_with("all is as it was\n"),
            "{said}"
        );

        let path = file("chain.jsonl");
        let mut out = Vec::new();
        assert_eq!(export::write(&test.app.store, 0, &mut out).await.unwrap(), 5);
        std::fs::write(&path, &out).unwrap();
        assert_eq!(verify(&["--export", &path]).await.1, 0);
        let text = String::from_utf8(out).unwrap();
        let short: Vec<&str> = text.lines().take(4).collect();
        std::fs::write(&path, short.join("\n")).unwrap();
        let (said, code) = verify(&["--export", &path]).await;
        assert!(code == 1 && said.contains("event 5"), "cut off: {said}");
        std::fs::write(&path, text.replace("look 2", "look 7")).unwrap();
        let (said, code) = verify(&["--export", &path, "--json"]).await;
        let report: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(
            (code, report["findings"][0]["place"].as_str()),
            (1, Some("event 3"))
        );

        assert_eq!(
            verify(&["--heads", &file("control.toml")]).await.1,
            1,
            "no heads in there"
        );
        assert_eq!(verify(&["--export", &file("none")]).await.1, 66);
        assert_eq!(
            control(&["audit", "verify", "--config", &file("none")]).await.1,
            66
        );
    });
}
