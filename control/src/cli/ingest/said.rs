//! What an ingest says to people.

use serde_json::Value;

use crate::cli::table::{aligned, cell, plain};
use crate::ingest::quality::{Finding, Severity};
use crate::market::publish::Published;

/// Months of a table; `--json` has all.
const MONTHS_SHOWN: usize = 24;
/// Hex digits of a hash that people read.
const HASH_SHOWN: usize = 16;

/// The findings, a line each.
pub fn findings(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "\nNothing stands out.\n".to_owned();
    }
    let lines = findings.iter().map(|finding| {
        let severity = match finding.severity {
            Severity::Alarm => "ALARM",
            Severity::Warn => "warning",
            Severity::Note => "note",
        };
        let series = finding.series.as_ref().map(|series| format!("{series}: "));
        vec![
            severity.to_owned(),
            finding.code.to_owned(),
            plain(&format!("{}{}", series.unwrap_or_default(), finding.text)),
        ]
    });
    format!("\nFindings\n{}", aligned(&lines.collect::<Vec<_>>()))
}

/// What became of the rows.
pub fn published(published: Option<&Published>, rows: u64) -> String {
    let Some(published) = published else {
        return format!("\nDry run: {rows} rows would be published.\n");
    };
    if published.ingest_id.is_none() {
        return format!(
            "\nNothing new: the market store has all {} rows already.\n",
            published.unchanged
        );
    }
    let mut lines = vec![
        ["NAME", "MONTH", "REVISION", "ROWS", "ADDED", "CHANGED", "SHA-256"]
            .map(str::to_owned)
            .to_vec(),
    ];
    // Changed values first: they are what somebody has to know.
    let mut months: Vec<_> = published
        .partitions
        .iter()
        .filter(|month| !month.counts.is_nothing())
        .collect();
    months.sort_by_key(|month| month.counts.changed == 0);
    lines.extend(months.iter().take(MONTHS_SHOWN).map(|month| {
        vec![
            month.name.clone(),
            month.month.to_string(),
            month.revision.to_string(),
            month.rows.to_string(),
            month.counts.added.to_string(),
            month.counts.changed.to_string(),
            month.sha256.short(HASH_SHOWN),
        ]
    }));
    let more = match months.len().saturating_sub(MONTHS_SHOWN) {
        0 => String::new(),
        more => format!("and {more} more months\n"),
    };
    format!(
        "\nPublished: {} rows added, {} changed (each month with a changed value has a new revision), {} known; {} new revisions\n{}{more}",
        published.added,
        published.changed,
        published.unchanged,
        months.len(),
        aligned(&lines)
    )
}

/// Files that were written.
pub fn wrote(files: &Value) -> String {
    let files = files.as_array().into_iter().flatten();
    files.map(|file| format!("wrote {}\n", cell(file))).collect()
}
