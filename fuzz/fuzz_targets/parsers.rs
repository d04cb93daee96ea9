//! All parsers of `testkit::fuzz` in one target: the first byte of an input picks one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use testkit::fuzz::{Target, run_any, targets};

thread_local! {
    static TARGETS: Vec<Target> = targets();
}

fuzz_target!(|input: &[u8]| TARGETS.with(|targets| run_any(targets, input)));
