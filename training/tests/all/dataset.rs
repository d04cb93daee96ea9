//! What a dataset holds: the rows that can be decided on, norm stats of train alone, hashes recomputed by hand.

use backtest::market::Market;
use contracts::norm_stats::FeatureStats;
use contracts::time::UtcMillis;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use strategy::calendar::Calendar;
use strategy::plan::FeaturePlan;
use training::dataset::{Dataset, SplitName, build, encode, write};
use training::synthetic::Kind;

use super::kit;

fn built(market: &Market) -> Dataset {
    build(&kit::small(), market, vec![json!({"file": "bars.csv"})]).unwrap()
}

/// The market up to a local date, inclusive; bars and daily values after it are gone.
fn cut(market: &Market, last: &str) -> Market {
    let calendar = Calendar::new(&kit::features("usdcop_15").calendar).unwrap();
    let last = kit::day(last);
    let mut cut = market.clone();
    cut.bars
        .retain(|bar| calendar.local_date(bar.close_time).unwrap() <= last);
    cut.daily.rows.retain(|row| row.date <= last);
    cut
}

/// The market with every price and daily value after a local date drawn anew.
fn other_after(market: &Market, last: &str, other: &Market) -> Market {
    let mut mixed = cut(market, last);
    let from = mixed.bars.last().unwrap().close_time;
    mixed
        .bars
        .extend(other.bars.iter().filter(|bar| bar.close_time > from));
    let last = kit::day(last);
    mixed
        .daily
        .rows
        .extend(other.daily.rows.iter().filter(|row| row.date > last));
    mixed
}

#[test]
fn two_builds_give_the_same_bytes() {
    let market = kit::market(Kind::Edge, 1);
    let (one, two) = (built(&market), built(&market));
    assert_eq!(one, two);
    let (one, two) = (encode(&one).unwrap(), encode(&two).unwrap());
    assert_eq!(one, two);
    let names: Vec<&str> = one.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "DS_usdcop_ppo_baseline_train.parquet",
            "DS_usdcop_ppo_baseline_val.parquet",
            "DS_usdcop_ppo_baseline_test.parquet",
            "norm_stats.json",
            "manifest.json"
        ]
    );
    let other = encode(&built(&kit::market(Kind::Edge, 2))).unwrap();
    assert!(one.iter().zip(&other).all(|(a, b)| a.bytes != b.bytes));
}

#[test]
fn rows_are_the_bars_live_would_decide_on_and_features_are_what_it_would_see() {
    let market = kit::market(Kind::Noise, 3);
    let contract = kit::over([
        // From the first bar on: the operators are not settled yet.
        ["2025-01-13", "2025-03-28"],
        ["2025-03-31", "2025-04-11"],
        ["2025-04-14", "2025-04-30"],
    ]);
    let dataset = build(&contract, &market, Vec::new()).unwrap();
    let plan = FeaturePlan::new(&contract.feature_contract).unwrap();
    let (mut state, mut macros) = (plan.new_instrument(&market.instrument), plan.new_macros());
    for row in &market.daily.rows {
        let series = plan
            .series()
            .iter()
            .position(|name| *name == market.daily.series[row.series]);
        macros.insert(series.unwrap(), row.date, row.value, row.arrived_at);
    }
    let mut expected = [(); 3].map(|()| Vec::new());
    let mut features = vec![0.0; plan.width()];
    for bar in &market.bars {
        let position = contracts::reason::Position::Flat;
        let seen = plan.observe(&mut state, &mut macros, bar, position, &mut features);
        let date = plan.calendar().local_date(bar.close_time).unwrap();
        let windows = SplitName::ALL.map(|split| dataset.manifest.splits[&split].window);
        let Some(split) = windows.iter().position(|window| window.contains(date)) else {
            continue;
        };
        if seen.withheld.is_none() {
            let prices = [bar.open, bar.high, bar.low, bar.close];
            // Position and time of the session stand last in usdcop_15.
            expected[split].push((bar.close_time, prices, features[..13].to_vec()));
        }
    }
    for split in SplitName::ALL {
        let (rows, expected) = (dataset.rows(split), &expected[split as usize]);
        assert_eq!(rows.len(), expected.len(), "{split}");
        assert_eq!(rows.width(), 13);
        for (at, (time, prices, features)) in expected.iter().enumerate() {
            assert_eq!(rows.close_times[at], *time);
            assert_eq!(rows.prices[at], *prices);
            assert_eq!(rows.row(at), features, "{time}");
        }
    }
    let train = &dataset.manifest.splits[&SplitName::Train];
    assert_eq!(train.withheld["warming"], 279, "ADX(14) settles at its 280th bar");
    assert_eq!(train.rows + train.withheld.values().sum::<u64>(), train.used_bars);
    assert_eq!(dataset.manifest.features.columns.len(), 13);
    assert!(dataset.manifest.features.constant_on_train.is_empty());
}

#[test]
fn splits_are_by_session_date_and_do_not_touch() {
    let dataset = built(&kit::market(Kind::Edge, 1));
    let calendar = Calendar::new(&kit::features("usdcop_15").calendar).unwrap();
    for split in SplitName::ALL {
        let facts = &dataset.manifest.splits[&split];
        let rows = dataset.rows(split);
        let dates: Vec<_> = rows
            .close_times
            .iter()
            .map(|t| calendar.local_date(*t).unwrap())
            .collect();
        assert!(dates.iter().all(|date| facts.window.contains(*date)), "{split}");
        assert_eq!(
            (facts.first_close_time, facts.last_close_time),
            (rows.close_times[0], *rows.close_times.last().unwrap())
        );
        assert!(rows.close_times.is_sorted_by(|a, b| a < b));
        let mut sessions = dates;
        sessions.dedup();
        assert_eq!(
            sessions.len() as u64,
            facts.listed_sessions,
            "every session of {split} has rows"
        );
    }
    // 24 March 2025 is a holiday; so are 17 and 18 April.
    let listed = |split| dataset.manifest.splits[&split].listed_sessions;
    assert_eq!(
        (
            listed(SplitName::Train),
            listed(SplitName::Val),
            listed(SplitName::Test)
        ),
        (39, 10, 11)
    );
}

#[test]
fn norm_stats_are_those_of_train_computed_another_way() {
    let dataset = built(&kit::market(Kind::Edge, 4));
    let rows = dataset.rows(SplitName::Train);
    assert_eq!(dataset.norm_stats.metadata.sample_count, rows.len() as u64);
    assert_eq!(dataset.norm_stats.metadata.fit_start, kit::day("2025-02-03"));
    assert_eq!(dataset.norm_stats.metadata.fit_end, kit::day("2025-03-28"));
    assert_eq!(
        dataset.norm_stats.metadata.dataset_hash,
        dataset.manifest.dataset_hash
    );
    dataset.norm_stats.check_for(&kit::features("usdcop_15")).unwrap();
    dataset
        .norm_stats
        .check_fit_before(kit::day("2025-03-31"))
        .unwrap();
    for (at, name) in dataset.manifest.features.columns.iter().enumerate() {
        // Welford's recursion instead of two passes.
        let (mut n, mut mean, mut squares) = (0.0, 0.0, 0.0);
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in rows.feature(at) {
            n += 1.0;
            let before = value - mean;
            mean += before / n;
            squares += before * (value - mean);
            (min, max) = (min.min(value), max.max(value));
        }
        let FeatureStats {
            mean: m,
            std,
            min: low,
            max: high,
            count,
        } = dataset.norm_stats.features[name];
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-12 * (1.0 + max.abs().max(min.abs()));
        assert!(near(m, mean), "{name}: {m}, not {mean}");
        assert!(near(std, (squares / (n - 1.0_f64)).sqrt()), "{name}: {std}");
        assert_eq!((low, high, count), (min, max, n as u64), "{name}");
    }
}

#[test]
fn what_comes_after_train_changes_neither_its_rows_nor_what_is_fitted_on_them() {
    let market = kit::market(Kind::Edge, 5);
    let whole = built(&market);
    let other = built(&other_after(&market, "2025-03-28", &kit::market(Kind::Noise, 6)));
    assert_ne!(whole.rows(SplitName::Val), other.rows(SplitName::Val));
    assert_eq!(whole.rows(SplitName::Train), other.rows(SplitName::Train));
    assert_eq!(whole.norm_stats.features, other.norm_stats.features);
    assert_ne!(
        whole.norm_stats.metadata.dataset_hash, other.norm_stats.metadata.dataset_hash,
        "the hash is that of all rows"
    );
    let moved = built(&other_after(&market, "2025-04-11", &kit::market(Kind::Noise, 6)));
    assert_eq!(whole.rows(SplitName::Val), moved.rows(SplitName::Val));
    assert_ne!(whole.rows(SplitName::Test), moved.rows(SplitName::Test));
}

#[test]
fn the_dataset_hash_is_the_one_of_its_definition() {
    let dataset = built(&kit::market(Kind::Edge, 7));
    let mut bytes = Vec::new();
    for split in SplitName::ALL {
        bytes.extend(
            b"close_time,open,high,low,close,log_ret_5m,log_ret_1h,log_ret_4h,rsi_9,atr_pct,adx_14,dxy_z,dxy_change_1d,vix_z,embi_z,\
              brent_change_1d,rate_spread,usdmxn_change_1d\n",
        );
        let rows = dataset.rows(split);
        for (at, UtcMillis(ms)) in rows.close_times.iter().enumerate() {
            bytes.extend(ms.to_le_bytes());
            let values = rows.prices[at]
                .iter()
                .chain(&rows.features[at * 13..at * 13 + 13]);
            values.for_each(|value| bytes.extend(value.to_bits().to_le_bytes()));
        }
    }
    let hash: [u8; 32] = Sha256::digest(&bytes).into();
    assert_eq!(dataset.manifest.dataset_hash.as_bytes(), &hash);
    assert_eq!(dataset.manifest.norm_stats_hash, dataset.norm_stats.hash());
}

#[test]
fn what_a_split_lacks_is_said_with_its_dates() {
    let market = kit::market(Kind::Edge, 8);
    let refused = |market: &Market, windows| {
        let error = build(&kit::over(windows), market, Vec::new()).unwrap_err();
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(inner) = source {
            text = format!("{text}: {inner}");
            source = inner.source();
        }
        text
    };
    let (train, val, test) = (
        ["2025-02-03", "2025-03-28"],
        ["2025-03-31", "2025-04-11"],
        ["2025-04-14", "2025-04-30"],
    );
    let mut stale = market.clone();
    let dxy = stale
        .daily
        .series
        .iter()
        .position(|name| name.as_str() == "dxy")
        .unwrap();
    stale
        .daily
        .rows
        .retain(|row| row.series != dxy || row.date < kit::day("2025-03-20"));
    let mut short = market.clone();
    short.daily.rows.retain(|row| row.date > kit::day("2025-01-01"));
    for (text, parts) in [
        (
            refused(&cut(&market, "2025-04-21"), [train, val, test]),
            [
                "split test (2025-04-14 to 2025-04-30)",
                "cover 2025-01-13 to 2025-04-21 only",
            ],
        ),
        (
            refused(&market, [["2024-12-02", "2025-03-28"], val, test]),
            [
                "split train (2024-12-02 to 2025-03-28)",
                "the window's sessions are 2024-12-02 to 2025-03-28",
            ],
        ),
        (
            refused(&market, [train, ["2025-04-05", "2025-04-06"], test]),
            [
                "split val (2025-04-05 to 2025-04-06)",
                "no session of the calendar opens",
            ],
        ),
        (
            refused(&stale, [train, val, test]),
            ["split val (2025-03-31 to 2025-04-11) has no row", "stale:dxy"],
        ),
        (
            refused(&short, [train, val, test]),
            ["split train (2025-02-03 to 2025-03-28) has no row", "warming"],
        ),
        (
            refused(&market, [["2025-02-03", "2025-02-07"], val, test]),
            ["split train has", "at least 512"],
        ),
    ] {
        assert!(parts.iter().all(|part| text.contains(part)), "{text}: {parts:?}");
    }
    let mut named = market.clone();
    named.instrument = contracts::ids::InstrumentId::parse("EURUSD").unwrap();
    assert!(refused(&named, [train, val, test]).contains("the bars are those of EURUSD"));
    let mut without = market;
    without.daily.series[0] = contracts::ids::SeriesId::parse("other").unwrap();
    assert!(refused(&without, [train, val, test]).contains("need the daily series brent"));
}

#[test]
fn a_feature_that_does_not_vary_on_train_is_named_in_the_manifest() {
    let mut market = kit::market(Kind::Edge, 9);
    let spread = ["col10y", "ust10y"];
    let names = market.daily.series.clone();
    for row in &mut market.daily.rows {
        if spread.contains(&names[row.series].as_str()) {
            row.value = 5.0;
        }
    }
    let dataset = built(&market);
    assert_eq!(dataset.manifest.features.constant_on_train, ["rate_spread"]);
    assert_eq!(dataset.norm_stats.features["rate_spread"].std, 0.0);
    let folder = tempfile::tempdir().unwrap();
    write(&dataset, &folder.path().join("ds")).unwrap();
}

#[test]
fn a_source_without_canonical_form_is_refused() {
    let market = kit::market(Kind::Edge, 9);
    let error = build(&kit::small(), &market, vec![json!({"rows": u64::MAX})]).unwrap_err();
    assert!(error.to_string().contains("sources"), "{error}");
}
