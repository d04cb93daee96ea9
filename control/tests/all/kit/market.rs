//! Market data as an ingest leaves it.

use std::collections::BTreeMap;

use contracts::bar::Bar;
use contracts::hash::{ArtifactHash, Digest};
use contracts::time::{DayNumber, UtcMillis};
use control::artifacts::ArtifactStore as _;
use control::auth::Role;
use control::market::label::Vendor;
use control::market::{
    DailyValue, Ingested, MarketKind, MarketName, Month, NewIngest, NewPartition, Rows, SourceText, encode,
    ingest,
};
use control::store::RevisionFilter;

use super::app::{TestApp, person};
use super::database::{Database, edit};

/// What a test's source file says.
pub const SOURCE: &str = "id: tests\nkind: bars\n";

pub fn month(text: &str) -> Month {
    text.parse().unwrap()
}

pub fn bars(name: &str) -> MarketName {
    MarketName::parse(MarketKind::Bars, name).unwrap()
}

pub fn daily(name: &str) -> MarketName {
    MarketName::parse(MarketKind::Daily, name).unwrap()
}

pub fn vendor(id: &str) -> Vendor {
    Vendor {
        vendor: "acme".parse().unwrap(),
        vendor_id: id.parse().unwrap(),
    }
}

pub fn source() -> SourceText {
    SourceText {
        id: "tests".parse().unwrap(),
        sha256: Digest::of(SOURCE.as_bytes()),
        text: SOURCE.to_owned(),
    }
}

/// Bars every five minutes from a time on, one per close.
pub fn closes(from: &str, closes: &[f64]) -> Rows {
    let from = UtcMillis::parse(from).unwrap();
    let bar = |(n, close): (i64, &f64)| Bar {
        close_time: from.plus_ms(n * 300_000),
        open: *close,
        high: *close * 1.25,
        low: *close * 0.75,
        close: *close,
        volume: 1.0,
    };
    Rows::Bars((0..).zip(closes).map(bar).collect())
}

/// Daily values: date, value, arrival.
pub fn values(rows: &[(&str, f64, Option<&str>)]) -> Rows {
    let value = |(date, value, arrived): &(&str, f64, Option<&str>)| DailyValue {
        date: DayNumber::parse(date).unwrap(),
        value: *value,
        arrived_at: arrived.map(|at| UtcMillis::parse(at).unwrap()),
    };
    Rows::Daily(rows.iter().map(value).collect())
}

/// Uploads a partition.
pub fn put(test: &TestApp, rows: &Rows) -> ArtifactHash {
    test.artifacts.put(&encode(rows).unwrap()).unwrap()
}

/// The file that stands for a month now.
pub async fn current(test: &TestApp, name: &MarketName, month: Month) -> Option<ArtifactHash> {
    let filter = RevisionFilter::current();
    let rows = test.app.store.revisions(name, filter, None, None).await.unwrap();
    rows.iter().find(|row| row.month == month).map(|row| row.artifact)
}

/// A month made from what stands for it now.
pub async fn partition(test: &TestApp, name: &MarketName, month: Month, rows: &Rows) -> NewPartition {
    NewPartition {
        name: name.clone(),
        month,
        vendor: vendor(&format!("{}-id", name.as_str())),
        previous: current(test, name, month).await,
        artifact: put(test, rows),
    }
}

pub fn new_ingest(partitions: Vec<NewPartition>) -> NewIngest {
    NewIngest {
        ingest_id: None,
        source: source(),
        note: None,
        partitions,
    }
}

/// Ingests rows of one name by `rita`, each month as a whole.
pub async fn store(test: &TestApp, name: &MarketName, rows: &Rows) -> Ingested {
    let mut months: BTreeMap<Month, Rows> = BTreeMap::new();
    match rows {
        Rows::Bars(all) => {
            for bar in all {
                let month = Month::of_time(bar.close_time).unwrap();
                let rows = months.entry(month).or_insert_with(|| Rows::Bars(Vec::new()));
                let Rows::Bars(rows) = rows else { unreachable!() };
                rows.push(*bar);
            }
        }
        Rows::Daily(all) => {
            for value in all {
                let month = Month::of_date(value.date).unwrap();
                let rows = months.entry(month).or_insert_with(|| Rows::Daily(Vec::new()));
                let Rows::Daily(rows) = rows else { unreachable!() };
                rows.push(*value);
            }
        }
    }
    let mut partitions = Vec::new();
    for (month, rows) in months {
        partitions.push(partition(test, name, month, &rows).await);
    }
    let rita = person("rita", &[Role::Researcher]);
    ingest(&test.app, &rita, new_ingest(partitions)).await.unwrap()
}

/// What somebody does who may change the schema as well.
pub async fn force(database: &Database, sql: &str) {
    let drop = match database.kind {
        "sqlite" => "DROP TRIGGER IF EXISTS market_revisions_no_update",
        _ => "DROP TRIGGER IF EXISTS market_revisions_append_only ON market_revisions",
    };
    edit(&database.url, drop).await;
    assert_eq!(edit(&database.url, sql).await, 1, "{sql}");
}
