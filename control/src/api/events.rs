//! Server-sent events: what changed, so that a page reads it again.
//!
//! A stream does not keep its session alive; it asks every second, and before each event, whether the session still holds, and ends when
//! it does not, or when the server stops.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::get;
use futures_util::Stream;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::access::{Caller, READ, Source};
use super::problem::Problem;
use super::{Api, Route};
use crate::app::Changed;
use crate::auth::{From, SecretHash, by_session};
use crate::limits::STREAM_CHECK_MS;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::get(
        "/api/events",
        READ,
        "What changes, as server-sent events",
        get(stream),
    )]
}

struct Listener {
    api: Api,
    from: From,
    session: SecretHash,
    changes: Receiver<Changed>,
}

async fn stream(
    State(api): State<Api>,
    Source(from): Source,
    caller: Caller,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let (session, _) = caller
        .session
        .ok_or_else(|| Problem::new(403, "person_required", "this needs a session, not a token"))?;
    let listener = Listener {
        changes: api.app.listen(),
        api,
        from,
        session,
    };
    let events = futures_util::stream::unfold(listener, |mut listener| async {
        let event = listener.next().await?;
        Some((Ok(event), listener))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

impl Listener {
    async fn next(&mut self) -> Option<Event> {
        let mut stopping = self.api.stopping.clone();
        loop {
            let pause = tokio::time::sleep(Duration::from_millis(STREAM_CHECK_MS));
            let event = tokio::select! {
                // A sender that is gone never says stop: then this branch rests.
                Ok(_) = stopping.wait_for(|stop| *stop) => return None,
                changed = self.changes.recv() => Some(match changed {
                    Ok(changed) => Event::default().json_data(&changed).ok()?,
                    // It fell behind: whoever shows it reads all again.
                    Err(RecvError::Lagged(_)) => Event::default().data(r#"{"event":"read_again"}"#),
                    Err(RecvError::Closed) => return None,
                }),
                () = pause => None,
            };
            let held = by_session(&self.api.app, self.session, &self.from, false).await;
            if !held.is_ok_and(|held| READ.allows(&held.actor)) {
                return None;
            }
            if event.is_some() {
                return event;
            }
        }
    }
}
