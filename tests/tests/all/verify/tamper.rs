//! Records rewritten by somebody who knows the format are named by number and field.

use contracts::action::Raw;
use contracts::reason::{Position, Withheld};
use engine::core::record::{BarRecord, Header, Kind, Outcome, Record};
use engine::drivers::verify::VerifyError;
use engine::journal::ReadError;

use super::edit::{Place, copy, cut, decided, difference, places, remove, rewrite};
use super::{Scene, verified};

fn other(position: Position) -> Position {
    match position {
        Position::Short => Position::Flat,
        Position::Flat => Position::Long,
        Position::Long => Position::Short,
    }
}

type Change = fn(&mut BarRecord<'_>, &mut [f32]);

#[test]
fn every_changed_field_is_named_with_its_record() {
    let changes: [(&str, Change); 8] = [
        ("observation[3]", |_, observation| {
            observation[3] = f32::from_bits(observation[3].to_bits() ^ 1);
        }),
        ("raw", |bar, _| {
            if let Raw::Scalar(raw) = &mut bar.raw {
                *raw = f32::from_bits(raw.to_bits() ^ 1);
            }
        }),
        ("action", |bar, _| {
            if let Outcome::Decided { action } = &mut bar.outcome {
                *action = other(*action);
            }
        }),
        ("position_before", |bar, _| {
            bar.position_before = other(bar.position_before)
        }),
        ("position_after", |bar, _| {
            bar.position_after = other(bar.position_after)
        }),
        ("confidence", |bar, _| bar.confidence /= 2.0),
        ("generation", |bar, _| bar.generation += 1),
        ("contract", |bar, _| bar.contract[7] ^= 1),
    ];
    let honest = tempfile::tempdir().expect("a journal of our own");
    let mut scene = Scene::new(1);
    scene.journal(honest.path());
    let places = places(honest.path());
    let targets: Vec<&Place> = places
        .iter()
        .filter(|place| {
            place.is_bar(decided)
                && matches!(place.record(), Record::Bar(bar) if bar.confidence > 0.0 && bar.generation == 3)
        })
        .collect();
    for (i, (field, change)) in changes.into_iter().enumerate() {
        let dir = copy(honest.path());
        let target = targets[targets.len() * (i + 1) / 10];
        rewrite(dir.path(), target, change);
        let found = difference(dir.path(), &mut scene);
        assert_eq!(
            (found.lsn, found.field.as_str()),
            (target.header.lsn, field),
            "{found}"
        );
        assert_eq!((found.seq, found.kind), (target.header.seq, Kind::Bar));
        assert_ne!(found.journaled, found.recomputed, "{found}");
    }
}

#[test]
fn a_changed_reason_and_a_changed_price_are_named() {
    let honest = tempfile::tempdir().expect("a journal of our own");
    let mut scene = Scene::new(1);
    scene.journal(honest.path());
    let places = places(honest.path());
    let halted = places.iter().find(|place| {
        place.is_bar(|outcome| {
            matches!(
                outcome,
                Outcome::Withheld {
                    reason: Withheld::Halted,
                    ..
                }
            )
        })
    });
    let halted = halted.expect("the market was halted for a while");
    let dir = copy(honest.path());
    rewrite(dir.path(), halted, |bar, _| {
        bar.outcome = Outcome::Withheld {
            reason: Withheld::Late,
            series: "",
        };
    });
    let found = difference(dir.path(), &mut scene);
    assert_eq!(
        (found.lsn, found.field.as_str()),
        (halted.header.lsn, "reason"),
        "{found}"
    );

    let priced = places
        .iter()
        .rfind(|place| place.is_bar(decided))
        .expect("signals");
    let dir = copy(honest.path());
    rewrite(dir.path(), priced, |bar, _| {
        bar.bar.close = bar.bar.low + (bar.bar.high - bar.bar.low) * 0.37;
    });
    let found = difference(dir.path(), &mut scene);
    assert_eq!(found.lsn, priced.header.lsn, "{found}");
    assert!(found.field.starts_with("observation["), "{found}");
    assert!(found.instrument.is_some() && found.close_time.is_some());
}

#[test]
fn a_removed_bar_shows_at_the_next_of_its_instrument() {
    let dir = tempfile::tempdir().expect("a journal of our own");
    let mut scene = Scene::new(1);
    scene.journal(dir.path());
    let places = places(dir.path());
    let last_file = &places.last().expect("records").file;
    let at = places
        .iter()
        .position(|place| place.file == *last_file && place.is_bar(|_| true))
        .expect("a bar in the last segment");
    let name = |place: &Place| match place.record() {
        Record::Bar(bar) => Some(bar.instrument.to_owned()),
        _ => None,
    };
    let next = places[at + 1..]
        .iter()
        .find(|place| name(place) == name(&places[at]));
    let next = next.expect("it went on");
    // Everything behind it is renumbered, as somebody would who knows the format.
    let honest = copy(dir.path());
    remove(dir.path(), &places, at, |header| Header {
        lsn: header.lsn - 1,
        seq: header.seq.saturating_sub(1),
        synced_lsn: header.synced_lsn.min(header.lsn - 2),
        ..*header
    });
    let found = difference(dir.path(), &mut scene);
    assert_eq!(found.lsn, next.header.lsn - 1, "{found}");
    assert_eq!(found.instrument, name(next));

    // Only records renumbered: the missing message is named where the hole is.
    let dir = copy(honest.path());
    remove(dir.path(), &places, at, |header| Header {
        lsn: header.lsn - 1,
        synced_lsn: header.synced_lsn.min(header.lsn - 2),
        ..*header
    });
    let found = difference(dir.path(), &mut scene);
    assert_eq!(found.field, "seq", "{found}");
    assert!(
        found.lsn < next.header.lsn - 1 && found.seq > places[at].header.seq,
        "{found}"
    );
    let missing = format!("{}, which is missing before it", places[at].header.seq);
    assert_eq!(found.recomputed, missing);

    // Nothing renumbered: the reader names file, place and record, and takes nothing behind it for a torn end.
    let dir = copy(honest.path());
    remove(dir.path(), &places, at, |header| *header);
    match verified(dir.path(), &mut scene.models) {
        Err(VerifyError::Read(ReadError::Hole {
            file,
            offset,
            missing,
            found,
        })) => {
            assert_eq!((&file, offset), (&places[at].file, places[at].offset as u64));
            assert_eq!(
                (missing, found),
                (places[at].header.lsn, places[at].header.lsn + 1)
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_end_is_reported_as_it_is() {
    let dir = tempfile::tempdir().expect("a journal of our own");
    let mut scene = Scene::new(1);
    scene.journal(dir.path());
    let killed = verified(dir.path(), &mut scene.models).expect("an honest journal");
    let places = places(dir.path());
    let last = places.last().expect("records");
    assert_eq!((killed.last_lsn, killed.stopped), (last.header.lsn, false));
    assert!(killed.synced_lsn < killed.last_lsn);

    // Whole records gone from the end: where a batch ended no journal shows it, and the report says where it ends now.
    let cut_dir = copy(dir.path());
    cut(cut_dir.path(), last);
    let shorter = verified(cut_dir.path(), &mut scene.models).expect("a prefix of an honest journal");
    assert_eq!((shorter.last_lsn, shorter.stopped), (last.header.lsn - 1, false));

    // A run that stopped in order says so, and nothing but a start may follow.
    scene.stop(dir.path());
    let stopped = verified(dir.path(), &mut scene.models).expect("an honest journal");
    assert!(
        stopped.stopped && stopped.starts == killed.starts + 1,
        "{stopped:?}"
    );
    let places = super::edit::places(dir.path());
    let [.., start, stop] = places.as_slice() else {
        panic!("two records at least");
    };
    assert_eq!((start.header.kind, stop.header.kind), (Kind::Start, Kind::Stop));
    let ended = copy(dir.path());
    scene.stop(ended.path());
    let places = super::edit::places(ended.path());
    let at = places.len() - 2;
    assert_eq!(places[at].header.kind, Kind::Start);
    remove(ended.path(), &places, at, |header| Header {
        lsn: header.lsn - 1,
        synced_lsn: header.synced_lsn.min(header.lsn - 2),
        ..*header
    });
    let found = difference(ended.path(), &mut scene);
    assert_eq!(
        (found.kind, found.field.as_str()),
        (Kind::Stop, "kind"),
        "{found}"
    );
}

#[test]
fn what_followed_and_was_cut_off_the_end_is_owed() {
    let dir = tempfile::tempdir().expect("a journal of our own");
    let mut scene = Scene::new(1);
    scene.journal(dir.path());
    let places = places(dir.path());
    let swap = places
        .iter()
        .position(|place| matches!(place.record(), Record::Swap(swap) if swap.generation == 2))
        .expect("a model with the same features was adopted");
    assert_eq!(places[swap + 1].header.kind, Kind::Swapped);
    cut(dir.path(), &places[swap + 1]);
    let summary = verified(dir.path(), &mut scene.models).expect("a prefix of an honest journal");
    assert!(summary.owed > 0, "{summary:?}");
}
