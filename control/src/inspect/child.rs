//! The process that inspects: it limits itself before it reads the first byte of the model.

use std::io::{self, BufRead, Write};

use contracts::golden::GoldenSource;
use contracts::production::GoldenLimits;
use strategy::golden::check;
use strategy::golden::vectors;
use strategy::onnx::inspect::{InspectError, Inspection, Request, inspect};
use strategy::policy::PolicySource;
use strategy::policy::source::ModelRef;

use super::wire::{self, Ask, Found, Report, floats};
use crate::limits::{INSPECTION_CPU_S, INSPECTION_MEMORY_BYTES};

/// Takes memory, time, files, privileges, sockets and other processes from this process, for good.
///
/// # Errors
/// The system's; then nothing may be read.
pub fn restrict() -> io::Result<()> {
    let limits = [
        (libc::RLIMIT_AS, INSPECTION_MEMORY_BYTES),
        (libc::RLIMIT_CPU, INSPECTION_CPU_S),
        // No file grows, and nothing is left of a crash.
        (libc::RLIMIT_FSIZE, 0),
        (libc::RLIMIT_CORE, 0),
    ];
    for (resource, most) in limits {
        let limit = libc::rlimit {
            rlim_cur: most,
            rlim_max: most,
        };
        // SAFETY: `limit` lives until the call returns, which only reads it.
        if unsafe { libc::setrlimit(resource, &raw const limit) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    // ONNX Runtime keeps a file of its own under the user's cache: that it cannot write to it must not end the process.
    // SAFETY: ignoring a signal installs no handler.
    if unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) } == libc::SIG_ERR {
        return Err(io::Error::last_os_error());
    }
    #[cfg(target_os = "linux")]
    {
        // SAFETY: it takes numbers and changes a flag of this process.
        if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
            return Err(io::Error::last_os_error());
        }
        super::filter::install()?;
    }
    Ok(())
}

/// Reads one question, answers it.
///
/// # Errors
/// The streams', or a question that is none.
pub fn answer(input: impl BufRead, out: &mut impl Write) -> io::Result<()> {
    let (ask, model): (Ask, _) = wire::read(input)?;
    match look(&ask, &model) {
        Ok(inspection) => wire::write(
            out,
            &Report::Fits(Found::from(&inspection)),
            inspection.reduced().unwrap_or_default(),
        ),
        Err((code, detail)) => {
            let code = code.to_owned();
            wire::write(out, &Report::Refused { code, detail }, &[])
        }
    }
}

/// Inspects, and runs what was chosen on the golden rows as an engine will.
fn look(ask: &Ask, model: &[u8]) -> Result<Inspection, (&'static str, String)> {
    let rows = floats(&ask.golden);
    let request = Request {
        width: ask.width,
        rule: Some(&ask.rule),
        action_output: ask.action_output.as_deref(),
        executor: None,
        golden: &rows,
    };
    let inspection = inspect(model, &request).map_err(|error| (error.code(), told(&error)))?;
    let failed = |error: &(dyn std::error::Error + 'static)| ("self_check_failed", told(error));
    let golden = vectors(GoldenSource::Bars, &rows, ask.width, (&inspection).into());
    let golden = golden.map_err(|error| failed(&error))?;
    let (graph, bytes) = inspection.runs(model);
    let source = PolicySource::new(&ModelRef {
        bytes,
        graph,
        executor: inspection.executor,
        action_output: &inspection.action_output,
        kind: inspection.rule.kind(),
        width: ask.width,
    });
    let policy = source.and_then(|source| source.make(&rows));
    let mut policy = policy.map_err(|error| failed(&error))?;
    check::run(&mut policy, &inspection.rule, &golden, &GoldenLimits::default())
        .map_err(|error| failed(&error))?;
    Ok(inspection)
}

fn told(error: &(dyn std::error::Error + 'static)) -> String {
    match error.downcast_ref::<InspectError>() {
        // Its message holds that of its cause already.
        Some(error) => error.to_string(),
        None => crate::causes::causes(error),
    }
}
