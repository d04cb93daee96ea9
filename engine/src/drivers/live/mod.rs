//! A live engine: journal, cores, follower, feed, hub and server put together, and taken apart in order.
//!
//! Start-up is recovery: the journal is opened and judged, the cores are brought back, the follower looks once (so that a model
//! is there before the first bar), then the driver begins to read. What is stopped first is reading; what is closed last is the
//! journal.

mod driver;
mod end;
mod feed;
mod follow;
mod followed;
mod history;
mod macro_file;
mod recover;
mod serving;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use contracts::ids::{InstrumentId, SeriesId};
use contracts::time::UtcMillis;
use contracts::wire::ClockMode as WireClock;
use tokio::sync::watch;

use self::driver::DriverParts;
use self::end::system;
pub use self::end::{LiveEnd, LiveError};
use self::feed::{feed, feed_history, held};
use self::follow::{Accepted as AcceptedContracts, LiveEngine, StartingWriter};
use self::followed::{FollowedParts, followed};
pub use self::recover::{RecoverError, levelling, restore};
use self::serving::{CountedReceipts, on_swapped};
use super::hub_out::{HubOut, LastSwapped};
use super::inbox::{Inbox, PositionInbox};
use super::outlet::{Numbers, Outlet};
use super::start::{open_journal, start_run};
use super::warm::KnownHistory;
use crate::bundle::{Accepted, BuildOptions, BundleCell, Holder, Keeper, Serves};
use crate::clock::SharedClock;
use crate::config::{Durability, EngineConfig};
use crate::core::{ClockMode, Core, CoreOptions, InstrumentIndex};
use crate::edges::control::{ControlSender, keeping_control_queue};
use crate::edges::halt_file::{self, HaltFile};
use crate::edges::halt_socket::HaltSocket;
use crate::edges::hub::{EpochStart, Hub, HubOptions, Identity, Serving};
use crate::edges::positions::PositionDesk;
use crate::edges::server::{Parts, ServerHandle, ServerOptions, SignalServer};
use crate::edges::tokens::Tokens;
use crate::feeds::FeedLimits;
use crate::follower::{
    Bell, DirectiveGate, DirectiveParts, Directives, Directory, Follower, FollowerParts, Looks as _, spawn,
};
use crate::journal::{JournalOptions, Syncer};
use crate::limits::{FOLLOWER_PERIOD_MS, HALT_FILE_PERIOD_MS};
use crate::metrics::Metrics;

/// What a live engine is started with.
#[derive(Debug)]
pub struct LiveOptions {
    /// The settings.
    pub config: EngineConfig,
    /// Their file, whose tokens are read again when it changes; `None` keeps those of `config`.
    pub config_path: Option<PathBuf>,
    /// Wall time.
    pub clock: SharedClock,
    /// `SO_SNDBUF` of signal clients; `None`: the system's.
    pub send_buffer_bytes: Option<u32>,
    /// Most bars inferred together.
    pub batch_rows_max: usize,
    /// Waits and sizes of the feed client.
    pub feed_limits: FeedLimits,
}

/// A running engine.
pub struct Live {
    runtime: tokio::runtime::Runtime,
    driver: JoinHandle<Result<(), LiveEnd>>,
    follower: JoinHandle<Follower>,
    directives: JoinHandle<Directives>,
    bell: Bell,
    stop: Arc<watch::Sender<bool>>,
    ended: watch::Receiver<bool>,
    server: ServerHandle,
    hub: Arc<Hub>,
    control: ControlSender,
    metrics: Arc<Metrics>,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// The slot's instruments, in the order of their dense indices.
#[must_use]
pub fn instruments_of(config: &EngineConfig) -> Arc<[InstrumentId]> {
    config.feed.instruments.keys().cloned().collect()
}

fn core_options(options: &LiveOptions) -> CoreOptions {
    let series: Vec<SeriesId> = options.config.feed.series.clone();
    CoreOptions {
        clock: match options.config.clock {
            WireClock::Wall => ClockMode::Wall,
            WireClock::Feed => ClockMode::Feed,
        },
        series: series.into(),
        batch_rows_max: options.batch_rows_max,
        shards: options.config.shards,
        ..CoreOptions::single(instruments_of(&options.config))
    }
}

impl Live {
    /// Starts an engine; it listens and has looked for a contract when this returns.
    ///
    /// # Errors
    /// [`LiveError`].
    pub fn start(options: LiveOptions) -> Result<Self, LiveError> {
        let config = &options.config;
        let clock = Arc::clone(&options.clock);
        let core_options = core_options(&options);
        let dir = config.journal.dir.clone();
        let opened = open_journal(&dir, journal_options(&options))?;
        let history = match &config.history {
            Some(files) => history::read(files, &core_options.instruments)?,
            None => KnownHistory::default(),
        };
        let history = Arc::new(history);
        let cell = Arc::new(BundleCell::default());
        let shards: Vec<CoreOptions> = (0..config.shards)
            .map(|shard| CoreOptions {
                shard,
                ..core_options.clone()
            })
            .collect();
        let mut cores: Vec<Core> = shards
            .iter()
            .map(|shard| {
                let holder = Holder::new(Arc::clone(&cell), usize::from(shard.shard));
                Core::new(shard.clone(), holder)
            })
            .collect();
        let recovered = recover::recover(&dir, &opened.recovered, &mut cores)?;
        if !opened.recovered.snapshots.is_empty() {
            // The journal's last time is that of a clock which may have been ahead.
            let now = clock.now();
            cores.iter_mut().for_each(|core| core.set_clock(now));
        }
        // Operators that are to be warmed get the history with it; recovered ones have what they had.
        let macro_file = macro_file::watched(
            config,
            &core_options,
            |series, date, value| recovered.is_none() || cores[0].knows_macro(series, date, value),
            &history,
        );
        let metrics = Metrics::new(cores.len());
        if let Some(torn) = &opened.recovered.torn {
            tracing::warn!(file = %torn.file, offset = torn.offset, bytes = torn.bytes, "a torn tail was cut");
            metrics.journal_torn_bytes.store(torn.bytes, Ordering::Relaxed);
        }
        let carry = opened.recovered.carry.clone();
        let writer = start_run(opened, &core_options, clock.now())?;
        let reader = writer.reader();
        let accepted: AcceptedContracts = Arc::new(Mutex::new(HashMap::new()));
        let (hub, publisher) = Hub::new(HubOptions {
            identity: Identity {
                engine_id: config.engine_id.clone(),
                slot: config.slot.clone(),
                environment: config.environment.clone(),
                clock: config.clock,
            },
            serving: Serving::default(),
            instruments: core_options.instruments.to_vec(),
            positions: by_instrument(&cores, |core| core.positions().collect()),
            halted: cores.iter().any(Core::is_halted),
            next_seq: writer.next_seq(),
            epochs: writer.carry().epochs.iter().map(epoch_start).collect(),
            ring_messages: config.signals.ring_messages,
            clients_max: config.signals.clients_max,
        });
        let inbox = Arc::new(Inbox::default());
        let wake = Arc::clone(&inbox);
        ensure_parent(&config.halt.socket)?;
        ensure_parent(&config.halt.file)?;
        let halt_file = config.halt.file.clone();
        let (control, control_in) =
            keeping_control_queue(move || wake.wake(), move || halt_file::leave(&halt_file));
        let halt_file = HaltFile::new(&config.halt.file).look_first(&control);
        let swapped = Arc::new(LastSwapped::default());
        let bell = Bell::default();
        let starting: StartingWriter = Arc::new(Mutex::new(Some(writer)));
        let gate = Arc::new(Mutex::new(DirectiveGate::new(
            config.environment.clone(),
            config.slot.clone(),
            config.trusted(),
            (carry.directive > 0).then_some(carry.directive),
        )));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("edges")
            .enable_all()
            .build()
            .map_err(system("runtime"))?;
        let (stop, stopped) = watch::channel(false);
        let generation = Arc::new(AtomicU64::new(
            carry.generation.map_or(0, |(generation, _)| generation),
        ));
        let followed = followed(FollowedParts {
            config,
            bell: &bell,
            metrics: &metrics,
            clock: &clock,
            gate: &gate,
            generation: &generation,
            runtime: runtime.handle(),
            stopped: &stopped,
        })?;
        let engine = LiveEngine {
            inbox: Arc::clone(&inbox),
            starting: Arc::clone(&starting),
            cores: shards,
            history: Arc::clone(&history),
            reader: reader.clone(),
            dir: dir.clone(),
            swapped: Arc::clone(&swapped),
            accepted: Arc::clone(&accepted),
            recovered,
            generation,
            clock: Arc::clone(&clock),
        };
        let cache = Directory::new(&dir.join("cache"));
        let mut directives = Directives::new(DirectiveParts {
            source: followed.directives,
            cache: Some(cache.clone()),
            gate: Arc::clone(&gate),
            control: control.clone(),
            bell: bell.clone(),
        });
        let mut follower = Follower::new(FollowerParts {
            source: followed.source,
            cache: Some(cache),
            options: BuildOptions {
                serves: Some(Serves {
                    environment: config.environment.clone(),
                    slot: config.slot.clone(),
                    instruments: core_options.instruments.to_vec(),
                    allow_local_contracts: config.allow_local_contracts,
                }),
                trusted: Some(config.trusted()),
                cores: config.shards,
                clock: Arc::clone(&clock),
            },
            accepted: carry
                .generation
                .map(|(generation, digest)| Accepted { generation, digest }),
            gate: Arc::clone(&gate),
            receipts: Box::new(CountedReceipts::new(
                Arc::clone(&metrics),
                Arc::clone(&clock),
                followed.outbox,
            )),
            keeper: Keeper::new(cell),
            engine: Box::new(engine),
        });
        // What is wanted is known before the contract is looked for, and what was ordered meanwhile is there before the first bar.
        directives.look();
        follower.look();
        directives.look();
        let writer = starting.lock().unwrap_or_else(PoisonError::into_inner).take();
        let writer = writer.unwrap_or_else(|| unreachable!("only this function takes it"));
        let held: Vec<Option<UtcMillis>> = core_options
            .instruments
            .iter()
            .map(|name| held(&carry, &history, name))
            .collect();
        let feed_history = feed_history(&history, &core_options.instruments, &accepted);
        let (feed, feed_handle) = feed(&options, &core_options, held, Some(feed_history))?;
        let reports: Vec<_> = cores.iter().flat_map(reports_of).collect();
        let out = HubOut::new(
            publisher,
            Arc::clone(&metrics),
            swapped,
            Box::new(on_swapped(
                Arc::clone(&hub),
                Arc::clone(&metrics),
                Arc::clone(&accepted),
                bell.clone(),
            )),
        );
        let outlet = Outlet::new(Numbers::Journal(Box::new(writer)), out)
            .measured(Arc::clone(&clock), Arc::clone(&metrics));
        let parts = DriverParts {
            first: recover::levelling(&cores),
            cores,
            outlet,
            inbox: Arc::clone(&inbox),
            control: control_in,
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
            syncer: Syncer::spawn().map_err(system("thread"))?,
            feed: feed_handle,
        };
        let daily = Arc::clone(&inbox);
        let (ended_tx, ended) = watch::channel(false);
        let (for_driver, shared) = driver::runtime(config)?;
        let tokens = match &options.config_path {
            Some(path) => Tokens::from_file(path.clone())?,
            None => Tokens::fixed(config.tokens.clone()),
        };
        let server_options = ServerOptions {
            listen: config.listen,
            send_buffer_bytes: options.send_buffer_bytes,
            driver: shared,
            own_ticks: true,
        };
        let served = Parts {
            hub: Arc::clone(&hub),
            history: Arc::new(reader),
            tokens,
            desk: PositionDesk::new(Arc::new(PositionInbox(inbox)), reports),
            metrics: Arc::clone(&metrics),
            clock,
        };
        let (server, handle) = runtime.block_on(SignalServer::bind(server_options, served))?;
        let socket = {
            let _in_runtime = runtime.enter();
            HaltSocket::bind(&config.halt.socket)?
        };
        // Nothing is read from the feed before everything is there by which it can be halted.
        let hub_of_driver = Arc::clone(&hub);
        let driver = driver::spawn(for_driver, config, parts, feed, stopped, ended_tx, hub_of_driver)?;
        runtime.spawn(server.run());
        runtime.spawn(socket.run(control.clone(), gate));
        runtime.spawn(halt_file.run(control.clone(), Duration::from_millis(HALT_FILE_PERIOD_MS)));
        let period = Duration::from_millis(FOLLOWER_PERIOD_MS);
        if let Some(file) = macro_file {
            let (clock, metrics) = (Arc::clone(&options.clock), Arc::clone(&metrics));
            runtime.spawn(file.run(daily, clock, metrics));
        }
        let directives = spawn(directives, bell.clone(), period).map_err(system("thread"))?;
        let follower = spawn(follower, bell.clone(), period).map_err(system("thread"))?;
        Ok(Self {
            runtime,
            driver,
            follower,
            directives,
            bell,
            stop: Arc::new(stop),
            ended,
            server: handle,
            hub,
            control,
            metrics,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> std::net::SocketAddr {
        self.server.local_addr()
    }

    /// Halts and directives by hand.
    #[must_use]
    pub const fn control(&self) -> &ControlSender {
        &self.control
    }

    /// What is counted.
    #[must_use]
    pub const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Makes the followers look now.
    pub fn look_for_contract(&self) {
        self.bell.ring();
    }

    /// True from when the engine has ended on its own; changes are told.
    #[must_use]
    pub fn ended(&self) -> watch::Receiver<bool> {
        self.ended.clone()
    }

    /// Runs a future on the edges' runtime; for a caller without one.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Stops reading, finishes the batch, writes `stop`, syncs, closes clients with 1001, and returns how it went.
    ///
    /// # Errors
    /// [`LiveEnd`]; also when the engine had ended on its own before.
    pub fn stop(self) -> Result<(), LiveEnd> {
        self.stop.send_replace(true);
        self.bell.end();
        let outcome = self.driver.join().unwrap_or(Err(LiveEnd::Panicked));
        match &outcome {
            Ok(()) => self.hub.stop(),
            Err(end) => self.hub.fault(end.fault()),
        }
        self.runtime.block_on(self.server.stop());
        // They end with their present look; a panic of their threads was reported by the hook.
        drop(self.follower.join());
        drop(self.directives.join());
        outcome
    }
}

fn journal_options(options: &LiveOptions) -> JournalOptions {
    let config = &options.config.journal;
    JournalOptions {
        durability: match config.durability {
            Durability::Process => crate::core::record::Durability::Process,
            Durability::Disk => crate::core::record::Durability::Disk,
        },
        segment_bytes: config.segment_bytes,
        retention_days: config.retention_days,
        retention_bytes: config.retention_bytes,
    }
}

fn epoch_start(epoch: &crate::journal::EpochStart) -> EpochStart {
    EpochStart {
        epoch: u64::from(epoch.epoch),
        first_seq: epoch.first_seq,
    }
}

/// Facts of each core about its own instruments, in the order of the slot's.
fn by_instrument<T: Copy>(cores: &[Core], of: impl Fn(&Core) -> Vec<T>) -> Vec<T> {
    let each: Vec<Vec<T>> = cores.iter().map(of).collect();
    let count = each.iter().map(Vec::len).sum();
    (0..count)
        .map(|at: usize| each[at % cores.len()][at / cores.len()])
        .collect()
}

fn reports_of(core: &Core) -> impl Iterator<Item = (InstrumentIndex, UtcMillis)> + '_ {
    core.reports()
        .map(|(local, as_of)| (core.options().global(local), as_of))
}

fn ensure_parent(path: &std::path::Path) -> Result<(), LiveError> {
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => {
            std::fs::create_dir_all(parent).map_err(system("directory for the halt socket and file"))
        }
        None => Ok(()),
    }
}
