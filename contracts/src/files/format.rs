//! What a file is made of: by what the caller says, or by its name.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// A file's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Format {
    /// Comma-separated values with a header.
    #[serde(rename = "csv")]
    Csv,
    /// The same, gzipped.
    #[serde(rename = "csv.gz")]
    CsvGz,
    /// Parquet.
    #[serde(rename = "parquet")]
    Parquet,
    /// One JSON object on each line.
    #[serde(rename = "jsonl")]
    JsonLines,
    /// The same, gzipped.
    #[serde(rename = "jsonl.gz")]
    JsonLinesGz,
}

impl Format {
    /// By the endings of a file's name; CSV where they say nothing else.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().to_ascii_lowercase());
        let name = name.unwrap_or_default();
        let (name, gzipped) = match name.strip_suffix(".gz") {
            Some(inner) => (inner, true),
            None => (name.as_str(), false),
        };
        let lines = [".jsonl", ".ndjson"].iter().any(|ending| name.ends_with(ending));
        match (lines, gzipped) {
            (true, true) => Self::JsonLinesGz,
            (true, false) => Self::JsonLines,
            (false, false) if name.ends_with(".parquet") => Self::Parquet,
            (false, true) => Self::CsvGz,
            (false, false) => Self::Csv,
        }
    }

    /// Whether gzip is to be unpacked.
    pub(super) const fn is_gzipped(self) -> bool {
        matches!(self, Self::CsvGz | Self::JsonLinesGz)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_is_in_it() {
        for (name, format) in [
            ("a/usdcop_5m.csv.gz", Format::CsvGz),
            ("X.PARQUET", Format::Parquet),
            ("bars.jsonl", Format::JsonLines),
            ("bars.ndjson.gz", Format::JsonLinesGz),
            ("bars", Format::Csv),
            ("bars.txt.gz", Format::CsvGz),
        ] {
            assert_eq!(Format::of(Path::new(name)), format, "{name}");
        }
        let word = serde_json::to_string(&Format::CsvGz).unwrap();
        assert_eq!(word, "\"csv.gz\"");
    }
}
