//! The keyring: what the control plane signs with, and what it trusts.
//!
//! Private keys are files of mode 0600 in one directory, outside the database and the artifact store: `<purpose>-<key id>.key` with its
//! `.pub` beside it. The newest of a purpose (by `active`, a file per purpose that names the id) signs; every `.pub` that is not under
//! `revoked/` is trusted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use contracts::ids::KeyId;
use contracts::signing::{
    KeyFileError, KeyPurpose, PrivateKeyFile, PublicKeyFile, SigningKey, TrustedKey, TrustedKeys, public_path,
};

use crate::whole::write_whole;

/// Purposes the control plane holds a key for.
pub const PURPOSES: [KeyPurpose; 4] = [
    KeyPurpose::Contract,
    KeyPurpose::Backtest,
    KeyPurpose::Vote,
    KeyPurpose::Audit,
];

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// A file does not hold a key.
    #[error("a key file cannot be used")]
    File(#[from] KeyFileError),
    /// There is no active key of this purpose.
    #[error("there is no active {purpose} key in {folder}: run `control key generate`")]
    NoActive {
        /// Which.
        purpose: KeyPurpose,
        /// Where.
        folder: PathBuf,
    },
    /// The file that names the active key names none: it was cut off or edited.
    #[error("{path} names no key: write the id of the key to sign with into it")]
    Active {
        /// Which.
        path: PathBuf,
    },
    /// The directory cannot be read or written.
    #[error("{path} cannot be used")]
    Io {
        /// Which.
        path: PathBuf,
        /// The file system's.
        source: std::io::Error,
    },
}

/// The keys of this control plane.
#[derive(Debug, Clone)]
pub struct Keyring {
    signing: Arc<[SigningKey; 4]>,
    trusted: Arc<TrustedKeys>,
}

impl Keyring {
    /// Reads the directory.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn load(folder: &Path) -> Result<Self, KeyringError> {
        let active = |purpose| active_key(folder, purpose);
        let signing = [
            active(KeyPurpose::Contract)?,
            active(KeyPurpose::Backtest)?,
            active(KeyPurpose::Vote)?,
            active(KeyPurpose::Audit)?,
        ];
        Ok(Self {
            signing: Arc::new(signing),
            trusted: Arc::new(TrustedKeys::new(trusted(folder)?)),
        })
    }

    /// Signs contracts and directives.
    #[must_use]
    pub fn contract(&self) -> &SigningKey {
        &self.signing[0]
    }

    /// Signs first votes.
    #[must_use]
    pub fn first_vote(&self) -> &SigningKey {
        &self.signing[1]
    }

    /// Signs what people decide.
    #[must_use]
    pub fn vote(&self) -> &SigningKey {
        &self.signing[2]
    }

    /// Signs the audit chain.
    #[must_use]
    pub fn audit(&self) -> &SigningKey {
        &self.signing[3]
    }

    /// Whose signatures count.
    #[must_use]
    pub fn trusted(&self) -> &TrustedKeys {
        &self.trusted
    }
}

/// Draws a key, stores it and makes it the active one of its purpose. Keys before it stay trusted until they are revoked.
///
/// # Errors
/// [`KeyringError`].
pub fn generate(folder: &Path, purpose: KeyPurpose, seed: [u8; 32]) -> Result<PublicKeyFile, KeyringError> {
    std::fs::create_dir_all(folder).map_err(io(folder))?;
    let key = PrivateKeyFile {
        purpose,
        key: SigningKey::from_seed(seed),
    };
    let path = folder.join(format!("{purpose}-{}.key", key.key.key_id()));
    let public = key.write_new(&path)?;
    let active = active_path(folder, purpose);
    write_whole(&active, format!("{}\n", public.key_id).as_bytes()).map_err(io(&active))?;
    Ok(public)
}

/// No signature of this key counts any more: its public half moves to `revoked/`. An active key is not revoked: rotate first.
///
/// # Errors
/// [`KeyringError`].
pub fn revoke(folder: &Path, purpose: KeyPurpose, id: &KeyId) -> Result<bool, KeyringError> {
    let public = public_path(&folder.join(format!("{purpose}-{id}.key")));
    if read_active(folder, purpose)?.as_ref() == Some(id) || !public.exists() {
        return Ok(false);
    }
    let revoked = folder.join("revoked");
    std::fs::create_dir_all(&revoked).map_err(io(&revoked))?;
    let name = public.file_name().expect("a key file has a name");
    std::fs::rename(&public, revoked.join(name)).map_err(io(&public))?;
    Ok(true)
}

/// The keys whose signatures count, by file name.
///
/// # Errors
/// [`KeyringError`].
pub fn trusted(folder: &Path) -> Result<Vec<TrustedKey>, KeyringError> {
    public_files(folder)?
        .iter()
        .map(|path| Ok(PublicKeyFile::read(path)?.trusted()))
        .collect()
}

/// Where a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It signs.
    Active,
    /// Its signatures count; another one signs.
    Trusted,
    /// Its signatures count no more.
    Revoked,
}

/// A key of the directory.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ListedKey {
    /// What it may sign.
    pub purpose: KeyPurpose,
    /// Its id.
    pub key_id: KeyId,
    /// Where it stands.
    pub state: KeyState,
    /// Its public half.
    pub public: PathBuf,
}

/// All keys, by purpose and id; none where there is no directory yet.
///
/// # Errors
/// [`KeyringError`].
pub fn list(folder: &Path) -> Result<Vec<ListedKey>, KeyringError> {
    let mut found = Vec::new();
    for (folder_of, revoked) in [(folder.to_owned(), false), (folder.join("revoked"), true)] {
        if !folder_of.exists() {
            continue;
        }
        for path in public_files(&folder_of)? {
            let file = PublicKeyFile::read(&path)?;
            let active = read_active(folder, file.purpose)?.as_ref() == Some(&file.key_id);
            found.push(ListedKey {
                state: match (revoked, active) {
                    (true, _) => KeyState::Revoked,
                    (false, true) => KeyState::Active,
                    (false, false) => KeyState::Trusted,
                },
                purpose: file.purpose,
                key_id: file.key_id,
                public: path,
            });
        }
    }
    found.sort_by_key(|key| (key.purpose.to_string(), key.key_id.clone()));
    Ok(found)
}

fn public_files(folder: &Path) -> Result<Vec<PathBuf>, KeyringError> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io(folder))? {
        let path = entry.map_err(io(folder))?.path();
        if path.extension().is_some_and(|extension| extension == "pub") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn active_key(folder: &Path, purpose: KeyPurpose) -> Result<SigningKey, KeyringError> {
    let Some(id) = read_active(folder, purpose)? else {
        return Err(KeyringError::NoActive {
            purpose,
            folder: folder.to_owned(),
        });
    };
    Ok(PrivateKeyFile::read(&folder.join(format!("{purpose}-{id}.key")))?.key)
}

fn read_active(folder: &Path, purpose: KeyPurpose) -> Result<Option<KeyId>, KeyringError> {
    let path = active_path(folder, purpose);
    match std::fs::read_to_string(&path) {
        Ok(text) => match KeyId::parse(text.trim()) {
            Ok(id) => Ok(Some(id)),
            Err(_) => Err(KeyringError::Active { path }),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io(&path)(error)),
    }
}

fn active_path(folder: &Path, purpose: KeyPurpose) -> PathBuf {
    folder.join(format!("{purpose}.active"))
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> KeyringError {
    let path = path.to_owned();
    move |source| KeyringError::Io { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_name_of_the_active_key_is_an_error_and_no_reason_for_another_key() {
        let folder = tempfile::tempdir().unwrap();
        let public = generate(folder.path(), KeyPurpose::Vote, [1; 32]).unwrap();
        std::fs::write(active_path(folder.path(), KeyPurpose::Vote), "").unwrap();
        assert!(matches!(
            Keyring::load(folder.path()),
            Err(KeyringError::NoActive { .. })
        ));
        let revoked = revoke(folder.path(), KeyPurpose::Vote, &public.key_id);
        assert!(matches!(revoked, Err(KeyringError::Active { .. })), "{revoked:?}");
    }

    #[test]
    fn a_rotated_key_stays_trusted_until_it_is_revoked() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            Keyring::load(folder.path()),
            Err(KeyringError::NoActive { .. })
        ));
        for (n, purpose) in PURPOSES.into_iter().enumerate() {
            generate(folder.path(), purpose, [u8::try_from(n).unwrap(); 32]).unwrap();
        }
        let first = Keyring::load(folder.path()).unwrap();
        let old = first.vote().key_id();
        generate(folder.path(), KeyPurpose::Vote, [9; 32]).unwrap();
        let second = Keyring::load(folder.path()).unwrap();
        assert_ne!(second.vote().key_id(), old);
        assert!(second.trusted().find(&old, KeyPurpose::Vote).is_some());

        assert!(!revoke(folder.path(), KeyPurpose::Vote, &second.vote().key_id()).unwrap());
        assert!(revoke(folder.path(), KeyPurpose::Vote, &old).unwrap());
        let third = Keyring::load(folder.path()).unwrap();
        assert!(third.trusted().find(&old, KeyPurpose::Vote).is_none());
        assert!(!revoke(folder.path(), KeyPurpose::Vote, &old).unwrap());
    }
}
