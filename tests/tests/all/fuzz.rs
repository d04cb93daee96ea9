//! The parsers on their corpus and on seeded mutations of it. `cargo xtask fuzz` goes on from here.

use testkit::fuzz::{Mutator, targets};

/// Mutations per parser.
const MUTATIONS: u64 = 20_000;

#[test]
fn no_parser_panics_on_its_corpus_or_on_mutations_of_it() {
    for target in targets() {
        for seed in &target.seeds {
            (target.run)(seed);
        }
        let mut mutator = Mutator::new(0x5eed);
        for number in 0..MUTATIONS {
            let input = mutator.next(&target.seeds);
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (target.run)(&input)));
            assert!(
                outcome.is_ok(),
                "{}: mutation {number}: {}",
                target.name,
                String::from_utf8_lossy(&input)
            );
        }
    }
}
