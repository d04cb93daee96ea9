//! The Python client against the server, through a relay that cuts the line.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::kit::{Rig, Setup, publish, run, text_of};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients/python")
}

/// Where `cargo xtask setup` puts the package the client needs.
fn packages() -> PathBuf {
    let set = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    cache.unwrap_or_default().join("twovote/python")
}

fn python() -> Command {
    let mut command = Command::new("python3");
    command
        .env("PYTHONPATH", packages())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("ENGINE_TOKEN", "all");
    command
}

/// True when the client can run here; else says what is missing.
fn available(test: &str) -> bool {
    let found = python()
        .args(["-c", "import websockets"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !found {
        let mut stderr = std::io::stderr();
        writeln!(
            stderr,
            "SKIPPED: {test}: python3 with the package websockets not found: cargo xtask setup fetches it"
        )
        .unwrap();
    }
    found
}

/// Forwards to `to` and cuts every other connection after some bytes of the engine's; the number of cuts.
async fn relay(to: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, cuts) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&cuts);
    tokio::spawn(async move {
        let mut connection = 0_usize;
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(to).await.unwrap();
            connection += 1;
            tokio::spawn(forward(near, far, 7_000 * connection, Arc::clone(&counted)));
        }
    });
    (address, cuts)
}

async fn forward(near: TcpStream, far: TcpStream, cut_after: usize, cuts: Arc<AtomicUsize>) {
    let (mut near_in, mut near_out) = near.into_split();
    let (mut far_in, mut far_out) = far.into_split();
    let up = tokio::spawn(async move { tokio::io::copy(&mut near_in, &mut far_out).await });
    let (mut buffer, mut passed) = ([0; 1_000], 0);
    while let Ok(n @ 1..) = far_in.read(&mut buffer).await {
        passed += n;
        if passed > cut_after {
            cuts.fetch_add(1, Ordering::SeqCst);
            break;
        }
        if near_out.write_all(&buffer[..n]).await.is_err() {
            break;
        }
    }
    up.abort();
}

async fn client(script: &'static str, address: SocketAddr, arguments: Vec<String>) -> Output {
    tokio::task::spawn_blocking(move || {
        python()
            .arg(folder().join(script))
            .arg(format!("ws://{address}/v1/signals"))
            .args(arguments)
            .output()
            .unwrap()
    })
    .await
    .unwrap()
}

fn arguments(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

#[test]
fn it_gets_every_message_once_over_cuts_and_its_own_restart() {
    if !available("it_gets_every_message_once_over_cuts_and_its_own_restart") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let state = state.to_str().unwrap();
    run(async {
        let rig = Rig::start(Setup {
            next_seq: 301,
            ..Setup::default()
        })
        .await;
        let (address, cuts) = relay(rig.address).await;
        let (mut publisher, journal) = (rig.publisher, Arc::clone(&rig.journal));
        let first = client(
            "twovote_signals.py",
            address,
            arguments(&["--state", state, "--start-at", "1", "--count", "200"]),
        )
        .await;
        let live = tokio::spawn(async move {
            while publish(&mut publisher, &journal, 3) <= 900 {
                tokio::task::yield_now().await;
            }
        });
        let second = client(
            "twovote_signals.py",
            address,
            arguments(&["--state", state, "--count", "700"]),
        )
        .await;
        live.await.unwrap();
        for output in [&first, &second] {
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let printed = String::from_utf8(first.stdout).unwrap() + &String::from_utf8(second.stdout).unwrap();
        let lines: Vec<_> = printed.lines().collect();
        assert_eq!(lines.len(), 900);
        for (k, line) in lines.iter().enumerate() {
            assert_eq!(*line, text_of(k as u64 + 1));
        }
        assert!(
            cuts.load(Ordering::SeqCst) >= 4,
            "the relay cut {} times",
            cuts.load(Ordering::SeqCst)
        );
        let kept: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(state).unwrap()).unwrap();
        assert_eq!(kept, serde_json::json!({"epoch": 1, "next_seq": 901}));
    });
}

#[test]
fn it_names_what_is_gone_and_ends_on_a_refusal() {
    if !available("it_names_what_is_gone_and_ends_on_a_refusal") {
        return;
    }
    run(async {
        let rig = Rig::start(Setup {
            next_seq: 301,
            ..Setup::default()
        })
        .await;
        rig.journal.oldest.store(200, Ordering::SeqCst);
        let output = client(
            "twovote_signals.py",
            rig.address,
            arguments(&["--start-at", "1", "--count", "101"]),
        )
        .await;
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            printed.lines().next(),
            Some(r#"{"type":"gap","from":1,"to":199,"refill":false}"#)
        );
        assert_eq!(printed.lines().count(), 102);
        let output = client(
            "twovote_signals.py",
            rig.address,
            arguments(&["--start-at", "302"]),
        )
        .await;
        assert_eq!(output.status.code(), Some(77));
        assert!(String::from_utf8_lossy(&output.stderr).contains("ahead"));
        let output = client(
            "check_stream.py",
            rig.address,
            arguments(&["--first", "200", "--messages", "100"]),
        )
        .await;
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(String::from_utf8_lossy(&output.stderr).contains("100 messages in 2 runs"));
    });
}
