//! What the documents say exists, exists.

use testkit::shared::repository;

use super::{none, sources};

/// Words that follow `command`, such as the verb of `cargo xtask VERB`.
fn verbs_after(text: &str, command: &str) -> Vec<String> {
    text.match_indices(command)
        .map(|(at, _)| {
            text[at + command.len()..]
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '-')
                .collect()
        })
        .filter(|verb: &String| verb.starts_with(|c: char| c.is_ascii_lowercase()))
        .collect()
}

#[test]
fn every_xtask_the_documents_name_is_there() {
    let mut findings = Vec::new();
    let mut named = 0;
    for file in sources(&["md", "yml", "yaml", "toml", "service"]) {
        for verb in verbs_after(&file.text, "cargo xtask ") {
            named += 1;
            if !repository().join(format!("xtask/src/{verb}.rs")).is_file() {
                findings.push(format!("{}: cargo xtask {verb}", file.path));
            }
        }
    }
    assert!(named >= 2, "the README names at least demo and test");
    none(
        findings,
        "write the command in xtask/src, or correct the document",
    );
}

#[test]
fn every_verb_of_the_engine_the_documents_name_is_there() {
    let cli = repository().join("engine/src/cli");
    let mut findings = Vec::new();
    for file in sources(&["md", "service"]) {
        for line in file
            .text
            .lines()
            .filter(|line| line.contains("`engine ") || line.contains("/engine "))
        {
            let spans = verbs_after(line, "`engine ")
                .into_iter()
                .chain(verbs_after(line, "/engine "));
            for verb in spans {
                if !cli.join(format!("{verb}.rs")).is_file() && !cli.join(&verb).is_dir() {
                    findings.push(format!("{}: engine {verb}", file.path));
                }
            }
        }
    }
    none(
        findings,
        "write the verb in engine/src/cli, or correct the document",
    );
}

#[test]
fn the_documents_every_reader_expects_are_there() {
    for name in [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "deny.toml",
    ] {
        let path = repository().join(name);
        let size = path.metadata().map(|meta| meta.len()).unwrap_or_default();
        assert!(size > 200, "{name} is missing or empty");
    }
}

#[test]
fn decisions_are_numbered_without_holes_and_say_why() {
    let records: Vec<_> = sources(&["md"])
        .into_iter()
        .filter(|file| file.path.starts_with("docs/adr/"))
        .collect();
    assert!(!records.is_empty(), "docs/adr holds the decisions");
    for (index, record) in records.iter().enumerate() {
        let number = format!("docs/adr/{:04}-", index + 1);
        assert!(
            record.path.starts_with(&number),
            "{}: {number}… comes next",
            record.path
        );
        for part in ["Status: ", "## Context", "## Decision", "## Consequences"] {
            assert!(record.text.contains(part), "{}: `{part}` is missing", record.path);
        }
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut findings = Vec::new();
    for file in sources(&["md"]) {
        let folder = repository().join(&file.path).parent().unwrap().to_owned();
        for (at, _) in file.text.match_indices("](") {
            let target: String = file.text[at + 2..].chars().take_while(|c| *c != ')').collect();
            let path = target.split('#').next().unwrap_or_default();
            let elsewhere = path.is_empty() || path.contains("://") || path.contains(char::is_whitespace);
            if !elsewhere && !folder.join(path).exists() {
                findings.push(format!("{}: {target}", file.path));
            }
        }
    }
    none(findings, "mend the link");
}
