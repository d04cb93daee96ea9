//! Heads: the number and hash of the newest event, signed and kept outside the database. What a chain cannot show by itself, that its
//! end was cut off, a head shows.
//!
//! One line of JSON per head, appended to a file; receivers of webhooks get each head too.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use contracts::jcs::{self, JcsError};
use contracts::signing::{self, Domain, Signature, SignatureError, SigningKey, TrustedKeys};
use contracts::time::UtcMillis;
use serde::{Deserialize, Serialize};

use super::{AppendError, EventHash};
use crate::app::{App, Changed};
use crate::limits::{HEAD_EVENTS, HEAD_PERIOD_MS};
use crate::notify::{self, Notice};
use crate::store::{AuditFilter, StoreError};

/// Where the chain stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Number of its newest event.
    pub seq: u64,
    /// That event's hash.
    pub hash: EventHash,
    /// When.
    pub at: UtcMillis,
}

/// A head as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedHead {
    /// What it says.
    pub head: Head,
    /// With the audit key.
    pub signature: Signature,
}

/// Tag of a head's digest.
enum OfHead {}

impl SignedHead {
    /// Signs a head.
    ///
    /// # Errors
    /// [`JcsError`] for a number beyond 2^53.
    pub fn new(head: Head, key: &SigningKey) -> Result<Self, JcsError> {
        let digest = jcs::digest::<OfHead>(&head)?;
        Ok(Self {
            head,
            signature: key.sign(Domain::AuditHead, digest),
        })
    }

    /// Whether somebody with a trusted audit key signed it.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify(&self, trusted: &TrustedKeys) -> Result<(), SignatureError> {
        let digest = jcs::digest::<OfHead>(&self.head).map_err(|_| SignatureError::Missing)?;
        let signatures = std::slice::from_ref(&self.signature);
        signing::verify(signatures, trusted, Domain::AuditHead, digest).map(drop)
    }
}

/// Why the heads cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HeadsError {
    /// The file.
    #[error("the audit heads in {path} cannot be read or written")]
    Io {
        /// Which.
        path: PathBuf,
        /// The file system's.
        source: io::Error,
    },
    /// A line is no head.
    #[error("{path}: line {line} is no head: it was edited or is damaged")]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
}

/// The heads of a file, in its order; none where there is no file. A last line without its end was cut off by a crash and is passed
/// over.
///
/// # Errors
/// [`HeadsError`].
pub fn read(path: &Path) -> Result<Vec<SignedHead>, HeadsError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(unusable(path, source)),
    };
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = (1..).zip(whole.lines());
    lines
        .map(|(line, text)| {
            serde_json::from_str(text).map_err(|_| HeadsError::Line {
                path: path.to_owned(),
                line,
            })
        })
        .collect()
}

fn unusable(path: &Path, source: io::Error) -> HeadsError {
    HeadsError::Io {
        path: path.to_owned(),
        source,
    }
}

/// Appends a head and syncs it.
///
/// # Errors
/// [`HeadsError::Io`].
pub fn write(path: &Path, head: &SignedHead) -> Result<(), HeadsError> {
    let write = || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut line = serde_json::to_string(head)?;
        line.push('\n');
        let mut file = std::fs::File::options().create(true).append(true).open(path)?;
        // Half a line of a crash goes, so that this one stands alone.
        let there = std::fs::read(path)?;
        let whole = there
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        file.set_len(whole as u64)?;
        file.write_all(line.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|source| unusable(path, source))
}

/// Why there is no new head.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// The file.
    #[error(transparent)]
    File(#[from] HeadsError),
    /// The chain is not the one the last head names: no head is signed over it.
    #[error(
        "the newest head names event {0}, which is not in the chain as it was: run `control audit verify`"
    )]
    Rewritten(u64),
    /// A number has no canonical form.
    #[error("the head has no canonical form")]
    Jcs(#[from] JcsError),
    /// The notice was not posted.
    #[error("the head was not told")]
    Tell(#[from] AppendError),
    /// The database.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
}

/// Writes a head when 100 events have come since the last one, or an hour has passed and there is a new one. Returns it.
///
/// # Errors
/// [`HeadError`]; nothing is signed over a chain that lost or changed the event the last head names.
pub async fn keep(app: &App) -> Result<Option<SignedHead>, HeadError> {
    let path = &app.config.audit_heads;
    let Some((seq, hash)) = app.store.newest_audit_event().await? else {
        return Ok(None);
    };
    let now = app.now();
    if let Some(SignedHead { head: last, .. }) = read(path)?.last() {
        let filter = AuditFilter {
            after: last.seq.saturating_sub(1),
            ..AuditFilter::default()
        };
        let there = app.store.audit_events(&filter, 1).await?;
        let same = there
            .first()
            .is_some_and(|found| found.event.seq == last.seq && found.hash == last.hash);
        if !same || seq < last.seq {
            return Err(HeadError::Rewritten(last.seq));
        }
        let due = seq - last.seq >= HEAD_EVENTS || (seq > last.seq && now.0 - last.at.0 >= HEAD_PERIOD_MS);
        if !due {
            return Ok(None);
        }
    }
    let signed = SignedHead::new(Head { seq, hash, at: now }, app.keys.audit())?;
    write(path, &signed)?;
    let mut tx = app.store.begin().await?;
    notify::post(app, &mut tx, &Notice::AuditHead(&signed)).await?;
    tx.commit().await?;
    app.tell(Changed::AuditHead);
    Ok(Some(signed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::signing::{KeyPurpose, TrustedKey};

    #[test]
    fn heads_come_back_a_torn_line_is_passed_over_and_an_edited_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/heads.jsonl");
        assert!(read(&path).unwrap().is_empty());
        let key = SigningKey::from_seed([7; 32]);
        let trusted = TrustedKeys::new(vec![TrustedKey {
            purpose: KeyPurpose::Audit,
            public_key: key.public_key(),
        }]);
        let head = |seq| {
            let head = Head {
                seq,
                hash: EventHash::of(b"event"),
                at: UtcMillis(seq.cast_signed()),
            };
            SignedHead::new(head, &key).unwrap()
        };
        write(&path, &head(1)).unwrap();
        write(&path, &head(2)).unwrap();
        std::fs::File::options()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"{\"head\":")
            .unwrap();
        assert_eq!(read(&path).unwrap(), [head(1), head(2)]);
        write(&path, &head(3)).unwrap();
        let all = read(&path).unwrap();
        assert_eq!(all, [head(1), head(2), head(3)]);
        all.iter().for_each(|head| head.verify(&trusted).unwrap());

        let mut moved = head(3);
        moved.head.seq = 2;
        assert!(matches!(
            moved.verify(&trusted),
            Err(SignatureError::Forged { .. })
        ));
        std::fs::write(&path, "{}\n").unwrap();
        assert!(matches!(read(&path), Err(HeadsError::Line { line: 1, .. })));
    }
}
