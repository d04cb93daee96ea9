//! Key files: the private one readable by its owner alone, the public one beside it with `.pub`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{KeyPurpose, PublicKey, SigningKey, TrustedKey};
use crate::ids::KeyId;
use crate::schema::schema_tag;

schema_tag!(
    /// Tag of a private key file.
    PrivateKeyV1 = "twovote/private-key/v1"
);
schema_tag!(
    /// Tag of a public key file.
    PublicKeyV1 = "twovote/public-key/v1"
);

/// A public key file: what goes into `trusted_keys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicKeyFile {
    /// What this document is.
    pub schema_version: PublicKeyV1,
    /// Follows from the key; for people and for a check against a slip in copying.
    pub key_id: KeyId,
    /// What it may sign.
    pub purpose: KeyPurpose,
    /// The key.
    pub public_key: PublicKey,
}

/// A private key with its purpose, as its file holds it.
#[derive(Debug)]
pub struct PrivateKeyFile {
    /// What it may sign.
    pub purpose: KeyPurpose,
    /// The key.
    pub key: SigningKey,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PrivateDocument {
    schema_version: PrivateKeyV1,
    key_id: KeyId,
    purpose: KeyPurpose,
    private_key: String,
}

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read; the path says which.
    #[error("cannot read the key file {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It cannot be written; an existing file is never overwritten.
    #[error("cannot write the key file {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others may read it. `chmod 600` it, and think about who may have.
    #[error(
        "{path} is a private key that others can read (mode {mode:03o}): chmod 600 {path}, or make a new one"
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is no key file of this version.
    #[error("{path} is no key file: {detail}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
}

impl PublicKeyFile {
    /// Reads a public key file.
    ///
    /// # Errors
    /// [`KeyFileError`]; also when the id does not follow from the key.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let file: Self = parse(path, &read(path)?)?;
        if file.key_id != file.public_key.key_id() {
            return Err(malformed(path, "key_id does not belong to public_key"));
        }
        Ok(file)
    }

    /// The entry for `trusted_keys`.
    #[must_use]
    pub const fn trusted(&self) -> TrustedKey {
        TrustedKey {
            purpose: self.purpose,
            public_key: self.public_key,
        }
    }
}

impl PrivateKeyFile {
    /// Reads a private key file, refusing one that others can read.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let bytes = read(path)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let metadata = std::fs::metadata(path).map_err(|source| KeyFileError::Read {
                path: path.to_owned(),
                source,
            })?;
            let mode = metadata.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(KeyFileError::Exposed {
                    path: path.to_owned(),
                    mode,
                });
            }
        }
        let document: PrivateDocument = parse(path, &bytes)?;
        let mut seed = [0; 32];
        hex::decode_to_slice(&document.private_key, &mut seed)
            .map_err(|_| malformed(path, "private_key is not 64 hex characters"))?;
        let key = SigningKey::from_seed(seed);
        if key.key_id() != document.key_id {
            return Err(malformed(path, "key_id does not belong to private_key"));
        }
        Ok(Self {
            purpose: document.purpose,
            key,
        })
    }

    /// Writes the private key to `path` (mode 0600) and the public key to `path` + `.pub`. Neither may exist.
    ///
    /// # Errors
    /// [`KeyFileError::Write`].
    pub fn write_new(&self, path: &Path) -> Result<PublicKeyFile, KeyFileError> {
        let public = PublicKeyFile {
            schema_version: PublicKeyV1,
            key_id: self.key.key_id(),
            purpose: self.purpose,
            public_key: self.key.public_key(),
        };
        let private = PrivateDocument {
            schema_version: PrivateKeyV1,
            key_id: self.key.key_id(),
            purpose: self.purpose,
            private_key: hex::encode(self.key.seed()),
        };
        write_new(path, 0o600, &private)?;
        write_new(&public_path(path), 0o644, &public)?;
        Ok(public)
    }
}

/// Where the public half of the private key file `path` lies: the same name with `.pub` at its end.
#[must_use]
pub fn public_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

fn read(path: &Path) -> Result<Vec<u8>, KeyFileError> {
    std::fs::read(path).map_err(|source| KeyFileError::Read {
        path: path.to_owned(),
        source,
    })
}

fn malformed(path: &Path, detail: impl std::fmt::Display) -> KeyFileError {
    KeyFileError::Malformed {
        path: path.to_owned(),
        detail: detail.to_string(),
    }
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, KeyFileError> {
    serde_json::from_slice(bytes).map_err(|error| malformed(path, error))
}

fn write_new(path: &Path, mode: u32, document: &impl Serialize) -> Result<(), KeyFileError> {
    use std::io::Write as _;
    let failed = |source| KeyFileError::Write {
        path: path.to_owned(),
        source,
    };
    let mut text = serde_json::to_string_pretty(document).map_err(|error| failed(error.into()))?;
    text.push('\n');
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn private(seed: u8) -> PrivateKeyFile {
        PrivateKeyFile {
            purpose: KeyPurpose::Contract,
            key: SigningKey::from_seed([seed; 32]),
        }
    }

    #[test]
    fn a_pair_round_trips_and_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let public = private(1).write_new(&path).unwrap();
        let read = PrivateKeyFile::read(&path).unwrap();
        assert_eq!(read.key.public_key(), public.public_key);
        assert_eq!(PublicKeyFile::read(&public_path(&path)).unwrap(), public);
        assert!(matches!(
            private(2).write_new(&path),
            Err(KeyFileError::Write { .. })
        ));
    }

    #[cfg(unix)]
    #[test]
    fn a_private_key_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        private(1).write_new(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            PrivateKeyFile::read(&path),
            Err(KeyFileError::Exposed { mode: 0o640, .. })
        ));
    }

    #[test]
    fn an_id_of_another_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        private(1).write_new(&path).unwrap();
        let text = std::fs::read_to_string(public_path(&path)).unwrap();
        let other = SigningKey::from_seed([2; 32]).key_id();
        let swapped = text.replace(private(1).key.key_id().as_str(), other.as_str());
        std::fs::write(public_path(&path), swapped).unwrap();
        assert!(matches!(
            PublicKeyFile::read(&public_path(&path)),
            Err(KeyFileError::Malformed { .. })
        ));
    }
}
