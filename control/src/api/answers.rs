//! What a route answers: the statuses of its success, and of every refusal the status with its codes.
//!
//! A row says what only it can say; what all rows of a kind have in common (who may call, a place in the path, a query, a body) follows
//! from the row and is not written again.

use std::collections::BTreeMap;

use axum::http::Method;

use super::access::Access;
use super::{Body, Route};

/// A status and the codes it comes with; no codes where the vocabulary is somebody else's (the inspection of a model has its own).
pub(super) type Refusal = (u16, &'static [&'static str]);

/// How a success looks: its status, and the media type of its body where it has one.
pub(super) type Done = (u16, Option<&'static str>);

/// The codes of each refusing status; an empty list is an open one.
pub(super) type Refusals = BTreeMap<u16, Vec<&'static str>>;

pub(super) const JSON: &str = "application/json";
const FORM: &str = "multipart/form-data";
pub(super) const BYTES: &str = "application/octet-stream";

/// What can go wrong wherever the database is asked.
const INSIDE: &[Refusal] = &[(500, &["internal"]), (503, &["store_unavailable"])];

/// Whoever has to show who they are.
const SHOWN: &[Refusal] = &[
    (401, &["login_required", "not_logged_in"]),
    (403, &["cross_site"]),
];

/// A body of each kind.
const BODY_JSON: &[Refusal] = &[
    (400, &["malformed_body", "json_too_deep", "body_unreadable"]),
    (413, &["body_too_large"]),
    (415, &["not_json"]),
];
const BODY_FORM: &[Refusal] = &[
    (400, &["malformed_form"]),
    (413, &["body_too_large"]),
    (415, &["not_a_form"]),
];
const BODY_YAML: &[Refusal] = &[
    (400, &["body_unreadable"]),
    (413, &["body_too_large"]),
    (415, &["not_yaml"]),
];

const BODY_BYTES: &[Refusal] = &[(400, &["body_unreadable"]), (413, &["body_too_large"])];

impl Route {
    /// Succeeds with these statuses, and JSON.
    pub(super) fn gives(self, statuses: &[u16]) -> Self {
        let done = statuses.iter().map(|status| (*status, Some(JSON))).collect();
        Self { done, ..self }
    }

    /// Succeeds with this status and nothing more.
    pub(super) fn gives_nothing(self, status: u16) -> Self {
        let done = vec![(status, None)];
        Self { done, ..self }
    }

    /// Succeeds with a body of this kind.
    pub(super) fn gives_media(self, media: &'static str) -> Self {
        let done = vec![(200, Some(media))];
        Self { done, ..self }
    }

    /// Refuses with this status and one of these codes.
    pub(super) fn refuses(self, status: u16, codes: &'static [&'static str]) -> Self {
        self.refuses_all(&[(status, codes)])
    }

    /// Refuses with each of these.
    pub(super) fn refuses_all(mut self, refusals: &[Refusal]) -> Self {
        self.refusals.extend_from_slice(refusals);
        self
    }

    /// Asks no database and reads nothing of the request.
    pub(super) fn stands_alone(self) -> Self {
        Self { alone: true, ..self }
    }

    /// Every refusal: those of its own, and those of its kind.
    pub(super) fn refusals(&self) -> Refusals {
        let mut all = Refusals::new();
        let mut add = |refusals: &[Refusal]| {
            for (status, codes) in refusals {
                let listed = all.entry(*status).or_default();
                for code in *codes {
                    if !listed.contains(code) {
                        listed.push(code);
                    }
                }
            }
        };
        let changes = self.method != Method::GET;
        if !self.alone {
            add(INSIDE);
        }
        match self.access {
            Access::Open if changes => add(&[(403, &["cross_site"])]),
            Access::Open => {}
            Access::Anybody => add(SHOWN),
            Access::Only { .. } => {
                add(SHOWN);
                add(&[(403, &["forbidden"])]);
            }
        }
        if changes && self.access != Access::Open {
            add(&[(403, &["csrf"])]);
        }
        if self.path.contains('{') {
            add(&[(400, &["malformed_path"])]);
        }
        if !super::openapi::asked(self.summary).is_empty() {
            add(&[(400, &["malformed_query"])]);
        }
        match &self.body {
            None => {}
            Some(Body { media: JSON, .. }) => add(BODY_JSON),
            Some(Body { media: FORM, .. }) => add(BODY_FORM),
            Some(Body { media: BYTES, .. }) => add(BODY_BYTES),
            Some(_) => add(BODY_YAML),
        }
        add(&self.refusals);
        // An open list stays open, whatever else is known to be on it.
        for (status, _) in self.refusals.iter().filter(|(_, codes)| codes.is_empty()) {
            all.insert(*status, Vec::new());
        }
        all
    }
}
