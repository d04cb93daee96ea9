//! Every figure and every interval of two small runs, against `tests/oracle/metrics.py`, which knows only the document that defines them.

use backtest::baseline::compare;
use backtest::metrics::measure;
use backtest::outcome::{BarRow, Outcome, SessionReturn, Trade};
use backtest::stats::trials::TrialStats;
use contracts::action::PositionSource;
use contracts::bar::Bar;
use contracts::evidence::{ExecutionCounts, ExecutionSettings, Fingerprint};
use contracts::experiment::{FillRule, OvernightRule};
use contracts::ids::{InstrumentId, ModelId};
use contracts::reason::Position;
use contracts::time::{DayNumber, UtcMillis};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Reference {
    new: Run,
    base: Run,
    ledger: Ledger,
    expected: Value,
}

#[derive(Deserialize)]
struct Ledger {
    number: u32,
    declared: u32,
    sharpes: Vec<f64>,
}

#[derive(Deserialize)]
struct Run {
    fingerprint: String,
    initial_capital: f64,
    sessions_per_year: f64,
    turnover: f64,
    /// Per day.
    sessions: Vec<(i32, Vec<Row>)>,
    trades: Vec<Closed>,
}

/// Close time, equity and position of a bar.
type Row = (i64, f64, i64);

#[derive(Deserialize)]
struct Closed {
    exit_time: i64,
    gross: f64,
    cost: f64,
    net: f64,
}

impl Run {
    fn outcome(&self) -> Outcome {
        let mut before = self.initial_capital;
        let (mut bars, mut sessions) = (Vec::new(), Vec::new());
        for (day, rows) in &self.sessions {
            let session = DayNumber(*day);
            bars.extend(rows.iter().map(|(close_time, equity, held)| BarRow {
                bar: Bar {
                    close_time: UtcMillis(*close_time),
                    ..Bar::default()
                },
                session,
                decided: Position::Flat,
                held: Position::try_from(*held).unwrap(),
                equity: *equity,
                cost: 0.0,
            }));
            let end = rows.last().map_or(before, |(_, equity, _)| *equity);
            sessions.push(SessionReturn {
                session,
                value: end / before - 1.0,
            });
            before = end;
        }
        Outcome {
            instrument: InstrumentId::parse("ORACLE").unwrap(),
            settings: ExecutionSettings {
                initial_capital: self.initial_capital,
                position_size: 1.0,
                transaction_cost_bps: 0.0,
                slippage_bps: 0.0,
                fill: FillRule::NextOpen,
                latency_bars: 1,
                overnight: OvernightRule::Hold,
                stale_after_bars: 12,
                position_source: PositionSource::Signal,
            },
            bars,
            trades: self.trades.iter().map(Closed::trade).collect(),
            sessions,
            sessions_per_year: self.sessions_per_year,
            counts: ExecutionCounts::default(),
            turnover: self.turnover,
            ruined: None,
            fingerprint: Fingerprint::parse(&self.fingerprint).unwrap(),
        }
    }
}

impl Closed {
    fn trade(&self) -> Trade {
        Trade {
            entry_time: UtcMillis(self.exit_time),
            exit_time: UtcMillis(self.exit_time),
            position: 1,
            quantity: 1.0,
            entry_price: 1.0,
            exit_price: 1.0,
            gross: self.gross,
            cost: self.cost,
            net: self.net,
            bars: 1,
            forced: false,
        }
    }
}

/// Compares every number the reference names; returns how many there were.
fn same(path: &str, expected: &Value, found: &Value) -> u32 {
    if let Some(fields) = expected.as_object() {
        return fields
            .iter()
            .map(|(name, value)| same(&format!("{path}.{name}"), value, &found[name]))
            .sum();
    }
    let (expected, found) = (expected.as_f64().unwrap(), found.as_f64());
    let found = found.unwrap_or_else(|| panic!("{path}: nothing, not {expected}"));
    let scale = expected.abs().max(1.0);
    assert!(
        (found - expected).abs() <= 1e-9 * scale,
        "{path}: {found}, not {expected}"
    );
    1
}

#[test]
fn every_figure_and_interval_is_what_the_document_says() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/metrics.json");
    let reference: Reference = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let (new, base) = (reference.new.outcome(), reference.base.outcome());
    let Ledger {
        number,
        declared,
        sharpes,
    } = &reference.ledger;
    let trials = TrialStats::new(*number, *declared, sharpes, new.sessions.len());
    let metrics = serde_json::to_value(measure(&new, Some(&trials))).unwrap();
    let count = same("metrics", &reference.expected["metrics"], &metrics);
    assert_eq!(count, 23 + 2 * 7, "23 figures, seven of them with an interval");
    // Every figure of the document is in the reference, but for the two dates.
    let named = reference.expected["metrics"].as_object().unwrap().len();
    assert_eq!(named + 2, metrics.as_object().unwrap().len());

    let model = ModelId::parse("base-0123456789ab").unwrap();
    let comparison = serde_json::to_value(compare(&new, &base, model, false).unwrap()).unwrap();
    assert_eq!(
        same("comparison", &reference.expected["comparison"], &comparison),
        5
    );
}
