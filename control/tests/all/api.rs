//! The API: who may call what, votes over HTTP, input that is no input, streams.

use std::sync::Arc;

use axum::http::Method;
use control::api;
use control::app::Changed;
use control::audit::Action;
use control::auth::{self, Role, Scope, SystemRandom};
use control::store::AuditFilter;
use serde_json::{Value, json};

use crate::kit::app::{app, person};
use crate::kit::database::edit;
use crate::kit::http::{Who, call, client, logged_in, login, token, user};
use crate::kit::on_every_database;
use crate::kit::sample::{self, Shape};

/// Which columns a row of the committed table has: nobody, each role, each kind of token that matters here.
const COLUMNS: [&str; 10] = [
    "nobody",
    "viewer",
    "researcher",
    "approver",
    "operator",
    "admin",
    "engine",
    "t:engine:sync",
    "t:research:write",
    "t:metrics:read",
];

/// Where the operation decides who may, a body that gets as far as that (on something that is not there); elsewhere one that is none,
/// so that whoever is admitted changes nothing.
fn body_for(path: &str) -> &'static str {
    match path.rsplit('/').next().unwrap_or_default() {
        "approve" | "reject" | "promote" | "confirm" => "{}",
        "request-more-tests" => r#"{"tests": ["noise"]}"#,
        "withdraw" | "halt" => r#"{"reason": "table"}"#,
        "rollback" => r#"{"to_model_id": "none", "reason": "table"}"#,
        "resume" => r#"{"latches": ["local"], "reason": "table"}"#,
        _ => "[]",
    }
}

#[test]
fn every_route_admits_whom_the_committed_table_says() {
    on_every_database(|database| async {
        let test = app(database);
        let mut callers = vec![Who::default()];
        for role in Role::ALL {
            callers.push(logged_in(&test, role.word(), &[*role]).await);
        }
        let slot = Some("usdcop-5m");
        callers.push(Who::token(
            &token(&test, "engine", Scope::EngineSync, slot).await.0,
        ));
        callers.push(Who::token(
            &token(&test, "researcher", Scope::ResearchWrite, None).await.0,
        ));
        callers.push(Who::token(
            &token(&test, "viewer", Scope::MetricsRead, None).await.0,
        ));
        assert_eq!(callers.len(), COLUMNS.len());

        let mut table = format!("route | {}\n", COLUMNS.join(" | "));
        for (method, path, _) in api::routes() {
            // A stream that is admitted does not end; leaving ends the caller's session.
            let skipped = ["/api/events", "/api/logout"].contains(&path);
            let concrete = path
                .replace("{proposal_id}", "PROP-none-1")
                .replace("{model_id}", "none")
                .replace("{contract_id}", "none")
                .replace("{run_id}", "none")
                .replace("{dataset_hash}", &"0".repeat(64))
                .replace("{slot}", "usdcop-5m")
                .replace("{sha256}", &"0".repeat(64))
                .replace("{username}", "nobody")
                .replace("{token_id}", "tok-none")
                .replace("{job_id}", "0")
                .replace("{backtest_id}", "BT-none");
            let mut row = format!("{method} {path}");
            for (who, column) in callers.iter().zip(COLUMNS) {
                let cell = if skipped && column != "nobody" {
                    "-"
                } else {
                    let body = (method == Method::POST).then(|| body_for(path));
                    let who = who.with("if-match", &format!("\"{}\"", "0".repeat(64)));
                    let answer = call(&test, &who, method.as_str(), &concrete, body).await;
                    assert_ne!(answer.status, 500, "{column} {row}: {}", answer.text);
                    match answer.status.as_u16() {
                        401 => "401",
                        403 => "403",
                        _ => "yes",
                    }
                };
                row.push_str(" | ");
                row.push_str(cell);
            }
            table.push_str(&row);
            table.push('\n');
        }
        insta::assert_snapshot!("who_may_call", table);
    });
}

#[test]
fn the_committed_description_is_the_one_the_routes_make() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let made = api::document();
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(path, &made).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(
        committed == made,
        "control/openapi.json is old: run with UPDATE_OPENAPI=1"
    );
    let document: Value = serde_json::from_str(&made).unwrap();
    for (method, path, _) in api::routes() {
        let method = method.as_str().to_lowercase();
        assert!(document["paths"][path][&method].is_object(), "{method} {path}");
    }
}

#[test]
fn a_vote_over_http_names_its_evidence_and_a_refused_one_is_audited() {
    on_every_database(|database| async {
        let test = app(database);
        let experiment = sample::experiment(&test.app, "rita").await;
        let model = sample::model(&test.app, &experiment, "rita", 1).await;
        let proposal = sample::proposal(&test.app, &model, 1, Shape::default()).await;
        let vera = logged_in(&test, "vera", &[Role::Approver]).await;
        let rita = logged_in(&test, "rita", &[Role::Approver]).await;
        let victor = logged_in(&test, "victor", &[Role::Viewer]).await;
        let path = format!("/api/experiments/{}", proposal.proposal_id);
        let none = call(&test, &vera, "GET", "/api/models/production?slot=usdcop-5m", None).await;
        assert_eq!(none.code(), (404, "no_production_model".to_owned()));

        let shown = call(&test, &vera, "GET", &path, None).await;
        let etag = shown.headers["etag"].to_str().unwrap().to_owned();
        assert_eq!(etag, format!("\"{}\"", proposal.evidence_digest));
        let approve = async |who: &Who| {
            let body = json!({"notes": null, "promote_to_production": true}).to_string();
            call(&test, who, "POST", &format!("{path}/approve"), Some(&body)).await
        };
        let code = |status: u16, code: &str| (status, code.to_owned());
        assert_eq!(approve(&vera).await.code(), code(428, "if_match_required"));
        let other = format!("\"{}\"", "0".repeat(64));
        let stale = approve(&vera.with("if-match", &other)).await;
        assert_eq!(stale.code(), code(412, "evidence_changed"));
        assert_eq!(
            approve(&vera.with("if-match", "*")).await.code(),
            code(400, "malformed_if_match")
        );
        let rita = approve(&rita.with("if-match", &etag)).await;
        assert_eq!(rita.code(), code(403, "author_may_not_vote"));
        let victor = approve(&victor.with("if-match", &etag)).await;
        assert_eq!(victor.code(), code(403, "not_approver"));
        let filter = AuditFilter {
            action: Some(Action::VoteRefused.word().to_owned()),
            ..AuditFilter::default()
        };
        let refused = test.app.store.audit_events(&filter, 10).await.unwrap();
        let codes: Vec<&str> = refused
            .iter()
            .map(|event| event.event.body["code"].as_str().unwrap())
            .collect();
        assert_eq!(
            codes,
            [
                "if_match_required",
                "evidence_changed",
                "malformed_if_match",
                "author_may_not_vote",
                "not_approver"
            ]
        );

        let done = approve(&vera.with("if-match", &etag)).await;
        assert_eq!(done.status, 200, "{}", done.text);
        assert_eq!(done.json()["new_stage"], "production");
        assert_eq!(done.json()["generation"], 1);
        let running = call(&test, &vera, "GET", "/api/models/production?slot=usdcop-5m", None).await;
        assert_eq!(running.json()["model_id"], json!(model.model_id));

        user(&test, "motor", &[Role::Engine]).await;
        let (secret, id) = token(&test, "motor", Scope::EngineSync, Some("usdcop-5m")).await;
        let engine = Who::token(&secret);
        let get = async |path: &str| call(&test, &engine, "GET", path, None).await;
        let contract = get("/api/slots/usdcop-5m/contract").await;
        let contract = contracts::production::ProductionContract::parse(contract.text.as_bytes()).unwrap();
        contract.verify(test.app.keys.trusted()).unwrap();
        let directive = get("/api/slots/usdcop-5m/directive").await;
        contracts::directive::Directive::parse(directive.text.as_bytes()).unwrap();
        assert_eq!(
            get("/api/slots/other/contract").await.code(),
            code(403, "other_slot")
        );
        let artifact = format!("/api/artifacts/{}", contract.artifacts.model);
        assert_eq!(get(&artifact).await.text, "model 1");
        let stranger = test.app.artifacts.put(b"of nobody's contract").unwrap();
        let stranger = get(&format!("/api/artifacts/{stranger}")).await;
        assert_eq!(stranger.code(), code(404, "no_such_artifact"));
        std::fs::write(test.artifacts.path(contract.artifacts.model), b"model 2").unwrap();
        assert_eq!(get(&artifact).await.code(), code(500, "artifact_altered"));

        let beat =
            json!({"engine_id": "e1", "slot": "usdcop-5m", "generation_highest": 1, "directive_highest": 1});
        let beat = call(
            &test,
            &engine,
            "POST",
            "/api/engines/heartbeats",
            Some(&beat.to_string()),
        )
        .await;
        assert_eq!(beat.status, 204, "{}", beat.text);
        let receipt = json!({"engine_id": "e1", "slot": "usdcop-5m", "generation": 1, "contract": contract.digest().unwrap(),
            "status": "serving", "seq": 7});
        let receipt = call(
            &test,
            &engine,
            "POST",
            "/api/engines/receipts",
            Some(&receipt.to_string()),
        )
        .await;
        assert_eq!(receipt.status, 201, "{}", receipt.text);
        let unreadable =
            json!({"engine_id": "e1", "slot": "usdcop-5m", "status": "refused", "code": "malformed"});
        let served = json!({"engine_id": "e1", "slot": "usdcop-5m", "status": "serving"});
        for (receipt, status) in [(unreadable, 201), (served, 400)] {
            let body = receipt.to_string();
            let answer = call(&test, &engine, "POST", "/api/engines/receipts", Some(&body)).await;
            assert_eq!(answer.status, status, "{}", answer.text);
        }
        let kept = call(&test, &vera, "GET", "/api/slots/usdcop-5m/receipts", None).await;
        let kept = kept.json()["receipts"].clone();
        assert_eq!(
            (
                &kept[0]["code"],
                &kept[0]["generation"],
                &kept[1]["generation"],
                &kept[2]
            ),
            (&json!("malformed"), &json!(null), &json!(1), &json!(null))
        );
        let root = person("root", &[Role::Admin]);
        auth::revoke_token(&test.app, &root, &id).await.unwrap();
        assert_eq!(get(&artifact).await.status, 401, "revoked");
    });
}

#[test]
fn what_is_no_input_is_a_problem_and_never_a_failure() {
    on_every_database(|database| async {
        let test = app(database);
        let admin = logged_in(&test, "ada", &[Role::Admin, Role::Approver]).await;
        let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
        let large = format!("\"{}\"", "x".repeat(70_000));
        let vote = admin.with("if-match", &format!("\"{}\"", "0".repeat(64)));
        let posts = [
            "{",
            "",
            "nil",
            "[]",
            "{\"username\": 7}",
            "{\"x\": 1}",
            &deep,
            &large,
            "\"\\ud800\"",
        ];
        for path in [
            "/api/users",
            "/api/tokens",
            "/api/login",
            "/api/setup",
            "/api/experiments/PROP-x-1/approve",
        ] {
            for body in posts {
                let answer = call(&test, &vote, "POST", path, Some(body)).await;
                let start: String = body.chars().take(20).collect();
                assert!(
                    [400, 413].contains(&answer.code().0),
                    "{path} {start}: {}",
                    answer.text
                );
            }
            let text = vote.with("content-type", "text/plain");
            assert_eq!(
                call(&test, &text, "POST", path, Some("{}")).await.code().0,
                415,
                "{path}"
            );
        }
        for path in [
            "/api/experiments?status=x'%20OR%201=1--",
            "/api/experiments?limit=-1",
            "/api/experiments?limit=0",
            "/api/experiments?limit=99999999999999999999",
            "/api/experiments?cursor=1;DROP%20TABLE%20users",
            "/api/experiments?unknown=1",
            "/api/experiments/PROP'%20OR%20'1'='1",
            "/api/experiments/%00",
            "/api/experiments/%FF",
            "/api/models/..%2F..%2Fetc%2Fpasswd",
            "/api/models?stage=all",
            "/api/artifacts/..%2Fkeys",
            "/api/slots/%2e%2e/history",
            "/api/slots/usdcop-5m/history?as_of=yesterday",
            "/api/audit?after=x",
            "/api/audit?actor=%00",
            "/api/audit?action=DROP",
        ] {
            let answer = call(&test, &admin, "GET", path, None).await;
            assert_eq!(answer.code().0, 400, "{path}: {}", answer.text);
        }
        let injected = call(&test, &admin, "GET", "/api/audit?actor=x'%20OR%20'1'='1", None).await;
        assert_eq!(injected.json()["events"], json!([]));
        let huge = call(
            &test,
            &admin,
            "GET",
            "/api/experiments?cursor=18446744073709551615",
            None,
        )
        .await;
        assert_eq!(huge.status, 200);
        assert_eq!(
            call(&test, &admin, "GET", "/api/nothing", None).await.code(),
            (404, "no_such_route".to_owned())
        );
        assert_eq!(
            call(&test, &admin, "DELETE", "/api/users", None).await.code(),
            (405, "method_not_allowed".to_owned())
        );
    });
}

#[test]
fn a_stream_tells_what_changes_and_ends_when_its_session_does() {
    on_every_database(|database| async {
        use futures_util::StreamExt as _;
        let test = app(database);
        let vera = logged_in(&test, "vera", &[Role::Viewer]).await;
        user(&test, "root", &[Role::Admin]).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(api::serve_until(
            test.app.clone(),
            Arc::new(SystemRandom),
            listener,
            async {
                stopped.await.ok();
            },
        ));
        // Another test of this process may have been first.
        drop(rustls::crypto::ring::default_provider().install_default());
        let open = async |who: &Who| {
            let mut request = client().get(format!("http://{address}/api/events"));
            for (name, value) in &who.0 {
                request = request.header(*name, value);
            }
            request.send().await.unwrap().bytes_stream()
        };
        let guard = std::time::Duration::from_secs(60);
        tokio::time::timeout(guard, async {
            let mut events = open(&vera).await;
            let slot = "usdcop-5m".parse().unwrap();
            test.app.tell(Changed::Slot { slot });
            let first = events.next().await.unwrap().unwrap();
            assert!(
                first.starts_with(b"data: {\"event\":\"slot\",\"slot\":\"usdcop-5m\"}"),
                "{first:?}"
            );
            call(&test, &vera, "POST", "/api/logout", None).await;
            while events.next().await.is_some() {}

            // An engine hears of its own slot and of nothing else, until its token is revoked.
            user(&test, "motor", &[Role::Engine]).await;
            let (secret, id) = token(&test, "motor", Scope::EngineSync, Some("usdcop-5m")).await;
            let mut events = open(&Who::token(&secret)).await;
            let (own, other) = ("usdcop-5m".parse().unwrap(), "other".parse().unwrap());
            for changed in [
                Changed::Proposal {
                    proposal_id: "PROP-x-1".to_owned(),
                },
                Changed::Slot { slot: other },
                Changed::Slot { slot: own },
            ] {
                test.app.tell(changed);
            }
            let first = events.next().await.unwrap().unwrap();
            assert!(
                first.starts_with(b"data: {\"event\":\"slot\",\"slot\":\"usdcop-5m\"}"),
                "{first:?}"
            );
            let root = person("root", &[Role::Admin]);
            auth::revoke_token(&test.app, &root, &id).await.unwrap();
            while events.next().await.is_some() {}

            let vera = login(&test, "vera").await;
            let mut events = open(&vera).await;
            let root = person("root", &[Role::Admin]);
            auth::disable_user(&test.app, &root, &"vera".parse().unwrap())
                .await
                .unwrap();
            while events.next().await.is_some() {}

            let vera = logged_in(&test, "vanda", &[Role::Viewer]).await;
            let mut events = open(&vera).await;
            let roles: [Role; 0] = [];
            auth::set_roles(&test.app, &root, &"vanda".parse().unwrap(), &roles)
                .await
                .unwrap();
            while events.next().await.is_some() {}

            let vera = logged_in(&test, "valerie", &[Role::Viewer]).await;
            let mut events = open(&vera).await;
            test.clock.advance_ms(control::limits::SESSION_MS);
            while events.next().await.is_some() {}

            let slot = Some("usdcop-5m");
            user(&test, "enno", &[Role::Engine]).await;
            let (secret, id) = token(&test, "enno", Scope::EngineSync, slot).await;
            let mut events = open(&Who::token(&secret)).await;
            auth::revoke_token(&test.app, &root, &id).await.unwrap();
            while events.next().await.is_some() {}

            let (secret, _) = token(&test, "enno", Scope::EngineSync, slot).await;
            let mut events = open(&Who::token(&secret)).await;
            test.clock.advance_ms(control::limits::DAY_MS);
            while events.next().await.is_some() {}
            let late = call(&test, &Who::token(&secret), "GET", "/api/events", None).await;
            assert_eq!(late.code(), (401, "not_logged_in".to_owned()), "it ran out");

            let (secret, _) = token(&test, "enno", Scope::EngineSync, slot).await;
            let mut events = open(&Who::token(&secret)).await;
            auth::disable_user(&test.app, &root, &"enno".parse().unwrap())
                .await
                .unwrap();
            while events.next().await.is_some() {}

            let vera = login(&test, "valerie").await;
            let mut events = open(&vera).await;
            stop.send(()).unwrap();
            while events.next().await.is_some() {}
            server.await.unwrap().unwrap();
        })
        .await
        .expect("a hang");
    });
}

#[test]
fn a_vote_on_edited_rows_or_files_has_its_code_and_its_event() {
    on_every_database(|database| async {
        let test = app(database);
        let experiment = sample::experiment(&test.app, "rita").await;
        let model = sample::model(&test.app, &experiment, "rita", 1).await;
        let proposal = sample::proposal(&test.app, &model, 1, Shape::default()).await;
        let vera = logged_in(&test, "vera", &[Role::Approver]).await;
        let vera = vera.with("if-match", &format!("\"{}\"", proposal.evidence_digest));
        let vote = async |verb: &str, body: &str| {
            let path = format!("/api/experiments/{}/{verb}", proposal.proposal_id);
            call(&test, &vera, "POST", &path, Some(body)).await.code()
        };
        let altered = (409, "altered".to_owned());
        let file = test.artifacts.path(model.norm_stats_artifact);
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(&file, b"mean 0").unwrap();
        let yes = r#"{"promote_to_production": true}"#;
        assert_eq!(vote("approve", yes).await, altered);
        std::fs::write(&file, bytes).unwrap();
        let by_hand = "UPDATE promotion_proposals SET confidence = 0.5";
        assert_eq!(edit(&test.database.url, by_hand).await, 1);
        assert_eq!(vote("approve", yes).await, altered);
        assert_eq!(vote("reject", "{}").await, altered);
        let more = r#"{"tests": ["costs_x2"]}"#;
        assert_eq!(vote("request-more-tests", more).await, altered);
        let filter = AuditFilter {
            action: Some(Action::VoteRefused.word().to_owned()),
            ..AuditFilter::default()
        };
        let refused = test.app.store.audit_events(&filter, 10).await.unwrap();
        let attempted: Vec<_> = refused
            .iter()
            .map(|event| {
                assert_eq!(event.event.body["code"], "altered");
                event.event.body["attempted"].clone()
            })
            .collect();
        assert_eq!(attempted, ["APPROVE", "APPROVE", "REJECT", "REQUEST_MORE_TESTS"]);
    });
}

#[test]
fn what_operators_watch_is_told_in_the_format_of_prometheus() {
    on_every_database(|database| async {
        let test = app(database);
        let experiment = sample::experiment(&test.app, "rita").await;
        let model = sample::model(&test.app, &experiment, "rita", 1).await;
        let proposal = sample::proposal(&test.app, &model, 1, Shape::default()).await;
        let viewer = logged_in(&test, "vera", &[Role::Viewer, Role::Operator]).await;
        let halted = call(
            &test,
            &viewer,
            "POST",
            "/api/slots/usdcop-5m/halt",
            Some(r#"{"reason": "why"}"#),
        )
        .await;
        assert_eq!(halted.status, 200, "{}", halted.text);
        control::audit::heads::keep(&test.app).await.unwrap().unwrap();
        let told = call(&test, &viewer, "GET", "/metrics", None).await.text;
        let expiry = proposal.expires_at.0 / 1000;
        let renew = (test.app.now().0 + control::limits::DIRECTIVE_RENEW_MS) / 1000;
        let head = test.app.store.newest_audit_event().await.unwrap().unwrap().0;
        for line in [
            "twovote_models{slot=\"usdcop-5m\",stage=\"staging\"} 1".to_owned(),
            "twovote_proposals{status=\"PENDING_APPROVAL\"} 1".to_owned(),
            format!("twovote_proposal_next_expiry_timestamp_seconds {expiry}"),
            "twovote_slot_halted{slot=\"usdcop-5m\"} 1".to_owned(),
            format!("twovote_directive_renew_by_timestamp_seconds{{slot=\"usdcop-5m\"}} {renew}"),
            format!("twovote_audit_head_event {head}"),
            format!("twovote_audit_newest_event {head}"),
        ] {
            assert!(told.lines().any(|told| told == line), "{line}\n{told}");
        }
        let mut family = "";
        for line in told.lines() {
            if let Some(of) = line.strip_prefix("# TYPE ") {
                family = of.strip_suffix(" gauge").unwrap();
            } else if !line.starts_with('#') {
                let name = line.split(['{', ' ']).next().unwrap();
                assert_eq!(name, family, "samples of a metric stand together");
                assert!(line.rsplit(' ').next().unwrap().parse::<f64>().is_ok(), "{line}");
            }
        }
        let rules = include_str!("../../../deploy/prometheus-alerts-control.yml");
        for metric in rules.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            if metric.starts_with("twovote_") {
                let source = include_str!("../../src/api/metrics.rs");
                assert!(
                    source.contains(&format!("\"{metric}\"")),
                    "an alert asks for {metric}"
                );
            }
        }

        let ready = call(&test, &Who::default(), "GET", "/readyz", None).await;
        assert_eq!(
            (ready.status.as_u16(), ready.json()["ready"].clone()),
            (200, json!(true)),
            "{}",
            ready.text
        );
        std::fs::write(&test.app.config.audit_heads, "damaged\n").unwrap();
        let ready = call(&test, &Who::default(), "GET", "/readyz", None).await;
        assert_eq!(
            (ready.status.as_u16(), ready.json()["missing"].clone()),
            (503, json!(["audit_heads"]))
        );
    });
}
