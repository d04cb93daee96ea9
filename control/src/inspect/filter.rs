//! What the inspecting process may not ask the kernel for: the network, another program, another process, somebody else's memory.
//!
//! The filter stands before the first byte of the model is read and cannot be lifted. A refused call fails with EPERM and does not end the
//! process: ONNX Runtime may ask for something and go on without it. What is not named stays allowed, since what ONNX Runtime, the
//! allocator and the C library ask for differs from machine to machine; threads are allowed, processes are not.

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
    libc::SYS_kill,
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

/// Puts the filter on this thread and all it will start.
///
/// # Errors
/// The system's, where there is no seccomp or the machine is none it knows; then nothing may be read.
pub fn install() -> io::Result<()> {
    let none: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    let mut refused = none.clone();
    refused.extend(REFUSED.iter().map(|call| (*call, Vec::new())));
    refused.insert(libc::SYS_clone, vec![no_thread()?]);
    apply(refused, libc::EPERM)?;
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

fn apply(refused: BTreeMap<i64, Vec<SeccompRule>>, code: libc::c_int) -> io::Result<()> {
    let machine: TargetArch = std::env::consts::ARCH.try_into().map_err(io::Error::other)?;
    let answer = SeccompAction::Errno(code.unsigned_abs());
    let filter = SeccompFilter::new(refused, SeccompAction::Allow, answer, machine);
    let filter = filter.map_err(io::Error::other)?;
    let program: BpfProgram = filter.try_into().map_err(io::Error::other)?;
    seccompiler::apply_filter(&program).map_err(io::Error::other)
}
