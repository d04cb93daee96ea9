//! The door for what is neither a bar nor a position: halts and directives, each with an acknowledgement.
//!
//! An acknowledgement means the journal has the input's records on disk. The driver pops a [`Pending`], gives its input to
//! every core, and acknowledges it after the sync of that batch. Full policy: refuse, the caller tells its operator.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam::queue::ArrayQueue;
use tokio::sync::oneshot;

use crate::core::input::Input;
use crate::limits::CONTROL_INPUTS_WAITING_MAX;

/// The input and everything it caused is in the journal and on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synced {
    /// Number of the last record it caused.
    pub lsn: u64,
}

/// Why an input has no acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// More inputs wait than ever should: the engine is stuck. Look at its log; stop the process if it must not trade.
    #[error("{CONTROL_INPUTS_WAITING_MAX} control inputs wait already: the engine does not take them")]
    Full,
    /// The journal could not be written. A halt is in force all the same; the engine ends with exit code 74.
    #[error(
        "the input is in force, but the journal could not be written: the engine stops publishing and ends"
    )]
    NotWritten,
    /// The engine ended first.
    #[error("the engine ended before it acknowledged")]
    Ended,
}

type Outcome = Result<Synced, ControlError>;

/// An input on its way to the cores.
#[derive(Debug)]
pub struct Pending {
    /// What the cores are told.
    pub input: Input,
    ack: oneshot::Sender<Outcome>,
}

impl Pending {
    /// Tells whoever waits. Without this call they learn that the engine ended.
    pub fn acknowledge(self, outcome: Outcome) {
        // Nobody may be waiting any more; the input is in force all the same.
        let _unheard = self.ack.send(outcome);
    }
}

/// An acknowledgement to come.
#[derive(Debug)]
pub struct Acknowledgement(oneshot::Receiver<Outcome>);

impl Acknowledgement {
    /// Waits for it.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn wait(self) -> Outcome {
        self.0.await.unwrap_or(Err(ControlError::Ended))
    }

    /// Waits for it on a thread that runs no runtime.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn wait_blocking(self) -> Outcome {
        self.0.blocking_recv().unwrap_or(Err(ControlError::Ended))
    }
}

struct Queue {
    waiting: ArrayQueue<Pending>,
    wake: Box<dyn Fn() + Send + Sync>,
    ended: AtomicBool,
}

/// The outer end; clones share it.
#[derive(Clone)]
pub struct ControlSender(Arc<Queue>);

/// The driver's end.
pub struct ControlReceiver(Arc<Queue>);

/// A queue whose `wake` is called after each input, so that an idle driver looks.
#[must_use]
pub fn control_queue(wake: impl Fn() + Send + Sync + 'static) -> (ControlSender, ControlReceiver) {
    let queue = Arc::new(Queue {
        waiting: ArrayQueue::new(CONTROL_INPUTS_WAITING_MAX),
        wake: Box::new(wake),
        ended: AtomicBool::new(false),
    });
    (ControlSender(Arc::clone(&queue)), ControlReceiver(queue))
}

impl ControlSender {
    /// Hands an input in.
    ///
    /// # Errors
    /// [`ControlError::Full`].
    pub fn submit(&self, input: Input) -> Result<Acknowledgement, ControlError> {
        let (ack, acknowledgement) = oneshot::channel();
        self.0
            .waiting
            .push(Pending { input, ack })
            .map_err(|_| ControlError::Full)?;
        if self.0.ended.load(Ordering::SeqCst) {
            self.0.drain();
        }
        (self.0.wake)();
        Ok(Acknowledgement(acknowledgement))
    }
}

impl ControlReceiver {
    /// The next input; lock-free.
    #[must_use]
    pub fn pop(&self) -> Option<Pending> {
        self.0.waiting.pop()
    }
}

impl Queue {
    /// Lets go of what waits; those who wait for it learn that the engine ended.
    fn drain(&self) {
        while self.waiting.pop().is_some() {}
    }
}

impl Drop for ControlReceiver {
    /// The driver has ended. The flag is raised before the queue is emptied and looked at after a push, so that no input
    /// is left without an answer.
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::SeqCst);
        self.0.drain();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use contracts::reason::Latch;

    use super::*;

    const HALT: Input = Input::Halt { latch: Latch::Local };

    #[test]
    fn an_input_wakes_the_driver_and_its_acknowledgement_comes_back() {
        let woken = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&woken);
        let (sender, receiver) = control_queue(move || {
            counter.fetch_add(1, Ordering::AcqRel);
        });
        let acknowledgement = sender.submit(HALT).unwrap();
        assert_eq!(woken.load(Ordering::Acquire), 1);
        let pending = receiver.pop().unwrap();
        assert_eq!(pending.input, HALT);
        pending.acknowledge(Ok(Synced { lsn: 7 }));
        assert_eq!(acknowledgement.wait_blocking(), Ok(Synced { lsn: 7 }));
    }

    #[test]
    fn an_engine_that_ends_says_so_to_those_who_wait() {
        let (sender, receiver) = control_queue(|| ());
        let popped = sender.submit(HALT).unwrap();
        let waiting = sender.submit(HALT).unwrap();
        drop(receiver.pop());
        drop(receiver);
        assert_eq!(popped.wait_blocking(), Err(ControlError::Ended));
        assert_eq!(waiting.wait_blocking(), Err(ControlError::Ended));
        let late = sender.submit(HALT).unwrap();
        assert_eq!(late.wait_blocking(), Err(ControlError::Ended));
    }

    #[test]
    fn a_full_queue_refuses() {
        let (sender, _receiver) = control_queue(|| ());
        let _waiting: Vec<_> = (0..CONTROL_INPUTS_WAITING_MAX)
            .map(|_| sender.submit(HALT).unwrap())
            .collect();
        assert_eq!(sender.submit(HALT).unwrap_err(), ControlError::Full);
    }
}
