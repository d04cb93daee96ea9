//! A model over other features: its operators are warmed from what the journal holds, so its first bar is a decision.

use std::sync::Arc;

use engine::feeds::FeedLimits;
use testkit::faulty_feed::{FaultyFeed, Script, Step, bar_text};
use testkit::market::{Market, MarketSpec};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use super::client::is_result;
use super::faults::live_under;
use super::{Client, Place};

const NAME: &str = "USDCOP";
/// More than any operator needs.
const BEFORE: usize = 400;

#[test]
fn other_features_are_warmed_from_the_journal() {
    for driver in ["driver = \"inline\"", "driver = \"pipeline\""] {
        let market = Market::generate(&MarketSpec::usdcop_like(21, NAME, 30));
        let mut place = Place::new(market, "technical_8").set("", driver);
        let go_on = Arc::new(Notify::new());
        let bars = &place.market.bars[0];
        let said = |bars: &[contracts::bar::Bar]| -> Vec<Step> {
            bars.iter().map(|bar| Step::Text(bar_text(NAME, bar))).collect()
        };
        let mut steps = said(&bars[..BEFORE]);
        steps.push(Step::Await(Arc::clone(&go_on)));
        steps.extend(said(&bars[BEFORE..BEFORE + 5]));
        let runtime = Runtime::new().unwrap();
        let feed = runtime.block_on(FaultyFeed::replaying(vec![Script::Play(steps)]));
        let live = live_under(&place, &feed.url(), FeedLimits::default(), |_| {});
        let mut client = runtime.block_on(Client::connect(live.address(), Some((1, 1))));
        for _ in 0..BEFORE {
            runtime.block_on(client.until("a result", is_result));
        }
        place.features.features.remove(0);
        place.contract(9, 2_000);
        live.look_for_contract();
        runtime.block_on(client.until("the swap", |message| {
            message["type"] == "model_swapped" && message["generation"] == 2_000
        }));
        go_on.notify_one();
        for _ in 0..5 {
            let result = runtime.block_on(client.until("a result", is_result));
            assert_eq!(result["type"], "signal", "{result}");
            assert_eq!(result["generation"], 2_000);
        }
        live.stop().unwrap();
    }
}
