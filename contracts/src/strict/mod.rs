//! Files that people write, read strictly: every error names the path inside the file and its line.
//!
//! YAML within limits ([`tree`]), then a type that denies unknown fields. Experiments and source files come in through here.

pub(crate) mod tree;

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use self::tree::Step;

/// Why a text is no document of its kind; mend the line and try again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StrictError {
    /// No YAML.
    #[error("{file}: line {line}: no YAML: {detail}")]
    Syntax {
        /// The file, as it was named.
        file: String,
        /// From 1.
        line: usize,
        /// What the parser says.
        detail: String,
    },
    /// A value that is missing, misspelt, of another type or outside its bounds.
    #[error("{file}: line {line}: {path}: {detail}")]
    Value {
        /// The file, as it was named.
        file: String,
        /// Where in the document.
        path: String,
        /// From 1; of the nearest enclosing value where the path itself is missing.
        line: usize,
        /// What is wrong and what is expected.
        detail: String,
    },
}

impl StrictError {
    /// A fault at a path of a text that is YAML.
    #[must_use]
    pub fn at(yaml: &str, file: &str, path: &[Step], detail: String) -> Self {
        Self::Value {
            file: file.to_owned(),
            line: tree::line_of(yaml, path),
            path: if path.is_empty() {
                "the document".to_owned()
            } else {
                tree::display(path)
            },
            detail,
        }
    }
}

/// A document that is YAML within limits, not yet of any type.
#[derive(Debug)]
pub struct Document<'a> {
    text: &'a str,
    file: &'a str,
    whole: Value,
}

impl<'a> Document<'a> {
    /// Reads YAML; `file` is how errors name it. Its size is the caller's to bound.
    ///
    /// # Errors
    /// [`StrictError`].
    pub fn parse(yaml: &'a [u8], file: &'a str) -> Result<Self, StrictError> {
        let (text, whole) = tree::of_bytes(yaml, file)?;
        Ok(Self { text, file, whole })
    }

    /// The word under `key` at the top, one of `words`.
    ///
    /// # Errors
    /// [`StrictError::Value`].
    pub fn word(&self, key: &str, words: &[&str]) -> Result<&str, StrictError> {
        word(&self.whole, key, &[], words).map_err(|fault| self.fault(&fault.path, fault.detail))
    }

    /// As a type.
    ///
    /// # Errors
    /// [`StrictError::Value`].
    pub fn typed<T: DeserializeOwned>(&self) -> Result<T, StrictError> {
        read(&self.whole, Vec::new()).map_err(|fault| self.fault(&fault.path, fault.detail))
    }

    /// A fault at a path, for rules that no type holds.
    #[must_use]
    pub fn fault(&self, path: &[Step], detail: String) -> StrictError {
        StrictError::at(self.text, self.file, path, detail)
    }
}

#[derive(Debug)]
pub(crate) struct Fault {
    pub path: Vec<Step>,
    pub detail: String,
}

/// The word under `key`, one of `words`.
pub(crate) fn word<'a>(section: &'a Value, key: &str, at: &[Step], words: &[&str]) -> Result<&'a str, Fault> {
    let mut path = at.to_vec();
    path.push(Step::Key(key.to_owned()));
    let fault = |detail| Fault { path, detail };
    match section.get(key) {
        None => Err(fault(format!(
            "is missing, one of {} is expected",
            words.join(", ")
        ))),
        Some(Value::String(word)) if words.contains(&word.as_str()) => Ok(word),
        Some(other) => Err(fault(format!("{other} is none of {}", words.join(", ")))),
    }
}

/// The section without some of its keys.
pub(crate) fn without(section: &Value, keys: &[&str]) -> Value {
    let mut section = section.clone();
    if let Some(members) = section.as_object_mut() {
        members.retain(|key, _| !keys.contains(&key.as_str()));
    }
    section
}

/// The type of a value that stands at `at`.
pub(crate) fn read<T: DeserializeOwned>(value: &Value, at: Vec<Step>) -> Result<T, Fault> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let mut path = at;
        let mut here = Some(value);
        for segment in error.path() {
            use serde_path_to_error::Segment;
            match segment {
                Segment::Seq { index } => {
                    path.push(Step::Index(*index));
                    here = here.and_then(|value| value.get(index));
                }
                Segment::Map { key } | Segment::Enum { variant: key } => {
                    path.push(Step::Key(key.clone()));
                    here = here.and_then(|value| value.get(key));
                }
                Segment::Unknown => {}
            }
        }
        let detail = error.inner().to_string();
        // Of a wrong key serde names the map: the key is in the message.
        if let Some(key) = quoted(&detail) {
            let there = here.and_then(|value| value.get(key)).is_some();
            let missing = detail.starts_with("missing field");
            if there && detail.starts_with("unknown") || missing {
                path.push(Step::Key(key.to_owned()));
            }
        }
        Fault { path, detail }
    })
}

fn quoted(text: &str) -> Option<&str> {
    text.split('`').nth(1)
}
