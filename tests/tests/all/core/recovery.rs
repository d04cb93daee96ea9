//! A snapshot and the records after it give back the state that died, bit for bit.

use engine::core::record::{Kind, Record};
use engine::core::recovery::Recovery;
use engine::core::snapshot::CoreImage;
use engine::core::{Core, Input};
use testkit::market::{Market, MarketSpec};
use testkit::rig::{self, Rig};

use super::payloads;

fn snapshot_of(rig: &mut Rig) -> Vec<u8> {
    let records = rig.step(&[Input::Snapshot]);
    match records.iter().next() {
        Some(Ok(Record::Snapshot(snapshot))) => snapshot.state.to_vec(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn recovered_and_uninterrupted_cores_write_the_same_bytes() {
    let features = rig::features("usdcop_15");
    let market = Market::generate(&MarketSpec::many(17, 3, 25));
    let options = rig::options(&market.instruments, &features);
    let inputs = rig::inputs_of(&market, &features);
    let bundle = rig::bundle(&features, &options, 4, 12);
    let mut alive = Rig::new(options.clone());
    alive.cell.publish(bundle);
    let (snapshot_at, died_at) = (inputs.len() / 2, inputs.len() * 3 / 4);
    alive.step(&inputs[..snapshot_at]);
    let image = snapshot_of(&mut alive);
    let mut journal = Vec::new();
    for input in &inputs[snapshot_at..died_at] {
        journal.extend(payloads(alive.step(std::slice::from_ref(input))));
    }

    let mut reborn = Rig::new(options.clone());
    let strategy = rig::strategy(&features);
    let image = CoreImage::parse(&image).expect("a snapshot just written");
    assert_eq!(image.generation, 4);
    reborn
        .core
        .restore(&image, Some((features.hash(), strategy.plan())))
        .expect("operators of this contract");
    apply(&mut reborn.core, &strategy, &journal);
    reborn.cell.publish(rig::bundle(&features, &options, 4, 12));
    let adopted: Vec<_> = reborn.step(&[]).entries().iter().map(|e| e.kind).collect();
    assert_eq!(
        adopted,
        [Kind::Swap, Kind::Swapped],
        "nothing is warmed: the operators are there"
    );
    assert_eq!(snapshot_of(&mut alive), snapshot_of(&mut reborn));
    for input in &inputs[died_at..] {
        let one = std::slice::from_ref(input);
        assert_eq!(payloads(alive.step(one)), payloads(reborn.step(one)));
    }
}

fn apply(core: &mut Core, strategy: &strategy::strategy::Strategy, journal: &[(u8, Vec<u8>)]) {
    let mut recovery = Recovery::new(core, Some(strategy.plan()));
    for (kind, payload) in journal {
        let kind = Kind::from_code(*kind).expect("a known kind");
        recovery.apply(&Record::decode(kind, payload).expect("a record just written"));
    }
}

#[test]
fn a_damaged_snapshot_is_refused() {
    let features = rig::features("technical_8");
    let market = Market::generate(&MarketSpec::usdcop_like(1, "USDCOP", 3));
    let options = rig::options(&market.instruments, &features);
    let mut rig = Rig::new(options.clone());
    rig.cell.publish(rig::bundle(&features, &options, 1, 1));
    rig.step(&rig::inputs_of(&market, &features));
    let bytes = snapshot_of(&mut rig);
    assert!(CoreImage::parse(&bytes).is_ok());
    for cut in 0..bytes.len() {
        assert!(CoreImage::parse(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(CoreImage::parse(&longer).is_err());
}
