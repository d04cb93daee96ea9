//! Every limit says its unit and its reason.

use super::{none, sources};

#[test]
fn every_limit_is_documented() {
    let files: Vec<_> = sources(&["rs"])
        .into_iter()
        .filter(|file| file.path.ends_with("src/limits.rs"))
        .collect();
    assert!(
        files.len() >= 5,
        "contracts, strategy, engine, backtest and control have a limits.rs each"
    );
    let mut findings = Vec::new();
    for file in &files {
        let lines: Vec<&str> = file.text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let constant = line
                .trim_start()
                .strip_prefix("pub const ")
                .or_else(|| line.strip_prefix("const "));
            let Some(constant) = constant else { continue };
            if constant.starts_with("fn ") {
                continue;
            }
            let documented = index > 0 && lines[index - 1].trim_start().starts_with("/// ");
            if !documented {
                findings.push(format!("{}:{}: {}", file.path, index + 1, line.trim()));
            }
        }
    }
    none(
        findings,
        "say in a doc comment what the limit counts, in which unit, and why this number",
    );
}
