//! What is odd about rows: counted, listed and judged, never changed.

pub mod bars;
pub mod daily;

use serde::Serialize;

use crate::limits::LISTED_MAX;

/// A list that does not grow for ever: the first ones, and how many there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed<T> {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub rows: Vec<T>,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self {
            count: 0,
            rows: Vec::new(),
        }
    }
}

impl<T> Listed<T> {
    /// One more.
    pub fn push(&mut self, row: T) {
        self.count += 1;
        if self.rows.len() < LISTED_MAX {
            self.rows.push(row);
        }
    }
}

impl<T> FromIterator<T> for Listed<T> {
    fn from_iter<I: IntoIterator<Item = T>>(rows: I) -> Self {
        let mut listed = Self::default();
        rows.into_iter().for_each(|row| listed.push(row));
        listed
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// To know.
    Note,
    /// To look at.
    Warn,
    /// The data is not what the source file says: nothing is published unless somebody says so.
    Alarm,
}

/// One line of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A stable word for programs.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Of which series, in a report about several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
    /// For people.
    pub text: String,
}

impl Finding {
    /// A finding about the whole.
    pub(super) fn new(code: &'static str, severity: Severity, text: String) -> Self {
        Self {
            code,
            severity,
            series: None,
            text,
        }
    }
}

/// A part of a whole; 0 of nothing.
pub(super) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}

/// A share as people read it.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// The value in the middle; none of nothing. Orders `values`.
pub(super) fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let (_, value, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    Some(*value)
}
