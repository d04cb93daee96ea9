//! Logins: cookies, sessions, limits, passwords, the first admin.

use control::audit::Action;
use control::auth::{self, Role, SystemRandom};
use control::store::AuditFilter;
use serde_json::json;

use crate::kit::app::app;
use crate::kit::http::{PASSWORD, Who, call, logged_in, login, session_of, try_login, user};
use crate::kit::on_every_database;

#[test]
fn a_cookie_needs_this_origin_and_for_a_change_the_csrf_value() {
    on_every_database(|database| async {
        let test = app(database);
        let admin = logged_in(&test, "ada", &[Role::Admin]).await;
        let get = async |who: &Who| call(&test, who, "GET", "/api/users", None).await;
        assert_eq!(get(&admin).await.status, 200);
        assert_eq!(get(&admin.with("sec-fetch-site", "none")).await.status, 200);
        assert_eq!(
            get(&admin.with("origin", "http://127.0.0.1:9200")).await.status,
            200
        );
        for foreign in [
            admin.with("sec-fetch-site", "cross-site"),
            admin.with("sec-fetch-site", "same-site"),
            admin.with("origin", "http://127.0.0.1:9300"),
            admin.with("origin", "null"),
        ] {
            assert_eq!(get(&foreign).await.code(), (403, "cross_site".to_owned()));
        }
        let post = async |who: &Who| {
            call(&test, who, "POST", "/api/tokens/tok-none/revoke", None)
                .await
                .code()
        };
        assert_eq!(post(&admin).await, (404, "token_not_found".to_owned()));
        assert_eq!(
            post(&admin.without("x-csrf-token")).await,
            (403, "csrf".to_owned())
        );
        assert_eq!(
            post(&admin.with("x-csrf-token", "other")).await,
            (403, "csrf".to_owned())
        );
        assert_eq!(
            post(&admin.with("sec-fetch-site", "none")).await,
            (403, "cross_site".to_owned())
        );
        let login = Who::default().with("origin", "https://evil.invalid");
        let answer = call(&test, &login, "POST", "/api/login", Some("{}")).await;
        assert_eq!(answer.code(), (403, "cross_site".to_owned()));
    });
}

#[test]
fn sessions_end_by_idling_by_age_by_leaving_and_by_disabling() {
    on_every_database(|database| async {
        let test = app(database);
        let root = logged_in(&test, "root", &[Role::Admin]).await;
        let minutes = |n: i64| test.clock.advance_ms(n * 60_000);
        let status = async |who: &Who| call(&test, who, "GET", "/api/session", None).await.status;

        minutes(29);
        assert_eq!(status(&root).await, 200);
        minutes(29);
        assert_eq!(status(&root).await, 200, "use keeps it alive");
        minutes(30);
        assert_eq!(status(&root).await, 401, "30 minutes idle");

        let root = login(&test, "root").await;
        for _ in 0..28 {
            minutes(25);
            assert_eq!(status(&root).await, 200);
        }
        minutes(20);
        assert_eq!(status(&root).await, 401, "12 hours");

        let root = login(&test, "root").await;
        let vera = logged_in(&test, "vera", &[Role::Viewer]).await;
        let disabled = call(&test, &root, "POST", "/api/users/vera/disable", None).await;
        assert_eq!(disabled.status, 204, "{}", disabled.text);
        assert_eq!(status(&vera).await, 401, "disabled");
        assert_eq!(
            try_login(&test, "vera", PASSWORD).await.code(),
            (401, "wrong_login".to_owned())
        );
        let last = call(&test, &root, "POST", "/api/users/root/disable", None).await;
        assert_eq!(last.code(), (409, "last_admin".to_owned()));

        assert_eq!(call(&test, &root, "POST", "/api/logout", None).await.status, 204);
        assert_eq!(status(&root).await, 401, "logged out");
    });
}

#[test]
fn failed_logins_are_limited_per_account_and_per_address() {
    on_every_database(|database| async {
        let test = app(database);
        user(&test, "vera", &[Role::Viewer]).await;
        for _ in 0..5 {
            assert_eq!(
                try_login(&test, "vera", "wrong").await.code(),
                (401, "wrong_login".to_owned())
            );
        }
        let limited = (429, "too_many_logins".to_owned());
        assert_eq!(try_login(&test, "vera", PASSWORD).await.code(), limited);
        for n in 0..15 {
            assert_eq!(try_login(&test, &format!("nobody{n}"), "wrong").await.status, 401);
        }
        assert_eq!(try_login(&test, "other", "wrong").await.code(), limited);
        test.clock.advance_ms(15 * 60_000);
        assert_eq!(try_login(&test, "vera", PASSWORD).await.status, 200);
    });
}

#[test]
fn the_first_admin_is_made_once_through_a_link_that_runs_out() {
    on_every_database(|database| async {
        let test = app(database);
        let offer = async || auth::offer_setup(&test.app, &SystemRandom).await.unwrap();
        let setup = async |link: &str| {
            let body = json!({"link": link, "username": "ada", "password": PASSWORD}).to_string();
            call(&test, &Who::default(), "POST", "/api/setup", Some(&body))
                .await
                .status
                .as_u16()
        };
        let old = offer().await.unwrap();
        let link = offer().await.unwrap();
        assert_eq!(setup("guess").await, 403);
        assert_eq!(setup(old.reveal()).await, 403, "a newer link spends it");
        test.clock.advance_ms(3_600_000);
        assert_eq!(setup(link.reveal()).await, 403, "an hour");
        let link = offer().await.unwrap();
        assert_eq!(setup(link.reveal()).await, 201);
        assert_eq!(setup(link.reveal()).await, 403, "once");
        assert!(offer().await.is_none());
        login(&test, "ada").await;
    });
}

#[test]
fn a_changed_password_ends_all_sessions_and_counts_against_the_same_limits() {
    on_every_database(|database| async {
        let test = app(database);
        let vera = logged_in(&test, "vera", &[Role::Viewer]).await;
        let change = async |who: &Who, present: &str, next: &str| {
            let body = json!({"present": present, "next": next}).to_string();
            call(&test, who, "POST", "/api/session/password", Some(&body)).await
        };
        assert_eq!(
            change(&vera, "wrong", "another good password").await.code(),
            (403, "wrong_password".to_owned())
        );
        assert_eq!(
            change(&vera, PASSWORD, "short").await.code(),
            (422, "password_length".to_owned())
        );
        assert_eq!(
            call(&test, &vera, "GET", "/api/session", None).await.status,
            200,
            "a refusal ends nothing"
        );
        let changed = change(&vera, PASSWORD, "another good password").await;
        assert!(changed.status.is_success(), "{}", changed.text);
        assert_eq!(call(&test, &vera, "GET", "/api/session", None).await.status, 401);
        assert_eq!(try_login(&test, "vera", PASSWORD).await.status, 401);
        let events = test
            .app
            .store
            .audit_events(&AuditFilter::default(), 10)
            .await
            .unwrap();
        let told = events
            .iter()
            .find(|event| event.event.action == Action::UserPassword)
            .unwrap();
        assert_eq!(
            told.event.body["sessions_ended"], 1,
            "hers, and none that the check made"
        );

        assert_eq!(
            try_login(&test, "vera", "another good password").await.status,
            200
        );
        let answer = try_login(&test, "vera", "another good password").await;
        let vera = session_of(&answer);
        for _ in 0..3 {
            change(&vera, "wrong", "x").await;
        }
        let limited = change(&vera, "another good password", "a third good password").await;
        assert_eq!(limited.code(), (429, "too_many_logins".to_owned()));
    });
}
