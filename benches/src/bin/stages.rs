//! `cargo xtask bench`: measures the stages and prints machine, table and ratios to stdout.
#![expect(clippy::print_stdout, reason = "the table is this program's data")]

use benches::{RATIOS, stages};
use engine::bench::{Plan, measure, report};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let quick = args.iter().any(|arg| arg == "--quick");
    let filter = args.iter().find(|arg| !arg.starts_with("--"));
    let mut wanted = stages::all();
    if let Some(part) = filter {
        wanted.retain(|stage| stage.name.contains(part.as_str()));
    }
    let rows = measure(&mut wanted, if quick { Plan::QUICK } else { Plan::FULL });
    let ratios = report::ratios(&rows, &RATIOS);
    println!(
        "{}{}\n{}",
        report::machine_text(),
        report::table(&rows),
        report::ratios_text(&ratios)
    );
}
