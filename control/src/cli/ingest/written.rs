//! The report's files, whole or not at all.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::{CliError, Exit, OrExit as _};
use crate::whole::write_whole;

/// What `--report` asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    html: Option<PathBuf>,
    json: PathBuf,
}

impl Report {
    /// By the ending of the file's name.
    ///
    /// # Errors
    /// [`Exit::Usage`].
    pub fn at(path: &Path) -> Result<Self, CliError> {
        let ending = path.extension().and_then(|ending| ending.to_str());
        match ending.map(str::to_ascii_lowercase).as_deref() {
            Some("html" | "htm") => Ok(Self {
                html: Some(path.to_owned()),
                json: path.with_extension("json"),
            }),
            Some("json") => Ok(Self {
                html: None,
                json: path.to_owned(),
            }),
            _ => Err(CliError::new(
                Exit::Usage,
                format!("--report {} is neither .html nor .json", path.display()),
                "name FILE.html (the JSON goes beside it) or FILE.json",
            )),
        }
    }

    /// Writes them; their names.
    ///
    /// # Errors
    /// [`Exit::Io`].
    pub fn write(
        &self,
        document: &impl Serialize,
        html: impl FnOnce() -> String,
    ) -> Result<Vec<String>, CliError> {
        let json = serde_json::to_vec_pretty(document).or_exit(
            Exit::Software,
            "the report is no JSON",
            "this is a fault of the program",
        )?;
        let mut names = Vec::new();
        if let Some(path) = &self.html {
            put(path, html().as_bytes())?;
            names.push(path.display().to_string());
        }
        put(&self.json, &json)?;
        names.push(self.json.display().to_string());
        Ok(names)
    }
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let here = path.parent().is_none_or(|folder| folder.as_os_str().is_empty());
    let whole = if here {
        Path::new(".").join(path)
    } else {
        path.to_owned()
    };
    write_whole(&whole, bytes).or_exit(
        Exit::Io,
        format!("cannot write {}", path.display()),
        "check the folder, its rights and its room",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_goes_beside_the_page() {
        let both = Report::at(Path::new("a/r.html")).unwrap();
        assert_eq!(both.json, Path::new("a/r.json"));
        assert_eq!(Report::at(Path::new("r.json")).unwrap().html, None);
        assert_eq!(Report::at(Path::new("r.pdf")).unwrap_err().exit(), Exit::Usage);
    }
}
