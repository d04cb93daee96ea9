//! Every record as one line of JSON, for people and scripts: `engine journal cat`.
//!
//! Unlike a message this shows everything a record holds, and may gain fields; programs that follow signals read messages.

use contracts::hash::ContractDigest;
use contracts::wire::Reason;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use crate::core::record::{BarView, Durability, F32s, Header, Names, Outcome, Record};

/// A record to be printed.
#[derive(Debug, Clone, Copy)]
pub struct Dump<'a> {
    header: Header,
    record: Record<'a>,
}

impl<'a> Dump<'a> {
    /// Of this record behind this header.
    #[must_use]
    pub const fn new(header: Header, record: Record<'a>) -> Self {
        Self { header, record }
    }
}

macro_rules! fields {
    ($map:ident, $from:expr; $($name:ident),*) => {{
        $($map.serialize_entry(stringify!($name), &$from.$name)?;)*
    }};
}

impl Serialize for Dump<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("lsn", &self.header.lsn)?;
        if self.header.seq != 0 {
            map.serialize_entry("seq", &self.header.seq)?;
        }
        fields!(map, self.header; epoch, shard);
        map.serialize_entry("kind", self.header.kind.word())?;
        match &self.record {
            Record::Bar(bar) => bar_fields(&mut map, bar)?,
            Record::Macro(value) => fields!(map, value; series, date, value, arrived_at),
            Record::Position(report) => fields!(map, report; instrument, position, as_of),
            Record::Contract(contract) => {
                fields!(map, contract; generation, digest, model_id, slot, environment, origin);
            }
            Record::Directive(directive) => {
                fields!(map, directive; number, halted, clears_control, clears_local, issued_at, renew_by);
            }
            Record::Halt(halt) => fields!(map, halt; latch, time, changed),
            Record::Resume(resume) => fields!(map, resume; latch, time),
            Record::Flatten(order) => {
                fields!(map, order; instrument, position_before, cause, generation, time)
            }
            Record::Swap(swap) => fields!(map, swap; generation, digest, model_id, previous_model_id),
            Record::Swapped(swap) => fields!(map, swap; generation, digest, model_id, previous_model_id),
            Record::State(state) => fields!(map, state; instrument, state, since),
            Record::Gap(gap) => fields!(map, gap; instrument, from, to),
            Record::LevelShift(shift) => fields!(map, shift; instrument, close_time, from_close, to_close),
            Record::Conflict(conflict) => {
                map.serialize_entry("instrument", conflict.instrument)?;
                map.serialize_entry("close_time", &conflict.kept.close_time)?;
                map.serialize_entry("kept", &conflict.kept.ohlcv())?;
                map.serialize_entry("offered", &conflict.offered.ohlcv())?;
            }
            Record::Start(start) => {
                fields!(map, start; time, engine_version, first_seq, shards);
                map.serialize_entry("boot", &hex::encode(start.boot.0))?;
                let durability = match start.durability {
                    Durability::Process => "process",
                    Durability::Disk => "disk",
                };
                map.serialize_entry("durability", durability)?;
                map.serialize_entry("instruments", &List(start.instruments))?;
            }
            Record::Stop(stop) => fields!(map, stop; time),
            Record::Snapshot(snapshot) => {
                map.serialize_entry("shards", &snapshot.shards)?;
                map.serialize_entry("state_bytes", &snapshot.state.len())?;
            }
        }
        map.end()
    }
}

fn bar_fields<M: SerializeMap>(map: &mut M, bar: &BarView<'_>) -> Result<(), M::Error> {
    map.serialize_entry("instrument", bar.instrument)?;
    map.serialize_entry("close_time", &bar.bar.close_time)?;
    map.serialize_entry("bar", &bar.bar.ohlcv())?;
    fields!(map, bar; received_at, now, decided_at, backfilled, simulated, origin);
    map.serialize_entry("observation", &List(bar.observation))?;
    fields!(map, bar; raw, confidence);
    match bar.outcome {
        Outcome::Decided { action } => map.serialize_entry("action", &action)?,
        Outcome::Withheld { reason, series } => {
            map.serialize_entry("withheld", &Reason::new(reason, series))?
        }
    }
    fields!(map, bar; position_before, position_after, generation, model_id);
    map.serialize_entry("contract", &ContractDigest::from_bytes(bar.contract))
}

/// A borrowed list of a record, as a JSON array.
struct List<T>(T);

impl Serialize for List<F32s<'_>> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(self.0.len()))?;
        for value in self.0.iter() {
            seq.serialize_element(&value)?;
        }
        seq.end()
    }
}

impl Serialize for List<Names<'_>> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(self.0.len()))?;
        for name in self.0.iter() {
            seq.serialize_element(name)?;
        }
        seq.end()
    }
}

#[cfg(test)]
mod tests {
    use contracts::bar::Bar;
    use contracts::reason::{Latch, Position, Withheld};
    use contracts::time::{DayNumber, UnixNanos, UtcMillis};

    use super::*;
    use crate::core::record::{BarRecord, BootId, Records, StartRecord};

    fn dumped(fill: impl FnOnce(&mut Records)) -> String {
        let mut records = Records::default();
        fill(&mut records);
        let entry = records.entries()[0];
        let header = Header {
            lsn: 9,
            seq: if entry.kind.is_published() { 4 } else { 0 },
            synced_lsn: 0,
            epoch: 2,
            len: 0,
            kind: entry.kind,
            shard: 1,
            simulated: false,
        };
        let record = Record::decode(entry.kind, records.payload(entry)).unwrap();
        serde_json::to_string(&Dump::new(header, record)).unwrap()
    }

    #[test]
    fn a_bar_shows_all_it_holds() {
        let text = dumped(|records| {
            records.push_bar(&BarRecord {
                instrument: "USDCOP",
                bar: Bar {
                    close_time: UtcMillis(300_000),
                    open: 1.0,
                    high: 2.0,
                    low: 0.5,
                    close: 1.5,
                    volume: 0.0,
                },
                received_at: UnixNanos(1),
                now: UnixNanos(2),
                decided_at: UnixNanos(3),
                backfilled: true,
                simulated: false,
                origin: None,
                observation: &[0.1, -2.5],
                raw: contracts::action::Raw::None,
                confidence: 0.0,
                outcome: Outcome::Withheld {
                    reason: Withheld::Late,
                    series: "",
                },
                position_before: Position::Short,
                position_after: Position::Short,
                generation: 7,
                model_id: "m",
                contract: [0; 32],
            });
        });
        let zeros = "0".repeat(64);
        assert_eq!(
            text,
            format!(
                r#"{{"lsn":9,"seq":4,"epoch":2,"shard":1,"kind":"bar","instrument":"USDCOP","close_time":"1970-01-01T00:05:00Z","bar":{{"open":1.0,"high":2.0,"low":0.5,"close":1.5,"volume":0.0}},"received_at":1,"now":2,"decided_at":3,"backfilled":true,"simulated":false,"origin":null,"observation":[0.1,-2.5],"raw":null,"confidence":0.0,"withheld":"late","position_before":-1,"position_after":-1,"generation":7,"model_id":"m","contract":"{zeros}"}}"#
            )
        );
    }

    #[test]
    fn unpublished_records_have_no_seq() {
        assert_eq!(
            dumped(|records| records.push_halt(Latch::Local, UtcMillis(0), true)),
            r#"{"lsn":9,"epoch":2,"shard":1,"kind":"halt","latch":"local","time":"1970-01-01T00:00:00Z","changed":true}"#
        );
        assert_eq!(
            dumped(|records| records.push_macro("dxy", DayNumber(0), 98.4, None)),
            r#"{"lsn":9,"epoch":2,"shard":1,"kind":"macro","series":"dxy","date":"1970-01-01","value":98.4,"arrived_at":null}"#
        );
        let start = dumped(|records| {
            records.push_start(&StartRecord {
                time: UnixNanos(5),
                boot: BootId([0xAB; 16]),
                engine_version: "0.1.0",
                epoch: 2,
                first_seq: 1,
                durability: Durability::Process,
                shards: 1,
                instruments: &["A", "B"],
            });
        });
        assert_eq!(
            start,
            format!(
                r#"{{"lsn":9,"epoch":2,"shard":1,"kind":"start","time":5,"engine_version":"0.1.0","first_seq":1,"shards":1,"boot":"{}","durability":"process","instruments":["A","B"]}}"#,
                "ab".repeat(16)
            )
        );
    }
}
