//! When the follower looks: at every period, and at once when rung.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Follower;

#[derive(Debug, Default)]
struct State {
    rung: bool,
    ended: bool,
}

/// Wakes the follower, or ends it. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Bell(Arc<(Mutex<State>, Condvar)>);

impl Bell {
    /// Makes the follower look now.
    pub fn ring(&self) {
        self.change(|state| state.rung = true);
    }

    /// Ends the follower after its present look.
    pub fn end(&self) {
        self.change(|state| state.ended = true);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let (state, condition) = &*self.0;
        change(&mut state.lock().unwrap_or_else(PoisonError::into_inner));
        condition.notify_all();
    }

    /// Waits until rung or until `period` has passed; false when the follower shall end.
    fn wait(&self, period: Duration) -> bool {
        let (state, condition) = &*self.0;
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut state, _) = condition
            .wait_timeout_while(state, period, |state| !state.rung && !state.ended)
            .unwrap_or_else(PoisonError::into_inner);
        state.rung = false;
        !state.ended
    }
}

/// Runs a follower on a thread of its own until the bell says so; gives the follower back.
///
/// # Errors
/// The system's, when it has no thread to give.
pub fn spawn(mut follower: Follower, bell: Bell, period: Duration) -> std::io::Result<JoinHandle<Follower>> {
    std::thread::Builder::new()
        .name("contract-follower".to_owned())
        .spawn(move || {
            loop {
                follower.look();
                if !bell.wait(period) {
                    return follower;
                }
            }
        })
}
