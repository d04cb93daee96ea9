//! A dataset on disk: written whole, read back to the last bit, and refused by name when a byte is another.

use std::path::Path;

use serde_json::json;
use training::dataset::{
    Dataset, LoadDatasetError, MANIFEST_FILE, NORM_STATS_FILE, SplitName, WriteDatasetError, build, load,
    write,
};
use training::synthetic::Kind;

use super::kit;

const TRAIN: &str = "DS_usdcop_ppo_baseline_train.parquet";
const TEST: &str = "DS_usdcop_ppo_baseline_test.parquet";

fn dataset(seed: u64) -> Dataset {
    let sources = vec![json!({"kind": "generated", "seed": seed})];
    build(&kit::small(), &kit::market(Kind::Edge, seed), sources).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_was_written_is_read_back_and_written_again_without_harm() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("deep/ds");
    let dataset = dataset(1);
    let files = write(&dataset, &folder).unwrap();
    assert_eq!(names(&folder).len(), 5);
    for file in &files {
        assert_eq!(std::fs::read(folder.join(&file.name)).unwrap(), file.bytes);
    }
    assert_eq!(load(&folder).unwrap(), dataset);
    let contract = kit::small();
    assert_eq!(dataset.manifest.differs_from(&contract), None);
    assert!(dataset.manifest.is_of(&kit::market(Kind::Edge, 1)));
    write(&dataset, &folder).unwrap();
    assert_eq!(
        names(home.path().join("deep").as_path()),
        ["ds"],
        "nothing is left beside it"
    );
    let norm_stats = std::fs::read(folder.join(NORM_STATS_FILE)).unwrap();
    let hash = contracts::hash::NormStatsHash::of(&norm_stats);
    assert_eq!(hash, dataset.manifest.norm_stats_hash, "the file's own SHA-256");
}

#[test]
fn a_folder_that_holds_something_else_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("ds");
    write(&dataset(1), &folder).unwrap();
    let before = std::fs::read(folder.join(MANIFEST_FILE)).unwrap();
    let error = write(&dataset(2), &folder).unwrap_err();
    assert!(matches!(error, WriteDatasetError::Taken { .. }), "{error}");
    assert_eq!(std::fs::read(folder.join(MANIFEST_FILE)).unwrap(), before);
    assert_eq!(names(home.path()), ["ds"]);
    std::fs::remove_file(folder.join(TRAIN)).unwrap();
    assert!(
        write(&dataset(1), &folder).is_err(),
        "half of a dataset is something else"
    );
    let file = home.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = write(&dataset(1), &file.join("ds")).unwrap_err();
    assert!(matches!(error, WriteDatasetError::Io { .. }), "{error}");
}

#[test]
fn a_changed_byte_is_refused_with_the_files_name() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("ds");
    let files = write(&dataset(1), &folder).unwrap();
    for file in files.iter().filter(|file| file.name != MANIFEST_FILE) {
        let path = folder.join(&file.name);
        for at in [0, file.bytes.len() / 2, file.bytes.len() - 1] {
            let mut bytes = file.bytes.clone();
            bytes[at] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            let error = load(&folder).unwrap_err();
            assert!(matches!(error, LoadDatasetError::Differs { .. }), "{error}");
            assert!(error.to_string().contains(&file.name), "{error}");
        }
        std::fs::write(&path, &file.bytes).unwrap();
    }
    load(&folder).unwrap();
    std::fs::remove_file(folder.join(TEST)).unwrap();
    let error = load(&folder).unwrap_err().to_string();
    assert!(error.contains("cannot read") && error.contains(TEST), "{error}");
}

/// Writes the manifest anew with this text changed.
fn with_manifest(folder: &Path, from: &str, to: &str) -> String {
    let path = folder.join(MANIFEST_FILE);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    let error = load(folder).unwrap_err().to_string();
    std::fs::write(&path, text).unwrap();
    error
}

#[test]
fn a_manifest_that_says_something_else_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("ds");
    let dataset = dataset(1);
    write(&dataset, &folder).unwrap();
    let rows = dataset.manifest.splits[&SplitName::Train].rows;
    let hash = dataset.manifest.dataset_hash.to_hex();
    let zeros = "0".repeat(64);
    for (from, to, part) in [
        (hash.as_str(), zeros.as_str(), "dataset_hash is"),
        (&format!("\"rows\":{rows}"), "\"rows\":7", "rows is"),
        (TRAIN, "../../etc/passwd", "is ../../etc/passwd, not"),
        ("twovote/dataset/v1", "twovote/dataset/v2", "v2"),
        ("\"train\":", "\"other\":", "other"),
        ("{", "{ ", "canonically"),
        ("\"rsi_9\"", "\"rsi_8\"", "the columns are"),
    ] {
        let error = with_manifest(&folder, from, to);
        assert!(error.contains(part), "{error}: {part}");
    }
    std::fs::write(folder.join(MANIFEST_FILE), "{").unwrap();
    assert!(matches!(load(&folder), Err(LoadDatasetError::Manifest { .. })));
    let mut other = kit::small();
    other.config_hash = contracts::hash::ConfigHash::of(b"other");
    assert!(
        dataset
            .manifest
            .differs_from(&other)
            .unwrap()
            .starts_with("config_hash is")
    );
}
