//! Looking into a model file that somebody sent: in a process of its own, without keys, with limits, thrown away afterwards.
//!
//! The child is this program's hidden verb `inspect-model`. It gets the question and the model by stdin and answers by stdout; its
//! environment holds nothing but where ONNX Runtime lies, and the kernel gives it no socket and no other process. Whatever becomes of it
//! (a crash, a hang, too much memory) is a refusal.

pub mod child;
#[cfg(target_os = "linux")]
mod filter;
pub mod wire;

use std::io::{BufReader, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use contracts::limits::MODEL_BYTES_MAX;
use strategy::policy::library::{self, LibraryError};

use self::wire::{Ask, Found, Report};
use crate::limits::{
    INSPECTION_CPU_S, INSPECTION_DETAIL_CHARS_MAX, INSPECTION_LINE_BYTES_MAX, INSPECTION_MEMORY_BYTES,
    INSPECTION_WALL_S,
};

/// The verb of the child.
pub const VERB: &str = "inspect-model";

/// How models are inspected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspector {
    /// The program with the verb; `None` is the running one.
    pub program: Option<PathBuf>,
    /// How long it may take.
    pub wall: Duration,
}

impl Default for Inspector {
    fn default() -> Self {
        Self {
            program: None,
            wall: Duration::from_secs(INSPECTION_WALL_S),
        }
    }
}

/// A model that fits, and its reduced graph (empty where the original runs).
#[derive(Debug, Clone, PartialEq)]
pub struct Inspected {
    /// What was found.
    pub found: Found,
    /// The reduced graph's file.
    pub graph: Vec<u8>,
}

/// Why there is no such answer.
#[derive(Debug, thiserror::Error)]
pub enum InspectionError {
    /// The model is refused, for the reason the code names.
    #[error("{detail}")]
    Refused {
        /// A stable word of [`strategy::onnx::inspect::InspectError::code`], or `self_check_failed`.
        code: String,
        /// For people.
        detail: String,
    },
    /// The inspection ended without an answer: the model made it crash, or asked for too much memory or time.
    #[error(
        "the inspection of the model {how}; it has {} MiB and {INSPECTION_CPU_S} s of processor time",
        INSPECTION_MEMORY_BYTES >> 20
    )]
    Died {
        /// In words.
        how: String,
    },
    /// It went on for too long.
    #[error("the inspection of the model did not end within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    /// What it answered is no answer to the question.
    #[error("the inspection of the model gave no usable answer: {0}")]
    Nonsense(String),
    /// ONNX Runtime is missing on this host.
    #[error("ONNX Runtime is needed to inspect models")]
    Runtime(#[source] LibraryError),
    /// The child cannot be started.
    #[error("the inspecting process cannot be started")]
    Start(#[source] std::io::Error),
}

impl InspectionError {
    /// A stable word for programs.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } => code,
            Self::Died { .. } => "inspection_died",
            Self::TimedOut(_) => "inspection_timed_out",
            Self::Nonsense(_) => "inspection_failed",
            Self::Runtime(_) => "runtime_missing",
            Self::Start(_) => "inspection_not_started",
        }
    }
}

impl Inspector {
    /// Inspects; it takes seconds, so keep it off the async threads.
    ///
    /// # Errors
    /// [`InspectionError`].
    ///
    /// # Panics
    /// Never: the child's ends are asked for.
    pub fn inspect(&self, ask: &Ask, model: &[u8]) -> Result<Inspected, InspectionError> {
        if model.len() > MODEL_BYTES_MAX {
            return Err(InspectionError::Refused {
                code: "model_too_large".to_owned(),
                detail: format!("the model has more than {MODEL_BYTES_MAX} bytes"),
            });
        }
        let library = library::find().map_err(InspectionError::Runtime)?;
        let library = std::path::absolute(library).map_err(InspectionError::Start)?;
        let program = match &self.program {
            Some(program) => program.clone(),
            None => std::env::current_exe().map_err(InspectionError::Start)?,
        };
        let mut child = Command::new(program)
            .arg(VERB)
            .env_clear()
            .env("ORT_DYLIB_PATH", library)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(InspectionError::Start)?;
        let input = child.stdin.take().expect("it is piped");
        let output = child.stdout.take().expect("it is piped");
        let (said, status) = std::thread::scope(|scope| {
            scope.spawn(move || tell(input, ask, model));
            let (done, ended) = mpsc::channel();
            scope.spawn(move || {
                let mut bytes = Vec::new();
                let most = (INSPECTION_LINE_BYTES_MAX + MODEL_BYTES_MAX + 1) as u64;
                let read = output.take(most).read_to_end(&mut bytes);
                // Nobody waits any more when the time is over.
                drop(done.send(read.map(|_| bytes)));
            });
            let said = ended.recv_timeout(self.wall);
            // It has said all it will say. One that ended by itself keeps its status; both threads end with it.
            let killed = child.kill();
            (said, killed.and_then(|()| child.wait()))
        });
        let said = said.map_err(|_| InspectionError::TimedOut(self.wall))?;
        let said = said.unwrap_or_default();
        let (report, graph): (Report, Vec<u8>) = wire::read(BufReader::new(said.as_slice()))
            .map_err(|error| no_answer(&said, status.ok(), &error.to_string()))?;
        match report {
            Report::Refused { code, detail } => Err(refused(code, detail)),
            Report::Fits(found) => match found.check(ask, &graph) {
                Ok(()) => Ok(Inspected { found, graph }),
                Err(what) => Err(InspectionError::Nonsense(what.to_owned())),
            },
        }
    }
}

/// One that ends before it has heard everything says why by other means.
fn tell(mut input: ChildStdin, ask: &Ask, model: &[u8]) {
    drop(wire::write(&mut input, ask, model));
}

/// Both go into answers and logs: only a word is a code, and a detail is short and printable.
fn refused(code: String, detail: String) -> InspectionError {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if (1..=64).contains(&code.len()) && code.bytes().all(word) {
        let shown = detail.chars().filter(|char| printable(*char));
        InspectionError::Refused {
            code,
            detail: shown.take(INSPECTION_DETAIL_CHARS_MAX).collect(),
        }
    } else {
        InspectionError::Nonsense("its refusal has no code".to_owned())
    }
}

/// Neither a control character nor one that hides or turns round what stands beside it.
fn printable(char: char) -> bool {
    let unseen = matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !char.is_control() && !unseen
}

fn no_answer(said: &[u8], status: Option<ExitStatus>, error: &str) -> InspectionError {
    if !said.is_empty() {
        return InspectionError::Nonsense(error.to_owned());
    }
    let how = match status.map(|status| (status.signal(), status.code())) {
        Some((Some(libc::SIGXCPU), _)) => "took too much processor time".to_owned(),
        Some((Some(signal), _)) => format!("was ended by signal {signal}"),
        Some((None, Some(code))) => format!("ended with exit code {code}"),
        _ => "ended without a word".to_owned(),
    };
    InspectionError::Died { how }
}
