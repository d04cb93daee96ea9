//! The figures for people and for programs.

use serde_json::{Value, json};

use super::blocks::Row;
use super::machine;

/// Quantiles of the single operations: name and share.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// The machine's lines, ending with an empty one; a debug build is named first.
#[must_use]
pub fn machine_text() -> String {
    let mut text = String::new();
    if let Some(warning) = machine::warning() {
        text.push_str(&format!("{warning}\n"));
    }
    for (name, value) in machine::describe() {
        text.push_str(&format!("{name}: {value}\n"));
    }
    text.push('\n');
    text
}

/// The figures as a Markdown table, in nanoseconds.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| operation, in ns | median of blocks | fastest | p90 | per block | single: p50 | p90 | p99 | p99.9 | max |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for row in rows {
        text.push_str(&format!(
            "| {} | {:.0} | {:.0} | {:.0} | {} |",
            row.name,
            row.median(),
            row.min(),
            row.p90(),
            row.operations
        ));
        for (_, share) in QUANTILES {
            text.push_str(&format!(" {} |", row.singles.value_at_quantile(share)));
        }
        text.push_str(&format!(" {} |\n", row.singles.max()));
    }
    text
}

/// The ratios whose two rows are there: what, over what, how much.
#[must_use]
pub fn ratios<'a>(rows: &[Row], wanted: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str, f64)> {
    let row = |name: &str| rows.iter().find(|row| row.name == name);
    wanted
        .iter()
        .filter_map(|(of, to)| Some((*of, *to, row(of)?.ratio(row(to)?))))
        .collect()
}

/// The ratios as lines.
#[must_use]
pub fn ratios_text(ratios: &[(&str, &str, f64)]) -> String {
    ratios
        .iter()
        .map(|(of, to, ratio)| format!("{ratio:.2} × : {of} / {to}\n"))
        .collect()
}

/// Machine, figures and ratios as one object.
#[must_use]
pub fn json(rows: &[Row], ratios: &[(&str, &str, f64)]) -> Value {
    let machine: serde_json::Map<String, Value> = machine::describe()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let stages: Vec<Value> = rows
        .iter()
        .map(|row| {
            let mut single = json!({"count": row.singles.len(), "max": row.singles.max()});
            for (name, share) in QUANTILES {
                single[name] = row.singles.value_at_quantile(share).into();
            }
            json!({
                "operation": row.name,
                "block_ns": {"median": row.median(), "min": row.min(), "p90": row.p90()},
                "blocks": row.blocks.len(),
                "operations_per_block": row.operations,
                "single_ns": single,
            })
        })
        .collect();
    let ratios: Vec<Value> = ratios
        .iter()
        .map(|(of, to, ratio)| json!({"of": of, "to": to, "median": ratio}))
        .collect();
    json!({"machine": machine, "warning": machine::warning(), "stages": stages, "ratios": ratios})
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::Histogram;

    fn row(name: &str, blocks: &[f64]) -> Row {
        let mut singles = Histogram::new(3).unwrap();
        (1..=1_000).for_each(|ns| singles.record(ns).unwrap());
        Row {
            name: name.into(),
            operations: 7,
            blocks: blocks.to_vec(),
            singles,
        }
    }

    #[test]
    fn a_row_of_the_table_has_every_figure() {
        let text = table(&[row("x", &[3.0, 1.0, 5.0])]);
        assert!(
            text.ends_with("| x | 3 | 1 | 3 | 7 | 500 | 900 | 990 | 999 | 1000 |\n"),
            "{text}"
        );
        let widths: Vec<usize> = text.lines().map(|line| line.matches('|').count()).collect();
        assert_eq!(widths, [11, 11, 11]);
    }

    #[test]
    fn a_ratio_needs_both_of_its_rows() {
        let rows = [row("a", &[6.0]), row("b", &[3.0])];
        let found = ratios(&rows, &[("a", "b"), ("a", "c")]);
        assert_eq!(found, [("a", "b", 2.0)]);
        assert_eq!(ratios_text(&found), "2.00 × : a / b\n");
        let json = json(&rows, &found);
        assert_eq!(json["ratios"][0]["median"], 2.0);
        assert_eq!(json["stages"][1]["single_ns"]["p99.9"], 999);
        assert_eq!(json["machine"]["build"], machine::profile());
    }
}
