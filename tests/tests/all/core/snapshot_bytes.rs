//! A core's snapshot is on disk in every segment: its bytes, the operators' and the macro series' among them, are a format.

use contracts::reason::{Latch, Position};
use contracts::time::UtcMillis;
use engine::core::record::Record;
use engine::core::snapshot::CoreImage;
use engine::core::{Input, InstrumentIndex};
use testkit::market::{Market, MarketSpec};
use testkit::rig::{self, Rig};

/// Bars and daily values before the snapshot: enough that operators hold something, few enough for a file that can be read.
const BARS: usize = 20;
const DAILY: usize = 9;

/// A change of these bytes needs another version number: a snapshot of another version is refused with what to do.
#[test]
fn a_snapshot_is_its_committed_bytes() {
    let features = rig::features("usdcop_15");
    let market = Market::generate(&MarketSpec::many(11, 2, 2));
    let mut rig = Rig::new(rig::options(&market.instruments, &features));
    rig.cell.publish(rig::bundle(&features, rig.core.options(), 7, 3));
    let all = rig::inputs_of(&market, &features);
    let daily = all
        .iter()
        .filter(|input| matches!(input, Input::Macro { .. }))
        .take(DAILY);
    let bars = all
        .iter()
        .filter(|input| matches!(input, Input::Bar { .. }))
        .take(BARS);
    for input in daily.chain(bars) {
        rig.step(&[*input]);
    }
    rig.step(&[
        Input::Halt { latch: Latch::Local },
        Input::Directive {
            number: 4,
            halted: false,
            clears_control: false,
            clears_local: false,
            issued_at: UtcMillis(1),
            renew_by: UtcMillis(2),
        },
        Input::Position {
            instrument: InstrumentIndex(0),
            position: Position::Short,
            as_of: UtcMillis(3),
        },
    ]);
    let records = rig.step(&[Input::Snapshot]);
    let record = records.iter().next().expect("a snapshot").expect("a record");
    let Record::Snapshot(snapshot) = record else {
        panic!("{record:?}");
    };
    let image = CoreImage::parse(snapshot.state).expect("its own bytes");
    assert_eq!((image.slots.len(), image.generation), (2, 7));
    assert!(image.macros.is_some() && image.slots.iter().all(|slot| slot.features.is_some()));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/core_snapshot.v2.hex");
    let found: String = snapshot.state.iter().map(|byte| format!("{byte:02x}")).collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, format!("{found}\n")).expect("the repository can be written");
    }
    let golden = std::fs::read_to_string(path).expect("a committed file");
    assert_eq!(golden.trim(), found, "{path}");

    let mut short = snapshot.state.to_vec();
    while short.pop().is_some() {
        assert!(CoreImage::parse(&short).is_err(), "{} bytes", short.len());
    }
}
