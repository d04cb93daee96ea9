//! The OpenAPI document names every answer by its status, and refusals by their codes; answers that it does not name are found.

use axum::http::HeaderMap;
use control::api;
use serde_json::Value;

use crate::kit::described::{assert_described, response};

/// Refusals whose words are somebody else's: a model is refused in the words of its inspection.
const OPEN: [(&str, &str); 1] = [("/api/models", "422")];

#[test]
fn every_refusal_is_a_problem_with_its_codes() {
    let document: Value = serde_json::from_str(&api::document()).unwrap();
    for (method, path, _) in api::routes() {
        let operation = &document["paths"][path][method.as_str().to_lowercase()];
        let responses = operation["responses"].as_object().unwrap();
        assert!(
            responses.keys().any(|status| status.starts_with('2')),
            "{method} {path} never succeeds"
        );
        for status in responses.keys() {
            let response = response(&document, operation, status);
            let said = format!("{method} {path} {status}");
            let number: u16 = status.parse().expect("no status stands for others");
            if number < 400 || path == "/readyz" {
                continue;
            }
            let content = response["content"].as_object().unwrap();
            assert_eq!(
                content.keys().collect::<Vec<_>>(),
                ["application/problem+json"],
                "{said}"
            );
            let schema = &content["application/problem+json"]["schema"];
            if OPEN.contains(&(path, status)) {
                assert_eq!(schema["$ref"], "#/components/schemas/Problem", "{said}");
                continue;
            }
            assert_eq!(
                schema["allOf"][0]["$ref"], "#/components/schemas/Problem",
                "{said}"
            );
            let codes = schema["allOf"][1]["properties"]["code"]["enum"]
                .as_array()
                .unwrap();
            let word = |code: &Value| {
                let code = code.as_str().unwrap_or_default();
                !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            };
            assert!(!codes.is_empty() && codes.iter().all(word), "{said}: {codes:?}");
        }
    }
}

#[test]
fn an_answer_that_is_not_described_is_found() {
    let of = |kind: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", kind.parse().unwrap());
        headers
    };
    let (json, problem) = (of("application/json"), of("application/problem+json"));
    let check = |method: &str, path: &str, status: u16, headers: &HeaderMap, body: &str| {
        let headers = headers.clone();
        let (method, path, body) = (method.to_owned(), path.to_owned(), body.to_owned());
        std::panic::catch_unwind(move || assert_described(&method, &path, status, &headers, &body)).is_ok()
    };
    let forbidden = r#"{"code": "forbidden"}"#;
    assert!(check("GET", "/api/slots", 200, &json, "{}"));
    assert!(check("GET", "/api/slots", 403, &problem, forbidden));
    assert!(check(
        "GET",
        "/api/models/production?slot=x",
        404,
        &problem,
        r#"{"code": "no_production_model"}"#
    ));
    assert!(check(
        "GET",
        "/api/nothing",
        404,
        &problem,
        r#"{"code": "no_such_route"}"#
    ));
    assert!(!check("GET", "/api/slots", 418, &problem, forbidden), "a status");
    assert!(
        !check("GET", "/api/slots", 403, &json, forbidden),
        "a kind of body"
    );
    assert!(
        !check("GET", "/api/slots", 403, &problem, r#"{"code": "other"}"#),
        "a code"
    );
    assert!(!check("POST", "/api/logout", 200, &json, "{}"), "a success");
}
