//! stdout as data: locked once, buffered, flushed at the end or per line for streams.

use std::fmt::Display;
use std::io::{BufWriter, StdoutLock, Write};

use super::{CliError, Exit, OrExit};

/// The data stream of a verb.
#[derive(Debug)]
pub struct Stdout {
    sink: BufWriter<StdoutLock<'static>>,
    each_line: bool,
}

impl Stdout {
    /// For a finite result: flushed by [`Stdout::finish`].
    #[must_use]
    pub fn buffered() -> Self {
        Self {
            sink: BufWriter::new(std::io::stdout().lock()),
            each_line: false,
        }
    }

    /// For a stream somebody is reading along: every line is flushed.
    #[must_use]
    pub fn per_line() -> Self {
        Self {
            each_line: true,
            ..Self::buffered()
        }
    }

    /// Writes one line.
    ///
    /// # Errors
    /// [`Exit::Io`]; when the reader has gone, `main` ends quietly.
    pub fn line(&mut self, text: impl Display) -> Result<(), CliError> {
        let written = writeln!(self.sink, "{text}");
        let flushed = if self.each_line {
            written.and_then(|()| self.sink.flush())
        } else {
            written
        };
        flushed.or_exit(Exit::Io, "cannot write to stdout", "")
    }

    /// Flushes what is left.
    ///
    /// # Errors
    /// As [`Stdout::line`].
    pub fn finish(mut self) -> Result<(), CliError> {
        self.sink.flush().or_exit(Exit::Io, "cannot write to stdout", "")
    }
}
