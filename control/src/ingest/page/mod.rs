//! Quality reports as one self-contained HTML page: nothing is fetched, no script, light and dark.

pub mod bars;
pub mod daily;

use std::fmt::Display;

use backtest::report::escape::escape;

use super::quality::{Finding, Listed, Severity};
use super::read::{BadRow, Origin};

/// Rows of a table on a page; the JSON has more.
const ROWS_SHOWN: usize = 40;

/// A table: headings, then rows of cells that are text.
fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut out = "<div class=\"wide\"><table><tr>".to_owned();
    for name in head {
        out.push_str(&format!("<th>{}</th>", escape(name)));
    }
    out.push_str("</tr>");
    for row in rows {
        out.push_str("<tr>");
        for cell in row {
            out.push_str(&format!("<td>{}</td>", escape(&cell)));
        }
        out.push_str("</tr>");
    }
    out.push_str("</table></div>");
    out
}

/// A heading and a table of the first rows of a list; nothing for an empty list.
fn listed<T>(title: &str, head: &[&str], list: &Listed<T>, row: impl Fn(&T) -> Vec<String>) -> String {
    if list.rows.is_empty() {
        return String::new();
    }
    let shown = list.rows.len().min(ROWS_SHOWN);
    let of = match list.count {
        count if count > shown as u64 => format!(" (the first {shown} of {count})"),
        count => format!(" ({count})"),
    };
    format!(
        "<h2>{}{of}</h2>{}",
        escape(title),
        table(head, list.rows.iter().take(shown).map(row))
    )
}

/// What there is to say, worst first.
fn findings(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "<p>Nothing stands out.</p>".to_owned();
    }
    let mut out =
        "<h2>Findings</h2><div class=\"wide\"><table><tr><th>how bad</th><th class=\"text\">what</th><th class=\"text\">finding</th></tr>"
            .to_owned();
    for finding in findings {
        let (class, word) = match finding.severity {
            Severity::Alarm => (" class=\"missed\"", "alarm"),
            Severity::Warn => (" class=\"lost\"", "warning"),
            Severity::Note => ("", "note"),
        };
        let series = finding.series.as_ref().map(|series| format!("{series}: "));
        out.push_str(&format!(
            "<tr><td{class}>{word}</td><td class=\"text\">{}</td><td class=\"text\">{}{}</td></tr>",
            escape(&finding.code.replace('_', " ")),
            escape(&series.unwrap_or_default()),
            escape(&finding.text)
        ));
    }
    out.push_str("</table></div>");
    out
}

fn origins(origins: &[Origin]) -> String {
    let rows = origins.iter().map(|origin| {
        let hash = origin.sha256.map_or_else(|| "-".to_owned(), |hash| hash.to_hex());
        vec![origin.name.clone(), origin.rows.to_string(), hash]
    });
    format!("<h2>Read from</h2>{}", table(&["from", "rows", "SHA-256"], rows))
}

fn bad(list: &Listed<BadRow>) -> String {
    listed("Rows left out", &["from", "line", "fault"], list, |row| {
        vec![row.file.clone(), row.line.to_string(), row.fault.clone()]
    })
}

fn or_dash(value: Option<impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}
