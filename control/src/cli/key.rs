//! `control key`: the private keys of this host. They never leave their directory.

use std::path::PathBuf;

use contracts::ids::KeyId;
use contracts::signing::KeyPurpose;
use rand::TryRngCore as _;

use super::out::{Format, Sink};
use super::place::ConfigArg;
use super::{CliError, Exit, OrExit, key_use};
use crate::keys::{self, KeyState, KeyringError, ListedKey};

/// Keys.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make the keys that are not there yet.
    Generate(GenerateArgs),
    /// List the keys and where each stands.
    List(ListArgs),
    /// Make a new key the active one of its purpose; the one before stays trusted.
    Rotate(RotateArgs),
    /// Stop trusting a key that is no longer active.
    Revoke(RevokeArgs),
}

#[derive(Debug, clap::Args)]
struct Place {
    #[command(flatten)]
    config: ConfigArg,
    /// The directory of the keys, instead of the one of the settings.
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
}

impl Place {
    fn folder(&self) -> Result<PathBuf, CliError> {
        match &self.keys {
            Some(folder) => Ok(folder.clone()),
            None => Ok(self.config.load()?.keys),
        }
    }

    fn answer(&self, listed: &[ListedKey], out: Sink<'_>) -> Result<(), CliError> {
        let text: String = listed.iter().map(line).collect();
        self.format.write(out, &listed, &text)
    }
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Keys that are there are kept: it may be run at every installation.

Examples:
  control key generate
  control key generate --keys state/keys --purpose vote")]
struct GenerateArgs {
    /// Only of this purpose; of all four without it.
    #[arg(long, value_enum, value_name = "PURPOSE")]
    purpose: Option<PurposeArg>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  control key list
  control key list --keys state/keys --json")]
struct ListArgs {
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Give the new .pub to every engine (trusted_keys) first, then restart `control serve`, then revoke the old one.

Examples:
  control key rotate --purpose contract")]
struct RotateArgs {
    /// Whose key.
    #[arg(long, value_enum, value_name = "PURPOSE")]
    purpose: PurposeArg,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Statements signed with it count no more: contracts that embed them are refused from then on, and models whose contract or votes it signed are
not rolled back to. While a slot's newest contract or directive depends on it, it is refused: deploy another model there, or halt the slot again
for a directive, and revoke then. A key that somebody else may hold is revoked at once with --although-in-use; such slots can still be halted.

Examples:
  control key revoke --purpose vote --id 0f3a…
  control key revoke --purpose vote --id 0f3a… --although-in-use")]
struct RevokeArgs {
    /// Whose key.
    #[arg(long, value_enum, value_name = "PURPOSE")]
    purpose: PurposeArg,
    /// Which, as `control key list` names it.
    #[arg(long, value_name = "ID")]
    id: KeyId,
    /// Also when a slot runs by it; the database is not asked.
    #[arg(long)]
    although_in_use: bool,
    #[command(flatten)]
    place: Place,
}

/// A purpose, on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum PurposeArg {
    /// Production contracts and directives.
    Contract,
    /// First votes.
    Backtest,
    /// What people decide.
    Vote,
    /// The audit chain.
    Audit,
}

impl From<PurposeArg> for KeyPurpose {
    fn from(purpose: PurposeArg) -> Self {
        match purpose {
            PurposeArg::Contract => Self::Contract,
            PurposeArg::Backtest => Self::Backtest,
            PurposeArg::Vote => Self::Vote,
            PurposeArg::Audit => Self::Audit,
        }
    }
}

/// Runs the verb.
///
/// # Errors
/// [`Exit::Io`] when the directory cannot be used, [`Exit::Refused`] for a key that cannot be used or not be revoked,
/// [`Exit::Unavailable`] without random bytes.
pub fn run(args: &Args, out: Sink<'_>) -> Result<(), CliError> {
    match &args.verb {
        Verb::Generate(args) => generate(args, out),
        Verb::List(args) => args.place.answer(&listed(&args.place)?, out),
        Verb::Rotate(args) => rotate(args, out),
        Verb::Revoke(args) => revoke(args, out),
    }
}

fn generate(args: &GenerateArgs, out: Sink<'_>) -> Result<(), CliError> {
    let folder = args.place.folder()?;
    let wanted = |purpose: &KeyPurpose| args.purpose.is_none_or(|one| KeyPurpose::from(one) == *purpose);
    for purpose in keys::PURPOSES.into_iter().filter(wanted) {
        if !has_active(&listed(&args.place)?, purpose) {
            keys::generate(&folder, purpose, seed()?).map_err(unusable)?;
        }
    }
    args.place.answer(&listed(&args.place)?, out)
}

fn rotate(args: &RotateArgs, out: Sink<'_>) -> Result<(), CliError> {
    let purpose = args.purpose.into();
    if !has_active(&listed(&args.place)?, purpose) {
        return Err(CliError::new(
            Exit::Refused,
            format!("there is no {purpose} key to rotate"),
            "run `control key generate`",
        ));
    }
    keys::generate(&args.place.folder()?, purpose, seed()?).map_err(unusable)?;
    args.place.answer(&listed(&args.place)?, out)
}

fn revoke(args: &RevokeArgs, out: Sink<'_>) -> Result<(), CliError> {
    let purpose = args.purpose.into();
    if !args.although_in_use {
        let database = args.place.config.load()?.database;
        let used = key_use::dependents(&database, &args.place.folder()?, purpose, &args.id)?;
        if !used.is_empty() {
            return Err(CliError::new(
                Exit::Refused,
                format!(
                    "{} is in use: without it, these do not verify: {}",
                    args.id,
                    used.join(", ")
                ),
                "replace them first; a key that somebody else may hold is revoked at once with --although-in-use",
            ));
        }
    }
    if !keys::revoke(&args.place.folder()?, purpose, &args.id).map_err(unusable)? {
        return Err(CliError::new(
            Exit::Refused,
            format!("{} is no {purpose} key that can be revoked", args.id),
            "`control key list` names them; an active one is rotated first",
        ));
    }
    args.place.answer(&listed(&args.place)?, out)
}

fn listed(place: &Place) -> Result<Vec<ListedKey>, CliError> {
    keys::list(&place.folder()?).map_err(unusable)
}

fn has_active(listed: &[ListedKey], purpose: KeyPurpose) -> bool {
    listed
        .iter()
        .any(|key| key.purpose == purpose && key.state == KeyState::Active)
}

fn line(key: &ListedKey) -> String {
    let state = match key.state {
        KeyState::Active => "active",
        KeyState::Trusted => "trusted",
        KeyState::Revoked => "revoked",
    };
    let purpose = key.purpose.to_string();
    format!(
        "{purpose:<9} {state:<8} {}  {}\n",
        key.key_id,
        key.public.display()
    )
}

fn seed() -> Result<[u8; 32], CliError> {
    let mut seed = [0; 32];
    rand::rngs::OsRng.try_fill_bytes(&mut seed).or_exit(
        Exit::Unavailable,
        "the system gives no random bytes",
        "",
    )?;
    Ok(seed)
}

fn unusable(error: KeyringError) -> CliError {
    let exit = match error {
        KeyringError::Io { .. } => Exit::Io,
        KeyringError::File(_) | KeyringError::NoActive { .. } | KeyringError::Active { .. } => Exit::Refused,
    };
    CliError::new(
        exit,
        "the keys cannot be used",
        "check the directory, its owner and its rights",
    )
    .caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::super::testing::control;
    use super::*;

    fn ids(said: &str, state: &str) -> Vec<String> {
        let listed: Vec<serde_json::Value> = serde_json::from_str(said).unwrap();
        let of_state = listed.iter().filter(|key| key["state"] == state);
        of_state
            .map(|key| key["key_id"].as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn keys_are_made_once_rotated_and_revoked() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("keys");
        let place = ["--keys", place.to_str().unwrap(), "--json"];
        let run = |words: &[&str]| control(&[&["key"], words, &place].concat());

        let made = run(&["generate"]).unwrap();
        assert_eq!(ids(&made, "active").len(), 4);
        assert_eq!(
            run(&["generate"]).unwrap(),
            made,
            "done again, it changes nothing"
        );
        let rotated = run(&["rotate", "--purpose", "vote"]).unwrap();
        let (active, old) = (ids(&rotated, "active"), ids(&rotated, "trusted"));
        assert_eq!((active.len(), old.len()), (4, 1));
        assert!(ids(&made, "active").contains(&old[0]) && !active.contains(&old[0]));

        let new = active
            .iter()
            .find(|id| !ids(&made, "active").contains(id))
            .unwrap();
        let (_, error) = run(&["revoke", "--purpose", "vote", "--id", new, "--although-in-use"]).unwrap_err();
        assert_eq!(error.exit(), Exit::Refused);
        let revoke_old = ["revoke", "--purpose", "vote", "--id", &old[0]];
        let unseen = [&revoke_old[..], &["--config", "/nowhere/control.toml"]].concat();
        let (_, error) = run(&unseen).unwrap_err();
        assert_eq!(error.exit(), Exit::NoInput, "nobody knows what depends on it");
        let revoked = run(&[&revoke_old[..], &["--although-in-use"]].concat()).unwrap();
        assert_eq!(ids(&revoked, "revoked"), old);
        assert_eq!(run(&["list"]).unwrap(), revoked);
    }

    #[test]
    fn what_is_not_there_is_not_rotated() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().to_str().unwrap();
        let (_, error) = control(&["key", "rotate", "--purpose", "audit", "--keys", place]).unwrap_err();
        assert_eq!(error.exit(), Exit::Refused);
        let (_, error) = control(&["key", "list", "--config", "/nowhere/control.toml"]).unwrap_err();
        assert_eq!(error.exit(), Exit::NoInput);
    }
}
