//! Files as a feed: complete, in order, to the last bit, from wherever a client left off.

use std::collections::BTreeMap;
use std::sync::Arc;

use contracts::bar::Bar;
use contracts::ids::InstrumentId;
use contracts::native::{FeedMode, Speed};
use engine::core::input::InstrumentIndex;
use engine::feeds::file_server::{
    FileServer, FileServerHandle, FileServerOptions, Pace, Release, Tape, TapeMacro, visible_everywhere,
};
use engine::feeds::symbols::SymbolTable;
use engine::feeds::{FeedEvent, FeedOptions, Source};
use testkit::market::{Market, MarketSpec};

use super::{Client, limits};

async fn serve(tape: Arc<Tape>, pace: Pace) -> FileServerHandle {
    let options = FileServerOptions {
        tape,
        pace,
        mode: FeedMode::Replay,
    };
    let (server, handle) = FileServer::bind("127.0.0.1:0".parse().expect("an address"), options)
        .await
        .expect("a free port");
    tokio::spawn(server.run());
    handle
}

fn tape(market: &Market) -> Arc<Tape> {
    let bars = market
        .instruments
        .iter()
        .cloned()
        .zip(market.bars.iter().cloned());
    let macros = market.macros.iter().map(|point| TapeMacro {
        series: point.series.clone(),
        date: point.date,
        value: point.value,
        arrived_at: None,
        visible_at: visible_everywhere(point.date),
    });
    Arc::new(Tape::new(bars, macros.collect()).expect("a market is in order"))
}

fn options(url: String, market: &Market) -> FeedOptions {
    let series: std::collections::BTreeSet<_> = market.macros.iter().map(|p| p.series.clone()).collect();
    let series: Vec<_> = series.into_iter().collect();
    let symbols = SymbolTable::plain(&market.instruments, &series).expect("names differ");
    let mut options = FeedOptions::new(url, Source::Native, symbols, 3);
    options.limits = limits();
    options
}

fn same(a: &[Bar], b: &[Bar]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same_bits(b))
}

#[tokio::test]
async fn a_market_arrives_whole_in_order_and_bit_for_bit() {
    let market = Market::generate(&MarketSpec::many(11, 5, 20));
    let server = serve(tape(&market), Pace::Max).await;
    let mut client = Client::start(options(server.url(), &market));
    let mut read = vec![Vec::new(); market.instruments.len()];
    let mut last = None;
    let mut seen_macros = BTreeMap::new();
    loop {
        match client.next().await {
            FeedEvent::Hello { mode, speed } => {
                assert_eq!((mode, speed), (FeedMode::Replay, Speed::Max));
            }
            FeedEvent::Bar { instrument, bar, .. } => {
                let key = (bar.close_time, instrument);
                assert!(last < Some(key), "close time, then the client's order");
                last = Some(key);
                read[instrument.0 as usize].push(bar);
            }
            FeedEvent::Macro {
                series,
                date,
                value,
                arrived_at,
            } => {
                assert_eq!(arrived_at, None, "a replay says nothing about arrivals");
                assert!(
                    last.is_none_or(|(close_time, _)| visible_everywhere(date) > close_time),
                    "a value comes before the first bar that may see it"
                );
                seen_macros.insert((series, date), value.to_bits());
            }
            FeedEvent::End => break,
            _ => {}
        }
    }
    for (read, bars) in read.iter().zip(&market.bars) {
        assert!(same(read, bars));
    }
    assert_eq!(seen_macros.len(), market.macros.len());
    client.stop().await;
    server.stop();
}

#[tokio::test]
async fn a_client_that_comes_back_goes_on_after_what_it_holds() {
    let market = Market::generate(&MarketSpec::usdcop_like(5, "USDCOP", 10));
    let bars = &market.bars[0];
    let server = serve(tape(&market), Pace::Max).await;
    let mut options = options(server.url(), &market);
    options.after = vec![Some(bars[100].close_time)];
    let mut client = Client::start(options);
    for expected in &bars[101..] {
        assert!(client.bar().await.same_bits(expected));
    }
    client.stop().await;
}

#[tokio::test]
async fn a_released_feed_sends_what_is_due_and_no_more() {
    let market = Market::generate(&MarketSpec::usdcop_like(6, "USDCOP", 5));
    let bars = &market.bars[0];
    let (release, pace) = Release::new();
    let server = serve(tape(&market), pace).await;
    let mut client = Client::start(options(server.url(), &market));
    for expected in &bars[..20] {
        // Whatever has come so far, no bar is among it.
        while let Ok(event) = client.events.try_recv() {
            assert!(!matches!(event, FeedEvent::Bar { .. }), "{event:?}");
        }
        release.up_to(expected.close_time);
        assert!(client.bar().await.same_bits(expected));
    }
    release.all();
    for expected in &bars[20..] {
        assert!(client.bar().await.same_bits(expected));
    }
    client.stop().await;
}

#[tokio::test]
async fn an_unknown_instrument_is_refused_and_the_others_are_served() {
    let market = Market::generate(&MarketSpec::usdcop_like(7, "USDCOP", 3));
    let server = serve(tape(&market), Pace::Max).await;
    let mut options = options(server.url(), &market);
    let ids = ["NOTHERE", "USDCOP"].map(|name| InstrumentId::parse(name).unwrap());
    options.symbols = SymbolTable::plain(&ids, &[]).unwrap();
    let mut client = Client::start(options);
    loop {
        if let FeedEvent::Bar { instrument, bar, .. } = client.next().await {
            assert_eq!(instrument, InstrumentIndex(1));
            assert!(bar.same_bits(&market.bars[0][0]));
            break;
        }
    }
    assert_eq!(client.refused(engine::feeds::FeedRefusal::SourceError), 1);
    client.stop().await;
}
