//! Where the figures come from: they mean nothing without it.

use std::process::Command;

use crate::clock::{Clock as _, SystemClock};

/// What a reader of the figures must know; `unknown` where the machine does not say.
#[must_use]
pub fn describe() -> Vec<(&'static str, String)> {
    let unknown = || "unknown".to_owned();
    let cpu = read("/proc/cpuinfo").and_then(|text| value_of(&text, "model name"));
    let cores = std::thread::available_parallelism().map_or_else(|_| unknown(), |n| n.to_string());
    let load =
        read("/proc/loadavg").map(|text| text.split_whitespace().take(3).collect::<Vec<_>>().join(" "));
    let now = SystemClock.now().to_millis().to_string();
    vec![
        ("cpu", cpu.unwrap_or_else(unknown)),
        ("cores", cores),
        ("load over 1, 5, 15 minutes", load.unwrap_or_else(unknown)),
        ("kernel", first_line("uname", &["-sr"])),
        ("rustc on the path", first_line("rustc", &["--version"])),
        ("build", profile().to_owned()),
        ("ended", now),
    ]
}

/// `release`, or `debug` for a build that checks more than it measures.
#[must_use]
pub const fn profile() -> &'static str {
    if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    }
}

/// What a debug build says above its figures.
#[must_use]
pub fn warning() -> Option<&'static str> {
    (profile() == "debug").then_some(
        "THIS IS A DEBUG BUILD: the figures say nothing about the engine. Build with `cargo build --release`.",
    )
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

fn value_of(text: &str, key: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn first_line(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().ok();
    let text = output
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    text.lines()
        .next()
        .filter(|line| !line.is_empty())
        .unwrap_or("unknown")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_cpuinfo_is_found() {
        assert_eq!(
            value_of("a : 1\nmodel name\t: X 9\n", "model name").as_deref(),
            Some("X 9")
        );
        assert_eq!(value_of("", "model name"), None);
    }
}
