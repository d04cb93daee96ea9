//! `wss://`: who is trusted, what a refused certificate costs, and that bars flow after it.

use std::time::Duration;

use engine::feeds::{FeedOptions, FeedRefusal};
use testkit::faulty_feed::{FaultyFeed, Script, Step, bar_text};
use testkit::tls::Authority;

use super::{Client, bar, options};

const HOST: &str = "127.0.0.1";
/// No test runs before the one and after the other.
const PAST: i32 = 2_001;
const FUTURE: i32 = 2_200;

fn one_bar() -> Vec<Script> {
    vec![Script::Play(vec![Step::Text(bar_text(
        "USDCOP",
        &bar(1, 4_100.0),
    ))])]
}

/// Trusts `authority` beside the public ones.
fn trusting(authority: &Authority, folder: &tempfile::TempDir, url: String) -> FeedOptions {
    let file = folder.path().join("ca.pem");
    authority.write(&file);
    FeedOptions {
        ca_file: Some(file),
        ..options(url)
    }
}

#[tokio::test]
async fn every_bad_certificate_is_refused_and_counted_and_a_good_one_brings_bars() {
    let own = Authority::new();
    let acceptors = vec![
        Authority::new().server(HOST, FUTURE),
        own.server("feed.example", FUTURE),
        own.server(HOST, PAST),
        own.server(HOST, FUTURE),
    ];
    let mut feed = FaultyFeed::start_with(one_bar(), acceptors).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut client = Client::start(trusting(&own, &folder, feed.url()));
    for _ in ["unknown authority", "other host", "expired"] {
        assert_eq!(client.lost().await, FeedRefusal::CertificateRefused);
    }
    assert_eq!(client.bar().await, bar(1, 4_100.0));
    assert_eq!(client.refused(FeedRefusal::CertificateRefused), 3);
    assert_eq!(client.handle.counters().connections(), 1);
    assert!(feed.request().await.contains("subscribe"));
    client.stop().await;
}

#[tokio::test]
async fn the_public_authorities_alone_do_not_vouch_for_an_own_one() {
    let own = Authority::new();
    let feed = FaultyFeed::start_with(one_bar(), vec![own.server(HOST, FUTURE)]).await;
    let mut client = Client::start(options(feed.url()));
    for _ in 0..3 {
        assert_eq!(client.lost().await, FeedRefusal::CertificateRefused);
    }
    assert_eq!(client.handle.counters().connections(), 0);
    client.stop().await;
}

#[tokio::test]
async fn a_peer_without_tls_is_no_tls_and_a_silent_one_is_given_up() {
    let scripts = [vec![Script::CutHandshake], vec![Script::SilentHandshake]];
    let expected = [FeedRefusal::TlsFailed, FeedRefusal::HandshakeFailed];
    for (scripts, expected) in scripts.into_iter().zip(expected) {
        let feed = FaultyFeed::start(scripts).await;
        let mut options = options(feed.url().replace("ws://", "wss://"));
        if expected == FeedRefusal::HandshakeFailed {
            options.limits.connect = Duration::from_millis(300);
        }
        let mut client = Client::start(options);
        assert_eq!(client.lost().await, expected);
        client.stop().await;
    }
}

#[tokio::test]
async fn a_cut_under_tls_is_a_break_and_the_next_connection_goes_on() {
    let own = Authority::new();
    let scripts = vec![
        Script::Play(vec![Step::Text(bar_text("USDCOP", &bar(1, 4_100.0))), Step::Cut]),
        Script::Play(vec![Step::Text(bar_text("USDCOP", &bar(2, 4_101.0)))]),
    ];
    let mut feed = FaultyFeed::start_with(scripts, vec![own.server(HOST, FUTURE)]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut client = Client::start(trusting(&own, &folder, feed.url()));
    assert_eq!(client.bar().await, bar(1, 4_100.0));
    assert_eq!(client.lost().await, FeedRefusal::Broken);
    assert_eq!(client.bar().await, bar(2, 4_101.0));
    let _first = feed.request().await;
    let second = feed.request().await;
    assert!(second.contains(&bar(1, 1.0).close_time.to_string()), "{second}");
    client.stop().await;
}
