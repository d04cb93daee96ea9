//! Running other programs, and reading what they say while they say it.

use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The root of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies one folder below the root")
}

/// The cargo that started this program, without what it told this program about itself: some build scripts look at these variables, and
/// would run again, with everything that stands on them, after each change between `cargo …` and `cargo xtask …`.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    for (name, _) in std::env::vars_os() {
        let told = name.to_string_lossy();
        if told.starts_with("CARGO_PKG_") || told.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// cargo through rustup, for `+toolchain`: without what the toolchain of this program has set.
pub fn plain_cargo() -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root());
    for set in [
        "CARGO",
        "RUSTUP_TOOLCHAIN",
        "RUSTC",
        "RUSTDOC",
        "CARGO_MANIFEST_DIR",
        "LD_LIBRARY_PATH",
    ] {
        command.env_remove(set);
    }
    command
}

/// Where cargo builds to.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |set| root().join(set))
}

/// As a person would type it.
pub fn shown(command: &Command) -> String {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| {
            let word = word.to_string_lossy();
            if word.contains(' ') {
                format!("'{word}'")
            } else {
                word.into_owned()
            }
        })
        .collect();
    let program = words[0].rsplit('/').next().unwrap_or_default().to_owned();
    std::iter::once(program)
        .chain(words.into_iter().skip(1))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs to the end; the child speaks for itself.
pub fn run(command: &mut Command) -> Result<(), String> {
    let what = shown(command);
    eprintln!("$ {what}");
    let status = command
        .status()
        .map_err(|error| format!("cannot start `{what}`: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{what}` failed ({status})"))
    }
}

/// True when the program starts and succeeds; its output is not shown.
pub fn works(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Says that something was not tested, in the words the tests use, and has it counted.
pub fn skip(what: &str, why: &str, read: &mut dyn FnMut(&str)) {
    let line = format!("SKIPPED: {what}: {why}");
    eprintln!("{line}");
    read(&line);
}

/// Runs to the end, shows both streams as they come, and hands every line to `read`.
pub fn run_reading(command: &mut Command, mut read: impl FnMut(&str)) -> Result<bool, String> {
    let what = shown(command);
    eprintln!("$ {what}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start `{what}`: {error}"))?;
    let (sender, lines) = std::sync::mpsc::channel();
    let out = BufReader::new(child.stdout.take().expect("stdout is piped"));
    let err = BufReader::new(child.stderr.take().expect("stderr is piped"));
    let from_err = sender.clone();
    let reader_out = std::thread::spawn(move || forward(out, &sender, false));
    let reader_err = std::thread::spawn(move || forward(err, &from_err, true));
    for (is_err, line) in lines {
        if is_err {
            eprintln!("{line}");
        } else {
            println!("{line}");
        }
        read(&line);
    }
    for reader in [reader_out, reader_err] {
        reader
            .join()
            .map_err(|_| format!("lost the output of `{what}`"))?;
    }
    let status = child.wait().map_err(|error| format!("lost `{what}`: {error}"))?;
    Ok(status.success())
}

fn forward(mut stream: impl std::io::BufRead, to: &std::sync::mpsc::Sender<(bool, String)>, is_err: bool) {
    let mut bytes = Vec::new();
    while stream.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
        let line = String::from_utf8_lossy(&bytes)
            .trim_end_matches(['\n', '\r'])
            .to_owned();
        if to.send((is_err, line)).is_err() {
            return;
        }
        bytes.clear();
    }
}
