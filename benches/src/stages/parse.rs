//! Text of a native feed to a closed bar with its instrument resolved.

use std::hint::black_box;

use contracts::native::{NativeBar, NativeMessage};
use contracts::time::UnixNanos;
use engine::feeds::codec::Source;
use engine::feeds::decoder::FeedDecoder;
use engine::feeds::symbols::SymbolTable;
use testkit::market::{Market, MarketSpec};

use engine::bench::Stage;

pub(super) fn stages() -> Vec<Stage> {
    let market = Market::generate(&MarketSpec::usdcop_like(1, "USDCOP", 30));
    let texts: Vec<String> = market.bars[0]
        .iter()
        .map(|bar| {
            NativeMessage::Bar(NativeBar::new("USDCOP", bar))
                .to_json()
                .expect("a bar is JSON")
        })
        .collect();
    let symbols = SymbolTable::plain(&market.instruments, &[]).expect("one instrument");
    let mut decoder = FeedDecoder::new(Source::Native, symbols, 0);
    let mut events = Vec::with_capacity(16);
    let mut next = 0;
    vec![Stage::new(
        "parse a native bar with 17-digit prices",
        move |operations| {
            for _ in 0..operations {
                if next == texts.len() {
                    next = 0;
                    decoder.reconnect(UnixNanos(0));
                }
                events.clear();
                decoder
                    .text(&texts[next], UnixNanos(0), &mut events)
                    .expect("the market's bars are well formed");
                black_box(&events);
                next += 1;
            }
        },
    )]
}
