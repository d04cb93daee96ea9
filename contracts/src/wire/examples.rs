//! One example of every message (and of every form a field may take): the golden files and the manual are made of them.

use std::collections::BTreeMap;

use super::{
    ClientMessage, ClockMode, ContractOrigin, Error, ErrorCode, Fault, FaultCode, Flatten, Gap,
    InstrumentFilter, ModelSwapped, PositionReport, Progress, Reason, Rewound, SCHEMA, ServerMessage, Signal,
    Snapshot, State, Subscribe, Welcome, WithheldBar,
};
use crate::action::Raw;
use crate::bar::Ohlcv;
use crate::hash::ContractDigest;
use crate::ids::InstrumentId;
use crate::reason::{FlattenCause, LiveState, Position, Withheld};
use crate::time::{UnixNanos, UtcMillis};

/// 2026-01-05T13:05:00Z.
const CLOSE: UtcMillis = UtcMillis(1_767_618_300_000);

fn signal(raw: Raw, action: Position, confidence: f64) -> ServerMessage<'static> {
    ServerMessage::Signal(Signal {
        seq: 4_211,
        instrument: "USDCOP".into(),
        bar_close_time: CLOSE,
        bar: Ohlcv {
            open: 3_771.5,
            high: 3_774.25,
            low: 3_770.0,
            close: 3_773.1,
            volume: 0.0,
        },
        action,
        raw,
        confidence,
        position_before: Position::Flat,
        model_id: "usdcop_ppo_baseline-aa52761d1d8e".into(),
        contract: ContractDigest::of(b"an example"),
        generation: 7,
        received_at: UnixNanos(1_767_618_300_041_250_113),
        decided_at: UnixNanos(1_767_618_300_041_262_840),
        latency_ns: 12_727,
        simulated: false,
    })
}

fn simulated(mut message: ServerMessage<'static>) -> ServerMessage<'static> {
    if let ServerMessage::Signal(signal) = &mut message {
        signal.simulated = true;
    }
    message
}

/// Name of the example (the message's type, then what is special) and the message.
#[must_use]
pub fn server_examples() -> Vec<(&'static str, ServerMessage<'static>)> {
    let bar = Ohlcv {
        open: 3_771.5,
        high: 3_774.25,
        low: 3_770.0,
        close: 3_773.1,
        volume: 12.0,
    };
    vec![
        (
            "welcome",
            ServerMessage::Welcome(Welcome {
                engine_id: "engine-1".into(),
                slot: "usdcop-5m".into(),
                environment: "paper".into(),
                origin: Some(ContractOrigin::Votes),
                model_id: Some("usdcop_ppo_baseline-aa52761d1d8e".into()),
                generation: Some(7),
                clock: ClockMode::Wall,
                epoch: 1,
                oldest_seq: 1,
                next_seq: 4_211,
                schema: SCHEMA,
                simulated: false,
            }),
        ),
        (
            "welcome_no_model",
            ServerMessage::Welcome(Welcome {
                engine_id: "engine-1".into(),
                slot: "usdcop-5m".into(),
                environment: "local".into(),
                origin: None,
                model_id: None,
                generation: None,
                clock: ClockMode::Feed,
                epoch: 1,
                oldest_seq: 1,
                next_seq: 1,
                schema: SCHEMA,
                simulated: true,
            }),
        ),
        (
            "snapshot",
            ServerMessage::Snapshot(Snapshot {
                through: 4_210,
                halted: false,
                positions: BTreeMap::from([
                    ("USDBRL".into(), Position::Short),
                    ("USDCOP".into(), Position::Flat),
                ]),
                simulated: false,
            }),
        ),
        (
            "signal",
            signal(Raw::Scalar(0.412_345_67), Position::Long, 0.412_345_677_614_212),
        ),
        (
            "signal_logits",
            signal(Raw::Logits([-1.25, 0.1, 3.0e-8]), Position::Flat, 0.45),
        ),
        ("signal_index", signal(Raw::Index(0), Position::Short, 1.0)),
        (
            "signal_simulated",
            simulated(signal(Raw::Scalar(-1.0), Position::Short, 1.0)),
        ),
        (
            "withheld",
            ServerMessage::Withheld(WithheldBar {
                seq: 4_212,
                instrument: "USDCOP".into(),
                bar_close_time: CLOSE,
                bar,
                reason: Reason::new(Withheld::Warming, ""),
                simulated: false,
            }),
        ),
        (
            "withheld_stale",
            ServerMessage::Withheld(WithheldBar {
                seq: 4_213,
                instrument: "USDCOP".into(),
                bar_close_time: CLOSE,
                bar,
                reason: Reason::new(Withheld::Stale(1), "dxy"),
                simulated: false,
            }),
        ),
        (
            "flatten",
            ServerMessage::Flatten(Flatten {
                seq: 4_214,
                instrument: "USDCOP".into(),
                position_before: Position::Long,
                cause: FlattenCause::Halt,
                generation: 7,
                time: CLOSE.plus_ms(1_250),
                simulated: false,
            }),
        ),
        (
            "state",
            ServerMessage::State(State {
                seq: 4_215,
                instrument: Some("USDCOP".into()),
                state: LiveState::StaleFeed,
                since: CLOSE.plus_ms(600_000),
                simulated: false,
            }),
        ),
        (
            "state_slot",
            ServerMessage::State(State {
                seq: 4_216,
                instrument: None,
                state: LiveState::Halted,
                since: CLOSE,
                simulated: false,
            }),
        ),
        (
            "model_swapped",
            ServerMessage::ModelSwapped(ModelSwapped {
                seq: 4_217,
                model_id: "usdcop_ppo_baseline-0f3c55ab90d1".into(),
                generation: 8,
                previous_model_id: Some("usdcop_ppo_baseline-aa52761d1d8e".into()),
                simulated: false,
            }),
        ),
        (
            "model_swapped_first",
            ServerMessage::ModelSwapped(ModelSwapped {
                seq: 1,
                model_id: "usdcop_ppo_baseline-aa52761d1d8e".into(),
                generation: 7,
                previous_model_id: None,
                simulated: false,
            }),
        ),
        (
            "progress",
            ServerMessage::Progress(Progress {
                through: 4_217,
                caught_up: true,
                simulated: false,
            }),
        ),
        (
            "progress_behind",
            ServerMessage::Progress(Progress {
                through: 17,
                caught_up: false,
                simulated: false,
            }),
        ),
        (
            "gap",
            ServerMessage::Gap(Gap {
                from: 100,
                to: 9_000,
                refill: true,
                simulated: false,
            }),
        ),
        (
            "rewound",
            ServerMessage::Rewound(Rewound {
                epoch: 2,
                first_seq: 4_190,
                simulated: false,
            }),
        ),
        (
            "fault",
            ServerMessage::Fault(Fault {
                code: FaultCode::JournalFailed,
                simulated: false,
            }),
        ),
        (
            "fault_feed_mode",
            ServerMessage::Fault(Fault {
                code: FaultCode::FeedMode,
                simulated: true,
            }),
        ),
        (
            "fault_engine_failed",
            ServerMessage::Fault(Fault {
                code: FaultCode::EngineFailed,
                simulated: false,
            }),
        ),
        (
            "error",
            ServerMessage::Error(Error {
                code: ErrorCode::Ahead,
                detail: "resume_from 9000 lies above next_seq 4218".into(),
                simulated: false,
            }),
        ),
    ]
}

/// As [`server_examples`], for what a client sends.
#[must_use]
pub fn client_examples() -> Vec<(&'static str, ClientMessage)> {
    let usdcop = || InstrumentId::parse("USDCOP").expect("a valid name");
    vec![
        (
            "subscribe",
            ClientMessage::Subscribe(Subscribe {
                instruments: InstrumentFilter::Only(vec![usdcop()]),
                resume_from: Some(1_234),
                epoch: Some(1),
            }),
        ),
        (
            "subscribe_all",
            ClientMessage::Subscribe(Subscribe {
                instruments: InstrumentFilter::All,
                resume_from: None,
                epoch: None,
            }),
        ),
        (
            "position",
            ClientMessage::Position(PositionReport {
                instrument: usdcop(),
                position: Position::Long,
                as_of: CLOSE.plus_ms(2_000),
            }),
        ),
    ]
}
