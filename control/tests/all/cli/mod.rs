//! The command line against a served control on loopback: what people read, what programs read, exit codes.
//!
//! A test is a transcript: every command line with what it printed and its exit code, held against a committed one. What differs from run
//! to run (the port, hashes, secrets) is shown as a word.

mod backtest;
mod export;
mod ingest;
mod jobs;
mod models;
mod people;
mod refusals;
mod registry;
mod terminal;
mod votes;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use control::api;
use control::auth::SystemRandom;
use tokio::sync::oneshot;

use crate::kit::app::{TestApp, app};
use crate::kit::database;

/// A control plane that answers on a port of its own, and homes for those who ask it.
pub struct Served {
    pub test: TestApp,
    pub runtime: tokio::runtime::Runtime,
    pub url: String,
    pub home: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    transcript: String,
}

/// Variables that say where ONNX Runtime lies.
const SEEN: [&str; 3] = ["HOME", "XDG_CACHE_HOME", "ORT_DYLIB_PATH"];

/// What a command line came to.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("no JSON: {}{}", self.out, self.err))
    }
}

impl Served {
    pub fn start() -> Self {
        Self::start_with(async || app(database::sqlite().await))
    }

    pub fn start_with(make: impl AsyncFnOnce() -> TestApp) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (test, url) = runtime.block_on(async {
            let test = make().await;
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let until = async {
                stopped.await.ok();
            };
            tokio::spawn(api::serve_until(
                test.app.clone(),
                Arc::new(SystemRandom),
                listener,
                until,
            ));
            (test, url)
        });
        Self {
            test,
            runtime,
            url,
            home: tempfile::tempdir().unwrap(),
            stop: Some(stop),
            transcript: String::new(),
        }
    }

    /// Where `who` keeps a login.
    pub fn login_file(&self, who: &str) -> PathBuf {
        self.home.path().join(format!("{who}.json"))
    }

    /// `control` as somebody; of the outside environment only the way to ONNX Runtime is seen.
    pub fn command(&self, who: &str, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_control"));
        command
            .args(words)
            .current_dir(self.home.path())
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| SEEN.iter().any(|seen| *seen == name)))
            .env("CONTROL_URL", &self.url)
            .env("CONTROL_SESSION", self.login_file(who));
        command
    }

    /// Runs it.
    pub fn run(&self, who: &str, words: &[&str], stdin: &str) -> Said {
        self.run_with(who, words, stdin, &[])
    }

    /// The same with more in its environment.
    pub fn run_with(&self, who: &str, words: &[&str], stdin: &str, env: &[(&str, &str)]) -> Said {
        let mut child = self
            .command(who, words)
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A verb that reads nothing may be gone before it is written to.
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).ok();
        let done = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said {
            code: done.status.code().unwrap(),
            out: text(done.stdout),
            err: text(done.stderr),
        }
    }

    /// The same, written down.
    pub fn tell(&mut self, who: &str, line: &str, stdin: &str) -> Said {
        let words: Vec<String> = split(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let said = self.run(who, &words, stdin);
        let shown = format!("{who}$ control {line}\n{}{}", said.out, said.err);
        self.transcript.push_str(&shown);
        if said.code != 0 {
            self.transcript.push_str(&format!("[{}]\n", said.code));
        }
        self.transcript.push('\n');
        said
    }

    /// What was written down, with words for what changes from run to run.
    pub fn transcript(&self) -> String {
        let text = self.transcript.replace(&self.url, "http://SERVER");
        let text = text.replace(&self.home.path().display().to_string(), "HOME");
        without_hashes(&text)
    }

    pub fn login(&mut self, who: &str) {
        let words = ["login", "--user", who, "--password-stdin"];
        let said = self.run(who, &words, crate::kit::http::PASSWORD);
        assert_eq!(said.code, 0, "{}", said.err);
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).ok();
        }
    }
}

/// Words of a line; single quotes hold spaces.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('\'').enumerate() {
        if at % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// Every run of 64 hex digits as HASH, every secret as SECRET.
fn without_hashes(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    let end = |word: &mut String, out: &mut String| {
        let hex = word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let secret = word.len() >= 16
            && ["tvt_", "setup_", "tok-"]
                .iter()
                .any(|kind| word.starts_with(kind));
        out.push_str(match (hex, secret) {
            (true, _) => "HASH",
            (_, true) => "SECRET",
            _ => word,
        });
        word.clear();
    };
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() || letter == '_' || letter == '-' {
            word.push(letter);
        } else {
            end(&mut word, &mut out);
            out.push(letter);
        }
    }
    end(&mut word, &mut out);
    out
}
