//! `control ingest bars`.

use std::path::{Path, PathBuf};

use contracts::bar::Bar;
use contracts::features::{Calendar as CalendarDoc, load_calendar};
use contracts::time::{DayNumber, UtcMillis};
use serde_json::json;
use strategy::calendar::Calendar;

use super::said;
use super::take::{TakeArgs, address, bad_of, fetch, now, reading, vendor};
use super::written::Report;
use crate::cli::out::Sink;
use crate::cli::table::fields;
use crate::cli::{CliError, Exit, OrExit as _};
use crate::ingest::connect::twelvedata::TwelveData;
use crate::ingest::order;
use crate::ingest::page;
use crate::ingest::quality::bars::{self as quality, BarsReport};
use crate::ingest::read::{self, Origin, Row, Taken};
use crate::ingest::source::{BarSource, Source};
use crate::market::publish::Batch;
use crate::market::{MarketName, Rows};

/// Options of `control ingest bars`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The source file says what the rows mean: columns, which end of a bar the time is, the zone of times without an offset, the instrument.
Files are .csv, .csv.gz, .parquet, .jsonl or .jsonl.gz. Without --file the vendor that the source file names under `download` is asked; its
key stands in the environment variable named there. Dates of --from and --to are local dates of the calendar, both inclusive.

Bars go into the market store by month. The same again changes nothing; another value for a known close makes a new revision with its own
hash, and the earlier one stays. A row that cannot be read, an impossible bar or one off the five-minute grid refuses the whole, unless
--skip-bad-rows. Of several bars for one close the first stays, the others are listed. Odd bars (jumps, other levels, flat ones, bars outside
sessions) are reported and kept. Times that look like another zone's are an alarm, and nothing is published without --accept-alarms.

Publishing needs the role researcher, or a token with research:write.

Exit codes: 0 done, also when nothing was new; 2 the command line is wrong; 65 a row is bad, the report has an alarm, or the answers are not
what was asked for; 66 a file cannot be read; 69 the server or the vendor does not answer; 74 a report cannot be written; 77 a login, right
or key is missing or wrong, or the store has the instrument from another vendor id; 78 the source file is wrong.

Examples:
  control ingest bars --source config/sources/usdcop_twelvedata.yaml --file usdcop_5m.csv.gz --report quality.html
  control ingest bars --source config/sources/usdcop_twelvedata.yaml --file new.csv --dry-run --report quality.html
  TWELVEDATA_API_KEY=… control ingest bars --source config/sources/usdcop_twelvedata.yaml --from 2026-01-01 --json")]
pub struct BarsArgs {
    /// Where calendars lie; the folder `calendars` beside that of the source file without it.
    #[arg(long, value_name = "DIR")]
    calendars: Option<PathBuf>,
    #[command(flatten)]
    take: TakeArgs,
}

/// Runs the verb.
///
/// # Errors
/// See the exit codes of its help.
pub fn run(args: &BarsArgs, out: Sink<'_>) -> Result<(), CliError> {
    let take = &args.take;
    let report_at = take.report.as_deref().map(Report::at).transpose()?;
    take.in_order()?;
    let source = match take.load()? {
        Source::Bars(source) => *source,
        Source::Daily(_) => {
            return Err(CliError::new(
                Exit::Usage,
                format!("{} is a source of daily values", take.source.display()),
                "use `control ingest macro`",
            ));
        }
    };
    let mut remote = take.server.remote(take.who(), out)?;
    let (doc, calendar) = calendar(args, &source)?;
    let taken = if take.files.is_empty() {
        fetched(take, &source, &calendar)?
    } else {
        reading(&take.files, || read::bars(&source, &take.files))?
    };
    let rows = within(taken.rows, &calendar, take.from, take.to);
    let (bars, repeats) = order::bars(&rows);
    let taken = quality::Taken {
        origins: &taken.origins,
        bad: &taken.bad,
        rows: rows.len() as u64,
        repeats: &repeats,
        bars: &bars,
        now: now().0,
    };
    let report = quality::examine(&source, &doc, taken).or_exit(
        Exit::Config,
        "the calendar cannot be used",
        "mend its file under config/calendars",
    )?;
    let files = match &report_at {
        Some(at) => at.write(&report, || page::bars::html(&report, &bars))?,
        None => Vec::new(),
    };
    let judged = take.judge(&report.bad, &report.findings);
    let publishes = judged.is_ok() && !take.dry_run && !bars.is_empty();
    let published = if publishes {
        let batch = Batch {
            name: MarketName::Bars(source.instrument.clone()),
            vendor: vendor(&source.vendor, &source.vendor_id)?,
            rows: Rows::Bars(bars),
        };
        Some(take.publish(&mut remote, source.id.as_str(), vec![batch])?)
    } else {
        None
    };
    let document = json!({
        "kind": "bars", "source": source.id, "instrument": source.instrument, "rows": report.rows, "bad_rows": report.bad.count,
        "bars": report.bars, "first": report.first, "last": report.last, "dry_run": take.dry_run,
        "findings": report.findings, "published": published, "files": files,
    });
    let mut text = shown(&report);
    if judged.is_ok() && (take.dry_run || published.is_some()) {
        text.push_str(&said::published(published.as_ref(), report.bars));
    }
    text.push_str(&said::wrote(&document["files"]));
    remote.answer(&document, &text)?;
    judged
}

/// The calendar that a source names.
fn calendar(args: &BarsArgs, source: &BarSource) -> Result<(CalendarDoc, Calendar), CliError> {
    let beside = || {
        let folder = args.take.source.parent().unwrap_or_else(|| Path::new(""));
        folder.join("../calendars")
    };
    let folder = args.calendars.clone().unwrap_or_else(beside);
    let path = folder.join(format!("{}.yaml", source.calendar));
    let remedy = "name the folder of the calendars with --calendars";
    let what = || format!("the calendar {} cannot be used", source.calendar);
    let doc = load_calendar(&path).or_exit(Exit::Config, what(), remedy)?;
    let calendar = Calendar::new(&doc).or_exit(Exit::Config, what(), remedy)?;
    Ok((doc, calendar))
}

/// Rows whose bars open on the dates asked for.
fn within(
    mut rows: Vec<Row<Bar>>,
    calendar: &Calendar,
    from: Option<DayNumber>,
    to: Option<DayNumber>,
) -> Vec<Row<Bar>> {
    let start = from.and_then(|from| calendar.midnight(from));
    let end = to.and_then(|to| calendar.midnight(DayNumber(to.0 + 1)));
    rows.retain(|row| {
        let open = row.value.close_time.bar_open();
        start.is_none_or(|start| start <= open) && end.is_none_or(|end| open < end)
    });
    rows
}

fn fetched(take: &TakeArgs, source: &BarSource, calendar: &Calendar) -> Result<Taken<Bar>, CliError> {
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
    let midnight = |date: DayNumber| {
        calendar.midnight(date).ok_or_else(|| {
            CliError::new(
                Exit::Usage,
                format!("{date} is out of range"),
                "name another date",
            )
        })
    };
    let first_close = |at: UtcMillis| at.plus_ms(contracts::limits::BAR_INTERVAL_MS);
    let connector = TwelveData {
        symbol: source.vendor_id.clone(),
        from: first_close(midnight(from)?),
        to: midnight(DayNumber(to.0 + 1))?,
        now,
    };
    let fetched = fetch(
        &connector,
        &download.base_url,
        &download.key_env,
        download.requests_per_minute,
    )?;
    let name = address(&download.base_url, "time_series", &source.vendor_id);
    let rows = (1..).zip(fetched.rows).map(|(line, value)| Row {
        value,
        origin: 0,
        line,
    });
    // Pages come backwards; what is in no order here would look odd in the report.
    let mut rows: Vec<Row<Bar>> = rows.collect();
    rows.sort_by_key(|row| row.value.close_time);
    Ok(Taken {
        origins: vec![Origin {
            name: name.clone(),
            rows: rows.len() as u64 + fetched.bad.len() as u64,
            sha256: None,
        }],
        rows,
        bad: bad_of(&name, fetched.bad),
    })
}

fn shown(report: &BarsReport) -> String {
    let document = json!(report);
    let mut text = fields(
        &document,
        &[
            ("source", "/source"),
            ("instrument", "/instrument"),
            ("rows", "/rows"),
            ("bars", "/bars"),
            ("first close", "/first"),
            ("last close", "/last"),
            ("sessions", "/sessions/with_bars"),
            ("complete", "/sessions/complete"),
        ],
    );
    text.push_str(&said::findings(&report.findings));
    text
}
