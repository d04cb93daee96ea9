//! What a person is asked at the terminal: passwords, which are not shown, and whether they mean it.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::os::fd::AsRawFd as _;

use super::{CliError, Exit, OrExit};
use crate::limits::PASSWORD_BYTES_MAX;

/// Where a password comes from.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct PasswordArgs {
    /// Reads passwords from stdin, one a line, instead of asking for them.
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordArgs {
    /// A password that is there already.
    ///
    /// # Errors
    /// [`Exit::Usage`] without a terminal or a line on stdin.
    pub fn present(self, question: &str) -> Result<String, CliError> {
        if self.password_stdin {
            return line();
        }
        hidden(question)
    }

    /// A password to be: at the terminal it is asked for twice.
    ///
    /// # Errors
    /// [`Exit::Usage`] as [`Self::present`], and when the two differ.
    pub fn new_one(self, question: &str) -> Result<String, CliError> {
        if self.password_stdin {
            return line();
        }
        let first = hidden(question)?;
        if hidden("Once more: ")? == first {
            return Ok(first);
        }
        Err(CliError::new(
            Exit::Usage,
            "the two passwords differ",
            "try again",
        ))
    }
}

/// That there is somebody to ask.
///
/// # Errors
/// [`Exit::Usage`] without a terminal; `otherwise` says what a script does instead.
pub fn somebody(otherwise: &str) -> Result<(), CliError> {
    if std::io::stdin().is_terminal() {
        return Ok(());
    }
    Err(CliError::new(
        Exit::Usage,
        "there is no terminal to ask at",
        otherwise,
    ))
}

/// Whether somebody types `word`.
///
/// # Errors
/// [`Exit::Usage`] when stdin ends.
pub fn confirmed(question: &str, word: &str) -> Result<bool, CliError> {
    say(question);
    Ok(line()? == word)
}

fn say(text: &str) {
    let mut stderr = std::io::stderr();
    // Nobody to ask is found out by the answer that does not come.
    drop(stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()));
}

fn unreadable() -> CliError {
    CliError::new(Exit::Usage, "stdin has no line", "write one line per password")
}

/// One line of stdin, without its end.
fn line() -> Result<String, CliError> {
    let mut text = String::new();
    let most = (PASSWORD_BYTES_MAX + 2) as u64;
    let read = std::io::stdin().lock().take(most).read_line(&mut text);
    read.ok().filter(|read| *read > 0).ok_or_else(unreadable)?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// A line that the terminal does not show.
fn hidden(question: &str) -> Result<String, CliError> {
    somebody("give the password on stdin with --password-stdin")?;
    let silence = Silence::begin().or_exit(
        Exit::Unavailable,
        "the terminal goes on showing what is typed",
        "give the password on stdin with --password-stdin",
    )?;
    say(question);
    let answer = line();
    drop(silence);
    say("\n");
    answer
}

/// A terminal that shows nothing, until this is dropped.
struct Silence(libc::termios);

impl Silence {
    fn begin() -> std::io::Result<Self> {
        let stdin = std::io::stdin().as_raw_fd();
        // SAFETY: `termios` is plain numbers, for which zeros are a value; tcgetattr writes the whole of it through a pointer to a local.
        let before = unsafe {
            let mut state: libc::termios = std::mem::zeroed();
            if libc::tcgetattr(stdin, &raw mut state) != 0 {
                return Err(std::io::Error::last_os_error());
            }
            state
        };
        let mut silent = before;
        silent.c_lflag &= !libc::ECHO;
        // SAFETY: the pointer is to a local that tcgetattr filled.
        if unsafe { libc::tcsetattr(stdin, libc::TCSAFLUSH, &raw const silent) } != 0 {
            return Err(std::io::Error::last_os_error());
        }
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // SAFETY: the pointer is to the state that tcgetattr filled. A terminal that is gone shows nothing anyway.
        unsafe { libc::tcsetattr(std::io::stdin().as_raw_fd(), libc::TCSAFLUSH, &raw const self.0) };
    }
}
