//! What a request carries, parsed; whatever does not parse is a 400 with a problem document.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{header, request::Parts};
use serde::de::DeserializeOwned;

use super::problem::Problem;
use crate::limits::JSON_DEPTH_MAX;

/// A JSON body.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(Problem::new(
                415,
                "not_json",
                "Content-Type: application/json is expected",
            ));
        }
        let bytes = axum::body::Bytes::from_request(request, state)
            .await
            .map_err(|error| match error.status().as_u16() {
                413 => Problem::new(413, "body_too_large", error),
                _ => Problem::new(400, "body_unreadable", error),
            })?;
        if depth(&bytes) > JSON_DEPTH_MAX {
            let detail = format!("the JSON is nested deeper than {JSON_DEPTH_MAX}");
            return Err(Problem::new(400, "json_too_deep", detail));
        }
        if holds_zero(&bytes) {
            return Err(Problem::new(400, "malformed_body", ZERO));
        }
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| Problem::new(400, "malformed_body", error))
    }
}

/// PostgreSQL's texts hold no zero, so nothing that is asked for or handed in does.
const ZERO: &str = "a text holds a zero byte";

/// True when a text of the JSON holds a zero, which is always escaped there; a backslash stands in texts only.
fn holds_zero(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        if rest[at + 1..].starts_with(b"u0000") {
            return true;
        }
        // The letter after a backslash may be another one, which then begins nothing.
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    false
}

/// Deepest nesting of brackets outside strings.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest, mut text, mut escaped) = (0_usize, 0, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if text => escaped = true,
            b'"' => text = !text,
            b'[' | b'{' if !text => depth += 1,
            b']' | b'}' if !text => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Parts of the path.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Path::<T>::from_request_parts(parts, state)
            .await
            .map(|path| Self(path.0))
            .map_err(|error| Problem::new(400, "malformed_path", error.body_text()))
    }
}

/// The query.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(Problem::new(400, "malformed_query", ZERO));
        }
        axum::extract::Query::<T>::from_request_parts(parts, state)
            .await
            .map(|query| Self(query.0))
            .map_err(|error| Problem::new(400, "malformed_query", error.body_text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_is_found_where_it_is_one() {
        for (text, expected) in [
            (r#"{"a": "\u0000"}"#, true),
            (r#"{"a\\\u0000": 1}"#, true),
            (r#"{"a": "\\u0000"}"#, false),
            (r#"{"a": "\u0001\n"}"#, false),
            ("\\", false),
        ] {
            assert_eq!(holds_zero(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn depth_counts_brackets_outside_strings() {
        assert_eq!(depth(br#"{"a": [1, {"b": "[[[\"[["}], "c": []}"#), 3);
        assert_eq!(depth(b"]]]["), 1);
        assert_eq!(depth(&[b'['; 500]), 500);
    }
}
