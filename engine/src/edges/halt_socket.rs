//! `engine halt` and `engine resume` from the engine's own host: a Unix socket that only its owner can open.
//!
//! One request and one answer per connection, one JSON object per line. The answer comes after the journal has the records
//! on disk. A halt needs no signature: whoever may open the socket could as well stop the process. Clearing a latch does.

use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contracts::reason::Latch;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::control::{ControlError, ControlSender};
use crate::core::input::Input;
use crate::follower::gate::{self, DirectiveGate};
use crate::limits::{HALT_REQUEST_BYTES_MAX, HALT_REQUEST_WITHIN_MS};

/// What an operator asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Set the local latch.
    Halt {},
    /// Hand in a signed directive that names latches in `clears`.
    Resume {
        /// The directive's JSON text.
        directive: String,
    },
}

/// What the engine answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Answer {
    /// In force, journaled and on disk.
    Done {
        /// Number of the last record it caused.
        lsn: u64,
    },
    /// Nothing was changed, unless the code is `not_written`: then it is in force and not on disk.
    Refused {
        /// A stable word.
        code: String,
        /// What and why.
        detail: String,
    },
}

/// Why the socket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum HaltSocketError {
    /// Another process answers there: an engine runs with this socket already.
    #[error("another engine answers on {path}")]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// The file system says no.
    #[error("cannot open the halt socket {path}")]
    Bind {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The server; owns its socket file and removes it when dropped.
#[derive(Debug)]
pub struct HaltSocket {
    path: PathBuf,
    listener: UnixListener,
}

impl HaltSocket {
    /// Opens the socket, mode 0600 from its first moment. A file left behind by an engine that died is replaced.
    ///
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`HaltSocketError`].
    pub fn bind(path: &Path) -> Result<Self, HaltSocketError> {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(HaltSocketError::InUse {
                path: path.to_owned(),
            });
        }
        let listener = bind_private(path).map_err(|source| HaltSocketError::Bind {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            listener,
        })
    }

    /// Answers requests until the future is dropped.
    pub async fn run(self, control: ControlSender, gate: Arc<Mutex<DirectiveGate>>) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let (control, gate) = (control.clone(), Arc::clone(&gate));
                    tokio::spawn(async move {
                        let within = Duration::from_millis(HALT_REQUEST_WITHIN_MS);
                        match tokio::time::timeout(within, serve(stream, &control, &gate)).await {
                            Ok(Ok(())) => {}
                            Ok(Err(error)) => tracing::warn!(%error, "halt socket: a peer went away"),
                            Err(_) => tracing::warn!("halt socket: a peer took too long"),
                        }
                    });
                }
                Err(error) => {
                    tracing::error!(%error, "halt socket: cannot accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl Drop for HaltSocket {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the halt socket");
        }
    }
}

/// Binds inside a folder nobody else can enter, narrows the mode, and only then moves the socket to its place.
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let folder = parent.join(format!(".h{}", std::process::id()));
    std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
    let inner = folder.join("s");
    let bound = UnixListener::bind(&inner).and_then(|listener| {
        std::fs::set_permissions(&inner, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&inner, path)?;
        Ok(listener)
    });
    if bound.is_err() {
        // Left-overs of a failed attempt; the failure itself is what is reported.
        drop(std::fs::remove_file(&inner));
    }
    drop(std::fs::remove_dir(&folder));
    bound
}

async fn serve(stream: UnixStream, control: &ControlSender, gate: &Mutex<DirectiveGate>) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let limit = u64::try_from(HALT_REQUEST_BYTES_MAX).unwrap_or(u64::MAX);
    BufReader::new(read.take(limit)).read_line(&mut line).await?;
    let answer = match serde_json::from_str(&line) {
        Ok(request) => answer(request, control, gate).await,
        Err(error) => refused("malformed", format!("no request: {error}")),
    };
    let mut text = serde_json::to_string(&answer)?;
    text.push('\n');
    write.write_all(text.as_bytes()).await?;
    write.shutdown().await
}

fn refused(code: &str, detail: impl Into<String>) -> Answer {
    Answer::Refused {
        code: code.to_owned(),
        detail: detail.into(),
    }
}

/// Carries a request out.
pub async fn answer(request: Request, control: &ControlSender, gate: &Mutex<DirectiveGate>) -> Answer {
    let submitted = match request {
        Request::Halt {} => {
            tracing::warn!("halt requested on the local socket");
            control.submit(Input::Halt { latch: Latch::Local })
        }
        Request::Resume { directive } => {
            // Checked and handed in under one lock, so that two directives reach the cores in the order of their numbers.
            let mut gate = gate.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let json = directive.as_bytes();
            let directive = match gate.check(json) {
                Ok(directive) if directive.clears.is_empty() => {
                    return refused("clears_nothing", "the directive names no latch in `clears`");
                }
                Ok(directive) => directive,
                Err(error) => return refused(error.code(), chain(&error)),
            };
            tracing::warn!(number = directive.number, clears = ?directive.clears, "a directive that clears latches was handed in");
            let submitted = control.submit(gate::input(&directive));
            if submitted.is_ok() {
                gate.accept(&directive, json);
            }
            submitted
        }
    };
    let outcome = match submitted {
        Ok(acknowledgement) => acknowledgement.wait().await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(synced) => Answer::Done { lsn: synced.lsn },
        Err(error) => {
            let code = match error {
                ControlError::Full => "full",
                ControlError::NotWritten => "not_written",
                ControlError::Ended => "ended",
            };
            refused(code, error.to_string())
        }
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, Write as _};

    use super::*;
    use crate::edges::control::{ControlReceiver, Synced, control_queue};
    use crate::follower::gate::tests::{gate, signed};

    struct Rig {
        _folder: tempfile::TempDir,
        path: PathBuf,
        receiver: ControlReceiver,
        woken: tokio::sync::mpsc::UnboundedReceiver<()>,
        server: tokio::task::JoinHandle<()>,
    }

    fn rig() -> Rig {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.sock");
        let (wake, woken) = tokio::sync::mpsc::unbounded_channel();
        let (sender, receiver) = control_queue(move || {
            let _ended = wake.send(());
        });
        let socket = HaltSocket::bind(&path).unwrap();
        let server = tokio::spawn(socket.run(sender, Arc::new(Mutex::new(gate()))));
        Rig {
            _folder: folder,
            path,
            receiver,
            woken,
            server,
        }
    }

    async fn ask(path: &Path, request: String) -> Answer {
        let path = path.to_owned();
        let line = tokio::task::spawn_blocking(move || {
            let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            stream.write_all(b"\n").unwrap();
            let mut line = String::new();
            std::io::BufReader::new(stream).read_line(&mut line).unwrap();
            line
        });
        serde_json::from_str(&line.await.unwrap()).unwrap()
    }

    fn text(request: &Request) -> String {
        serde_json::to_string(request).unwrap()
    }

    #[tokio::test]
    async fn a_halt_is_answered_only_after_the_journal_is_on_disk() {
        let mut rig = rig();
        let asked = tokio::spawn({
            let path = rig.path.clone();
            async move { ask(&path, text(&Request::Halt {})).await }
        });
        rig.woken.recv().await.unwrap();
        let pending = rig.receiver.pop().unwrap();
        assert_eq!(pending.input, Input::Halt { latch: Latch::Local });
        assert!(!asked.is_finished());
        pending.acknowledge(Ok(Synced { lsn: 41 }));
        assert_eq!(asked.await.unwrap(), Answer::Done { lsn: 41 });
    }

    #[tokio::test]
    async fn a_failed_write_is_told() {
        let mut rig = rig();
        let asked = tokio::spawn({
            let path = rig.path.clone();
            async move { ask(&path, text(&Request::Halt {})).await }
        });
        rig.woken.recv().await.unwrap();
        rig.receiver
            .pop()
            .unwrap()
            .acknowledge(Err(ControlError::NotWritten));
        let Answer::Refused { code, .. } = asked.await.unwrap() else {
            panic!("not refused")
        };
        assert_eq!(code, "not_written");
    }

    #[tokio::test]
    async fn only_a_directive_that_names_a_latch_resumes() {
        let mut rig = rig();
        let resume = |json: Vec<u8>| {
            text(&Request::Resume {
                directive: String::from_utf8(json).unwrap(),
            })
        };
        for (json, expected) in [
            (signed(|_| ()), "clears_nothing"),
            (signed(|d| d.number = 1), "replayed"),
            (b"{}".to_vec(), "malformed"),
        ] {
            let Answer::Refused { code, .. } = ask(&rig.path, resume(json)).await else {
                panic!("not refused: {expected}")
            };
            assert_eq!(code, expected);
        }
        assert!(
            rig.receiver.pop().is_none(),
            "a refused directive reaches no core"
        );

        let good = signed(|d| d.clears = vec![Latch::Local]);
        let asked = tokio::spawn({
            let (path, request) = (rig.path.clone(), resume(good.clone()));
            async move { ask(&path, request).await }
        });
        rig.woken.recv().await.unwrap();
        rig.receiver.pop().unwrap().acknowledge(Ok(Synced { lsn: 1 }));
        assert_eq!(asked.await.unwrap(), Answer::Done { lsn: 1 });
        let Answer::Refused { code, .. } = ask(&rig.path, resume(good)).await else {
            panic!("accepted twice")
        };
        assert_eq!(code, "replayed");
    }

    #[tokio::test]
    async fn the_socket_is_private_unique_and_survives_a_dead_predecessor() {
        let rig = rig();
        let mode = std::fs::metadata(&rig.path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        assert!(matches!(
            HaltSocket::bind(&rig.path),
            Err(HaltSocketError::InUse { .. })
        ));
        rig.server.abort();
        assert!(rig.server.await.unwrap_err().is_cancelled());
        assert!(!rig.path.exists(), "the socket file goes with the server");
        // A predecessor that was killed leaves the file behind.
        drop(std::os::unix::net::UnixListener::bind(&rig.path).unwrap());
        assert!(rig.path.exists());
        let _again = HaltSocket::bind(&rig.path).unwrap();
    }

    #[tokio::test]
    async fn what_is_no_request_is_refused_by_name() {
        let rig = rig();
        for bad in ["", "halt", r#"{"op":"resume"}"#, r#"{"op":"halt","more":1}"#] {
            let Answer::Refused { code, .. } = ask(&rig.path, bad.to_owned()).await else {
                panic!("accepted {bad}")
            };
            assert_eq!(code, "malformed", "{bad}");
        }
    }
}
