//! `control backtest` on the real bars: one fingerprint whichever way it is computed, what it writes, what it refuses.

use std::path::{Path, PathBuf};

use control::artifacts::ArtifactStore as _;
use control::auth::Role;
use serde_json::Value;
use strategy::onnx::testmodels::{Shape, norm_stats, ppo_continuous};

use super::{Said, Served};
use crate::kit::http::{call, user};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The real bars, or a line that says what was skipped.
fn data(test: &str) -> Option<PathBuf> {
    let folder = Path::new(ROOT).join("../shared/data");
    if folder.is_dir() {
        return Some(folder);
    }
    use std::io::Write as _;
    writeln!(std::io::stderr(), "SKIPPED: {test}: ../shared/data not found").ok();
    None
}

/// A home with a model, its scaler and an experiment of low costs over the last weeks of the bars.
struct Bench {
    served: Served,
    data: PathBuf,
}

impl Bench {
    fn new(data: PathBuf) -> Self {
        let served = Served::start();
        let home = served.home.path();
        let features = Path::new(ROOT).join("config/features/usdcop_15.yaml");
        let features = contracts::features::load_contract(&features).unwrap();
        std::fs::write(home.join("model.onnx"), ppo_continuous(&Shape::new(7, 15)).bytes).unwrap();
        let stats = serde_json::to_vec(&norm_stats(&features)).unwrap();
        std::fs::write(home.join("norm_stats.json"), stats).unwrap();
        let shipped = Path::new(ROOT).join("config/experiments/usdcop_ppo_baseline.yaml");
        let yaml = std::fs::read_to_string(shipped).unwrap();
        let yaml = yaml
            .replace("transaction_cost_bps: 75", "transaction_cost_bps: 0.2")
            .replace("test: {start: 2025-07-01", "test: {start: 2026-02-02");
        std::fs::write(home.join("experiment.yaml"), yaml).unwrap();
        Self { served, data }
    }

    fn run(&self, more: &[&str]) -> Said {
        self.run_as("nobody", more)
    }

    fn run_as(&self, who: &str, more: &[&str]) -> Said {
        let features = format!("{ROOT}/config/features");
        let bars = self.data.join("usdcop_5m.csv.gz");
        let daily = self.data.join("macro_daily.csv");
        let mut words = vec![
            "backtest",
            "--experiment",
            "experiment.yaml",
            "--features",
            &features,
            "--stamp",
            "open",
            "--bars",
            bars.to_str().unwrap(),
            "--macro",
            daily.to_str().unwrap(),
        ];
        for (option, value) in [
            ("--model", "model.onnx"),
            ("--norm-stats", "norm_stats.json"),
            ("--out", "out"),
        ] {
            if !more.contains(&option) {
                words.extend([option, value]);
            }
        }
        words.extend(more);
        self.served.run(who, &words, "")
    }

    /// Looks at the holdout and backtests that the server knows.
    fn counted(&self) -> (usize, usize) {
        let store = &self.served.test.app.store;
        let instrument = "USDCOP".parse().unwrap();
        let day = |text: &str| serde_json::from_value(text.into()).unwrap();
        self.served.runtime.block_on(async {
            let mut tx = store.begin().await.unwrap();
            let looks = tx.looks(&instrument, day("2000-01-01"), day("2100-01-01")).await;
            tx.commit().await.unwrap();
            (
                looks.unwrap().len(),
                store.backtests(None, None, 100).await.unwrap().len(),
            )
        })
    }
}

#[test]
fn every_way_to_compute_it_gives_one_fingerprint_and_says_that_it_was_not_counted() {
    let Some(data) = data("control backtest on the real bars") else {
        return;
    };
    let bench = Bench::new(data);
    let home = bench.served.home.path();
    let mut first: Option<Value> = None;
    for how in [
        &["--threads", "1"][..],
        &["--threads", "2"],
        &["--threads", "2"],
        &["--bar-by-bar"],
    ] {
        let words = [&["--unregistered", "--json", "--report", "out/report.html"], how].concat();
        let said = bench.run(&words);
        assert_eq!(said.code, 0, "{}", said.err);
        let document = said.json();
        assert!(
            document["metrics"]["total_trades"].as_u64().unwrap() > 20,
            "{document}"
        );
        assert_eq!(document["unregistered"], true);
        let caveat = document["caveats"][0].as_str().unwrap();
        assert!(caveat.starts_with("unregistered: "), "{caveat}");
        for file in ["equity.parquet", "trades.parquet", "metrics.json", "report.html"] {
            let bytes = std::fs::read(home.join("out").join(file)).unwrap();
            assert!(
                String::from_utf8_lossy(&bytes).contains(caveat),
                "{file} does not say it"
            );
        }
        let before = first.get_or_insert_with(|| document.clone());
        assert_eq!(*before, document, "{how:?}");
    }
    let said = bench.run(&["--unregistered"]);
    let text = said.out;
    for part in [
        "min_sharpe",
        "sharpe_ratio",
        "Note: unregistered: ",
        "wrote out/equity.parquet",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_counted_one_leaves_its_files_with_the_server() {
    let Some(data) = data("a counted control backtest") else {
        return;
    };
    let mut bench = Bench::new(data);
    let served = &mut bench.served;
    served
        .runtime
        .block_on(user(&served.test, "rita", &[Role::Researcher]));
    served.login("rita");
    let early = bench.run_as("rita", &["--json"]);
    assert_eq!(
        early.code, 66,
        "the experiment is not registered: {}{}",
        early.out, early.err
    );
    let served = &bench.served;
    let registered = served.run("rita", &["experiment", "register", "experiment.yaml"], "");
    assert_eq!(registered.code, 0, "{}", registered.err);
    let said = bench.run_as("rita", &["--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let document = said.json();
    assert_eq!(
        (&document["unregistered"], &document["looks"]["number"]),
        (&Value::Bool(false), &1.into())
    );
    let id = document["backtest_id"].as_str().unwrap().to_owned();
    let row = served
        .runtime
        .block_on(served.test.app.store.backtest(&id))
        .unwrap()
        .unwrap();
    for (hash, file) in [
        (row.equity, "equity.parquet"),
        (row.trades, "trades.parquet"),
        (row.summary, "metrics.json"),
    ] {
        let kept = served.test.artifacts.get(hash.unwrap()).unwrap();
        let written = std::fs::read(served.home.path().join("out").join(file)).unwrap();
        assert!(kept == written, "{file}");
    }
    // The page is kept though none was asked for here.
    assert!(!served.home.path().join("out/report.html").exists());
    let page = served.runtime.block_on(async {
        let victor = crate::kit::http::logged_in(&served.test, "victor", &[Role::Viewer]).await;
        call(
            &served.test,
            &victor,
            "GET",
            &format!("/api/backtests/{id}/report"),
            None,
        )
        .await
    });
    assert!(
        page.status == 200 && page.text.contains(&row.fingerprint.to_hex()),
        "{}",
        page.text
    );
    let again = bench.run_as("rita", &["--json"]);
    assert_eq!(
        again.json()["backtest_id"],
        id.as_str(),
        "the same run is the same backtest"
    );
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let Some(data) = data("control backtest's refusals") else {
        return;
    };
    let bench = Bench::new(data);
    let home = bench.served.home.path();
    std::fs::write(home.join("text"), "text").unwrap();
    for (more, code, part) in [
        (
            &["--unregistered", "--model", "none.onnx"][..],
            66,
            "cannot read none.onnx",
        ),
        (&["--unregistered", "--model", "text"], 65, "text is refused"),
        (&["--unregistered", "--norm-stats", "text"], 65, "norm stats"),
        (
            &["--unregistered", "--out", "text/deep"],
            74,
            "cannot write text/deep",
        ),
        (&["--unregistered", "--contract", "text"], 2, "--contract"),
    ] {
        let said = bench.run(more);
        assert_eq!(said.code, code, "{more:?}: {}{}", said.out, said.err);
        assert!(said.err.contains(part), "{more:?}: {}", said.err);
        assert!(!home.join("out").exists(), "{more:?} left files");
    }
}

#[test]
fn a_counted_look_is_in_the_ledger_before_a_figure_is_shown() {
    let Some(data) = data("control backtest counted by a served control") else {
        return;
    };
    let mut bench = Bench::new(data);
    bench.served.runtime.block_on(async {
        user(&bench.served.test, "rita", &[Role::Researcher]).await;
        user(&bench.served.test, "victor", &[Role::Viewer]).await;
    });
    bench.served.login("rita");
    bench.served.login("victor");
    let out = bench.served.home.path().join("out");
    std::fs::write(bench.served.home.path().join("token"), "tvt_x").unwrap();
    let away = ["--url", "http://127.0.0.1:1", "--token-file", "token"];
    // Nobody there, nobody in particular, and somebody who may not: no figure, no file, no look.
    for (who, more, code, part) in [
        ("rita", &away[..], 69, "127.0.0.1:1"),
        ("nobody", &[], 77, "control login"),
        ("victor", &[], 77, "(forbidden, 403"),
    ] {
        let said = bench.run_as(who, more);
        assert_eq!(said.code, code, "{who}: {}{}", said.out, said.err);
        assert!(said.err.contains(part), "{who}: {}", said.err);
        assert!(
            said.out.is_empty() && !out.exists(),
            "{who} was shown something: {}",
            said.out
        );
        assert_eq!(bench.counted(), (0, 0), "{who}");
    }
    let uncounted = bench.run(&["--url", "http://127.0.0.1:1", "--unregistered", "--json"]);
    assert_eq!(uncounted.code, 0, "{}", uncounted.err);
    let uncounted = uncounted.json();
    std::fs::remove_dir_all(&out).unwrap();

    // The look is told first: it stays counted when the rest cannot be recorded, here for want of the experiment.
    let unknown = bench.run_as("rita", &[]);
    assert_eq!(unknown.code, 66, "{}{}", unknown.out, unknown.err);
    assert!(
        unknown.err.contains("(experiment_not_found, 404"),
        "{}",
        unknown.err
    );
    assert!(unknown.out.is_empty(), "{}", unknown.out);
    assert_eq!(bench.counted(), (1, 0));

    let registered = bench
        .served
        .run("rita", &["experiment", "register", "experiment.yaml"], "");
    assert_eq!(registered.code, 0, "{}{}", registered.out, registered.err);
    for _ in 0..2 {
        let counted = bench.run_as("rita", &["--json"]);
        assert_eq!(counted.code, 0, "{}{}", counted.out, counted.err);
        let counted = counted.json();
        assert_eq!(
            (&counted["unregistered"], &counted["looks"]["number"]),
            (&false.into(), &1.into())
        );
        assert_eq!(counted["fingerprint"], uncounted["fingerprint"]);
        assert_eq!(bench.counted(), (1, 1), "the same look again is no other");
        let id = counted["backtest_id"].as_str().unwrap();
        let store = &bench.served.test.app.store;
        let row = bench
            .served
            .runtime
            .block_on(store.backtest(id))
            .unwrap()
            .unwrap();
        assert_eq!(serde_json::json!(row.metrics), counted["metrics"]);
        assert_eq!(row.created_by.as_str(), "rita");
        for file in ["equity.parquet", "trades.parquet", "metrics.json"] {
            let bytes = std::fs::read(out.join(file)).unwrap();
            assert!(
                !String::from_utf8_lossy(&bytes).contains("unregistered: "),
                "{file}"
            );
        }
    }
}
