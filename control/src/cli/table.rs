//! Tables and lists for people, out of the server's JSON.
//!
//! What the server hands on was written by somebody: control characters are shown as `?`, so that no text moves a terminal's cursor.

use serde_json::Value;

/// Columns of the rows in `rows`: a heading and the pointer to the value in a row.
#[must_use]
pub fn table(rows: &Value, columns: &[(&str, &str)]) -> String {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return "none\n".to_owned();
    }
    let head = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut lines: Vec<Vec<String>> = vec![head];
    for row in rows {
        let at = |pointer: &str| cell(row.pointer(pointer).unwrap_or(&Value::Null));
        lines.push(columns.iter().map(|(_, pointer)| at(pointer)).collect());
    }
    aligned(&lines)
}

/// One line per field: its name and the value at its pointer; fields that are not there are left out.
#[must_use]
pub fn fields(document: &Value, fields: &[(&str, &str)]) -> String {
    let there = fields.iter().filter_map(|(name, pointer)| {
        let value = document.pointer(pointer).filter(|value| !value.is_null())?;
        Some(vec![(*name).to_owned(), cell(value)])
    });
    aligned(&there.collect::<Vec<_>>())
}

/// Lines of cells, in columns as wide as their widest cell.
#[must_use]
pub fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let mut written = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            written.push_str(&format!("{cell:<width$}  "));
        }
        text.push_str(written.trim_end());
        text.push('\n');
    }
    text
}

/// A value on one line.
#[must_use]
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(number) => figure(number),
            None => number.to_string(),
        },
        Value::String(text) => plain(text),
        Value::Array(values) if values.is_empty() => "-".to_owned(),
        Value::Array(values) => values.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Object(_) => plain(&value.to_string()),
    }
}

/// A number with as many places as its size asks for.
#[must_use]
pub fn figure(number: f64) -> String {
    match number.abs() {
        size if size >= 1_000.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.2}"),
        _ => format!("{number:.4}"),
    }
}

/// Text without control characters.
#[must_use]
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_aligned_and_nothing_is_said_to_be_nothing() {
        let rows = json!([{"a": "one", "b": {"c": 2}}, {"a": "three", "b": null, "x": 1}]);
        let expected = "A      C\none    2\nthree  -\n";
        assert_eq!(table(&rows, &[("A", "/a"), ("C", "/b/c")]), expected);
        assert_eq!(table(&json!([]), &[("A", "/a")]), "none\n");
        assert_eq!(table(&Value::Null, &[("A", "/a")]), "none\n");
    }

    #[test]
    fn values_are_shown_as_people_write_them() {
        for (value, shown) in [
            (json!(0.123_456), "0.1235"),
            (json!(123_456.7), "123457"),
            (json!(140), "140"),
            (json!(true), "yes"),
            (json!(["a", "b"]), "a, b"),
            (json!([]), "-"),
            (json!("red \u{1b}[31m\nnext"), "red ?[31m?next"),
        ] {
            assert_eq!(cell(&value), shown);
        }
        let document = json!({"a": 1, "b": null});
        assert_eq!(
            fields(&document, &[("first", "/a"), ("second", "/b")]),
            "first  1\n"
        );
    }
}
