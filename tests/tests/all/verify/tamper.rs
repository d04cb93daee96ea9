//! Records rewritten by somebody who knows the format: checksums hold, the contents do not.

use std::path::Path;

use contracts::action::Raw;
use contracts::reason::{Position, Withheld};
use engine::core::record::{BarRecord, HEADER_BYTES, Header, Kind, Outcome, Record, Records};
use engine::drivers::verify::Difference;
use std::sync::Arc;

use super::{JournalReader, RealDisk, Scene, VerifyError, verified};

/// Where a record lies.
struct Place {
    header: Header,
    file: String,
    offset: usize,
    payload: Vec<u8>,
}

fn places(dir: &Path) -> Vec<Place> {
    let reader = JournalReader::offline(Arc::new(RealDisk::unlocked(dir))).expect("a journal of our own");
    let mut cursor = reader.from_lsn(1).expect("a journal of our own");
    let mut places = Vec::new();
    while let Some(read) = cursor.read().expect("a journal of our own") {
        places.push(Place {
            header: read.header,
            file: read.file.to_owned(),
            offset: usize::try_from(read.offset).expect("a journal of our own"),
            payload: read.payload.to_vec(),
        });
    }
    places
}

impl Place {
    fn record(&self) -> Record<'_> {
        Record::decode(self.header.kind, &self.payload).expect("a journal of our own")
    }

    /// The bar, when it is one that `wanted` accepts.
    fn is_bar(&self, wanted: impl Fn(&Outcome<'_>) -> bool) -> bool {
        matches!(self.record(), Record::Bar(bar) if wanted(&bar.outcome) && !bar.observation.is_empty())
    }
}

fn decided(outcome: &Outcome<'_>) -> bool {
    matches!(outcome, Outcome::Decided { .. })
}

/// Writes the bar of `place` anew, changed, with a checksum that holds.
fn rewrite(dir: &Path, place: &Place, change: impl FnOnce(&mut BarRecord<'_>, &mut [f32])) {
    let Record::Bar(bar) = place.record() else {
        panic!("no bar");
    };
    let mut observation: Vec<f32> = bar.observation.iter().collect();
    let mut changed: BarRecord<'_> = BarRecord {
        instrument: bar.instrument,
        bar: bar.bar,
        received_at: bar.received_at,
        now: bar.now,
        decided_at: bar.decided_at,
        backfilled: bar.backfilled,
        simulated: bar.simulated,
        origin: bar.origin,
        observation: &[],
        raw: bar.raw,
        confidence: bar.confidence,
        outcome: bar.outcome,
        position_before: bar.position_before,
        position_after: bar.position_after,
        generation: bar.generation,
        model_id: bar.model_id,
        contract: bar.contract,
    };
    change(&mut changed, &mut observation);
    changed.observation = &observation;
    let mut records = Records::default();
    records.push_bar(&changed);
    let entry = records.entries()[0];
    assert_eq!(records.payload(entry).len(), place.payload.len());
    place.header.fill(records.frame_mut(entry));
    let path = dir.join(&place.file);
    let mut bytes = std::fs::read(&path).expect("a journal of our own");
    let frame = records.bytes();
    bytes[place.offset..place.offset + frame.len()].copy_from_slice(frame);
    std::fs::write(&path, bytes).expect("a journal of our own");
}

fn difference(dir: &Path, scene: &mut Scene) -> Difference {
    match verified(dir, &mut scene.models) {
        Err(VerifyError::Differs(difference)) => *difference,
        other => panic!("{other:?}"),
    }
}

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
    let path = dir.path().join(last_file);
    let mut bytes = std::fs::read(&path).expect("a journal of our own");
    bytes.truncate(places[at].offset);
    for place in &places[at + 1..] {
        let header = Header {
            lsn: place.header.lsn - 1,
            seq: place.header.seq.saturating_sub(1),
            synced_lsn: place.header.synced_lsn.min(place.header.lsn - 2),
            ..place.header
        };
        let mut frame = vec![0; HEADER_BYTES];
        frame.extend_from_slice(&place.payload);
        header.fill(&mut frame);
        bytes.extend_from_slice(&frame);
    }
    std::fs::write(&path, bytes).expect("a journal of our own");
    let found = difference(dir.path(), &mut scene);
    assert_eq!(found.lsn, next.header.lsn - 1, "{found}");
    assert_eq!(found.instrument, name(next));
}

fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().expect("a journal of our own");
    for entry in std::fs::read_dir(from).expect("a journal of our own") {
        let entry = entry.expect("a journal of our own");
        std::fs::copy(entry.path(), to.path().join(entry.file_name())).expect("a journal of our own");
    }
    to
}
