//! Every answer of the API, whatever test asked for it, is one that the OpenAPI document knows.

use std::sync::LazyLock;

use axum::http::HeaderMap;
use control::api;
use serde_json::Value;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(&api::document()).unwrap());

/// The path of the document that a request's path is one of; names come before places.
fn path_of(path: &str) -> Option<&'static str> {
    let path = path.split('?').next().unwrap_or_default();
    let fits = |template: &str| {
        let (parts, places) = (path.split('/'), template.split('/'));
        parts.clone().count() == places.clone().count()
            && parts
                .zip(places)
                .all(|(part, place)| place.starts_with('{') && !part.is_empty() || part == place)
    };
    let all = api::routes().into_iter().map(|(_, template, _)| template);
    all.filter(|template| fits(template))
        .min_by_key(|template| template.matches('{').count())
}

/// What an operation answers with this status; a refusal that many share stands among the document's components.
pub fn response<'a>(document: &'a Value, operation: &'a Value, status: &str) -> &'a Value {
    let named = &operation["responses"][status];
    match named["$ref"].as_str() {
        Some(name) => document.pointer(name.trim_start_matches('#')).unwrap(),
        None => named,
    }
}

/// Fails unless the document knows this answer: its status, the kind of its body, and the code of a refusal.
pub fn assert_described(method: &str, path: &str, status: u16, headers: &HeaderMap, body: &str) {
    let said = format!("{method} {path} answered {status}: {body}");
    // A HEAD is answered as the GET of its path, without the body.
    let described = if method == "HEAD" {
        "get".to_owned()
    } else {
        method.to_lowercase()
    };
    let operation = path_of(path).map(|path| &DOCUMENT["paths"][path][described]);
    let Some(operation) = operation.filter(|operation| operation.is_object()) else {
        return assert!(status == 404 || status == 405, "{said}");
    };
    let response = response(&DOCUMENT, operation, &status.to_string());
    assert!(response.is_object(), "the document knows no such status: {said}");
    if method == "HEAD" {
        return assert!(body.is_empty(), "a HEAD has no body: {said}");
    }
    let kind = headers.get("content-type").map(|kind| kind.to_str().unwrap());
    let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default());
    let Some(kind) = kind else {
        return assert!(response["content"].is_null(), "a body is described: {said}");
    };
    let content = &response["content"][kind];
    assert!(content.is_object(), "the document knows no {kind} here: {said}");
    let codes = content["schema"]["allOf"][1]["properties"]["code"]["enum"].as_array();
    if let Some(codes) = codes {
        let problem: Value = serde_json::from_str(body).unwrap();
        assert!(
            codes.contains(&problem["code"]),
            "the document knows no such code: {said}"
        );
    }
}
