//! What the market and the owner of a position do beside sending bars: reports, gaps, conflicting bars, a new price level.

use std::collections::BTreeMap;

use contracts::reason::Position;
use contracts::time::UtcMillis;
use engine::core::record::{Kind, Record, Records};
use engine::core::{Input, InstrumentIndex};

use super::edit::{Place, copy, difference, places, replace};
use super::{Scene, verified};

/// Every so many bars of an instrument its owner reports another position.
const REPORT_EVERY: usize = 9;
/// Far from every bar's price before.
const NEW_LEVEL: f64 = 20.0;

fn written(scene: &Scene, inputs: &[Input]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a journal of our own");
    let (core, cell) = scene.core();
    let mut pump = scene.pump(core, scene.start(scene.opened(dir.path())));
    cell.publish(scene.bundle(1, 0));
    for part in inputs.chunks(11) {
        pump.run(part).expect("a journal of our own");
    }
    let (_, mut outlet) = pump.into_parts();
    outlet.writer().expect("a journal").sync().expect("a disk");
    dir
}

fn of_kind(places: &[Place], kind: Kind) -> Vec<&Place> {
    places.iter().filter(|place| place.header.kind == kind).collect()
}

#[test]
fn reported_positions_are_followed_and_a_changed_report_is_named() {
    let mut scene = Scene::new(1);
    scene.models.is_feedback = true;
    let mut inputs = Vec::new();
    let mut bars: BTreeMap<u32, usize> = BTreeMap::new();
    for input in &scene.inputs {
        inputs.push(*input);
        let Input::Bar { instrument, bar, .. } = input else {
            continue;
        };
        let seen = bars.entry(instrument.0).or_default();
        *seen += 1;
        if seen.is_multiple_of(REPORT_EVERY) {
            let all = [Position::Short, Position::Flat, Position::Long];
            inputs.push(Input::Position {
                instrument: *instrument,
                position: all[*seen / REPORT_EVERY % 3],
                as_of: bar.close_time,
            });
        }
    }
    let dir = written(&scene, &inputs);
    let honest = match verified(dir.path(), &mut scene.models) {
        Ok(summary) => summary,
        Err(error) => panic!("{error}"),
    };
    assert!(honest.signals > 100, "{honest:?}");
    let places = places(dir.path());
    let reports = of_kind(&places, Kind::Position);
    assert!(reports.len() > 30, "{} reports", reports.len());
    let decided_on = places.iter().filter(|place| {
        matches!(place.record(), Record::Bar(bar) if bar.position_before != Position::Flat && bar.raw != contracts::action::Raw::None)
    });
    assert!(decided_on.count() > 30, "decisions stand on reported positions");

    // Another position: the report itself reads as an input; the next bar of the instrument had seen the old one.
    let target = reports[reports.len() / 2];
    let Record::Position(report) = target.record() else {
        panic!("a report");
    };
    let other = match report.position {
        Position::Short => Position::Long,
        _ => Position::Short,
    };
    let changed = copy(dir.path());
    let mut records = Records::default();
    records.push_position(report.instrument, other, report.as_of);
    replace(changed.path(), target, records);
    let found = difference(changed.path(), &mut scene);
    assert_eq!(found.instrument.as_deref(), Some(report.instrument), "{found}");
    let next = places.iter().find(|place| {
        place.header.lsn > target.header.lsn
            && match place.record() {
                Record::Bar(bar) => bar.instrument == report.instrument,
                // A segment begins with every position in its snapshot.
                Record::Snapshot(_) => true,
                _ => false,
            }
    });
    assert_eq!(Some(found.lsn), next.map(|place| place.header.lsn), "{found}");

    // An older report than one already taken would have been refused.
    let changed = copy(dir.path());
    let mut records = Records::default();
    records.push_position(report.instrument, report.position, UtcMillis(1));
    replace(changed.path(), target, records);
    let found = difference(changed.path(), &mut scene);
    assert_eq!(
        (found.lsn, found.kind),
        (target.header.lsn, Kind::Position),
        "{found}"
    );
}

/// A market with a gap notice, a conflicting bar and a level that holds, each for another instrument.
fn eventful(scene: &Scene) -> Vec<Input> {
    let n = scene.inputs.len();
    let mut inputs = Vec::new();
    for (at, input) in scene.inputs.iter().enumerate() {
        let mut input = *input;
        if let Input::Bar { instrument, bar, .. } = &mut input
            && instrument.0 == 2
            && at > n / 2
        {
            for price in [&mut bar.open, &mut bar.high, &mut bar.low, &mut bar.close] {
                *price *= NEW_LEVEL;
            }
        }
        inputs.push(input);
        let Input::Bar {
            instrument,
            mut bar,
            received_at,
            backfilled,
        } = input
        else {
            continue;
        };
        if instrument.0 == 1 && at.is_multiple_of(97) {
            inputs.push(Input::Gap {
                instrument: InstrumentIndex(1),
                from: bar.close_time,
                to: UtcMillis(bar.close_time.0 + 600_000),
            });
        }
        if instrument.0 == 0 && at.is_multiple_of(89) {
            bar.volume += 1.0;
            inputs.push(Input::Bar {
                instrument,
                bar,
                received_at,
                backfilled,
            });
        }
    }
    inputs
}

#[test]
fn gaps_conflicts_and_level_shifts_are_verified_and_named() {
    let mut scene = Scene::new(1);
    let inputs = eventful(&scene);
    let dir = written(&scene, &inputs);
    if let Err(error) = verified(dir.path(), &mut scene.models) {
        panic!("{error}");
    }
    let places = places(dir.path());
    let (gaps, conflicts, shifts) = (
        of_kind(&places, Kind::Gap),
        of_kind(&places, Kind::Conflict),
        of_kind(&places, Kind::LevelShift),
    );
    assert!(
        gaps.len() > 2 && conflicts.len() > 2,
        "{} gaps, {} conflicts",
        gaps.len(),
        conflicts.len()
    );
    assert_eq!(shifts.len(), 1, "one new level");

    // The bar that was kept is the core's own; the one that was offered could not have been refused had it been the same.
    let target = conflicts[conflicts.len() / 2];
    let Record::Conflict(conflict) = target.record() else {
        panic!("a conflict");
    };
    let mut kept = conflict.kept;
    kept.close += 0.5;
    for (what, kept, offered, field) in [
        ("kept", kept, conflict.offered, "kept"),
        ("offered", conflict.kept, conflict.kept, "kind"),
    ] {
        let changed = copy(dir.path());
        let mut records = Records::default();
        records.push_conflict(conflict.instrument, &kept, &offered);
        replace(changed.path(), target, records);
        let found = difference(changed.path(), &mut scene);
        assert_eq!(
            (found.lsn, found.kind),
            (target.header.lsn, Kind::Conflict),
            "{what}: {found}"
        );
        assert_eq!(found.field, field, "{what}: {found}");
    }

    let Record::LevelShift(shift) = shifts[0].record() else {
        panic!("a shift");
    };
    let changed = copy(dir.path());
    let mut records = Records::default();
    records.push_level_shift(
        shift.instrument,
        shift.close_time,
        shift.from_close * 2.0,
        shift.to_close,
    );
    replace(changed.path(), shifts[0], records);
    let found = difference(changed.path(), &mut scene);
    assert_eq!(
        (found.lsn, found.field.as_str()),
        (shifts[0].header.lsn, "from_close"),
        "{found}"
    );

    // A gap names an instrument of the slot.
    let Record::Gap(gap) = gaps[0].record() else {
        panic!("a gap");
    };
    let changed = copy(dir.path());
    let mut records = Records::default();
    records.push_gap("SYN77", gap.from, gap.to);
    replace(changed.path(), gaps[0], records);
    let found = difference(changed.path(), &mut scene);
    assert_eq!(
        (found.lsn, found.field.as_str()),
        (gaps[0].header.lsn, "instrument"),
        "{found}"
    );
}
