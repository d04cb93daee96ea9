//! Everything a feed can do wrong ends in its counted reason and a client that goes on.

use std::sync::Arc;
use std::time::Duration;

use contracts::bar::Bar;
use contracts::time::{UnixNanos, UtcMillis};
use engine::core::input::InstrumentIndex;
use engine::feeds::history::MemoryHistory;
use engine::feeds::{FeedEvent, FeedRefusal, Source};
use testkit::faulty_feed::{FaultyFeed, Script, Step, bar_text};
use testkit::guard::within;
use tokio::sync::Notify;

use super::{Client, bar, noon, options, symbols};

fn text(bar: &Bar) -> Step {
    Step::Text(bar_text("USDCOP", bar))
}

fn says(text: &str) -> Step {
    Step::Text(text.to_owned())
}

#[tokio::test]
async fn a_connection_that_never_stands_is_tried_again() {
    for script in [Script::CutHandshake, Script::RefuseHandshake(503)] {
        let feed = FaultyFeed::start(vec![
            script.clone(),
            script,
            Script::Play(vec![text(&bar(1, 4_100.0))]),
        ])
        .await;
        let mut client = Client::start(options(feed.url()));
        assert_eq!(client.bar().await, bar(1, 4_100.0));
        assert_eq!(client.refused(FeedRefusal::HandshakeFailed), 2);
        assert_eq!(client.handle.counters().connections(), 1);
        client.stop().await;
    }
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_given_up() {
    let feed = FaultyFeed::start(vec![
        Script::SilentHandshake,
        Script::Play(vec![text(&bar(1, 4_100.0))]),
    ])
    .await;
    let mut options = options(feed.url());
    options.limits.connect = Duration::from_millis(300);
    let mut client = Client::start(options);
    assert_eq!(client.lost().await, FeedRefusal::HandshakeFailed);
    client.stop().await;
}

#[tokio::test]
async fn nobody_listening_is_tried_again_until_told_to_stop() {
    let gone = FaultyFeed::start(Vec::new()).await;
    let url = gone.url();
    drop(gone);
    let mut client = Client::start(options(url));
    for _ in 0..3 {
        // The listener of the dropped server may take one more connection before it is gone.
        client.lost().await;
    }
    assert!(client.refused(FeedRefusal::ConnectFailed) + client.refused(FeedRefusal::HandshakeFailed) >= 3);
    client.stop().await;
}

#[tokio::test]
async fn a_cut_inside_a_frame_loses_nothing_that_came_before_and_resumes_after_it() {
    let half = bar_text("USDCOP", &bar(3, 4_102.0));
    let mut feed = FaultyFeed::start(vec![
        Script::Play(vec![
            text(&bar(1, 4_100.0)),
            text(&bar(2, 4_101.0)),
            Step::HalfFrame(half),
            Step::Cut,
        ]),
        Script::Play(vec![text(&bar(3, 4_102.0)), Step::Close]),
        Script::Play(vec![text(&bar(4, 4_103.0))]),
    ])
    .await;
    let mut client = Client::start(options(feed.url()));
    for step in 1..=2_u8 {
        assert_eq!(client.bar().await.close_time, bar(step.into(), 1.0).close_time);
    }
    assert_eq!(client.lost().await, FeedRefusal::Broken);
    assert_eq!(client.bar().await, bar(3, 4_102.0));
    assert_eq!(client.lost().await, FeedRefusal::Closed);
    assert_eq!(client.bar().await, bar(4, 4_103.0));
    let held = |step: i64| format!(r#""after":{{"USDCOP":"{}"}}"#, bar(step, 1.0).close_time);
    let requests = [feed.request().await, feed.request().await, feed.request().await];
    assert!(!requests[0].contains("after"), "{}", requests[0]);
    assert!(requests[1].contains(&held(2)), "{}", requests[1]);
    assert!(requests[2].contains(&held(3)), "{}", requests[2]);
    client.stop().await;
}

#[tokio::test]
async fn a_silent_peer_is_left() {
    let feed = FaultyFeed::start(vec![Script::Play(vec![text(&bar(1, 4_100.0)), Step::Silent])]).await;
    let mut options = options(feed.url());
    options.limits.idle = Duration::from_millis(300);
    let mut client = Client::start(options);
    assert_eq!(client.bar().await, bar(1, 4_100.0));
    assert_eq!(client.lost().await, FeedRefusal::Silent);
    client.stop().await;
}

#[tokio::test]
async fn what_only_the_core_can_judge_passes_as_it_is() {
    let huge = Bar {
        high: 1e308,
        close: 1e308,
        ..bar(5, 4_104.0)
    };
    let sent = [
        bar(2, 4_101.0),
        bar(2, 4_101.0),       // duplicated
        bar(1, 4_100.0),       // out of order
        bar(2, 4_999.0),       // conflicting
        bar(3, 41_000.0),      // a level shift
        bar(80 + 48, 4_103.0), // off session, and in the future
        huge,                  // 1e308
        Bar {
            low: 5e9,
            ..bar(6, 4_105.0)
        }, // impossible
    ];
    let feed = FaultyFeed::start(vec![Script::Play(sent.iter().map(text).collect())]).await;
    let mut client = Client::start(options(feed.url()));
    for expected in sent {
        assert!(client.bar().await.same_bits(&expected));
    }
    assert_eq!(client.handle.counters().bars(), 8);
    client.stop().await;
}

#[tokio::test]
async fn what_is_no_message_is_counted_and_the_next_one_is_read() {
    let good = bar_text("USDCOP", &bar(1, 4_100.0));
    let malformed = [
        "",
        "hello",
        "[1,2]",
        &good[..good.len() - 5],
        &good.replace("4100.125", "NaN"),
        &good.replace("4100.125", "1e309"),
        &good.replace("\"close\":4100.125", "\"close\":null"),
        &good.replace("T13:05:00Z", " 13:05"),
    ];
    let mut steps: Vec<Step> = malformed.iter().map(|text| says(text)).collect();
    steps.extend([
        says(&good.replace("USDCOP", "USDBRL")),
        says(&good.replace("13:05:00Z", "13:05:01Z")),
        says(r#"{"type":"macro","series":"gold","date":"2026-01-02","value":1}"#),
        says(r#"{"type":"book","instrument":"USDCOP"}"#),
        says(r#"{"type":"error","code":"unknown_instrument","detail":"no bars of X"}"#),
        Step::Binary(vec![1, 2, 3]),
        says(&good),
    ]);
    let feed = FaultyFeed::start(vec![Script::Play(steps)]).await;
    let mut client = Client::start(options(feed.url()));
    assert_eq!(client.next().await, FeedEvent::Connected { connection: 1 });
    let FeedEvent::Bar { bar: read, .. } = client.next().await else {
        panic!("nothing but the good bar is delivered")
    };
    assert_eq!(read, bar(1, 4_100.0));
    let counted = |reason| client.refused(reason);
    assert_eq!(counted(FeedRefusal::Malformed), malformed.len() as u64);
    assert_eq!(counted(FeedRefusal::UnknownInstrument), 1);
    assert_eq!(counted(FeedRefusal::OffGrid), 1);
    assert_eq!(counted(FeedRefusal::UnknownSeries), 1);
    assert_eq!(counted(FeedRefusal::UnknownKind), 1);
    assert_eq!(counted(FeedRefusal::SourceError), 1);
    assert_eq!(counted(FeedRefusal::Binary), 1);
    assert_eq!(client.handle.counters().connections(), 1);
    client.stop().await;
}

#[tokio::test]
async fn an_oversized_message_and_bytes_that_are_no_text_cost_the_connection_only() {
    for (step, cause) in [
        (Step::Oversized(5_000), FeedRefusal::Oversized),
        (Step::NotUtf8, FeedRefusal::Malformed),
    ] {
        let feed = FaultyFeed::start(vec![
            Script::Play(vec![text(&bar(1, 4_100.0)), step]),
            Script::Play(vec![text(&bar(2, 4_101.0))]),
        ])
        .await;
        let mut client = Client::start(options(feed.url()));
        assert_eq!(client.bar().await, bar(1, 4_100.0));
        assert_eq!(client.lost().await, cause);
        assert_eq!(client.bar().await, bar(2, 4_101.0));
        assert_eq!(client.refused(cause), 1);
        client.stop().await;
    }
}

#[tokio::test]
async fn a_bar_from_the_future_does_not_become_the_place_to_resume_from() {
    let mut feed = FaultyFeed::start(vec![Script::Play(vec![
        text(&bar(1, 4_100.0)),
        text(&bar(10_000, 4_100.0)),
        Step::Cut,
    ])])
    .await;
    let mut client = Client::start(options(feed.url()));
    client.lost().await;
    let _first = feed.request().await;
    let second = within("a new subscription", feed.request()).await;
    assert!(second.contains(&bar(1, 1.0).close_time.to_string()), "{second}");
    client.stop().await;
}

#[tokio::test]
async fn a_stepped_clock_moves_what_is_stamped_and_nothing_else() {
    let gate = Arc::new(Notify::new());
    let feed = FaultyFeed::start(vec![Script::Play(vec![
        text(&bar(1, 4_100.0)),
        Step::Await(Arc::clone(&gate)),
        text(&bar(2, 4_101.0)),
        Step::Await(Arc::clone(&gate)),
        text(&bar(3, 4_102.0)),
    ])])
    .await;
    let mut client = Client::start(options(feed.url()));
    let start = noon().0 * 1_000_000;
    assert_eq!(client.next().await, FeedEvent::Connected { connection: 1 });
    for (step, now) in [
        (1, start),
        (2, start - 3_600_000_000_000),
        (3, start + 86_400_000_000_000),
    ] {
        if step > 1 {
            client.clock.set(UnixNanos(now));
            gate.notify_one();
        }
        let FeedEvent::Bar {
            bar: read,
            received_at,
            ..
        } = client.next().await
        else {
            panic!("a bar")
        };
        assert_eq!(
            (read.close_time, received_at),
            (bar(step, 1.0).close_time, UnixNanos(now))
        );
    }
    client.stop().await;
}

#[tokio::test]
async fn history_fills_what_a_source_cannot_send_again_and_a_gap_names_the_rest() {
    let kline = |bar: &Bar| {
        let start = bar.close_time.bar_open().0;
        says(&format!(
            r#"{{"topic":"kline.5.USDCOP","data":[{{"start":{start},"interval":"5","open":"{}","high":"{}","low":"{}","close":"{}","volume":"{}","confirm":true}}]}}"#,
            bar.open, bar.high, bar.low, bar.close, bar.volume
        ))
    };
    let feed = FaultyFeed::start(vec![
        Script::Play(vec![kline(&bar(1, 4_100.0)), Step::Cut]),
        Script::Play(vec![kline(&bar(6, 4_105.0))]),
    ])
    .await;
    let mut options = options(feed.url());
    options.source = Source::Bybit;
    options.symbols = symbols(&["USDCOP"]);
    let known = vec![vec![bar(1, 4_100.0), bar(2, 4_101.0), bar(4, 4_103.0)]];
    let history = MemoryHistory::new(known, |_, _: UtcMillis| true);
    let mut client = Client::with_history(options, Some(Box::new(history)));
    let mut seen = Vec::new();
    while seen.len() < 6 {
        let step = |time: UtcMillis| (time.0 - bar(0, 1.0).close_time.0) / 300_000;
        match client.next().await {
            FeedEvent::Bar { bar, backfilled, .. } => {
                seen.push((step(bar.close_time), step(bar.close_time), backfilled));
            }
            FeedEvent::Gap { instrument, from, to } => {
                assert_eq!(instrument, InstrumentIndex(0));
                seen.push((step(from), step(to), false));
            }
            _ => {}
        }
    }
    let expected = [
        (1, 1, false),
        (2, 2, true),
        (3, 3, false),
        (4, 4, true),
        (5, 5, false),
        (6, 6, false),
    ];
    assert_eq!(seen, expected);
    client.stop().await;
}
