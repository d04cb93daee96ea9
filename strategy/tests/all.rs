//! Tests of the whole strategy: one binary, a module per subject.

#![expect(clippy::unwrap_used, reason = "a test says what it expects by failing")]

#[path = "all/acceptance.rs"]
mod acceptance;
#[path = "all/allocation.rs"]
mod allocation;
#[path = "all/market.rs"]
mod market;
#[path = "all/oracle.rs"]
mod oracle;
#[path = "all/settling.rs"]
mod settling;
#[path = "all/snapshot.rs"]
mod snapshot;
#[path = "all/truncation.rs"]
mod truncation;
#[path = "all/walk.rs"]
mod walk;
#[path = "all/zones.rs"]
mod zones;

/// Counts for [`allocation`]; everything else runs on it unnoticed.
#[global_allocator]
static ALLOCATOR: allocation::Counting = allocation::Counting;
