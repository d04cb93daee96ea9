//! The demo's control plane: its settings, its people, and its command line in the name of one of them.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::children::Children;
use super::json::value_of;
use super::settings::{self, quoted};
use super::{INSTRUMENT, START_SECONDS, free_address, program};
use crate::runner;

/// Everybody there is, and what they may do. Who researches does not approve: nobody approves a model of their own.
const PEOPLE: [(&str, &str); 4] = [
    ("rita", "researcher"),
    ("vera", "approver"),
    ("olga", "operator"),
    ("motor", "engine"),
];
/// The first admin.
const ADMIN: &str = "ada";
/// Bytes of chance in a password; twice as many characters.
const PASSWORD_BYTES: usize = 12;

/// A served control.
pub struct Plane {
    programs: PathBuf,
    folder: PathBuf,
    /// Where it answers.
    pub url: String,
    /// Of everybody: it opens a port of this machine for as long as the demo runs.
    pub password: String,
}

impl Plane {
    /// Makes keys, starts `control serve` on a fresh store and makes the people.
    pub fn start(children: &mut Children, programs: &Path, folder: &Path) -> Result<Self, String> {
        let address = free_address()?;
        let config = folder.join("control.toml");
        write(&config, settings::control(folder, &address).as_bytes())?;
        let settings = config.to_string_lossy().into_owned();
        runner::run(
            program(programs, "control", &["key", "generate", "--config", &settings]).stdout(Stdio::null()),
        )?;
        let serve = &mut program(programs, "control", &["serve", "--config", &settings]);
        children.start("control", serve)?;
        let said = children.wait_for_line("control", "listening on", START_SECONDS)?;
        let plane = Self {
            programs: programs.to_owned(),
            folder: folder.to_owned(),
            url: format!("http://{address}"),
            password: password()?,
        };
        let link = said
            .split("--link ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next());
        let link = link.ok_or("`control serve` printed no link for the first admin")?;
        plane.told(&mut plane.command(
            ADMIN,
            &["setup", "--link", link, "--user", ADMIN, "--password-stdin"],
        ))?;
        plane.login(ADMIN)?;
        for (name, role) in PEOPLE {
            plane.told(
                &mut plane.command(ADMIN, &["user", "add", name, "--roles", role, "--password-stdin"]),
            )?;
        }
        Ok(plane)
    }

    /// `control …` as this person; where it prints to is the caller's to say.
    pub fn command(&self, who: &str, words: &[&str]) -> Command {
        let mut command = program(&self.programs, "control", words);
        command
            .args(["--url", &self.url, "--session"])
            .arg(self.folder.join(format!("{who}.session")));
        command
    }

    /// Logs somebody in.
    pub fn login(&self, who: &str) -> Result<(), String> {
        self.told(&mut self.command(who, &["login", "--user", who, "--password-stdin"]))
    }

    /// Writes the token that the engine shows; the file is its owner's alone.
    pub fn engine_token(&self, path: &Path) -> Result<(), String> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let words = [
            "token",
            "create",
            "--owner",
            "motor",
            "--name",
            "demo",
            "--scopes",
            "engine:sync",
            "--slot",
            settings::SLOT,
            "--days",
            "1",
            "--json",
        ];
        let said = self.answer(&mut self.command(ADMIN, &words))?;
        let token = value_of(&said, "token").ok_or("the new token is not shown")?;
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path);
        file.and_then(|mut file| file.write_all(token.as_bytes()))
            .map_err(failed)
    }

    /// Hands the rows of two files in; what the sources are is said by the source files.
    pub fn ingest(&self, kind: &str, source: &Path, file: &Path) -> Result<(), String> {
        let mut command = self.command("rita", &["ingest", kind]);
        command.arg("--source").arg(source).arg("--file").arg(file);
        if kind == "bars" {
            command
                .arg("--calendars")
                .arg(runner::root().join("config").join("calendars"));
        }
        runner::run(command.stdout(std::io::stderr()))
    }

    /// Dataset, training and first vote; the ids of proposal and model.
    pub fn research(&self, experiment: &Path) -> Result<(String, String), String> {
        let mut command = self.command("rita", &["pipeline", "run", "--json"]);
        command
            .arg("--experiment")
            .arg(experiment)
            .arg("--work")
            .arg(self.folder.join("work"));
        let said = self.answer(&mut command)?;
        let ids = value_of(&said, "proposal_id").zip(value_of(&said, "model_id"));
        ids.ok_or_else(|| format!("there is no proposal: {said}"))
    }

    /// Shows the proposal to whoever watches; the digest of its evidence.
    pub fn show(&self, proposal: &str) -> Result<String, String> {
        let words = ["proposal", "show", proposal];
        runner::run(self.command("vera", &words).stdout(std::io::stderr()))?;
        let said = self.answer(&mut self.command("vera", &["proposal", "show", proposal, "--json"]))?;
        value_of(&said, "evidence_digest").ok_or_else(|| "the proposal names no evidence_digest".to_owned())
    }

    /// Approves and deploys, as the seeded approver.
    pub fn approve(&self, proposal: &str, digest: &str) -> Result<(), String> {
        let words = [
            "approve",
            proposal,
            "--digest",
            digest,
            "--promote",
            "--notes",
            "the demo says yes to whatever it made: on a machine of its own, in the environment paper",
        ];
        runner::run(self.command("vera", &words).stdout(std::io::stderr()))
    }

    /// Shows where a model comes from, every piece hashed again; a broken one is a failure.
    pub fn lineage(&self, model: &str) -> Result<(), String> {
        runner::run(
            self.command("vera", &["lineage", model])
                .stdout(std::io::stderr()),
        )
    }

    /// Runs a verb that reads a password, and keeps what it prints to itself.
    fn told(&self, command: &mut Command) -> Result<(), String> {
        self.run(command.stdout(Stdio::null())).map(drop)
    }

    /// Runs a verb and reads what it prints; its stderr is the watcher's.
    fn answer(&self, command: &mut Command) -> Result<String, String> {
        self.run(command.stdout(Stdio::piped()))
    }

    fn run(&self, command: &mut Command) -> Result<String, String> {
        let what = runner::shown(command);
        eprintln!("$ {what}");
        let mut child = command
            .stdin(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start `{what}`: {error}"))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A verb that asks for none has closed it.
            drop(writeln!(stdin, "{}", self.password));
        }
        let output = child
            .wait_with_output()
            .map_err(|error| format!("lost `{what}`: {error}"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(format!(
            "`{what}` failed ({}) {}",
            output.status,
            String::from_utf8_lossy(&output.stdout)
        ))
    }
}

/// The bars and where a person reads on: printed once everything runs.
pub fn invitation(plane: &Plane, proposal: &str, digest: &str) -> String {
    let session = plane.folder.join("vera.session");
    let program = plane.programs.join("control");
    format!(
        "\nThe second vote is yours: vera approves, password {password}, at {url}\n  {program} login --url {url} --user vera --session {session}\n  \
         {program} approve {proposal} --promote --url {url} --session {session}\n\
         It shows the evidence ({digest:.16}…) and asks; the engine swaps the model in between two bars of {INSTRUMENT}.\n",
        password = plane.password,
        url = plane.url,
        program = program.display(),
        session = session.display(),
    )
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    std::fs::write(path, bytes).map_err(|error| format!("{}: {error}", path.display()))
}

/// A password nobody can guess.
fn password() -> Result<String, String> {
    let mut bytes = [0; PASSWORD_BYTES];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| format!("no chance to be had: {error}"))?;
    Ok(hex::encode(bytes))
}

/// A line of TOML for each public key the engine trusts, with what it may be used for.
pub fn trusted_keys(folder: &Path) -> Result<String, String> {
    let keys = folder.join("keys");
    let named = |error: std::io::Error| format!("{}: {error}", keys.display());
    let mut text = String::new();
    for entry in std::fs::read_dir(&keys).map_err(named)? {
        let path = entry.map_err(named)?.path();
        if path.extension().is_none_or(|ending| ending != "pub") {
            continue;
        }
        let json = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let field =
            |name: &str| value_of(&json, name).ok_or_else(|| format!("{} has no `{name}`", path.display()));
        let uses = match field("purpose")?.as_str() {
            "contract" => "contract",
            "backtest" => "first_vote",
            "vote" => "vote",
            // The audit chain is none of an engine's business.
            _ => continue,
        };
        text.push_str(&format!(
            "\n[[trusted_keys]]\nid = {}\npublic_key = {}\nuses = [{}]\n",
            quoted(&field("key_id")?),
            quoted(&field("public_key")?),
            quoted(uses),
        ));
    }
    Ok(text)
}
