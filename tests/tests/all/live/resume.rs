//! Clients that come and go while engines do: what each of them got, put together, is the journal, or names what is missing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use testkit::guard::HangGuard;
use testkit::market::{Market, MarketSpec};
use testkit::process::Process;
use testkit::scale;

use super::{Client, Heard, Place, journal};

const INSTRUMENTS: usize = 8;
/// Most messages a client takes before it leaves.
const TAKEN_MAX: usize = 1_500;
/// A run ends before the journal has grown by this many bytes.
const GROWTH_MAX: u64 = 150_000;

type Messages = BTreeMap<u64, String>;

/// What one subscription has, over all its connections.
#[derive(Debug, Clone)]
struct Share {
    /// `None`: everything.
    names: Option<Vec<String>>,
    from: u64,
    /// Complete up to here.
    through: u64,
    got: Messages,
    /// Ranges the engine said are gone.
    missing: Vec<(u64, u64)>,
}

impl Share {
    fn new(names: Option<Vec<String>>, from: u64) -> Self {
        Self {
            names,
            from,
            through: from - 1,
            got: Messages::new(),
            missing: Vec::new(),
        }
    }

    fn wants(&self, message: &Value) -> bool {
        match (&self.names, message["instrument"].as_str()) {
            (Some(names), Some(instrument)) => names.iter().any(|name| name == instrument),
            _ => true,
        }
    }

    /// Takes up to `count` messages; false when the stream ended.
    async fn take(&mut self, client: &mut Client, count: usize) -> bool {
        for _ in 0..count {
            let Heard::Message(message, text) = client.next().await else {
                return false;
            };
            self.note(&message, text);
        }
        true
    }

    fn note(&mut self, message: &Value, text: String) {
        let number = |name: &str| message[name].as_u64().unwrap();
        match message["type"].as_str().unwrap() {
            "progress" => {
                let through = number("through");
                assert!(through >= self.through, "{text}");
                assert!(
                    self.names.is_some() || through == self.through,
                    "all of it came: {text}"
                );
                self.through = through;
            }
            "gap" if message["refill"] == false => {
                let (from, to) = (number("from"), number("to"));
                assert!(from > self.through && to >= from, "{text} after {}", self.through);
                assert!(self.names.is_some() || from == self.through + 1, "{text}");
                self.missing.push((from, to));
                self.through = to;
            }
            "gap" => {}
            "error" => assert_eq!(message["code"], "slow_consumer", "{text}"),
            _ => {
                let seq = number("seq");
                assert!(self.wants(message), "not asked for: {text}");
                assert!(seq > self.through, "twice or out of order: {text}");
                assert!(
                    self.names.is_some() || seq == self.through + 1,
                    "a hole before {text}"
                );
                self.through = seq;
                self.got.insert(seq, text);
            }
        }
    }

    /// What came is what was published, but for what was said to be gone.
    fn assert_is_the_journal(&self, published: &Messages) {
        let is_missing = |seq: u64| self.missing.iter().any(|(from, to)| (*from..=*to).contains(&seq));
        let expected = published
            .range(self.from..self.through + 1)
            .filter(|(seq, text)| {
                let message = serde_json::from_str(text).unwrap();
                !is_missing(**seq) && self.wants(&message)
            });
        assert!(
            expected.eq(self.got.iter()),
            "{:?} from {}",
            self.names,
            self.from
        );
    }
}

async fn connect(address: SocketAddr, share: &Share) -> Option<Client> {
    Client::try_connect(address, share.names.as_deref(), Some((share.through + 1, 1))).await
}

/// Comes and goes, always where it was, until the engine is gone.
async fn faithful(address: SocketAddr, mut share: Share, seed: u64) -> Share {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    while let Some(mut client) = connect(address, &share).await {
        let count = rng.random_range(1..TAKEN_MAX);
        share.take(&mut client, count).await;
    }
    share
}

/// Comes at any point of what has been published, stays a while, and goes.
async fn erratic(address: SocketAddr, seed: u64) -> Vec<Share> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut shares = Vec::new();
    let mut newest = 1;
    loop {
        let mut share = Share::new(None, rng.random_range(1..=newest));
        let Some(mut client) = connect(address, &share).await else {
            return shares;
        };
        newest = client.welcome["next_seq"].as_u64().unwrap();
        let count = rng.random_range(1..TAKEN_MAX);
        share.take(&mut client, count).await;
        shares.push(share);
    }
}

fn bytes_in(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let segments = files.filter(|file| file.path().extension().is_some_and(|end| end == "seg"));
    segments
        .filter_map(|file| Some(file.metadata().ok()?.len()))
        .sum()
}

/// Ends the engine once the journal has grown by so much: by SIGTERM or `kill -9`.
fn end_after(mut engine: Process, dir: PathBuf, growth: u64, in_order: bool) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let guard = HangGuard::new("the journal's growth");
        let grown = bytes_in(&dir) + growth;
        while bytes_in(&dir) < grown {
            std::thread::yield_now();
        }
        drop(guard);
        if in_order {
            engine.signal(libc::SIGTERM);
            assert!(engine.end().success());
        } else {
            engine.kill();
        }
    })
}

fn note_published(dir: &Path, published: &mut Messages) {
    for entry in journal(dir).into_iter().filter(|entry| entry.seq > 0) {
        let text = entry.text.unwrap();
        if let Some(before) = published.insert(entry.seq, text.clone()) {
            assert_eq!(before, text, "a number is given once");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_clients_got_is_the_journal_whatever_happened() {
    let runs = usize::try_from(scale::soak(40)).unwrap().max(4);
    let market = Market::generate(&MarketSpec::many(37, INSTRUMENTS, 30));
    let names: Vec<String> = market.instruments.iter().map(ToString::to_string).collect();
    let place = Place::new(market, "technical_8")
        .set("journal", "segment_bytes = 100000")
        .set("signals", "ring_messages = 64");
    let dir = place.path("journal");
    let mut rng = ChaCha8Rng::seed_from_u64(0x7265_7375);
    let mut whole = Share::new(None, 1);
    let mut some = Share::new(Some(names[..3].to_vec()), 1);
    let (mut erratics, mut published) = (Vec::new(), Messages::new());
    let drivers = ["", "driver = \"pipeline\"\nshards = 2", "driver = \"pipeline\""];
    for run in 1..=runs {
        let (_feed, url) = place.feed_part(run, runs + 1);
        let (engine, address) = place.engine_with(&url, "journal", drivers[run % drivers.len()]);
        let growth = rng.random_range(1..GROWTH_MAX);
        let ender = end_after(engine, dir.clone(), growth, run % 2 == 0);
        let seed = rng.random();
        let (a, b, c) = tokio::join!(
            tokio::spawn(faithful(address, whole, seed)),
            tokio::spawn(faithful(address, some, seed ^ 1)),
            tokio::spawn(erratic(address, seed ^ 2)),
        );
        (whole, some) = (a.unwrap(), b.unwrap());
        erratics.extend(c.unwrap());
        tokio::task::spawn_blocking(move || ender.join().unwrap())
            .await
            .unwrap();
        note_published(&dir, &mut published);
    }
    // The rest of the bars, and clients that read to the last message of it.
    let (_feed, url) = place.feed_part(runs + 1, runs + 1);
    let (engine, address) = place.engine_with(&url, "journal", "");
    let total: usize = place.market.bars.iter().map(Vec::len).sum();
    let guard = HangGuard::new("the rest of the bars");
    let mut finished = 0;
    while finished < total {
        note_published(&dir, &mut published);
        finished = published.values().filter(|text| is_result_text(text)).count();
    }
    drop(guard);
    assert_eq!(finished, total, "every bar has one result");
    let last = *published.last_key_value().unwrap().0;
    for share in [&mut whole, &mut some] {
        while share.through < last {
            let mut client = connect(address, share).await.unwrap();
            while share.through < last && share.take(&mut client, 1).await {}
        }
    }
    engine.signal(libc::SIGTERM);
    assert!(engine.end().success());
    note_published(&dir, &mut published);
    // From here on the oldest messages are deleted.
    let place = place.set("journal", "retention_bytes = 400000");
    let mut late = Share::new(None, 1);
    let (_engine, address) = place.engine_with(&url, "journal", "");
    let guard = HangGuard::new("the deletion of old messages");
    let mut client = loop {
        let client = connect(address, &late).await.unwrap();
        if client.welcome["oldest_seq"].as_u64() > Some(1) {
            break client;
        }
    };
    drop(guard);
    while late.through < last && late.take(&mut client, 1).await {}

    assert!(
        published
            .keys()
            .copied()
            .eq(1..=*published.last_key_value().unwrap().0)
    );
    for share in [&whole, &some, &late].into_iter().chain(&erratics) {
        share.assert_is_the_journal(&published);
    }
    assert!(some.got.len() * 4 < last as usize * 3, "a part of it");
    assert_eq!(late.missing.len(), 1, "older than what is kept");
    assert!(erratics.iter().any(|share| !share.got.is_empty()));
}

fn is_result_text(text: &str) -> bool {
    text.starts_with("{\"type\":\"signal\"") || text.starts_with("{\"type\":\"withheld\"")
}
