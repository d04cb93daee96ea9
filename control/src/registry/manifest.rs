//! What a manifest of a dataset or a training run names beside its own words: files, which must be in the artifact store, and months of
//! market data, which must have been ingested.

use contracts::hash::{ArtifactHash, Digest};
use contracts::jcs;
use serde::Deserialize as _;
use serde_json::Value;

use crate::limits::{INGEST_PARTITIONS_MAX, MANIFEST_FILES_MAX};
use crate::market::SourcePartition;

/// Why a manifest is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// It has no canonical form.
    #[error("the manifest is no JSON object with finite numbers of at most 53 bits")]
    NoObject,
    /// Its files are none.
    #[error("the manifest's `files` is no object of at most {MANIFEST_FILES_MAX} names with a SHA-256 each")]
    Files,
    /// Its sources are none.
    #[error(
        "the manifest's `sources` is no list of at most {INGEST_PARTITIONS_MAX} objects with kind, name, month, revision and sha256"
    )]
    Sources,
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

/// The months of market data it names under `sources`; none where it has no such member.
///
/// # Errors
/// [`ManifestError::Sources`].
pub(super) fn sources(manifest: &Value) -> Result<Vec<SourcePartition>, ManifestError> {
    let Some(sources) = manifest.get("sources") else {
        return Ok(Vec::new());
    };
    let sources = sources.as_array().ok_or(ManifestError::Sources)?;
    if sources.len() > INGEST_PARTITIONS_MAX {
        return Err(ManifestError::Sources);
    }
    let source = |value: &Value| SourcePartition::deserialize(value).map_err(|_| ManifestError::Sources);
    sources.iter().map(source).collect()
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
    fn sources_are_months_of_a_name_or_refused() {
        let good = json!({"kind": "daily", "name": "dxy", "month": "2026-01", "revision": 2, "sha256": "a".repeat(64)});
        let named = sources(&json!({"sources": [good]})).unwrap();
        assert_eq!(named[0].to_string(), "daily dxy 2026-01 revision 2");
        assert_eq!(serde_json::to_value(&named).unwrap(), json!([good]));
        assert_eq!(sources(&json!({})), Ok(Vec::new()));
        for (member, value) in [
            ("kind", json!("ticks")),
            ("name", json!("EUR/USD")),
            ("month", json!("2026-13")),
            ("revision", json!(-1)),
            ("sha256", json!("a")),
            ("more", json!(1)),
        ] {
            let mut bad = good.clone();
            bad[member] = value;
            assert_eq!(
                sources(&json!({"sources": [bad]})),
                Err(ManifestError::Sources),
                "{member}"
            );
        }
        assert_eq!(sources(&json!({"sources": {}})), Err(ManifestError::Sources));
    }

    #[test]
    fn a_manifest_is_an_object() {
        assert!(manifest_hash(&json!({})).is_ok());
        assert_eq!(manifest_hash(&json!([])), Err(ManifestError::NoObject));
    }
}
