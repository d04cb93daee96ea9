//! From raw bars to the signal, through the programs: generated, ingested, made a dataset of, trained on, proposed, approved, streamed; and
//! broken off anywhere, the chain is run again and ends as if it had not been.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use strategy::onnx::testmodels::{Shape, ppo_continuous};
use testkit::guard::HangGuard;
use testkit::process::{Process, Watch, binary};
use testkit::shared::shared_file;

use crate::kit::database::{Database, sqlite};
use crate::place::Place;
use crate::served::{Person, Served, said, serve};

/// Two months of training; gates that everything passes.
const EXPERIMENT: &str = "\
experiment: {name: chain, version: 1.0.0, description: from raw bars to the signal}
slot: usdcop-5m
data:
  instrument: USDCOP
  calendar: crypto_24x7
  train: {start: 2025-01-06, end: 2025-02-09}
  validation: {start: 2025-02-10, end: 2025-02-23}
  test: {start: 2025-02-24, end: 2025-03-23}
features: {contract: technical_8, version: 1.0.0}
environment:
  transaction_cost_bps: 0.1
  slippage_bps: 0
  action: {kind: continuous, long_above: 0.01, short_below: -0.01}
training: {trainer: ppo, total_timesteps: 600000, seed: 42, learning_rate: 3.0e-4, n_steps: 256, batch_size: 256, n_epochs: 2,
  gamma: 0.9, gae_lambda: 0.95, clip_range: 0.2, ent_coef: 0.01, vf_coef: 0.5, max_grad_norm: 0.5, net_arch: [32, 32]}
reward: {weights: {pnl: 0.7, transaction_cost: 0.3}}
evaluation:
  success_criteria:
    min_sharpe: -1000.0
    max_drawdown: 1.0
    min_win_rate: 0.0
    min_trades: 0
    improvement_threshold: 0.0
    min_dsr: {value: 0.0, severity: warn}
";

/// A researcher's desk: a served control, a token, a folder with an experiment.
struct Desk {
    folder: tempfile::TempDir,
    _database: Database,
    served: Served,
    token: String,
    engine: String,
}

impl Desk {
    /// With an empty store.
    async fn bare(experiment: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = sqlite().await;
        let served = serve(folder.path(), &database, "[markets.USDCOP]\nstore = true\n");
        let engine = served.people().await;
        let ada = served.login("ada").await;
        let token = served.token(&ada, "rita", "research:write", None).await;
        std::fs::write(folder.path().join("experiment.yaml"), experiment).unwrap();
        Self {
            folder,
            _database: database,
            served,
            token,
            engine,
        }
    }

    /// With the bars of a generated market in the store.
    async fn new() -> Self {
        let desk = Self::bare(EXPERIMENT).await;
        let (market, features) = (desk.path("market"), config("features/technical_8.yaml"));
        let words = [
            "synthetic",
            "--kind",
            "noise",
            "--seed",
            "3",
            "--from",
            "2025-01-01",
            "--to",
            "2025-03-31",
        ];
        let mut generate = desk.control(&words);
        generate.arg("--features").arg(features).arg("--out").arg(&market);
        run(generate);
        let source = desk.path("source.yaml");
        std::fs::write(&source, SOURCE).unwrap();
        desk.ingest("bars", &source, &market.join("USDCOP.csv"));
        desk
    }

    fn ingest(&self, kind: &str, source: &Path, file: &Path) {
        let mut ingest = self.control(&["ingest", kind]);
        ingest.arg("--source").arg(source).arg("--file").arg(file);
        if kind == "bars" {
            ingest.arg("--calendars").arg(config("calendars"));
        }
        run(ingest);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `control …` as the researcher, with a cache of its own.
    fn control(&self, words: &[&str]) -> Command {
        let mut command = Command::new(binary("control"));
        command
            .args(words)
            .env("CONTROL_URL", &self.served.url)
            .env("CONTROL_TOKEN", &self.token)
            .env("CONTROL_CACHE", self.path("cache"));
        command
    }

    /// The chain, working under this name.
    fn chain(&self, work: &str) -> Command {
        let mut command = self.control(&["pipeline", "run", "--json", "--threads", "2"]);
        command
            .arg("--experiment")
            .arg(self.path("experiment.yaml"))
            .arg("--features")
            .arg(config("features"))
            .arg("--work")
            .arg(self.path(work));
        command
    }

    async fn list(&self, who: &Person, path: &str, name: &str) -> Vec<Value> {
        let mut found = said(self.served.get(who, path).await, 200).await;
        serde_json::from_value(found[name].take()).unwrap()
    }
}

/// What the generated bars are.
const SOURCE: &str = "\
kind: bars
id: generated
vendor: synthetic
vendor_id: USDCOP
instrument: USDCOP
calendar: crypto_24x7
interval: 5min
stamp: close
columns: {time: close_time, open: open, high: high, low: low, close: close, volume: volume}
";

fn config(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config").join(name)
}

/// Runs to the end; what it wrote to stdout.
fn run(mut command: Command) -> Value {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{stderr}");
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

fn broken(lineage: &Value) -> Vec<&Value> {
    let nodes = lineage["nodes"].as_array().unwrap();
    nodes.iter().filter(|node| node["verified"] != true).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_raw_bars_to_the_signal_with_every_hash_verified() {
    let desk = Desk::new().await;
    let place = Place::with(&desk.engine, &desk.served.keys);
    let mut engine = place.start(&desk.served.url, 0).await;
    engine.assert_withheld("no_model").await;
    let proposed = run(desk.chain("work"));
    let model = proposed["model_id"].as_str().unwrap().to_owned();

    let vera = desk.served.login("vera").await;
    let (proposal, tag) = desk.served.proposal(&vera, 1).await;
    assert_eq!(proposal["proposal_id"], proposed["proposal_id"]);
    assert_eq!(proposal["recommendation"], proposed["recommendation"]);
    let path = format!(
        "/api/experiments/{}/approve",
        proposal["proposal_id"].as_str().unwrap()
    );
    let yes = json!({"notes": "the whole way", "promote_to_production": true});
    said(desk.served.vote(&vera, &path, &tag, yes).await, 200).await;
    engine.swapped(1).await;
    let signal = engine.bar().await;
    assert_eq!(
        (&signal["type"], &signal["model_id"]),
        (&json!("signal"), &json!(model)),
        "{signal}"
    );

    // From the signal's model back to the bars.
    let lineage = desk
        .served
        .get(&vera, &format!("/api/models/{model}/lineage"))
        .await;
    let lineage = said(lineage, 200).await;
    assert_eq!(broken(&lineage), Vec::<&Value>::new());
    let kinds: Vec<&str> = lineage["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["kind"].as_str().unwrap())
        .collect();
    for kind in [
        "source_data",
        "experiment_contract",
        "dataset",
        "norm_stats",
        "training_run",
        "model",
        "backtest",
        "proposal",
    ] {
        assert!(kinds.contains(&kind), "{kind} is not among {kinds:?}");
    }
    engine.stop().await;
}

/// What the log says when a training is done.
const TRAINED: &str = "stage=\"training\"";

/// Where the chain is broken off.
#[derive(Debug, Clone, Copy)]
enum Blow {
    /// When this stage has been told to be done.
    After(&'static str),
    /// When the training has left a checkpoint.
    InTraining,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_that_is_killed_anywhere_goes_on_and_ends_as_one_that_was_not() {
    let desk = Desk::new().await;
    let blows = [
        Blow::After("stage=\"dataset\""),
        Blow::InTraining,
        Blow::After(TRAINED),
        Blow::After("stage=\"registration\""),
    ];
    let rita = desk.served.login("rita").await;
    for blow in blows {
        let mut chain = Process::start_command(desk.chain("broken"), Watch::Stderr);
        match blow {
            Blow::After(stage) => {
                if stage == TRAINED {
                    // The blow before fell in mid-training: it does not begin again.
                    let first = chain.line_where(|line| line.contains("training:"));
                    assert!(
                        first.contains("resumed=") && !first.contains("resumed=0 "),
                        "{first}"
                    );
                }
                chain.line_where(|line| line.contains(stage));
            }
            Blow::InTraining => {
                let _guard = HangGuard::new("a checkpoint");
                let checkpoint = desk.path("broken/training/checkpoint");
                // Looked for as fast as can be: most of the training is still to come when the blow falls.
                while !checkpoint.exists() {
                    std::thread::yield_now();
                }
            }
        }
        chain.kill();
        if matches!(blow, Blow::InTraining) {
            assert!(
                !desk.path("broken/training/training.json").exists(),
                "the blow came late"
            );
        }
        // What is registered is whole: what it names is there, and no training that was under way is.
        let runs = desk.list(&rita, "/api/training-runs", "training_runs").await;
        assert!(
            runs.len()
                <= usize::from(!matches!(
                    blow,
                    Blow::After("stage=\"dataset\"") | Blow::InTraining
                )),
            "{blow:?}: {runs:?}"
        );
    }
    let ended = run(desk.chain("broken"));
    let whole = run(desk.chain("whole"));
    for name in ["dataset_hash", "run_id", "model_id", "proposal_id"] {
        assert_eq!(ended[name], whole[name], "{name}");
    }
    for (path, name) in [
        ("/api/datasets", "datasets"),
        ("/api/training-runs", "training_runs"),
        ("/api/models", "models"),
    ] {
        let found = desk.list(&rita, path, name).await;
        assert_eq!(found.len(), 1, "{found:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shipped_baseline_on_the_real_bars_ends_in_an_honest_proposal() {
    let test = "the shipped baseline on the real bars";
    let (Some(bars), Some(daily)) = (
        shared_file(test, "usdcop_5m.csv.gz"),
        shared_file(test, "macro_daily.csv"),
    ) else {
        return;
    };
    let yaml = std::fs::read_to_string(config("experiments/usdcop_ppo_baseline.yaml")).unwrap();
    let shorter = yaml.replace("total_timesteps: 500000", "total_timesteps: 32768");
    assert_ne!(shorter, yaml);
    let desk = Desk::bare(&shorter).await;
    desk.ingest("bars", &config("sources/usdcop_twelvedata.yaml"), &bars);
    desk.ingest("macro", &config("sources/macro_investing_fred.yaml"), &daily);
    let proposed = run(desk.chain("work"));
    let vera = desk.served.login("vera").await;
    let (proposal, _) = desk.served.proposal(&vera, 1).await;
    assert_eq!(proposal["proposal_id"], proposed["proposal_id"]);
    let evidence = &proposal["evidence"];
    // Whatever it says, it says it of the whole window, with the costs of the experiment and what the trades could have borne.
    assert!(
        ["PROMOTE", "REVIEW", "REJECT"].contains(&proposal["recommendation"].as_str().unwrap()),
        "{proposal}"
    );
    assert_eq!(evidence["settings"]["transaction_cost_bps"], 75.0, "{evidence}");
    let metrics = &evidence["metrics"];
    let traded = metrics["total_trades"].as_u64().unwrap() > 0;
    assert_eq!(
        metrics["break_even_cost_bps"]["value"].is_number(),
        traded,
        "{metrics}"
    );
    let criteria = evidence["criteria"].as_array().unwrap();
    for name in [
        "min_sharpe",
        "max_drawdown",
        "min_win_rate",
        "min_trades",
        "min_dsr",
    ] {
        assert!(
            criteria.iter().any(|row| row["name"] == name),
            "{name}: {criteria:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_of_ones_own_trains_and_is_shown_no_login() {
    let desk = Desk::new().await;
    let features = testkit::rig::features("technical_8");
    let model = desk.path("made.onnx");
    std::fs::write(
        &model,
        ppo_continuous(&Shape::new(5, features.features.len())).bytes,
    )
    .unwrap();
    let script = desk.path("train.sh");
    let text = format!(
        "test -z \"$CONTROL_TOKEN\" || exit 9\ntest -s \"$TWOVOTE_TRAIN\" && test -s \"$TWOVOTE_VALIDATION\" || exit 8\n\
         echo trained with seed $TWOVOTE_SEED\ncp {} \"$TWOVOTE_OUTPUT\"\n",
        model.display()
    );
    std::fs::write(&script, text).unwrap();
    let begin = EXPERIMENT.find("training:").unwrap();
    let end = EXPERIMENT.find("reward:").unwrap();
    let training = format!("training: {{trainer: command, command: [sh, {script:?}], seed: 11}}\n");
    let yaml = [&EXPERIMENT[..begin], &training, &EXPERIMENT[end..]].concat();
    std::fs::write(desk.path("experiment.yaml"), yaml).unwrap();

    let proposed = run(desk.chain("work"));
    assert!(proposed["proposal_id"].is_string(), "{proposed}");
    let rita = desk.served.login("rita").await;
    let runs = desk.list(&rita, "/api/training-runs", "training_runs").await;
    assert_eq!(
        (runs.len(), &runs[0]["manifest"]["facts"]["trainer"]),
        (1, &json!("command")),
        "{runs:?}"
    );
    let log = runs[0]["manifest"]["files"]["trainer.log"].as_str().unwrap();
    let log = desk.served.get(&rita, &format!("/api/artifacts/{log}")).await;
    assert_eq!(log.text().await.unwrap(), "trained with seed 11\n");
    // Trained once: the same command again finds it.
    std::fs::write(&script, "exit 7\n").unwrap();
    assert_eq!(run(desk.chain("work"))["model_id"], proposed["model_id"]);
}
