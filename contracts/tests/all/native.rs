//! Every message of the native feed: read back as it was written, and as its schema in the manual says.

use std::path::PathBuf;

use contracts::native::{
    NativeMessage, NativeRequest, client_examples, message_docs, parse, render_markdown, server_examples,
};
use serde_json::Value;

use crate::golden;
use crate::schema::complies;

const BEGIN: &str = "<!-- generated from contracts/src/native: begin -->\n";
const END: &str = "<!-- generated from contracts/src/native: end -->";

/// Every example: name, text, whether the reader takes a text.
fn texts() -> Vec<(&'static str, String)> {
    let server = server_examples().into_iter();
    let client = client_examples().into_iter();
    server
        .map(|(name, message)| (name, message.to_json().unwrap()))
        .chain(client.map(|(name, request)| (name, serde_json::to_string(&request).unwrap())))
        .collect()
}

/// Whether the code that reads such messages takes this one.
fn is_read(from_client: bool, text: &str) -> bool {
    if from_client {
        serde_json::from_str::<NativeRequest>(text).is_ok()
    } else {
        parse(text).is_ok_and(|message| !matches!(message, NativeMessage::Unknown { .. }))
    }
}

#[test]
fn messages_come_back_as_they_were() {
    for (name, message) in server_examples() {
        assert_eq!(parse(&message.to_json().unwrap()).unwrap(), message, "{name}");
    }
    for (name, request) in client_examples() {
        let text = serde_json::to_string(&request).unwrap();
        assert_eq!(
            serde_json::from_str::<NativeRequest>(&text).unwrap(),
            request,
            "{name}"
        );
    }
}

/// A field may be left out exactly where the schema says so.
#[test]
fn the_schemas_say_what_the_reader_does() {
    for doc in message_docs() {
        let schema = &doc.schema;
        let shown: Vec<_> = texts()
            .into_iter()
            .filter(|(name, _)| *name == doc.name)
            .collect();
        assert!(!shown.is_empty(), "no example of {}", doc.name);
        for (name, text) in shown {
            let value: Value = serde_json::from_str(&text).unwrap();
            assert!(complies(schema, schema, &value), "{text}\n{schema:#}");
            for field in value.as_object().unwrap().keys() {
                let mut cut = value.clone();
                cut.as_object_mut().unwrap().remove(field);
                assert_eq!(
                    complies(schema, schema, &cut),
                    is_read(doc.from_client, &cut.to_string()),
                    "{name} without {field}"
                );
                let mut other = value.clone();
                other[field] = serde_json::json!({"an": ["object"]});
                if field != "after" {
                    assert!(!complies(schema, schema, &other), "{name} with another {field}");
                    assert!(
                        !is_read(doc.from_client, &other.to_string()),
                        "{name} with another {field}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_manual_holds_the_schemas_of_the_code() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/PROTOCOL.md");
    let committed = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = committed.split_once(BEGIN).unwrap();
    let (_, tail) = rest.split_once(END).unwrap();
    golden::assert_same(&path, &format!("{head}{BEGIN}{}{END}{tail}", render_markdown()));
}
