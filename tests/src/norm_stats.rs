//! Norm stats fitted on a feature file, in plain arithmetic: what a trainer's dataset builder would have written.

use serde_json::{Value, json};

/// What the hash in the metadata is of.
#[derive(Debug, Clone, Copy)]
struct FeatureFile;

/// Why a feature file gives no norm stats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FitError(String);

impl std::fmt::Display for FitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FitError {}

/// Mean, sample deviation (ddof = 1), range and count of every column but the first (`close_time`) and those in `state`.
///
/// # Errors
/// [`FitError`] naming the line that holds no number, or when fewer than two rows are there.
pub fn fit(features_csv: &str, state: &[&str]) -> Result<Value, FitError> {
    let mut lines = features_csv.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let mut columns: Vec<Vec<f64>> = vec![Vec::new(); names.len()];
    let (mut first, mut last) = ("", "");
    for (index, line) in lines.enumerate() {
        let cells: Vec<&str> = line.split(',').collect();
        if cells.len() != names.len() {
            return Err(FitError(format!(
                "line {}: {} cells, the header has {}",
                index + 2,
                cells.len(),
                names.len()
            )));
        }
        if first.is_empty() {
            first = cells[0];
        }
        last = cells[0];
        for (column, cell) in columns.iter_mut().zip(&cells).skip(1) {
            let value: f64 = cell
                .parse()
                .map_err(|_| FitError(format!("line {}: `{cell}` is no number", index + 2)))?;
            column.push(value);
        }
    }
    let count = columns.get(1).map_or(0, Vec::len);
    if count < 2 {
        return Err(FitError(format!("{count} rows: a deviation needs two")));
    }
    let mut features = serde_json::Map::new();
    for (name, values) in names
        .iter()
        .zip(&columns)
        .skip(1)
        .filter(|(name, _)| !state.contains(name))
    {
        features.insert((*name).to_owned(), summary(values));
    }
    let day = |time: &str| time.get(..10).unwrap_or(time).to_owned();
    Ok(json!({
        "metadata": {
            "version": "1.0.0",
            "experiment": "synthetic",
            "fit_start": day(first),
            "fit_end": day(last),
            "sample_count": count,
            "dataset_hash": contracts::hash::Digest::<FeatureFile>::of(features_csv.as_bytes()).to_hex(),
        },
        "features": features,
    }))
}

#[expect(clippy::cast_precision_loss, reason = "rows of a file are far below 2^53")]
fn summary(values: &[f64]) -> Value {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
    let min = values.iter().copied().fold(f64::INFINITY, f64::min);
    let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    json!({"mean": mean, "std": libm::sqrt(variance), "min": min, "max": max, "count": values.len()})
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: &str = "close_time,a,position\n2025-01-06T13:05:00Z,1,0\n2025-01-07T13:05:00Z,3,0\n";

    #[test]
    fn the_sample_deviation_of_all_but_the_state() {
        let stats = fit(CSV, &["position"]).unwrap();
        assert_eq!(stats["features"]["a"]["mean"], 2.0);
        assert_eq!(stats["features"]["a"]["std"], libm::sqrt(2.0));
        assert_eq!(stats["features"].as_object().unwrap().len(), 1);
        assert_eq!(stats["metadata"]["fit_start"], "2025-01-06");
        assert_eq!(stats["metadata"]["fit_end"], "2025-01-07");
    }

    #[test]
    fn a_bad_line_is_named() {
        let refusal = fit("close_time,a\nt,1\nt,x\n", &[]).unwrap_err();
        assert_eq!(refusal.to_string(), "line 3: `x` is no number");
        assert!(fit("close_time,a\nt,1\n", &[]).is_err());
    }
}
