//! Every stage runs; no time is asserted.

use benches::blocks::{Plan, measure};

#[test]
fn every_stage_runs_and_gives_a_figure() {
    let mut stages = benches::stages::all();
    let rows = measure(&mut stages, Plan::QUICK);
    assert_eq!(rows.len(), stages.len());
    for row in rows {
        assert!(row.ns_median.is_finite() && row.ns_min > 0.0, "{row:?}");
    }
}
