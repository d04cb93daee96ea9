//! An engine in process that follows a control plane: its folder, its feed that sends a bar at every word, its client.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use contracts::hash::TokenHash;
use contracts::signing::{KeyPurpose, SigningKey};
use control::keys::Keyring;
use engine::clock::SystemClock;
use engine::config::EngineConfig;
use engine::drivers::live::{Live, LiveOptions};
use engine::feeds::FeedLimits;
use serde_json::Value;
use testkit::faulty_feed::{FaultyFeed, Script, Step, bar_text};
use testkit::guard::within;
use testkit::market::{Market, MarketSpec};
use tokio::sync::Notify;

use crate::client::{Client, is_result};
use crate::plane::{Plane, SLOT};

/// The text of the signal clients' token.
pub const TOKEN: &str = "reader";
const NAME: &str = "USDCOP";
/// Bars before a test begins to look: enough for every operator.
pub const WARM: usize = 400;

/// Folder and market of an engine.
pub struct Place {
    folder: tempfile::TempDir,
    market: Market,
    trusted: String,
    /// More lines of `[control]`.
    pub in_control: String,
}

impl Place {
    /// Trusts the keys of `plane` and holds its token.
    pub fn new(plane: &Plane) -> Self {
        Self::with(&plane.token, &plane.test.app.keys)
    }

    /// Trusts `keys` and holds `shown`.
    pub fn with(shown: &str, keys: &Keyring) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        std::fs::write(&token, shown).unwrap();
        std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
        Self {
            folder,
            market: Market::generate(&MarketSpec::usdcop_like(21, NAME, 200)),
            trusted: trusted(keys),
            in_control: String::new(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn settings(&self, control: &str, feed: &str) -> EngineConfig {
        let path = |name: &str| self.path(name).display().to_string();
        let text = format!(
            "engine_id = \"engine-1\"\nslot = \"{SLOT}\"\nenvironment = \"paper\"\ncontract_source = \"control\"\n\
             listen = \"127.0.0.1:0\"\nclock = \"feed\"\n\
             [control]\nurl = \"{control}\"\ntoken_file = \"{token}\"\n{in_control}\n\
             [journal]\ndir = \"{journal}\"\n\
             [feed]\nurl = \"{feed}\"\ncodec = \"native\"\n[feed.instruments]\n{NAME} = \"{NAME}\"\n\
             [halt]\nsocket = \"{socket}\"\nfile = \"{file}\"\n\
             {trusted}\n\
             [[tokens]]\nname = \"reader\"\nsha256 = \"{reader}\"\nscopes = [\"signals:read\"]\nexpires = \"2100-01-01T00:00:00Z\"\n",
            in_control = self.in_control,
            token = path("token"),
            journal = path("journal"),
            socket = path("halt.sock"),
            file = path("HALT"),
            trusted = self.trusted,
            reader = TokenHash::of(TOKEN.as_bytes()),
        );
        EngineConfig::parse(&text, Path::new("engine.toml")).unwrap()
    }

    /// Starts an engine whose feed begins with bar `from` and sends those after [`WARM`] one by one.
    pub async fn start(&self, control: &str, from: usize) -> Running {
        let next = Arc::new(Notify::new());
        let mut steps = Vec::new();
        for (at, bar) in self.market.bars[0].iter().enumerate().skip(from) {
            if at >= WARM {
                steps.push(Step::Await(Arc::clone(&next)));
            }
            steps.push(Step::Text(bar_text(NAME, bar)));
        }
        let feed = FaultyFeed::replaying(vec![Script::Play(steps)]).await;
        let options = LiveOptions {
            config: self.settings(control, &feed.url()),
            config_path: None,
            clock: SystemClock::shared(),
            send_buffer_bytes: None,
            batch_rows_max: 64,
            feed_limits: FeedLimits::default(),
        };
        let live = tokio::task::spawn_blocking(|| Live::start(options).unwrap())
            .await
            .unwrap();
        let mut client = Client::connect(live.address(), (from == 0).then_some((1, 1))).await;
        for _ in from..WARM {
            within("a result", client.until("a result", is_result)).await;
        }
        Running {
            live: Some(live),
            client,
            next,
            seen: WARM.max(from),
            _feed: feed,
        }
    }
}

fn trusted(keys: &Keyring) -> String {
    let entry = |key: &SigningKey, word: &str, purpose: KeyPurpose| {
        assert!(keys.trusted().find(&key.key_id(), purpose).is_some());
        let public = key.public_key();
        format!(
            "[[trusted_keys]]\nid = \"{}\"\npublic_key = \"{}\"\nuses = [\"{word}\"]\n",
            public.key_id(),
            public.to_hex()
        )
    };
    [
        entry(keys.contract(), "contract", KeyPurpose::Contract),
        entry(keys.first_vote(), "first_vote", KeyPurpose::Backtest),
        entry(keys.vote(), "vote", KeyPurpose::Vote),
    ]
    .concat()
}

/// A running engine with its client.
pub struct Running {
    live: Option<Live>,
    client: Client,
    next: Arc<Notify>,
    /// Bars sent so far.
    pub seen: usize,
    _feed: FaultyFeed,
}

impl Running {
    /// Lets the next bar through and gives its result.
    pub async fn bar(&mut self) -> Value {
        self.next.notify_one();
        self.seen += 1;
        within("a bar's result", self.client.until("a bar's result", is_result)).await
    }

    /// The next bar is decided by this generation.
    pub async fn assert_signals(&mut self, generation: u64) {
        let result = self.bar().await;
        assert_eq!(
            (&result["type"], &result["generation"]),
            (&"signal".into(), &generation.into()),
            "{result}"
        );
    }

    /// The next bar is withheld for this reason.
    pub async fn assert_withheld(&mut self, reason: &str) {
        let result = self.bar().await;
        assert_eq!(result["reason"], reason, "{result}");
    }

    /// Reads on to the adoption of this generation.
    pub async fn swapped(&mut self, generation: u64) {
        self.message("the swap", |message| {
            message["type"] == "model_swapped" && message["generation"] == generation
        })
        .await;
    }

    /// Reads on to a message that fits.
    pub async fn message(&mut self, what: &str, fits: impl FnMut(&Value) -> bool) -> Value {
        within(what, self.client.until(what, fits)).await
    }

    /// Its page of metrics.
    pub fn metrics(&self) -> String {
        self.live.as_ref().unwrap().metrics().render()
    }

    /// Stops it in order; gives the number of the next bar.
    pub async fn stop(mut self) -> usize {
        let live = self.live.take().unwrap();
        tokio::task::spawn_blocking(|| live.stop().unwrap())
            .await
            .unwrap();
        self.seen
    }
}

impl Drop for Running {
    /// Its runtime may not end on a thread of the test's.
    fn drop(&mut self) {
        if let Some(live) = self.live.take() {
            drop(std::thread::spawn(|| drop(live)).join());
        }
    }
}
