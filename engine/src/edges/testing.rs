//! A small hub with two instruments, for the unit tests of this folder.

use std::ops::RangeInclusive;
use std::sync::Arc;

use contracts::ids::{EngineId, Environment, InstrumentId, SlotId};
use contracts::reason::Position;
use contracts::wire::ClockMode;

use super::history::HistoryEntry;
use super::hub::{EpochStart, Hub, HubOptions, Identity, Publication, Publisher, Serving};

pub fn hub(ring_messages: usize, next_seq: u64) -> (Arc<Hub>, Publisher) {
    Hub::new(HubOptions {
        identity: Identity {
            engine_id: EngineId::parse("test").unwrap(),
            slot: SlotId::parse("slot").unwrap(),
            environment: Environment::parse("local").unwrap(),
            clock: ClockMode::Wall,
        },
        serving: Serving::default(),
        instruments: ["A", "B"].map(|name| InstrumentId::parse(name).unwrap()).to_vec(),
        positions: vec![Position::Flat; 2],
        halted: false,
        next_seq,
        epochs: vec![EpochStart {
            epoch: 1,
            first_seq: 1,
        }],
        ring_messages,
        clients_max: 4,
    })
}

fn instrument(seq: u64) -> Option<&'static str> {
    match (seq % 5, seq % 2) {
        (0, _) => None,
        (_, 0) => Some("B"),
        _ => Some("A"),
    }
}

pub fn entry(seq: u64) -> HistoryEntry {
    HistoryEntry {
        seq,
        instrument: instrument(seq).map(Into::into),
        text: seq.to_string(),
    }
}

pub fn publish(publisher: &mut Publisher, seqs: RangeInclusive<u64>) {
    for seq in seqs {
        publisher.publish(Publication {
            seq,
            instrument: instrument(seq),
            position_after: None,
            halted: None,
            received_at: None,
            text: seq.to_string().into(),
        });
    }
    publisher.wake();
}
