//! Who may call a route, and how that is found out.
//!
//! A request with a bearer token is judged by the token alone. A request with a cookie must come from this origin, and when it changes
//! something it must carry the session's CSRF value in a header.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, header, request::Parts};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::problem::Problem;
use super::{Api, session};
use crate::auth::{Actor, From, Role, Scope, Secret, SecretHash, Via, by_session, by_token, same};
use crate::limits::HEADER_BYTES_KEPT;

/// The header that carries the session's CSRF value.
pub const CSRF_HEADER: &str = "x-csrf-token";

/// Who may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Open,
    /// Whoever shows who they are; the operation itself decides, and audits whom it refuses.
    Anybody,
    /// People with one of these roles, tokens with one of these scopes.
    Only {
        /// People's roles.
        roles: &'static [Role],
        /// A token's scopes.
        scopes: &'static [Scope],
    },
}

/// Everybody who reads.
pub(crate) const READERS: &[Role] = &[
    Role::Viewer,
    Role::Researcher,
    Role::Approver,
    Role::Operator,
    Role::Admin,
];
/// People who read.
pub(crate) const READ: Access = Access::Only {
    roles: READERS,
    scopes: &[],
};
/// People who read, and what a researcher's programs look up.
pub(crate) const RESEARCH_READ: Access = Access::Only {
    roles: READERS,
    scopes: &[Scope::ResearchWrite],
};
/// What researchers and their programs register.
pub(crate) const RESEARCH_WRITE: Access = Access::Only {
    roles: &[Role::Researcher],
    scopes: &[Scope::ResearchWrite],
};
/// People who administrate.
pub(crate) const ADMIN: Access = Access::Only {
    roles: &[Role::Admin],
    scopes: &[],
};
/// The engine of a slot.
pub(crate) const ENGINE: Access = Access::Only {
    roles: &[],
    scopes: &[Scope::EngineSync],
};
/// The engine of a slot, and people who read.
pub(crate) const ENGINE_OR_READ: Access = Access::Only {
    roles: READERS,
    scopes: &[Scope::EngineSync],
};

/// Files by their hash: the engine of a slot, people who read, and a researcher's programs.
pub(crate) const FILES_READ: Access = Access::Only {
    roles: READERS,
    scopes: &[Scope::EngineSync, Scope::ResearchWrite],
};

impl Access {
    /// True when `actor` may call.
    #[must_use]
    pub fn allows(&self, actor: &Actor) -> bool {
        match (self, &actor.via) {
            (Self::Open | Self::Anybody, _) => true,
            (Self::Only { roles, .. }, Via::Password { .. }) => actor.has_any(roles),
            (Self::Only { scopes: wanted, .. }, Via::Token { scopes, .. }) => {
                wanted.iter().any(|scope| scopes.contains(scope))
            }
            (Self::Only { .. }, Via::Control) => false,
        }
    }
}

/// Who calls.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub actor: Actor,
    /// Hash of the cookie's secret and the CSRF value.
    pub session: Option<(SecretHash, String)>,
}

impl<S: Sync> axum::extract::FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::new(401, "login_required", "log in, or present a token"))
    }
}

/// Where the request comes from.
#[derive(Debug, Clone)]
pub(crate) struct Source(pub From);

impl<S: Sync> axum::extract::FromRequestParts<S> for Source {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts
            .extensions
            .get::<Self>()
            .cloned()
            .unwrap_or_else(|| Self(From::default())))
    }
}

/// What a route's guard knows.
#[derive(Clone)]
pub(crate) struct Guard {
    pub api: Api,
    pub access: Access,
}

/// Lets through whoever may.
pub(crate) async fn guard(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let from = source(&guard.api, &request);
    let method = request.method().clone();
    match admit(&guard, &method, request.headers(), &from).await {
        Ok(caller) => {
            request.extensions_mut().insert(Source(from));
            if let Some(caller) = caller {
                request.extensions_mut().insert(caller);
            }
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

async fn admit(
    guard: &Guard,
    method: &Method,
    headers: &HeaderMap,
    from: &From,
) -> Result<Option<Caller>, Problem> {
    let changes = !matches!(*method, Method::GET | Method::HEAD);
    if guard.access == Access::Open {
        // A login or a setup from another site's page is refused as well.
        if changes {
            same_origin(headers, changes)?;
        }
        return Ok(None);
    }
    let caller = identify(&guard.api, headers, changes, from).await?;
    if guard.access.allows(&caller.actor) {
        return Ok(Some(caller));
    }
    Err(Problem::new(
        403,
        "forbidden",
        "your role or token does not permit this",
    ))
}

async fn identify(api: &Api, headers: &HeaderMap, changes: bool, from: &From) -> Result<Caller, Problem> {
    if headers.contains_key(header::AUTHORIZATION) {
        let token = bearer(headers)
            .ok_or_else(|| Problem::new(401, "not_logged_in", "Authorization: Bearer TOKEN is expected"))?;
        let actor = by_token(&api.app, &token, from).await?;
        return Ok(Caller { actor, session: None });
    }
    let cookie = session::cookie(&api.app.config, headers)
        .ok_or_else(|| Problem::new(401, "login_required", "log in, or present a token"))?;
    same_origin(headers, changes)?;
    let presented = by_session(&api.app, cookie.hash(), from, true).await?;
    let csrf = presented.session.csrf;
    if changes {
        let given = headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
        if !given.is_some_and(|given| same(given, &csrf)) {
            return Err(Problem::new(
                403,
                "csrf",
                "the header x-csrf-token does not carry the session's value",
            ));
        }
    }
    Ok(Caller {
        actor: presented.actor,
        session: Some((presented.session.session_hash, csrf)),
    })
}

/// The token a request shows.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<Secret> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    text.strip_prefix("Bearer ").map(Secret::presented)
}

/// Browsers say where a request comes from; programs say nothing. Another port of one host is another origin too.
fn same_origin(headers: &HeaderMap, changes: bool) -> Result<(), Problem> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let site = match text("sec-fetch-site") {
        None | Some("same-origin") => true,
        // Typed by the user, or from a bookmark.
        Some("none") => !changes,
        Some(_) => false,
    };
    let origin = match text("origin") {
        None => true,
        Some(origin) => {
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            authority.is_some() && authority == text("host")
        }
    };
    if site && origin {
        Ok(())
    } else {
        Err(Problem::new(
            403,
            "cross_site",
            "the request comes from another origin",
        ))
    }
}

fn source(api: &Api, request: &Request) -> From {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map(|ConnectInfo(address)| address.ip().to_string());
    // The proxy in front appends the address it saw: only the last one is its word.
    let forwarded = || {
        let all = request.headers().get_all("x-forwarded-for").iter().next_back()?;
        let last = all.to_str().ok()?.rsplit(',').next()?.trim();
        last.parse().ok().map(|ip: std::net::IpAddr| ip.to_string())
    };
    let proxied = api.app.config.behind_tls_proxy.then(forwarded).flatten();
    let agent = request.headers().get(header::USER_AGENT);
    From {
        address: proxied.or(peer),
        user_agent: agent
            .and_then(|agent| agent.to_str().ok())
            .map(|agent| agent.chars().take(HEADER_BYTES_KEPT).collect()),
    }
}
