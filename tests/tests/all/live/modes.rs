//! The feed's own word decides whether its bars are taken: a replay on the feed's clock, the market on the wall clock.

use std::sync::Arc;

use contracts::native::FeedMode;
use testkit::faulty_feed::{FaultyFeed, Script, Step, bar_text, hello_text};
use testkit::guard::HangGuard;
use testkit::market::{Market, MarketSpec};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use super::client::is_result;
use super::faults::live_with;
use super::{Client, Heard, Place};

const NAME: &str = "USDCOP";

fn place(clock: &'static str) -> Place {
    let market = Market::generate(&MarketSpec::usdcop_like(3, NAME, 3));
    Place::on_clock(market, "technical_8", clock)
}

fn bars(place: &Place, range: std::ops::Range<usize>) -> Vec<Step> {
    let bars = &place.market.bars[0][range];
    bars.iter().map(|bar| Step::Text(bar_text(NAME, bar))).collect()
}

fn hello(mode: FeedMode) -> Step {
    Step::Text(hello_text(mode))
}

fn until_counted(live: &engine::drivers::live::Live, reason: &str, count: u64) {
    let line = format!("engine_feed_ignored_total{{reason=\"{reason}\"}} {count}\n");
    let _guard = HangGuard::new(line.clone());
    while !live.metrics().render().contains(&line) {
        std::thread::yield_now();
    }
}

#[test]
fn on_the_feeds_clock_nothing_is_taken_before_the_replay_is_announced() {
    for driver in ["driver = \"inline\"", "driver = \"pipeline\""] {
        let place = place("feed").set("", driver);
        let mut steps = bars(&place, 0..5);
        steps.push(hello(FeedMode::Replay));
        steps.extend(bars(&place, 5..20));
        let runtime = Runtime::new().unwrap();
        let feed = runtime.block_on(FaultyFeed::start(vec![Script::Play(steps)]));
        let live = live_with(&place, &feed.url(), |_| {});
        runtime.block_on(async {
            let mut client = Client::connect(live.address(), Some((1, 1))).await;
            assert_eq!(client.welcome["simulated"], true);
            let mut results = 0;
            while results < 15 {
                let Heard::Message(message, text) = client.next().await else {
                    panic!("the stream ended");
                };
                assert_eq!(message["simulated"], true, "{text}");
                if is_result(&message) {
                    let bar = &place.market.bars[0][5 + results];
                    assert_eq!(message["bar_close_time"], bar.close_time.to_string());
                    results += 1;
                }
            }
        });
        until_counted(&live, "unannounced", 5);
        live.stop().unwrap();
    }
}

#[test]
fn a_live_feed_on_the_feeds_clock_ends_the_engine_and_clients_are_told_why() {
    for driver in ["driver = \"inline\"", "driver = \"pipeline\""] {
        let place = place("feed").set("", driver);
        let say = Arc::new(Notify::new());
        let mut steps = vec![Step::Await(Arc::clone(&say)), hello(FeedMode::Live)];
        steps.extend(bars(&place, 0..5));
        let runtime = Runtime::new().unwrap();
        let feed = runtime.block_on(FaultyFeed::start(vec![Script::Play(steps)]));
        let (engine, address) = place.engine(&feed.url(), "journal");
        runtime.block_on(async {
            let mut client = Client::connect(address, Some((1, 1))).await;
            say.notify_one();
            let fault = client.until("the fault", |message| {
                assert!(!is_result(message), "{message}");
                message["type"] == "fault"
            });
            assert_eq!(fault.await["code"], "feed_mode");
            assert!(matches!(client.next().await, Heard::End(Some(1011))));
        });
        assert_eq!(engine.end().code(), Some(engine::cli::Exit::Config.code().into()));
    }
}

#[test]
fn on_the_wall_clock_a_replay_is_given_up_and_the_market_is_taken() {
    for driver in ["driver = \"inline\"", "driver = \"pipeline\""] {
        let place = place("wall").set("", driver);
        let mut replay = vec![hello(FeedMode::Replay)];
        replay.extend(bars(&place, 0..5));
        let mut market = vec![hello(FeedMode::Live)];
        market.extend(bars(&place, 5..8));
        let runtime = Runtime::new().unwrap();
        let feed = runtime.block_on(FaultyFeed::start(vec![
            Script::Play(replay.clone()),
            Script::Play(replay),
            Script::Play(market),
        ]));
        let live = live_with(&place, &feed.url(), |_| {});
        runtime.block_on(async {
            let mut client = Client::connect(live.address(), Some((1, 1))).await;
            for bar in &place.market.bars[0][5..8] {
                let result = client.until("a result", is_result).await;
                assert_eq!(result["bar_close_time"], bar.close_time.to_string());
                assert_eq!(result.get("simulated"), None, "{result}");
            }
        });
        until_counted(&live, "replay", 2);
        live.stop().unwrap();
    }
}
