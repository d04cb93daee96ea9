//! YAML as a tree of JSON values within limits, and the line of a path inside it.
//!
//! The tree is what `config_hash` covers, so whatever two readers could understand differently is refused here: a key twice, tags,
//! numbers that no double holds.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::StrictError;
use crate::limits::{DOCUMENT_DEPTH_MAX, DOCUMENT_NODES_MAX};

/// Largest integer up to which every integer is a double.
const EXACT_INTEGER_MAX: u64 = 1 << 53;

/// A place in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Into a map.
    Key(String),
    /// Into a list.
    Index(usize),
}

/// Why there is no tree.
#[derive(Debug, PartialEq, Eq)]
pub struct TreeError {
    /// Where; nowhere for a fault of the syntax.
    pub path: Option<String>,
    /// Its line, from 1.
    pub line: usize,
    /// What is wrong.
    pub detail: String,
}

/// Reads the text.
///
/// # Errors
/// [`TreeError`].
pub fn read(yaml: &str) -> Result<Value, TreeError> {
    let at = Walk::default();
    // Through a seed: only then no other type's rules decide what is read.
    let outcome = Node(&at).deserialize(serde_norway::Deserializer::from_str(yaml));
    outcome.map_err(|error| {
        let line = error.location().map_or(1, |location| location.line());
        match at.fault.take() {
            Some(detail) => TreeError {
                path: Some(display(&at.path.borrow())),
                line,
                detail,
            },
            None => TreeError {
                path: None,
                line,
                detail: error.to_string(),
            },
        }
    })
}

/// The text and its tree.
///
/// # Errors
/// [`StrictError`], naming `file`.
pub fn of_bytes<'a>(yaml: &'a [u8], file: &str) -> Result<(&'a str, Value), StrictError> {
    let text = std::str::from_utf8(yaml).map_err(|error| StrictError::Syntax {
        file: file.to_owned(),
        line: 1 + yaml[..error.valid_up_to()]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count(),
        detail: "no UTF-8".to_owned(),
    })?;
    let whole = read(text).map_err(|error| {
        let (file, line, detail) = (file.to_owned(), error.line, error.detail);
        match error.path {
            None => StrictError::Syntax { file, line, detail },
            Some(path) => StrictError::Value {
                file,
                path,
                line,
                detail,
            },
        }
    })?;
    Ok((text, whole))
}

/// The line of the longest part of `path` that is there; 1 when none is.
pub fn line_of(yaml: &str, path: &[Step]) -> usize {
    (1..=path.len())
        .rev()
        .find_map(|len| {
            let found = Find(&path[..len]).deserialize(serde_norway::Deserializer::from_str(yaml));
            // The walk ends with an error of its own at the place it looks for: that error knows the line.
            found.err().and_then(|error| error.location())
        })
        .map_or(1, |location| location.line())
}

/// `data.train.start`, `training.net_arch[2]`.
pub fn display(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => {
                text.push('.');
                text.push_str(key);
            }
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

/// Where the reading is. After an error it stays where it was.
#[derive(Default)]
struct Walk {
    path: RefCell<Vec<Step>>,
    nodes: Cell<usize>,
    fault: RefCell<Option<String>>,
}

impl Walk {
    fn refuse<E: de::Error>(&self, detail: impl Into<String>) -> E {
        let detail = detail.into();
        let error = E::custom(&detail);
        self.fault.replace(Some(detail));
        error
    }

    fn integer<E: de::Error>(&self, text: impl fmt::Display) -> E {
        self.refuse(format!("{text} is no exact double: integers go up to 2^53"))
    }
}

struct Node<'a>(&'a Walk);

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let nodes = self.0.nodes.get() + 1;
        self.0.nodes.set(nodes);
        if nodes > DOCUMENT_NODES_MAX {
            return Err(self.0.refuse(format!(
                "more than {DOCUMENT_NODES_MAX} values, aliases written out"
            )));
        }
        if self.0.path.borrow().len() > DOCUMENT_DEPTH_MAX {
            return Err(self.0.refuse(format!("nested deeper than {DOCUMENT_DEPTH_MAX}")));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("plain values without tags")
    }
    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        if value > EXACT_INTEGER_MAX {
            return Err(self.0.integer(value));
        }
        Ok(Value::from(value))
    }
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        if value.unsigned_abs() > EXACT_INTEGER_MAX {
            return Err(self.0.integer(value));
        }
        Ok(Value::from(value))
    }
    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Value, E> {
        Err(self.0.integer(value))
    }
    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Value, E> {
        Err(self.0.integer(value))
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value);
        number
            .map(Value::Number)
            .ok_or_else(|| self.0.refuse(format!("{value} is no finite number")))
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }
    fn visit_enum<A: de::EnumAccess<'de>>(self, _: A) -> Result<Value, A::Error> {
        Err(self.0.refuse("a tag (!…) is not accepted"))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        loop {
            self.0.path.borrow_mut().push(Step::Index(items.len()));
            let Some(item) = seq.next_element_seed(Node(self.0))? else {
                break;
            };
            self.0.path.borrow_mut().pop();
            items.push(item);
        }
        self.0.path.borrow_mut().pop();
        Ok(Value::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(key) = map.next_key_seed(Key(self.0, &members))? {
            self.0.path.borrow_mut().push(Step::Key(key.clone()));
            let value = map.next_value_seed(Node(self.0))?;
            self.0.path.borrow_mut().pop();
            members.insert(key, value);
        }
        Ok(Value::Object(members))
    }
}

/// A key that is not among the members yet.
struct Key<'a>(&'a Walk, &'a Map<String, Value>);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = String;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = String;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text as key")
    }
    fn visit_str<E: de::Error>(self, key: &str) -> Result<String, E> {
        if self.1.contains_key(key) {
            self.0.path.borrow_mut().push(Step::Key(key.to_owned()));
            return Err(self.0.refuse("stands here a second time"));
        }
        Ok(key.to_owned())
    }
}

/// Walks along a path and ends with an error there: at the key in a map, at the value in a list.
struct Find<'a>(&'a [Step]);

impl<'de> DeserializeSeed<'de> for Find<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.0 {
            [] => deserializer.deserialize_any(Stop),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Find<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a path")
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let wanted = match &self.0[0] {
            Step::Index(index) => *index,
            Step::Key(_) => usize::MAX,
        };
        let mut at = 0;
        loop {
            let more = if at == wanted {
                seq.next_element_seed(Find(&self.0[1..]))?.is_some()
            } else {
                seq.next_element::<IgnoredAny>()?.is_some()
            };
            if !more {
                return Ok(());
            }
            at += 1;
        }
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (wanted, last) = match &self.0[0] {
            Step::Key(key) => (Some(key.as_str()), self.0.len() == 1),
            Step::Index(_) => (None, false),
        };
        while let Some(found) = map.next_key_seed(FindKey { wanted, last })? {
            if found {
                map.next_value_seed(Find(&self.0[1..]))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// True at the key looked for; at the last one an error instead.
struct FindKey<'a> {
    wanted: Option<&'a str>,
    last: bool,
}

impl<'de> DeserializeSeed<'de> for FindKey<'_> {
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for FindKey<'_> {
    type Value = bool;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E: de::Error>(self, key: &str) -> Result<bool, E> {
        match self.wanted == Some(key) {
            true if self.last => Err(E::custom("here")),
            found => Ok(found),
        }
    }
}

/// Accepts nothing.
struct Stop;

impl Visitor<'_> for Stop {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a: 1\nb:\n  c: {d: [1,\n    2]}\n  e: x\n";

    fn path(keys: &[&str]) -> Vec<Step> {
        let step = |key: &&str| {
            key.parse()
                .map_or_else(|_| Step::Key((*key).to_owned()), Step::Index)
        };
        keys.iter().map(step).collect()
    }

    #[test]
    fn a_path_has_the_line_of_its_key_or_of_what_is_there_of_it() {
        let line = |keys: &[&str]| line_of(TEXT, &path(keys));
        assert_eq!(line(&["a"]), 1);
        assert_eq!(line(&["b"]), 2);
        assert_eq!(line(&["b", "c", "d"]), 3);
        assert_eq!(line(&["b", "c", "d", "1"]), 4);
        assert_eq!(line(&["b", "e"]), 5);
        assert_eq!(line(&["b", "e", "nowhere"]), 5);
        assert_eq!(line(&["b", "c", "nowhere"]), 3);
        assert_eq!(line(&["nowhere"]), 1);
        assert_eq!(display(&path(&["b", "c", "d", "1"])), "b.c.d[1]");
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused_with_its_place() {
        for (text, at, line, detail) in [
            ("a: 1\na: 2\n", "a", 2, "second time"),
            ("a:\n  - .nan\n", "a[0]", 2, "finite"),
            ("a: 9007199254740993\n", "a", 1, "2^53"),
            ("a: -9007199254740993\n", "a", 1, "2^53"),
            ("a: 99999999999999999999999\n", "a", 1, "2^53"),
            ("a: !t 1\n", "a", 1, "tag"),
            ("a: [1\nb: 2\n", "", 2, "expected"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(
                error.path.as_deref().unwrap_or_default(),
                at,
                "{text:?}: {error:?}"
            );
            assert_eq!(error.line, line, "{text:?}: {error:?}");
            assert!(error.detail.contains(detail), "{text:?}: {error:?}");
        }
    }

    #[test]
    fn an_alias_bomb_and_a_tower_end_at_their_limits() {
        let mut bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned();
        for n in 1..9 {
            let previous = format!("*a{}", n - 1);
            bomb.push_str(&format!("a{n}: &a{n} [{}]\n", vec![previous; 10].join(", ")));
        }
        let error = read(&bomb).unwrap_err();
        assert!(error.detail.contains("values"), "{error:?}");
        let tower = format!("a: {}{}\n", "[".repeat(40), "]".repeat(40));
        let error = read(&tower).unwrap_err();
        assert!(error.detail.contains("deeper"), "{error:?}");
    }
}
