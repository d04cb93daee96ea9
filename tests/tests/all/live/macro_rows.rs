//! Rows added to the macro file while the engine runs: what was stale is not any more, and all of it is in the journal.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use contracts::bar::{Bar, Stamp};
use contracts::time::UnixNanos;
use engine::clock::ManualClock;
use engine::config::EngineConfig;
use engine::core::record::Kind;
use engine::drivers::live::{Live, LiveOptions};
use engine::feeds::FeedLimits;
use serde_json::Value;
use testkit::faulty_feed::{FaultyFeed, Script, Step, bar_text};
use testkit::guard::HangGuard;
use testkit::market::{Market, MarketSpec};
use testkit::process::binary;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use super::client::is_result;
use super::{Client, Place, journal};

const NAME: &str = "USDCOP";
/// Bars the history file has.
const HISTORY: usize = 1_200;
/// So many days before the end of the history the macro file ends: older than any series may be.
const STALE_DAYS: usize = 15;

fn live(place: &Place, feed: &str, clock: &Arc<ManualClock>) -> Live {
    let config = EngineConfig::parse(&place.toml(feed, "journal"), &place.path("live.toml")).unwrap();
    Live::start(LiveOptions {
        config,
        config_path: None,
        clock: Arc::<ManualClock>::clone(clock),
        send_buffer_bytes: None,
        batch_rows_max: 64,
        feed_limits: FeedLimits::default(),
    })
    .unwrap()
}

/// A feed of bars alone; each comes when it is asked for, and closes then.
struct Bars<'a> {
    runtime: &'a Runtime,
    bars: &'a [Bar],
    feed: FaultyFeed,
    next: Arc<Notify>,
    clock: Arc<ManualClock>,
    given: usize,
}

impl<'a> Bars<'a> {
    fn new(runtime: &'a Runtime, bars: &'a [Bar]) -> Self {
        let next = Arc::new(Notify::new());
        let steps = bars
            .iter()
            .flat_map(|bar| [Step::Await(Arc::clone(&next)), Step::Text(bar_text(NAME, bar))]);
        let feed = runtime.block_on(FaultyFeed::start(vec![Script::Play(steps.collect())]));
        Self {
            runtime,
            bars,
            feed,
            next,
            clock: ManualClock::at(UnixNanos(bars[0].close_time.0 * 1_000_000)),
            given: 0,
        }
    }

    fn result(&mut self, client: &mut Client) -> Value {
        let close = self.bars[self.given].close_time;
        self.given += 1;
        self.clock.set(UnixNanos(close.0 * 1_000_000));
        self.next.notify_one();
        self.runtime.block_on(client.until("the bar's result", is_result))
    }
}

fn arrived(dir: &Path) -> usize {
    let entries = journal(dir);
    entries.iter().filter(|entry| entry.kind == Kind::Macro).count()
}

/// Waits until the journal holds so many daily values.
fn await_arrived(dir: &Path, count: usize) {
    let _guard = HangGuard::new(format!("{count} daily values in the journal"));
    while arrived(dir) < count {
        std::thread::yield_now();
    }
    assert_eq!(arrived(dir), count);
}

fn await_metric(live: &Live, line: &str) {
    let _guard = HangGuard::new(line.to_owned());
    while !live.metrics().render().contains(&format!("{line}\n")) {
        std::thread::yield_now();
    }
}

fn assert_verified(dir: &Path) {
    let mut command = Command::new(binary("engine"));
    let output = command.args(["replay", "--verify"]).arg(dir).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Values in rows `from..to` of a macro CSV.
fn cells(rows: &[&str]) -> usize {
    let values = rows.iter().flat_map(|row| row.split(',').skip(1));
    values.filter(|cell| !cell.is_empty()).count()
}

#[test]
fn rows_added_to_the_macro_file_arrive_and_are_journaled() {
    let market = Market::generate(&MarketSpec::usdcop_like(41, NAME, 40));
    let place = Place::on_clock(market, "usdcop_15", "wall");
    let mut past = place.market.clone();
    past.bars[0].truncate(HISTORY);
    let history = past.write(&place.path("history"), Stamp::Close).unwrap();
    let file = place.path("macro.csv");
    let section = format!(
        "[history]\nbars = \"{}\"\nmacro = \"{}\"\nstamp = \"close\"\n",
        history.bars[0].display(),
        file.display()
    );
    let place = place.set("sections", section.leak());
    let dir = place.path("journal");

    let bars = &place.market.bars[0][HISTORY..];
    let today =
        contracts::time::DayNumber(i32::try_from(bars[0].close_time.0.div_euclid(86_400_000)).unwrap());
    let csv = place.market.macro_csv();
    let rows: Vec<&str> = csv.lines().collect();
    let present = rows.iter().position(|row| row.starts_with(&today.to_string()));
    let present = present.expect("the market's macro has a row a day");
    let old = present - STALE_DAYS;
    let text = |to: usize| rows[..to].join("\n") + "\n";
    std::fs::write(&file, text(old)).unwrap();

    let runtime = Runtime::new().unwrap();
    let mut told = Bars::new(&runtime, bars);
    let engine = live(&place, &told.feed.url(), &told.clock);
    let mut client = runtime.block_on(Client::connect(engine.address(), Some((1, 1))));
    let reason = told.result(&mut client)["reason"].to_string();
    assert!(reason.contains("stale:"), "{reason}");
    std::fs::write(&file, text(present) + "2023-99-99,1,1,1,1,1,1,1\n").unwrap();
    await_metric(&engine, "engine_macro_file_faults_total 1");
    let reason = told.result(&mut client)["reason"].to_string();
    assert!(
        reason.contains("stale:"),
        "nothing is taken of a file with a bad row: {reason}"
    );
    assert_eq!(arrived(&dir), 0);
    std::fs::write(&file, text(present)).unwrap();
    let added = cells(&rows[old..present]);
    await_arrived(&dir, added);
    await_metric(&engine, &format!("engine_macro_file_values_total {added}"));
    let result = told.result(&mut client);
    assert_eq!(result["type"], "signal", "{result}");
    engine.stop().unwrap();
    assert_verified(&dir);

    // Added while nothing ran, and a past value that changed: news; all else is known.
    let known = rows[present - 1].rsplit_once(',').unwrap();
    let revised = rows[..present - 1].join("\n") + &format!("\n{},{}5\n", known.0, known.1);
    std::fs::write(&file, format!("{revised}{}\n", rows[present])).unwrap();
    let added = added + 1 + cells(&rows[present..=present]);
    let given = told.given;
    let mut told = Bars::new(&runtime, &bars[given..]);
    let engine = live(&place, &told.feed.url(), &told.clock);
    let mut client = runtime.block_on(Client::connect(engine.address(), None));
    await_arrived(&dir, added);
    let result = told.result(&mut client);
    assert_eq!(result["type"], "signal", "{result}");
    engine.stop().unwrap();
    assert_verified(&dir);

    // As a process on the machine's clock.
    let (engine, _) = place.engine(&told.feed.url(), "journal");
    let more = format!("{revised}{}\n{}\n", rows[present], rows[present + 1]);
    std::fs::write(&file, more).unwrap();
    await_arrived(&dir, added + cells(&rows[present + 1..present + 2]));
    engine.signal(libc::SIGTERM);
    assert!(engine.end().success());
    assert_verified(&dir);
}
