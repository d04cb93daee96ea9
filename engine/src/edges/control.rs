//! The door for what is neither a bar nor a position: halts and directives, each with an acknowledgement.
//!
//! An acknowledgement means the journal has the input's records on disk. The driver pops a [`Pending`], gives its input to
//! every core, and acknowledges it after the sync of that batch. Full policy: refuse, the caller tells its operator.
//!
//! A halt by hand outlives an engine that could not journal it: whatever becomes of a [`Pending`] but an acknowledgement, the
//! queue's `keep` is called, which leaves the halt file for the next start. A directive needs no such care: its source has it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam::queue::ArrayQueue;
use tokio::sync::oneshot;

use contracts::reason::Latch;

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
    /// The journal could not be written. A halt is in force all the same; the engine ends with exit code 74 and leaves the halt
    /// file, so that the next start is halted.
    #[error(
        "the input is in force, but the journal could not be written: the engine stops publishing and ends; a halt stays in the halt \
         file for the next start"
    )]
    NotWritten,
    /// The engine ended first. A halt is left in the halt file for the next start.
    #[error("the engine ended before it acknowledged; a halt stays in the halt file for the next start")]
    Ended,
}

type Outcome = Result<Synced, ControlError>;

/// Keeps a halt that the journal does not hold.
type Keep = Arc<dyn Fn() + Send + Sync>;

/// An input on its way to the cores.
pub struct Pending {
    /// What the cores are told.
    pub input: Input,
    ack: Option<oneshot::Sender<Outcome>>,
    keep: Keep,
}

impl Pending {
    /// Tells whoever waits. Without this call they learn that the engine ended.
    pub fn acknowledge(mut self, outcome: Outcome) {
        let ack = self.ack.take();
        if outcome.is_err() {
            self.keep();
        }
        // Nobody may be waiting any more; the input is in force all the same.
        let _unheard = ack.map(|ack| ack.send(outcome));
    }

    fn keep(&self) {
        if self.input == (Input::Halt { latch: Latch::Local }) {
            (self.keep)();
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.ack.is_some() {
            self.keep();
        }
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending")
            .field("input", &self.input)
            .finish_non_exhaustive()
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
    keep: Keep,
    ended: AtomicBool,
}

/// The outer end; clones share it.
#[derive(Clone)]
pub struct ControlSender(Arc<Queue>);

/// The driver's end.
pub struct ControlReceiver(Arc<Queue>);

/// A queue whose `wake` is called after each input, so that an idle driver looks; what is not acknowledged is forgotten.
#[must_use]
pub fn control_queue(wake: impl Fn() + Send + Sync + 'static) -> (ControlSender, ControlReceiver) {
    keeping_control_queue(wake, || ())
}

/// The same; `keep` is called for every halt by hand that is let go without the journal holding it, before its caller is told.
#[must_use]
pub fn keeping_control_queue(
    wake: impl Fn() + Send + Sync + 'static,
    keep: impl Fn() + Send + Sync + 'static,
) -> (ControlSender, ControlReceiver) {
    let queue = Arc::new(Queue {
        waiting: ArrayQueue::new(CONTROL_INPUTS_WAITING_MAX),
        wake: Box::new(wake),
        keep: Arc::new(keep),
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
            .push(Pending {
                input,
                ack: Some(ack),
                keep: Arc::clone(&self.0.keep),
            })
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

    use super::*;

    const HALT: Input = Input::Halt { latch: Latch::Local };
    const CONTROL: Input = Input::Halt {
        latch: Latch::Control,
    };

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
    fn a_halt_is_kept_unless_the_journal_holds_it() {
        let kept = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&kept);
        let (sender, receiver) = keeping_control_queue(
            || (),
            move || {
                counter.fetch_add(1, Ordering::AcqRel);
            },
        );
        let kept = || kept.load(Ordering::Acquire);
        let submit = |input| sender.submit(input).unwrap();
        let outcomes = [HALT, HALT, HALT, CONTROL].map(submit);
        receiver.pop().unwrap().acknowledge(Ok(Synced { lsn: 7 }));
        assert_eq!(kept(), 0, "the journal holds it");
        receiver.pop().unwrap().acknowledge(Err(ControlError::NotWritten));
        assert_eq!(kept(), 1);
        drop(receiver);
        assert_eq!(
            kept(),
            2,
            "it waited when the engine ended; the directive's own has its source"
        );
        drop(submit(HALT));
        assert_eq!(kept(), 3, "it came too late");
        for (outcome, expected) in outcomes.into_iter().zip([
            Ok(Synced { lsn: 7 }),
            Err(ControlError::NotWritten),
            Err(ControlError::Ended),
            Err(ControlError::Ended),
        ]) {
            assert_eq!(outcome.wait_blocking(), expected);
        }
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
