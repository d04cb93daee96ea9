//! Tests that a reviewer asks for: each does what its name says, appends evidence, and is a look.

use contracts::evidence::{Evidence, MoreTest};
use contracts::time::DayNumber;
use control::audit::Action;
use control::auth::Role;
use control::jobs::JobState;
use control::proposals::MoreTestName;
use control::store::AuditFilter;
use serde_json::{Value, json};

use crate::kit::app::TestApp;
use crate::kit::http::{Who, call, logged_in};
use crate::kit::on_every_database;
use crate::kit::registered::{
    self, World, enqueue_first_vote, experiment, features, generated, lenient, proposal_of, work, world,
};

async fn ask(test: &TestApp, who: &Who, id: &str, etag: &str, body: Value) -> crate::kit::http::Answer {
    let path = format!("/api/experiments/{id}/request-more-tests");
    let who = who.with("if-match", &format!("\"{etag}\""));
    call(test, &who, "POST", &path, Some(&body.to_string())).await
}

fn found(evidence: &Evidence, test: MoreTestName) -> &MoreTest {
    evidence
        .more_tests
        .iter()
        .find(|found| found.test == test.word())
        .unwrap()
}

#[test]
fn every_test_of_the_catalogue_does_what_its_name_says() {
    on_every_database(|database| async {
        let World { test, .. } = &world(database);
        let experiment = experiment(&test.app, generated("twin", lenient()), features("technical_8")).await;
        let model = registered::model(&test.app, &experiment, 1, 0).await;
        enqueue_first_vote(&test.app, &model).await;
        let id = proposal_of(&work(&test.app).await[0]);
        let first = test.app.store.proposal(&id).await.unwrap().unwrap();
        let vera = logged_in(test, "vera", &[Role::Approver]).await;
        let rita = logged_in(test, "rita", &[Role::Approver]).await;
        let etag = first.evidence_digest.to_hex();

        let code = |status: u16, code: &str| (status, code.to_owned());
        let some = json!({"tests": ["noise"]});
        assert_eq!(
            ask(test, &rita, id.as_str(), &etag, some.clone()).await.code(),
            code(403, "author_may_not_vote")
        );
        assert_eq!(
            ask(test, &vera, id.as_str(), &"0".repeat(64), some.clone())
                .await
                .code(),
            code(412, "evidence_changed")
        );
        let unknown = ask(test, &vera, id.as_str(), &etag, json!({"tests": ["cost_x2"]})).await;
        assert_eq!(unknown.code(), code(422, "unknown_test"));
        for test in MoreTestName::ALL {
            assert!(unknown.text.contains(test.word()), "{}", unknown.text);
        }
        assert_eq!(
            ask(test, &vera, id.as_str(), &etag, json!({"tests": []}))
                .await
                .code(),
            code(422, "unknown_test")
        );
        assert!(
            work(&test.app).await.is_empty(),
            "a refused request asks for nothing"
        );

        let words: Vec<&str> = MoreTestName::ALL.iter().map(|test| test.word()).collect();
        let asked = ask(
            test,
            &vera,
            id.as_str(),
            &etag,
            json!({"tests": words, "notes": "is it luck?"}),
        )
        .await;
        assert_eq!(asked.status, 200, "{}", asked.text);
        let done = work(&test.app).await;
        assert_eq!(done.len(), words.len());
        for job in &done {
            assert_eq!(job.state, JobState::Done, "{:?}", job.error);
        }
        let row = test.app.store.proposal(&id).await.unwrap().unwrap();
        assert_eq!(row.revision, 1 + u32::try_from(words.len()).unwrap());
        assert!(row.expires_at >= first.expires_at);
        let shown = test.app.store.evidence(&id, row.revision).await.unwrap().unwrap();
        assert_eq!(shown.evidence.digest().unwrap(), row.evidence_digest);
        assert_eq!(
            shown.evidence.looks.number, 6,
            "all but the other window are looks at this holdout"
        );
        effects(&shown.evidence);

        let again = ask(test, &vera, id.as_str(), &row.evidence_digest.to_hex(), some).await;
        assert_eq!(again.code(), code(409, "test_done"));
        let log = AuditFilter {
            action: Some(Action::RequestMoreTests.word().to_owned()),
            ..AuditFilter::default()
        };
        let events = test.app.store.audit_events(&log, 10).await.unwrap();
        assert_eq!((events.len(), &events[0].event.body["tests"]), (1, &json!(words)));
        let mut tx = test.app.store.begin().await.unwrap();
        let window = &shown.evidence.holdout;
        let looks = tx
            .looks(&window.instrument, window.first_session, window.last_session)
            .await
            .unwrap();
        let chance: Vec<_> = looks
            .iter()
            .filter(|look| look.costs.contains("block_shuffled_null"))
            .collect();
        assert_eq!(
            (chance.len(), chance[0].sharpe_per_session),
            (1, None),
            "chance's figure is no trial's"
        );
    });
}

fn effects(evidence: &Evidence) {
    let own = &evidence.metrics;
    let total = |metrics: &contracts::evidence::Metrics| metrics.total_return.value.unwrap();
    let turnover = own.turnover.value.unwrap();
    let day = |text: &str| DayNumber::parse(text).unwrap();

    let dear = found(evidence, MoreTestName::CostsX2);
    assert_eq!(dear.parameters, json!({"bps": 3.0}));
    assert_eq!(dear.metrics.turnover.value, Some(turnover), "the same decisions");
    // 1.5 basis points more on everything that was traded.
    let paid = total(own) - total(&dear.metrics);
    assert!((paid - turnover * 1.5e-4).abs() < 1e-9, "{paid} {turnover}");

    let late = found(evidence, MoreTestName::Latency1Bar);
    assert_eq!(late.parameters, json!({"latency_bars": 2}));
    assert_ne!(total(&late.metrics), total(own));

    let other = found(evidence, MoreTestName::OtherWindow);
    assert_eq!(
        other.metrics.test_period_start,
        day("2025-02-19"),
        "what came after the holdout"
    );
    assert!(other.metrics.sessions >= 20);

    let noise = found(evidence, MoreTestName::Noise);
    assert!(noise.parameters["deviation"].as_f64().unwrap() > 0.0);
    assert_eq!(noise.metrics.sessions, own.sessions);
    assert_ne!(total(&noise.metrics), total(own));

    let null = found(evidence, MoreTestName::BlockShuffledNull);
    let p = null.parameters["p_value"].as_f64().unwrap();
    assert!(
        p > 0.0 && p <= 1.0 && null.finding.contains(&format!("p = {p:.3}")),
        "{}",
        null.finding
    );

    let worst = found(evidence, MoreTestName::WorstRegime);
    assert_eq!(
        (worst.metrics.sessions, &worst.parameters["parts"]),
        (own.sessions / 4, &json!(4))
    );
    let sharpe = |metrics: &contracts::evidence::Metrics| metrics.sharpe_ratio.value.unwrap();
    assert!(sharpe(&worst.metrics) <= sharpe(own), "{}", worst.finding);
    assert!(worst.metrics.test_period_start >= own.test_period_start);
    assert!(worst.metrics.test_period_end <= own.test_period_end);
}
