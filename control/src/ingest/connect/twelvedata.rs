//! Twelve Data's `time_series`: five-minute bars, backwards.
//!
//! Asked for in UTC, and the answer's `meta` is held against what was asked: symbol, interval, and the zone where it names one (the vendor
//! names an exchange's zone only where the request named none). A page has up to 5,000 bars, or fewer where the vendor caps it, newest first; the next one ends
//! before its oldest, until that reaches the first bar asked for or the vendor has no more. Times are opens without a zone. Faults may come with HTTP 200 and a `code` in the body. The newest bar may still be in progress:
//! bars that close after `now` are left out.

use contracts::bar::{Bar, Stamp};
use contracts::ids::VendorId;
use contracts::limits::BAR_INTERVAL_MS;
use contracts::time::UtcMillis;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::{Answer, Connector, KeyPlace, Page, Refusal, Request, by_status, said};
use crate::limits::TWELVE_DATA_PAGE_ROWS;

/// What is fetched.
#[derive(Debug, Clone)]
pub struct TwelveData {
    /// The vendor's symbol.
    pub symbol: VendorId,
    /// First close.
    pub from: UtcMillis,
    /// Last close.
    pub to: UtcMillis,
    /// What time it is.
    pub now: UtcMillis,
}

#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    code: Option<u16>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    meta: Option<Meta>,
    #[serde(default)]
    values: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct Meta {
    symbol: String,
    interval: String,
    #[serde(default)]
    timezone: Option<String>,
    #[serde(default)]
    exchange_timezone: Option<String>,
}

#[derive(Deserialize)]
struct Value {
    datetime: String,
    open: String,
    high: String,
    low: String,
    close: String,
    #[serde(default)]
    volume: Option<String>,
}

/// Vendor's words where a period has no bar: the end, not a fault.
const NO_DATA: &str = "no data is available";

impl Connector for TwelveData {
    type Row = Bar;
    /// Latest open of the page.
    type Cursor = UtcMillis;

    fn vendor(&self) -> &'static str {
        "Twelve Data"
    }

    fn first(&self) -> UtcMillis {
        let last = self.to.min(self.now).bar_open();
        UtcMillis(last.0 - last.0.rem_euclid(BAR_INTERVAL_MS))
    }

    fn request(&self, at: &UtcMillis) -> Request {
        Request {
            path: "time_series",
            query: vec![
                ("symbol", self.symbol.to_string()),
                ("interval", "5min".to_owned()),
                ("timezone", "UTC".to_owned()),
                ("order", "DESC".to_owned()),
                ("start_date", naive(self.from.bar_open())),
                ("end_date", naive(*at)),
                ("outputsize", TWELVE_DATA_PAGE_ROWS.to_string()),
            ],
            key: KeyPlace::Authorization,
        }
    }

    fn read(&self, at: &UtcMillis, answer: &Answer) -> Result<Page<Bar, UtcMillis>, Refusal> {
        let series: Series = match serde_json::from_slice(&answer.body) {
            Ok(series) => series,
            Err(error) => {
                return Err(by_status(answer)
                    .unwrap_or_else(|| Refusal::Passing(format!("the answer is no time series: {error}"))));
            }
        };
        if series.status.as_deref() != Some("ok") || series.code.is_some() {
            return match refusal(&series, answer) {
                None => Ok(Page {
                    rows: Vec::new(),
                    bad: Vec::new(),
                    next: None,
                }),
                Some(refusal) => Err(refusal),
            };
        }
        let (Some(meta), Some(values)) = (series.meta, series.values) else {
            return Err(Refusal::Lasting("the answer has no meta or no values".to_owned()));
        };
        self.check(&meta)?;
        self.page(*at, &values)
    }
}

/// None for "there is nothing in this period".
fn refusal(series: &Series, answer: &Answer) -> Option<Refusal> {
    let message = said(series.message.as_deref().unwrap_or("no message"));
    let code = series.code.unwrap_or(answer.status);
    let shown = format!("code {code}: {message}");
    Some(match code {
        400 | 404 if message.to_ascii_lowercase().contains(NO_DATA) => return None,
        429 => Refusal::TooMany,
        401 | 403 => Refusal::Key(shown),
        408 | 500..=599 => Refusal::Passing(shown),
        _ => Refusal::Lasting(shown),
    })
}

impl TwelveData {
    fn check(&self, meta: &Meta) -> Result<(), Refusal> {
        let differs = |what: &str, asked: &str, found: &str| {
            Refusal::Lasting(format!(
                "the answer's {what} is `{}`, `{asked}` was asked for: its times cannot be trusted",
                said(found)
            ))
        };
        if !meta.symbol.eq_ignore_ascii_case(self.symbol.as_str()) {
            return Err(differs("symbol", self.symbol.as_str(), &meta.symbol));
        }
        if meta.interval != "5min" {
            return Err(differs("interval", "5min", &meta.interval));
        }
        // An exchange's own zone is told beside UTC times as well; the zone of the times is `timezone`.
        let named = meta.timezone.as_ref();
        let exchange = meta.exchange_timezone.as_ref();
        let named = named.or_else(|| exchange.filter(|_| self.symbol.as_str().contains('/')));
        match named {
            Some(zone) if !["UTC", "Etc/UTC"].contains(&zone.as_str()) => {
                Err(differs("timezone", "UTC", zone))
            }
            _ => Ok(()),
        }
    }

    fn page(&self, at: UtcMillis, values: &[Value]) -> Result<Page<Bar, UtcMillis>, Refusal> {
        let (mut rows, mut bad) = (Vec::with_capacity(values.len()), Vec::new());
        let mut oldest: Option<UtcMillis> = None;
        for (number, value) in (1..).zip(values) {
            let open_time = match open_time(value) {
                Ok(open_time) => open_time,
                Err(fault) => {
                    bad.push((number, fault));
                    continue;
                }
            };
            if open_time > at {
                return Err(Refusal::Lasting(format!(
                    "the answer has a bar of {open_time}, after the end that was asked for ({at}): the pages cannot be followed"
                )));
            }
            oldest = Some(oldest.map_or(open_time, |oldest| oldest.min(open_time)));
            let bar = match bar(open_time, value) {
                Ok(bar) => bar,
                Err(fault) => {
                    bad.push((number, fault));
                    continue;
                }
            };
            let in_time =
                bar.close_time >= self.from && bar.close_time <= self.to && bar.close_time <= self.now;
            if !in_time {
                continue;
            }
            rows.push(bar);
        }
        if oldest.is_none() && !values.is_empty() {
            return Err(Refusal::Lasting("no time on a whole page can be read".to_owned()));
        }
        // The next page ends before the oldest bar of this one: none can come twice, and a page without any is the last.
        let next = oldest
            .filter(|oldest| *oldest >= self.from)
            .map(|oldest| oldest.plus_ms(-BAR_INTERVAL_MS));
        Ok(Page { rows, bad, next })
    }
}

fn open_time(value: &Value) -> Result<UtcMillis, String> {
    let time: Option<DateTime> = value.datetime.parse().ok();
    let time = time.filter(|_| value.datetime.contains(':'));
    let time = time.and_then(|time| TimeZone::UTC.to_ambiguous_timestamp(time).unambiguous().ok());
    let time = time.ok_or_else(|| format!("`{}` is no date and time", said(&value.datetime)))?;
    Ok(UtcMillis(time.as_millisecond()))
}

fn bar(open_time: UtcMillis, value: &Value) -> Result<Bar, String> {
    let number = |name: &str, text: &str| {
        text.parse::<f64>()
            .map_err(|_| format!("`{}` in {name} is not a number", said(text)))
    };
    let volume = value.volume.as_deref().filter(|text| !text.is_empty());
    let bar = Bar {
        close_time: Stamp::Open.close_time(open_time),
        open: number("open", &value.open)?,
        high: number("high", &value.high)?,
        low: number("low", &value.low)?,
        close: number("close", &value.close)?,
        volume: volume.map_or(Ok(0.0), |text| number("volume", text))?,
    };
    if !bar.is_possible() {
        return Err(format!("the bar that opens at {open_time} is impossible"));
    }
    if !bar.close_time.is_on_bar_grid() {
        return Err(format!("a bar that opens at {open_time} is no five-minute bar"));
    }
    Ok(bar)
}

/// A time as the vendor writes it.
fn naive(at: UtcMillis) -> String {
    let civil = at.to_jiff().map(|at| TimeZone::UTC.to_datetime(at));
    civil.map_or_else(String::new, |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string())
}
