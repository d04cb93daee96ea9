//! The only clock a test may have: it ends a test that hangs, and no test passes because of it.

use std::future::Future;
use std::io::Write as _;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// After this long a waiting test is taken to hang.
pub const HANG: Duration = Duration::from_secs(60);

/// Awaits `event`, naming it if it never comes.
///
/// # Panics
/// When the event has not come within [`HANG`].
pub async fn within<T>(what: &str, event: impl Future<Output = T>) -> T {
    match tokio::time::timeout(HANG, event).await {
        Ok(value) => value,
        Err(_) => panic!("hang: {what} did not happen within {} s", HANG.as_secs()),
    }
}

/// Aborts the process, naming what hung, unless it is dropped in time. For code that blocks a thread.
#[derive(Debug)]
pub struct HangGuard {
    _released: Sender<()>,
}

impl HangGuard {
    /// Guards until dropped, [`HANG`] long.
    ///
    /// # Panics
    /// When no thread can be started.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self::lasting(what, HANG)
    }

    /// The same with another length, for what is long by nature (a soak of many rounds).
    ///
    /// # Panics
    /// When no thread can be started.
    #[must_use]
    pub fn lasting(what: impl Into<String>, at_most: Duration) -> Self {
        let (sender, receiver) = channel::<()>();
        let what = what.into();
        let name = "hang-guard".to_owned();
        std::thread::Builder::new()
            .name(name)
            .spawn(move || {
                if receiver.recv_timeout(at_most) == Err(RecvTimeoutError::Timeout) {
                    drop(writeln!(
                        std::io::stderr(),
                        "hang: {what} did not end within {} s",
                        at_most.as_secs()
                    ));
                    std::process::abort();
                }
            })
            .expect("a thread can be started");
        Self { _released: sender }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_event_that_comes_is_handed_on() {
        assert_eq!(within("seven", async { 7 }).await, 7);
    }
}
