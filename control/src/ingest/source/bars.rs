//! A source of bars.

use contracts::bar::Stamp;
use contracts::files::{BarScan, Columns, Format};
use contracts::ids::{CalendarName, InstrumentId, SourceId, VendorId, VendorName};
use serde::{Deserialize, Serialize};

use super::{TwelveDataDownload, Zone};

/// What `kind: bars` looks like.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BarSource {
    /// `bars`.
    #[serde(rename = "kind")]
    _kind: BarsWord,
    /// Name of this source; the store keeps it with what came from it.
    pub id: SourceId,
    /// Who made the data.
    pub vendor: VendorName,
    /// What the vendor calls it.
    pub vendor_id: VendorId,
    /// What it is here.
    pub instrument: InstrumentId,
    /// When it trades: for the report.
    pub calendar: CalendarName,
    /// How long a bar is.
    pub interval: Interval,
    /// Which end of the bar the time column holds. There is no default.
    pub stamp: Stamp,
    /// The zone of times without an offset; without it only a column whose name says UTC may hold such times.
    #[serde(default)]
    pub zone: Option<Zone>,
    /// The format of files; by their names without it.
    #[serde(default)]
    pub format: Option<Format>,
    /// Names of the columns, where they are not the usual ones.
    #[serde(default)]
    pub columns: BarColumns,
    /// How to fetch it.
    #[serde(default)]
    pub download: Option<TwelveDataDownload>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BarsWord {
    Bars,
}

/// How long a bar is: any other interval is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Interval {
    /// Five minutes.
    #[serde(rename = "5min")]
    FiveMinutes,
}

/// Names of columns.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BarColumns {
    time: Option<String>,
    open: Option<String>,
    high: Option<String>,
    low: Option<String>,
    close: Option<String>,
    volume: Option<String>,
}

impl BarSource {
    /// How its files are to be understood.
    #[must_use]
    pub fn scan(&self) -> BarScan {
        let columns = self.columns.clone();
        BarScan {
            stamp: self.stamp,
            columns: Columns {
                time: columns.time,
                open: columns.open,
                high: columns.high,
                low: columns.low,
                close: columns.close,
                volume: columns.volume,
            },
            zone: self.zone.as_ref().map(|zone| zone.get().clone()),
            format: self.format,
        }
    }
}
