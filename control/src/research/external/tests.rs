//! A shell script as the trainer: what it is told, what is taken of it, what is refused.

use super::*;
use contracts::experiment::contract::ExperimentContract;
use contracts::hash::Digest;
use contracts::time::UtcMillis;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../config");

fn contract() -> ExperimentContract {
    let yaml = std::fs::read(format!("{CONFIG}/experiments/usdcop_ppo_baseline.yaml")).unwrap();
    let features = Path::new(CONFIG).join("features");
    ExperimentContract::from_yaml(&yaml, "e.yaml", &features, UtcMillis(0)).unwrap()
}

/// Runs a shell script as the trainer; what it gave and what was heard of it.
fn run(folder: &Path, script: &str) -> (Result<Vec<u8>, ExternalError>, Vec<String>) {
    let contract = contract();
    let job = Job {
        contract: &contract,
        dataset_hash: Digest::of(b"dataset"),
        norm_stats_hash: Digest::of(b"norm stats"),
        train: Path::new("/data/train.parquet"),
        validation: Path::new("/data/val.parquet"),
        norm_stats: Path::new("/data/norm_stats.json"),
        seed: 42,
    };
    let heard = Mutex::new(Vec::new());
    let command = ["sh", "-c", script].map(str::to_owned);
    let done = train(&job, &command, folder, &|line| {
        heard.lock().unwrap().push(line.to_owned());
    });
    (done, heard.into_inner().unwrap())
}

#[test]
fn a_program_is_told_what_it_needs_and_its_file_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"echo "$TWOVOTE_SEED $TWOVOTE_TRAIN $TWOVOTE_VALIDATION $TWOVOTE_NORM_STATS" > "$TWOVOTE_OUTPUT"
        echo one; grep -c contract_id "$TWOVOTE_JOB" >&2"#;
    let (done, mut heard) = run(folder.path(), script);
    let expected = "42 /data/train.parquet /data/val.parquet /data/norm_stats.json\n";
    assert_eq!(String::from_utf8(done.unwrap()).unwrap(), expected);
    heard.sort();
    assert_eq!(heard, ["1", "one"]);
    let files = JobFiles::in_folder(folder.path());
    assert!(!files.output.exists(), "the part is taken away");
    let job: serde_json::Value = serde_json::from_slice(&std::fs::read(&files.job).unwrap()).unwrap();
    assert_eq!(job["contract_id"], "CTR-EXP-usdcop_ppo_baseline-1.0.0");
    assert_eq!(job["experiment"]["environment"]["transaction_cost_bps"], 75.0);
    assert_eq!(job["feature_contract"]["calendar"]["zone"], "America/Bogota");
    let text = job.to_string();
    assert!(
        !text.contains("test.parquet"),
        "nobody is told of the holdout's rows"
    );
    let log = std::fs::read_to_string(&files.log).unwrap();
    assert!(log.contains("one\n") && log.contains("1\n"), "{log}");
}

#[test]
fn what_goes_wrong_is_told_apart_and_leaves_no_model() {
    let folder = tempfile::tempdir().unwrap();
    let (failed, _) = run(folder.path(), "echo half > \"$TWOVOTE_OUTPUT\"; exit 3");
    let text = failed.as_ref().unwrap_err().to_string();
    assert!(
        matches!(failed, Err(ExternalError::Failed { .. })) && text.contains("exit status: 3"),
        "{text}"
    );
    // What the failed one left does not become this one's.
    let (nothing, _) = run(folder.path(), "true");
    assert!(
        matches!(nothing, Err(ExternalError::NoModel { .. })),
        "{nothing:?}"
    );
    let (empty, _) = run(folder.path(), ": > \"$TWOVOTE_OUTPUT\"");
    assert!(
        matches!(empty, Err(ExternalError::Size { bytes: 0, .. })),
        "{empty:?}"
    );
}

#[test]
fn logins_and_secrets_stay_out() {
    for name in [
        "CONTROL_TOKEN",
        "CONTROL_SESSION",
        "FRED_API_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "DB_PASSWORD",
        "HF_TOKEN",
    ] {
        assert!(withheld(name), "{name}");
    }
    for name in ["PATH", "HOME", "VIRTUAL_ENV", "OMP_NUM_THREADS", "PYTHONPATH"] {
        assert!(!withheld(name), "{name}");
    }
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let (contract, folder) = (contract(), tempfile::tempdir().unwrap());
    let job = Job {
        contract: &contract,
        dataset_hash: Digest::of(b""),
        norm_stats_hash: Digest::of(b""),
        train: Path::new("/t"),
        validation: Path::new("/v"),
        norm_stats: Path::new("/n"),
        seed: 1,
    };
    let run = |command: &[String]| train(&job, command, folder.path(), &|_| {}).unwrap_err();
    let error = run(&["/nowhere/trainer".to_owned()]);
    assert!(error.to_string().contains("/nowhere/trainer"), "{error}");
    assert!(matches!(run(&[]), ExternalError::NoProgram));
}
