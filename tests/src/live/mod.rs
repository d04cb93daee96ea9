//! A live engine in process, with a file served as its feed and clients on its signal stream.
//!
//! Everything a person would do by hand: a contract is made and laid into a directory, the engine is started on a free port, a
//! client subscribes from the first message and reads to the close. [`replayed`] is what the same bars give without sockets.

mod client;
mod contract;
mod replay;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use contracts::ids::InstrumentId;
use contracts::native::FeedMode;
use engine::clock::SystemClock;
use engine::config::{DriverKind, EngineConfig, SignalsConfig};
use engine::drivers::live::{Live, LiveOptions};
use engine::feeds::FeedLimits;
use engine::feeds::file_server::{FileServer, FileServerHandle, FileServerOptions, Pace, Tape};
use engine::metrics::Metrics;

pub use client::Client;
pub use contract::{MakeSpec, bars_tape, lay, made, signing_key};
pub use replay::replayed;

/// The text of the token every client of the kit shows.
pub const TOKEN: &str = "live-kit";

/// Messages besides the results of bars that the hub keeps.
const SPARE_MESSAGES: usize = 16_384;

/// How an engine is run.
pub struct Run {
    /// The bars and daily values.
    pub tape: Arc<Tape>,
    /// How fast they come.
    pub pace: Pace,
    /// Which driver.
    pub driver: DriverKind,
    /// Most bars inferred together.
    pub batch_rows_max: usize,
}

/// A running engine; its directories and its feed end with it.
pub struct Engine {
    live: Live,
    feed: FileServerHandle,
    feed_runtime: tokio::runtime::Runtime,
    folder: tempfile::TempDir,
}

impl Engine {
    /// Starts an engine of the slot `test` whose contracts are looked for in [`Self::contracts`] of a new folder; `prepare` may
    /// lay one there before the engine looks.
    ///
    /// # Panics
    /// When the engine does not start.
    #[must_use]
    pub fn start(run: Run, prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the engine");
        let contracts = folder.path().join("contract");
        std::fs::create_dir_all(&contracts).expect("a folder for contracts");
        prepare(&contracts);
        let feed_runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("feed-server")
            .enable_all()
            .build()
            .expect("a runtime for the feed");
        let instruments: Vec<InstrumentId> = run.tape.instruments().cloned().collect();
        // At full speed the engine is faster than the test's client; what a client is told that falls behind is not tested here.
        let signals = SignalsConfig {
            ring_messages: run.tape.bars_total() + SPARE_MESSAGES,
            ..SignalsConfig::default()
        };
        let options = FileServerOptions {
            tape: run.tape,
            pace: run.pace,
            mode: FeedMode::Replay,
        };
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let (server, feed) = feed_runtime
            .block_on(FileServer::bind(any_port, options))
            .expect("a free port for the feed");
        feed_runtime.spawn(server.run());
        let config = EngineConfig {
            driver: run.driver,
            signals,
            ..settings(folder.path(), &feed.url(), &instruments)
        };
        let options = LiveOptions {
            config,
            config_path: None,
            clock: SystemClock::shared(),
            send_buffer_bytes: None,
            batch_rows_max: run.batch_rows_max,
            feed_limits: FeedLimits::default(),
        };
        let live =
            Live::start(options).unwrap_or_else(|error| panic!("the engine does not start: {error:?}"));
        Self {
            live,
            feed,
            feed_runtime,
            folder,
        }
    }

    /// Where its contracts come from.
    #[must_use]
    pub fn contracts(&self) -> PathBuf {
        self.folder.path().join("contract")
    }

    /// The engine.
    #[must_use]
    pub const fn live(&self) -> &Live {
        &self.live
    }

    /// Its counters.
    #[must_use]
    pub const fn metrics(&self) -> &Arc<Metrics> {
        self.live.metrics()
    }

    /// A client that has subscribed from the first message on.
    #[must_use]
    pub fn subscribe(&self) -> Client {
        Client::subscribe(self.live.address(), 1)
    }

    /// Stops engine and feed in order while `client` reads on to the close, as the engine waits for its clients.
    ///
    /// # Panics
    /// When the engine had failed.
    #[must_use]
    pub fn stop_read_by(self, mut client: Client) -> Client {
        let reader = std::thread::spawn(move || {
            client.read_to_end();
            client
        });
        self.stop();
        reader.join().expect("the client reads to the close")
    }

    /// Stops engine and feed in order.
    ///
    /// # Panics
    /// When the engine had failed.
    pub fn stop(self) {
        self.live
            .stop()
            .unwrap_or_else(|error| panic!("the engine failed: {error:?}"));
        self.feed.stop();
        self.feed_runtime.shutdown_background();
    }
}

/// Settings of an engine of the slot `test` that keeps everything in `folder` and reads a native feed.
///
/// # Panics
/// When `folder` or `feed` cannot stand in a TOML text.
#[must_use]
pub fn settings(folder: &Path, feed: &str, instruments: &[InstrumentId]) -> EngineConfig {
    let path = |name: &str| folder.join(name).display().to_string();
    let listed: String = instruments
        .iter()
        .map(|name| format!("\"{name}\" = \"{name}\"\n"))
        .collect();
    let public_key = signing_key().public_key();
    let text = format!(
        "engine_id = \"engine-1\"\nslot = \"test\"\nenvironment = \"local\"\nlisten = \"127.0.0.1:0\"\nclock = \"feed\"\n\
         contract_source = \"{}\"\nallow_local_contracts = true\n\
         [journal]\ndir = \"{}\"\n\
         [halt]\nsocket = \"{}\"\nfile = \"{}\"\n\
         [[trusted_keys]]\nid = \"{}\"\npublic_key = \"{}\"\nuses = [\"contract\"]\n\
         [[tokens]]\nname = \"kit\"\nsha256 = \"{}\"\nscopes = [\"signals:read\"]\nexpires = \"2100-01-01T00:00:00Z\"\n\
         [feed]\nurl = \"{feed}\"\ncodec = \"native\"\n[feed.instruments]\n{listed}",
        path("contract"),
        path("journal"),
        path("halt.sock"),
        path("HALT"),
        public_key.key_id(),
        public_key.to_hex(),
        contracts::hash::TokenHash::of(TOKEN.as_bytes()),
    );
    EngineConfig::parse(&text, Path::new("engine.toml"))
        .unwrap_or_else(|error| panic!("the kit's settings: {error:?}"))
}
