//! `control ingest macro`.

use contracts::time::DayNumber;
use jiff::tz::TimeZone;
use serde_json::json;

use super::said;
use super::take::{TakeArgs, address, bad_of, fetch, now, reading, vendor};
use super::written::Report;
use crate::cli::out::Sink;
use crate::cli::table::{aligned, fields};
use crate::cli::{CliError, Exit, OrExit as _};
use crate::ingest::connect::fred::{self, Fred};
use crate::ingest::page;
use crate::ingest::quality::daily::{self as quality, DailyReport};
use crate::ingest::quality::percent;
use crate::ingest::read::{self, Daily, DailyTaken, Origin, Row, SeriesTaken};
use crate::ingest::source::{DailySource, FredDownload, Source};
use crate::market::publish::Batch;
use crate::market::{DailyValue, MarketName, Rows};

/// Options of `control ingest macro`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The source file says which id of which vendor feeds which series, in which column. One series never mixes two ids: the market store keeps the
vendor and the id of each, and refuses another. Files are .csv, .csv.gz, .parquet, .jsonl or .jsonl.gz with a row per date. Without --file the
vendor under `download` is asked; its key stands in the environment variable named there. --from and --to are dates of observation.

A blank is no observation. A value counts from its arrival, where one is known, and never before its date and the delay of the feature
contract. The same again changes nothing; another value for a known date is a further version that counts from its arrival (now, where the
source names none), in a new revision of its month. A cell that cannot be read refuses the whole, unless --skip-bad-rows.

Publishing needs the role researcher, or a token with research:write.

Exit codes: 0 done, also when nothing was new; 2 the command line is wrong; 65 a row is bad, or the answers are not what was asked for; 66 a
file cannot be read; 69 the server or the vendor does not answer; 74 a report cannot be written; 77 a login, right or key is missing or
wrong, or the store has a series from another vendor id; 78 the source file is wrong.

Examples:
  control ingest macro --source config/sources/macro_investing_fred.yaml --file macro_daily.csv --report macro.html
  FRED_API_KEY=… control ingest macro --source config/sources/fred.yaml --from 2020-01-01 --report fred.html
  control ingest macro --source config/sources/macro_investing_fred.yaml --file macro_daily.csv --from 2026-01-01 --dry-run")]
pub struct MacroArgs {
    #[command(flatten)]
    take: TakeArgs,
}

/// Runs the verb.
///
/// # Errors
/// See the exit codes of its help.
pub fn run(args: &MacroArgs, out: Sink<'_>) -> Result<(), CliError> {
    let take = &args.take;
    let report_at = take.report.as_deref().map(Report::at).transpose()?;
    take.in_order()?;
    let source = match take.load()? {
        Source::Daily(source) => *source,
        Source::Bars(_) => {
            return Err(CliError::new(
                Exit::Usage,
                format!("{} is a source of bars", take.source.display()),
                "use `control ingest bars`",
            ));
        }
    };
    let mut remote = take.server.remote(take.who(), out)?;
    let mut taken = if take.files.is_empty() {
        fetched(take, &source)?
    } else {
        reading(&take.files, || read::daily(&source, &take.files))?
    };
    let asked =
        |date: DayNumber| take.from.is_none_or(|from| from <= date) && take.to.is_none_or(|to| date <= to);
    for series in &mut taken.series {
        series.rows.retain(|row| asked(row.value.date));
        series.blanks.retain(|date| asked(*date));
    }
    let (values, report) = quality::examine(&source, &taken);
    let files = match &report_at {
        Some(at) => at.write(&report, || page::daily::html(&report, &values))?,
        None => Vec::new(),
    };
    let count: u64 = report.series.iter().map(|one| one.values).sum();
    let judged = take.judge(&report.bad, &report.findings);
    let published = if judged.is_ok() && !take.dry_run && count > 0 {
        let batches = batches(&source, values)?;
        Some(take.publish(&mut remote, source.id.as_str(), batches)?)
    } else {
        None
    };
    let document = json!({
        "kind": "daily", "source": source.id, "values": count, "bad_rows": report.bad.count, "dry_run": take.dry_run,
        "series": report.series.iter().map(|one| json!({
            "series": one.series, "values": one.values, "first": one.first, "last": one.last, "revisions": one.revisions,
        })).collect::<Vec<_>>(),
        "findings": report.findings, "published": published, "files": files,
    });
    let mut text = shown(&report);
    if judged.is_ok() && (take.dry_run || published.is_some()) {
        text.push_str(&said::published(published.as_ref(), count));
    }
    text.push_str(&said::wrote(&document["files"]));
    remote.answer(&document, &text)?;
    judged
}

fn batches(source: &DailySource, values: Vec<Vec<Daily>>) -> Result<Vec<Batch>, CliError> {
    let with_values = source
        .series
        .iter()
        .zip(values)
        .filter(|(_, values)| !values.is_empty());
    with_values
        .map(|(declared, values)| {
            let rows = values.into_iter().map(|one| DailyValue {
                date: one.date,
                value: one.value,
                arrived_at: one.arrived_at,
            });
            Ok(Batch {
                name: MarketName::Daily(declared.series.clone()),
                vendor: vendor(&declared.vendor, &declared.vendor_id)?,
                rows: Rows::Daily(rows.collect()),
            })
        })
        .collect()
}

fn fetched(take: &TakeArgs, source: &DailySource) -> Result<DailyTaken, CliError> {
    let (now, today) = now();
    let (from, to) = take.asked(today)?;
    let Some(download) = &source.download else {
        return Err(CliError::new(
            Exit::Usage,
            format!(
                "{} names no `download`: it can be fetched from nowhere",
                take.source.display()
            ),
            "name files with --file",
        ));
    };
    let zone = TimeZone::get(fred::ZONE).or_exit(Exit::Software, "there is no zone for FRED's days", "")?;
    // FRED knows no day that has not begun in St. Louis.
    let there = now
        .to_jiff()
        .map(|now| DayNumber::from_civil(zone.to_datetime(now).date()));
    let there = there.unwrap_or(today);
    let to = to.min(there).max(from);
    let mut taken = DailyTaken::default();
    for declared in &source.series {
        let connector = Fred {
            id: declared.vendor_id.clone(),
            from,
            to,
            zone: zone.clone(),
            today: there,
        };
        let (series, origin) = one(download, &connector, declared.series.clone(), &mut taken)?;
        taken.series.push(series);
        taken.origins.push(origin);
    }
    Ok(taken)
}

fn one(
    download: &FredDownload,
    connector: &Fred,
    series: contracts::ids::SeriesId,
    taken: &mut DailyTaken,
) -> Result<(SeriesTaken, Origin), CliError> {
    let fetched = fetch(
        connector,
        &download.base_url,
        &download.key_env,
        download.requests_per_minute,
    )?;
    let name = address(&download.base_url, "series/observations", &connector.id);
    let rows = fetched.rows.len() as u64 + fetched.bad.len() as u64;
    for bad in bad_of(&name, fetched.bad).rows {
        taken.bad.push(bad);
    }
    let known = fred::known(&fetched.rows);
    let origin = taken.origins.len();
    let series = SeriesTaken {
        series,
        rows: (1..)
            .zip(known.values)
            .map(|(line, value)| Row { value, origin, line })
            .collect(),
        blanks: known.blanks,
        archived: known.archived,
    };
    let origin = Origin {
        name,
        rows,
        sha256: None,
    };
    Ok((series, origin))
}

fn shown(report: &DailyReport) -> String {
    let mut text = fields(&json!(report), &[("source", "/source")]);
    let head = ["SERIES", "VALUES", "FIRST", "LAST", "BLANK", "REVISIONS"];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    let date = |date: Option<DayNumber>| date.map_or_else(|| "-".to_owned(), |date| date.to_string());
    lines.extend(report.series.iter().map(|one| {
        vec![
            one.series.clone(),
            one.values.to_string(),
            date(one.first),
            date(one.last),
            percent(one.blanks_share),
            one.revisions.to_string(),
        ]
    }));
    text.push_str(&aligned(&lines));
    text.push_str(&said::findings(&report.findings));
    text
}
