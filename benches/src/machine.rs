//! Where the figures come from: they mean nothing without it.

use std::process::Command;

/// Processor, cores, kernel and toolchain, one line each; `unknown` where the machine does not say.
#[must_use]
pub fn describe() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| value_of(&text, "model name"))
        .unwrap_or_else(|| "unknown".into());
    let cores = std::thread::available_parallelism().map_or_else(|_| "unknown".into(), |n| n.to_string());
    let kernel = first_line("uname", &["-sr"]);
    let rustc = first_line("rustc", &["--version"]);
    let date = first_line("date", &["-u", "+%Y-%m-%d"]);
    format!("cpu: {cpu}\ncores: {cores}\nkernel: {kernel}\ntoolchain: {rustc}\ndate: {date}\n")
}

fn value_of(text: &str, key: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn first_line(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().ok();
    let text = output
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    text.lines()
        .next()
        .filter(|line| !line.is_empty())
        .unwrap_or("unknown")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_cpuinfo_is_found() {
        assert_eq!(
            value_of("a : 1\nmodel name\t: X 9\n", "model name").as_deref(),
            Some("X 9")
        );
        assert_eq!(value_of("", "model name"), None);
    }

    #[test]
    fn every_line_says_something() {
        assert!(
            describe()
                .lines()
                .all(|line| line.split_once(": ").is_some_and(|(_, value)| !value.is_empty()))
        );
    }
}
