//! `cargo xtask bench`: measures the stages and prints machine and table to stdout.
#![expect(clippy::print_stdout, reason = "the table is this program's data")]

use benches::blocks::{Plan, measure, table};
use benches::{machine, stages};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let quick = args.iter().any(|arg| arg == "--quick");
    let filter = args.iter().find(|arg| !arg.starts_with("--"));
    let mut wanted = stages::all();
    if let Some(part) = filter {
        wanted.retain(|stage| stage.name.contains(part.as_str()));
    }
    println!("{}", machine::describe());
    print!(
        "{}",
        table(&measure(
            &mut wanted,
            if quick { Plan::QUICK } else { Plan::FULL }
        ))
    );
}
