//! Where this machine's arithmetic is not the contract's: actions and outputs within the tolerance, not bits.

use contracts::action::Raw;
use contracts::reason::Position;
use engine::core::record::{Outcome, Record};
use engine::drivers::verify::{RAW_TOLERANCE, VerifyError};

use super::edit::{Place, copy, decided, difference, places, rewrite};
use super::{Scene, verified};

/// The middle decision of the model of `generation`.
fn decision(places: &[Place], generation: u64) -> &Place {
    let of: Vec<&Place> = places
        .iter()
        .filter(|place| {
            place.is_bar(decided)
                && matches!(place.record(), Record::Bar(bar) if bar.generation == generation)
        })
        .collect();
    of[of.len() / 2]
}

#[test]
fn other_numerics_compare_outputs_within_the_tolerance_and_actions_exactly() {
    let honest = tempfile::tempdir().expect("a journal of our own");
    let mut scene = Scene::new(1);
    scene.journal(honest.path());
    let places = places(honest.path());
    let target = decision(&places, 3);
    let moved = |by: f32| {
        let dir = copy(honest.path());
        rewrite(dir.path(), target, |bar, _| {
            let Raw::Scalar(raw) = &mut bar.raw else {
                panic!("a model with one output");
            };
            *raw += by;
            bar.confidence = f64::from(*raw).abs();
        });
        dir
    };
    let (little, much) = (moved(RAW_TOLERANCE / 2.0), moved(RAW_TOLERANCE * 4.0));

    let bits = difference(little.path(), &mut scene);
    assert_eq!(
        (bits.lsn, bits.field.as_str()),
        (target.header.lsn, "raw"),
        "{bits}"
    );

    scene.models.foreign.insert(3);
    let summary = verified(little.path(), &mut scene.models).expect("within the tolerance");
    assert_eq!(summary.other_numerics.as_deref(), Some("another machine"));
    let outside = difference(much.path(), &mut scene);
    assert_eq!(
        (outside.lsn, outside.field.as_str()),
        (target.header.lsn, "raw"),
        "{outside}"
    );

    let dir = copy(honest.path());
    rewrite(dir.path(), target, |bar, _| {
        if let Outcome::Decided { action } = &mut bar.outcome {
            *action = if *action == Position::Long {
                Position::Flat
            } else {
                Position::Long
            };
        }
    });
    let action = difference(dir.path(), &mut scene);
    assert_eq!(
        (action.lsn, action.field.as_str()),
        (target.header.lsn, "action"),
        "{action}"
    );
}

#[test]
fn a_foreign_generation_excuses_no_other() {
    let dir = tempfile::tempdir().expect("a journal of our own");
    let mut scene = Scene::new(1);
    scene.journal(dir.path());
    let places = places(dir.path());
    // Generation 2 ran elsewhere, and 3 after it here again: its bits count.
    scene.models.foreign.insert(2);
    let target = decision(&places, 3);
    rewrite(dir.path(), target, |bar, _| {
        if let Raw::Scalar(raw) = &mut bar.raw {
            *raw = f32::from_bits(raw.to_bits() ^ 1);
        }
    });
    match verified(dir.path(), &mut scene.models) {
        Err(VerifyError::Differs(found)) => {
            assert_eq!(
                (found.lsn, found.field.as_str()),
                (target.header.lsn, "raw"),
                "{found}"
            );
        }
        other => panic!("{other:?}"),
    }
}
