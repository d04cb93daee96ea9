//! What a program's help says of exit codes, as a table for a document: the document is held against it by the programs' tests.

/// The lines under `Exit codes:` of a help text as rows of a Markdown table; empty where there are none.
#[must_use]
pub fn exit_codes(after_help: &str) -> String {
    let lines = after_help
        .split("Exit codes:\n")
        .nth(1)
        .unwrap_or_default()
        .lines();
    let rows: String = lines
        .filter_map(|line| line.trim_start().split_once("  "))
        .filter(|(code, _)| code.parse::<u8>().is_ok())
        .map(|(code, what)| format!("| {code} | {} |\n", what.trim()))
        .collect();
    if rows.is_empty() {
        return rows;
    }
    format!("| code | meaning |\n| ---: | --- |\n{rows}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Exit;

    #[test]
    fn every_line_of_the_help_is_a_row() {
        let help = "stdout is data.\n\nExit codes:\n   0  done\n  65  a file: (see) it";
        let table = exit_codes(help);
        assert_eq!(
            table,
            "| code | meaning |\n| ---: | --- |\n| 0 | done |\n| 65 | a file: (see) it |\n"
        );
        assert_eq!(exit_codes("none"), "");
    }

    #[test]
    fn the_document_has_a_row_for_every_code_there_is() {
        let document = include_str!("../../docs/EXIT_CODES.md");
        for exit in Exit::ALL {
            let row = format!("| {} | ", exit.code());
            assert!(
                document.contains(&row),
                "exit code {} is in no table",
                exit.code()
            );
        }
    }
}
