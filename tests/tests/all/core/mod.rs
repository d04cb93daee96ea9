//! The core's rules, on generated bars and seeded models: no files, no threads.

mod batches;
mod feedback;
mod halt;
mod history;
mod reasons;
mod recovery;
mod restart;
mod silence;
mod snapshot_bytes;
mod swap;
mod time;

use contracts::action::Raw;
use contracts::reason::Position;
use engine::core::Records;
use engine::core::record::{Outcome, Record};

/// The signals and withheld bars of a batch: instrument, word, raw output, position after.
pub fn results(records: &Records) -> Vec<(String, String, Raw, Position)> {
    let mut results = Vec::new();
    for record in records.iter() {
        if let Record::Bar(bar) = record.expect("a record just written") {
            let word = match bar.outcome {
                Outcome::Decided { .. } => "signal".to_owned(),
                Outcome::Withheld { reason, series: "" } => reason.word().to_owned(),
                Outcome::Withheld { reason, series } => format!("{}:{series}", reason.word()),
            };
            results.push((bar.instrument.to_owned(), word, bar.raw, bar.position_after));
        }
    }
    results
}

/// The payloads of a batch, one behind the other, with their kinds.
pub fn payloads(records: &Records) -> Vec<(u8, Vec<u8>)> {
    records
        .entries()
        .iter()
        .map(|entry| (entry.kind.code(), records.payload(*entry).to_vec()))
        .collect()
}
