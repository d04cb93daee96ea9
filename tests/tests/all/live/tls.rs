//! An engine whose feed is behind TLS, under either driver: refused certificates are counted, bars flow over a good one.

use contracts::native::FeedMode;
use engine::config::DriverKind;
use testkit::faulty_feed::{FaultyFeed, Script, Step, bar_text, hello_text};
use testkit::tls::Authority;
use tokio::runtime::Runtime;

use super::Client;
use super::client::is_result;
use super::faults::{NAME, assert_counted, live_with, place};

fn signals_over_tls(driver: DriverKind) {
    let place = place("feed");
    let bars = &place.market.bars[0][..20];
    let own = Authority::new();
    let ca_file = place.path("ca.pem");
    own.write(&ca_file);
    let acceptors = vec![
        Authority::new().server("127.0.0.1", 2_200),
        own.server("127.0.0.1", 2_200),
    ];
    let mut steps = vec![Step::Text(hello_text(FeedMode::Replay))];
    steps.extend(bars.iter().map(|bar| Step::Text(bar_text(NAME, bar))));
    let runtime = Runtime::new().unwrap();
    let feed = runtime.block_on(FaultyFeed::start_with(vec![Script::Play(steps)], acceptors));
    let live = live_with(&place, &feed.url(), |config| {
        config.driver = driver;
        config.feed.ca_file = Some(ca_file);
    });
    runtime.block_on(async {
        let mut client = Client::connect(live.address(), Some((1, 1))).await;
        for bar in bars {
            let result = client.until("a result", is_result).await;
            assert_eq!(result["bar_close_time"], bar.close_time.to_string());
        }
    });
    assert_counted(&live, &[("engine_feed_ignored_total", "certificate_refused", 1)]);
    live.stop().unwrap();
}

#[test]
fn inline() {
    signals_over_tls(DriverKind::Inline);
}

#[test]
fn pipeline() {
    signals_over_tls(DriverKind::Pipeline);
}
