//! The client's side of the halt socket, for `engine halt` and `engine resume`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::out::Stdout;
use super::{CliError, Exit, OrExit};
use crate::edges::halt_socket::{Answer, Request};
use crate::limits::HALT_REQUEST_WITHIN_MS;

/// Where `engine.toml` has the socket by default.
pub const SOCKET_DEFAULT: &str = "state/halt.sock";

/// Sends a request, waits for the answer and prints it.
///
/// # Errors
/// [`Exit::Unavailable`] when no engine answers, [`Exit::Refused`] when it refuses, [`Exit::Io`] when its journal failed.
pub fn ask(socket: &Path, request: &Request) -> Result<(), CliError> {
    let place = socket.display();
    let unreachable = "is the engine running, and is this its socket ([halt] socket in engine.toml)? stopping the process also ends its signals";
    let stream = UnixStream::connect(socket).or_exit(
        Exit::Unavailable,
        format!("no engine answers on {place}"),
        unreachable,
    )?;
    let no_answer = || format!("the engine on {place} gave no answer");
    let mut line = String::new();
    let talk = |line: &mut String| -> std::io::Result<()> {
        // The engine gives up first and says so; this is the guard against one that is stuck altogether.
        stream.set_read_timeout(Some(Duration::from_millis(2 * HALT_REQUEST_WITHIN_MS)))?;
        let mut text = serde_json::to_string(request)?;
        text.push('\n');
        (&stream).write_all(text.as_bytes())?;
        BufReader::new(&stream).read_line(line)?;
        Ok(())
    };
    talk(&mut line).or_exit(
        Exit::Unavailable,
        no_answer(),
        "look at its log; stop the process if it must not signal",
    )?;
    match serde_json::from_str(&line) {
        Ok(Answer::Done { .. }) => {
            let mut out = Stdout::buffered();
            out.line(line.trim_end())?;
            out.finish()
        }
        Ok(Answer::Refused { code, detail }) => {
            let (exit, remedy) = match code.as_str() {
                "not_written" => (
                    Exit::Io,
                    "the engine ends; make room on its disk and start it again",
                ),
                "full" | "ended" => (Exit::Unavailable, "look at its log"),
                _ => (
                    Exit::Refused,
                    "ask the control plane for a directive for this engine",
                ),
            };
            Err(CliError::new(exit, format!("{code}: {detail}"), remedy))
        }
        Err(error) => Err(error).or_exit(
            Exit::Unavailable,
            no_answer(),
            "it went away before it answered; look at its log",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// An engine that reads one request and answers `line`.
    fn answering(line: &'static str) -> (tempfile::TempDir, std::thread::JoinHandle<String>) {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("s")).unwrap();
        let engine = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut request = String::new();
            BufReader::new(&stream).read_line(&mut request).unwrap();
            (&stream).write_all(line.as_bytes()).unwrap();
            request
        });
        (folder, engine)
    }

    #[test]
    fn each_answer_has_its_exit_code() {
        for (line, exit) in [
            ("{\"lsn\":3}\n", None),
            ("{\"code\":\"replayed\",\"detail\":\"x\"}\n", Some(Exit::Refused)),
            ("{\"code\":\"not_written\",\"detail\":\"x\"}\n", Some(Exit::Io)),
            ("", Some(Exit::Unavailable)),
        ] {
            let (folder, engine) = answering(line);
            let outcome = ask(&folder.path().join("s"), &Request::Halt {});
            assert_eq!(outcome.err().map(|error| error.exit()), exit, "{line}");
            assert_eq!(engine.join().unwrap(), "{\"op\":\"halt\"}\n");
        }
        let nobody = ask(Path::new("/nonexistent/socket"), &Request::Halt {});
        assert_eq!(nobody.unwrap_err().exit(), Exit::Unavailable);
    }
}
