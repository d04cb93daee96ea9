//! Backup and restore: round trips in all directions, damage named, numbers that go on, a chain that continues.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use control::audit::{Action, heads, verify};
use control::auth::{Role, Scope};
use control::backup::{self, BackupError, FileHash, Manifest, RestoreError};
use control::store::{AuditFilter, EngineRow};
use control::votes::{Approve, approve};
use serde_json::json;

use crate::audit::{control, much_happened};
use crate::kit::app::{TestApp, app, person};
use crate::kit::database::{self, Database};
use crate::kit::http::{Who, call, token};
use crate::kit::on_every_database;
use crate::kit::sample::{self, Shape};

async fn write(test: &TestApp, target: &Path) -> Result<Manifest, BackupError> {
    backup::write(&test.app.store, &test.artifacts, &*test.app.clock, target).await
}

/// The rows of each table, in an order that is the same everywhere.
fn rows(folder: &Path, manifest: &Manifest) -> BTreeMap<String, Vec<String>> {
    let tables = manifest.tables.iter();
    tables
        .map(|table| {
            let text = std::fs::read_to_string(folder.join(format!("tables/{}.jsonl", table.name))).unwrap();
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            (table.name.clone(), lines)
        })
        .collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// A store in which much happened, whose engine has seen generation 40 and directive 70.
async fn lived(database: Database) -> TestApp {
    let test = app(database);
    much_happened(&test).await;
    let beat = EngineRow {
        engine_id: "e0".parse().unwrap(),
        slot: "usdcop-5m".parse().unwrap(),
        heartbeat: json!({}),
        generation_highest: 40,
        directive_highest: 70,
        seen_at: test.app.now(),
    };
    let mut tx = test.app.store.begin().await.unwrap();
    tx.put_heartbeat(&beat).await.unwrap();
    tx.commit().await.unwrap();
    heads::keep(&test.app).await.unwrap().unwrap();
    test
}

async fn targets() -> Vec<Database> {
    let mut all = vec![database::sqlite().await];
    all.extend(database::postgres().await);
    all
}

#[test]
fn a_backup_of_either_database_goes_into_either_and_everything_goes_on() {
    on_every_database(|database| async {
        let test = lived(database).await;
        let folder = test.folder.path().join("safe/one");
        let manifest = write(&test, &folder).await.unwrap();
        let before = rows(&folder, &manifest);
        assert!(before["audit_events"].len() > 20 && before["model_registry"].len() == 3);
        for path in files(&folder) {
            let bytes = std::fs::read(&path).unwrap();
            let told = String::from_utf8_lossy(&bytes);
            assert!(!told.contains("private_key"), "{} holds a key", path.display());
        }
        let tar = test.folder.path().join("safe/one.tar");
        assert_eq!(write(&test, &tar).await.unwrap().tables, manifest.tables);

        for (n, database) in (0_u64..).zip(targets().await) {
            let kind = format!("{} to {}", test.database.kind, database.kind);
            let target = app(database);
            target.clock.advance_ms(1_000);
            // On a host that had heads of a later chain.
            let (source, floor) = if n == 0 { (&folder, 0) } else { (&tar, 100) };
            if n == 0 {
                std::fs::create_dir_all(target.app.config.audit_heads.parent().unwrap()).unwrap();
                std::fs::copy(&test.app.config.audit_heads, &target.app.config.audit_heads).unwrap();
            }
            let done = backup::restore(&target.app, source, floor).await.unwrap();
            assert!(done.report.is_whole(), "{kind}: {:#?}", done.report.findings);
            assert_eq!(done.artifacts, manifest.artifacts.len(), "{kind}");
            assert_eq!(done.old_heads.is_some(), n == 0, "{kind}");
            let numbers = (done.floors[0].generation, done.floors[0].directive_number);
            assert_eq!(numbers, (40.max(floor), 70.max(floor)), "{kind}");

            let again = target.folder.path().join("again");
            let after = rows(&again, &write(&target, &again).await.unwrap());
            for (table, lines) in &before {
                match table.as_str() {
                    "audit_events" => assert_eq!(after[table].len(), lines.len() + 1, "{kind}"),
                    "slots" => assert_ne!(&after[table], lines, "{kind}"),
                    _ => assert_eq!(&after[table], lines, "{kind}: {table}"),
                }
            }
            assert_eq!(after.len(), before.len(), "{kind}");

            // The chain continues, numbers go on, ids do too.
            let experiment = target.app.store.experiments(None, 1).await.unwrap().remove(0);
            let model = sample::model(&target.app, &experiment, "rita", 9).await;
            let proposal = sample::proposal(&target.app, &model, 1, Shape::default()).await;
            let request = Approve {
                proposal_id: proposal.proposal_id,
                evidence_digest: proposal.evidence_digest,
                notes: None,
                promote_to_production: true,
            };
            let vera = person("vera", &[Role::Approver]);
            let approved = approve(&target.app, &vera, &request).await.unwrap();
            assert_eq!(approved.contract.unwrap().0, numbers.0 + 1, "{kind}");
            let slot = target.app.store.slot(&approved.slot).await.unwrap().unwrap();
            assert_eq!(
                (slot.generation, slot.directive_number),
                (numbers.0 + 1, numbers.1 + 1),
                "{kind}"
            );
            let filter = AuditFilter {
                after: manifest.newest_event.unwrap().0,
                ..AuditFilter::default()
            };
            let events = target.app.store.audit_events(&filter, 10).await.unwrap();
            assert_eq!(events[0].event.action, Action::Restored, "{kind}");
            let heads = heads::read(&target.app.config.audit_heads).unwrap();
            let (store, trusted) = (&target.app.store, target.app.keys.trusted());
            let report = verify::check(store, &target.artifacts, trusted, &heads)
                .await
                .unwrap();
            assert!(
                report.is_whole() && report.heads == 1,
                "{kind}: {:#?}",
                report.findings
            );

            let full = backup::restore(&target.app, &folder, 0).await;
            assert!(matches!(full, Err(RestoreError::NotEmpty(_))), "{kind}: {full:?}");
        }
    });
}

/// Writes a table's file and the hash of it into the manifest: somebody who knows how it is made.
fn forge(folder: &Path, table: &str, text: &str) {
    std::fs::write(folder.join(format!("tables/{table}.jsonl")), text).unwrap();
    let path = folder.join("manifest.json");
    let mut manifest: Manifest = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let entry = manifest
        .tables
        .iter_mut()
        .find(|entry| entry.name == table)
        .unwrap();
    entry.sha256 = FileHash::of(text.as_bytes());
    entry.rows = text.lines().count() as u64;
    std::fs::write(&path, serde_json::to_vec(&manifest).unwrap()).unwrap();
}

#[test]
fn a_damaged_backup_is_refused_by_name_and_leaves_the_target_empty() {
    on_every_database(|database| async {
        let test = lived(database).await;
        let place = test.folder.path().join("safe");
        let whole = place.join("whole");
        let manifest = write(&test, &whole).await.unwrap();
        let again = write(&test, &whole).await;
        assert!(matches!(again, Err(BackupError::Exists(_))), "{again:?}");
        let target = app(database::sqlite().await);
        let artifact = format!("artifacts/{0:.2}/{0}", manifest.artifacts[0].to_hex());
        let events = std::fs::read_to_string(whole.join("tables/audit_events.jsonl")).unwrap();
        let attempt = async |name: &str, damage: &dyn Fn(&Path)| {
            let copy = place.join("copy");
            for path in files(&whole) {
                let to = copy.join(path.strip_prefix(&whole).unwrap());
                std::fs::create_dir_all(to.parent().unwrap()).unwrap();
                std::fs::copy(&path, to).unwrap();
            }
            damage(&copy);
            let refused = backup::restore(&target.app, &copy, 0).await.unwrap_err();
            std::fs::remove_dir_all(&copy).unwrap();
            assert_eq!(
                target.app.store.table_in_use().await.unwrap(),
                None,
                "{name}: {refused:?}"
            );
            format!("{refused:?}")
        };
        let flip = |file: &str| {
            let file = file.to_owned();
            move |folder: &Path| {
                let path = folder.join(&file);
                let mut bytes = std::fs::read(&path).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                std::fs::write(&path, bytes).unwrap();
            }
        };
        for file in [
            "tables/users.jsonl",
            "tables/production_contracts.jsonl",
            artifact.as_str(),
        ] {
            let said = attempt(file, &flip(file)).await;
            assert!(
                said.starts_with("Damaged") && said.contains(file),
                "{file}: {said}"
            );
        }
        for file in ["tables/slots.jsonl", artifact.as_str(), "manifest.json"] {
            let said = attempt(file, &|folder| std::fs::remove_file(folder.join(file)).unwrap()).await;
            assert!(said.starts_with("File") && said.contains(file), "{file}: {said}");
        }
        let altered = events.replacen("rita", "ritA", 1);
        let said = attempt("an event", &|folder| forge(folder, "audit_events", &altered)).await;
        assert!(said.starts_with("Chain"), "{said}");
        let cut: String = events.lines().take(5).map(|line| format!("{line}\n")).collect();
        let said = attempt("the end", &|folder| forge(folder, "audit_events", &cut)).await;
        assert!(said.contains("cut off"), "{said}");
        let sql = "{\"username) VALUES ('x'); --\": \"x\"}\n";
        let said = attempt("a column", &|folder| forge(folder, "users", sql)).await;
        assert!(said.contains("is no name"), "{said}");

        target.app.artifacts.put(b"of somebody else").unwrap();
        let said = attempt("an artifact in the way", &|_| {}).await;
        assert!(said.starts_with("NotEmpty"), "{said}");

        std::fs::write(test.artifacts.path(manifest.artifacts[0]), b"other").unwrap();
        let refused = write(&test, &place.join("next")).await;
        assert!(matches!(refused, Err(BackupError::Artifact(_))), "{refused:?}");
        let left: Vec<PathBuf> = std::fs::read_dir(&place)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!(left, [whole], "nothing half-written is left behind");
    });
}

#[test]
fn the_verbs_save_and_put_back_with_exit_codes() {
    on_every_database(|database| async {
        let test = lived(database).await;
        let from = test.settings_file();
        let tar = test.folder.path().join("safe.tar").to_str().unwrap().to_owned();
        let (said, code) = control(&["backup", &tar, "--config", &from]).await;
        assert!(code == 0 && said.contains(" artifacts are in "), "{said}");
        assert_eq!(
            control(&["backup", &tar, "--config", &from]).await.1,
            77,
            "never over another"
        );
        assert_eq!(
            control(&["restore", &tar, "--config", &from]).await.1,
            77,
            "not into a full store"
        );

        let target = app(database::sqlite().await);
        let to = target.settings_file();
        assert_eq!(control(&["restore", "/nowhere.tar", "--config", &to]).await.1, 66);
        let (said, code) = control(&["restore", &tar, "--floor", "500", "--config", &to]).await;
        assert_eq!(code, 0, "{said}");
        assert!(
            said.contains("slot usdcop-5m: contracts go on above 500, directives above 500\n"),
            "{said}"
        );
        let (said, code) = control(&["audit", "verify", "--config", &to]).await;
        assert_eq!(code, 0, "{said}");
    });
}

#[test]
fn an_engine_that_has_seen_more_raises_the_numbers_of_its_slot() {
    on_every_database(|database| async {
        let test = lived(database).await;
        let slot = "usdcop-5m".parse().unwrap();
        let numbers = async || {
            let slot = test.app.store.slot(&slot).await.unwrap().unwrap();
            (slot.generation, slot.directive_number)
        };
        let given = numbers().await;
        let engine = Who::token(
            &token(&test, "engine", Scope::EngineSync, Some("usdcop-5m"))
                .await
                .0,
        );
        let beat = async |generation: u64, directive: u64| {
            let beat = json!({"engine_id": "e1", "slot": "usdcop-5m", "generation_highest": generation,
                "directive_highest": directive});
            let answer = call(
                &test,
                &engine,
                "POST",
                "/api/engines/heartbeats",
                Some(&beat.to_string()),
            )
            .await;
            answer.status.as_u16()
        };
        assert_eq!(beat(given.0, given.1).await, 204);
        assert_eq!(numbers().await, given);
        assert_eq!(beat(40, 70).await, 204);
        assert_eq!(numbers().await, (40, 70), "a heartbeat after a restore");
        assert_eq!(beat(3, 90).await, 204);
        assert_eq!(numbers().await, (40, 90), "each by itself, none back");
        let events = test
            .app
            .store
            .audit_events(&AuditFilter::default(), 200)
            .await
            .unwrap();
        let raised = events
            .iter()
            .filter(|event| event.event.action == Action::NumbersRaised)
            .count();
        assert_eq!(raised, 2, "each raise is an event");
        assert_eq!(
            beat(2_000_000, 90).await,
            422,
            "no engine uses up all numbers there are"
        );
        assert_eq!(numbers().await, (40, 90));
        let heads = heads::read(&test.app.config.audit_heads).unwrap();
        let trusted = test.app.keys.trusted();
        let report = verify::check(&test.app.store, &test.artifacts, trusted, &heads)
            .await
            .unwrap();
        assert!(report.is_whole(), "{:#?}", report.findings);
    });
}
