//! Words that must not stay in the code, each with what to write instead.

use super::{Source, none, sources};

/// Who may print: the developer's own commands.
fn may_print(path: &str) -> bool {
    path.starts_with("xtask/") || path.starts_with("benches/") || path.contains("/bin/")
}

fn find(files: &[Source], mut hit: impl FnMut(&Source, usize, &str) -> bool) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        for (number, line) in file.lines() {
            if hit(file, number, line) {
                findings.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    findings
}

fn rust() -> Vec<Source> {
    sources(&["rs"])
        .into_iter()
        .filter(|file| !file.path.starts_with("tests/tests/all/tidy/"))
        .collect()
}

#[test]
fn nothing_is_left_for_later_without_an_issue() {
    let later = ["TODO", "FIXME", "XXX", "HACK"];
    let has_issue =
        |rest: &str| rest.starts_with("(#") && rest[2..].starts_with(|c: char| c.is_ascii_digit());
    none(
        find(&rust(), |_, _, line| {
            later.iter().any(|word| {
                line.match_indices(word).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    let rest = &line[at + word.len()..];
                    let whole = !before.is_some_and(char::is_alphanumeric)
                        && !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
                    whole && !has_issue(rest)
                })
            })
        }),
        "do it, or name the issue: `TODO(#12)`",
    );
}

#[test]
fn nothing_prints_but_the_commands() {
    let prints = ["println!(", "print!(", "eprintln!(", "eprint!(", "dbg!("];
    none(
        find(&rust(), |file, _, line| {
            !may_print(&file.path)
                && !line.trim_start().starts_with("//")
                && prints.iter().any(|word| line.contains(word))
        }),
        "data goes through `cli::out::Stdout`, logs through `tracing`, a skipped test through `testkit::skipped` or a \
         write to `std::io::stderr()` (the test runner swallows what the macros print)",
    );
}

#[test]
fn no_test_is_switched_off() {
    none(
        find(&rust(), |_, _, line| line.trim_start().starts_with("#[ignore")),
        "a test that cannot run says so through `testkit::skipped`; a long one takes its length from `testkit::scale`",
    );
}

#[test]
fn no_test_waits_for_a_duration() {
    let sleeps = ["thread::sleep", "time::sleep(", "sleep_until("];
    none(
        find(&rust(), |file, number, line| {
            number >= file.tests_from()
                && !line.trim_start().starts_with("//")
                && sleeps.iter().any(|word| line.contains(word))
        }),
        "wait for the event: a channel, a line of output, a readable socket; drive an injected clock",
    );
}

#[test]
fn lints_are_expected_with_a_reason_not_allowed() {
    none(
        find(&rust(), |_, _, line| {
            let line = line.trim_start();
            line.starts_with("#[allow(") || line.starts_with("#![allow(")
        }),
        "write `#[expect(lint, reason = \"…\")]`",
    );
}
