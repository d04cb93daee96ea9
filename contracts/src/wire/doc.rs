//! The manual of the messages, made from the types: description, example, JSON Schema.

use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

use super::{
    Error, Fault, Flatten, Gap, ModelSwapped, PositionReport, Progress, Rewound, Signal, Snapshot, State,
    Subscribe, Welcome, WithheldBar, client_examples, server_examples,
};

/// What the manual says about one message.
#[derive(Debug, Clone)]
pub struct MessageDoc {
    /// The word in `type` (server) or `op` (client).
    pub name: &'static str,
    /// True for what a client sends.
    pub from_client: bool,
    /// JSON Schema, the tag included.
    pub schema: Value,
}

fn doc<T: JsonSchema>(name: &'static str, from_client: bool) -> MessageDoc {
    let tag = if from_client { "op" } else { "type" };
    let mut schema: Schema = schemars::schema_for!(T);
    let object = schema.ensure_object();
    if let Some(properties) = object
        .entry("properties")
        .or_insert_with(|| json!({}))
        .as_object_mut()
    {
        properties.insert(tag.to_owned(), json!({"const": name}));
    }
    if let Some(required) = object
        .entry("required")
        .or_insert_with(|| json!([]))
        .as_array_mut()
    {
        required.insert(0, json!(tag));
    }
    MessageDoc {
        name,
        from_client,
        schema: schema.to_value(),
    }
}

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
    let mut out = String::new();
    for message in message_docs() {
        let (sender, examples) = if message.from_client {
            ("client", &client)
        } else {
            ("engine", &server)
        };
        let text = message.schema["description"].as_str().unwrap_or_default();
        let shown: String = examples
            .iter()
            .filter(|(name, _)| *name == message.name)
            .map(|(_, line)| format!("{line}\n"))
            .collect();
        let schema = serde_json::to_string_pretty(&message.schema).expect("a JSON value prints");
        out.push_str(&format!(
            "### `{}` ({sender})\n\n{}\n\n```json\n{shown}```\n\n<details><summary>JSON Schema</summary>\n\n\
             ```json\n{schema}\n```\n\n</details>\n\n",
            message.name,
            text.replace("\\[", "[").replace("\\]", "]"),
        ));
    }
    out
}
