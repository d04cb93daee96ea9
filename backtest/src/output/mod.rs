//! What a run leaves on disk: trades and equity as Parquet, everything else as JSON. The same outcome gives the same bytes.

pub mod table;

use contracts::evidence::{ExecutionCounts, ExecutionSettings, Fingerprint, Metrics};
use contracts::ids::InstrumentId;
use contracts::time::UtcMillis;
use serde::Serialize;

use self::table::{Column, write};
use crate::outcome::{Outcome, SessionReturn};

/// Why nothing could be written: a defect of this build, or memory ran out.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The Parquet writer failed.
    #[error("cannot write Parquet")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// The JSON writer failed.
    #[error("cannot write JSON")]
    Json(#[from] serde_json::Error),
}

/// One row per used bar: times, prices, positions, equity and costs. `caveats` stand in the file's metadata beside the fingerprint.
///
/// # Errors
/// [`OutputError::Parquet`].
pub fn equity_parquet(outcome: &Outcome, caveats: &[String]) -> Result<Vec<u8>, OutputError> {
    let bars = &outcome.bars;
    write(
        "equity",
        &metadata(outcome, caveats),
        &[
            (
                "close_time",
                Column::Time(bars.iter().map(|r| r.bar.close_time.0).collect()),
            ),
            (
                "session",
                Column::Date(bars.iter().map(|r| r.session.0).collect()),
            ),
            ("open", Column::Number(bars.iter().map(|r| r.bar.open).collect())),
            (
                "close",
                Column::Number(bars.iter().map(|r| r.bar.close).collect()),
            ),
            (
                "decided",
                Column::Integer(bars.iter().map(|r| r.decided.as_i8().into()).collect()),
            ),
            (
                "held",
                Column::Integer(bars.iter().map(|r| r.held.as_i8().into()).collect()),
            ),
            ("equity", Column::Number(bars.iter().map(|r| r.equity).collect())),
            ("cost", Column::Number(bars.iter().map(|r| r.cost).collect())),
        ],
    )
}

/// What a table's metadata says about its run.
fn metadata(outcome: &Outcome, caveats: &[String]) -> Vec<(&'static str, String)> {
    let mut pairs = vec![("fingerprint", outcome.fingerprint.to_hex())];
    pairs.extend(caveats.iter().map(|caveat| ("caveat", caveat.clone())));
    pairs
}

/// One row per closed trade; `caveats` as for [`equity_parquet`].
///
/// # Errors
/// [`OutputError::Parquet`].
///
/// # Panics
/// Never: a trade lasts less than 2³¹ bars, which are twenty thousand years.
pub fn trades_parquet(outcome: &Outcome, caveats: &[String]) -> Result<Vec<u8>, OutputError> {
    let trades = &outcome.trades;
    let numbers = |of: fn(&crate::outcome::Trade) -> f64| Column::Number(trades.iter().map(of).collect());
    let bars = |bars: u32| i32::try_from(bars).expect("fewer than 2³¹ bars");
    write(
        "trades",
        &metadata(outcome, caveats),
        &[
            (
                "entry_time",
                Column::Time(trades.iter().map(|t| t.entry_time.0).collect()),
            ),
            (
                "exit_time",
                Column::Time(trades.iter().map(|t| t.exit_time.0).collect()),
            ),
            (
                "position",
                Column::Integer(trades.iter().map(|t| t.position.into()).collect()),
            ),
            ("quantity", numbers(|t| t.quantity)),
            ("entry_price", numbers(|t| t.entry_price)),
            ("exit_price", numbers(|t| t.exit_price)),
            ("gross", numbers(|t| t.gross)),
            ("cost", numbers(|t| t.cost)),
            ("net", numbers(|t| t.net)),
            (
                "bars",
                Column::Integer(trades.iter().map(|t| bars(t.bars)).collect()),
            ),
            ("forced", Column::Flag(trades.iter().map(|t| t.forced).collect())),
        ],
    )
}

#[derive(Serialize)]
struct Summary<'a> {
    instrument: &'a InstrumentId,
    fingerprint: Fingerprint,
    settings: &'a ExecutionSettings,
    counts: &'a ExecutionCounts,
    ruined: Option<UtcMillis>,
    bars: usize,
    sessions_per_year: f64,
    caveats: &'a [String],
    metrics: &'a Metrics,
    sessions: &'a [SessionReturn],
}

/// Settings, counts, figures and session returns, for people and programs.
///
/// # Errors
/// [`OutputError::Json`].
pub fn metrics_json(
    outcome: &Outcome,
    metrics: &Metrics,
    caveats: &[String],
) -> Result<Vec<u8>, OutputError> {
    let mut json = serde_json::to_vec_pretty(&Summary {
        instrument: &outcome.instrument,
        fingerprint: outcome.fingerprint,
        settings: &outcome.settings,
        counts: &outcome.counts,
        ruined: outcome.ruined,
        bars: outcome.bars.len(),
        sessions_per_year: outcome.sessions_per_year,
        caveats,
        metrics,
        sessions: &outcome.sessions,
    })?;
    json.push(b'\n');
    Ok(json)
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use parquet::record::{Field, Row};

    use super::*;
    use crate::metrics::measure;
    use crate::samples::noise;

    fn rows(bytes: Vec<u8>) -> Vec<Row> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.parquet");
        std::fs::write(&path, bytes).unwrap();
        let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
        reader.get_row_iter(None).unwrap().map(Result::unwrap).collect()
    }

    fn field(row: &Row, name: &str) -> Field {
        let column = row.get_column_iter().find(|(column, _)| *column == name);
        column.unwrap().1.clone()
    }

    #[test]
    fn what_was_written_is_read_back_and_twice_the_same() {
        let run = noise(&[1.0, -2.0, 0.5]);
        let caveats = ["unregistered".to_owned()];
        let equity = equity_parquet(&run, &caveats).unwrap();
        assert_eq!(equity, equity_parquet(&run, &caveats).unwrap());
        let text = String::from_utf8_lossy(&equity);
        assert!(text.contains("unregistered") && text.contains(&run.fingerprint.to_hex()));
        let found = rows(equity);
        assert_eq!(found.len(), 3);
        assert_eq!(field(&found[1], "equity"), Field::Double(run.bars[1].equity));
        assert_eq!(field(&found[1], "held"), Field::Int(1));
        assert_eq!(field(&found[1], "session"), Field::Date(20_001));
        assert_eq!(
            field(&found[1], "close_time"),
            Field::TimestampMillis(run.bars[1].bar.close_time.0)
        );
        let trades = rows(trades_parquet(&run, &[]).unwrap());
        assert_eq!(trades.len(), 3);
        assert_eq!(field(&trades[0], "net"), Field::Double(run.trades[0].net));
        assert_eq!(field(&trades[0], "forced"), Field::Bool(false));
        assert_eq!(field(&trades[0], "bars"), Field::Int(1));
    }

    #[test]
    fn a_run_without_trades_gives_an_empty_table() {
        let run = noise(&[0.0, 0.0]);
        assert!(run.trades.is_empty());
        assert!(rows(trades_parquet(&run, &[]).unwrap()).is_empty());
    }

    #[test]
    fn the_summary_names_the_fingerprint_and_every_figure() {
        let run = noise(&[1.0, -2.0, 0.5]);
        let metrics = measure(&run, None);
        let caveats = ["unregistered".to_owned()];
        let json = metrics_json(&run, &metrics, &caveats).unwrap();
        assert_eq!(json, metrics_json(&run, &metrics, &caveats).unwrap());
        let read: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(read["fingerprint"], run.fingerprint.to_hex());
        assert_eq!(read["metrics"], serde_json::to_value(&metrics).unwrap());
        assert_eq!(read["sessions"].as_array().unwrap().len(), 3);
        assert_eq!(read["caveats"][0], "unregistered");
    }
}
