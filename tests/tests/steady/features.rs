//! Swaps between models over other features: the warmed operators are exchanged, and the bars since then applied, without the
//! core's thread allocating or freeing anything.

use std::collections::BTreeMap;

use contracts::features::FeatureContract;
use engine::bundle::Keeper;
use engine::core::Input;
use engine::core::record::{Outcome, Record};
use engine::limits::RETIRED_BUNDLES_KEPT;
use testkit::market::{Market, MarketSpec};
use testkit::rig::{self, Rig};
use testkit::steady::alloc::{Counts, counted};

/// Bars until every operator of every contract has settled.
const SETTLED: usize = 400;
/// Inputs between two swaps.
const BETWEEN: usize = 20;
/// Inputs before a swap that its warm-up has not seen: the core applies them from its memory.
const UNSEEN: usize = 15;

/// The close of each bar, whether it was decided on, and what was observed but for the position.
type Seen = BTreeMap<i64, (bool, Vec<u32>)>;

fn note(rig: &Rig, features: &FeatureContract, seen: &mut Seen) {
    for record in rig.records.iter() {
        let Ok(Record::Bar(bar)) = record else { continue };
        let observed = bar.observation.iter().zip(&features.features);
        let bits = observed
            .filter(|(_, feature)| feature.name != "position")
            .map(|(value, _)| value.to_bits());
        let decided = matches!(bar.outcome, Outcome::Decided { .. });
        seen.insert(bar.bar.close_time.0, (decided, bits.collect()));
    }
}

#[test]
fn a_swap_to_other_features_costs_the_core_no_memory() {
    let contracts = ["usdcop_15", "technical_8", "usdcop_15_ohlc"].map(rig::features);
    let market = Market::generate(&MarketSpec::usdcop_like(29, "USDCOP", 40));
    let options = rig::options(&market.instruments, &contracts[0]);
    let inputs = rig::inputs_of(&market, &contracts[0]);
    // What each says of every bar when it runs alone from the first.
    let alone = contracts.each_ref().map(|features| {
        let (mut rig, mut seen) = (Rig::new(options.clone()), Seen::new());
        rig.cell.publish(rig::bundle(features, &options, 1, 1));
        for input in &inputs {
            rig.step(std::slice::from_ref(input));
            note(&rig, features, &mut seen);
        }
        seen
    });

    let mut rig = Rig::new(options.clone());
    let mut keeper = Keeper::new(rig.cell.clone());
    keeper.publish(None, rig::bundle(&contracts[0], &options, 1, 1));
    rig.step(&inputs[..SETTLED]);
    let (mut swaps, mut decided) = (0, 0);
    for (at, input) in inputs.iter().enumerate().skip(SETTLED) {
        let contract = (at - SETTLED) / BETWEEN % contracts.len();
        let features = &contracts[contract];
        let swaps_now = at > SETTLED && (at - SETTLED).is_multiple_of(BETWEEN);
        if swaps_now {
            swaps += 1;
            let known: &[Input] = &inputs[..at - UNSEEN];
            keeper.publish(None, rig::warmed(features, &options, 1 + swaps, swaps, known));
        }
        let input = std::slice::from_ref(input);
        let (_, counts) = counted(|| {
            rig.step(input);
        });
        assert_eq!(counts, Counts::default(), "input {at}, swap {swaps}");
        let mut seen = Seen::new();
        note(&rig, features, &mut seen);
        for (close, (is_decided, observed)) in seen {
            assert_eq!(
                alone[contract][&close],
                (is_decided, observed),
                "bar {close}, swap {swaps}"
            );
            decided += usize::from(is_decided);
        }
    }
    let counters = rig.core.counters();
    assert_eq!(counters.swaps, 1 + swaps);
    assert!(
        swaps > 3 * RETIRED_BUNDLES_KEPT as u64,
        "{swaps} swaps: the first are freed"
    );
    assert!(decided > SETTLED, "{decided} decisions");
}
