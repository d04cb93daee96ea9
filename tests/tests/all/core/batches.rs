//! Every accepted bar has exactly one record, and its bits do not depend on what it was inferred with.

use contracts::reason::Withheld;
use engine::core::counters::{REASON_WORDS, reason_index};
use engine::core::record::Record;
use engine::core::{CoreOptions, Input};
use testkit::market::{Market, MarketSpec};
use testkit::rig::{self, Rig};

use super::{payloads, results};

const DAYS: u32 = 10;
const INSTRUMENTS: usize = 64;

fn run(inputs: &[Input], options: CoreOptions, chunk: usize) -> (Vec<(u8, Vec<u8>)>, Rig) {
    let features = rig::features("usdcop_15");
    let mut rig = Rig::new(options.clone());
    rig.cell.publish(rig::bundle(&features, &options, 7, 42));
    let mut all = Vec::new();
    for part in inputs.chunks(chunk) {
        all.extend(payloads(rig.step(part)));
    }
    (all, rig)
}

#[test]
fn batch_size_and_arrival_change_no_bit() {
    let features = rig::features("usdcop_15");
    let market = Market::generate(&MarketSpec::many(11, INSTRUMENTS, DAYS));
    let inputs = rig::inputs_of(&market, &features);
    let options = |batch_rows_max| CoreOptions {
        batch_rows_max,
        ..rig::options(&market.instruments, &features)
    };
    let (reference, one_by_one) = run(&inputs, options(1), 1);
    assert_eq!(
        one_by_one.core.counters().batch_sizes[1],
        one_by_one.core.counters().signals
    );
    for (batch, chunk) in [(1, 1_000), (7, 1_000), (64, 1_000), (64, 13)] {
        let (records, rig) = run(&inputs, options(batch), chunk);
        assert_eq!(records.len(), reference.len(), "batch {batch}, chunk {chunk}");
        let differs = records.iter().zip(&reference).position(|(a, b)| a != b);
        assert_eq!(differs, None, "batch {batch}, chunk {chunk}");
        if chunk == 1_000 {
            assert!(rig.core.counters().batch_sizes[batch] > 0, "no batch of {batch}");
        }
    }
}

#[test]
fn every_accepted_bar_has_one_record_and_most_decide() {
    let features = rig::features("usdcop_15");
    let market = Market::generate(&MarketSpec::usdcop_like(3, "USDCOP", 30));
    let inputs = rig::inputs_of(&market, &features);
    let options = rig::options(&market.instruments, &features);
    let mut rig = Rig::new(options.clone());
    rig.cell.publish(rig::bundle(&features, &options, 1, 5));
    let mut seen = Vec::new();
    for input in &inputs {
        seen.extend(results(rig.step(std::slice::from_ref(input))));
    }
    let bars = market.bars[0].len() as u64;
    let counters = rig.core.counters();
    assert_eq!((counters.bars, counters.accepted), (bars, bars));
    assert_eq!(seen.len() as u64, bars);
    let [warming, holiday] =
        [Withheld::Warming, Withheld::OffSession].map(|reason| counters.withheld[reason_index(reason)]);
    assert_eq!(
        counters.signals + warming + holiday,
        bars,
        "{:?} {:?}",
        REASON_WORDS,
        counters.withheld
    );
    assert_eq!(holiday, 60, "the first Monday of 2025 is a holiday in Bogota");
    // 280 settled bars for ADX(14) are withheld, the rest decides.
    assert_eq!(warming, 279);
}

#[test]
fn without_a_model_every_bar_says_so() {
    let features = rig::features("technical_8");
    let market = Market::generate(&MarketSpec::usdcop_like(3, "USDCOP", 1));
    let options = rig::options(&market.instruments, &features);
    let mut rig = Rig::new(options);
    let inputs = rig::inputs_of(&market, &features);
    let seen = results(rig.step(&inputs));
    assert_eq!(seen.len(), market.bars[0].len());
    assert!(seen.iter().all(|(_, word, ..)| word == "no_model"), "{seen:?}");
}

#[test]
fn repeats_conflicts_and_strangers_give_no_result() {
    let features = rig::features("technical_8");
    let market = Market::generate(&MarketSpec::usdcop_like(9, "USDCOP", 2));
    let options = rig::options(&market.instruments, &features);
    let mut rig = Rig::new(options.clone());
    rig.cell.publish(rig::bundle(&features, &options, 1, 5));
    let bars = &market.bars[0];
    rig.step(&[rig::bar_input(0, bars[0]), rig::bar_input(0, bars[1])]);
    let other = contracts::bar::Bar {
        volume: 9.0,
        ..bars[1]
    };
    let again = [
        rig::bar_input(0, bars[1]),
        rig::bar_input(0, other),
        rig::bar_input(5, bars[2]),
    ];
    assert!(results(rig.step(&again)).is_empty());
    let counters = rig.core.counters();
    assert_eq!(
        (counters.duplicates, counters.conflicts, counters.accepted),
        (1, 1, 2)
    );
}

#[test]
fn two_bars_of_one_instrument_never_share_a_batch() {
    let features = rig::features("technical_8");
    let market = Market::generate(&MarketSpec::many(11, 2, DAYS));
    let options = rig::options(&market.instruments, &features);
    let mut rig = Rig::new(options.clone());
    rig.cell.publish(rig::bundle(&features, &options, 1, 5));
    let (one, two) = (&market.bars[0], &market.bars[1]);
    let pairs = one.len().min(two.len()) / 2;
    let mut carried = 0;
    for pair in 0..pairs {
        let at = 2 * pair;
        let inputs = [(0, one[at]), (1, two[at]), (0, one[at + 1]), (1, two[at + 1])];
        let seen = results(rig.step(&inputs.map(|(instrument, bar)| rig::bar_input(instrument, bar))));
        assert_eq!(seen.len(), 4);
        for (instrument, (name, ..)) in [0, 1, 0, 1].into_iter().zip(&seen) {
            assert_eq!(name, market.instruments[instrument].as_str());
        }
        // The second bar's observation holds the position that the first one's decision left.
        let mut before = Vec::new();
        for record in rig.records.iter() {
            if let Ok(Record::Bar(bar)) = record {
                before.push(bar.position_before);
            }
        }
        assert_eq!([before[2], before[3]], [seen[0].3, seen[1].3]);
        carried += usize::from(before[0] != before[2]);
    }
    assert!(carried > 0, "no position ever changed between the two");
    let sizes = &rig.core.counters().batch_sizes;
    assert!(sizes[2] > 0);
    assert!(sizes[3..].iter().all(|batches| *batches == 0), "{sizes:?}");
}
