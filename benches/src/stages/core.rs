//! Bar to record in process: accept, features, normalisation, policy, action, record.

use std::hint::black_box;

use contracts::numerics::Executor;
use engine::core::Input;
use testkit::market::{Grid, Market, MarketSpec};
use testkit::rig::{Rig, features, inputs_of, options, ort};

use crate::blocks::Stage;

/// Bars until every operator has settled.
const SETTLED: usize = 400;

pub(super) fn stages() -> Vec<Stage> {
    [(Executor::Dense, "dense"), (Executor::Ort, "ORT")]
        .into_iter()
        .map(|(executor, name)| stage(executor, name))
        .collect()
}

/// The market repeats with its times moved on, so that it never ends.
fn stage(executor: Executor, name: &str) -> Stage {
    let contract = features("technical_8");
    let market = Market::generate(&MarketSpec {
        grid: Grid::AroundTheClock,
        missing_per_mille: 0,
        ..MarketSpec::many(5, 1, 8)
    });
    let bars = inputs_of(&market, &contract);
    let length_ms = 8 * 86_400_000;
    let options = options(&market.instruments, &contract);
    let mut rig = Rig::new(options.clone());
    rig.cell.publish(ort::bundle_on(&contract, &options, 5, executor));
    rig.step(&[]);
    for input in &bars[..SETTLED] {
        rig.step(&[*input]);
    }
    let (mut at, mut moved_ms) = (SETTLED, 0);
    Stage::new(format!("bar to record, 8 features: {name}"), move |operations| {
        for _ in 0..operations {
            if at == bars.len() {
                (at, moved_ms) = (0, moved_ms + length_ms);
            }
            let mut input = bars[at];
            if let Input::Bar { bar, .. } = &mut input {
                bar.close_time = bar.close_time.plus_ms(moved_ms);
            }
            black_box(rig.step(&[input]));
            at += 1;
        }
    })
}
