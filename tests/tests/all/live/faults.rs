//! A feed that does everything wrong: each fault ends in its counted reason, and the engine goes on signalling.

use std::time::Duration;

use contracts::bar::Bar;
use engine::clock::{SharedClock, SystemClock};
use engine::config::EngineConfig;
use engine::core::record::Kind;
use engine::drivers::live::{Live, LiveOptions};
use engine::feeds::FeedLimits;
use testkit::faulty_feed::{FaultyFeed, Script, Step, bar_text};
use testkit::guard::HangGuard;
use testkit::market::{Market, MarketSpec};
use tokio::runtime::Runtime;

use super::client::is_result;
use super::{Client, Place};

/// One the contract sets no price bounds for, so that a level may shift.
pub const NAME: &str = "SYN00";
const HOUR_MS: i64 = 3_600_000;

pub fn place(clock: &'static str) -> Place {
    let spec = MarketSpec {
        missing_per_mille: 0,
        ..MarketSpec::usdcop_like(5, NAME, 5)
    };
    Place::on_clock(Market::generate(&spec), "usdcop_15", clock)
}

fn live(place: &Place, feed: &str) -> Live {
    live_with(place, feed, |_| {})
}

/// An engine in process whose settings are `change`d before it starts; it gives up a silent feed soon.
pub fn live_with(place: &Place, feed: &str, change: impl FnOnce(&mut EngineConfig)) -> Live {
    live_at(place, feed, SystemClock::shared(), change)
}

/// The same on another clock than the machine's.
pub fn live_at(
    place: &Place,
    feed: &str,
    clock: SharedClock,
    change: impl FnOnce(&mut EngineConfig),
) -> Live {
    let limits = FeedLimits {
        idle: Duration::from_millis(300),
        backoff_first: Duration::from_millis(5),
        backoff_max: Duration::from_millis(20),
        message_bytes_max: 4_000,
        ..FeedLimits::default()
    };
    start(place, feed, clock, limits, change)
}

/// The same under other limits of the feed.
pub fn live_under(
    place: &Place,
    feed: &str,
    feed_limits: FeedLimits,
    change: impl FnOnce(&mut EngineConfig),
) -> Live {
    start(place, feed, SystemClock::shared(), feed_limits, change)
}

fn start(
    place: &Place,
    feed: &str,
    clock: SharedClock,
    feed_limits: FeedLimits,
    change: impl FnOnce(&mut EngineConfig),
) -> Live {
    let file = place.path("live.toml");
    let mut config = EngineConfig::parse(&place.toml(feed, "journal"), &file).unwrap();
    change(&mut config);
    Live::start(LiveOptions {
        config,
        config_path: None,
        clock,
        send_buffer_bytes: None,
        batch_rows_max: 64,
        feed_limits,
    })
    .unwrap()
}

fn text(bar: &Bar) -> Step {
    Step::Text(bar_text(NAME, bar))
}

/// `bar` with every price times `factor`.
fn scaled(bar: &Bar, factor: f64) -> Bar {
    Bar {
        open: bar.open * factor,
        high: bar.high * factor,
        low: bar.low * factor,
        close: bar.close * factor,
        ..*bar
    }
}

/// Waits until the metrics page says all of it: the feed's own counts reach it once a second.
pub fn assert_counted(live: &Live, expected: &[(&str, &str, u64)]) {
    for (metric, reason, count) in expected {
        let line = format!("{metric}{{reason=\"{reason}\"}} {count}\n");
        let _guard = HangGuard::new(format!("metric {}", line.trim()));
        while !live.metrics().render().contains(&line) {
            std::thread::yield_now();
        }
    }
}

#[test]
fn every_fault_is_counted_and_the_engine_goes_on() {
    let place = place("feed");
    let bars = &place.market.bars[0];
    // The market's first day is a holiday in Bogota.
    let (day, next_day) = (&bars[60..120], &bars[120..]);
    let good = bar_text(NAME, &day[10]);
    let says = |text: &str| Step::Text(text.to_owned());
    let number = format!("\"close\":{}", day[10].close);
    assert!(good.contains(&number));
    let close_as = |value: &str| says(&good.replace(&number, &format!("\"close\":{value}")));
    let night = Bar {
        close_time: day[59].close_time.plus_ms(3 * HOUR_MS),
        ..day[59]
    };
    let early = Bar {
        close_time: day[0].close_time.plus_ms(-HOUR_MS),
        ..day[0]
    };
    let huge = Bar {
        high: 1e308,
        close: 1e308,
        ..day[58]
    };
    let mut first: Vec<Step> = day[..10].iter().map(text).collect();
    first.extend([
        text(&day[9]),
        text(&early),
        text(&scaled(&day[9], 1.01)),
        says("hello"),
        close_as("NaN"),
        close_as("1e309"),
        says(&good.replace(NAME, "USDBRL")),
        says(r#"{"type":"macro","series":"nobody","date":"2025-01-02","value":1}"#),
        says(r#"{"type":"book"}"#),
        Step::Binary(vec![1, 2, 3]),
        Step::HalfFrame(good.clone()),
        Step::Cut,
    ]);
    let mut fourth: Vec<Step> = day[10..58].iter().map(text).collect();
    fourth.extend([&huge, &day[59], &night].map(text));
    // Six times the price: the first such bar is out, the second that agrees is a new level.
    fourth.extend(next_day[..60].iter().map(|bar| text(&scaled(bar, 6.0))));
    let results = 10 + 48 + 3 + 60;
    let runtime = Runtime::new().unwrap();
    let feed = runtime.block_on(FaultyFeed::replaying(vec![
        Script::CutHandshake,
        Script::Play(first),
        Script::Play(vec![Step::Oversized(5_000)]),
        Script::Play(vec![Step::NotUtf8]),
        Script::Play(vec![Step::Silent]),
        Script::Play(fourth),
    ]));
    let live = live(&place, &feed.url());
    let mut reasons = Vec::new();
    runtime.block_on(async {
        let mut client = Client::connect(live.address(), Some((1, 1))).await;
        for _ in 0..results {
            let result = client.until("a result", is_result).await;
            reasons.push(result["reason"].as_str().unwrap_or("signal").to_owned());
        }
    });
    assert_eq!(reasons[58], "quarantined", "1e308");
    assert_eq!(reasons[60], "off_session");
    assert_eq!(reasons[61], "quarantined", "a new level is not believed at once");
    assert_ne!(reasons[62], "quarantined");
    let ignored = "engine_feed_ignored_total";
    let dropped = "engine_bars_dropped_total";
    assert_counted(
        &live,
        &[
            (ignored, "handshake_failed", 1),
            (ignored, "malformed", 4),
            (ignored, "unknown_instrument", 1),
            (ignored, "unknown_series", 1),
            (ignored, "unknown_kind", 1),
            (ignored, "binary", 1),
            (ignored, "broken", 1),
            (ignored, "oversized", 1),
            (ignored, "silent", 1),
            (dropped, "duplicate", 1),
            (dropped, "out_of_order", 1),
            (dropped, "conflict", 1),
        ],
    );
    live.stop().unwrap();
    let entries = super::journal(&place.path("journal"));
    let count = |kind| entries.iter().filter(|entry| entry.kind == kind).count();
    assert_eq!(count(Kind::Conflict), 1);
    assert_eq!(count(Kind::LevelShift), 1);
    assert_eq!(count(Kind::Bar), results);
}

#[test]
fn a_bar_from_the_future_is_refused_and_the_next_one_taken() {
    let place = place("wall");
    let bars = &place.market.bars[0];
    let future = Bar {
        close_time: bars[0].close_time.plus_ms(24 * HOUR_MS * 36_500),
        ..bars[0]
    };
    let runtime = Runtime::new().unwrap();
    let steps = [&bars[0], &future, &bars[1]].map(text).to_vec();
    let feed = runtime.block_on(FaultyFeed::start(vec![Script::Play(steps)]));
    let live = live(&place, &feed.url());
    runtime.block_on(async {
        let mut client = Client::connect(live.address(), Some((1, 1))).await;
        for bar in &bars[..2] {
            let result = client.until("a result", is_result).await;
            assert_eq!(result["bar_close_time"], bar.close_time.to_string());
        }
    });
    assert_counted(&live, &[("engine_bars_dropped_total", "future", 1)]);
    live.stop().unwrap();
}
