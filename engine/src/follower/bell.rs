//! When the followers look: at every period, and at once when rung.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Something that looks again and again.
pub trait Looks: Send + 'static {
    /// Its thread's name.
    const THREAD: &'static str;

    /// Does what is to be done now.
    fn look(&mut self);
}

#[derive(Debug, Default)]
struct State {
    /// Each who waits remembers how many they have heard.
    rings: u64,
    ended: bool,
}

/// Wakes everybody who waits for it, or ends them. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Bell(Arc<(Mutex<State>, Condvar)>);

impl Bell {
    /// Makes them look now.
    pub fn ring(&self) {
        self.change(|state| state.rings += 1);
    }

    /// Ends them after their present look.
    pub fn end(&self) {
        self.change(|state| state.ended = true);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let (state, condition) = &*self.0;
        change(&mut state.lock().unwrap_or_else(PoisonError::into_inner));
        condition.notify_all();
    }

    /// Waits until rung again or until `period` has passed; false when whoever waits shall end.
    fn wait(&self, heard: &mut u64, period: Duration) -> bool {
        let (state, condition) = &*self.0;
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let (state, _) = condition
            .wait_timeout_while(state, period, |state| state.rings == *heard && !state.ended)
            .unwrap_or_else(PoisonError::into_inner);
        *heard = state.rings;
        !state.ended
    }
}

/// Lets something look on a thread of its own until the bell says so; gives it back.
///
/// # Errors
/// The system's, when it has no thread to give.
pub fn spawn<L: Looks>(mut looks: L, bell: Bell, period: Duration) -> std::io::Result<JoinHandle<L>> {
    std::thread::Builder::new()
        .name(L::THREAD.to_owned())
        .spawn(move || {
            let mut heard = 0;
            loop {
                looks.look();
                if !bell.wait(&mut heard, period) {
                    return looks;
                }
            }
        })
}
