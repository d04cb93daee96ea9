//! What was fetched after a break, and what could not be.

use contracts::time::UtcMillis;
use engine::core::record::{Kind, Record};
use engine::core::{Input, InstrumentIndex};
use testkit::market::{Market, MarketSpec};
use testkit::rig::{self, Rig};

use super::{payloads, results};

fn decided() -> (Rig, Vec<Input>) {
    let features = rig::features("technical_8");
    let market = Market::generate(&MarketSpec::usdcop_like(21, "USDCOP", 30));
    let options = rig::options(&market.instruments, &features);
    let mut rig = Rig::new(options.clone());
    rig.cell.publish(rig::bundle(&features, &options, 1, 8));
    let inputs = rig::inputs_of(&market, &features);
    rig.step(&inputs[..400]);
    (rig, inputs)
}

#[test]
fn a_gap_is_recorded_and_changes_nothing_else() {
    let (mut with, inputs) = decided();
    let (mut without, _) = decided();
    let gap = |instrument| Input::Gap {
        instrument: InstrumentIndex(instrument),
        from: UtcMillis(300_000),
        to: UtcMillis(900_000),
    };
    let records = with.step(&[gap(0)]);
    let seen: Vec<_> = records.iter().map(|r| r.expect("just written")).collect();
    let [Record::Gap(seen)] = seen.as_slice() else {
        panic!("{seen:?}")
    };
    assert_eq!(
        (seen.instrument, seen.from, seen.to),
        ("USDCOP", UtcMillis(300_000), UtcMillis(900_000))
    );
    assert_eq!(
        with.step(&[gap(7)]).iter().count(),
        0,
        "no instrument of this core"
    );
    for input in &inputs[400..450] {
        let one = std::slice::from_ref(input);
        assert_eq!(payloads(with.step(one)), payloads(without.step(one)));
    }
}

#[test]
fn bars_missing_between_two_used_ones_are_one_gap_whoever_tells_it() {
    for told in [false, true] {
        let (mut rig, inputs) = decided();
        let (Input::Bar { bar: before, .. }, Input::Bar { bar: after, .. }) = (inputs[399], inputs[403])
        else {
            panic!("technical_8 has no series")
        };
        let (from, to) = (
            before.close_time.plus_ms(300_000),
            after.close_time.plus_ms(-300_000),
        );
        let gap = Input::Gap {
            instrument: InstrumentIndex(0),
            from,
            to,
        };
        let step: Vec<Input> = told
            .then_some(gap)
            .into_iter()
            .chain([inputs[403], inputs[404]])
            .collect();
        let records = rig.step(&step);
        let kinds: Vec<_> = records.entries().iter().map(|entry| entry.kind).collect();
        assert_eq!(kinds, [Kind::Gap, Kind::Bar, Kind::Bar], "told: {told}");
        let Some(Ok(Record::Gap(seen))) = records.iter().next() else {
            panic!("a gap")
        };
        assert_eq!((seen.from, seen.to), (from, to));
    }
}

#[test]
fn a_back_filled_bar_updates_the_features_and_decides_nothing() {
    let (mut filled, inputs) = decided();
    let (mut live, _) = decided();
    let observation = |rig: &mut Rig, input: &Input| {
        let records = rig.step(std::slice::from_ref(input));
        let bars = records.iter().find_map(|record| match record {
            Ok(Record::Bar(bar)) => Some((bar.backfilled, bar.observation.iter().collect::<Vec<f32>>())),
            _ => None,
        });
        bars.expect("a bar")
    };
    for input in &inputs[400..410] {
        let Input::Bar {
            instrument,
            bar,
            received_at,
            ..
        } = *input
        else {
            panic!("technical_8 has no series")
        };
        let before = filled.core.positions().next();
        let again = Input::Bar {
            instrument,
            bar,
            received_at,
            backfilled: true,
        };
        let (is_filled, seen) = observation(&mut filled, &again);
        let words = results(&filled.records);
        assert_eq!((words[0].1.as_str(), Some(words[0].3)), ("late", before));
        assert!(is_filled && !seen.is_empty());
        // The features, not the position, which only the live one moves.
        let (_, expected) = observation(&mut live, input);
        assert_eq!(seen[..6], expected[..6]);
    }
    let last = inputs.get(410).expect("more bars");
    assert_eq!(results(filled.step(std::slice::from_ref(last)))[0].1, "signal");
}
