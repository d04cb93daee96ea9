//! The signal hub: one ring, one publisher, one cursor per client, no queue per client.
//!
//! The publisher is called after the journal's write returned (or after its sync, as configured); from then on a message is public.
//! Nothing here waits for a client: a slow one falls out of the ring and reads the journal instead.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use contracts::action::PositionSource;
use contracts::ids::{EngineId, Environment, InstrumentId, ModelId, SlotId};
use contracts::reason::Position;
use contracts::time::UnixNanos;
use contracts::wire::{ClockMode, ContractOrigin, FaultCode, SCHEMA, ServerMessage, Snapshot, Welcome};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::board::Board;
use super::cursor::Filter;
use super::ring::{Published, Ring, RingWriter};
use super::wake::{WakeList, WakeSeat};
use crate::core::input::InstrumentIndex;

/// Who the engine is; the same for the life of the process.
#[derive(Debug, Clone)]
pub struct Identity {
    /// As it names itself.
    pub engine_id: EngineId,
    /// The slot it serves.
    pub slot: SlotId,
    /// Its environment.
    pub environment: Environment,
    /// Where `now` comes from; `feed` makes every message `simulated`.
    pub clock: ClockMode,
}

/// What the slot runs now; replaced when the last core has adopted a bundle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Serving {
    /// Who allowed it; `None` before the first contract.
    pub origin: Option<ContractOrigin>,
    /// The model.
    pub model_id: Option<ModelId>,
    /// The contract's generation.
    pub generation: Option<u64>,
    /// Whether positions are reported by the consumer.
    pub position_source: PositionSource,
}

/// The first seq an epoch gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochStart {
    /// The epoch.
    pub epoch: u64,
    /// Its first seq.
    pub first_seq: u64,
}

/// How a hub begins: what recovery found in the journal.
#[derive(Debug, Clone)]
pub struct HubOptions {
    /// Who we are.
    pub identity: Identity,
    /// What runs.
    pub serving: Serving,
    /// The slot's instruments, by their dense index.
    pub instruments: Vec<InstrumentId>,
    /// Their positions, by the same index.
    pub positions: Vec<Position>,
    /// Whether a latch is set.
    pub halted: bool,
    /// The seq of the next published message.
    pub next_seq: u64,
    /// Every epoch the journal knows, ascending, at least one.
    pub epochs: Vec<EpochStart>,
    /// Slots of the ring.
    pub ring_messages: usize,
    /// Most clients at once.
    pub clients_max: usize,
}

/// Whether messages still come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// They do.
    Running,
    /// No more: a planned end.
    Stopping,
    /// No more: a fault.
    Faulted(FaultCode),
}

/// How a life that ended in the first of [`FaultCode::ALL`] is kept; the others follow it. A fault outranks a planned end.
const FIRST_FAULT: u8 = 2;

/// A message of an instrument the slot does not list: for clients without a filter only.
const NOT_LISTED: InstrumentIndex = InstrumentIndex(u32::MAX);

/// The readers' side.
#[derive(Debug)]
pub struct Hub {
    identity: Identity,
    serving: ArcSwap<Serving>,
    names: Vec<InstrumentId>,
    by_name: HashMap<Box<str>, InstrumentIndex>,
    epochs: Vec<EpochStart>,
    ring: Arc<Ring>,
    board: Board,
    wakers: Arc<WakeList>,
    life: AtomicU8,
    tick_ms: AtomicU64,
}

/// What the journal hands over after a record is written.
#[derive(Debug)]
pub struct Publication<'a> {
    /// The number the journal gave it.
    pub seq: u64,
    /// Whose; `None` concerns the slot.
    pub instrument: Option<&'a str>,
    /// The position from here on, where the message sets one (`signal`, `flatten`).
    pub position_after: Option<Position>,
    /// The halt flag from here on, where the message sets it.
    pub halted: Option<bool>,
    /// When the bar was received; `None` without a bar.
    pub received_at: Option<UnixNanos>,
    /// The rendered message.
    pub text: Utf8Bytes,
}

/// The writer's side; one by construction.
#[derive(Debug)]
pub struct Publisher {
    hub: Arc<Hub>,
    writer: RingWriter,
}

impl Hub {
    /// An empty hub and its publisher.
    ///
    /// # Panics
    /// When `ring_messages` is 0 or `epochs` is empty.
    #[must_use]
    pub fn new(options: HubOptions) -> (Arc<Self>, Publisher) {
        assert!(!options.epochs.is_empty(), "a journal has at least one epoch");
        let (ring, writer) = Ring::new(options.ring_messages, options.next_seq);
        let index =
            |k: usize| InstrumentIndex(u32::try_from(k).expect("a slot has far fewer than 2^32 instruments"));
        let hub = Arc::new(Self {
            by_name: options
                .instruments
                .iter()
                .enumerate()
                .map(|(k, name)| (name.as_str().into(), index(k)))
                .collect(),
            board: Board::new(
                &options.positions,
                options.halted,
                options.next_seq.saturating_sub(1),
            ),
            names: options.instruments,
            identity: options.identity,
            serving: ArcSwap::from_pointee(options.serving),
            epochs: options.epochs,
            ring,
            wakers: WakeList::new(options.clients_max),
            life: AtomicU8::new(0),
            tick_ms: AtomicU64::new(0),
        });
        (Arc::clone(&hub), Publisher { hub, writer })
    }

    /// The ring.
    #[must_use]
    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// The epoch messages are given in now.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epochs[self.epochs.len() - 1].epoch
    }

    /// The first seq given anew after `epoch`; `None` when there was no later epoch.
    #[must_use]
    pub fn rewound_since(&self, epoch: u64) -> Option<u64> {
        self.epochs
            .iter()
            .filter(|start| start.epoch > epoch)
            .map(|start| start.first_seq)
            .min()
    }

    /// What runs.
    #[must_use]
    pub fn serving(&self) -> Arc<Serving> {
        self.serving.load_full()
    }

    /// Replaces what runs (the last core has adopted it).
    pub fn set_serving(&self, serving: Serving) {
        self.serving.store(Arc::new(serving));
    }

    /// True in a replay.
    #[must_use]
    pub fn simulated(&self) -> bool {
        self.identity.clock == ClockMode::Feed
    }

    /// The dense index of a name.
    #[must_use]
    pub fn index_of(&self, name: &str) -> Option<InstrumentIndex> {
        self.by_name.get(name).copied()
    }

    /// Takes a client's seat; `None` when all are taken.
    #[must_use]
    pub fn seat(&self) -> Option<WakeSeat> {
        self.wakers.take()
    }

    /// Clients connected.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.wakers.taken()
    }

    /// Makes every client look at time, tokens and life.
    pub fn wake(&self) {
        self.wakers.wake_all();
    }

    /// Milliseconds of the server's ticker: the only time clients know.
    #[must_use]
    pub fn tick_ms(&self) -> u64 {
        self.tick_ms.load(Ordering::Acquire)
    }

    /// Moves the time of all clients; never back.
    pub fn tick(&self, ms: u64) {
        self.tick_ms.fetch_max(ms, Ordering::AcqRel);
        self.wake();
    }

    /// Whether messages still come.
    #[must_use]
    pub fn life(&self) -> Life {
        match self.life.load(Ordering::Acquire) {
            0 => Life::Running,
            1 => Life::Stopping,
            faulted => Life::Faulted(FaultCode::ALL[usize::from(faulted - FIRST_FAULT)]),
        }
    }

    /// No message follows: clients get what is published, then close 1001.
    pub fn stop(&self) {
        self.end(1);
    }

    /// No message follows: clients get what is published, then `fault`, then close 1011.
    pub fn fault(&self, code: FaultCode) {
        self.end(FIRST_FAULT + code as u8);
    }

    fn end(&self, how: u8) {
        self.life.fetch_max(how, Ordering::AcqRel);
        self.wake();
    }

    /// The first message of a stream.
    #[must_use]
    pub fn welcome(&self, oldest_seq: u64) -> ServerMessage<'static> {
        let serving = self.serving();
        ServerMessage::Welcome(Welcome {
            engine_id: self.identity.engine_id.to_string().into(),
            slot: self.identity.slot.to_string().into(),
            environment: self.identity.environment.to_string().into(),
            origin: serving.origin,
            model_id: serving.model_id.as_ref().map(|id| id.to_string().into()),
            generation: serving.generation,
            clock: self.identity.clock,
            epoch: self.epoch(),
            oldest_seq,
            next_seq: self.ring.next_seq(),
            schema: SCHEMA,
            simulated: self.simulated(),
        })
    }

    /// Where things stand, for a client that does not resume; the positions its filter allows.
    #[must_use]
    pub fn snapshot(&self, filter: &Filter) -> Snapshot<'static> {
        let view = self.board.view(&self.ring);
        Snapshot {
            through: view.through,
            halted: view.halted,
            positions: self
                .names
                .iter()
                .zip(view.positions)
                .filter(|(name, _)| filter.admits_name(name.as_str()))
                .map(|(name, position)| (name.to_string().into(), position))
                .collect(),
            simulated: self.simulated(),
        }
    }
}

impl Publisher {
    /// Makes a message public; readers see it now, [`Self::wake`] after the batch tells those who wait.
    ///
    /// # Panics
    /// When `seq` is not the next one.
    pub fn publish(&mut self, publication: Publication<'_>) {
        let instrument = publication
            .instrument
            .map(|name| self.hub.index_of(name).unwrap_or(NOT_LISTED));
        if let (Some(index), Some(position)) = (instrument, publication.position_after) {
            self.hub
                .board
                .set_position(index.0 as usize, position, publication.seq);
        }
        if let Some(halted) = publication.halted {
            self.hub.board.set_halted(halted, publication.seq);
        }
        self.writer.push(Published {
            seq: publication.seq,
            instrument,
            received_at: publication.received_at,
            text: publication.text,
        });
    }

    /// A position that no message sets: reported by its owner.
    pub fn set_position(&mut self, instrument: InstrumentIndex, position: Position) {
        let through = self.hub.ring.next_seq().saturating_sub(1);
        self.hub
            .board
            .set_position(instrument.0 as usize, position, through);
    }

    /// Tells waiting clients, once per batch.
    pub fn wake(&self) {
        self.hub.wake();
    }

    /// The readers' side.
    #[must_use]
    pub const fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }
}
