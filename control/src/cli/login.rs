//! `control login`, `logout`, `whoami` and `setup`: sessions of people.

use serde_json::json;

use super::out::Sink;
use super::prompt::PasswordArgs;
use super::remote::{Call, Login, ServerArgs, Who};
use super::table::fields;
use super::{CliError, Exit, block_on};
use contracts::ids::PersonId;

/// Options of `control login`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The session is kept in a file that only you can read (0600) and goes to that server only. It ends after 12 hours, or 30 minutes without use;
votes, promotions, rollbacks and resumes need a login of the last 15 minutes. Exit code 77 for a wrong name or password.

Examples:
  control login --user vera
  control login --url https://control.example --user vera --password-stdin < password.txt")]
pub struct LoginArgs {
    /// Who you are.
    #[arg(long, value_name = "NAME")]
    user: PersonId,
    #[command(flatten)]
    password: PasswordArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Begins a session and keeps it.
///
/// # Errors
/// [`Exit::Refused`] for a wrong password, [`Exit::Io`] when the session cannot be kept; see [`super::remote`].
pub fn login(args: &LoginArgs, out: Sink<'_>) -> Result<(), CliError> {
    let path = args.server.path()?;
    let mut remote = args.server.remote(Who::Nobody, out)?;
    let question = format!("Password of {} at {}: ", args.user, remote.url());
    let password = args.password.present(&question)?;
    block_on(async {
        let body = json!({"username": args.user, "password": password});
        let reply = remote.send(Call::post(&["api", "login"], body)).await?;
        let document = reply.json()?;
        let text = |name: &str| document[name].as_str().map(str::to_owned);
        let login = || {
            Some(Login {
                url: remote.url().to_owned(),
                username: text("username")?,
                cookie: reply.cookie.clone()?,
                csrf: text("csrf")?,
                expires_at: text("expires_at")?,
            })
        };
        let login = login().ok_or_else(|| {
            CliError::new(
                Exit::Unavailable,
                "the answer is no session",
                "check that --url names a `control serve` of this version",
            )
        })?;
        login.write(&path)?;
        let shown = json!({"url": login.url, "username": login.username, "roles": document["roles"],
            "expires_at": login.expires_at, "kept_in": path});
        let text = fields(
            &shown,
            &[
                ("logged in as", "/username"),
                ("roles", "/roles"),
                ("at", "/url"),
                ("until", "/expires_at"),
            ],
        );
        remote.answer(&shown, &text)
    })?
}

/// Options of `control logout`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The session ends at the server, and the file is removed.

Examples:
  control logout")]
pub struct LogoutArgs {
    #[command(flatten)]
    server: ServerArgs,
}

/// Ends the session.
///
/// # Errors
/// See [`super::remote`].
pub fn logout(args: &LogoutArgs, out: Sink<'_>) -> Result<(), CliError> {
    let path = args.server.path()?;
    let mut remote = args.server.remote(Who::Person, out)?;
    block_on(async {
        remote.send(Call::post_empty(&["api", "logout"])).await?;
        // The session is over: a file that stays is of no use to anybody.
        drop(std::fs::remove_file(path));
        remote.answer(&json!({"logged_out": true}), "logged out\n")
    })?
}

/// Options of `control whoami`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
With a token it says whose it is and what it may be used for.

Examples:
  control whoami
  control whoami --token-file token.txt --json")]
pub struct WhoamiArgs {
    #[command(flatten)]
    server: ServerArgs,
}

/// Says who asks.
///
/// # Errors
/// See [`super::remote`].
pub fn whoami(args: &WhoamiArgs, out: Sink<'_>) -> Result<(), CliError> {
    let mut remote = args.server.remote(Who::Anybody, out)?;
    block_on(async {
        let mut document = remote.send(Call::get(&["api", "session"])).await?.json()?;
        // The value that guards the session is no information.
        if let Some(document) = document.as_object_mut() {
            document.remove("csrf");
        }
        let text = fields(
            &document,
            &[
                ("name", "/username"),
                ("email", "/email"),
                ("roles", "/roles"),
                ("password given", "/authenticated_at"),
                ("token", "/token/token_id"),
                ("scopes", "/token/scopes"),
                ("slot", "/token/slot"),
            ],
        );
        remote.answer(&document, &text)
    })?
}

/// Options of `control setup`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
`control serve` prints the link on a store without users. A password has 12 to 256 bytes.

Examples:
  control setup --link setup_… --user ada --email ada@example.org")]
pub struct SetupArgs {
    /// What `control serve` printed; works once, and for an hour.
    #[arg(long, env = "CONTROL_SETUP_LINK", value_name = "LINK", hide_env_values = true)]
    link: String,
    /// Name of the first admin.
    #[arg(long, value_name = "NAME")]
    user: PersonId,
    /// For notifications.
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    #[command(flatten)]
    password: PasswordArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Makes the first admin.
///
/// # Errors
/// [`Exit::Refused`] for a link that is spent or too old; see [`super::remote`].
pub fn setup(args: &SetupArgs, out: Sink<'_>) -> Result<(), CliError> {
    let mut remote = args.server.remote(Who::Nobody, out)?;
    let password = args
        .password
        .new_one(&format!("New password of {}: ", args.user))?;
    block_on(async {
        let body =
            json!({"link": args.link, "username": args.user, "email": args.email, "password": password});
        remote.send(Call::post(&["api", "setup"], body)).await?;
        let text = format!("{} is the first admin: `control login --user {0}`\n", args.user);
        remote.answer(&json!({"username": args.user, "roles": ["admin"]}), &text)
    })?
}
