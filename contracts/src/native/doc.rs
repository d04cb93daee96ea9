//! The manual of the native feed's messages, with an example each.

use std::collections::BTreeMap;

use super::{
    FeedMode, NativeBar, NativeFault, NativeGap, NativeHello, NativeMacro, NativeMessage, NativeRequest,
    NativeTick, Speed, Subscribe,
};
use crate::ids::InstrumentId;
use crate::manual::{MessageDoc, doc, doc_of_tag, render};
use crate::time::{DayNumber, UtcMillis};

/// 2026-01-05T13:05:00Z, the close of a Monday's second bar.
const CLOSE: UtcMillis = UtcMillis(1_767_618_300_000);

/// Every message, the client's first, in the order of the manual.
#[must_use]
pub fn message_docs() -> Vec<MessageDoc> {
    vec![
        doc::<Subscribe>("subscribe", true),
        doc::<NativeHello>("hello", false),
        doc::<NativeBar<'static>>("bar", false),
        doc::<NativeMacro<'static>>("macro", false),
        doc::<NativeTick<'static>>("tick", false),
        doc::<NativeGap<'static>>("gap", false),
        doc_of_tag("heartbeat", "Nothing to say, still here."),
        doc_of_tag("end", "A replay has sent everything it has."),
        doc::<NativeFault<'static>>("error", false),
    ]
}

/// One of everything a source sends, by kind.
#[must_use]
pub fn server_examples() -> Vec<(&'static str, NativeMessage<'static>)> {
    let hello = |mode, speed| NativeMessage::Hello(NativeHello { mode, speed });
    vec![
        ("hello", hello(FeedMode::Live, Speed::of_the_market())),
        ("hello", hello(FeedMode::Replay, Speed::Max)),
        (
            "bar",
            NativeMessage::Bar(NativeBar {
                instrument: "USDCOP".into(),
                close_time: CLOSE,
                open: 4_100.5,
                high: 4_101.0,
                low: 4_099.25,
                close: 4_100.75,
                volume: 12.0,
            }),
        ),
        (
            "macro",
            NativeMessage::Macro(NativeMacro {
                series: "dxy".into(),
                date: DayNumber(20_455),
                value: 98.4,
                arrived_at: None,
            }),
        ),
        (
            "macro",
            NativeMessage::Macro(NativeMacro {
                series: "dxy".into(),
                date: DayNumber(20_455),
                value: 98.4,
                arrived_at: Some(CLOSE),
            }),
        ),
        (
            "tick",
            NativeMessage::Tick(NativeTick {
                instrument: "USDCOP".into(),
                time: CLOSE.plus_ms(1_250),
                price: 4_100.75,
            }),
        ),
        (
            "gap",
            NativeMessage::Gap(NativeGap {
                instrument: "USDCOP".into(),
                from: CLOSE,
                to: CLOSE.plus_ms(600_000),
            }),
        ),
        ("heartbeat", NativeMessage::Heartbeat),
        ("end", NativeMessage::End),
        (
            "error",
            NativeMessage::Error(NativeFault {
                code: "unknown_instrument".into(),
                detail: "no bars of USDBRL".into(),
            }),
        ),
    ]
}

/// What a client sends, by kind.
///
/// # Panics
/// Never: the names are valid.
#[must_use]
pub fn client_examples() -> Vec<(&'static str, NativeRequest)> {
    let usdcop = || InstrumentId::parse("USDCOP").expect("a valid name");
    let request = |after| {
        NativeRequest::Subscribe(Subscribe {
            instruments: vec![usdcop()],
            after,
        })
    };
    vec![
        ("subscribe", request(BTreeMap::new())),
        ("subscribe", request(BTreeMap::from([(usdcop(), CLOSE)]))),
    ]
}

/// The generated part of `docs/PROTOCOL.md`.
///
/// # Panics
/// Never: every example serialises.
#[must_use]
pub fn render_markdown() -> String {
    let server: Vec<_> = server_examples()
        .into_iter()
        .map(|(name, message)| (name, message.to_json().expect("a known kind serialises")))
        .collect();
    let client: Vec<_> = client_examples()
        .into_iter()
        .map(|(name, request)| {
            (
                name,
                serde_json::to_string(&request).expect("names and times serialise"),
            )
        })
        .collect();
    render(&message_docs(), "source", &client, &server)
}
