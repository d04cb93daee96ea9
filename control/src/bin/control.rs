//! The `control` program: see `control --help`.

fn main() -> std::process::ExitCode {
    keep_the_runtime_quiet();
    control::cli::main(std::env::args_os())
}

/// ONNX Runtime libraries that can report usage to their maker do so, and keep a file in the home directory for it, unless this variable is
/// set before they are loaded; switching it off through the API comes after the first look-up.
fn keep_the_runtime_quiet() {
    #[expect(
        clippy::disallowed_methods,
        reason = "the process has one thread yet: nobody else reads the environment"
    )]
    // SAFETY: the first statement of `main`: no other thread exists that could read or write the environment.
    unsafe {
        std::env::set_var("ORT_DISABLE_TELEMETRY", "1");
    }
}
