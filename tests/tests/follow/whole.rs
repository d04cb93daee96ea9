//! The whole way on a fresh store, through the programs and over HTTP only: a YAML becomes a contract, a file a model, a job the first
//! vote, a person the second, and the running engine's next signal carries it.

use std::path::Path;

use contracts::bar::Stamp;
use contracts::time::DayNumber;
use serde_json::json;
use strategy::onnx::testmodels::{Shape, ppo_continuous};
use testkit::guard::within;
use testkit::market::{Grid, Market, MarketSpec};
use testkit::rig;

use crate::kit::on_every_database;
use crate::place::Place;
use crate::served::{said, serve};

/// Three weeks of training, one of validation, two of holdout; gates that everything passes.
const EXPERIMENT: &str = "\
experiment: {name: whole, version: 1.0.0, description: from the file to the signal}
slot: usdcop-5m
data:
  instrument: USDCOP
  calendar: crypto_24x7
  train: {start: 2025-01-06, end: 2025-01-26}
  validation: {start: 2025-01-27, end: 2025-02-02}
  test: {start: 2025-02-03, end: 2025-02-16}
features: {contract: technical_8, version: 1.0.0}
environment:
  transaction_cost_bps: 0.1
  slippage_bps: 0
  action: {kind: continuous, long_above: 0.33, short_below: -0.33}
training: {trainer: command, command: [\"true\"], seed: 42}
reward: {weights: {pnl: 1.0}}
evaluation:
  success_criteria:
    min_sharpe: -1000.0
    max_drawdown: 1.0
    min_win_rate: 0.0
    min_trades: 1
    improvement_threshold: 0.0
    min_dsr: {value: 0.0, severity: warn}
";

/// A generated market in files, as the settings name it.
fn market(folder: &Path) -> String {
    let spec = MarketSpec {
        grid: Grid::AroundTheClock,
        first_day: DayNumber::parse("2025-01-01").unwrap(),
        missing_per_mille: 0,
        ..MarketSpec::usdcop_like(5, "USDCOP", 50)
    };
    let files = Market::generate(&spec)
        .write(&folder.join("market"), Stamp::Close)
        .unwrap();
    format!(
        "[markets.USDCOP]\nbars = {:?}\nstamp = \"close\"\n",
        files.bars[0]
    )
}

#[test]
fn from_the_file_to_the_signal() {
    on_every_database(|database| async move {
        let folder = tempfile::tempdir().unwrap();
        let served = serve(folder.path(), &database, &market(folder.path()));
        let token = served.people().await;
        let place = Place::with(&token, &served.keys);
        let mut engine = place.start(&served.url, 0).await;
        engine.assert_withheld("no_model").await;

        // The experiment and the model.
        let rita = served.login("rita").await;
        let yaml = served
            .request(Some(&rita), reqwest::Method::POST, "/api/contracts")
            .header("content-type", "application/yaml")
            .body(EXPERIMENT);
        let contract = said(within("the contract", yaml.send()).await.unwrap(), 201).await;
        let features = rig::features("technical_8");
        let onnx = ppo_continuous(&Shape::new(5, features.features.len())).bytes;
        let stats = serde_json::to_vec(&rig::norm_stats(&features)).unwrap();
        let part = |bytes: Vec<u8>| reqwest::multipart::Part::bytes(bytes).file_name("file");
        let form = reqwest::multipart::Form::new()
            .text(
                "contract_id",
                contract["contract_id"].as_str().unwrap().to_owned(),
            )
            .part("model", part(onnx))
            .part("norm_stats", part(stats));
        let model = served
            .request(Some(&rita), reqwest::Method::POST, "/api/models")
            .multipart(form);
        let model = said(within("the model", model.send()).await.unwrap(), 201).await;

        // The first vote comes by itself; a reviewer wants to see more, and that is new evidence.
        let vera = served.login("vera").await;
        let (proposal, seen) = served.proposal(&vera, 1).await;
        assert_eq!(proposal["model_id"], model["model_id"]);
        let path = format!("/api/experiments/{}", proposal["proposal_id"].as_str().unwrap());
        let more = json!({"tests": ["costs_x2"], "notes": "costs?"});
        let asked = served
            .vote(&vera, &format!("{path}/request-more-tests"), &seen, more)
            .await;
        assert!(asked.status().is_success(), "{:?}", asked.text().await);
        let (revised, tag) = served.proposal(&vera, 2).await;
        assert_eq!(revised["evidence"]["more_tests"].as_array().unwrap().len(), 1);
        let yes = json!({"notes": "seen", "promote_to_production": true});
        let approve = format!("{path}/approve");
        let old = served.vote(&vera, &approve, &seen, yes.clone()).await;
        said(old, 412).await;
        let approved = said(served.vote(&vera, &approve, &tag, yes).await, 200).await;
        assert_eq!(approved["generation"], 1);
        engine.swapped(1).await;
        engine.assert_signals(1).await;
        engine.stop().await;
    });
}
