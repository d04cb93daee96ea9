//! Small files: median, 90th percentile and a hard stop, in lines of Rust with their tests.
//!
//! The numbers may be lowered and never raised.

use super::{none, sources};

const LINES_MEDIAN_MAX: usize = 150;
const LINES_P90_MAX: usize = 400;
const LINES_MAX: usize = 800;

#[test]
fn files_are_small() {
    let files = sources(&["rs", "py", "c"]);
    let mut sizes: Vec<usize> = files.iter().map(|file| file.text.lines().count()).collect();
    sizes.sort_unstable();
    let median = sizes[sizes.len() / 2];
    let p90 = sizes[sizes.len() * 9 / 10];
    assert!(
        median <= LINES_MEDIAN_MAX,
        "median {median} of {} files",
        sizes.len()
    );
    assert!(
        p90 <= LINES_P90_MAX,
        "90th percentile {p90} of {} files",
        sizes.len()
    );
    none(
        files
            .iter()
            .map(|file| (file, file.text.lines().count()))
            .filter(|(_, lines)| *lines > LINES_MAX)
            .map(|(file, lines)| format!("{}: {lines} lines", file.path))
            .collect(),
        "split by topic what is longer than 800 lines",
    );
}

#[test]
fn every_rust_file_begins_with_what_it_owns() {
    none(
        sources(&["rs"])
            .iter()
            .filter(|file| !file.text.starts_with("//! ") && !file.text.starts_with("#!["))
            .map(|file| file.path.clone())
            .collect(),
        "begin the file with a `//!` header that says what it owns",
    );
}
