//! What somebody edits by hand is named by `audit verify`.

use control::audit::verify::{Report, check};

use crate::kit::app::{TestApp, app};
use crate::kit::database::edit;
use crate::kit::market::{bars, closes, current, force, month, source, store};
use crate::kit::on_every_database;

/// What is found, but for the heads that these tests do not keep.
async fn verify(test: &TestApp) -> Vec<(&'static str, String, String)> {
    let report: Report = check(&test.app.store, &test.artifacts, test.app.keys.trusted(), &[])
        .await
        .unwrap();
    let findings = report.findings.into_iter();
    findings
        .map(|finding| (finding.kind, finding.place, finding.detail))
        .collect()
}

#[test]
fn an_edited_row_and_an_altered_file_are_named() {
    on_every_database(|database| async {
        let test = app(database);
        let name = bars("USDCOP");
        store(&test, &name, &closes("2026-01-05T13:05:00Z", &[1.0])).await;
        store(&test, &name, &closes("2026-01-05T13:05:00Z", &[2.0])).await;
        store(&test, &name, &closes("2026-02-02T13:05:00Z", &[1.0])).await;
        assert_eq!(verify(&test).await, []);

        let place = "market_revisions bars USDCOP 2026-01 2".to_owned();
        let vendor = |from: &str, to: &str| {
            format!(
                "UPDATE market_revisions SET vendor_id = '{to}' WHERE vendor_id = '{from}' AND revision = 2"
            )
        };
        force(&test.database, &vendor("USDCOP-id", "other")).await;
        let told = "its columns are others than event 2 tells of, which holds their hash".to_owned();
        assert_eq!(verify(&test).await, [("row", place.clone(), told)]);
        force(&test.database, &vendor("other", "USDCOP-id")).await;
        assert_eq!(verify(&test).await, [], "put back");

        let file = current(&test, &name, month("2026-01")).await.unwrap();
        let good = std::fs::read(test.artifacts.path(file)).unwrap();
        std::fs::write(test.artifacts.path(file), "edited").unwrap();
        let found = verify(&test).await;
        assert!(
            found.len() == 1 && found[0].1 == place && found[0].2.starts_with("artifact: "),
            "{found:?}"
        );
        std::fs::write(test.artifacts.path(file), good).unwrap();
        std::fs::remove_file(test.artifacts.path(source().sha256)).unwrap();
        let found = verify(&test).await;
        assert!(
            found.len() == 3 && found.iter().all(|one| one.2.starts_with("source_hash: ")),
            "{found:?}"
        );
        test.app
            .artifacts
            .put(crate::kit::market::SOURCE.as_bytes())
            .unwrap();

        let drop = match test.database.kind {
            "sqlite" => "DROP TRIGGER market_revisions_no_delete",
            _ => "DROP TRIGGER IF EXISTS market_revisions_append_only ON market_revisions",
        };
        edit(&test.database.url, drop).await;
        edit(
            &test.database.url,
            "DELETE FROM market_revisions WHERE revision = 2",
        )
        .await;
        let gone = ("row", place, "event 2 tells of it, and it is gone".to_owned());
        assert_eq!(verify(&test).await, [gone]);
    });
}
