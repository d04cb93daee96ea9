//! Halts and resumes over HTTP, and that a token moves nothing.

use control::audit::Action;
use control::auth::{Role, Scope};
use control::limits::NOTES_BYTES_MAX;
use control::store::AuditFilter;
use serde_json::json;

use crate::kit::app::app;
use crate::kit::http::{Who, call, logged_in, token};
use crate::kit::on_every_database;
use crate::kit::sample::{self, Shape};

#[test]
fn one_operator_halts_over_http_and_another_confirms_the_resume() {
    on_every_database(|database| async {
        let test = app(database);
        let experiment = sample::experiment(&test.app, "rita").await;
        let model = sample::model(&test.app, &experiment, "rita", 1).await;
        let proposal = sample::proposal(&test.app, &model, 1, Shape::default()).await;
        let vera = logged_in(&test, "vera", &[Role::Approver]).await;
        let etag = format!("\"{}\"", proposal.evidence_digest);
        let path = format!("/api/experiments/{}/approve", proposal.proposal_id);
        let zero = json!({"promote_to_production": true, "notes": "a\0b"}).to_string();
        let refused = call(&test, &vera.with("if-match", &etag), "POST", &path, Some(&zero)).await;
        assert_eq!(refused.code(), (400, "malformed_body".to_owned()));
        let yes = json!({"promote_to_production": true}).to_string();
        let approved = call(&test, &vera.with("if-match", &etag), "POST", &path, Some(&yes)).await;
        assert_eq!(approved.status, 200, "{}", approved.text);

        let olga = logged_in(&test, "olga", &[Role::Operator]).await;
        let oscar = logged_in(&test, "oscar", &[Role::Operator]).await;
        let viewer = logged_in(&test, "victor", &[Role::Viewer]).await;
        let post = async |who: &Who, verb: &str, body: serde_json::Value| {
            let path = format!("/api/slots/usdcop-5m/{verb}");
            call(&test, who, "POST", &path, Some(&body.to_string())).await
        };
        let why = json!({"reason": "spread"});
        assert_eq!(
            post(&viewer, "halt", why.clone()).await.code(),
            (403, "not_operator".to_owned())
        );
        // No scope is made for it; the owner's role does not carry over.
        let script = Who::token(&token(&test, "olga", Scope::MetricsRead, None).await.0);
        assert_eq!(
            post(&script, "halt", why.clone()).await.code(),
            (403, "person_required".to_owned())
        );
        let long = json!({"reason": "a".repeat(NOTES_BYTES_MAX + 1)});
        assert_eq!(
            post(&olga, "halt", long).await.code(),
            (422, "reason_too_long".to_owned())
        );
        let halted = post(&olga, "halt", why).await;
        assert_eq!(
            (halted.status.as_u16(), halted.json()["halted"].clone()),
            (200, json!(true))
        );

        let ask = json!({"latches": ["control"], "reason": "spread is back"});
        let long = json!({"latches": ["control"], "reason": "a".repeat(NOTES_BYTES_MAX + 1)});
        assert_eq!(
            post(&olga, "resume", long).await.code(),
            (422, "resume_incomplete".to_owned())
        );
        logged_in(&test, "researcher", &[Role::Researcher]).await;
        let script = Who::token(&token(&test, "researcher", Scope::ResearchWrite, None).await.0);
        assert_eq!(
            post(&script, "resume", ask.clone()).await.code(),
            (403, "not_operator".to_owned())
        );
        assert_eq!(post(&olga, "resume", ask.clone()).await.status, 200);
        let alone = post(&olga, "resume/confirm", json!({})).await;
        assert_eq!(alone.code(), (403, "second_person_required".to_owned()));
        let resumed = post(&oscar, "resume/confirm", json!({})).await;
        assert_eq!(resumed.json()["clears"], json!(["control"]), "{}", resumed.text);

        let path = format!("/api/models/{}/withdraw", model.model_id);
        let gone = call(&test, &olga, "POST", &path, Some(r#"{"reason": "leaks"}"#)).await;
        assert_eq!(gone.status, 200, "{}", gone.text);
        assert_eq!(
            post(&olga, "resume", ask).await.code(),
            (409, "no_production_model".to_owned())
        );

        let events = test
            .app
            .store
            .audit_events(&AuditFilter::default(), 100)
            .await
            .unwrap();
        let refused = events
            .iter()
            .filter(|event| event.event.action == Action::VoteRefused);
        let codes: Vec<&str> = refused
            .filter_map(|event| event.event.body["code"].as_str())
            .collect();
        let expected = [
            "not_operator",
            "person_required",
            "reason_too_long",
            "resume_incomplete",
            "not_operator",
            "second_person_required",
            "no_production_model",
        ];
        assert_eq!(codes, expected);
    });
}
