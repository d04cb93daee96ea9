//! A thread that may make no system call but the named ones: the kernel kills the process at the first other.

#[cfg(target_os = "linux")]
use std::collections::BTreeMap;
#[cfg(target_os = "linux")]
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(target_os = "linux")]
use super::child;

/// Runs `steady` on a thread whose every system call but `allowed` (numbers such as `libc::SYS_write`) kills the process.
/// `prepare` runs before, unrestricted, on the same thread; `check` after, on another thread, with what `steady` left.
///
/// All of it happens in a child process started for `test` (see [`crate::test_name`]). A filter cannot be lifted again,
/// so the thread spins once it is done and the child leaves through another one. Where there is no seccomp, says so as a
/// skipped test.
///
/// # Panics
/// When the child fails or is killed: SIGSYS means a system call that is not allowed (`strace -f` names it).
#[cfg(target_os = "linux")]
pub fn under<S: Send>(
    test: &str,
    allowed: &[i64],
    prepare: impl FnOnce() -> S + Send,
    steady: impl FnOnce(&mut S) + Send,
    check: impl FnOnce(S),
) {
    if !child::is_child(test) {
        let output = child::again(test, &[]);
        let signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
        assert!(
            signal != Some(libc::SIGSYS),
            "{test}: a system call outside {allowed:?}; `strace -f` on the test binary with {}={test} names it",
            child::CHILD
        );
        let finished = String::from_utf8_lossy(&output.stdout).contains(FINISHED);
        if output.status.success() && finished {
            return;
        }
        child::assert_passed(&output);
    }
    let done = AtomicBool::new(false);
    let left = std::sync::Mutex::new(None);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut state = or_leave(prepare);
            // Held from before the filter: an uncontended lock makes no system call, but this way none is taken under it.
            let mut slot = left.lock().expect("nobody has failed with it");
            install(allowed);
            steady(&mut state);
            *slot = Some(state);
            // Its release may not wake anyone: the other side does not wait on the lock before `done`.
            drop(slot);
            done.store(true, Ordering::Release);
            loop {
                std::hint::spin_loop();
            }
        });
        let _guard = crate::guard::HangGuard::new(format!("{test} under its filter"));
        while !done.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        let state = left
            .lock()
            .expect("the other thread has let go")
            .take()
            .expect("it has left its state");
        or_leave(|| check(state));
        // The spinning thread can never end: the process leaves here, saying that it came this far.
        use std::io::Write as _;
        let mut out = std::io::stdout();
        writeln!(out, "{FINISHED}")
            .and_then(|()| out.flush())
            .expect("the parent reads");
        std::process::exit(0);
    });
}

/// As on Linux, but there is no seccomp: the test is counted as skipped.
#[cfg(not(target_os = "linux"))]
pub fn under<S: Send>(
    test: &str,
    _allowed: &[i64],
    _prepare: impl FnOnce() -> S + Send,
    _steady: impl FnOnce(&mut S) + Send,
    _check: impl FnOnce(S),
) {
    crate::skipped(test, "seccomp is Linux's");
}

/// A panic would wait for the other thread for ever: it has been printed, the process leaves with it.
#[cfg(target_os = "linux")]
fn or_leave<T>(body: impl FnOnce() -> T) -> T {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)) {
        Ok(value) => value,
        Err(_) => std::process::exit(101),
    }
}

#[cfg(target_os = "linux")]
const FINISHED: &str = "steady state finished under its filter";

#[cfg(target_os = "linux")]
fn install(allowed: &[i64]) {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
    let arch: TargetArch = std::env::consts::ARCH
        .try_into()
        .expect("seccomp knows this machine");
    let rules: BTreeMap<i64, Vec<seccompiler::SeccompRule>> =
        allowed.iter().map(|call| (*call, Vec::new())).collect();
    let filter = SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, arch)
        .expect("a list of allowed calls is a filter");
    let program: BpfProgram = filter.try_into().expect("the filter is small");
    seccompiler::apply_filter(&program).expect("a thread may restrict itself");
    // Freed under the filter it might return memory to the system.
    std::mem::forget(program);
}
