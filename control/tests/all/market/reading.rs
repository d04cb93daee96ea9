//! What golden vectors, the first vote and the lineage read from it.

use std::sync::Arc;

use contracts::bar::Bar;
use contracts::files::{BarFileOptions, read_bars};
use contracts::norm_stats::NormStats;
use control::auth::Role;
use control::jobs::JobState;
use control::market::{Rows, SourceList, SourcePartition};
use control::markets;
use control::registry::lineage::{Kind, Lineage, Node, lineage};
use control::registry::{NewDataset, RecordError, Registration, register, register_dataset};
use control::store::{ModelRow, RevisionFilter};
use serde_json::json;

use crate::kit::app::{TestApp, app};
use crate::kit::http::{call, logged_in};
use crate::kit::market::{bars, closes, current, daily, force, month, store, values};
use crate::kit::models::{self, app_with_bars, norm_stats, researcher};
use crate::kit::on_every_database;
use crate::kit::registered::{
    self, enqueue_first_vote, experiment, features, generated, lenient, proposal_of, strict, work, world,
};

/// Puts the bars of the test's file into the market store and takes the file out of the settings.
async fn stored_instead(test: &mut TestApp) -> Vec<Bar> {
    let usdcop = "USDCOP".parse().unwrap();
    let mut config = (*test.app.config).clone();
    let files = config.markets.remove(&usdcop).unwrap().files().unwrap().unwrap();
    test.app.config = Arc::new(config);
    let all = read_bars(&files.bars, &BarFileOptions::stamped(files.stamp))
        .unwrap()
        .bars;
    store(test, &bars("USDCOP"), &Rows::Bars(all.clone())).await;
    all
}

async fn of(test: &TestApp, model: &ModelRow) -> Lineage {
    let found = Box::pin(lineage(&test.app, &model.model_id)).await.unwrap();
    found.unwrap()
}

fn broken(lineage: &Lineage) -> Vec<&Node> {
    let nodes = lineage.nodes.iter();
    nodes.filter(|node| node.verified == Some(false)).collect()
}

#[test]
fn a_first_vote_on_stored_bars_is_the_one_on_the_file_and_names_its_months() {
    on_every_database(|database| async {
        let mut world = world(database);
        let test = &mut world.test;
        let from_file = experiment(&test.app, generated("file", strict()), features("technical_8")).await;
        let model = registered::model(&test.app, &from_file, 1, 0).await;
        enqueue_first_vote(&test.app, &model).await;
        let of_file = proposal_of(&work(&test.app).await[0]);
        let of_file = test
            .app
            .store
            .evidence(&of_file, 1)
            .await
            .unwrap()
            .unwrap()
            .evidence;
        assert_eq!(of_file.holdout.sources, None);

        let all = stored_instead(test).await;
        let stored = experiment(&test.app, generated("stored", lenient()), features("technical_8")).await;
        let model = registered::model(&test.app, &stored, 2, 0).await;
        enqueue_first_vote(&test.app, &model).await;
        let id = proposal_of(&work(&test.app).await[0]);
        let evidence = test.app.store.evidence(&id, 1).await.unwrap().unwrap().evidence;
        assert_eq!(
            evidence.holdout.market_hash, of_file.holdout.market_hash,
            "the same bits"
        );
        let list = evidence.holdout.sources.unwrap();
        let list = SourceList::parse(&test.app.artifacts.get(list).unwrap()).unwrap();
        let months: Vec<String> = list.partitions.iter().map(ToString::to_string).collect();
        assert_eq!(
            months,
            ["bars USDCOP 2025-01 revision 1", "bars USDCOP 2025-02 revision 1"],
            "March begins after the holdout"
        );
        let vera = logged_in(test, "vera", &[Role::Viewer]).await;
        let shown = call(test, &vera, "GET", &format!("/api/experiments/{id}"), None)
            .await
            .json();
        let named = json!(evidence.holdout.sources.unwrap());
        assert!(shown.to_string().contains(named.as_str().unwrap()), "{shown}");

        let source = |lineage: &Lineage| {
            let nodes = lineage.nodes.iter();
            let found: Vec<Node> = nodes
                .filter(|node| node.kind == Kind::SourceData)
                .cloned()
                .collect();
            assert_eq!(found.len(), 1, "{found:?}");
            found[0].clone()
        };
        let node = source(&of(test, &model).await);
        assert!(
            node.id.starts_with("source:bars:USDCOP:") && node.verified == Some(true),
            "{node:?}"
        );

        // A later revision of a month changes nothing of what was read; an edited row and an edited file do.
        let mut later = all[..1].to_vec();
        later[0].close *= 1.000_1;
        later[0].high *= 1.01;
        later.extend(
            all[1..].iter().take_while(|bar| {
                month("2025-01") == control::market::Month::of_time(bar.close_time).unwrap()
            }),
        );
        store(test, &bars("USDCOP"), &Rows::Bars(later)).await;
        assert_eq!(source(&of(test, &model).await), node);
        let january = list.partitions[0].sha256;
        let swap = |from: String, to: String| {
            format!(
                "UPDATE market_revisions SET artifact = '{to}' WHERE artifact = '{from}' AND revision = 1"
            )
        };
        force(&test.database, &swap(january.to_hex(), "1".repeat(64))).await;
        let told = source(&of(test, &model).await).detail.unwrap();
        assert!(
            told.contains("bars USDCOP 2025-01 revision 1 is in no ingest"),
            "{told}"
        );
        force(&test.database, &swap("1".repeat(64), january.to_hex())).await;
        assert_eq!(source(&of(test, &model).await), node);
        std::fs::write(test.artifacts.path(january), "edited").unwrap();
        let told = source(&of(test, &model).await).detail.unwrap();
        assert!(
            told.starts_with("bars USDCOP 2025-01 revision 1: artifact "),
            "{told}"
        );
        std::fs::write(test.artifacts.path(evidence.holdout.sources.unwrap()), "edited").unwrap();
        assert_eq!(source(&of(test, &model).await).verified, Some(false));
    });
}

#[test]
fn an_altered_month_stops_the_first_vote_and_is_named() {
    on_every_database(|database| async {
        let mut world = world(database);
        let test = &mut world.test;
        stored_instead(test).await;
        let stored = experiment(&test.app, generated("stored", lenient()), features("technical_8")).await;
        let model = registered::model(&test.app, &stored, 1, 0).await;
        let february = current(test, &bars("USDCOP"), month("2025-02")).await.unwrap();
        let path = test.artifacts.path(february);
        let good = std::fs::read(&path).unwrap();
        std::fs::write(&path, "edited").unwrap();
        enqueue_first_vote(&test.app, &model).await;
        let job = work(&test.app).await.remove(0);
        assert_eq!(job.state, JobState::Failed);
        let error = job.error.unwrap();
        assert!(
            error.contains("market_altered: bars USDCOP 2025-02 revision 1"),
            "{error}"
        );
        assert_eq!(test.app.store.count_proposals(None).await.unwrap(), 0);
        std::fs::write(&path, good).unwrap();
        enqueue_first_vote(&test.app, &model).await;
        proposal_of(&work(&test.app).await[0]);
    });
}

#[test]
fn golden_vectors_come_from_stored_bars_and_a_dataset_names_its_months() {
    on_every_database(|database| async {
        let mut test = app_with_bars(database);
        let contract = models::experiment(&test, "rita").await;
        let rita = researcher("rita");
        let request = |model: Vec<u8>| Registration {
            contract_id: contract.clone(),
            model,
            norm_stats: norm_stats(),
            dataset_hash: None,
            training_run: None,
            declared_trials: 0,
            action_output: None,
        };
        let from_file = Box::pin(register(&test.app, &rita, request(models::model(1))))
            .await
            .unwrap();
        stored_instead(&mut test).await;

        let rows = test
            .app
            .store
            .revisions(&bars("USDCOP"), RevisionFilter::current(), None, None)
            .await;
        let sources: Vec<SourcePartition> = rows.unwrap().iter().map(SourcePartition::from).collect();
        let stats = NormStats::parse(&norm_stats()).unwrap();
        let dataset = |sources: &[SourcePartition]| NewDataset {
            contract_id: contract.clone(),
            dataset_hash: stats.metadata.dataset_hash,
            norm_stats_hash: stats.hash(),
            manifest: json!({"sources": sources}),
        };
        let mut other = sources.clone();
        other[0].revision += 1;
        let refused = register_dataset(&test.app, &rita, dataset(&other))
            .await
            .unwrap_err();
        assert!(
            matches!(&refused, RecordError::NoSource(source) if *source == other[0]),
            "{refused}"
        );
        assert_eq!(refused.code(), "source_not_found");
        register_dataset(&test.app, &rita, dataset(&sources))
            .await
            .unwrap();

        // The same bars give the same vectors, wherever they lie.
        let again = Box::pin(register(&test.app, &rita, request(models::model(2))))
            .await
            .unwrap();
        let golden = |model: &ModelRow| {
            let bytes = test.app.artifacts.get(model.golden).unwrap();
            contracts::golden::Golden::parse(&bytes).unwrap().rows()
        };
        assert_eq!(golden(&again.model), golden(&from_file.model));
        let found = of(&test, &again.model).await;
        assert!(found.verified, "{:?}", broken(&found));
        let source = found
            .nodes
            .iter()
            .find(|node| node.kind == Kind::SourceData)
            .unwrap();
        let dataset = found
            .nodes
            .iter()
            .find(|node| node.kind == Kind::Dataset)
            .unwrap();
        let linked = found
            .edges
            .iter()
            .any(|edge| edge.from == source.id && edge.to == dataset.id);
        assert!(linked, "{:?}", found.edges);

        std::fs::write(test.artifacts.path(sources[0].sha256), "edited").unwrap();
        let found = of(&test, &again.model).await;
        let kinds: Vec<Kind> = broken(&found).iter().map(|node| node.kind).collect();
        assert_eq!(kinds, [Kind::SourceData]);
        let refused = Box::pin(register(&test.app, &rita, request(models::model(3))))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), "market_altered");
    });
}

#[test]
fn exactly_the_series_the_features_name_are_read_and_a_missing_one_is_named() {
    on_every_database(|database| async {
        let test = app(database);
        let contract = features("usdcop_15");
        let usdcop = "USDCOP".parse().unwrap();
        let code = async || {
            let found = markets::find(&test.app, &usdcop, &contract).await;
            found.map_err(|error| (error.code(), error.to_string()))
        };
        let none = code().await.unwrap_err();
        assert!(
            none.0 == "no_market" && none.1.contains("[markets.USDCOP]"),
            "{none:?}"
        );
        store(
            &test,
            &bars("USDCOP"),
            &closes("2026-01-05T13:05:00Z", &[4_000.0, 4_001.0]),
        )
        .await;
        let names: Vec<_> = contract.macro_rules.keys().cloned().collect();
        for (place, name) in names.iter().enumerate() {
            let missing = code().await.unwrap_err();
            assert!(
                missing.0 == "no_market" && missing.1.contains(name.as_str()),
                "{missing:?}"
            );
            let rows = values(&[
                ("2026-01-05", place as f64, None),
                ("2026-01-06", 10.0 + place as f64, None),
                ("2026-01-06", 20.0 + place as f64, Some("2026-01-09T12:00:00Z")),
            ]);
            store(&test, &daily(name.as_str()), &rows).await;
        }
        store(&test, &daily("coffee"), &values(&[("2026-01-05", 1.0, None)])).await;
        let artifacts = test.app.artifacts.clone();
        let loaded = code().await.unwrap().read(&artifacts).unwrap();
        let market = &loaded.market;
        assert_eq!((market.bars.len(), &market.daily.series), (2, &names));
        // By date, in the order of the series, versions one after the other.
        let rows: Vec<(String, usize, f64)> = market
            .daily
            .rows
            .iter()
            .map(|row| (row.date.to_string(), row.series, row.value))
            .collect();
        let mut expected = Vec::new();
        for series in 0..names.len() {
            expected.push(("2026-01-05".to_owned(), series, series as f64));
        }
        for series in 0..names.len() {
            expected.push(("2026-01-06".to_owned(), series, 10.0 + series as f64));
            expected.push(("2026-01-06".to_owned(), series, 20.0 + series as f64));
        }
        assert_eq!(rows, expected);
        assert_eq!(loaded.partitions.len(), 1 + names.len());
    });
}
