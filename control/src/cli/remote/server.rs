//! Which server, and who asks.

use std::path::PathBuf;

use serde_json::Value;

use super::Remote;
use super::client::{Call, Client, Identity};
use super::login_file::{Login, default_path};
use crate::cli::out::{Format, Sink};
use crate::cli::{CliError, Exit, OrExit, block_on};

/// The server of the shipped settings.
const URL_DEFAULT: &str = "http://127.0.0.1:9200";
/// The variable that holds a token: a command line would show it to everybody on the machine.
const TOKEN_VARIABLE: &str = "CONTROL_TOKEN";

/// Names the server and the login.
#[derive(Debug, Clone, clap::Args)]
pub struct ServerArgs {
    /// The server; without it the one of `control login`, else http://127.0.0.1:9200.
    #[arg(long, env = "CONTROL_URL", value_name = "URL")]
    url: Option<String>,
    /// Where the login is kept; ~/.local/state/twovote/control-login.json without it.
    #[arg(long, env = "CONTROL_SESSION", value_name = "FILE")]
    session: Option<PathBuf>,
    /// A file with a token, for programs; CONTROL_TOKEN may hold the token itself. What needs a password login takes none.
    #[arg(long, env = "CONTROL_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
}

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Nobody has to show anything.
    Nobody,
    /// A person with a login; a token that lies about is left alone.
    Person,
    /// A program with a token, else a person.
    Anybody,
}

impl ServerArgs {
    /// A connection to the server.
    ///
    /// # Errors
    /// [`Exit::Refused`] without a login, [`Exit::Usage`] for a URL that cannot be used, and for a login file as [`Login::read`].
    pub fn remote<'a>(&self, who: Who, out: Sink<'a>) -> Result<Remote<'a>, CliError> {
        let (url, identity) = self.identify(who)?;
        Ok(Remote {
            client: Client::new(&url, identity)?,
            format: self.format,
            out,
        })
    }

    /// One request, its answer as JSON or as `said` puts it.
    ///
    /// # Errors
    /// As [`Self::remote`] and [`Remote::relay`].
    pub fn ask(
        &self,
        who: Who,
        call: Call,
        said: impl FnOnce(&Value) -> String,
        out: Sink<'_>,
    ) -> Result<(), CliError> {
        let mut remote = self.remote(who, out)?;
        block_on(remote.relay(call, said))?
    }

    /// A change by a person that the server answers with silence.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn change(&self, call: Call, document: &Value, said: &str, out: Sink<'_>) -> Result<(), CliError> {
        let mut remote = self.remote(Who::Person, out)?;
        block_on(async {
            remote.send(call).await?;
            remote.answer(document, said)
        })?
    }

    fn identify(&self, who: Who) -> Result<(String, Identity), CliError> {
        let named = self.url.as_deref().map(|url| url.trim_end_matches('/'));
        let token = match who {
            Who::Anybody => self.token()?,
            Who::Nobody | Who::Person => None,
        };
        if let Some(token) = token {
            return Ok((named.unwrap_or(URL_DEFAULT).to_owned(), Identity::Token(token)));
        }
        if who == Who::Nobody {
            return Ok((named.unwrap_or(URL_DEFAULT).to_owned(), Identity::Nobody));
        }
        let kept = match self.path() {
            Ok(path) => Login::read(&path)?,
            Err(_) => None,
        };
        let login = kept.filter(|login| named.is_none_or(|url| url == login.url));
        let login = login.ok_or_else(|| {
            let url = named.unwrap_or(URL_DEFAULT);
            CliError::new(
                Exit::Refused,
                format!("nobody is logged in at {url}"),
                format!("run `control login --url {url} --user NAME`"),
            )
        })?;
        Ok((login.url.clone(), Identity::Person(login)))
    }

    fn token(&self) -> Result<Option<String>, CliError> {
        let Some(path) = &self.token_file else {
            let token = std::env::var(TOKEN_VARIABLE).ok();
            return Ok(token
                .map(|token| token.trim().to_owned())
                .filter(|token| !token.is_empty()));
        };
        let token = std::fs::read_to_string(path).or_exit(
            Exit::NoInput,
            format!("cannot read the token file {}", path.display()),
            "check --token-file or CONTROL_TOKEN_FILE",
        )?;
        Ok(Some(token.trim().to_owned()))
    }

    /// Where the login is kept.
    ///
    /// # Errors
    /// [`Exit::Usage`] when neither an option nor the environment says where.
    pub fn path(&self) -> Result<PathBuf, CliError> {
        self.session.clone().or_else(default_path).ok_or_else(|| {
            CliError::new(
                Exit::Usage,
                "there is no place for the login",
                "name a file with --session or CONTROL_SESSION, or set HOME",
            )
        })
    }
}
