//! The `control` program: see `control --help`.

fn main() -> std::process::ExitCode {
    std::process::ExitCode::from(64)
}
