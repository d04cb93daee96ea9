//! A state saved and restored in mid-stream goes on as if nothing had happened, bit for bit.

use proptest::prelude::*;
use strategy::plan::FeaturePlan;

use super::market::{self, Market};
use super::walk::{insert, position, walk};

fn interrupted_equals_uninterrupted(plan: &FeaturePlan, market: &Market, cuts: &[usize]) {
    let full = walk(plan, market);
    let mut state = plan.new_instrument(&market.instrument);
    let mut macros = plan.new_macros();
    insert(plan, &mut macros, &market.daily);
    let mut features = vec![0.0; plan.width()];
    for (i, (bar, expected)) in market.bars.iter().zip(&full).enumerate() {
        if cuts.contains(&i) {
            let mut bytes = Vec::new();
            state.save(&mut bytes);
            macros.save(&mut bytes);
            let mut input = bytes.as_slice();
            state = plan.load_instrument(&mut input).unwrap();
            macros = plan.load_macros(&mut input).unwrap();
            assert!(input.is_empty(), "all bytes were read");
            let mut again = Vec::new();
            state.save(&mut again);
            macros.save(&mut again);
            assert_eq!(bytes, again);
        }
        let seen = plan.observe(&mut state, &mut macros, bar, position(bar), &mut features);
        assert_eq!(seen, expected.seen);
        if seen.used {
            let bits = |values: &[f64]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&features), bits(&expected.features), "bar {i}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn anywhere(cuts in prop::collection::vec(0_usize..1_500, 1..6), bad in 100_usize..1_400) {
        let mut market = market::generated();
        market.bars.truncate(1_500);
        // An impossible level, confirmed by the next bar, somewhere on the way.
        for bar in &mut market.bars[bad..] {
            for price in [&mut bar.open, &mut bar.high, &mut bar.low, &mut bar.close] {
                *price *= 8.0;
            }
        }
        let mut contract = market::contract("usdcop_15");
        contract.price_bounds.clear();
        let plan = FeaturePlan::new(&contract).unwrap();
        interrupted_equals_uninterrupted(&plan, &market, &cuts);
        interrupted_equals_uninterrupted(&plan, &market, &[bad, bad + 1, bad + 2]);
    }
}

#[test]
fn bytes_of_another_contract_are_refused() {
    let plan = FeaturePlan::new(&market::contract("usdcop_15")).unwrap();
    let other = FeaturePlan::new(&market::contract("technical_8")).unwrap();
    let state = other.new_instrument(&market::generated().instrument);
    let mut bytes = Vec::new();
    state.save(&mut bytes);
    bytes.truncate(bytes.len() - 1);
    assert!(plan.load_instrument(&mut bytes.as_slice()).is_err());
}
