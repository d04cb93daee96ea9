//! `control migrate`: the schema, brought up to date.

use super::out::{Format, Sink};
use super::place::ConfigArg;
use super::{CliError, Exit, block_on};
use crate::store::{OpenError, Store};

/// Options of `control migrate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Done again, it changes nothing. `control serve` does it too; this is for those who want it done before.

Examples:
  control migrate
  control migrate --database sqlite:state/control.db
  control migrate --database postgres://control@localhost/control --json")]
pub struct Args {
    #[command(flatten)]
    place: ConfigArg,
    /// The database, instead of the one of the settings.
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    #[command(flatten)]
    format: Format,
}

/// Runs the verb.
///
/// # Errors
/// [`Exit::Config`] for a URL that names no database, [`Exit::Unavailable`] when it does not answer, [`Exit::Data`] for a schema that is
/// newer than this program.
pub fn run(args: &Args, out: Sink<'_>) -> Result<(), CliError> {
    let url = match &args.database {
        Some(url) => url.clone(),
        None => args.place.load()?.database,
    };
    let dialect = block_on(async {
        let store = Store::open(&url).await?;
        store.migrate().await?;
        Ok::<_, OpenError>(store.dialect())
    })?;
    let dialect = dialect.map_err(|error| {
        let exit = match error {
            OpenError::Url { .. } => Exit::Config,
            OpenError::Connect(_) => Exit::Unavailable,
            OpenError::Migrate(_) => Exit::Data,
        };
        CliError::new(
            exit,
            "the database cannot be brought up to date",
            "check its URL, that it runs, and that no newer version has migrated it",
        )
        .caused_by(error)
    })?;
    let word = format!("{dialect:?}").to_lowercase();
    let document = serde_json::json!({"database": word, "schema": "current"});
    args.format
        .write(out, &document, &format!("{word}: the schema is up to date\n"))
}
