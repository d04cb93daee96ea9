//! From a record to the message clients get: a pure function of the record and its header, so that a resumed client gets the
//! same bytes.

use std::borrow::Cow;

use contracts::hash::ContractDigest;
use contracts::reason::{LiveState, Position};
use contracts::time::UnixNanos;
use contracts::wire::{Flatten, ModelSwapped, Reason, ServerMessage, Signal, State, WithheldBar};

use crate::core::record::{BarView, Header, Outcome, Record};

/// The message of a published record; `None` for a record that is none.
#[must_use]
pub fn message<'a>(header: &Header, record: &Record<'a>) -> Option<ServerMessage<'a>> {
    let (seq, simulated) = (header.seq, header.simulated);
    Some(match *record {
        Record::Bar(bar) => of_bar(seq, bar),
        Record::Flatten(order) => ServerMessage::Flatten(Flatten {
            seq,
            instrument: Cow::Borrowed(order.instrument),
            position_before: order.position_before,
            cause: order.cause,
            generation: order.generation,
            time: order.time,
            simulated,
        }),
        Record::State(state) => ServerMessage::State(State {
            seq,
            instrument: state.instrument.map(Cow::Borrowed),
            state: state.state,
            since: state.since,
            simulated,
        }),
        Record::Swapped(swap) => ServerMessage::ModelSwapped(ModelSwapped {
            seq,
            model_id: Cow::Borrowed(swap.model_id),
            generation: swap.generation,
            previous_model_id: (!swap.previous_model_id.is_empty())
                .then_some(Cow::Borrowed(swap.previous_model_id)),
            simulated,
        }),
        _ => return None,
    })
}

fn of_bar(seq: u64, bar: BarView<'_>) -> ServerMessage<'_> {
    let instrument = Cow::Borrowed(bar.instrument);
    match bar.outcome {
        Outcome::Decided { action } => ServerMessage::Signal(Signal {
            seq,
            instrument,
            bar_close_time: bar.bar.close_time,
            bar: bar.bar.ohlcv(),
            action,
            raw: bar.raw,
            confidence: bar.confidence,
            position_before: bar.position_before,
            model_id: Cow::Borrowed(bar.model_id),
            contract: ContractDigest::from_bytes(bar.contract),
            generation: bar.generation,
            received_at: bar.received_at,
            decided_at: bar.decided_at,
            latency_ns: bar.decided_at.0.saturating_sub(bar.received_at.0),
            simulated: bar.simulated,
        }),
        Outcome::Withheld { reason, series } => ServerMessage::Withheld(WithheldBar {
            seq,
            instrument,
            bar_close_time: bar.bar.close_time,
            bar: bar.bar.ohlcv(),
            reason: Reason::new(reason, series),
            simulated: bar.simulated,
        }),
    }
}

/// What a published record changes beside being a message: where clients that join later begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effect<'a> {
    /// Whose; `None` concerns the slot.
    pub instrument: Option<&'a str>,
    /// The position from here on, where the message sets one.
    pub position_after: Option<Position>,
    /// The halt flag from here on, where the message sets it.
    pub halted: Option<bool>,
    /// When the bar was received; `None` without a bar.
    pub received_at: Option<UnixNanos>,
}

/// The effect of a published record; `None` for a record that is no message.
#[must_use]
pub const fn effect<'a>(record: &Record<'a>) -> Option<Effect<'a>> {
    let none = Effect {
        instrument: None,
        position_after: None,
        halted: None,
        received_at: None,
    };
    Some(match record {
        Record::Bar(bar) => Effect {
            instrument: Some(bar.instrument),
            position_after: Some(bar.position_after),
            received_at: Some(bar.received_at),
            ..none
        },
        Record::Flatten(order) => Effect {
            instrument: Some(order.instrument),
            position_after: Some(Position::Flat),
            ..none
        },
        Record::State(state) => match state.instrument {
            None => Effect {
                halted: Some(matches!(state.state, LiveState::Halted)),
                ..none
            },
            instrument => Effect { instrument, ..none },
        },
        Record::Swapped(_) => none,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use contracts::action::Raw;
    use contracts::bar::Bar;
    use contracts::reason::{FlattenCause, Withheld};
    use contracts::time::UtcMillis;

    use super::*;
    use crate::core::record::{BarRecord, Records};

    fn bar_record<'a>(outcome: Outcome<'a>) -> BarRecord<'a> {
        BarRecord {
            instrument: "USDCOP",
            bar: Bar {
                close_time: UtcMillis::parse("2026-01-05T13:05:00Z").unwrap(),
                open: 3_725.1,
                high: 3_726.0,
                low: 3_725.0,
                close: 0.1 + 0.2,
                volume: 0.0,
            },
            received_at: UnixNanos(1_767_618_300_000_000_001),
            now: UnixNanos(1_767_618_300_000_000_002),
            decided_at: UnixNanos(1_767_618_300_000_000_012),
            backfilled: false,
            simulated: false,
            origin: None,
            observation: &[],
            raw: Raw::Scalar(0.7),
            confidence: f64::from(0.7_f32),
            outcome,
            position_before: Position::Flat,
            position_after: Position::Long,
            generation: 7,
            model_id: "m-0123456789ab",
            contract: [0xAB; 32],
        }
    }

    fn rendered(records: &mut Records) -> Vec<String> {
        let mut lines = Vec::new();
        for (i, entry) in records.entries().to_vec().into_iter().enumerate() {
            let header = Header {
                lsn: 1 + i as u64,
                seq: if entry.kind.is_published() { 41 } else { 0 },
                synced_lsn: 0,
                epoch: 1,
                len: 0,
                kind: entry.kind,
                shard: 0,
                simulated: records.is_simulated(),
            };
            let record = Record::decode(entry.kind, records.payload(entry)).unwrap();
            assert_eq!(message(&header, &record).is_some(), entry.kind.is_published());
            assert_eq!(effect(&record).is_some(), entry.kind.is_published());
            lines.extend(message(&header, &record).map(|message| message.to_json()));
        }
        lines
    }

    #[test]
    fn every_published_kind_is_its_message() {
        let mut out = Records::default();
        out.push_bar(&bar_record(Outcome::Decided {
            action: Position::Long,
        }));
        let stale = Outcome::Withheld {
            reason: Withheld::Stale(2),
            series: "embi",
        };
        out.push_bar(&BarRecord {
            raw: Raw::None,
            simulated: true,
            ..bar_record(stale)
        });
        out.push_gap("USDCOP", UtcMillis(0), UtcMillis(0));
        out.set_simulated(true);
        out.push_flatten("USDCOP", Position::Long, FlattenCause::Halt, 7, UtcMillis(0));
        out.push_state(None, LiveState::Halted, UtcMillis(0));
        out.push_state(Some("USDCOP"), LiveState::StaleFeed, UtcMillis(0));
        out.push_swapped(8, ContractDigest::from_bytes([1; 32]), "new", None);
        let bar =
            r#""bar":{"open":3725.1,"high":3726.0,"low":3725.0,"close":0.30000000000000004,"volume":0.0}"#;
        let contract = "ab".repeat(32);
        assert_eq!(rendered(&mut out), [
            format!(
                r#"{{"type":"signal","seq":41,"instrument":"USDCOP","bar_close_time":"2026-01-05T13:05:00Z",{bar},"action":1,"raw":0.7,"confidence":0.699999988079071,"position_before":0,"model_id":"m-0123456789ab","contract":"{contract}","generation":7,"received_at":1767618300000000001,"decided_at":1767618300000000012,"latency_ns":11}}"#
            ),
            format!(
                r#"{{"type":"withheld","seq":41,"instrument":"USDCOP","bar_close_time":"2026-01-05T13:05:00Z",{bar},"reason":"stale:embi","simulated":true}}"#
            ),
            r#"{"type":"flatten","seq":41,"instrument":"USDCOP","position_before":1,"cause":"halt","generation":7,"time":"1970-01-01T00:00:00Z","simulated":true}"#.to_owned(),
            r#"{"type":"state","seq":41,"state":"halted","since":"1970-01-01T00:00:00Z","simulated":true}"#.to_owned(),
            r#"{"type":"state","seq":41,"instrument":"USDCOP","state":"stale_feed","since":"1970-01-01T00:00:00Z","simulated":true}"#.to_owned(),
            r#"{"type":"model_swapped","seq":41,"model_id":"new","generation":8,"previous_model_id":null,"simulated":true}"#.to_owned(),
        ]);
    }

    #[test]
    fn effects_move_the_snapshot_of_later_clients() {
        let mut out = Records::default();
        out.push_bar(&bar_record(Outcome::Decided {
            action: Position::Long,
        }));
        out.push_flatten("USDCOP", Position::Long, FlattenCause::Halt, 7, UtcMillis(0));
        out.push_state(None, LiveState::Halted, UtcMillis(0));
        out.push_state(None, LiveState::Live, UtcMillis(0));
        let effects: Vec<_> = out
            .iter()
            .map(|record| effect(&record.unwrap()).unwrap())
            .map(|effect| (effect.position_after, effect.halted))
            .collect();
        assert_eq!(
            effects,
            [
                (Some(Position::Long), None),
                (Some(Position::Flat), None),
                (None, Some(true)),
                (None, Some(false))
            ]
        );
    }

    proptest::proptest! {
        /// Print → parse gives back the same bits of every number.
        #[test]
        fn numbers_survive_the_text(bits in proptest::array::uniform5(proptest::num::u64::ANY), raw in proptest::num::u32::ANY) {
            let value = |i: usize| {
                let value = f64::from_bits(bits[i]);
                if value.is_finite() { value } else { 1.0 }
            };
            let raw = if f32::from_bits(raw).is_finite() { f32::from_bits(raw) } else { 0.5 };
            let bar = Bar {
                close_time: UtcMillis(300_000),
                open: value(0),
                high: value(1),
                low: value(2),
                close: value(3),
                volume: value(4),
            };
            let record = BarRecord { bar, raw: Raw::Scalar(raw), ..bar_record(Outcome::Decided { action: Position::Flat }) };
            let mut out = Records::default();
            out.push_bar(&record);
            let text = rendered(&mut out).remove(0);
            let Ok(ServerMessage::Signal(signal)) = ServerMessage::parse(&text) else { panic!("{text}") };
            let back = Bar {
                close_time: signal.bar_close_time,
                open: signal.bar.open,
                high: signal.bar.high,
                low: signal.bar.low,
                close: signal.bar.close,
                volume: signal.bar.volume,
            };
            proptest::prop_assert!(back.same_bits(&bar), "{}", text);
            let Raw::Scalar(raw_back) = signal.raw else { panic!("{text}") };
            proptest::prop_assert_eq!(raw_back.to_bits(), raw.to_bits());
        }
    }
}
