//! Instruments that watch one thread: what it allocates, which mutexes it takes, which system calls it makes.
//!
//! | instrument | sees | needs |
//! |---|---|---|
//! | [`alloc::CountingAllocator`] | allocations and frees of Rust code | `#[global_allocator]` of the test binary |
//! | [`shim`] | malloc, free and pthread locks of all code, ONNX Runtime's included | Linux and a C compiler |
//! | [`seccomp`] | every system call: the process dies at the first that is not allowed | Linux |
//!
//! The last two need a process of their own: [`child`] starts the running test once more in one.

pub mod alloc;
pub mod child;
pub mod seccomp;
pub mod shim;
