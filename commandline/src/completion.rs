//! Words a shell completes, made from the command line itself.

pub use clap_complete::Shell;

/// The script that teaches `shell` the words of `command`, whose program is called `name`.
#[must_use]
pub fn script(mut command: clap::Command, name: &str, shell: Shell) -> Vec<u8> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use clap::{Command, ValueEnum as _};

    use super::*;

    #[test]
    fn every_shell_is_taught_the_verbs() {
        let program = Command::new("program").subcommand(Command::new("visible").about("shows"));
        for shell in Shell::value_variants() {
            let text = String::from_utf8(script(program.clone(), "program", *shell)).unwrap();
            assert!(text.contains("visible"), "{shell}");
        }
    }
}
