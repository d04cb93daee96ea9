//! The manual of the messages of `/v1/signals`.

use super::{
    Error, Fault, Flatten, Gap, ModelSwapped, PositionReport, Progress, Rewound, Signal, Snapshot, State,
    Subscribe, Welcome, WithheldBar, client_examples, server_examples,
};
use crate::manual::{MessageDoc, doc, render};

/// Every message, client first, in the order of the manual.
#[must_use]
pub fn message_docs() -> Vec<MessageDoc> {
    vec![
        doc::<Subscribe>("subscribe", true),
        doc::<PositionReport>("position", true),
        doc::<Welcome<'static>>("welcome", false),
        doc::<Snapshot<'static>>("snapshot", false),
        doc::<Signal<'static>>("signal", false),
        doc::<WithheldBar<'static>>("withheld", false),
        doc::<Flatten<'static>>("flatten", false),
        doc::<State<'static>>("state", false),
        doc::<ModelSwapped<'static>>("model_swapped", false),
        doc::<Progress>("progress", false),
        doc::<Gap>("gap", false),
        doc::<Rewound>("rewound", false),
        doc::<Fault>("fault", false),
        doc::<Error<'static>>("error", false),
    ]
}

/// The generated part of `docs/PROTOCOL.md`.
#[must_use]
pub fn render_markdown() -> String {
    let server: Vec<_> = server_examples()
        .into_iter()
        .map(|(_, m)| (m.kind(), m.to_json()))
        .collect();
    let client: Vec<_> = client_examples()
        .into_iter()
        .map(|(_, m)| {
            (
                m.op(),
                serde_json::to_string(&m).expect("client messages hold only what JSON can say"),
            )
        })
        .collect();
    render(&message_docs(), "engine", &client, &server)
}
