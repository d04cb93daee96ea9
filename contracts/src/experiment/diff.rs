//! What differs between two documents, value by value.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One difference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Where, such as `data.train.start`.
    pub path: String,
    /// What was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// What is there now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
}

impl fmt::Display for Change {
    /// `path: old → new`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<Value>| {
            value
                .as_ref()
                .map_or_else(|| "nothing".to_owned(), Value::to_string)
        };
        write!(f, "{}: {} → {}", self.path, shown(&self.old), shown(&self.new))
    }
}

/// All differences in order of their paths; lists of different lengths differ as a whole, numbers by value.
#[must_use]
pub fn diff(old: &Value, new: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    walk(String::new(), Some(old), Some(new), &mut changes);
    changes
}

fn walk(path: String, old: Option<&Value>, new: Option<&Value>, changes: &mut Vec<Change>) {
    match (old, new) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for key in keys {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                walk(path, before.get(key), after.get(key), changes);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) if before.len() == after.len() => {
            for (index, (old, new)) in before.iter().zip(after).enumerate() {
                walk(format!("{path}[{index}]"), Some(old), Some(new), changes);
            }
        }
        (Some(Value::Number(before)), Some(Value::Number(after))) if before.as_f64() == after.as_f64() => {}
        _ if old == new => {}
        _ => changes.push(Change {
            path,
            old: old.cloned(),
            new: new.cloned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_difference_is_named_once_with_both_values() {
        let old = json!({"a": 1, "b": {"c": [1, 2], "d": "x"}, "gone": true, "list": [1]});
        let new = json!({"a": 1.0, "b": {"c": [1, 3], "d": "y"}, "came": null, "list": [1, 2]});
        let text: Vec<String> = diff(&old, &new).iter().map(Change::to_string).collect();
        assert_eq!(
            text,
            [
                "b.c[1]: 2 → 3",
                "b.d: \"x\" → \"y\"",
                "came: nothing → null",
                "gone: true → nothing",
                "list: [1] → [1,2]"
            ]
        );
        assert!(diff(&old, &old).is_empty());
    }
}
