//! `engine tail` as a process: prints what comes, and goes on from where it was.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::kit::{Rig, Setup, run, text_of};

fn tail(address: SocketAddr, state: PathBuf, token: &'static str) -> tokio::task::JoinHandle<Output> {
    tokio::task::spawn_blocking(move || {
        Command::new(env!("CARGO_BIN_EXE_engine"))
            .args(["tail", &format!("ws://{address}/v1/signals"), "--state"])
            .arg(state)
            .env("ENGINE_TOKEN", token)
            .output()
            .unwrap()
    })
}

/// A server with the journal 1..`next_seq`, one `tail` until the server ends; the lines it printed.
async fn one_run(next_seq: u64, state: &Path) -> Vec<String> {
    let rig = Rig::start(Setup {
        next_seq,
        ..Setup::default()
    })
    .await;
    let output = tail(rig.address, state.to_owned(), "all");
    // Subscribed: the snapshot or the first message has been asked for once the seat is taken and the welcome is out; what is
    // published is sent before the close in any case.
    while rig.hub.clients() == 0 {
        tokio::task::yield_now().await;
    }
    let place = || std::fs::read_to_string(state).unwrap_or_default();
    while !place().contains(&format!("\"next_seq\":{next_seq}}}")) {
        tokio::task::yield_now().await;
    }
    rig.handle.stop().await;
    let output = output.await.unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(Into::into)
        .collect()
}

#[test]
fn it_prints_everything_once_over_restarts_of_both() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    run(async {
        let first = one_run(101, &state).await;
        assert!(first[0].starts_with(r#"{"type":"welcome""#), "{}", first[0]);
        assert_eq!(
            first[1],
            r#"{"type":"snapshot","through":100,"halted":false,"positions":{"A":1,"B":0}}"#
        );
        assert_eq!(first.len(), 2);
        let second = one_run(401, &state).await;
        assert!(
            second[1..].iter().cloned().eq((101..=400).map(text_of)),
            "{} lines",
            second.len()
        );
    });
}

#[test]
fn a_refused_token_is_said_with_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    run(async {
        let rig = Rig::start(Setup::default()).await;
        let output = tail(rig.address, folder.path().join("state"), "nobody")
            .await
            .unwrap();
        assert_eq!(output.status.code(), Some(77));
        assert!(String::from_utf8_lossy(&output.stderr).contains("signals:read"));
    });
}
