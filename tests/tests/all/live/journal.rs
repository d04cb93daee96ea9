//! A journal read back without the engine.

use std::path::Path;
use std::sync::Arc;

use contracts::time::UtcMillis;
use engine::core::record::{Kind, Record};
use engine::journal::{JournalReader, ReadError, RealDisk, message};

/// A record.
#[derive(Debug)]
pub struct Entry {
    pub lsn: u64,
    /// 0 when it is not published.
    pub seq: u64,
    pub epoch: u64,
    pub kind: Kind,
    /// Of a bar.
    pub bar: Option<BarEntry>,
    /// The message clients get.
    pub text: Option<String>,
}

/// What must be the same in two runs over the same bars.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BarEntry {
    pub instrument: String,
    pub close_time: UtcMillis,
    pub bar: [u64; 5],
    pub observation: Vec<u32>,
    pub raw: String,
    pub outcome: String,
    pub positions: String,
}

/// All records of the journal in `dir`; an engine may go on writing it.
pub fn journal(dir: &Path) -> Vec<Entry> {
    let is_deleted = |error: &ReadError| match error {
        ReadError::Gone { .. } => true,
        ReadError::Io { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    };
    loop {
        match entries(dir) {
            Ok(entries) => return entries,
            // A segment was deleted under the reader.
            Err(error) => assert!(is_deleted(&error), "{error:?}"),
        }
    }
}

fn entries(dir: &Path) -> Result<Vec<Entry>, ReadError> {
    let reader = JournalReader::offline(Arc::new(RealDisk::unlocked(dir)))?;
    let mut cursor = reader.from_lsn(reader.oldest_lsn())?;
    let mut entries = Vec::new();
    while let Some(read) = cursor.read()? {
        let record = read.record().unwrap();
        let bar = match &record {
            Record::Bar(bar) => Some(BarEntry {
                instrument: bar.instrument.to_owned(),
                close_time: bar.bar.close_time,
                bar: [
                    bar.bar.open,
                    bar.bar.high,
                    bar.bar.low,
                    bar.bar.close,
                    bar.bar.volume,
                ]
                .map(f64::to_bits),
                observation: bar.observation.iter().map(f32::to_bits).collect(),
                raw: format!("{:?}", bar.raw),
                outcome: format!("{:?}", bar.outcome),
                positions: format!("{:?} {:?}", bar.position_before, bar.position_after),
            }),
            _ => None,
        };
        entries.push(Entry {
            lsn: read.header.lsn,
            seq: read.header.seq,
            epoch: u64::from(read.header.epoch),
            kind: read.header.kind,
            bar,
            text: message(&read.header, &record).map(|message| message.to_json()),
        });
    }
    Ok(entries)
}

/// Asserts that lsn and seq count up by one from the first on.
pub fn assert_no_holes(entries: &[Entry]) {
    for pair in entries.windows(2) {
        assert_eq!(pair[1].lsn, pair[0].lsn + 1);
    }
    let seqs: Vec<u64> = entries
        .iter()
        .map(|entry| entry.seq)
        .filter(|seq| *seq > 0)
        .collect();
    for pair in seqs.windows(2) {
        assert_eq!(pair[1], pair[0] + 1, "seq has a hole or a repeat");
    }
}
