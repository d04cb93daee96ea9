//! The identity of a dataset: its rows, bit for bit, whatever file they lie in.

use contracts::hash::DatasetHash;
use sha2::{Digest as _, Sha256};

use super::Rows;

/// Columns that come before the features.
pub(super) const BAR_COLUMNS: [&str; 5] = ["close_time", "open", "high", "low", "close"];

/// All columns of the tables, in order: time and prices, then the features.
#[must_use]
pub fn column_names(features: &[String]) -> Vec<String> {
    let fixed = BAR_COLUMNS.iter().map(|name| (*name).to_owned());
    fixed.chain(features.iter().cloned()).collect()
}

/// SHA-256 over train, val and test, each: column names joined by `,` and a line feed, then row by row the close time as i64 LE
/// milliseconds and every other value as f64 LE.
#[must_use]
pub fn dataset_hash(features: &[String], splits: [&Rows; 3]) -> DatasetHash {
    let header = column_names(features).join(",") + "\n";
    let mut hasher = Sha256::new();
    for rows in splits {
        hasher.update(&header);
        for at in 0..rows.len() {
            hasher.update(rows.close_times[at].0.to_le_bytes());
            for value in rows.prices[at].iter().chain(rows.row(at)) {
                hasher.update(value.to_le_bytes());
            }
        }
    }
    DatasetHash::from_bytes(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use contracts::time::UtcMillis;

    use super::*;

    fn rows() -> Rows {
        Rows {
            close_times: vec![UtcMillis(1), UtcMillis(2)],
            prices: vec![[1.0, 2.0, 0.5, 1.5]; 2],
            features: vec![0.25, -0.5],
        }
    }

    #[test]
    fn the_bytes_written_out_by_hand() {
        let (rows, none) = (rows(), Rows::default());
        let mut bytes = b"close_time,open,high,low,close,x\n".to_vec();
        for (time, feature) in [(1_i64, 0.25_f64), (2, -0.5)] {
            bytes.extend(time.to_le_bytes());
            for value in [1.0, 2.0, 0.5, 1.5, feature] {
                bytes.extend(f64::to_le_bytes(value));
            }
        }
        bytes.extend(b"close_time,open,high,low,close,x\n");
        bytes.extend(b"close_time,open,high,low,close,x\n");
        let names = ["x".to_owned()];
        assert_eq!(
            dataset_hash(&names, [&rows, &none, &none]),
            DatasetHash::of(&bytes)
        );
        assert_ne!(
            dataset_hash(&names, [&none, &rows, &none]),
            DatasetHash::of(&bytes)
        );
    }
}
