//! The OpenAPI document against a served control, by schemathesis: no failure inside, no answer that the document does not know.
//!
//! A fresh store, one person with every role over all routes, once more the routes of engines with an engine's token, and the login by
//! nobody. Left out is what would end the caller's own session or rights, and the stream, which does not end; `control/tests/all` holds
//! their answers against the document too.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::{runner, venv};

const PACKAGES: [&str; 1] = ["schemathesis==4.32.5"];
const WHAT: &str = "schemathesis against the OpenAPI document";
const PASSWORD: &str = "correct horse battery";
const CHECKS: &str =
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";
/// Cases per operation and phase.
const EXAMPLES: &str = "20";
const LEFT_OUT: [&str; 6] = [
    "/api/login",
    "/api/logout",
    "/api/session/password",
    "/api/events",
    "/api/users/{username}/roles",
    "/api/users/{username}/disable",
];
const SETTINGS: &str = r#"listen = "127.0.0.1:0"
database = "sqlite:control.db"
artifacts = "artifacts"
keys = "keys"
[slots.usdcop-5m]
environment = "paper"
instruments = ["USDCOP"]
"#;

/// The check by itself.
pub fn alone() -> Result<(), String> {
    runner::run(runner::cargo().args(["build", "--locked", "--workspace", "--bins"]))?;
    run(&mut |_| {})
}

/// Runs the check; without the package it is a skipped test.
pub fn run(read: &mut dyn FnMut(&str)) -> Result<(), String> {
    let programs = match venv::programs("schemathesis", &PACKAGES) {
        Ok(programs) => programs,
        Err(why) => {
            runner::skip(WHAT, &why, read);
            return Ok(());
        }
    };
    let served = Served::start()?;
    let login = std::fs::read_to_string(served.folder.join("login.json"))
        .map_err(|error| format!("the login was not kept: {error}"))?;
    let secret = |name: &str| {
        text_of(&login, name).ok_or_else(|| format!("the kept login has no {name}: {} bytes", login.len()))
    };
    let person = [
        format!("Cookie: {}", secret("cookie")?),
        format!("X-CSRF-Token: {}", secret("csrf")?),
    ];
    let mut words: Vec<&str> = Vec::new();
    for path in LEFT_OUT {
        words.extend(["--exclude-path", path]);
    }
    served.check(&programs, &person, &words, read)?;
    let create =
        "token create --owner ada --name schemathesis --scopes engine:sync --slot usdcop-5m --days 1 --json";
    let token = served.control(create, "")?;
    let token = text_of(&token, "token").ok_or("no token was made")?;
    let engine = [format!("Authorization: Bearer {token}")];
    served.check(
        &programs,
        &engine,
        &["--include-path-regex", "^/api/engines/"],
        read,
    )?;
    // Last: what it is refused is counted against this address.
    served.check(&programs, &[], &["--include-path", "/api/login"], read)
}

/// The text of a field of a flat JSON document that this workspace wrote itself: no escapes in it.
fn text_of(json: &str, name: &str) -> Option<String> {
    let rest = json.split(&format!("\"{name}\"")).nth(1)?;
    Some(rest.split('"').nth(1)?.to_owned())
}

/// A served control with a first admin, ended with this.
struct Served {
    folder: PathBuf,
    url: String,
    child: Child,
}

impl Drop for Served {
    fn drop(&mut self) {
        // One that has ended already needs no end.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Served {
    fn start() -> Result<Self, String> {
        let folder = runner::target().join("schemathesis-run");
        let named = |error: std::io::Error| format!("{}: {error}", folder.display());
        if folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(named)?;
        }
        std::fs::create_dir_all(&folder).map_err(named)?;
        let features = runner::root().join("config/features");
        let settings = format!("features = {features:?}\n{SETTINGS}");
        std::fs::write(folder.join("control.toml"), settings).map_err(named)?;
        runner::run(control(&folder).args(["key", "generate"]).stdout(Stdio::null()))?;
        let log = std::fs::File::create(folder.join("serve.log")).map_err(named)?;
        let mut child = control(&folder)
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("cannot start `control serve`: {error}"))?;
        let out = child.stdout.take().expect("stdout is piped");
        let mut served = Self {
            folder,
            url: String::new(),
            child,
        };
        let mut link = None;
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if let Some(given) = line.split("--link ").nth(1) {
                link = given.split(' ').next().map(str::to_owned);
            }
            if let Some(url) = line.strip_prefix("listening on ") {
                served.url = url.to_owned();
                break;
            }
        }
        let link = link.ok_or_else(|| {
            let log = served.folder.join("serve.log");
            format!(
                "`control serve` gave no link for a first admin: see {}",
                log.display()
            )
        })?;
        served.control(
            &format!("setup --link {link} --user ada --password-stdin"),
            PASSWORD,
        )?;
        served.control("login --user ada --password-stdin", PASSWORD)?;
        served.control(
            "user role ada --roles viewer,researcher,approver,operator,admin,engine",
            "",
        )?;
        Ok(served)
    }

    /// One verb as the admin; what it printed.
    fn control(&self, line: &str, stdin: &str) -> Result<String, String> {
        use std::io::Write as _;
        let verb = line.split(' ').take(2).collect::<Vec<_>>().join(" ");
        let failed = |error: std::io::Error| format!("`control {verb}`: {error}");
        let mut child = control(&self.folder)
            .args(line.split(' '))
            .env("CONTROL_URL", &self.url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut input = child.stdin.take().expect("stdin is piped");
        input.write_all(stdin.as_bytes()).map_err(failed)?;
        drop(input);
        let done = child.wait_with_output().map_err(failed)?;
        if !done.status.success() {
            return Err(format!("`control {verb}` failed ({})", done.status));
        }
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    fn check(
        &self,
        programs: &Path,
        headers: &[String],
        words: &[&str],
        read: &mut dyn FnMut(&str),
    ) -> Result<(), String> {
        let mut command = Command::new(programs.join("st"));
        command
            .current_dir(&self.folder)
            .args(["run", &format!("{}/api/openapi.json", self.url)])
            .args([
                "--no-color",
                "--seed",
                "1",
                "--request-timeout",
                "30",
                "--warnings",
                "off",
            ])
            .args([
                "--phases",
                "coverage,fuzzing",
                "--max-examples",
                EXAMPLES,
                "--checks",
                CHECKS,
            ])
            .args(words);
        for header in headers {
            command.args(["--header", header]);
        }
        // The headers are secrets of a store that is thrown away with this run.
        if runner::run_reading(&mut command, &mut *read)? {
            return Ok(());
        }
        let log = self.folder.join("serve.log");
        Err(format!(
            "{WHAT} found something; the server's log is {}",
            log.display()
        ))
    }
}

fn control(folder: &Path) -> Command {
    let mut command = Command::new(runner::target().join("debug").join("control"));
    command
        .current_dir(folder)
        .env("CONTROL_CONFIG", "control.toml")
        .env("CONTROL_SESSION", folder.join("login.json"))
        .env_remove("CONTROL_TOKEN")
        .env_remove("CONTROL_TOKEN_FILE")
        .env_remove("CONTROL_URL");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_name() {
        let json = r#"{"url":"http://x","cookie": "twovote=1","csrf":"2"}"#;
        assert_eq!(text_of(json, "cookie").as_deref(), Some("twovote=1"));
        assert_eq!(text_of(json, "csrf").as_deref(), Some("2"));
        assert_eq!(text_of(json, "none"), None);
    }
}
