//! The experiment as it is kept, and the schema an editor checks a file with.

use std::path::{Path, PathBuf};

use contracts::experiment::contract::ExperimentContract;
use contracts::experiment::{Experiment, parse};
use contracts::time::UtcMillis;

use crate::golden;

fn config() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config")
}

fn shipped() -> Vec<u8> {
    std::fs::read(config().join("experiments/usdcop_ppo_baseline.yaml")).unwrap()
}

#[test]
fn an_experiment_contract_of_version_1_keeps_its_bytes_and_comes_back() {
    let folder = config().join("features");
    let at = UtcMillis(1_767_618_300_000);
    let contract = ExperimentContract::from_yaml(&shipped(), "baseline", &folder, at).unwrap();
    let text = serde_json::to_string_pretty(&contract).unwrap() + "\n";
    golden::assert_same(&golden::path("v1/experiment_contract.json"), &text);
    assert_eq!(
        serde_json::from_str::<ExperimentContract>(&text).unwrap(),
        contract
    );
}

#[test]
fn the_committed_schema_is_the_one_of_the_types() {
    let schema = serde_json::to_string_pretty(&schemars::schema_for!(Experiment)).unwrap() + "\n";
    golden::assert_same(&config().join("experiments/experiment.schema.json"), &schema);
}

#[test]
fn every_shipped_experiment_parses() {
    let mut parsed = 0;
    for entry in std::fs::read_dir(config().join("experiments")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            parse(&std::fs::read(&path).unwrap(), &path.display().to_string()).unwrap();
            parsed += 1;
        }
    }
    assert!(parsed >= 1);
}
