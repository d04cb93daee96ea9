//! The dataset of the shipped baseline on the real USD/COP data.

use contracts::time::UtcMillis;
use serde_json::json;
use training::dataset::{SplitName, build};

use super::kit;

#[test]
fn the_baseline_on_the_real_bars() {
    let Some(market) = kit::real("the_baseline_on_the_real_bars") else {
        return;
    };
    let contract = kit::shipped("usdcop_ppo_baseline");
    let dataset = build(&contract, &market, vec![json!({"bars": "usdcop_5m.csv.gz"})]).unwrap();
    for split in SplitName::ALL {
        let facts = &dataset.manifest.splits[&split];
        let withheld: u64 = facts.withheld.values().sum();
        let off_session = facts.withheld.get("off_session").copied().unwrap_or(0);
        assert_eq!(facts.rows + withheld - off_session, facts.used_bars, "{split}");
    }
    let rows = SplitName::ALL.map(|split| dataset.manifest.splits[&split].rows);
    // As tests/oracle/dataset.py counts them from the raw files. Train begins late: the z-scores need 252 values, the series begin in December 2019.
    assert_eq!(rows, [57_062, 7_168, 6_749]);
    // Rows of the reference that TA-Lib and pandas computed (strategy/tests/oracle/usdcop.csv), every settled one.
    let reference = std::fs::read_to_string(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../strategy/tests/oracle/usdcop.csv"),
    )
    .unwrap();
    let mut lines = reference.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let mut compared = 0;
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        let time = UtcMillis::parse(cells[0]).unwrap();
        let found = SplitName::ALL.iter().find_map(|split| {
            let rows = dataset.rows(*split);
            Some(rows.row(rows.close_times.binary_search(&time).ok()?))
        });
        let Some(row) = found else { continue };
        for (name, value) in dataset.manifest.features.columns.iter().zip(row) {
            let column = match name.as_str() {
                "atr_pct" => "natr_close",
                "adx_14" => "adx_close",
                name => name,
            };
            let at = header.iter().position(|cell| *cell == column).unwrap();
            let expected: f64 = cells[at].parse().unwrap();
            let scale = value.abs().max(expected.abs()).max(1e-6);
            assert!(
                (value - expected).abs() <= 1e-9 * scale,
                "{time}: {name} is {value}, not {expected}"
            );
            compared += 1;
        }
    }
    assert!(compared > 1_000, "only {compared} values compared");
}
