//! The lineage: every piece is there, and one that was edited by hand is shown as broken.

use contracts::norm_stats::NormStats;
use control::audit::verify::check;
use control::auth::Role;
use control::registry::lineage::{Kind, Lineage, lineage};
use control::registry::{
    NewDataset, NewTraining, Registration, register, register_dataset, register_training,
};
use control::store::ModelRow;
use serde_json::json;

use crate::kit::app::TestApp;
use crate::kit::database::{Database, edit};
use crate::kit::http::{call, logged_in};
use crate::kit::models::{app_with_bars, experiment, model, norm_stats, researcher};
use crate::kit::on_every_database;
use crate::kit::sample::{self, Shape};

/// A model with a dataset, a training run and a proposal.
async fn registered(test: &TestApp) -> ModelRow {
    let contract = experiment(test, "rita").await;
    let stats = NormStats::parse(&norm_stats()).unwrap();
    let dataset = NewDataset {
        contract_id: contract.clone(),
        dataset_hash: stats.metadata.dataset_hash,
        norm_stats_hash: stats.hash(),
        manifest: json!({"rows": 3}),
    };
    let run = NewTraining {
        run_id: "RUN-1".parse().unwrap(),
        contract_id: contract.clone(),
        dataset_hash: stats.metadata.dataset_hash,
        manifest: json!({"seed": 42}),
    };
    let rita = researcher("rita");
    register_dataset(&test.app, &rita, dataset).await.unwrap();
    register_training(&test.app, &rita, run).await.unwrap();
    let request = Registration {
        contract_id: contract,
        model: model(1),
        norm_stats: norm_stats(),
        dataset_hash: None,
        training_run: Some("RUN-1".parse().unwrap()),
        declared_trials: 0,
        action_output: None,
    };
    let done = Box::pin(register(&test.app, &rita, request)).await.unwrap();
    sample::proposal(&test.app, &done.model, 1, Shape::default()).await;
    done.model
}

async fn of(test: &TestApp, model: &ModelRow) -> Lineage {
    let found = Box::pin(lineage(&test.app, &model.model_id)).await.unwrap();
    found.unwrap()
}

fn broken(lineage: &Lineage) -> Vec<Kind> {
    let broken = lineage.nodes.iter().filter(|node| node.verified == Some(false));
    broken.map(|node| node.kind).collect()
}

/// What `control audit verify` names.
async fn findings(test: &TestApp) -> Vec<String> {
    let (store, trusted) = (&test.app.store, test.app.keys.trusted());
    let report = check(store, &test.artifacts, trusted, &[]).await.unwrap();
    report.findings.into_iter().map(|finding| finding.place).collect()
}

/// What somebody does who may change the schema as well.
async fn force(database: &Database, table: &str, sql: &str) {
    let drop_trigger = match (database.kind, table) {
        ("sqlite", "model_registry") => "DROP TRIGGER model_registry_identity".to_owned(),
        ("sqlite", table) => format!("DROP TRIGGER {table}_no_update"),
        (_, "model_registry") => "ALTER TABLE model_registry DISABLE TRIGGER USER".to_owned(),
        (_, table) => format!("DROP TRIGGER {table}_append_only ON {table}"),
    };
    edit(&database.url, &drop_trigger).await;
    assert_eq!(edit(&database.url, sql).await, 1, "{sql}");
}

#[test]
fn every_piece_is_there_and_whole() {
    on_every_database(|database| async {
        let test = app_with_bars(database);
        let model = registered(&test).await;
        let lineage = of(&test, &model).await;
        let mut kinds: Vec<Kind> = lineage.nodes.iter().map(|node| node.kind).collect();
        kinds.dedup();
        let details: Vec<_> = lineage
            .nodes
            .iter()
            .filter_map(|node| node.detail.clone())
            .collect();
        assert!(lineage.verified, "{details:?}");
        for kind in [
            Kind::SourceData,
            Kind::ExperimentContract,
            Kind::FeatureContract,
            Kind::Dataset,
            Kind::NormStats,
            Kind::TrainingRun,
            Kind::Model,
            Kind::ReducedModel,
            Kind::GoldenVectors,
            Kind::Proposal,
        ] {
            assert!(kinds.contains(&kind), "{kind:?} of {kinds:?}");
        }
        for edge in &lineage.edges {
            for end in [&edge.from, &edge.to] {
                let known = lineage.nodes.iter().any(|node| node.id == *end);
                assert!(known, "{edge:?}");
            }
        }
        let vera = logged_in(&test, "vera", &[Role::Viewer]).await;
        let path = format!("/api/models/{}/lineage", model.model_id);
        let shown = call(&test, &vera, "GET", &path, None).await.json();
        assert_eq!(shown["verified"], true);
        assert_eq!(shown["nodes"][0]["kind"], "experiment_contract");
        let none = call(&test, &vera, "GET", "/api/models/none/lineage", None).await;
        assert_eq!(none.code(), (404, "not_found".to_owned()));
    });
}

#[test]
fn an_artifact_edited_on_disk_breaks_its_node() {
    on_every_database(|database| async {
        let test = app_with_bars(database);
        let model = registered(&test).await;
        let exec = contracts::hash::Digest::from_bytes(*model.exec_hash.unwrap().as_bytes());
        let original = contracts::hash::Digest::from_bytes(*model.model_hash.as_bytes());
        for (hash, kind) in [
            (original, Kind::Model),
            (exec, Kind::ReducedModel),
            (model.norm_stats_artifact, Kind::NormStats),
            (model.golden, Kind::GoldenVectors),
        ] {
            let path = test.artifacts.path(hash);
            let bytes = std::fs::read(&path).unwrap();
            let mut edited = bytes.clone();
            edited[0] ^= 1;
            std::fs::write(&path, edited).unwrap();
            assert_eq!(broken(&of(&test, &model).await), [kind]);
            std::fs::remove_file(&path).unwrap();
            assert_eq!(broken(&of(&test, &model).await), [kind], "gone");
            std::fs::write(&path, bytes).unwrap();
            assert!(of(&test, &model).await.verified);
        }
    });
}

#[test]
fn a_row_edited_by_hand_breaks_its_node() {
    on_every_database(|database| async {
        let test = app_with_bars(database);
        let model = registered(&test).await;
        let database = &test.database;
        let looser = "UPDATE experiment_contracts SET frozen_config = replace(frozen_config, '\"min_sharpe\":0.5', '\"min_sharpe\":0.1')";
        force(database, "experiment_contracts", looser).await;
        let lineage = of(&test, &model).await;
        assert!(!lineage.verified);
        let found = broken(&lineage);
        assert!(found.contains(&Kind::ExperimentContract), "{found:?}");
        let stricter = looser
            .replace("0.5'", "0.x'")
            .replace("0.1'", "0.5'")
            .replace("0.x'", "0.1'");
        assert_eq!(edit(&database.url, &stricter).await, 1);
        assert!(of(&test, &model).await.verified, "put back");

        let rows = "UPDATE datasets SET manifest = '{\"rows\":4}'";
        force(database, "datasets", rows).await;
        assert_eq!(broken(&of(&test, &model).await), [Kind::Dataset]);
        let unreadable = "UPDATE datasets SET manifest = 'no json'";
        assert_eq!(edit(&database.url, unreadable).await, 1);
        assert_eq!(broken(&of(&test, &model).await), [Kind::Dataset]);
        assert_eq!(
            edit(&database.url, "UPDATE datasets SET manifest = '{\"rows\":3}'").await,
            1
        );

        let other = "UPDATE training_runs SET launched_by = 'nobody'";
        force(database, "training_runs", other).await;
        assert_eq!(broken(&of(&test, &model).await), [Kind::TrainingRun]);
        assert_eq!(
            edit(&database.url, "UPDATE training_runs SET launched_by = 'rita'").await,
            1
        );

        let better = "UPDATE promotion_proposals SET recommendation = 'REJECT'";
        assert_eq!(edit(&database.url, better).await, 1);
        assert_eq!(broken(&of(&test, &model).await), [Kind::Proposal]);
        assert_eq!(
            edit(
                &database.url,
                "UPDATE promotion_proposals SET recommendation = 'PROMOTE'"
            )
            .await,
            1
        );

        for column in [
            "not_overridable = 'ruined'",
            "metrics = replace(metrics, '\"total_trades\":140', '\"total_trades\":999')",
            "criteria_results = '[]'",
            "baseline_model_id = model_id",
            "expires_at = '2099-01-01T00:00:00.000Z'",
        ] {
            let name = column.split(' ').next().unwrap();
            let keep = format!("CREATE TABLE kept AS SELECT {name} AS was FROM promotion_proposals");
            edit(&database.url, &keep).await;
            let by_hand = format!("UPDATE promotion_proposals SET {column}");
            assert_eq!(edit(&database.url, &by_hand).await, 1, "{column}");
            assert_eq!(broken(&of(&test, &model).await), [Kind::Proposal], "{column}");
            let named = findings(&test).await;
            let place = &named[0];
            assert!(
                named.len() == 1 && place.starts_with("promotion_proposals PROP-"),
                "{column}: {named:?}"
            );
            let back = format!("UPDATE promotion_proposals SET {name} = (SELECT was FROM kept)");
            assert_eq!(edit(&database.url, &back).await, 1, "{column}");
            edit(&database.url, "DROP TABLE kept").await;
            assert!(of(&test, &model).await.verified, "{column} put back");
        }
        let running = "UPDATE model_registry SET stage = 'production', is_active = 1";
        assert_eq!(edit(&database.url, running).await, 1);
        assert_eq!(broken(&of(&test, &model).await), [Kind::Model]);

        let scaler = format!("UPDATE model_registry SET norm_stats_hash = '{}'", "0".repeat(64));
        force(database, "model_registry", &scaler).await;
        assert_eq!(broken(&of(&test, &model).await), [Kind::NormStats, Kind::Model]);

        let approved = "UPDATE promotion_proposals SET status = 'APPROVED'";
        assert_eq!(edit(&database.url, approved).await, 1);
        let found = broken(&of(&test, &model).await);
        assert_eq!(found, [Kind::NormStats, Kind::Model, Kind::Proposal]);
        let named = findings(&test).await;
        let names = |place: &String| place.starts_with("promotion_proposals PROP-");
        assert!(named.iter().any(names), "{named:?}");
    });
}
