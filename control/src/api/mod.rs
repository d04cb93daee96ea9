//! HTTP: one file per resource, problem+json for whatever goes wrong.
//!
//! Every route is a row of [`Route`]s: method, path, who may call it, what it does. The row makes the handler reachable, guards it and
//! describes it in the OpenAPI document, so that none of the three can be forgotten.

mod access;
mod answers;
mod artifacts;
mod audit;
mod deliveries;
mod engines;
mod events;
mod experiment_contracts;
mod experiments;
mod extract;
mod health;
mod jobs;
mod looks;
mod market;
mod metrics;
mod models;
mod moves;
mod note;
mod openapi;
mod problem;
mod provenance;
mod serve;
mod session;
mod slots;
mod tokens;
mod upload;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, Method, header};
use axum::response::Response;
use axum::routing::MethodRouter;
use tokio::sync::watch;

pub use self::access::{Access, CSRF_HEADER};
use self::note::{note, note_refused};
pub use self::openapi::document;
pub use self::problem::Problem;
pub use self::serve::{serve_until, told_to_stop};
use crate::app::App;
use crate::auth::{Random, SystemRandom};
use crate::limits::BODY_BYTES_MAX;

/// What handlers work with.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub app: App,
    pub random: Arc<dyn Random>,
    /// True from the order to stop.
    pub stopping: watch::Receiver<bool>,
}

type Schema = utoipa::openapi::RefOr<utoipa::openapi::Schema>;

/// What a request carries.
struct Body {
    media: &'static str,
    schema: Schema,
}

/// A route: reachable, guarded and described by one row.
pub(crate) struct Route {
    method: Method,
    path: &'static str,
    access: Access,
    summary: &'static str,
    body: Option<Body>,
    done: Vec<answers::Done>,
    /// Those that its kind does not imply.
    refusals: Vec<answers::Refusal>,
    /// It asks no database.
    alone: bool,
    handler: MethodRouter<Api>,
}

impl Route {
    fn get(path: &'static str, access: Access, summary: &'static str, handler: MethodRouter<Api>) -> Self {
        Self {
            method: Method::GET,
            path,
            access,
            summary,
            body: None,
            done: vec![(200, Some(answers::JSON))],
            refusals: Vec::new(),
            alone: false,
            handler,
        }
    }

    fn post(path: &'static str, access: Access, summary: &'static str, handler: MethodRouter<Api>) -> Self {
        Self {
            method: Method::POST,
            ..Self::get(path, access, summary, handler)
        }
    }

    fn put(path: &'static str, access: Access, summary: &'static str, handler: MethodRouter<Api>) -> Self {
        Self {
            method: Method::PUT,
            ..Self::get(path, access, summary, handler)
        }
    }

    fn takes<T: utoipa::PartialSchema>(self) -> Self {
        self.carries(answers::JSON, T::schema())
    }

    fn takes_form<T: utoipa::PartialSchema>(self) -> Self {
        self.carries("multipart/form-data", T::schema())
    }

    fn takes_text(self, media: &'static str) -> Self {
        self.carries(media, <String as utoipa::PartialSchema>::schema())
    }

    fn takes_bytes(self) -> Self {
        use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
        let bytes = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)));
        self.carries(answers::BYTES, bytes.into())
    }

    fn carries(self, media: &'static str, schema: Schema) -> Self {
        Self {
            body: Some(Body { media, schema }),
            ..self
        }
    }
}

fn rows() -> Vec<Route> {
    [
        session::routes(),
        experiments::routes(),
        models::routes(),
        upload::routes(),
        experiment_contracts::routes(),
        provenance::routes(),
        slots::routes(),
        jobs::routes(),
        looks::routes(),
        market::routes(),
        moves::routes(),
        artifacts::routes(),
        engines::routes(),
        audit::routes(),
        deliveries::routes(),
        events::routes(),
        users::routes(),
        tokens::routes(),
        health::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// All routes: method, path, who may call.
#[must_use]
pub fn routes() -> Vec<(Method, &'static str, Access)> {
    let rows = rows().into_iter();
    rows.map(|row| (row.method, row.path, row.access)).collect()
}

/// Every status that some route refuses with, in order.
#[cfg(test)]
pub(crate) fn refusing() -> Vec<u16> {
    let all = rows().into_iter().flat_map(|row| row.refusals().into_keys());
    all.collect::<std::collections::BTreeSet<u16>>()
        .into_iter()
        .collect()
}

/// The API with the operating system's randomness, never told to stop.
pub fn router(app: App) -> Router {
    router_with(app, Arc::new(SystemRandom), watch::channel(false).1)
}

/// The API.
pub fn router_with(app: App, random: Arc<dyn Random>, stopping: watch::Receiver<bool>) -> Router {
    let api = Api {
        app,
        random,
        stopping,
    };
    let mut router = Router::new();
    for row in rows() {
        let state = access::Guard {
            api: api.clone(),
            access: row.access,
        };
        let guard = axum::middleware::from_fn_with_state(state, access::guard);
        router = router.route(row.path, row.handler.route_layer(guard));
    }
    router
        .fallback(async || Problem::new(404, "no_such_route", "there is nothing under this path"))
        .method_not_allowed_fallback(async || {
            Problem::new(405, "method_not_allowed", "this path does not take this method")
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(axum::middleware::map_response(harden))
        .with_state(api)
}

async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
