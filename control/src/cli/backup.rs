//! `control backup` and `control restore`: the store and the artifacts, never keys.

use std::path::PathBuf;
use std::sync::Arc;

use super::out::{Format, Sink};
use super::place::ConfigArg;
use super::{CliError, Exit, OrExit, block_on};
use crate::app::App;
use crate::artifacts::DirectoryStore;
use crate::backup::{self, BackupError, RestoreError, Restored};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::keys::Keyring;
use crate::store::Store;

/// Options of `control backup`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The plane may serve meanwhile: the backup is of one moment. Private keys are not in it; keep them elsewhere. Logins are not in it either.

Examples:
  control backup /mnt/safe/2026-11-23
  control backup /mnt/safe/2026-11-23.tar --json")]
pub struct BackupArgs {
    /// A folder, or with the ending .tar a file, that is not there yet.
    #[arg(value_name = "DIR|FILE")]
    target: PathBuf,
    #[command(flatten)]
    place: ConfigArg,
    #[command(flatten)]
    format: Format,
}

/// Options of `control restore`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The database and the artifact store of the settings must be empty; a backup of SQLite goes into PostgreSQL and back. Everything is
checked first. Contracts and directives go on above the highest numbers an engine had reported; where engines have gone on since the
backup was taken, give the highest number any of them shows with --floor, or wait for its first heartbeat, which raises them as well.
Tokens and users that were removed since the backup are there again: revoke and disable them before engines and people connect.

Examples:
  control key generate && control restore /mnt/safe/2026-11-23
  control restore /mnt/safe/2026-11-23.tar --floor 1200")]
pub struct RestoreArgs {
    /// What `control backup` wrote.
    #[arg(value_name = "DIR|FILE")]
    source: PathBuf,
    /// The next contract and directive of every slot have numbers above this.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=FLOOR_MAX))]
    floor: u64,
    #[command(flatten)]
    place: ConfigArg,
    #[command(flatten)]
    format: Format,
}

/// Above this numbers have no exact form in JSON; nobody gives so many.
const FLOOR_MAX: u64 = 1 << 50;

/// Runs `control backup`.
///
/// # Errors
/// [`Exit::Refused`] when the target is there already, [`Exit::Data`] for an artifact that was altered, [`Exit::Io`] when a file cannot
/// be written, [`Exit::Unavailable`] for a database that does not answer.
pub fn backup(args: &BackupArgs, out: Sink<'_>) -> Result<(), CliError> {
    let config = args.place.load()?;
    let artifacts = DirectoryStore::new(&config.artifacts);
    let written = block_on(async {
        let store = open(&config).await?;
        let written = backup::write(&store, &artifacts, &SystemClock, &args.target).await;
        written.map_err(|error| {
            let exit = match &error {
                BackupError::Exists(_) => Exit::Refused,
                BackupError::Artifact(_) => Exit::Data,
                BackupError::File(_) => Exit::Io,
                BackupError::Store(_) => Exit::Unavailable,
            };
            CliError::new(
                exit,
                "there is no backup",
                "see the reason; nothing was left behind",
            )
            .caused_by(error)
        })
    })??;
    let rows: u64 = written.tables.iter().map(|table| table.rows).sum();
    let text = format!(
        "{rows} rows of {} tables and {} artifacts are in {}\n",
        written.tables.len(),
        written.artifacts.len(),
        args.target.display()
    );
    args.format.write(out, &written, &text)
}

/// Runs `control restore`.
///
/// # Errors
/// [`Exit::Refused`] for a target that is not empty or keys that cannot be used, [`Exit::Data`] for a damaged backup, [`Exit::NoInput`]
/// for one that cannot be read, [`Exit::Unavailable`] for a database that does not answer, [`Exit::Differs`] when rows of the backup
/// had been edited by hand before it was taken.
pub fn restore(args: &RestoreArgs, out: Sink<'_>) -> Result<(), CliError> {
    let config = args.place.load()?;
    let keys = Keyring::load(&config.keys).or_exit(
        Exit::Refused,
        "the signing keys cannot be used",
        "bring the keys back first: their audit key must be the one that signed the backup's chain, or be trusted beside it",
    )?;
    let restored = block_on(async {
        let store = open(&config).await?;
        let artifacts = Arc::new(DirectoryStore::new(&config.artifacts));
        let app = App::new(store, artifacts, keys, Arc::new(SystemClock), Arc::new(config));
        backup::restore(&app, &args.source, args.floor)
            .await
            .map_err(refused)
    })??;
    args.format.write(out, &restored, &text(&restored))?;
    if restored.report.is_whole() {
        return Ok(());
    }
    Err(CliError::new(
        Exit::Differs,
        "it is restored, and something in it is not as its audit chain says",
        "`control audit verify` names it: it was so when the backup was taken",
    ))
}

fn refused(error: RestoreError) -> CliError {
    if let RestoreError::Unfinished(error) = error {
        return CliError::new(
            Exit::Io,
            "the rows are restored, what comes after them failed",
            "mend what the reason names, then run `control audit verify`",
        )
        .caused_by(*error);
    }
    let (exit, remedy) = match &error {
        RestoreError::File(_) => (Exit::NoInput, "check the path and its rights"),
        RestoreError::Damaged { .. } | RestoreError::Chain(_) => (Exit::Data, "take another backup"),
        RestoreError::NotEmpty(_) => (
            Exit::Refused,
            "name an empty database and an empty folder of artifacts",
        ),
        RestoreError::Artifact(_) | RestoreError::Heads(_) | RestoreError::Unfinished(_) => {
            (Exit::Io, "check the folder and its rights")
        }
        RestoreError::Audit(_) | RestoreError::Store(_) => {
            (Exit::Unavailable, "check that the database runs")
        }
    };
    CliError::new(exit, "nothing was restored", remedy).caused_by(error)
}

async fn open(config: &Config) -> Result<Store, CliError> {
    let unavailable = "check its URL and that it runs";
    let store = Store::open(&config.database).await;
    let store = store.or_exit(Exit::Unavailable, "the database cannot be opened", unavailable)?;
    let migrated = store.migrate().await;
    migrated.or_exit(
        Exit::Unavailable,
        "the schema cannot be brought up to date",
        unavailable,
    )?;
    Ok(store)
}

fn text(restored: &Restored) -> String {
    let mut text = format!(
        "{} rows and {} artifacts are restored\n",
        restored.rows, restored.artifacts
    );
    for floor in &restored.floors {
        text.push_str(&format!(
            "slot {}: contracts go on above {}, directives above {}\n",
            floor.slot, floor.generation, floor.directive_number
        ));
    }
    if let Some(path) = &restored.old_heads {
        text.push_str(&format!(
            "the heads of the chain before are kept in {}\n",
            path.display()
        ));
    }
    text.push_str(&restored.report.told());
    text
}
