//! Journals edited by somebody who knows the format: checksums hold, the contents do not.

use std::path::Path;
use std::sync::Arc;

use engine::core::record::{BarRecord, HEADER_BYTES, Header, Outcome, Record, Records};
use engine::drivers::verify::Difference;

use super::{JournalReader, RealDisk, Scene, VerifyError, verified};

/// Where a record lies.
pub struct Place {
    pub header: Header,
    pub file: String,
    pub offset: usize,
    pub payload: Vec<u8>,
}

pub fn places(dir: &Path) -> Vec<Place> {
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
    pub fn record(&self) -> Record<'_> {
        Record::decode(self.header.kind, &self.payload).expect("a journal of our own")
    }

    /// The bar, when it is one that `wanted` accepts.
    pub fn is_bar(&self, wanted: impl Fn(&Outcome<'_>) -> bool) -> bool {
        matches!(self.record(), Record::Bar(bar) if wanted(&bar.outcome) && !bar.observation.is_empty())
    }
}

pub fn decided(outcome: &Outcome<'_>) -> bool {
    matches!(outcome, Outcome::Decided { .. })
}

/// Writes the bar of `place` anew, changed, with a checksum that holds.
pub fn rewrite(dir: &Path, place: &Place, change: impl FnOnce(&mut BarRecord<'_>, &mut [f32])) {
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
    replace(dir, place, records);
}

/// Puts the only record of `records` in the place of another of the same length.
pub fn replace(dir: &Path, place: &Place, mut records: Records) {
    let entry = records.entries()[0];
    assert_eq!(records.payload(entry).len(), place.payload.len());
    place.header.fill(records.frame_mut(entry));
    let path = dir.join(&place.file);
    let mut bytes = std::fs::read(&path).expect("a journal of our own");
    let frame = records.bytes();
    bytes[place.offset..place.offset + frame.len()].copy_from_slice(frame);
    std::fs::write(&path, bytes).expect("a journal of our own");
}

/// Cuts the journal off before `place`, whole segments behind it too.
pub fn cut(dir: &Path, place: &Place) {
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(dir.join(&place.file))
        .expect("a journal of our own");
    file.set_len(place.offset as u64).expect("a journal of our own");
    for entry in std::fs::read_dir(dir).expect("a journal of our own") {
        let path = entry.expect("a journal of our own").path();
        let is_later = path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.ends_with(".seg") && *name > *place.file);
        if is_later {
            std::fs::remove_file(path).expect("a journal of our own");
        }
    }
}

/// Takes the record at `places[at]` out of the last segment; `number` says which numbers each record behind it gets.
pub fn remove(dir: &Path, places: &[Place], at: usize, number: impl Fn(&Header) -> Header) {
    let path = dir.join(&places[at].file);
    let mut bytes = std::fs::read(&path).expect("a journal of our own");
    bytes.truncate(places[at].offset);
    for place in &places[at + 1..] {
        let mut frame = vec![0; HEADER_BYTES];
        frame.extend_from_slice(&place.payload);
        number(&place.header).fill(&mut frame);
        bytes.extend_from_slice(&frame);
    }
    std::fs::write(&path, bytes).expect("a journal of our own");
}

pub fn difference(dir: &Path, scene: &mut Scene) -> Difference {
    match verified(dir, &mut scene.models) {
        Err(VerifyError::Differs(difference)) => *difference,
        other => panic!("{other:?}"),
    }
}

pub fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().expect("a journal of our own");
    for entry in std::fs::read_dir(from).expect("a journal of our own") {
        let entry = entry.expect("a journal of our own");
        std::fs::copy(entry.path(), to.path().join(entry.file_name())).expect("a journal of our own");
    }
    to
}
