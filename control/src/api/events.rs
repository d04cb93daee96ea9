//! Server-sent events: what changed, so that a page reads it again, and an engine its slot's documents.
//!
//! A stream does not keep its session alive; it asks every second, and before each event, whether the session or token still holds,
//! and ends when it does not, or when the server stops. An engine hears of its own slot only.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::get;
use contracts::ids::SlotId;
use futures_util::Stream;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::access::{Caller, ENGINE_OR_READ, Source, bearer};
use super::problem::Problem;
use super::{Api, Route};
use crate::app::Changed;
use crate::auth::{Actor, From, Secret, SecretHash, Via, by_session, by_token};
use crate::limits::STREAM_CHECK_MS;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/api/events",
            ENGINE_OR_READ,
            "What changes, as server-sent events; an engine hears of its slot",
            get(stream),
        )
        .gives_media("text/event-stream"),
    ]
}

struct Listener {
    api: Api,
    from: From,
    who: Who,
    changes: Receiver<Changed>,
}

enum Who {
    Session(SecretHash),
    Engine { token: Secret, slot: SlotId },
}

async fn stream(
    State(api): State<Api>,
    Source(from): Source,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let who = match (caller.session, caller.actor.via, bearer(&headers)) {
        (Some((session, _)), ..) => Who::Session(session),
        (None, Via::Token { slot: Some(slot), .. }, Some(token)) => Who::Engine { token, slot },
        _ => {
            return Err(Problem::new(
                403,
                "forbidden",
                "this needs a session or an engine's token",
            ));
        }
    };
    let listener = Listener {
        changes: api.app.listen(),
        api,
        from,
        who,
    };
    let events = futures_util::stream::unfold(listener, |mut listener| async {
        let event = listener.next().await?;
        Some((Ok(event), listener))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

impl Listener {
    fn hears(&self, changed: &Changed) -> bool {
        match (&self.who, changed) {
            (Who::Session(_), _) => true,
            (Who::Engine { slot: own, .. }, Changed::Slot { slot }) => slot == own,
            (Who::Engine { .. }, _) => false,
        }
    }

    /// Who listens, if they still may.
    async fn actor(&self) -> Option<Actor> {
        let app = &self.api.app;
        match &self.who {
            Who::Session(session) => {
                let held = by_session(app, *session, &self.from, false).await;
                held.ok().map(|held| held.actor)
            }
            Who::Engine { token, .. } => by_token(app, token, &self.from).await.ok(),
        }
    }

    async fn next(&mut self) -> Option<Event> {
        let mut stopping = self.api.stopping.clone();
        loop {
            let pause = tokio::time::sleep(Duration::from_millis(STREAM_CHECK_MS));
            let event = tokio::select! {
                // A sender that is gone never says stop: then this branch rests.
                Ok(_) = stopping.wait_for(|stop| *stop) => return None,
                changed = self.changes.recv() => match changed {
                    Ok(changed) if !self.hears(&changed) => None,
                    Ok(changed) => Some(Event::default().json_data(&changed).ok()?),
                    // It fell behind: whoever shows it reads all again.
                    Err(RecvError::Lagged(_)) => Some(Event::default().data(r#"{"event":"read_again"}"#)),
                    Err(RecvError::Closed) => return None,
                },
                () = pause => None,
            };
            if !self
                .actor()
                .await
                .is_some_and(|actor| ENGINE_OR_READ.allows(&actor))
            {
                return None;
            }
            if event.is_some() {
                return event;
            }
        }
    }
}
