//! Every stage runs; no time is asserted.

use engine::bench::{Plan, measure, report};

#[test]
fn every_stage_runs_and_gives_a_figure() {
    let mut stages = benches::stages::all();
    let rows = measure(&mut stages, Plan::QUICK);
    assert_eq!(rows.len(), stages.len());
    for row in &rows {
        assert!(row.median().is_finite() && row.min() > 0.0, "{row:?}");
        assert_eq!(row.singles.len(), 12, "{}", row.name);
    }
    let ratios = report::ratios(&rows, &benches::RATIOS);
    assert_eq!(
        ratios.len(),
        benches::RATIOS.len(),
        "a ratio names a stage that is not there"
    );
}
