//! A number that is printed and parsed again is the same number, bit for bit, over every format prices travel in: CSV, Parquet, the
//! native feed's JSON and the bars inside messages.

use contracts::bar::{Bar, Ohlcv, Stamp};
use contracts::files::{BarFileOptions, OnBad, read_bars, write_bars_csv, write_bars_parquet};
use contracts::native::{NativeBar, NativeMessage, parse};
use contracts::time::UtcMillis;
use proptest::prelude::*;

/// Five minutes.
const STEP_MS: i64 = 300_000;

/// Numbers that a printer or parser gets wrong first: signed zero, subnormals and their edge, the largest, ties between two floats,
/// prices of 17 significant digits.
const EDGES: [f64; 16] = [
    0.0,
    -0.0,
    5e-324,
    -5e-324,
    2.225_073_858_507_201e-308,
    f64::MIN_POSITIVE,
    1e308,
    f64::MAX,
    f64::MIN,
    9_007_199_254_740_993.0,
    4_123.456_789_012_345,
    0.100_000_000_000_000_02,
    1.797_693_134_862_315_7e308,
    3_999.999_999_999_999_5,
    1e23,
    0.000_012_345_678_901_234_567,
];

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        2 => any::<u64>().prop_map(f64::from_bits).prop_filter("JSON and prices are finite", |x| x.is_finite()),
        1 => prop::sample::select(&EDGES[..]),
        // Subnormals are one bit pattern in two thousand: drawn on their own.
        1 => (any::<bool>(), 1_u64..1 << 52).prop_map(|(sign, bits)| f64::from_bits(u64::from(sign) << 63 | bits)),
        2 => (1_u64..100_000_000_000_000_000, 0_i32..17).prop_map(|(digits, point)| {
            format!("{digits}e-{point}").parse().expect("a decimal")
        }),
    ]
}

fn bars() -> impl Strategy<Value = Vec<Bar>> {
    prop::collection::vec(prop::array::uniform5(number()), 1..40).prop_map(|rows| {
        let bar = |(row, at): ([f64; 5], i64)| Bar {
            close_time: UtcMillis(at * STEP_MS),
            open: row[0],
            high: row[1],
            low: row[2],
            close: row[3],
            volume: row[4],
        };
        rows.into_iter().zip(1..).map(bar).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn files_give_the_same_bits_back(bars in bars()) {
        let dir = tempfile::tempdir().unwrap();
        let (csv, parquet) = (dir.path().join("b.csv"), dir.path().join("b.parquet"));
        write_bars_csv(&csv, &bars).unwrap();
        write_bars_parquet(&parquet, &bars).unwrap();
        // Most of these are no possible bars; such are read and counted.
        let options = BarFileOptions {
            on_bad: OnBad::Quarantine,
            ..BarFileOptions::stamped(Stamp::Close)
        };
        for path in [csv, parquet] {
            let back = read_bars(&path, &options).unwrap();
            prop_assert_eq!((back.bars.len(), back.unreadable), (bars.len(), 0));
            for (read, written) in back.bars.iter().zip(&bars) {
                prop_assert!(read.same_bits(written), "{}: {read:?} {written:?}", path.display());
            }
        }
    }

    #[test]
    fn json_gives_the_same_bits_back(bars in bars()) {
        for bar in &bars {
            let text = NativeMessage::Bar(NativeBar::new("USDCOP", bar)).to_json().unwrap();
            let Ok(NativeMessage::Bar(back)) = parse(&text) else {
                panic!("{text}");
            };
            prop_assert!(back.bar().same_bits(bar), "{text}");
            let ohlcv = Ohlcv { open: bar.open, high: bar.high, low: bar.low, close: bar.close, volume: bar.volume };
            let text = serde_json::to_string(&ohlcv).unwrap();
            let back: Ohlcv = serde_json::from_str(&text).unwrap();
            let back = Bar { close_time: bar.close_time, open: back.open, high: back.high, low: back.low, close: back.close, volume: back.volume };
            prop_assert!(back.same_bits(bar), "{text}");
        }
    }
}
