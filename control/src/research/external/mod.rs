//! `trainer: command`: any program trains; it reads a job and writes an ONNX file.
//!
//! The program gets the job as a JSON file and the few paths it needs as environment variables, is told of the train and the validation split and
//! not of the test split, and writes one file. What it prints goes to our stderr and into a log beside the model. The file counts when the
//! program has ended with 0; one that was killed leaves nothing behind that could be taken for a model.

pub mod job;

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;

use contracts::limits::MODEL_BYTES_MAX;

use self::job::{Job, JobFiles};
use crate::limits::TRAINER_LINE_BYTES_MAX;
use crate::whole::write_whole;

/// Variables that no trainer gets: our logins and tokens, and whatever is named like somebody's secret.
const WITHHELD_PREFIX: &str = "CONTROL_";
const WITHHELD_ENDINGS: [&str; 5] = ["_API_KEY", "_KEY", "_TOKEN", "_SECRET", "_PASSWORD"];

/// Why an external program gave no model.
#[derive(Debug, thiserror::Error)]
pub enum ExternalError {
    /// The experiment names no program.
    #[error("training.command is empty: name a program and its arguments")]
    NoProgram,
    /// The job or the log cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no such program, or it may not be run.
    #[error("cannot start `{program}`: it is looked for from the directory `control` was started in")]
    Start {
        /// As the experiment names it.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// It did not end well.
    #[error("`{program}` ended with {status}; {} holds what it printed", log.display())]
    Failed {
        /// As the experiment names it.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// What it printed.
        log: PathBuf,
    },
    /// It ended with 0 and left no file.
    #[error("`{program}` ended well and wrote no model to the path in {}", job::OUTPUT)]
    NoModel {
        /// As the experiment names it.
        program: String,
        /// Why it cannot be read.
        source: std::io::Error,
    },
    /// What it left is empty or larger than a model may be.
    #[error("`{program}` wrote {bytes} bytes; a model has 1 to {MODEL_BYTES_MAX}")]
    Size {
        /// As the experiment names it.
        program: String,
        /// How many.
        bytes: u64,
    },
}

/// Runs the program of a job in the directory this process was started in and takes what it made; `heard` gets every line it prints.
///
/// # Errors
/// [`ExternalError`]; the folder then holds the job and the log, and no model.
///
/// # Panics
/// Never: the child's ends are asked for.
pub fn train(
    job: &Job<'_>,
    command: &[String],
    folder: &Path,
    heard: &(dyn Fn(&str) + Sync),
) -> Result<Vec<u8>, ExternalError> {
    let (program, words) = command.split_first().ok_or(ExternalError::NoProgram)?;
    let files = JobFiles::in_folder(folder);
    let wrote = |path: &Path| {
        let path = path.to_owned();
        move |source| ExternalError::Write { path, source }
    };
    write_whole(&files.job, &job.bytes(&files)).map_err(wrote(&files.job))?;
    // What an earlier attempt left is no model of this one.
    gone(&files.output).map_err(wrote(&files.output))?;
    let log = std::fs::File::create(&files.log).map_err(wrote(&files.log))?;
    let mut child = start(program, words, job, &files)?;
    let log = Mutex::new(log);
    let (out, err) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        scope.spawn(|| relay(out.expect("it is piped"), &log, heard));
        scope.spawn(|| relay(err.expect("it is piped"), &log, heard));
    });
    let name = || program.clone();
    let status = child.wait().map_err(|source| ExternalError::Start {
        program: name(),
        source,
    })?;
    if !status.success() {
        return Err(ExternalError::Failed {
            program: name(),
            status,
            log: files.log,
        });
    }
    let none = |source| ExternalError::NoModel {
        program: name(),
        source,
    };
    let bytes = std::fs::metadata(&files.output).map_err(none)?.len();
    if bytes == 0 || bytes > MODEL_BYTES_MAX as u64 {
        return Err(ExternalError::Size {
            program: name(),
            bytes,
        });
    }
    let model = std::fs::read(&files.output).map_err(none)?;
    gone(&files.output).map_err(wrote(&files.output))?;
    Ok(model)
}

fn start(program: &str, words: &[String], job: &Job<'_>, files: &JobFiles) -> Result<Child, ExternalError> {
    let mut command = Command::new(program);
    command
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, _) in std::env::vars_os() {
        if withheld(&name.to_string_lossy()) {
            command.env_remove(name);
        }
    }
    command.envs(job.variables(files));
    ends_with_us(&mut command);
    command.spawn().map_err(|source| ExternalError::Start {
        program: program.to_owned(),
        source,
    })
}

fn withheld(name: &str) -> bool {
    name.starts_with(WITHHELD_PREFIX) || WITHHELD_ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Has the kernel end the program when this process is killed: the next attempt must not find it still at work.
#[cfg(target_os = "linux")]
fn ends_with_us(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    let request = || {
        // SAFETY: prctl(PR_SET_PDEATHSIG) takes integers and touches no memory; it is async-signal-safe, as the moment between fork and exec
        // demands.
        match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    // SAFETY: the closure makes one async-signal-safe call and allocates nothing.
    unsafe { command.pre_exec(request) };
}

/// Only Linux has the request; elsewhere Ctrl-C reaches the whole group, and every attempt writes to a file of its own.
#[cfg(not(target_os = "linux"))]
const fn ends_with_us(_: &mut Command) {}

/// Hands lines on until the other end closes; a line longer than the limit comes in pieces, one that is no UTF-8 with marks for it.
fn relay(from: impl Read, log: &Mutex<std::fs::File>, heard: &(dyn Fn(&str) + Sync)) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        match from
            .by_ref()
            .take(TRAINER_LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)
        {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        heard(text.trim_end());
        if let Ok(mut log) = log.lock() {
            // A full disk must not end the training; the model's own write will tell.
            drop(writeln!(log, "{}", text.trim_end()));
        }
    }
}

fn gone(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
