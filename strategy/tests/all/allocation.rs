//! Observing a bar and inserting a daily value neither allocate nor free.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use contracts::time::DayNumber;
use strategy::plan::FeaturePlan;

use super::market;
use super::walk::{insert, position};

thread_local! {
    // Constant and without a destructor: touching it neither allocates nor registers anything.
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

/// The system allocator with a counter per thread.
pub struct Counting;

// SAFETY: every call goes to `System` unchanged; the counter is a thread-local `Cell` that neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: the caller keeps the contract of `dealloc`, and the block came from `System`.
        unsafe { System.dealloc(block, layout) }
    }
}

#[test]
fn a_bar_and_a_daily_value_cost_no_allocation() {
    let market = market::generated();
    let plan = FeaturePlan::new(&market::contract("usdcop_15")).unwrap();
    let mut state = plan.new_instrument(&market.instrument);
    let mut macros = plan.new_macros();
    insert(&plan, &mut macros, &market.daily);
    let mut features = vec![0.0; plan.width()];
    let before = CALLS.get();
    let mut used = 0_u32;
    for (day, bar) in (30_000..).zip(&market.bars) {
        let seen = plan.observe(&mut state, &mut macros, bar, position(bar), &mut features);
        used += u32::from(seen.used);
        macros.insert(day as usize % 7, DayNumber(day), f64::from(day), None);
    }
    assert_eq!(CALLS.get() - before, 0, "allocations and frees");
    assert!(used > 4_000, "{used} bars used");
    drop(vec![0_u8; 16]);
    assert_eq!(CALLS.get() - before, 2, "the counter counts");
}
