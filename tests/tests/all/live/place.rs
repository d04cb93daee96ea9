//! A folder with everything an engine runs on: market, contract, settings, journal.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use contracts::bar::Stamp;
use contracts::features::FeatureContract;
use contracts::hash::TokenHash;
use contracts::ids::SlotId;
use contracts::signing::SigningKey;
use contracts::time::UtcMillis;
use engine::bundle::make::{MakeRequest, make};
use engine::follower::Directory;
use strategy::golden::GoldenInputs;
use strategy::onnx::testmodels::{Shape, ppo_continuous};
use tempfile::TempDir;
use testkit::market::{Market, MarketFiles};
use testkit::process::{Process, Watch, binary};
use testkit::rig;

/// The slot every test serves.
pub const SLOT: &str = "live";
/// The token's text.
pub const TOKEN: &str = "reader";

/// See the module.
pub struct Place {
    folder: TempDir,
    pub market: Market,
    pub files: MarketFiles,
    pub features: FeatureContract,
    clock: &'static str,
    settings: Vec<(&'static str, &'static str)>,
}

/// The key that signs contracts and directives here.
pub fn key() -> SigningKey {
    SigningKey::from_seed([21; 32])
}

impl Place {
    /// Writes the market's files and a contract for `features`; the engine's time is the feed's.
    pub fn new(market: Market, features: &str) -> Self {
        Self::on_clock(market, features, "feed")
    }

    /// The same on the clock `feed` or `wall`.
    pub fn on_clock(market: Market, features: &str, clock: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = market.write(&folder.path().join("market"), Stamp::Close).unwrap();
        let place = Self {
            features: rig::features(features),
            folder,
            market,
            files,
            settings: Vec::new(),
            clock,
        };
        place.contract(7, 1_000);
        place
    }

    /// Adds a line to a section of `engine.toml`; `""` is the part above all sections.
    pub fn set(mut self, section: &'static str, line: &'static str) -> Self {
        self.settings.push((section, line));
        self
    }

    /// Takes that line out again.
    pub fn unset(mut self, line: &str) -> Self {
        self.settings.retain(|(_, set)| *set != line);
        self
    }

    /// Makes the contract of generation `seconds` with the model of `seed` the wanted one.
    pub fn contract(&self, seed: u64, seconds: i64) {
        let width = self.features.features.len();
        let made = make(MakeRequest {
            model: &ppo_continuous(&Shape::new(seed, width)).bytes,
            norm_stats: &serde_json::to_vec(&rig::norm_stats(&self.features)).unwrap(),
            features: self.features.clone(),
            slot: SlotId::parse(SLOT).unwrap(),
            action_output: None,
            executor: None,
            golden: GoldenInputs::Drawn,
            created_at: UtcMillis(seconds * 1_000),
            key: &key(),
        })
        .unwrap();
        let source = Directory::new(&self.path("contract"));
        for (hash, bytes) in &made.artifacts {
            source.store_artifact(*hash, bytes).unwrap();
        }
        source.store_contract(&made.json).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Serves the market's files as `engine feed` does, at full speed.
    pub fn feed(&self) -> (Process, String) {
        self.serve(&self.files)
    }

    /// The same with only the first `share` of `of` of every instrument's bars.
    pub fn feed_part(&self, share: usize, of: usize) -> (Process, String) {
        let mut part = self.market.clone();
        for bars in &mut part.bars {
            bars.truncate(bars.len() * share / of);
        }
        let folder = self.path(&format!("market-{share}"));
        self.serve(&part.write(&folder, Stamp::Close).unwrap())
    }

    fn serve(&self, files: &MarketFiles) -> (Process, String) {
        let mut words = vec!["feed".to_owned()];
        for file in &files.bars {
            words.extend(["--bars".to_owned(), text(file)]);
        }
        words.extend(["--macro".to_owned(), text(&files.macros)]);
        words.extend(["--stamp", "close", "--speed", "max", "--listen", "127.0.0.1:0"].map(str::to_owned));
        let mut feed = Process::start(binary("engine"), words, Watch::Stdout);
        let address = listening(&mut feed);
        (feed, format!("ws://{address}"))
    }

    /// Starts `engine run` with its journal in `journal`.
    pub fn engine(&self, feed: &str, journal: &str) -> (Process, SocketAddr) {
        self.engine_with(feed, journal, "")
    }

    /// The same with more lines above all sections of its settings. A file too long is an error for it, not its end.
    pub fn engine_with(&self, feed: &str, journal: &str, top: &str) -> (Process, SocketAddr) {
        let config = self.path(&format!("{journal}.toml"));
        std::fs::write(&config, format!("{top}\n{}", self.toml(feed, journal))).unwrap();
        let mut command = Command::new("sh");
        command
            .args(["-c", "trap '' XFSZ; exec \"$0\" run --config \"$1\""])
            .arg(binary("engine"))
            .arg(&config);
        let mut engine = Process::start_command(command, Watch::Stdout);
        let address = listening(&mut engine);
        (engine, address)
    }

    /// The settings' text.
    pub fn toml(&self, feed: &str, journal: &str) -> String {
        let path = |name: &str| text(&self.path(name));
        let more = |section: &str| {
            let lines = self.settings.iter().filter(|(of, _)| *of == section);
            lines.map(|(_, line)| format!("{line}\n")).collect::<String>()
        };
        let key = key().public_key();
        let instruments: String = self
            .market
            .instruments
            .iter()
            .map(|name| format!("{name} = \"{name}\"\n"))
            .collect();
        format!(
            "engine_id = \"test\"\nslot = \"{SLOT}\"\nenvironment = \"local\"\ncontract_source = \"{source}\"\n\
             listen = \"127.0.0.1:0\"\nclock = \"{clock}\"\nallow_local_contracts = true\n{top}\n\
             [journal]\ndir = \"{dir}\"\n{in_journal}\n\
             [feed]\nurl = \"{feed}\"\ncodec = \"native\"\n\n[feed.instruments]\n{instruments}\n\
             [halt]\nsocket = \"{socket}\"\nfile = \"{file}\"\n\n[signals]\n{in_signals}\n\
             {sections}\n\
             [[trusted_keys]]\nid = \"{id}\"\npublic_key = \"{public}\"\nuses = [\"contract\"]\n\n\
             [[tokens]]\nname = \"reader\"\nsha256 = \"{token}\"\nscopes = [\"signals:read\", \"metrics:read\"]\n\
             expires = \"2100-01-01T00:00:00Z\"\n",
            source = path("contract"),
            clock = self.clock,
            top = more(""),
            dir = path(journal),
            in_journal = more("journal"),
            socket = path("halt.sock"),
            file = path("HALT"),
            in_signals = more("signals"),
            sections = more("sections"),
            id = key.key_id(),
            public = key.to_hex(),
            token = TokenHash::of(TOKEN.as_bytes()).to_hex(),
        )
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// The address a verb prints when clients can connect.
fn listening(process: &mut Process) -> SocketAddr {
    let line = process.line_where(|line| line.contains("listening"));
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    said["listening"].as_str().unwrap().parse().unwrap()
}
