//! `control user`: people and what they may do.

use contracts::ids::PersonId;
use serde_json::json;

use super::CliError;
use super::out::Sink;
use super::prompt::PasswordArgs;
use super::remote::{Call, ServerArgs, Who};
use super::table::table;
use crate::auth::Role;

/// Users.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make a user.
    Add(AddArgs),
    /// List all users.
    List(ListArgs),
    /// Give a user other roles.
    Role(RoleArgs),
    /// Disable a user for ever and end their sessions.
    Disable(DisableArgs),
    /// Change your own password; all your sessions end.
    Passwd(PasswdArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Roles: viewer reads; researcher registers experiments and models; approver casts second votes; operator halts, resumes, rolls back; admin
makes users and tokens; engine owns an engine's token. A password has 12 to 256 bytes.

Examples:
  control user add vera --roles approver,operator --email vera@example.org
  control user add engine-1 --roles engine --password-stdin < password.txt")]
struct AddArgs {
    /// Name, once for ever.
    name: PersonId,
    /// What they may do.
    #[arg(long, value_name = "ROLE,…", value_delimiter = ',', required = true)]
    roles: Vec<Role>,
    /// For notifications.
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    #[command(flatten)]
    password: PasswordArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  control user list
  control user list --json")]
struct ListArgs {
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The roles given replace those the user has. The last admin keeps that role.

Examples:
  control user role vera --roles approver")]
struct RoleArgs {
    /// Who.
    name: PersonId,
    /// What they may do from now on.
    #[arg(long, value_name = "ROLE,…", value_delimiter = ',', required = true)]
    roles: Vec<Role>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
A disabled user stays in the records and never comes back; their tokens stop working too.

Examples:
  control user disable vera")]
struct DisableArgs {
    /// Who.
    name: PersonId,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
With --password-stdin the first line is the present password and the second the next.

Examples:
  control user passwd")]
struct PasswdArgs {
    #[command(flatten)]
    password: PasswordArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Runs the verb.
///
/// # Errors
/// See [`super::remote`].
pub fn run(args: &Args, out: Sink<'_>) -> Result<(), CliError> {
    match &args.verb {
        Verb::Add(args) => add(args, out),
        Verb::List(args) => list(args, out),
        Verb::Role(args) => {
            let path = ["api", "users", args.name.as_str(), "roles"];
            let call = Call::post(&path, json!({"roles": args.roles}));
            let words: Vec<&str> = args.roles.iter().map(|role| role.word()).collect();
            let said = format!("{} is now {}\n", args.name, words.join(", "));
            args.server.change(
                call,
                &json!({"username": args.name, "roles": args.roles}),
                &said,
                out,
            )
        }
        Verb::Disable(args) => {
            let call = Call::post_empty(&["api", "users", args.name.as_str(), "disable"]);
            let said = format!("{} is disabled\n", args.name);
            args.server.change(
                call,
                &json!({"username": args.name, "disabled": true}),
                &said,
                out,
            )
        }
        Verb::Passwd(args) => {
            let present = args.password.present("Present password: ")?;
            let next = args.password.new_one("New password: ")?;
            let call = Call::post(
                &["api", "session", "password"],
                json!({"present": present, "next": next}),
            );
            let said = "the password is changed; all sessions have ended: `control login`\n";
            args.server.change(call, &json!({"changed": true}), said, out)
        }
    }
}

fn add(args: &AddArgs, out: Sink<'_>) -> Result<(), CliError> {
    let password = args.password.new_one(&format!("Password of {}: ", args.name))?;
    let body = json!({"username": args.name, "email": args.email, "password": password, "roles": args.roles});
    let call = Call::post(&["api", "users"], body);
    let said = format!("{} is made\n", args.name);
    args.server.change(
        call,
        &json!({"username": args.name, "roles": args.roles}),
        &said,
        out,
    )
}

fn list(args: &ListArgs, out: Sink<'_>) -> Result<(), CliError> {
    let columns = [
        ("NAME", "/username"),
        ("ROLES", "/roles"),
        ("EMAIL", "/email"),
        ("SINCE", "/created_at"),
        ("DISABLED", "/disabled_at"),
    ];
    args.server.ask(
        Who::Person,
        Call::get(&["api", "users"]),
        |found| table(&found["users"], &columns),
        out,
    )
}
