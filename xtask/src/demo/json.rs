//! One string out of a JSON document of our own programs: ids and hexadecimal digits hold no escapes.

/// The first string under `name`, however deep.
pub fn value_of(json: &str, name: &str) -> Option<String> {
    let key = format!("\"{name}\"");
    json.match_indices(&key).find_map(|(at, _)| {
        let after = json[at + key.len()..].trim_start().strip_prefix(':')?;
        let text = after.trim_start().strip_prefix('"')?;
        text.split_once('"').map(|(value, _)| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_found_and_what_is_none_is_not() {
        let json = "{\"key_id\": \"k1\",\n \"inner\": {\"public_key\":\"ab\"}, \"n\": 1, \"of\": null, \"x\": \"n\"}";
        assert_eq!(value_of(json, "key_id").as_deref(), Some("k1"));
        assert_eq!(value_of(json, "public_key").as_deref(), Some("ab"));
        for name in ["other", "n", "of"] {
            assert_eq!(value_of(json, name), None, "{name}");
        }
    }
}
