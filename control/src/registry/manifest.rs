//! What a manifest of a dataset or a training run names beside its own words: files, which must be in the artifact store.

use contracts::hash::{ArtifactHash, Digest};
use contracts::jcs;
use serde_json::Value;

use crate::limits::MANIFEST_FILES_MAX;

/// Why a manifest is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// It has no canonical form.
    #[error("the manifest is no JSON object with finite numbers of at most 53 bits")]
    NoObject,
    /// Its files are none.
    #[error("the manifest's `files` is no object of at most {MANIFEST_FILES_MAX} names with a SHA-256 each")]
    Files,
}

/// SHA-256 of a manifest's canonical JSON.
///
/// # Errors
/// [`ManifestError::NoObject`].
pub(super) fn manifest_hash(manifest: &Value) -> Result<Digest<()>, ManifestError> {
    let hash = manifest.as_object().and_then(|_| jcs::digest(manifest).ok());
    hash.ok_or(ManifestError::NoObject)
}

/// The files it names under `files`: name and hash; none where it has no such member.
///
/// # Errors
/// [`ManifestError::Files`].
pub(super) fn files(manifest: &Value) -> Result<Vec<(String, ArtifactHash)>, ManifestError> {
    let Some(files) = manifest.get("files") else {
        return Ok(Vec::new());
    };
    let files = files.as_object().ok_or(ManifestError::Files)?;
    if files.len() > MANIFEST_FILES_MAX {
        return Err(ManifestError::Files);
    }
    let hash = |value: &Value| ArtifactHash::parse(value.as_str()?).ok();
    files
        .iter()
        .map(|(name, value)| Ok((name.clone(), hash(value).ok_or(ManifestError::Files)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn files_are_names_with_hashes_or_refused() {
        let hash = "a".repeat(64);
        let named = files(&json!({"files": {"train": hash}, "rows": 3})).unwrap();
        assert_eq!(named, [("train".to_owned(), hash.parse().unwrap())]);
        assert_eq!(files(&json!({"rows": 3})), Ok(Vec::new()));
        let many: serde_json::Map<String, Value> = (0..=MANIFEST_FILES_MAX)
            .map(|n| (n.to_string(), json!(hash)))
            .collect();
        for bad in [
            json!({"files": null}),
            json!({"files": [hash]}),
            json!({"files": {"train": 7}}),
            json!({"files": {"train": "A".repeat(64)}}),
            json!({"files": {"train": "../../etc/passwd"}}),
            json!({"files": many}),
        ] {
            assert_eq!(files(&bad), Err(ManifestError::Files), "{bad}");
        }
    }

    #[test]
    fn a_manifest_is_an_object() {
        assert!(manifest_hash(&json!({})).is_ok());
        assert_eq!(manifest_hash(&json!([])), Err(ManifestError::NoObject));
    }
}
