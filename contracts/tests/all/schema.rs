//! Checking a value against a schema of the manuals.

use serde_json::Value;

/// The part of JSON Schema these schemas use, enough to catch a field that is missing, misspelt or of another type.
pub fn complies(schema: &Value, root: &Value, value: &Value) -> bool {
    if let Some(anything) = schema.as_bool() {
        return anything;
    }
    if let Some(target) = schema["$ref"].as_str() {
        let pointer = target.strip_prefix('#').unwrap();
        return complies(root.pointer(pointer).unwrap(), root, value);
    }
    if let Some(constant) = schema.get("const") {
        return constant == value;
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.contains(value);
    }
    for word in ["oneOf", "anyOf"] {
        if let Some(choices) = schema[word].as_array() {
            return choices.iter().any(|choice| complies(choice, root, value));
        }
    }
    let of_type = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("type {other} is not handled"),
    };
    let typed = match &schema["type"] {
        Value::String(name) => of_type(name),
        Value::Array(names) => names.iter().any(|name| of_type(name.as_str().unwrap())),
        _ => true,
    };
    let complete = schema["required"].as_array().is_none_or(|names| {
        names
            .iter()
            .all(|name| value.get(name.as_str().unwrap()).is_some())
    });
    let known = value.as_object().is_none_or(|fields| {
        fields.iter().all(|(name, field)| {
            match (&schema["properties"][name], &schema["additionalProperties"]) {
                (Value::Null, Value::Null) => schema["properties"].is_null(),
                (Value::Null, rest) => complies(rest, root, field),
                (own, _) => complies(own, root, field),
            }
        })
    });
    let items = value.as_array().is_none_or(|list| {
        schema["items"].is_null() || list.iter().all(|item| complies(&schema["items"], root, item))
    });
    typed && complete && known && items
}
