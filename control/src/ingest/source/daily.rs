//! A source of daily values: which id of which vendor feeds which series.

use std::collections::BTreeSet;

use contracts::files::{DailyScan, Format};
use contracts::ids::{SeriesId, SourceId, VendorId, VendorName};
use contracts::limits::SERIES_MAX;
use contracts::strict::Step;
use serde::{Deserialize, Serialize};

use super::{FredDownload, Zone};

/// What `kind: daily` looks like.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DailySource {
    /// `daily`.
    #[serde(rename = "kind")]
    _kind: DailyWord,
    /// Name of this source; the store keeps it with what came from it.
    pub id: SourceId,
    /// Column of the observation date.
    #[serde(default = "date")]
    pub date: String,
    /// Column of the arrival; values of a source without one count as known when their publication delay has passed.
    #[serde(default)]
    pub arrived_at: Option<String>,
    /// The zone of arrivals without an offset.
    #[serde(default)]
    pub zone: Option<Zone>,
    /// The format of files; by their names without it.
    #[serde(default)]
    pub format: Option<Format>,
    /// The series.
    pub series: Vec<DailySeries>,
    /// How to fetch them.
    #[serde(default)]
    pub download: Option<FredDownload>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DailyWord {
    Daily,
}

fn date() -> String {
    "date".to_owned()
}

/// One series: the one vendor id that feeds it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DailySeries {
    /// What it is here.
    pub series: SeriesId,
    /// Who made the data.
    pub vendor: VendorName,
    /// What the vendor calls it.
    pub vendor_id: VendorId,
    /// Its column in files; named like the series without it.
    #[serde(default)]
    column: Option<String>,
    /// How often it is observed.
    #[serde(default)]
    pub every: Every,
    /// Lowest and highest value that is not reported as implausible.
    #[serde(default)]
    pub plausible: Option<[f64; 2]>,
}

/// How often a series is observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Every {
    /// On days of trading.
    #[default]
    Day,
    /// Once a month.
    Month,
}

impl DailySeries {
    /// Its column in files.
    #[must_use]
    pub fn column(&self) -> &str {
        self.column.as_deref().unwrap_or(self.series.as_str())
    }
}

impl DailySource {
    /// How its files are to be understood.
    #[must_use]
    pub fn scan(&self) -> DailyScan {
        DailyScan {
            date: self.date.clone(),
            arrived_at: self.arrived_at.clone(),
            values: Some(self.series.iter().map(|one| one.column().to_owned()).collect()),
            zone: self.zone.as_ref().map(|zone| zone.get().clone()),
            format: self.format,
        }
    }

    /// What no type holds: where, and what is wrong.
    pub(super) fn fault(&self) -> Option<(Vec<Step>, String)> {
        let at = |index: usize, key: &str| {
            vec![
                Step::Key("series".to_owned()),
                Step::Index(index),
                Step::Key(key.to_owned()),
            ]
        };
        if self.series.is_empty() || self.series.len() > SERIES_MAX {
            let path = vec![Step::Key("series".to_owned())];
            return Some((path, format!("1 to {SERIES_MAX} series are expected")));
        }
        let (mut series, mut columns, mut ids) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for (index, one) in self.series.iter().enumerate() {
            if !series.insert(&one.series) {
                let detail = format!("{} has two entries: one series never mixes two ids", one.series);
                return Some((at(index, "series"), detail));
            }
            if !columns.insert(one.column().to_ascii_lowercase()) {
                let detail = format!("the column {} feeds two series", one.column());
                return Some((at(index, "column"), detail));
            }
            if !ids.insert((&one.vendor, &one.vendor_id)) {
                let detail = format!("{} of {} feeds two series", one.vendor_id, one.vendor);
                return Some((at(index, "vendor_id"), detail));
            }
            if let Some(detail) = one.another_index() {
                return Some((at(index, "vendor_id"), detail));
            }
            if one.plausible.is_some_and(|[low, high]| low >= high) {
                let detail = "the lower bound comes first and is below the upper".to_owned();
                return Some((at(index, "plausible"), detail));
            }
            if self.download.is_some() && one.vendor.as_str() != "fred" {
                let detail = format!("a download from FRED cannot fetch a series of {}", one.vendor);
                return Some((at(index, "vendor"), detail));
            }
        }
        None
    }
}

impl DailySeries {
    /// FRED's trade-weighted dollar indices (DTWEXBGS and its kin) are not the ICE dollar index.
    fn another_index(&self) -> Option<String> {
        let id = self.vendor_id.as_str().to_ascii_uppercase();
        let weighted = id.starts_with("DTWEX") || id.starts_with("TWEX");
        let mixed = weighted && self.vendor.as_str() == "fred" && self.series.as_str() == "dxy";
        mixed.then(|| {
            format!(
                "{id} may not feed dxy: it is the Federal Reserve's trade-weighted dollar index, of other currencies, weights and level \
                 than the ICE dollar index; give it a series of its own"
            )
        })
    }
}
