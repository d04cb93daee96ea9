//! A global allocator that counts per thread. A test binary installs it:
//!
//! ```text
//! #[global_allocator]
//! static ALLOCATOR: CountingAllocator = CountingAllocator;
//! ```

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What a thread has asked of the allocator since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// New blocks, grown and shrunk ones included.
    pub allocations: u64,
    /// Blocks given back, grown and shrunk ones included.
    pub frees: u64,
}

impl Counts {
    /// What happened between `earlier` and this.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            allocations: self.allocations - earlier.allocations,
            frees: self.frees - earlier.frees,
        }
    }
}

thread_local! {
    // Constant and without a destructor: reading it neither allocates nor registers anything.
    static COUNTS: Cell<Counts> = const { Cell::new(Counts { allocations: 0, frees: 0 }) };
}

/// The counts of the current thread; all zero unless [`CountingAllocator`] is the global allocator.
#[must_use]
pub fn counts() -> Counts {
    COUNTS.get()
}

/// Runs `body` and says what it asked of the allocator on this thread.
pub fn counted<T>(body: impl FnOnce() -> T) -> (T, Counts) {
    let before = counts();
    let value = body();
    (value, counts().since(before))
}

/// The system allocator with a counter in front.
#[derive(Debug, Clone, Copy, Default)]
pub struct CountingAllocator;

fn count(allocations: u64, frees: u64) {
    let now = COUNTS.get();
    COUNTS.set(Counts {
        allocations: now.allocations + allocations,
        frees: now.frees + frees,
    });
}

// SAFETY: every call is handed to `System` unchanged, which upholds the contract; the counters are plain thread-local
// integers, touched without allocating or unwinding.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, 0);
        // SAFETY: the caller's promises about `layout` are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(1, 0);
        // SAFETY: the caller's promises about `layout` are passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, 1);
        // SAFETY: `block` came from `System` through this type, with this `layout`.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(0, 1);
        // SAFETY: `block` came from `System` through this type, with this `layout`.
        unsafe { System.dealloc(block, layout) }
    }
}
