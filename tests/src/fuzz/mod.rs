//! Every parser that reads what others wrote, as a function of bytes that must not panic, with seeds to begin from.
//!
//! CI runs the seeds and seeded [`mutate`] mutations of them (`tests/tests/all/fuzz.rs`); `cargo xtask fuzz` runs the same
//! functions under cargo-fuzz. A feed's seeds are in `tests/corpus/feed_<source>/`, one message a file; where the samples
//! in `../shared/data/feeds` are there, they are seeds too.

mod mutate;
mod targets;

pub use mutate::Mutator;
pub use targets::targets;

/// Parses; a panic is a finding.
pub type Parser = Box<dyn Fn(&[u8])>;

/// A parser under test.
pub struct Target {
    /// Its name, also the name of its corpus folder.
    pub name: String,
    /// Inputs to start from; at least one, each accepted or refused as it comes.
    pub seeds: Vec<Vec<u8>>,
    /// Parses; a panic is a finding.
    pub run: Parser,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target")
            .field("name", &self.name)
            .field("seeds", &self.seeds.len())
            .finish_non_exhaustive()
    }
}

/// Runs one input of the cargo-fuzz target: its first byte picks the parser.
pub fn run_any(targets: &[Target], input: &[u8]) {
    if let Some((pick, rest)) = input.split_first() {
        (targets[usize::from(*pick) % targets.len()].run)(rest);
    }
}

/// The seeds in the form [`run_any`] takes, with a file name each.
#[must_use]
pub fn any_corpus(targets: &[Target]) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for (pick, target) in targets.iter().enumerate() {
        let pick = u8::try_from(pick).expect("fewer than 256 parsers");
        for (number, seed) in target.seeds.iter().enumerate() {
            let mut bytes = vec![pick];
            bytes.extend_from_slice(seed);
            files.push((format!("{}-{number}", target.name), bytes));
        }
    }
    files
}
