//! `control ingest status`.

use contracts::time::{DayNumber, UtcMillis};
use serde_json::{Value, json};

use super::take::now;
use crate::cli::out::Sink;
use crate::cli::remote::{Call, Remote, ServerArgs, Who};
use crate::cli::table::table;
use crate::cli::{CliError, block_on};
use crate::limits::{DAY_MS, PAGE_ROWS_MAX};

/// Options of `control ingest status`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What the market store holds: for each instrument and daily series the vendor and id it comes from, months, revisions of months (one more than
months means that something changed), rows, first and last time, and how many days ago the last one was.

Examples:
  control ingest status
  control ingest status --json | jq '.market[] | select(.age_days > 7)'")]
pub struct StatusArgs {
    #[command(flatten)]
    server: ServerArgs,
}

/// Runs the verb.
///
/// # Errors
/// See [`crate::cli::remote`].
pub fn run(args: &StatusArgs, out: Sink<'_>) -> Result<(), CliError> {
    let mut remote = args.server.remote(Who::Anybody, out)?;
    let mut rows = block_on(all(&mut remote))??;
    let (now, _) = now();
    for row in &mut rows {
        row["age_days"] = json!(row["last"].as_str().and_then(|last| age(last, now)));
    }
    let document = json!({"market": rows});
    let columns = [
        ("KIND", "/kind"),
        ("NAME", "/name"),
        ("VENDOR", "/vendor"),
        ("ID", "/vendor_id"),
        ("MONTHS", "/months"),
        ("REVISIONS", "/revisions"),
        ("ROWS", "/rows"),
        ("FIRST", "/first"),
        ("LAST", "/last"),
        ("AGE, DAYS", "/age_days"),
        ("REVISED", "/revised_at"),
    ];
    remote.answer(&document, &table(&document["market"], &columns))
}

async fn all(remote: &mut Remote<'_>) -> Result<Vec<Value>, CliError> {
    let (mut rows, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let call = Call::get(&["api", "market"])
            .with("limit", Some(PAGE_ROWS_MAX))
            .with("cursor", cursor.take());
        let page = remote.send(call).await?.json()?;
        rows.extend(page["market"].as_array().into_iter().flatten().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return Ok(rows),
        }
    }
}

/// Whole days since a time or a date.
fn age(last: &str, now: UtcMillis) -> Option<i64> {
    let at = UtcMillis::parse(last).ok().or_else(|| {
        let date = DayNumber::parse(last).ok()?;
        Some(UtcMillis(i64::from(date.0) * DAY_MS))
    })?;
    Some((now.0 - at.0).div_euclid(DAY_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_in_whole_days() {
        let now = UtcMillis::parse("2026-01-05T13:05:00Z").unwrap();
        assert_eq!(age("2026-01-02", now), Some(3));
        assert_eq!(age("2026-01-04T13:06:00.000Z", now), Some(0));
        assert_eq!(age("never", now), None);
    }
}
