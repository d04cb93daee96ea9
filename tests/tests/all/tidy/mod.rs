//! The style of the house as a test: each rule that is broken names the file, the line and the way out.

mod dependencies;
mod documents;
mod limits;
mod sizes;
mod words;

use std::path::{Path, PathBuf};

use testkit::shared::repository;

/// Folders that hold nothing of ours.
const NOT_OURS: [&str; 6] = [
    "target",
    ".git",
    ".runtime",
    "node_modules",
    "__pycache__",
    "artifacts",
];

/// A text file of the repository.
struct Source {
    /// Relative to the root, with `/`.
    path: String,
    text: String,
}

impl Source {
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }

    /// The line where the unit tests begin; for an integration test 1; past the end without tests.
    fn tests_from(&self) -> usize {
        if self.path.starts_with("tests/") || self.path.contains("/tests/") || self.path.contains("/benches/")
        {
            return 1;
        }
        self.lines()
            .find(|(_, line)| line.trim() == "#[cfg(test)]")
            .map_or(usize::MAX, |(number, _)| number)
    }
}

/// All files of the repository with one of these extensions, in a fixed order.
fn sources(extensions: &[&str]) -> Vec<Source> {
    let root = repository();
    let mut paths = Vec::new();
    walk(root, &mut paths);
    paths.sort();
    let wanted = |path: &PathBuf| {
        path.extension()
            .and_then(|e| e.to_str())
            .is_some_and(|extension| extensions.contains(&extension))
    };
    paths
        .into_iter()
        .filter(wanted)
        .map(|path| Source {
            text: std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())),
            path: path
                .strip_prefix(root)
                .expect("the walk began there")
                .to_string_lossy()
                .into_owned(),
        })
        .collect()
}

fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let entry = entry.expect("a listed entry can be read");
        let name = entry.file_name();
        let kind = entry.file_type().expect("a listed entry has a type");
        if kind.is_dir() && !NOT_OURS.iter().any(|skip| name == *skip) {
            walk(&entry.path(), into);
        } else if kind.is_file() {
            into.push(entry.path());
        }
    }
}

/// Fails with every finding at once.
fn none(findings: Vec<String>, way_out: &str) {
    assert!(findings.is_empty(), "{way_out}:\n  {}", findings.join("\n  "));
}
