//! Counts malloc, free and pthread locks of one thread, in all code of the process: an LD_PRELOAD library (`shim.c`).
//!
//! `std::sync::Mutex` is a futex and not a pthread lock: contention on one shows as a system call (see
//! [`super::seccomp`]).

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::child;

/// What a thread has done since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Counts {
    /// Calls of malloc and its kin.
    pub allocations: u64,
    /// Calls of free with a block.
    pub frees: u64,
    /// Calls that take a pthread lock.
    pub locks: u64,
}

impl Counts {
    /// What happened between `earlier` and this.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            allocations: self.allocations - earlier.allocations,
            frees: self.frees - earlier.frees,
            locks: self.locks - earlier.locks,
        }
    }
}

/// A loaded shim: reads the counts of the calling thread.
#[derive(Debug, Clone, Copy)]
pub struct Shim {
    read: unsafe extern "C" fn(*mut Counts),
}

impl Shim {
    /// The shim, if this process was started under it.
    #[must_use]
    pub fn loaded() -> Option<Self> {
        // SAFETY: the name is a NUL-terminated literal; RTLD_DEFAULT searches what is loaded and changes nothing.
        let symbol = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"twovote_shim_counts".as_ptr()) };
        if symbol.is_null() {
            return None;
        }
        // SAFETY: only shim.c defines a symbol of this name, as a C function that takes a pointer to `struct counts`,
        // whose three 64-bit fields are those of `Counts` in the same order.
        let read =
            unsafe { std::mem::transmute::<*mut libc::c_void, unsafe extern "C" fn(*mut Counts)>(symbol) };
        Some(Self { read })
    }

    /// The counts of the calling thread.
    #[must_use]
    pub fn counts(self) -> Counts {
        let mut counts = Counts::default();
        // SAFETY: the function writes one `Counts` to the pointer, which is valid for it.
        unsafe { (self.read)(&raw mut counts) };
        counts
    }

    /// Runs `body` and says what it did on this thread.
    pub fn counted<T>(self, body: impl FnOnce() -> T) -> (T, Counts) {
        let before = self.counts();
        let value = body();
        (value, self.counts().since(before))
    }
}

/// Runs `body` under the shim: in a child process of its own, started for `test` (see [`crate::test_name`]). Where there
/// is no shim to be had, says so as a skipped test.
///
/// # Panics
/// When the child fails, with what it said.
pub fn under(test: &str, body: impl FnOnce(Shim)) {
    if let Some(shim) = Shim::loaded() {
        body(shim);
        return;
    }
    assert!(
        !child::is_child(test),
        "{test}: the child was started without its shim"
    );
    match build() {
        Ok(library) => {
            let library = library.to_str().expect("target folders have names in UTF-8");
            child::assert_passed(&child::again(test, &[("LD_PRELOAD", library)]));
        }
        Err(why) => crate::skipped(test, &why),
    }
}

/// Compiles `shim.c` next to the test binary, once per process; a rename makes parallel builders harmless.
fn build() -> Result<PathBuf, String> {
    if cfg!(not(all(target_os = "linux", target_env = "gnu"))) {
        return Err("LD_PRELOAD counting is for Linux with glibc".into());
    }
    let this = std::env::current_exe().map_err(|error| format!("no path of this test: {error}"))?;
    let folder = this.parent().ok_or("a file lies in a folder")?;
    let library = folder.join("libtwovote_shim.so");
    let fresh = folder.join(format!(
        "libtwovote_shim.{}.{:?}.so",
        std::process::id(),
        std::thread::current().id()
    ));
    let mut compiler = Command::new("cc")
        .args([
            "-O2",
            "-shared",
            "-fPIC",
            "-x",
            "c",
            "-",
            "-ldl",
            "-lpthread",
            "-o",
        ])
        .arg(&fresh)
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| format!("no C compiler `cc` ({error}): `apt-get install gcc` installs one"))?;
    let mut source = compiler.stdin.take().ok_or("the compiler's input is a pipe")?;
    source
        .write_all(include_bytes!("shim.c"))
        .map_err(|error| format!("cc took no source: {error}"))?;
    drop(source);
    let status = compiler
        .wait()
        .map_err(|error| format!("lost the compiler: {error}"))?;
    assert!(status.success(), "shim.c does not compile: {status}");
    std::fs::rename(&fresh, &library).map_err(|error| format!("{}: {error}", library.display()))?;
    Ok(library)
}
