//! Comparing with committed files. `UPDATE_GOLDEN=1` rewrites them: for a person to look at in the diff.

use std::path::PathBuf;

/// `contracts/tests/golden/<name>`.
pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

/// Fails, with the command that accepts the change, when the file at `path` holds another text.
pub fn assert_same(path: &std::path::Path, text: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(path).unwrap_or_else(|e| {
        panic!(
            "{}: {e}; UPDATE_GOLDEN=1 cargo test -p contracts writes it",
            path.display()
        )
    });
    assert!(
        committed == text,
        "{} differs from what the code writes; if that is meant: UPDATE_GOLDEN=1 cargo test -p contracts\n--- committed\n{committed}\n--- written now\n{text}",
        path.display()
    );
}
