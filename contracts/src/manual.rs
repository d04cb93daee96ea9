//! The manual of messages, made from their types: description, example, JSON Schema.

use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

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

/// The entry of a message whose fields are those of `T`.
pub(crate) fn doc<T: JsonSchema>(name: &'static str, from_client: bool) -> MessageDoc {
    tagged(name, from_client, schemars::schema_for!(T))
}

/// A message that says nothing but what it is.
pub(crate) fn doc_of_tag(name: &'static str, description: &str) -> MessageDoc {
    let schema = schemars::json_schema!({"type": "object", "description": description});
    tagged(name, false, schema)
}

fn tagged(name: &'static str, from_client: bool, mut schema: Schema) -> MessageDoc {
    let tag = if from_client { "op" } else { "type" };
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

/// The manual's text: every message with the examples (name, text) of its side. `server` names who is not the client.
pub(crate) fn render(
    docs: &[MessageDoc],
    server: &str,
    from_client: &[(&str, String)],
    from_server: &[(&str, String)],
) -> String {
    let mut out = String::new();
    for message in docs {
        let (sender, examples) = if message.from_client {
            ("client", from_client)
        } else {
            (server, from_server)
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
