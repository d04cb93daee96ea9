//! Verbs that ask a served control: one request each, its answer as a table or as JSON.
//!
//! What the server refuses is told with its code and becomes an exit code; with `--json` it goes to stdout as well: status, code, detail,
//! and where the server names them path, line and changes.

mod artifacts;
mod client;
mod login_file;
mod refusal;
mod server;

pub use self::client::{Call, Reply};
pub use self::login_file::Login;
pub use self::server::{ServerArgs, Who};

use serde_json::Value;

use self::client::Client;
use self::refusal::Refusal;
use super::CliError;
use super::out::{Format, Sink};

/// A server, and where a verb answers to.
pub struct Remote<'a> {
    client: Client,
    format: Format,
    out: Sink<'a>,
}

impl Remote<'_> {
    /// Sends a request.
    ///
    /// # Errors
    /// The exit code of the refusal, or [`Exit::Unavailable`](super::Exit::Unavailable) when nobody answers.
    pub async fn send(&mut self, call: Call) -> Result<Reply, CliError> {
        let reply = self.client.send(call).await?;
        self.settle(reply)
    }

    /// The answer, unless it is a refusal.
    fn settle(&mut self, reply: Reply) -> Result<Reply, CliError> {
        let Some(refusal) = Refusal::of(&reply) else {
            return Ok(reply);
        };
        if self.format.json {
            self.format.write(self.out, &refusal.document(), "")?;
        }
        Err(refusal.into_error(self.client.url()))
    }

    /// Sends a request; none where what it asks for is not there.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn look(&mut self, call: Call) -> Result<Option<Reply>, CliError> {
        let reply = self.client.send(call).await?;
        match Refusal::of(&reply) {
            None => Ok(Some(reply)),
            Some(_) if reply.status == 404 && reply.problem => Ok(None),
            Some(refusal) => Err(refusal.into_error(self.client.url())),
        }
    }

    /// Sends a request and answers with what came back; `text` makes a table of it.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn relay(&mut self, call: Call, text: impl FnOnce(&Value) -> String) -> Result<(), CliError> {
        let document = self.send(call).await?.json()?;
        self.answer(&document, &text(&document))
    }

    /// Answers with a document, or a text for people.
    ///
    /// # Errors
    /// [`Exit::Io`](super::Exit::Io).
    pub fn answer(&mut self, document: &Value, text: &str) -> Result<(), CliError> {
        self.format.write(self.out, document, text)
    }

    /// True when programs read along.
    #[must_use]
    pub const fn json(&self) -> bool {
        self.format.json
    }

    /// The server.
    #[must_use]
    pub fn url(&self) -> &str {
        self.client.url()
    }
}
