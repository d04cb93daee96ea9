//! `control token`: what programs show instead of a password.

use contracts::hash::TokenHash;
use contracts::ids::{PersonId, SlotId};
use serde_json::json;

use super::out::Sink;
use super::remote::{Call, ServerArgs, Who};
use super::table::{fields, table};
use super::{CliError, Exit};
use crate::auth::Scope;

/// Tokens.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make a token; its secret is shown once.
    Create(CreateArgs),
    /// List all tokens, without their secrets.
    List(ListArgs),
    /// Revoke a token.
    Revoke(RevokeArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Scopes: signals:read, positions:write, engine:sync, metrics:read, research:write. The owner must have a role that permits the scope.
The secret is in the answer and nowhere else: keep it in a file with mode 0600, and name that file with --token-file or CONTROL_TOKEN_FILE.

Examples:
  control token create --owner engine-1 --name host-a --scopes engine:sync --slot usdcop-5m --days 90
  control token create --owner olga --name desk --scopes signals:read,positions:write --days 90 --engine
  control token create --owner rita --name pipeline --scopes research:write --days 30 --json")]
struct CreateArgs {
    /// Whose it is: what it does counts as theirs.
    #[arg(long, value_name = "NAME")]
    owner: PersonId,
    /// What it is for.
    #[arg(long, value_name = "TEXT")]
    name: String,
    /// What it may be used for.
    #[arg(long, value_name = "SCOPE,…", value_delimiter = ',', required = true)]
    scopes: Vec<Scope>,
    /// The only slot it is good for; an engine's token needs one.
    #[arg(long, value_name = "SLOT")]
    slot: Option<SlotId>,
    /// Days until it runs out, at most 366.
    #[arg(long, value_name = "DAYS")]
    days: u32,
    /// Print its entry of engine.toml too: an engine checks its clients by itself, so that it needs nobody for that.
    #[arg(long, conflicts_with = "slot")]
    engine: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  control token list
  control token list --json")]
struct ListArgs {
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Streams that were opened with it end within seconds.

Examples:
  control token revoke tok-0f3a")]
struct RevokeArgs {
    /// Which, as `control token list` names it.
    #[arg(value_name = "ID", value_parser = token_id)]
    id: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// What the server takes for an id; `..` would be another path.
fn token_id(text: &str) -> Result<String, String> {
    let id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !text.is_empty() && text.bytes().all(id) {
        return Ok(text.to_owned());
    }
    Err("an id has letters, digits and -".to_owned())
}

/// An engine's clients read signals and metrics and report positions; what else a token may do is not the engine's to check.
fn for_engines(scopes: &[Scope]) -> Result<(), CliError> {
    let other = |scope: &&Scope| {
        !matches!(
            scope,
            Scope::SignalsRead | Scope::PositionsWrite | Scope::MetricsRead
        )
    };
    match scopes.iter().find(other) {
        None => Ok(()),
        Some(scope) => Err(CliError::new(
            Exit::Usage,
            format!("an engine does not know the scope {}", scope.word()),
            "with --engine give signals:read, positions:write or metrics:read",
        )),
    }
}

/// What goes into engine.toml: the token's hash, not the token.
fn entry(args: &CreateArgs, made: &serde_json::Value) -> String {
    let hash = TokenHash::of(made["token"].as_str().unwrap_or_default().as_bytes());
    // A JSON text of these is a TOML text.
    let (name, scopes, until) = (json!(args.name), json!(args.scopes), &made["expires_at"]);
    format!(
        "For engine.toml:\n\n[[tokens]]\nname = {name}\nsha256 = \"{hash}\"\nscopes = {scopes}\nexpires = {until}\n"
    )
}

/// Runs the verb.
///
/// # Errors
/// See [`super::remote`].
pub fn run(args: &Args, out: Sink<'_>) -> Result<(), CliError> {
    match &args.verb {
        Verb::Create(args) => {
            if args.engine {
                for_engines(&args.scopes)?;
            }
            let body = json!({"owner": args.owner, "name": args.name, "scopes": args.scopes, "slot": args.slot,
                "days": args.days});
            let made = |made: &serde_json::Value| {
                let entry = if args.engine {
                    entry(args, made)
                } else {
                    String::new()
                };
                let made = fields(
                    made,
                    &[("id", "/token_id"), ("until", "/expires_at"), ("token", "/token")],
                );
                format!("{made}The token is not shown again.\n{entry}")
            };
            args.server
                .ask(Who::Person, Call::post(&["api", "tokens"], body), made, out)
        }
        Verb::List(args) => {
            let columns = [
                ("ID", "/token_id"),
                ("OWNER", "/owner"),
                ("NAME", "/name"),
                ("SCOPES", "/scopes"),
                ("SLOT", "/slot"),
                ("UNTIL", "/expires_at"),
                ("LAST USED", "/last_used_at"),
                ("REVOKED", "/revoked_at"),
            ];
            args.server.ask(
                Who::Person,
                Call::get(&["api", "tokens"]),
                |found| table(&found["tokens"], &columns),
                out,
            )
        }
        Verb::Revoke(args) => {
            let call = Call::post_empty(&["api", "tokens", &args.id, "revoke"]);
            let document = json!({"token_id": args.id, "revoked": true});
            args.server
                .change(call, &document, &format!("{} is revoked\n", args.id), out)
        }
    }
}
