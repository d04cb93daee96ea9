//! Publishing into the signal hub: each message is rendered once, for every client that will ever read it from the ring.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use contracts::reason::Position;
use contracts::wire::ServerMessage;

use super::outlet::{Outgoing, Publish};
use crate::edges::{Publication, Publisher};
use crate::metrics::{Metrics, Stage};

/// The newest `model_swapped`: its generation and its number, for the follower's receipt.
#[derive(Debug, Default)]
pub struct LastSwapped {
    generation: AtomicU64,
    seq: AtomicU64,
}

impl LastSwapped {
    /// The number of the message that said `generation`, if it was the newest.
    #[must_use]
    pub fn seq_of(&self, generation: u64) -> Option<u64> {
        (self.generation.load(Ordering::Acquire) == generation).then(|| self.seq.load(Ordering::Acquire))
    }

    /// The newest adopted generation; 0 before the first.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn note(&self, generation: u64, seq: u64) {
        self.seq.store(seq, Ordering::Release);
        self.generation.store(generation, Ordering::Release);
    }
}

/// What is told when the last core has adopted a model.
pub trait OnSwapped: Send {
    /// `generation` runs from message `seq` on.
    fn swapped(&mut self, generation: u64, seq: u64);
}

impl<F: FnMut(u64, u64) + Send> OnSwapped for F {
    fn swapped(&mut self, generation: u64, seq: u64) {
        self(generation, seq);
    }
}

/// The hub's publisher as the end of an outlet.
pub struct HubOut {
    publisher: Publisher,
    metrics: Arc<Metrics>,
    swapped: Arc<LastSwapped>,
    on_swapped: Box<dyn OnSwapped>,
}

impl HubOut {
    /// Publishes into the hub; `on_swapped` is told of every adoption after its message is public.
    #[must_use]
    pub fn new(
        publisher: Publisher,
        metrics: Arc<Metrics>,
        swapped: Arc<LastSwapped>,
        on_swapped: Box<dyn OnSwapped>,
    ) -> Self {
        Self {
            publisher,
            metrics,
            swapped,
            on_swapped,
        }
    }

    /// The publisher, for positions that no message sets.
    pub const fn publisher(&mut self) -> &mut Publisher {
        &mut self.publisher
    }
}

impl Publish for HubOut {
    fn publish(&mut self, outgoing: &Outgoing<'_>) -> std::io::Result<()> {
        let text = serde_json::to_string(&outgoing.message)?;
        let effect = &outgoing.effect;
        self.publisher.publish(Publication {
            seq: outgoing.seq,
            instrument: effect.instrument,
            position_after: effect.position_after,
            halted: effect.halted,
            received_at: effect.received_at,
            text: text.into(),
        });
        self.metrics.next_seq.store(outgoing.seq + 1, Ordering::Relaxed);
        if let ServerMessage::Signal(signal) = &outgoing.message {
            self.metrics
                .stage(Stage::ReceivedToDecided)
                .record_ns(signal.latency_ns);
        }
        if let ServerMessage::ModelSwapped(swap) = &outgoing.message {
            self.on_swapped.swapped(swap.generation, outgoing.seq);
            self.swapped.note(swap.generation, outgoing.seq);
        }
        Ok(())
    }

    fn reported(&mut self, instrument: &str, position: Position) {
        if let Some(index) = self.publisher.hub().index_of(instrument) {
            self.publisher.set_position(index, position);
        }
    }

    fn batch_done(&mut self) -> std::io::Result<()> {
        self.publisher.wake();
        Ok(())
    }
}
