//! How a verb fails: what, where, what to do, and an exit code that scripts can rely on.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

/// What the process tells its parent; the numbers are `sysexits.h` where it has one. Listed in each program's `--help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// A check found a difference.
    Differs = 1,
    /// The command line is wrong.
    Usage = 2,
    /// `engine replay --verify` under other numerics: actions agree, bits were not compared.
    OtherNumerics = 3,
    /// An input is not acceptable.
    Data = 65,
    /// A named file cannot be read.
    NoInput = 66,
    /// Something needed is not there.
    Unavailable = 69,
    /// A fault of the program itself.
    Software = 70,
    /// A file cannot be written; for `engine run` the journal.
    Io = 74,
    /// A signature, key, token or right is missing or wrong.
    Refused = 77,
    /// The configuration is wrong.
    Config = 78,
}

impl Exit {
    /// All of them, as the help lists them.
    pub const ALL: [Self; 11] = [
        Self::Done,
        Self::Differs,
        Self::Usage,
        Self::OtherNumerics,
        Self::Data,
        Self::NoInput,
        Self::Unavailable,
        Self::Software,
        Self::Io,
        Self::Refused,
        Self::Config,
    ];

    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

type Source = Box<dyn Error + Send + Sync>;

/// A verb's failure. Printed once, by `main`.
#[derive(Debug)]
pub struct CliError {
    exit: Exit,
    what: String,
    remedy: String,
    source: Option<Source>,
}

impl CliError {
    /// A failure: `what` says what failed and where, `remedy` what the reader can do about it.
    #[must_use]
    pub fn new(exit: Exit, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            exit,
            what: what.into(),
            remedy: remedy.into(),
            source: None,
        }
    }

    /// The same with the error behind it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The exit code.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        self.exit
    }

    /// True when stdout's reader has gone (`engine tail … | head`): no failure of ours.
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        let mut next: Option<&(dyn Error + 'static)> = self.source();
        while let Some(error) = next {
            if let Some(io) = error.downcast_ref::<std::io::Error>() {
                return io.kind() == std::io::ErrorKind::BrokenPipe && self.exit == Exit::Io;
            }
            next = error.source();
        }
        false
    }

    /// The lines for stderr: the error, its causes, what to do.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = format!("error: {self}\n");
        let mut next = self.source();
        while let Some(cause) = next {
            text.push_str(&format!("  because: {cause}\n"));
            next = cause.source();
        }
        if !self.remedy.is_empty() {
            text.push_str(&format!("  to do: {}\n", self.remedy));
        }
        text
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for CliError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}

/// Turns any error into a [`CliError`] with an exit code, the place and the remedy.
pub trait OrExit<T> {
    /// `what` says what failed and where; `remedy` what to do.
    ///
    /// # Errors
    /// A [`CliError`] around the error.
    fn or_exit(self, exit: Exit, what: impl Into<String>, remedy: impl Into<String>) -> Result<T, CliError>;
}

impl<T, E: Into<Source>> OrExit<T> for Result<T, E> {
    fn or_exit(self, exit: Exit, what: impl Into<String>, remedy: impl Into<String>) -> Result<T, CliError> {
        self.map_err(|error| CliError::new(exit, what, remedy).caused_by(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_the_failure_its_causes_and_the_remedy() {
        let error = Err::<(), _>(std::io::Error::other("disk on fire"))
            .or_exit(Exit::Io, "cannot write journal/000001.seg", "free some space")
            .unwrap_err();
        assert_eq!(
            error.report(),
            "error: cannot write journal/000001.seg\n  because: disk on fire\n  to do: free some space\n"
        );
        assert_eq!(error.exit().code(), 74);
    }

    #[test]
    fn only_a_closed_stdout_counts_as_a_closed_pipe() {
        let pipe = || std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        let of = |exit| Err::<(), _>(pipe()).or_exit(exit, "x", "y").unwrap_err();
        assert!(of(Exit::Io).is_closed_pipe());
        assert!(
            !of(Exit::Unavailable).is_closed_pipe(),
            "a peer that hangs up is a failure"
        );
    }
}
