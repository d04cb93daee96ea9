//! One JSON object on each line; empty lines are passed over.

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;

use serde_json::{Map, Value};

use super::cells::{Cell, Cells};
use super::error::{FileError, RowFault};
use crate::limits::ROW_BYTES_MAX;

struct Object<'a> {
    members: &'a Map<String, Value>,
    names: &'a [String],
}

impl Cells for Object<'_> {
    fn cell(&self, at: usize) -> Cell<'_> {
        let member = self.names.get(at).and_then(|name| self.members.get(name));
        match member {
            Some(Value::String(text)) => Cell::Text(text),
            Some(value) => Cell::Json(value),
            None => Cell::Absent,
        }
    }
}

/// As [`super::rows::each`]: the columns are the first object's fields, and `wanted`, which later ones may have.
pub(super) fn rows<P>(
    path: &Path,
    bytes: Box<dyn Read>,
    wanted: &[String],
    begin: impl FnOnce(&[String]) -> Result<P, FileError>,
    mut row: impl FnMut(&P, u64, Result<&dyn Cells, RowFault>) -> Result<(), FileError>,
) -> Result<(), FileError> {
    let mut reader = BufReader::new(bytes);
    let mut begin = Some(begin);
    let mut begun: Option<(P, Vec<String>)> = None;
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let most = ROW_BYTES_MAX as u64 + 1;
        let read = (&mut reader).take(most).read_until(b'\n', &mut line);
        if read.map_err(FileError::io(path))? == 0 {
            break;
        }
        if line.len() > ROW_BYTES_MAX {
            return Err(FileError::Limit {
                path: path.to_owned(),
                what: "bytes in one line",
                most: ROW_BYTES_MAX as u64,
            });
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let parsed = object(&line);
        if begun.is_none() {
            let mut names: Vec<String> = match &parsed {
                Ok(members) => members.keys().cloned().collect(),
                Err(_) => Vec::new(),
            };
            for name in wanted {
                if !names.iter().any(|there| there.eq_ignore_ascii_case(name)) {
                    names.push(name.clone());
                }
            }
            if let Some(begin) = begin.take() {
                begun = Some((begin(&names)?, names));
            }
        }
        let Some((begun, names)) = &begun else { break };
        match parsed {
            Ok(members) => {
                let object = Object {
                    members: &members,
                    names,
                };
                row(begun, number, Ok(&object))?;
            }
            Err(fault) => row(begun, number, Err(fault))?,
        }
    }
    Ok(())
}

fn object(line: &[u8]) -> Result<Map<String, Value>, RowFault> {
    serde_json::from_slice(line).map_err(|error| RowFault::Json {
        detail: error.to_string(),
    })
}
