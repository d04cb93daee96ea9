//! Everything a training needs to go on bit for bit, in one file.
//!
//! Layout: 16 bytes of magic and version, length of the head (u64 LE), the head (JSON), every parameter and moment (f32 LE), SHA-256 of all before it. Draws come
//! from streams named by seed and update, and an environment is where its decisions lead, so neither a generator's state nor an open trade
//! has to be written down. A file is written beside its place, synced, and renamed: what is there is whole.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::curve::Point;
use crate::limits::CHECKPOINT_BYTES_MAX;

const MAGIC: &[u8; 16] = b"twovote/train/v1";
const HASH_BYTES: usize = 32;

/// Why a checkpoint is not gone on from, or not written.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The disk.
    #[error("cannot be read or written: {0}")]
    Io(#[from] io::Error),
    /// The bytes are not those that were written. Delete the file to begin anew.
    #[error("is damaged ({detail}); delete it to begin the training anew")]
    Damaged {
        /// What does not fit.
        detail: String,
    },
    /// It belongs to another training. Name another file, or delete it to begin anew.
    #[error(
        "is of another training: its {what} is {found}, here it is {expected}; name another file, or delete it"
    )]
    Other {
        /// Which part of the identity.
        what: String,
        /// In the file.
        found: String,
        /// Here.
        expected: String,
    },
}

/// Whose state it is: names of parts with their hashes.
pub type Identity = BTreeMap<String, String>;

/// Where an environment stands: an episode and the decisions in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaneState {
    /// First step of the episode.
    pub from: usize,
    /// Where it is cut.
    pub until: usize,
    /// −1, 0, 1; 2 for an output that was no number.
    pub decisions: Vec<i8>,
}

/// The best evaluation so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// After this update.
    pub update: u64,
    /// Mean reward on the validation window.
    pub reward: f64,
}

/// The part that is no parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Whose state it is.
    pub identity: Identity,
    /// Updates made.
    pub update: u64,
    /// Gradient steps made.
    pub gradient_steps: u64,
    /// Evaluations since the best one.
    pub evaluations_since: u64,
    /// The validation window ended it.
    pub stopped_early: bool,
    /// The best evaluation.
    pub best: Option<Best>,
    /// The environments; none for one that begins a new episode next.
    pub lanes: Vec<Option<LaneState>>,
    /// The curve.
    pub points: Vec<Point>,
    /// Lengths of the lists of numbers that follow.
    pub lengths: Vec<usize>,
}

/// A checkpoint as it was read or will be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Everything but numbers.
    pub head: Head,
    /// Parameters and moments, in the trainer's order.
    pub lists: Vec<Vec<f32>>,
}

impl Checkpoint {
    /// The file's bytes.
    ///
    /// # Panics
    /// Never: the head is plain data.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let head = serde_json::to_vec(&self.head).expect("a head is plain data with text keys");
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&(head.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&head);
        for value in self.lists.iter().flatten() {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        let hash = Sha256::digest(&bytes);
        bytes.extend_from_slice(&hash);
        bytes
    }

    /// Reads a file's bytes.
    ///
    /// # Errors
    /// [`CheckpointError::Damaged`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let damaged = |detail: &str| CheckpointError::Damaged {
            detail: detail.to_owned(),
        };
        let body = bytes
            .len()
            .checked_sub(HASH_BYTES)
            .ok_or_else(|| damaged("it ends early"))?;
        let (body, hash) = bytes.split_at(body);
        let rest = body
            .strip_prefix(MAGIC)
            .ok_or_else(|| damaged("it does not begin as a checkpoint of this version does"))?;
        if Sha256::digest(body).as_slice() != hash {
            return Err(damaged("its hash is not that of its bytes"));
        }
        let (length, rest) = rest
            .split_first_chunk::<8>()
            .ok_or_else(|| damaged("it ends early"))?;
        let (head, numbers) = usize::try_from(u64::from_le_bytes(*length))
            .ok()
            .and_then(|length| rest.split_at_checked(length))
            .ok_or_else(|| damaged("its head is longer than the file"))?;
        let head: Head = serde_json::from_slice(head).map_err(|error| damaged(&error.to_string()))?;
        let (words, odd) = numbers.as_chunks::<4>();
        let mut numbers = words.iter().map(|word| f32::from_le_bytes(*word));
        let total = head
            .lengths
            .iter()
            .try_fold(0_usize, |sum, length| sum.checked_add(*length));
        if !odd.is_empty() || total != Some(words.len()) {
            return Err(damaged("it has another number of parameters than it says"));
        }
        let lists = head
            .lengths
            .iter()
            .map(|length| numbers.by_ref().take(*length).collect())
            .collect();
        Ok(Self { head, lists })
    }

    /// Reads a file, if it is there, and compares whose it is.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn load(path: &Path, identity: &Identity) -> Result<Option<Self>, CheckpointError> {
        let size = match fs::metadata(path) {
            Ok(meta) => meta.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if size > CHECKPOINT_BYTES_MAX {
            return Err(CheckpointError::Damaged {
                detail: format!("{size} bytes are more than any checkpoint has"),
            });
        }
        let checkpoint = Self::from_bytes(&fs::read(path)?)?;
        checkpoint.compare(identity)?;
        Ok(Some(checkpoint))
    }

    fn compare(&self, identity: &Identity) -> Result<(), CheckpointError> {
        let found = &self.head.identity;
        let part = |of: &Identity, what: &str| of.get(what).map_or("missing", String::as_str).to_owned();
        match identity
            .keys()
            .chain(found.keys())
            .find(|what| identity.get(*what) != found.get(*what))
        {
            None => Ok(()),
            Some(what) => Err(CheckpointError::Other {
                what: what.clone(),
                found: part(found, what),
                expected: part(identity, what),
            }),
        }
    }

    /// Writes the file: whole, or as it was before.
    ///
    /// # Errors
    /// [`CheckpointError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".writing");
        let beside = path.with_file_name(name);
        let mut file = File::create(&beside)?;
        file.write_all(&self.to_bytes())?;
        file.sync_all()?;
        drop(file);
        fs::rename(&beside, path)?;
        // The new name is on the disk when its folder is.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            head: Head {
                identity: Identity::from([("config".to_owned(), "aa".to_owned())]),
                update: 3,
                gradient_steps: 30,
                evaluations_since: 1,
                stopped_early: false,
                best: Some(Best {
                    update: 2,
                    reward: 0.1 + 0.2,
                }),
                lanes: vec![
                    None,
                    Some(LaneState {
                        from: 4,
                        until: 90,
                        decisions: vec![-1, 0, 1, 2],
                    }),
                ],
                points: Vec::new(),
                lengths: vec![2, 0, 1],
            },
            lists: vec![vec![1.5, f32::MIN_POSITIVE], vec![], vec![-0.0]],
        }
    }

    #[test]
    fn comes_back_and_replaces_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let identity = checkpoint().head.identity;
        assert_eq!(Checkpoint::load(&path, &identity).unwrap(), None);
        for update in [3, 4] {
            let mut written = checkpoint();
            written.head.update = update;
            written.save(&path).unwrap();
            assert_eq!(Checkpoint::load(&path, &identity).unwrap(), Some(written));
        }
        let files = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(files, 1, "nothing is left beside it");
    }

    #[test]
    fn every_changed_or_missing_byte_is_noticed() {
        let bytes = checkpoint().to_bytes();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            for damaged in [&changed[..], &bytes[..at]] {
                let error = Checkpoint::from_bytes(damaged).unwrap_err();
                assert!(
                    matches!(error, CheckpointError::Damaged { .. }),
                    "byte {at}: {error}"
                );
            }
        }
    }

    #[test]
    fn another_trainings_state_is_refused_by_what_differs() {
        let identity = Identity::from([("config".to_owned(), "bb".to_owned())]);
        let text = checkpoint().compare(&identity).unwrap_err().to_string();
        assert!(text.contains("its config is aa, here it is bb"), "{text}");
        let text = checkpoint().compare(&Identity::new()).unwrap_err().to_string();
        assert!(text.contains("here it is missing"), "{text}");
    }
}
