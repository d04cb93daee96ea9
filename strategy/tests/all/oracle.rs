//! Features against TA-Lib and pandas: the reference rows in `oracle/`, which `oracle/regenerate.py` computes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use contracts::time::UtcMillis;
use strategy::plan::FeaturePlan;

use super::market::{self, Market};
use super::walk::walk;

const TOLERANCE: f64 = 1e-9;

/// Close time → column → value; blank cells are left out.
type Reference = BTreeMap<UtcMillis, BTreeMap<String, f64>>;

fn reference(name: &str) -> Reference {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/oracle/{name}.csv"));
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            let filled = header
                .iter()
                .zip(&cells)
                .skip(1)
                .filter(|(_, cell)| !cell.is_empty());
            let values = filled.map(|(name, cell)| ((*name).to_owned(), cell.parse().unwrap()));
            (UtcMillis::parse(cells[0]).unwrap(), values.collect())
        })
        .collect()
}

/// Compares every reference row; `range` is the suffix of the reference's range columns.
fn compare(contract: &str, market: &Market, reference: &Reference, range: &str) {
    let contract = market::contract(contract);
    let steps = walk(&FeaturePlan::new(&contract).unwrap(), market);
    let by_time: BTreeMap<UtcMillis, _> = steps.iter().map(|step| (step.close_time, step)).collect();
    let mut compared = 0;
    for (time, expected) in reference {
        let step = by_time[time];
        assert!(step.seen.used, "{time} is not used");
        for (feature, value) in contract.features.iter().zip(&step.features) {
            let column = match feature.name.as_str() {
                "position" => continue,
                "atr_pct" => format!("natr_{range}"),
                "adx_14" => format!("adx_{range}"),
                name => name.to_owned(),
            };
            let Some(expected) = expected.get(&column) else {
                assert!(
                    value.is_nan(),
                    "{time}: {column} is {value}, the reference has none"
                );
                continue;
            };
            let scale = value.abs().max(expected.abs()).max(1e-6);
            let near = (value - expected).abs() <= TOLERANCE * scale;
            assert!(near, "{time}: {column} is {value}, the reference {expected}");
            compared += 1;
        }
    }
    assert!(compared > 1_000, "only {compared} values compared");
}

#[test]
fn generated_bars_match_talib_and_pandas() {
    let (market, reference) = (market::generated(), reference("generated"));
    compare("usdcop_15", &market, &reference, "close");
    compare("usdcop_15_ohlc", &market, &reference, "ohlc");
}

#[test]
fn real_usdcop_bars_match_talib_and_pandas() {
    let Some(market) = market::usdcop("real_usdcop_bars_match_talib_and_pandas") else {
        return;
    };
    let reference = reference("usdcop");
    compare("usdcop_15", &market, &reference, "close");
    compare("usdcop_15_ohlc", &market, &reference, "ohlc");
}

#[test]
fn real_eurusd_bars_match_talib() {
    let Some(market) = market::eurusd("real_eurusd_bars_match_talib") else {
        return;
    };
    compare("technical_8", &market, &reference("eurusd"), "ohlc");
}
