//! What the inspecting process may not ask the kernel for: the network, another program, another process, somebody else's memory, a signal
//! to somebody else.
//!
//! The filter stands before the first byte of the model is read and cannot be lifted. A refused call fails with EPERM and does not end the
//! process: ONNX Runtime may ask for something and go on without it. What is not named stays allowed, since what ONNX Runtime, the
//! allocator and the C library ask for differs from machine to machine; threads are allowed, processes are not. What another machine's
//! numbers would name (a 32-bit program's calls, those of x32) is refused as a whole: the list knows only this machine's.

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

/// Refused whatever their arguments.
const REFUSED: &[libc::c_long] = &[
    // The network, and any other socket.
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    // A ring does all of that without a call of its own.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Another program, another process.
    libc::SYS_execve,
    libc::SYS_execveat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    // Somebody else's memory, files and signals.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_process_mrelease,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_kcmp,
    // Other walls, and the kernel's own machinery.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
];

/// Commands of `fcntl` that send signals to whoever they name when something can be read.
const OWNERS: &[u64] = &[libc::F_SETOWN.unsigned_abs() as u64, F_SETSIG, F_SETOWN_EX];
const F_SETSIG: u64 = 10;
const F_SETOWN_EX: u64 = 15;

/// Requests of `ioctl` that type into a terminal, or name who gets signals (`FIOSETOWN`, `SIOCSPGRP`).
const TERMINALS: &[u64] = &[libc::TIOCSTI, 0x8901, 0x8902];

/// Numbers from here on are calls of x32, which do what those of the list do.
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

/// Puts the filter on this thread and all it will start.
///
/// # Errors
/// The system's, where there is no seccomp or the machine is none it knows; then nothing may be read.
pub fn install() -> io::Result<()> {
    let none: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    let mut refused = none.clone();
    refused.extend(REFUSED.iter().map(|call| (*call, Vec::new())));
    refused.insert(libc::SYS_clone, vec![no_thread()?]);
    // The C library ends a process with a signal to its own thread, and asks for its own limits.
    refused.insert(libc::SYS_tgkill, vec![unless(0, u64::from(std::process::id()))?]);
    refused.insert(libc::SYS_prlimit64, vec![unless(0, 0)?]);
    refused.insert(libc::SYS_fcntl, each(1, OWNERS)?);
    refused.insert(libc::SYS_ioctl, each(1, TERMINALS)?);
    apply(refused, libc::EPERM)?;
    other_numbers()?;
    // Its flags lie in memory, where a filter does not see them. The C library takes this answer for an old kernel's and uses clone.
    let mut unseen = none;
    unseen.insert(libc::SYS_clone3, Vec::new());
    apply(unseen, libc::ENOSYS)
}

/// A clone that is no thread of this process.
fn no_thread() -> io::Result<SeccompRule> {
    let thread = u64::try_from(libc::CLONE_THREAD).map_err(io::Error::other)?;
    let without = SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(thread), 0);
    let rule = without.and_then(|condition| SeccompRule::new(vec![condition]));
    rule.map_err(io::Error::other)
}

/// Refused unless the argument is this one; the kernel reads its lower half.
fn unless(argument: u8, only: u64) -> io::Result<SeccompRule> {
    let other = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, only);
    let rule = other.and_then(|condition| SeccompRule::new(vec![condition]));
    rule.map_err(io::Error::other)
}

/// Refused where the argument is one of these.
fn each(argument: u8, values: &[u64]) -> io::Result<Vec<SeccompRule>> {
    let one = |value: &u64| {
        let same = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, *value);
        same.and_then(|condition| SeccompRule::new(vec![condition]))
    };
    let rules: Result<_, _> = values.iter().map(one).collect();
    rules.map_err(io::Error::other)
}

/// Refuses calls by the numbers of x32: a program of its own, since a list of calls cannot say "from here on". Of all programs the
/// strictest answer holds.
#[cfg(target_arch = "x86_64")]
fn other_numbers() -> io::Result<()> {
    let step = |code: u32, jt, jf, k| {
        let code = u16::try_from(code).map_err(io::Error::other)?;
        Ok::<_, io::Error>(seccompiler::sock_filter { code, jt, jf, k })
    };
    let program: BpfProgram = vec![
        // The number is the first word of what the kernel shows.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0)?,
        step(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, X32)?,
        step(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs(),
        )?,
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW)?,
    ];
    seccompiler::apply_filter(&program).map_err(io::Error::other)
}

/// There are none.
#[cfg(not(target_arch = "x86_64"))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
fn other_numbers() -> io::Result<()> {
    Ok(())
}

fn apply(refused: BTreeMap<i64, Vec<SeccompRule>>, code: libc::c_int) -> io::Result<()> {
    let machine: TargetArch = std::env::consts::ARCH.try_into().map_err(io::Error::other)?;
    let answer = SeccompAction::Errno(code.unsigned_abs());
    let filter = SeccompFilter::new(refused, SeccompAction::Allow, answer, machine);
    let filter = filter.map_err(io::Error::other)?;
    let program: BpfProgram = filter.try_into().map_err(io::Error::other)?;
    seccompiler::apply_filter(&program).map_err(io::Error::other)
}
