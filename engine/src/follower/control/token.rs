//! The engine's token for the control plane, in a file that only its owner reads.

use std::io;
use std::path::{Path, PathBuf};

/// Longest token in bytes: the control plane's have 68.
const TOKEN_BYTES_MAX: u64 = 4_096;

/// Why a token's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// It cannot be read: check path and rights.
    #[error("token_file {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may read it. `chmod 600` it, and replace the token if it matters who has read it.
    #[error("token_file {} can be read by others (mode {mode:o}): chmod 600", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It does not hold one token. Write the token's text into it and nothing else.
    #[error("token_file {} does not hold a token", path.display())]
    NoToken {
        /// The file.
        path: PathBuf,
    },
}

/// Reads it.
pub(super) fn read(path: &Path) -> Result<String, TokenFileError> {
    use std::io::Read as _;
    use std::os::unix::fs::PermissionsExt as _;
    let unreadable = |source| TokenFileError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(TokenFileError::Open {
            path: path.to_owned(),
            mode,
        });
    }
    let mut text = String::new();
    file.take(TOKEN_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    let token = text.trim();
    if text.len() as u64 > TOKEN_BYTES_MAX
        || token.is_empty()
        || !token.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Err(TokenFileError::NoToken {
            path: path.to_owned(),
        });
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn one_token_that_only_its_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        assert!(matches!(read(&path), Err(TokenFileError::Unreadable { .. })));
        let write = |text: &str, mode| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        write("tvt_1\n", 0o600);
        assert_eq!(read(&path).unwrap(), "tvt_1");
        write("tvt_1\n", 0o640);
        assert!(read(&path).unwrap_err().to_string().contains("chmod 600"));
        for none in ["", "\n", "two words", "a\nb"] {
            write(none, 0o600);
            assert!(
                matches!(read(&path), Err(TokenFileError::NoToken { .. })),
                "{none:?}"
            );
        }
    }
}
