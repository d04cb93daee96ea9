//! The generated market: repeatable, possible, like a market; an edge where one is asked for and nowhere else.

use backtest::market::Market;
use backtest::run::sessions::listed;
use contracts::bar::Bar;
use contracts::experiment::DateRange;
use contracts::files::{BarFileOptions, read_bars, read_daily};
use strategy::calendar::Calendar;
use training::synthetic::edge::Signals;
use training::synthetic::{
    EDGE_PER_SESSION, Kind, SESSION_VOLATILITY, SyntheticError, SyntheticSpec, generate, write,
};

use super::kit;

/// A market of this many years from 2022 on, every bar there.
fn years(kind: Kind, seed: u64, years: i32) -> Market {
    let last = kit::day(&format!("{}-12-30", 2021 + years));
    let spec = SyntheticSpec {
        missing_per_mille: 0,
        ..SyntheticSpec::new(kind, seed, kit::usdcop(), kit::day("2022-01-03"), last)
    };
    generate(&spec, &kit::features("usdcop_15")).unwrap()
}

fn calendar() -> Calendar {
    Calendar::new(&kit::features("usdcop_15").calendar).unwrap()
}

/// The bars session by session.
fn sessions(market: &Market) -> Vec<&[Bar]> {
    let calendar = calendar();
    let date = |bar: &Bar| calendar.local_date(bar.close_time);
    market.bars.chunk_by(|a, b| date(a) == date(b)).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
    (squares / (values.len() as f64 - 1.0)).sqrt()
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let (ma, mb) = (mean(a), mean(b));
    let products: Vec<f64> = a.iter().zip(b).map(|(x, y)| (x - ma) * (y - mb)).collect();
    mean(&products) * a.len() as f64 / ((a.len() as f64 - 1.0) * deviation(a) * deviation(b))
}

/// Log return of each bar, open to close.
fn returns(bars: &[Bar]) -> Vec<f64> {
    bars.iter().map(|bar| libm::log(bar.close / bar.open)).collect()
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_seed_or_kind_does_not() {
    let hash = |kind, seed| years(kind, seed, 1).hash();
    assert_eq!(hash(Kind::Edge, 1), hash(Kind::Edge, 1));
    assert_ne!(hash(Kind::Edge, 1), hash(Kind::Edge, 2));
    assert_ne!(hash(Kind::Edge, 1), hash(Kind::Noise, 1));
    let (edge, noise) = (years(Kind::Edge, 1, 1), years(Kind::Noise, 1, 1));
    assert_eq!(edge.daily, noise.daily, "only the prices differ");
}

#[test]
fn a_longer_market_begins_as_the_shorter_one() {
    let (short, long) = (years(Kind::Edge, 4, 1), years(Kind::Edge, 4, 2));
    assert!(short.bars.iter().zip(&long.bars).all(|(a, b)| a.same_bits(b)));
    assert!(long.bars.len() > short.bars.len());
}

#[test]
fn every_bar_is_possible_in_session_and_on_a_tick_and_no_session_is_missing() {
    let calendar = calendar();
    for seed in 0..10 {
        let market = years(Kind::Edge, seed, 4);
        assert!(market.bars.is_sorted_by(|a, b| a.close_time < b.close_time));
        for bar in &market.bars {
            assert!(bar.is_possible() && bar.volume > 0.0, "{bar:?}");
            assert!(calendar.in_session(bar.close_time) && bar.close_time.is_on_bar_grid());
            assert_eq!((bar.close * 100.0).round() / 100.0, bar.close);
            assert!(
                (1_000.0..20_000.0).contains(&bar.close),
                "outside the price bounds: {bar:?}"
            );
        }
        let sessions = sessions(&market);
        assert!(sessions.iter().all(|bars| bars.len() == 60));
        let days = DateRange {
            start: kit::day("2022-01-03"),
            end: kit::day("2025-12-30"),
        };
        assert_eq!(sessions.len(), listed(&calendar, days).len());
    }
}

#[test]
fn some_bars_are_missing_where_asked_and_the_others_are_the_same() {
    let spec = SyntheticSpec::new(
        Kind::Edge,
        1,
        kit::usdcop(),
        kit::day("2022-01-03"),
        kit::day("2022-12-30"),
    );
    let with_gaps = generate(&spec, &kit::features("usdcop_15")).unwrap();
    let whole = years(Kind::Edge, 1, 1);
    let missing = whole.bars.len() - with_gaps.bars.len();
    assert!((10..60).contains(&missing), "{missing} of {}", whole.bars.len());
    let mut whole = whole.bars.iter();
    for bar in &with_gaps.bars {
        assert!(whole.any(|other| other.same_bits(bar)), "{}", bar.close_time);
    }
}

#[test]
fn returns_are_fat_tailed_clustered_and_seasonal_with_the_stated_volatility() {
    for kind in [Kind::Edge, Kind::Noise] {
        let market = years(kind, 3, 4);
        let all = returns(&market.bars);
        let squares: Vec<f64> = all.iter().map(|r| r * r).collect();
        let fourth: Vec<f64> = squares.iter().map(|r| r * r).collect();
        let kurtosis = mean(&fourth) / mean(&squares).powi(2);
        assert!(kurtosis > 5.0, "kurtosis {kurtosis}");
        let by_session: Vec<f64> = sessions(&market)
            .iter()
            .map(|bars| returns(bars).iter().sum())
            .collect();
        let widened = match kind {
            // Variance of the expected return comes on top: the signal's deviation is about 1.
            Kind::Edge => (1.0 + EDGE_PER_SESSION * EDGE_PER_SESSION).sqrt(),
            Kind::Noise => 1.0,
        };
        let ratio = deviation(&by_session) / SESSION_VOLATILITY / widened;
        assert!(
            (0.85..1.15).contains(&ratio),
            "{kind:?}: volatility of a session {ratio}"
        );
        let abs: Vec<f64> = all.iter().map(|r| r.abs()).collect();
        let at = |k: usize| mean(&abs.iter().copied().skip(k).step_by(60).collect::<Vec<_>>());
        assert!(
            at(0) > 2.0 * at(30) && at(59) > 2.0 * at(30),
            "the ends of the session move more"
        );
        // The season taken out, so that what is left is clusters.
        let levels: Vec<f64> = (0..60).map(at).collect();
        let flat: Vec<f64> = abs.iter().enumerate().map(|(k, r)| r / levels[k % 60]).collect();
        for lag in [1, 12] {
            let found = correlation(&flat[..flat.len() - lag], &flat[lag..]);
            assert!(found > 0.05, "{kind:?}: autocorrelation of |r| at {lag}: {found}");
        }
    }
}

#[test]
fn a_bar_looks_the_same_with_the_edge_and_without() {
    let quantiles = |kind| {
        let mut abs: Vec<f64> = returns(&years(kind, 6, 4).bars).iter().map(|r| r.abs()).collect();
        abs.sort_by(f64::total_cmp);
        [0.25, 0.5, 0.75, 0.95, 0.99].map(|q| abs[(q * abs.len() as f64) as usize])
    };
    for (edge, noise) in quantiles(Kind::Edge).iter().zip(quantiles(Kind::Noise)) {
        assert!((edge / noise - 1.0).abs() < 0.03, "{edge} and {noise}");
    }
}

#[test]
fn daily_series_stay_about_their_level_return_to_it_and_are_blank_on_some_days() {
    let market = years(Kind::Edge, 5, 4);
    let names: Vec<&str> = market.daily.series.iter().map(|name| name.as_str()).collect();
    assert_eq!(
        names,
        ["brent", "col10y", "dxy", "embi", "usdmxn", "ust10y", "vix"]
    );
    let first = kit::day("2022-01-03");
    for (series, name) in names.iter().enumerate() {
        let rows: Vec<_> = market
            .daily
            .rows
            .iter()
            .filter(|row| row.series == series)
            .collect();
        let before = rows.iter().filter(|row| row.date < first).count();
        assert!(before >= 252, "{name}: {before} values before the first session");
        let logs: Vec<f64> = rows.iter().map(|row| libm::log(row.value)).collect();
        let level = mean(&logs);
        let spread = logs.iter().map(|x| (x - level).abs()).fold(0.0, f64::max);
        assert!(spread < libm::log(5.0), "{name} strays {spread}");
        // A walk would not know where its mean is: the further above, the more it falls.
        let moves: Vec<f64> = logs.windows(61).map(|w| w[60] - w[0]).collect();
        let found = correlation(&logs[..moves.len()], &moves);
        assert!(found < -0.3, "{name}: {found}");
        let weekdays = (rows[0].date.0..=rows[rows.len() - 1].date.0)
            .filter(|day| (day + 3).rem_euclid(7) < 5)
            .count();
        let blank = weekdays - rows.len();
        assert!((5..60).contains(&blank), "{name}: {blank} blank of {weekdays}");
    }
}

/// Correlation of the signal with what the session then does, in standard errors.
fn foretold(market: &Market) -> f64 {
    let plan = strategy::plan::FeaturePlan::new(&kit::features("usdcop_15")).unwrap();
    let signals = Signals::new(&plan, &market.daily).unwrap();
    let (mut signal, mut moved) = (Vec::new(), Vec::new());
    for bars in sessions(market) {
        signal.push(signals.at(bars[0].close_time.bar_open()));
        moved.push(libm::log(bars[bars.len() - 1].close / bars[0].open));
    }
    assert!(
        (0.85..1.15).contains(&deviation(&signal)),
        "{}",
        deviation(&signal)
    );
    correlation(&signal, &moved) * (signal.len() as f64).sqrt()
}

/// Correlation of the last hour's return with the next bar's, in standard errors.
fn momentum(market: &Market) -> f64 {
    let (mut past, mut next) = (Vec::new(), Vec::new());
    for bars in sessions(market) {
        let returns = returns(bars);
        for at in 12..returns.len() {
            past.push(returns[at - 12..at].iter().sum());
            next.push(returns[at]);
        }
    }
    correlation(&past, &next) * (past.len() as f64).sqrt()
}

#[test]
fn the_signal_foretells_the_session_with_the_edge_and_nothing_without() {
    let all =
        |kind, of: fn(&Market) -> f64| (0..16).map(|seed| of(&years(kind, seed, 3))).collect::<Vec<_>>();
    let edge = all(Kind::Edge, foretold);
    assert!(edge.iter().all(|t| *t > 8.0), "{edge:?}");
    for of in [foretold, momentum] {
        let noise = all(Kind::Noise, of);
        // Sixteen standard normals, if nothing is there: their mean has a deviation of a quarter. Volatility in clusters widens each.
        assert!(mean(&noise).abs() < 1.0, "{noise:?}");
        assert!(noise.iter().all(|t| t.abs() < 5.0), "{noise:?}");
    }
}

#[test]
fn the_files_read_back_to_the_same_market() {
    let folder = tempfile::tempdir().unwrap();
    let market = years(Kind::Edge, 6, 1);
    let files = write(&market, &folder.path().join("market")).unwrap();
    let back = Market {
        instrument: market.instrument.clone(),
        bars: read_bars(&files.bars, &BarFileOptions::stamped(files.stamp))
            .unwrap()
            .bars,
        daily: read_daily(&files.daily).unwrap(),
    };
    assert_eq!(back.hash(), market.hash());
    let text = std::fs::read_to_string(&files.bars).unwrap();
    assert!(
        text.starts_with("close_time,open,high,low,close,volume\n2022-01-03T13:05:00Z,"),
        "{}",
        &text[..80]
    );
    let in_the_way = folder.path().join("file");
    std::fs::write(&in_the_way, "x").unwrap();
    assert!(
        write(&market, &in_the_way)
            .unwrap_err()
            .to_string()
            .contains("cannot make the folder")
    );
}

#[test]
fn what_cannot_be_generated_is_refused() {
    let spec = |kind, first: &str, last: &str| {
        SyntheticSpec::new(kind, 1, kit::usdcop(), kit::day(first), kit::day(last))
    };
    let (features, blind) = (kit::features("usdcop_15"), kit::features("technical_8"));
    for (first, last) in [("2022-01-04", "2022-01-03"), ("2000-01-03", "2025-01-03")] {
        let error = generate(&spec(Kind::Noise, first, last), &features).unwrap_err();
        assert!(matches!(error, SyntheticError::Days { .. }), "{error}");
    }
    let error = generate(&spec(Kind::Edge, "2022-01-03", "2022-01-07"), &blind).unwrap_err();
    assert!(error.to_string().contains("dxy"), "{error}");
    // Without the edge any calendar will do: this one never closes.
    let market = generate(&spec(Kind::Noise, "2022-01-03", "2022-01-07"), &blind).unwrap();
    assert!(
        (1_420..=1_440).contains(&market.bars.len()),
        "{} bars",
        market.bars.len()
    );
}
