//! A line on a terminal that says how far it is; on anything else nothing.

use std::io::{IsTerminal as _, Write as _};

/// The line; it is gone when this is dropped.
pub struct Line {
    terminal: bool,
}

impl Line {
    /// Nothing is said yet.
    pub fn new() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
        }
    }

    /// Says something instead of what stood there.
    pub fn say(&self, text: &str) {
        if self.terminal {
            write(&format!("\r{text}\x1b[K"));
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.terminal {
            write("\r\x1b[K");
        }
    }
}

fn write(text: &str) {
    let mut stderr = std::io::stderr();
    // A terminal that is gone sees nothing; the work goes on.
    drop(stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()));
}
