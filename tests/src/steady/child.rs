//! The running test once more, alone in a process of its own.

use std::process::{Command, Output};

/// Set in the child; its value is the test's name.
pub const CHILD: &str = "TWOVOTE_TEST_CHILD";

/// The name by which the test runner knows the calling test function.
#[macro_export]
macro_rules! test_name {
    () => {{
        fn here() {}
        $crate::steady::child::name_of(std::any::type_name_of_val(&here))
    }};
}

/// `crate::module::test::here` as `module::test`.
///
/// # Panics
/// When the path is not one of a function in a test function.
#[must_use]
pub fn name_of(path: &'static str) -> &'static str {
    let inside = path
        .strip_suffix("::here")
        .expect("the macro's own function is called `here`");
    inside.split_once("::").expect("a path begins with its crate").1
}

/// True in the child that [`again`] started for `test`.
#[must_use]
pub fn is_child(test: &str) -> bool {
    std::env::var(CHILD).is_ok_and(|name| name == test)
}

/// Starts the test `test` of this binary in a new process, alone, its output kept, and waits for its end.
///
/// # Panics
/// When this binary cannot be started.
#[must_use]
pub fn again(test: &str, environment: &[(&str, &str)]) -> Output {
    let this = std::env::current_exe().expect("a running test has a path");
    Command::new(this)
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, test)
        .envs(environment.iter().copied())
        .output()
        .expect("a test binary can be started again")
}

/// Asserts that the child ran the test and passed; shows what it said otherwise.
///
/// # Panics
/// When it did not.
pub fn assert_passed(output: &Output) {
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    let ran = said.contains("1 passed");
    assert!(
        output.status.success() && ran,
        "child {}:\n{said}\n{complained}",
        output.status
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_knows_its_name() {
        assert_eq!(test_name!(), "steady::child::tests::a_test_knows_its_name");
    }

    #[test]
    fn the_child_is_this_test_and_knows_it() {
        let name = test_name!();
        if is_child(name) {
            assert_eq!(std::env::var("COLOUR").as_deref(), Ok("green"));
            return;
        }
        assert_passed(&again(name, &[("COLOUR", "green")]));
        let failed = again(name, &[("COLOUR", "red")]);
        assert!(!failed.status.success());
    }
}
