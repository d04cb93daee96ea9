//! The instruments themselves, on behaviour that is known.

use std::hint::black_box;

use testkit::steady::alloc::{Counts, counted};
use testkit::steady::{child, seccomp, shim};
use testkit::test_name;

#[test]
fn the_allocator_counts_a_box_and_its_end() {
    let (boxed, made) = counted(|| black_box(Box::new(7_u64)));
    assert_eq!(
        made,
        Counts {
            allocations: 1,
            frees: 0
        }
    );
    let ((), dropped) = counted(|| drop(black_box(boxed)));
    assert_eq!(
        dropped,
        Counts {
            allocations: 0,
            frees: 1
        }
    );
}

#[test]
fn the_allocator_counts_growth_as_both() {
    let mut list: Vec<u8> = Vec::with_capacity(8);
    let ((), grown) = counted(|| list.reserve_exact(black_box(4_096)));
    assert_eq!(
        grown,
        Counts {
            allocations: 1,
            frees: 1
        }
    );
}

#[test]
fn the_allocator_sees_nothing_in_plain_arithmetic_nor_in_another_thread() {
    let ((), none) = counted(|| {
        black_box((0..1_000_u64).map(|x| x * x).sum::<u64>());
    });
    assert_eq!(none, Counts::default());
    let (to_worker, from_test) = std::sync::mpsc::sync_channel::<()>(1);
    let (to_test, from_worker) = std::sync::mpsc::sync_channel::<u64>(1);
    let worker = std::thread::spawn(move || {
        from_test.recv().expect("the test asks");
        let (_, theirs) = counted(|| black_box(vec![1_u8; 64]));
        to_test.send(theirs.allocations).expect("the test listens");
    });
    let before = testkit::steady::alloc::counts();
    to_worker.send(()).expect("the worker listens");
    assert_eq!(from_worker.recv(), Ok(1));
    let here = testkit::steady::alloc::counts().since(before);
    assert!(
        here.allocations < 10,
        "the worker's blocks are the worker's: {here:?}"
    );
    worker.join().expect("the worker ends");
}

#[test]
fn the_shim_counts_blocks_and_locks() {
    shim::under(test_name!(), |shim| {
        let (block, made) = shim.counted(|| {
            // SAFETY: malloc takes a size; the block is given back below.
            unsafe { libc::malloc(black_box(64)) }
        });
        assert_eq!(
            made,
            shim::Counts {
                allocations: 1,
                frees: 0,
                locks: 0
            }
        );
        let ((), freed) = shim.counted(|| {
            // SAFETY: the block came from malloc above and is freed once.
            unsafe { libc::free(black_box(block)) }
        });
        assert_eq!(
            freed,
            shim::Counts {
                allocations: 0,
                frees: 1,
                locks: 0
            }
        );

        let mut mutex = libc::PTHREAD_MUTEX_INITIALIZER;
        let ((), locked) = shim.counted(|| {
            // SAFETY: an initialised mutex on this stack, locked and unlocked by this thread.
            unsafe {
                libc::pthread_mutex_lock(&raw mut mutex);
                libc::pthread_mutex_unlock(&raw mut mutex);
            }
        });
        assert_eq!(
            locked,
            shim::Counts {
                allocations: 0,
                frees: 0,
                locks: 1
            }
        );

        let ((), none) = shim.counted(|| {
            black_box((0..1_000_u64).map(|x| x * x).sum::<u64>());
        });
        assert_eq!(none, shim::Counts::default());
    });
}

#[test]
fn the_filter_lets_arithmetic_pass() {
    seccomp::under(
        test_name!(),
        &[],
        || vec![0_u64; 1_000],
        |numbers| {
            numbers
                .iter_mut()
                .enumerate()
                .for_each(|(i, n)| *n = black_box(i as u64 * 3))
        },
        |numbers| assert_eq!(numbers[999], 2_997),
    );
}

#[test]
fn the_filter_lets_an_allowed_call_pass() {
    seccomp::under(
        test_name!(),
        &[libc::SYS_getpid],
        || 0,
        |pid| {
            // SAFETY: getpid takes nothing and cannot fail.
            *pid = unsafe { libc::syscall(libc::SYS_getpid) };
        },
        |pid| assert_eq!(pid, i64::from(std::process::id())),
    );
}

/// The child that [`the_filter_kills_at_any_other_call`] starts; on its own it has nothing to show.
#[test]
fn forbidden_call() {
    let name = test_name!();
    if !child::is_child(name) {
        return;
    }
    seccomp::under(
        name,
        &[libc::SYS_write],
        || (),
        |()| {
            // SAFETY: getpid takes nothing and cannot fail.
            unsafe { libc::syscall(libc::SYS_getpid) };
        },
        |()| (),
    );
}

#[test]
fn the_filter_kills_at_any_other_call() {
    if cfg!(not(target_os = "linux")) {
        testkit::skipped(test_name!(), "seccomp is Linux's");
        return;
    }
    let helper = test_name!().replace("the_filter_kills_at_any_other_call", "forbidden_call");
    let output = child::again(&helper, &[]);
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&output.status),
        Some(libc::SIGSYS)
    );
}
