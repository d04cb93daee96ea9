//! The `control` program: see `control --help`.

fn main() -> std::process::ExitCode {
    control::cli::main(std::env::args_os())
}
