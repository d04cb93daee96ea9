//! Every kind in and out of its bytes.

use contracts::action::Raw;
use contracts::bar::Bar;
use contracts::hash::ContractDigest;
use contracts::reason::{FlattenCause, Latch, LiveState, Origin, OriginReason, Position, Withheld};
use contracts::time::{DayNumber, UnixNanos, UtcMillis};
use contracts::wire::ContractOrigin;
use proptest::prelude::*;

use super::*;

fn bar(close_ms: i64, price: f64) -> Bar {
    Bar {
        close_time: UtcMillis(close_ms),
        open: price,
        high: price * 1.01,
        low: price * 0.99,
        close: price,
        volume: -0.0,
    }
}

fn bar_record<'a>(observation: &'a [f32], outcome: Outcome<'a>) -> BarRecord<'a> {
    BarRecord {
        instrument: "USDCOP",
        bar: bar(1_767_618_300_000, 3_725.123_456_789_01),
        received_at: UnixNanos(1_767_618_300_012_345_678),
        now: UnixNanos(1_767_618_300_012_400_000),
        decided_at: UnixNanos(0),
        backfilled: false,
        simulated: true,
        origin: Some(Origin {
            reason: OriginReason::First,
            first_close_time: UtcMillis(1_767_600_000_000),
            bars: 281,
        }),
        observation,
        raw: Raw::Scalar(0.1 + 0.2),
        confidence: 0.300_000_011_920_928_96,
        outcome,
        position_before: Position::Short,
        position_after: Position::Long,
        generation: 7,
        model_id: "usdcop_ppo-0123456789ab",
        contract: [0xAB; 32],
    }
}

/// One record of every kind, all fields set to something that is not their default.
fn one_of_each() -> Records {
    let digest = ContractDigest::from_bytes([0xCD; 32]);
    let mut out = Records::with_capacity(8_192, 32).for_shard(3);
    let observation = [1.5_f32, -0.0, f32::MIN_POSITIVE, -4.999_999_5];
    out.push_bar(&bar_record(
        &observation,
        Outcome::Decided {
            action: Position::Long,
        },
    ));
    let stale = Outcome::Withheld {
        reason: Withheld::Stale(3),
        series: "embi",
    };
    out.push_bar(&BarRecord {
        origin: None,
        raw: Raw::None,
        backfilled: true,
        ..bar_record(&[], stale)
    });
    out.push_macro("dxy", DayNumber(20_455), 98.4, Some(UtcMillis(1_767_700_000_000)));
    out.push_macro("ust10y", DayNumber(-1), 4.19, None);
    out.push_position("USDCOP", Position::Short, UtcMillis(1_767_618_299_000));
    out.push_contract(&ContractRecord {
        generation: 7,
        digest,
        model_id: "usdcop_ppo-0123456789ab",
        slot: "usdcop-5m",
        environment: "paper",
        origin: ContractOrigin::Votes,
    });
    out.push_directive(41, true, [false, true], UtcMillis(1), UtcMillis(2));
    out.push_halt(Latch::Local, UtcMillis(3), true);
    out.push_resume(Latch::Control, UtcMillis(4));
    out.push_flatten("USDCOP", Position::Long, FlattenCause::StaleFeed, 7, UtcMillis(5));
    out.push_swap(3, 8, digest, "new", Some("old"));
    out.push_swapped(8, digest, "new", None);
    out.push_state(None, LiveState::ContractExpiring, UtcMillis(6));
    out.push_state(Some("USDCOP"), LiveState::Warming, UtcMillis(7));
    out.push_gap("USDCOP", UtcMillis(8), UtcMillis(9));
    out.push_level_shift("USDCOP", UtcMillis(10), 3_700.25, 0.037);
    out.push_conflict("USDCOP", &bar(300_000, 2.0), &bar(300_000, 2.5));
    out.push_start(&StartRecord {
        time: UnixNanos(11),
        boot: BootId([9; 16]),
        engine_version: "0.1.0",
        epoch: 2,
        first_seq: 1_000,
        durability: Durability::Disk,
        shards: 4,
        instruments: &["USDCOP", "BTC-USDT"],
    });
    out.push_stop(UnixNanos(12));
    out.push_snapshot(3, 4, &[0, 255, 1]);
    out
}

#[test]
fn every_kind_decodes_to_what_was_pushed() {
    let out = one_of_each();
    let records: Vec<Record<'_>> = out.iter().map(|record| record.unwrap()).collect();
    for (entry, record) in out.entries().iter().zip(&records) {
        assert_eq!(entry.kind, record.kind());
    }
    for kind in Kind::ALL {
        assert!(records.iter().any(|record| record.kind() == *kind), "{kind:?}");
        assert_eq!(Kind::from_code(kind.code()), Some(*kind));
    }
    let Record::Bar(first) = records[0] else {
        panic!("{:?}", records[0])
    };
    assert_eq!(first.observation.iter().map(f32::to_bits).collect::<Vec<_>>(), {
        [1.5_f32, -0.0, f32::MIN_POSITIVE, -4.999_999_5].map(f32::to_bits)
    });
    assert_eq!(first.bar.volume.to_bits(), (-0.0_f64).to_bits());
    let Record::Bar(second) = records[1] else {
        panic!("{:?}", records[1])
    };
    assert!(second.backfilled && second.observation.is_empty() && second.origin.is_none());
    assert_eq!(
        second.outcome,
        Outcome::Withheld {
            reason: Withheld::Stale(3),
            series: "embi"
        }
    );
    let Some(Record::Start(start)) = records.iter().find(|record| record.kind() == Kind::Start) else {
        panic!("no start")
    };
    assert_eq!(
        start.instruments.iter().collect::<Vec<_>>(),
        ["USDCOP", "BTC-USDT"]
    );
}

/// The disk format: a change of these bytes needs another version number, and the old ones must stay readable.
#[test]
fn payloads_are_the_committed_bytes() {
    let out = one_of_each();
    let mut text = String::new();
    for entry in out.entries() {
        text.push_str(&format!(
            "{} {}\n",
            entry.kind.word(),
            hex::encode(out.payload(*entry))
        ));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/records.v1.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(committed, text, "{path}");
}

#[test]
fn published_kinds_are_those_with_a_message() {
    let published: Vec<&str> = Kind::ALL
        .iter()
        .filter(|kind| kind.is_published())
        .map(|kind| kind.word())
        .collect();
    assert_eq!(published, ["bar", "flatten", "swapped", "state"]);
}

#[test]
fn stamping_changes_the_bars_and_nothing_else() {
    let mut out = one_of_each();
    let before: Vec<Vec<u8>> = out
        .entries()
        .iter()
        .map(|entry| out.payload(*entry).to_vec())
        .collect();
    out.stamp_decided(UnixNanos(99));
    for (entry, before) in out.entries().iter().zip(&before) {
        match Record::decode(entry.kind, out.payload(*entry)).unwrap() {
            Record::Bar(bar) => {
                assert_eq!(bar.decided_at, UnixNanos(99));
                assert_eq!(bar.now, UnixNanos(1_767_618_300_012_400_000));
            }
            _ => assert_eq!(out.payload(*entry), before),
        }
    }
}

#[test]
fn within_its_capacity_the_arena_does_not_move() {
    let mut out = one_of_each();
    out.clear();
    assert!(out.is_empty());
    let (at, bytes, entries) = (
        out.bytes().as_ptr(),
        out.remaining_bytes(),
        out.remaining_entries(),
    );
    for _ in 0..100 {
        out.push_bar(&bar_record(
            &[0.0; 15],
            Outcome::Decided {
                action: Position::Flat,
            },
        ));
        assert_eq!(out.remaining_bytes(), bytes - out.bytes().len());
        out.clear();
    }
    assert_eq!(
        (
            out.bytes().as_ptr(),
            out.remaining_bytes(),
            out.remaining_entries()
        ),
        (at, bytes, entries)
    );
}

#[test]
fn the_key_of_a_bar_is_read_without_decoding_it() {
    let out = one_of_each();
    let payload = out.payload(out.entries()[0]);
    assert_eq!(bar_key(payload), Ok(("USDCOP", UtcMillis(1_767_618_300_000))));
    for cut in 0..60 {
        assert!(bar_key(&payload[..cut]).is_err());
    }
}

#[test]
fn a_cut_or_lengthened_payload_is_refused() {
    let out = one_of_each();
    for entry in out.entries().iter().filter(|entry| entry.kind != Kind::Snapshot) {
        let payload = out.payload(*entry);
        for cut in 0..payload.len() {
            assert!(
                Record::decode(entry.kind, &payload[..cut]).is_err(),
                "{:?} cut at {cut}",
                entry.kind
            );
        }
        let mut longer = payload.to_vec();
        longer.push(0);
        assert_eq!(
            Record::decode(entry.kind, &longer),
            Err(Malformed { field: "end" })
        );
        let mut newer = payload.to_vec();
        newer[0] = 2;
        assert_eq!(
            Record::decode(entry.kind, &newer),
            Err(Malformed { field: "version" })
        );
    }
}

/// Any bytes either decode or are refused; 20,000 seeded mutations of real payloads never panic.
#[test]
fn mutated_payloads_never_panic() {
    use rand::{Rng as _, SeedableRng as _};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0x5EED_0001);
    let out = one_of_each();
    let mut refused = 0_u32;
    for _ in 0..20_000 {
        let entry = out.entries()[rng.random_range(0..out.len())];
        let mut payload = out.payload(entry).to_vec();
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..payload.len());
            payload[at] = rng.random();
        }
        payload.truncate(rng.random_range(0..=payload.len() * 2));
        let kind = Kind::ALL[rng.random_range(0..Kind::ALL.len())];
        refused += u32::from(Record::decode(kind, &payload).is_err());
        refused += u32::from(Record::decode(entry.kind, &payload).is_err());
    }
    assert!(refused > 10_000, "{refused}");
}

fn any_raw() -> impl Strategy<Value = Raw> {
    prop_oneof![
        Just(Raw::None),
        any::<u32>().prop_map(|bits| Raw::Scalar(f32::from_bits(bits))),
        any::<[u32; 3]>().prop_map(|bits| Raw::Logits(bits.map(f32::from_bits))),
        any::<i64>().prop_map(Raw::Index),
    ]
}

fn any_position() -> impl Strategy<Value = Position> {
    prop_oneof![Just(Position::Short), Just(Position::Flat), Just(Position::Long)]
}

proptest! {
    /// Encode → decode → encode gives the same bytes, whatever the bits of the floats.
    #[test]
    fn bars_keep_every_bit(
        prices in any::<[u64; 5]>(),
        times in any::<[i64; 4]>(),
        observation in proptest::collection::vec(any::<u32>(), 0..64),
        (raw, before, after, action) in (any_raw(), any_position(), any_position(), any_position()),
        (backfilled, simulated, withheld, index) in (any::<bool>(), any::<bool>(), any::<bool>(), any::<u8>()),
        origin in proptest::option::of((any::<i64>(), any::<u64>())),
        (name, model) in ("[A-Z/:.-]{1,32}", "[a-z0-9-]{0,96}"),
        (confidence, generation, contract) in (any::<u64>(), any::<u64>(), any::<[u8; 32]>()),
    ) {
        let observation: Vec<f32> = observation.into_iter().map(f32::from_bits).collect();
        let [open, high, low, close, volume] = prices.map(f64::from_bits);
        let record: BarRecord<'_> = BarRecord {
            instrument: &name,
            bar: Bar { close_time: UtcMillis(times[0]), open, high, low, close, volume },
            received_at: UnixNanos(times[1]),
            now: UnixNanos(times[2]),
            decided_at: UnixNanos(times[3]),
            backfilled,
            simulated,
            origin: origin.map(|(first, bars)| Origin {
                reason: OriginReason::Rewarm,
                first_close_time: UtcMillis(first),
                bars,
            }),
            observation: &observation,
            raw,
            confidence: f64::from_bits(confidence),
            outcome: if withheld {
                Outcome::Withheld { reason: Withheld::Stale(index), series: &model }
            } else {
                Outcome::Decided { action }
            },
            position_before: before,
            position_after: after,
            generation,
            model_id: &model,
            contract,
        };
        let mut bytes = Vec::new();
        record.put(&mut bytes);
        let Ok(Record::Bar(view)) = Record::decode(Kind::Bar, &bytes) else {
            panic!("does not decode")
        };
        let read: Vec<f32> = view.observation.iter().collect();
        let again: BarRecord<'_> = BarRecord {
            instrument: view.instrument,
            bar: view.bar,
            received_at: view.received_at,
            now: view.now,
            decided_at: view.decided_at,
            backfilled: view.backfilled,
            simulated: view.simulated,
            origin: view.origin,
            observation: &read,
            raw: view.raw,
            confidence: view.confidence,
            outcome: view.outcome,
            position_before: view.position_before,
            position_after: view.position_after,
            generation: view.generation,
            model_id: view.model_id,
            contract: view.contract,
        };
        let mut second = Vec::new();
        again.put(&mut second);
        prop_assert_eq!(&bytes, &second);
        prop_assert_eq!(view.instrument, name.as_str());
        prop_assert_eq!(view.bar.close.to_bits(), close.to_bits());
    }
}
