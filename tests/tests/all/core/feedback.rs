//! `position_source: feedback`: positions are reported, not decided.

use std::sync::Arc;

use contracts::reason::{Latch, Position};
use contracts::time::UtcMillis;
use engine::core::record::Record;
use engine::core::recovery::Recovery;
use engine::core::snapshot::CoreImage;
use engine::core::{Input, InstrumentIndex};
use testkit::market::{Market, MarketSpec};
use testkit::rig::{self, Rig};

use super::{payloads, results};

/// A core without a model, a feedback contract's bundle for it, and its inputs.
fn feedback() -> (Rig, Arc<engine::bundle::Bundle>, Vec<Input>) {
    let features = rig::features("technical_8");
    let market = Market::generate(&MarketSpec::usdcop_like(21, "USDCOP", 30));
    let options = rig::options(&market.instruments, &features);
    let rig = Rig::new(options.clone());
    let mut bundle = rig::bundle(&features, &options, 1, 8);
    Arc::get_mut(&mut bundle)
        .expect("not shared yet")
        .terms
        .is_feedback = true;
    (rig, bundle, rig::inputs_of(&market, &features))
}

const fn report(position: Position, as_of: i64) -> Input {
    Input::Position {
        instrument: InstrumentIndex(0),
        position,
        as_of: UtcMillis(as_of),
    }
}

/// Word and position after the one bar of a step.
fn one(rig: &mut Rig, input: &Input) -> (String, Position) {
    let seen = results(rig.step(std::slice::from_ref(input)));
    let (_, word, _, position) = seen.into_iter().next().expect("a bar");
    (word, position)
}

fn held(rig: &Rig) -> Position {
    rig.core.positions().next().expect("an instrument")
}

#[test]
fn nothing_is_decided_before_a_report_and_no_decision_moves_the_position() {
    let (mut rig, bundle, inputs) = feedback();
    rig.cell.publish(bundle);
    rig.step(&inputs[..400]);
    assert_eq!(
        one(&mut rig, &inputs[400]),
        ("no_position".to_owned(), Position::Flat)
    );
    rig.step(&[report(Position::Long, 1_000)]);
    for input in &inputs[401..500] {
        assert_eq!(one(&mut rig, input), ("signal".to_owned(), Position::Long));
    }
}

#[test]
fn reports_are_taken_in_the_order_of_their_times() {
    let (mut rig, bundle, _) = feedback();
    rig.cell.publish(bundle);
    rig.step(&[report(Position::Long, 1_000), report(Position::Short, 999)]);
    assert_eq!(
        (held(&rig), rig.core.counters().positions_refused),
        (Position::Long, 1)
    );
    rig.step(&[report(Position::Short, 1_000)]);
    assert_eq!(
        (held(&rig), rig.core.counters().positions_refused),
        (Position::Short, 1)
    );
}

#[test]
fn a_report_before_the_model_is_there_is_kept() {
    let (mut rig, bundle, inputs) = feedback();
    let records = rig.step(&[report(Position::Short, 1_000)]);
    assert!(records.iter().any(|r| matches!(r, Ok(Record::Position(_)))));
    rig.cell.publish(bundle);
    rig.step(&inputs[..400]);
    assert_eq!(
        one(&mut rig, &inputs[400]),
        ("signal".to_owned(), Position::Short)
    );
}

#[test]
fn a_contract_that_decides_positions_takes_no_report() {
    let (mut rig, mut bundle, _) = feedback();
    Arc::get_mut(&mut bundle)
        .expect("not shared yet")
        .terms
        .is_feedback = false;
    rig.cell.publish(bundle);
    rig.step(&[]);
    let records = rig.step(&[report(Position::Long, 1_000)]);
    assert_eq!(records.iter().count(), 0);
    assert_eq!(
        (held(&rig), rig.core.counters().positions_refused),
        (Position::Flat, 1)
    );
}

#[test]
fn a_flatten_counts_until_the_next_report() {
    let (mut rig, bundle, _) = feedback();
    rig.cell.publish(bundle);
    rig.step(&[report(Position::Long, 1_000)]);
    let records = rig.step(&[Input::Halt { latch: Latch::Local }]);
    assert!(records.iter().any(|r| matches!(r, Ok(Record::Flatten(_)))));
    assert_eq!(held(&rig), Position::Flat);
    // The owner has not carried the order out: what it holds is what it says.
    rig.step(&[report(Position::Long, 2_000)]);
    assert_eq!(held(&rig), Position::Long);
}

#[test]
fn reports_come_back_from_the_journal() {
    let (mut alive, bundle, inputs) = feedback();
    alive.cell.publish(bundle);
    alive.step(&[report(Position::Short, 1_000)]);
    alive.step(&inputs[..400]);
    let records = alive.step(&[Input::Snapshot]);
    let Some(Ok(Record::Snapshot(snapshot))) = records.iter().next() else {
        panic!("a snapshot")
    };
    let image = CoreImage::parse(snapshot.state).expect("a snapshot just written");
    let mut journal = payloads(alive.step(&inputs[400..420]));
    journal.extend(payloads(alive.step(&[report(Position::Long, 2_000)])));
    journal.extend(payloads(alive.step(&inputs[420..440])));

    let features = rig::features("technical_8");
    let strategy = rig::strategy(&features);
    let (mut reborn, bundle, _) = feedback();
    let plan = (features.hash(), strategy.plan());
    reborn.core.restore(&image, Some(plan)).expect("its operators");
    let mut recovery = Recovery::new(&mut reborn.core, Some(strategy.plan()));
    for (kind, payload) in &journal {
        let kind = engine::core::record::Kind::from_code(*kind).expect("a known kind");
        recovery.apply(&Record::decode(kind, payload).expect("a record just written"));
    }
    assert_eq!(held(&reborn), Position::Long);
    reborn.cell.publish(bundle);
    reborn.step(&[]);
    let late = [report(Position::Flat, 1_999)];
    assert_eq!(
        payloads(alive.step(&late)),
        payloads(reborn.step(&late)),
        "refused by both"
    );
    for input in &inputs[440..500] {
        let one = std::slice::from_ref(input);
        assert_eq!(payloads(alive.step(one)), payloads(reborn.step(one)));
    }
}
