//! Adoption between two batches, with and without warmed operators.

use std::sync::Arc;

use contracts::reason::Position;
use engine::core::Input;
use engine::core::record::{Outcome, Record};
use testkit::market::{Market, MarketSpec};
use testkit::rig::{self, Rig};

use super::results;

fn generations(rig: &mut Rig, inputs: &[Input]) -> Vec<u64> {
    rig.step(inputs)
        .iter()
        .filter_map(|record| match record {
            Ok(Record::Bar(bar)) => Some(bar.generation),
            _ => None,
        })
        .collect()
}

#[test]
fn a_swap_falls_between_two_bars_and_loses_none() {
    let features = rig::features("usdcop_15");
    let market = Market::generate(&MarketSpec::usdcop_like(5, "USDCOP", 20));
    let options = rig::options(&market.instruments, &features);
    let mut rig = Rig::new(options.clone());
    let inputs = rig::inputs_of(&market, &features);
    let mut kept = Vec::new();
    let mut seen = Vec::new();
    for (at, input) in inputs.iter().enumerate() {
        if at % 200 == 0 {
            let bundle = rig::bundle(&features, &options, 1 + at as u64 / 200, at as u64);
            rig.cell.publish(Arc::clone(&bundle));
            kept.push(bundle);
        }
        seen.extend(generations(&mut rig, std::slice::from_ref(input)));
    }
    assert_eq!(seen.len(), market.bars[0].len());
    assert!(
        seen.windows(2).all(|pair| pair[0] <= pair[1]),
        "generations never go back"
    );
    assert_eq!(rig.core.counters().swaps, kept.len() as u64);
    assert!(kept.iter().all(|bundle| bundle.adopted_by() == 1));
    // The operators went on: only the first 279 bars warmed.
    assert_eq!(rig.core.counters().withheld[6], 279);
}

#[test]
fn another_feature_contract_brings_operators_that_catch_up() {
    let (first, second) = (rig::features("usdcop_15"), rig::features("usdcop_15_ohlc"));
    let market = Market::generate(&MarketSpec::usdcop_like(5, "USDCOP", 30));
    let options = rig::options(&market.instruments, &first);
    let inputs = rig::inputs_of(&market, &first);
    let swap_at = inputs.len() - 300;

    // What the second contract says when it runs alone from the first bar.
    let mut alone = Rig::new(options.clone());
    alone.cell.publish(rig::bundle(&second, &options, 2, 77));
    let mut expected = Vec::new();
    for input in &inputs {
        expected.extend(observations(&mut alone, input));
    }

    let mut rig = Rig::new(options.clone());
    rig.cell.publish(rig::bundle(&first, &options, 1, 76));
    let mut seen = Vec::new();
    for (at, input) in inputs.iter().enumerate() {
        if at == swap_at {
            // Warmed up to 20 inputs before the swap: the core applies the rest from its own memory.
            rig.cell.publish(testkit::rig::warmed(
                &second,
                &options,
                2,
                77,
                &inputs[..swap_at - 20],
            ));
        }
        let observed = observations(&mut rig, input);
        if at >= swap_at {
            seen.extend(observed);
        }
    }
    assert_eq!(seen.len(), expected[expected.len() - seen.len()..].len());
    let tail = &expected[expected.len() - seen.len()..];
    assert!(
        seen.iter()
            .zip(tail)
            .all(|(a, b)| a.0 == b.0 && same_but_position(&a.1, &b.1))
    );
    assert!(seen.iter().all(|(decided, _)| *decided));
}

#[test]
fn a_warm_up_that_is_too_old_is_refused_and_the_old_model_goes_on() {
    let (first, second) = (rig::features("technical_8"), rig::features("usdcop_15_ohlc"));
    let market = Market::generate(&MarketSpec::usdcop_like(5, "USDCOP", 30));
    let options = rig::options(&market.instruments, &second);
    let inputs = rig::inputs_of(&market, &second);
    let mut rig = Rig::new(options.clone());
    rig.cell.publish(rig::bundle(&first, &options, 1, 76));
    let (before, after) = inputs.split_at(inputs.len() - 5);
    rig.step(before);
    let stale = testkit::rig::warmed(&second, &options, 2, 77, &inputs[..inputs.len() - 200]);
    rig.cell.publish(Arc::clone(&stale));
    assert!(
        generations(&mut rig, after)
            .iter()
            .all(|generation| *generation == 1)
    );
    assert!(stale.is_behind());
    assert_eq!(stale.adopted_by(), 0);
    let fresh = testkit::rig::warmed(&second, &options, 3, 77, &inputs);
    rig.cell.publish(fresh);
    assert!(results(rig.step(&[])).is_empty());
    assert_eq!(rig.core.counters().swaps, 2, "an idle core adopts too");
}

#[test]
fn bars_the_warm_up_has_seen_are_not_observed_again() {
    let features = rig::features("technical_8");
    let market = Market::generate(&MarketSpec::usdcop_like(5, "USDCOP", 10));
    let options = rig::options(&market.instruments, &features);
    let mut rig = Rig::new(options.clone());
    let bars: Vec<Input> = market.bars[0].iter().map(|bar| rig::bar_input(0, *bar)).collect();
    rig.step(&bars[..100]);
    rig.cell
        .publish(testkit::rig::warmed(&features, &options, 1, 77, &bars[..110]));
    assert_eq!(results(rig.step(&bars[100..110])).len(), 0);
    let counters = rig.core.counters();
    assert_eq!(
        (counters.accepted, counters.out_of_order, counters.duplicates),
        (100, 9, 1)
    );
    assert_eq!(results(rig.step(&bars[110..111])).len(), 1);
}

/// Whether it decided, and the observation with the position feature.
fn observations(rig: &mut Rig, input: &Input) -> Vec<(bool, Vec<f32>)> {
    rig.step(std::slice::from_ref(input))
        .iter()
        .filter_map(|record| match record {
            Ok(Record::Bar(bar)) => Some((
                matches!(bar.outcome, Outcome::Decided { .. }),
                bar.observation.iter().collect(),
            )),
            _ => None,
        })
        .collect()
}

/// Feature 13 is the position, which depends on the decisions of the model that ran before.
fn same_but_position(a: &[f32], b: &[f32]) -> bool {
    let bits = |x: &[f32]| {
        x.iter()
            .enumerate()
            .filter(|(i, _)| *i != 13)
            .map(|(_, x)| x.to_bits())
            .collect::<Vec<_>>()
    };
    a.len() == b.len() && bits(a) == bits(b)
}

#[test]
fn a_position_is_adopted_or_flattened_as_the_contract_says() {
    let features = rig::features("technical_8");
    let market = Market::generate(&MarketSpec::usdcop_like(21, "USDCOP", 30));
    let options = rig::options(&market.instruments, &features);
    let mut rig = Rig::new(options.clone());
    rig.cell.publish(rig::bundle(&features, &options, 1, 8));
    let inputs = rig::inputs_of(&market, &features);
    let mut open = false;
    for input in &inputs[500..] {
        let seen = results(rig.step(std::slice::from_ref(input)));
        open = seen
            .last()
            .is_some_and(|(.., position)| *position != Position::Flat);
        if open && rig.core.counters().signals > 50 {
            break;
        }
    }
    assert!(open, "the seeded model never opened a position");
    let mut flattening = Arc::into_inner(rig::bundle(&features, &options, 2, 9)).expect("not shared yet");
    flattening.terms.on_swap = engine::bundle::OnSwap::Flatten;
    rig.cell.publish(Arc::new(flattening));
    let kinds: Vec<_> = rig
        .step(&[])
        .entries()
        .iter()
        .map(|entry| entry.kind.word())
        .collect();
    assert_eq!(kinds, ["swap", "swapped", "flatten"]);
}
