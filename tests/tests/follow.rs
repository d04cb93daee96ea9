//! The engine following the control plane, on SQLite and PostgreSQL: what is voted for runs, what is not does not, and nothing stops
//! when the control plane or its database does.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "follow/away.rs"]
mod away;
#[expect(dead_code, reason = "the tests of the live engine use all of it")]
#[path = "all/live/client.rs"]
mod client;
#[path = "follow/edits.rs"]
mod edits;
#[path = "follow/flow.rs"]
mod flow;
#[path = "follow/killed.rs"]
mod killed;
#[path = "follow/kit.rs"]
mod kit;
#[path = "follow/liar.rs"]
mod liar;
#[path = "follow/models.rs"]
mod models;
#[path = "follow/place.rs"]
mod place;
#[path = "follow/plane.rs"]
mod plane;
#[path = "follow/research.rs"]
mod research;
#[path = "follow/served.rs"]
mod served;
#[path = "follow/server.rs"]
mod server;
#[path = "follow/tls.rs"]
mod tls;
#[path = "follow/whole.rs"]
mod whole;
