//! A machine whose clock was wrong once: what it did then stays done, and when it is right again the engine is, too, running or
//! restarted.

use std::sync::Arc;

use contracts::bar::Bar;
use contracts::native::FeedMode;
use contracts::time::UnixNanos;
use engine::clock::{ManualClock, SharedClock};
use engine::drivers::live::Live;
use serde_json::Value;
use testkit::faulty_feed::{FaultyFeed, Script, Step, bar_text, hello_text};
use testkit::market::{Market, MarketSpec};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use super::client::is_result;
use super::faults::live_at;
use super::{Client, Place};

const NAME: &str = "USDCOP";
/// Bars before the test begins to look: enough for every operator.
const WARM: usize = 400;
const YEAR_MS: i64 = 366 * 24 * 3_600_000;

/// A second after a bar's close, or a year after that.
fn after(bar: &Bar, years: i64) -> UnixNanos {
    UnixNanos((bar.close_time.0 + 1_000 + years * YEAR_MS) * 1_000_000)
}

/// A feed that says `first`, then a bar of `rest` whenever it is told to.
fn script(first: &[Bar], rest: &[Bar], next: &Arc<Notify>) -> Script {
    let text = |bar: &Bar| Step::Text(bar_text(NAME, bar));
    let mut steps = vec![Step::Text(hello_text(FeedMode::Live))];
    steps.extend(first.iter().map(text));
    for bar in rest {
        steps.extend([Step::Await(Arc::clone(next)), text(bar)]);
    }
    Script::Play(steps)
}

async fn result(client: &mut Client, bar: &Bar) -> Value {
    let closed = bar.close_time.to_string();
    client
        .until("the bar's result", |message| {
            is_result(message) && message["bar_close_time"] == closed
        })
        .await
}

#[test]
fn a_clock_that_was_a_year_ahead_once_makes_no_later_bar_late() {
    let market = Market::generate(&MarketSpec::usdcop_like(3, NAME, 20));
    let place = Place::on_clock(market, "technical_8", "wall");
    let bars = place.market.bars[0].clone();
    let clock = ManualClock::at(after(&bars[WARM], 0));
    let next = Arc::new(Notify::new());
    let runtime = Runtime::new().unwrap();
    let start = |first: &[Bar], rest: &[Bar]| -> (FaultyFeed, Live) {
        let feed = runtime.block_on(FaultyFeed::start(vec![script(first, rest, &next)]));
        let shared: SharedClock = clock.clone();
        let live = live_at(&place, &feed.url(), shared, |_| {});
        (feed, live)
    };
    let (feed, live) = start(&bars[..=WARM], &bars[WARM + 1..WARM + 4]);
    runtime.block_on(async {
        let mut client = Client::connect(live.address(), Some((1, 1))).await;
        assert_eq!(result(&mut client, &bars[WARM]).await["type"], "signal");
        for (at, years, expected) in [(1, 1, "late"), (2, 0, "signal"), (3, 1, "late")] {
            let bar = &bars[WARM + at];
            clock.set(after(bar, years));
            next.notify_one();
            let said = result(&mut client, bar).await;
            let word = said["reason"].as_str().or_else(|| said["type"].as_str());
            assert_eq!(word, Some(expected), "{said}");
        }
    });
    // The last thing in the journal is of the next year.
    live.stop().unwrap();
    drop(feed);
    let bar = &bars[WARM + 4];
    clock.set(after(bar, 0));
    let (_feed, live) = start(&[], std::slice::from_ref(bar));
    runtime.block_on(async {
        let mut client = Client::connect(live.address(), Some((1, 1))).await;
        client
            .until("the model", |message| message["type"] == "model_swapped")
            .await;
        next.notify_one();
        let said = result(&mut client, bar).await;
        assert_eq!(said["type"], "signal", "{said}");
    });
    live.stop().unwrap();
}
