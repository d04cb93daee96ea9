//! stdout as data: text for people, or one JSON document with `--json`.

use std::io::Write;

use serde::Serialize;

use super::{CliError, Exit, OrExit};

/// What a verb writes to.
pub type Sink<'a> = &'a mut dyn Write;

/// How a verb answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::Args)]
pub struct Format {
    /// Writes one JSON document instead of text.
    #[arg(long)]
    pub json: bool,
}

impl Format {
    /// Writes `document`, or `text` for people.
    ///
    /// # Errors
    /// [`Exit::Io`].
    pub fn write(self, out: Sink<'_>, document: &impl Serialize, text: &str) -> Result<(), CliError> {
        let written = if self.json {
            serde_json::to_string_pretty(document)
                .map_err(std::io::Error::other)
                .and_then(|json| writeln!(out, "{json}"))
        } else {
            out.write_all(text.as_bytes())
        };
        written
            .and_then(|()| out.flush())
            .or_exit(Exit::Io, "cannot write to stdout", "")
    }
}
