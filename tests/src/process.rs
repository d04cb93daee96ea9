//! Child processes of end-to-end tests: started, read line by line, and always ended.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use crate::guard::HANG;

/// Which of the child's streams is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// Lines of stdout; stderr goes to the test's own.
    Stdout,
    /// Lines of stderr; stdout is discarded.
    Stderr,
}

/// A child process whose lines are waited for. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    name: String,
}

impl Process {
    /// Starts `program`.
    ///
    /// # Panics
    /// When it cannot be started: the message names it.
    #[must_use]
    pub fn start<A: AsRef<OsStr>>(
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = A>,
        watch: Watch,
    ) -> Self {
        let mut command = Command::new(program);
        command.args(args);
        Self::start_command(command, watch)
    }

    /// Starts a prepared command (environment, current folder).
    ///
    /// # Panics
    /// When it cannot be started: the message names it.
    #[must_use]
    pub fn start_command(mut command: Command, watch: Watch) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let (out, err) = match watch {
            Watch::Stdout => (Stdio::piped(), Stdio::inherit()),
            Watch::Stderr => (Stdio::null(), Stdio::piped()),
        };
        let started = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
        let mut child = started.unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let stream: Box<dyn std::io::Read + Send> = match watch {
            Watch::Stdout => Box::new(child.stdout.take().expect("stdout is piped")),
            Watch::Stderr => Box::new(child.stderr.take().expect("stderr is piped")),
        };
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines, name }
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line, `None` at the end of the stream.
    ///
    /// # Panics
    /// When nothing comes within [`HANG`].
    pub fn line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(HANG) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                panic!("hang: {} said nothing for {} s", self.name, HANG.as_secs())
            }
        }
    }

    /// Reads on until a line satisfies `wanted` and returns it.
    ///
    /// # Panics
    /// When the stream ends first, with the lines that came; or when nothing comes within [`HANG`].
    pub fn line_where(&mut self, mut wanted: impl FnMut(&str) -> bool) -> String {
        let mut seen = Vec::new();
        while let Some(line) = self.line() {
            if wanted(&line) {
                return line;
            }
            seen.push(line);
        }
        panic!(
            "{} ended before the line came that the test waits for; it said:\n{}",
            self.name,
            seen.join("\n")
        );
    }

    /// Sends a signal, such as `libc::SIGTERM`.
    ///
    /// # Panics
    /// When the process id does not fit the platform's type.
    pub fn signal(&self, signal: i32) {
        let pid = libc::pid_t::try_from(self.child.id()).expect("process ids fit pid_t");
        // SAFETY: kill(2) takes two integers and touches no memory of ours; the child has not been waited for, so the id
        // still belongs to it.
        unsafe {
            libc::kill(pid, signal);
        }
    }

    /// From here on it can make no file longer than `bytes`: a disk that is full, as far as the child can tell.
    ///
    /// The child must ignore `SIGXFSZ`, or the first write too many ends it.
    ///
    /// # Panics
    /// When the system refuses.
    pub fn limit_files(&self, bytes: u64) {
        let pid = libc::pid_t::try_from(self.child.id()).expect("process ids fit pid_t");
        let limit = libc::rlimit {
            rlim_cur: bytes,
            rlim_max: libc::RLIM_INFINITY,
        };
        // SAFETY: prlimit(2) reads one rlimit that lives through the call and writes nothing, as the old limit is not asked for;
        // the child has not been waited for, so the id still belongs to it.
        let refused =
            unsafe { libc::prlimit(pid, libc::RLIMIT_FSIZE, &raw const limit, std::ptr::null_mut()) };
        assert_eq!(refused, 0, "prlimit: {}", std::io::Error::last_os_error());
    }

    /// Kills it at once (SIGKILL) and waits.
    ///
    /// # Panics
    /// When the system will not say how it ended.
    pub fn kill(&mut self) -> ExitStatus {
        drop(self.child.kill());
        self.child.wait().expect("a started child can be waited for")
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it goes on for [`HANG`] after its stream was closed, or the system will not say how it ended.
    pub fn end(mut self) -> ExitStatus {
        let _guard = crate::guard::HangGuard::new(format!("the end of {}", self.name));
        while self.lines.recv().is_ok() {}
        self.child.wait().expect("a started child can be waited for")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A binary of this workspace, built by the same cargo command as the running test.
///
/// # Panics
/// When it is not there; the message says what builds it.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    let found = test
        .ancestors()
        .skip(1)
        .take(3)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!(
            "no `{name}` beside {}: run `cargo build --bin {name}`",
            test.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_order_and_the_end_is_seen() {
        let mut child = Process::start("sh", ["-c", "echo one; echo two; exit 3"], Watch::Stdout);
        assert_eq!(child.line_where(|line| line == "two"), "two");
        assert_eq!(child.line(), None);
        assert_eq!(child.end().code(), Some(3));
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let mut child = Process::start("sh", ["-c", "echo up >&2; exec cat /dev/zero"], Watch::Stderr);
        assert_eq!(child.line().as_deref(), Some("up"));
        let path = format!("/proc/{}", child.id());
        drop(child);
        assert!(!std::path::Path::new(&path).exists());
    }

    #[test]
    fn a_signal_reaches_it() {
        let child = Process::start("sh", ["-c", "echo up; exec cat /dev/zero"], Watch::Stderr);
        child.signal(libc::SIGTERM);
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&child.end()),
            Some(libc::SIGTERM)
        );
    }
}
