//! What one thread allocates, locks and asks of the kernel. A binary of its own, because the counting allocator must be
//! the global one.

use testkit::steady::alloc::CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[path = "steady/features.rs"]
mod features;

#[path = "steady/instruments.rs"]
mod instruments;

#[path = "steady/core.rs"]
mod core;

#[path = "steady/policy.rs"]
mod policy;

#[path = "steady/swap.rs"]
mod swap;
