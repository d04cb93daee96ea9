//! `control settings`: every setting of `control.toml`, out of the types that read it.

use serde_json::Value;

use super::CliError;
use super::out::{Format, Sink};
use super::table::{aligned, cell};
use crate::config::Config;

/// Options of `control settings`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
One line a setting: its key (NAME stands for a name of yours), its type, its default, what it does. With --json the JSON Schema of the file, for
editors.

Examples:
  control settings
  control settings --json > control.schema.json")]
pub struct Args {
    #[command(flatten)]
    format: Format,
}

/// Prints the reference.
///
/// # Errors
/// [`Exit::Io`](super::Exit::Io).
pub fn run(args: &Args, out: Sink<'_>) -> Result<(), CliError> {
    let schema = schema();
    args.format.write(out, &schema, &text(&schema))
}

fn schema() -> Value {
    schemars::schema_for!(Config).to_value()
}

fn text(schema: &Value) -> String {
    let mut lines = Vec::new();
    settings(schema, schema, "", &mut lines);
    aligned(&lines)
}

/// The lines of an object's fields, those of objects in it below its key.
fn settings(root: &Value, object: &Value, prefix: &str, lines: &mut Vec<Vec<String>>) {
    for (name, field) in object["properties"].as_object().into_iter().flatten() {
        let key = format!("{prefix}{name}");
        let kind = resolved(root, field);
        let first = |of: &Value| of["description"].as_str().map(str::to_owned);
        let what = first(field).or_else(|| first(kind)).unwrap_or_default();
        let default = field.get("default").filter(|default| !default.is_null());
        let default = default.map_or_else(|| "-".to_owned(), cell);
        lines.push(vec![key.clone(), word(kind), default, what.replace('\n', " ")]);
        settings(root, kind, &format!("{key}."), lines);
        let items = resolved(root, &kind["items"]);
        settings(root, items, &format!("{key}[]."), lines);
        let mut named = resolved(root, &kind["additionalProperties"]);
        if let Some(patterns) = kind["patternProperties"].as_object() {
            named = patterns.values().next().map_or(named, |of| resolved(root, of));
        }
        settings(root, named, &format!("{key}.NAME."), lines);
    }
}

/// What a reference, or a choice between something and null, stands for.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    if let Some(place) = schema["$ref"].as_str().and_then(|place| place.strip_prefix('#')) {
        return root.pointer(place).map_or(schema, |found| resolved(root, found));
    }
    let choice = schema["anyOf"].as_array().into_iter().flatten();
    let some = choice.filter(|one| one["type"] != "null").collect::<Vec<_>>();
    match some.as_slice() {
        [one] => resolved(root, one),
        _ => schema,
    }
}

fn word(kind: &Value) -> String {
    if let Some(words) = kind["enum"].as_array() {
        return words.iter().map(cell).collect::<Vec<_>>().join(" | ");
    }
    match &kind["type"] {
        Value::String(word) if word == "object" => "table".to_owned(),
        Value::String(word) => word.clone(),
        Value::Array(words) => words
            .iter()
            .map(cell)
            .find(|word| word != "null")
            .unwrap_or_default(),
        _ => "value".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::control;
    use super::*;

    #[test]
    fn every_setting_is_listed_with_its_words() {
        let said = control(&["settings"]).unwrap();
        for part in [
            "listen",
            "127.0.0.1:9200",
            "behind_tls_proxy",
            "slots.NAME.environment",
            "slots.NAME.instruments",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        let mut lines = Vec::new();
        settings(&schema(), &schema(), "", &mut lines);
        assert!(lines.len() >= 9);
        for line in lines {
            assert!(!line[3].is_empty(), "{} says nothing about itself", line[0]);
        }
    }

    #[test]
    fn the_schema_knows_the_shipped_file() {
        let said: Value = serde_json::from_str(&control(&["settings", "--json"]).unwrap()).unwrap();
        assert!(said["properties"]["slots"].is_object(), "{said}");
    }
}
