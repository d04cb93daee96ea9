//! How a verb fails: what, where, what to do, and an exit code that scripts can rely on.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

/// What the process tells its parent; the numbers are `sysexits.h` where it has one, and the engine's. Listed in `control --help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// A check found a difference.
    Differs = 1,
    /// The command line is wrong.
    Usage = 2,
    /// An input is not acceptable.
    Data = 65,
    /// A named file cannot be read.
    NoInput = 66,
    /// Something needed is not there.
    Unavailable = 69,
    /// A fault of the program itself.
    Software = 70,
    /// A file cannot be written.
    Io = 74,
    /// A signature, key, login or right is missing or wrong.
    Refused = 77,
    /// The configuration is wrong.
    Config = 78,
}

impl Exit {
    /// All of them, as the help lists them.
    pub const ALL: [Self; 10] = [
        Self::Done,
        Self::Differs,
        Self::Usage,
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
            .or_exit(Exit::Io, "cannot write keys", "free some space")
            .unwrap_err();
        assert_eq!(
            error.report(),
            "error: cannot write keys\n  because: disk on fire\n  to do: free some space\n"
        );
        assert_eq!(error.exit().code(), 74);
    }
}
