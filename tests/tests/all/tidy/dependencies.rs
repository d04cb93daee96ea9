//! Dependencies point one way, and the pure crates stay free of runtimes, servers and databases.

use std::process::Command;

use testkit::shared::repository;

use super::none;

/// Who may stand on whom, directly or through others.
const MAY_USE: [(&str, &[&str]); 8] = [
    ("commandline", &["contracts"]),
    ("contracts", &[]),
    ("strategy", &["contracts"]),
    ("engine", &["commandline", "contracts", "strategy"]),
    ("backtest", &["contracts", "strategy"]),
    ("training", &["contracts", "strategy", "backtest"]),
    (
        "control",
        &["commandline", "contracts", "strategy", "backtest", "training"],
    ),
    ("xtask", &[]),
];
const OURS: [&str; 10] = [
    "commandline",
    "contracts",
    "strategy",
    "engine",
    "backtest",
    "training",
    "control",
    "benches",
    "tests",
    "xtask",
];
/// What must not be in the tree of a pure crate.
const NOT_PURE: [&str; 8] = [
    "tokio",
    "axum",
    "sqlx",
    "hyper",
    "mio",
    "tokio-tungstenite",
    "tungstenite",
    "reqwest",
];
/// What must not be in anybody's tree.
const NOWHERE: [&str; 3] = ["openssl-sys", "native-tls", "arrow"];

/// Names of all packages `package` is built from, itself included.
fn tree(package: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--locked",
            "-e",
            "normal,build",
            "--prefix",
            "none",
            "-f",
            "{p}",
            "-p",
            package,
        ])
        .current_dir(repository())
        .output()
        .expect("cargo runs: it has built this test");
    assert!(
        output.status.success(),
        "cargo tree -p {package}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).expect("cargo prints UTF-8");
    text.lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn our_crates_stand_on_each_other_in_one_direction() {
    let mut findings = Vec::new();
    for (package, allowed) in MAY_USE {
        let all = tree(package);
        assert_eq!(all.first().map(String::as_str), Some(package));
        for other in OURS
            .iter()
            .filter(|other| **other != package && !allowed.contains(other))
        {
            if all.iter().any(|name| name == other) {
                findings.push(format!("{package} depends on {other}"));
            }
        }
    }
    none(
        findings,
        "contracts ← strategy ← engine; strategy ← backtest ← training ← control; nothing depends on tests, benches or xtask",
    );
}

#[test]
fn the_pure_crates_know_no_runtime_server_or_database() {
    let mut findings = Vec::new();
    for package in ["contracts", "strategy", "backtest", "training"] {
        let all = tree(package);
        findings.extend(
            NOT_PURE
                .iter()
                .filter(|name| all.iter().any(|n| n == *name))
                .map(|name| format!("{package}: {name}")),
        );
    }
    none(findings, "move what needs it to the engine's edge");
}

#[test]
fn nothing_links_a_system_tls_library_or_arrow() {
    let all: Vec<String> = ["engine", "control"].into_iter().flat_map(tree).collect();
    none(
        NOWHERE
            .iter()
            .filter(|name| all.iter().any(|n| n == *name))
            .map(ToString::to_string)
            .collect(),
        "see deny.toml for what to use instead",
    );
}
