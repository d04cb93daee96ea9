//! The login of `control login`, kept in a file that only its owner reads.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cli::{CliError, Exit, OrExit};

/// A session on a server. Whoever has these two secrets acts as that person until the session ends.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The server; the secrets go to no other.
    pub url: String,
    /// Who.
    pub username: String,
    /// `NAME=VALUE`.
    pub cookie: String,
    /// Goes with every change.
    pub csrf: String,
    /// When the session ends at the latest.
    pub expires_at: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("url", &self.url)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

impl Login {
    /// Reads the file; `None` when there is none.
    ///
    /// # Errors
    /// [`Exit::Refused`] when others may read it, [`Exit::NoInput`] and [`Exit::Data`] when it cannot be used.
    pub fn read(path: &Path) -> Result<Option<Self>, CliError> {
        let shown = path.display();
        let unreadable = "check its owner and rights, or run `control login` again";
        let mut file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).or_exit(Exit::NoInput, format!("cannot read {shown}"), unreadable);
            }
        };
        let mode = file
            .metadata()
            .or_exit(Exit::NoInput, format!("cannot read {shown}"), unreadable)?
            .permissions()
            .mode();
        if mode & 0o077 != 0 {
            return Err(CliError::new(
                Exit::Refused,
                format!("others than its owner may read {shown}"),
                "log in again and end the old session: somebody may have copied it",
            ));
        }
        let mut text = String::new();
        std::io::Read::read_to_string(&mut file, &mut text).or_exit(
            Exit::NoInput,
            format!("cannot read {shown}"),
            unreadable,
        )?;
        serde_json::from_str(&text).map(Some).or_exit(
            Exit::Data,
            format!("{shown} holds no login"),
            "run `control login` again",
        )
    }

    /// Writes the file whole, readable by its owner only.
    ///
    /// # Errors
    /// [`Exit::Io`].
    pub fn write(&self, path: &Path) -> Result<(), CliError> {
        let written = || -> std::io::Result<()> {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.unwrap_or_else(|| Path::new("."));
            std::fs::create_dir_all(folder)?;
            // Made with 0600 by tempfile.
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer(&mut file, self)?;
            file.write_all(b"\n")?;
            file.persist(path)?;
            Ok(())
        };
        written().or_exit(
            Exit::Io,
            format!("cannot write {}", path.display()),
            "name another file with --session or CONTROL_SESSION",
        )
    }
}

/// Where the login is kept when nobody says where.
pub fn default_path() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let state = set("XDG_STATE_HOME").map(PathBuf::from);
    let state = state.or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".local/state")));
    state.map(|state| state.join("twovote/control-login.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Login {
        Login {
            url: "http://127.0.0.1:9200".to_owned(),
            username: "vera".to_owned(),
            cookie: "twovote=secret".to_owned(),
            csrf: "value".to_owned(),
            expires_at: "2026-01-05T13:05:00.000Z".to_owned(),
        }
    }

    #[test]
    fn it_is_written_for_its_owner_and_refused_when_others_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/login.json");
        assert!(Login::read(&path).unwrap().is_none());
        login().write(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(Login::read(&path).unwrap().unwrap().cookie, "twovote=secret");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(Login::read(&path).unwrap_err().exit(), Exit::Refused);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "{}").unwrap();
        assert_eq!(Login::read(&path).unwrap_err().exit(), Exit::Data);
    }

    #[test]
    fn its_secrets_are_not_shown() {
        let shown = format!("{:?}", login());
        assert!(shown.contains("vera") && !shown.contains("secret"), "{shown}");
    }
}
