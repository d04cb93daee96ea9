//! Every message: committed bytes, back from the bytes, and its committed JSON Schema.

use std::path::PathBuf;

use contracts::wire::{
    ClientMessage, ServerMessage, client_examples, message_docs, render_markdown, server_examples,
};
use serde_json::Value;

use crate::golden;
use crate::schema::complies;

const BEGIN: &str = "<!-- generated from contracts/src/wire: begin -->\n";
const END: &str = "<!-- generated from contracts/src/wire: end -->";

#[test]
fn server_messages_have_the_committed_bytes_and_come_back() {
    for (name, message) in server_examples() {
        let text = message.to_json();
        assert_eq!(ServerMessage::parse(&text).unwrap(), message, "{name}");
        let mut appended = Vec::new();
        message.write_json(&mut appended);
        assert_eq!(appended, text.as_bytes());
        golden::assert_same(&golden::path(&format!("wire/{name}.json")), &format!("{text}\n"));
    }
}

#[test]
fn client_messages_have_the_committed_bytes_and_come_back() {
    for (name, message) in client_examples() {
        let text = serde_json::to_string(&message).unwrap();
        assert_eq!(serde_json::from_str::<ClientMessage>(&text).unwrap(), message);
        golden::assert_same(&golden::path(&format!("wire/{name}.json")), &format!("{text}\n"));
    }
}

#[test]
fn every_message_has_an_example_and_every_example_a_manual_entry() {
    let documented: Vec<_> = message_docs().iter().map(|doc| doc.name).collect();
    let shown: Vec<_> = server_examples()
        .iter()
        .map(|(_, m)| m.kind())
        .chain(client_examples().iter().map(|(_, m)| m.op()))
        .collect();
    for name in &documented {
        assert!(shown.contains(name), "no example of {name}");
    }
    for name in &shown {
        assert!(documented.contains(name), "no manual entry of {name}");
    }
}

#[test]
fn examples_comply_with_their_schemas_and_altered_ones_do_not() {
    let docs = message_docs();
    let texts = server_examples()
        .iter()
        .map(|(_, m)| (m.kind(), m.to_json()))
        .chain(
            client_examples()
                .iter()
                .map(|(_, m)| (m.op(), serde_json::to_string(m).unwrap())),
        )
        .collect::<Vec<_>>();
    for (name, text) in texts {
        let schema = &docs.iter().find(|doc| doc.name == name).unwrap().schema;
        let value: Value = serde_json::from_str(&text).unwrap();
        assert!(complies(schema, schema, &value), "{text}\n{schema:#}");
        let mut misspelt = value.clone();
        misspelt
            .as_object_mut()
            .unwrap()
            .insert("nonsense".into(), Value::Null);
        assert!(
            !complies(schema, schema, &misspelt),
            "{name}: an unknown field passes"
        );
        for required in schema["required"].as_array().unwrap() {
            let mut cut = value.clone();
            cut.as_object_mut().unwrap().remove(required.as_str().unwrap());
            assert!(
                !complies(schema, schema, &cut),
                "{name} without {required} passes"
            );
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

#[test]
fn a_reader_ignores_fields_it_does_not_know() {
    let text = r#"{"type":"gap","from":1,"to":2,"refill":true,"later":"field"}"#;
    assert!(ServerMessage::parse(text).is_ok());
    assert!(ServerMessage::parse(r#"{"type":"gap","from":1,"to":2}"#).is_err());
    assert!(ServerMessage::parse(r#"{"type":"unheard_of"}"#).is_err());
}
