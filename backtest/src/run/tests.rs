//! Whole runs: batched against bar by bar, threads, the live path, refusals.

use contracts::action::PositionSource;
use contracts::experiment::{FillRule, OvernightRule};
use contracts::reason::Position;

use super::samples::{Model, features, settings, usdcop, walk as generated, window};
use super::*;

fn of(
    model: &Model,
    market: &Market,
    window: DateRange,
    settings: &ExecutionSettings,
    options: RunOptions,
) -> Outcome {
    run(model.candidate(), market, window, settings, options, &|_| {}).unwrap()
}

/// Bar by bar, batched, two threads and once more: one outcome.
fn all_ways_agree(
    model: &Model,
    market: &Market,
    window: DateRange,
    settings: &ExecutionSettings,
) -> Outcome {
    let options = |threads, batched| RunOptions { threads, batched };
    let slow = of(model, market, window, settings, options(1, false));
    for (threads, batched) in [(1, true), (2, true), (2, true)] {
        let fast = of(model, market, window, settings, options(threads, batched));
        assert_eq!(fast, slow, "{threads} threads");
    }
    slow
}

fn variants() -> Vec<ExecutionSettings> {
    let mut all = Vec::new();
    for position_source in [PositionSource::Signal, PositionSource::Feedback] {
        for (fill, latency_bars) in [
            (FillRule::NextOpen, 1),
            (FillRule::NextOpen, 2),
            (FillRule::SameClose, 1),
        ] {
            for overnight in [OvernightRule::Hold, OvernightRule::Flatten] {
                all.push(ExecutionSettings {
                    position_source,
                    fill,
                    latency_bars,
                    overnight,
                    stale_after_bars: 1,
                    ..settings()
                });
            }
        }
    }
    all
}

#[test]
fn batched_and_bar_by_bar_agree_on_generated_bars_in_every_setting() {
    let features = features("usdcop_15");
    let market = generated(&features, "USDCOP", 3, "2025-03-14");
    let window = window("2025-02-03", "2025-03-14");
    let model = Model::new(&features, 5);
    let (mut fingerprints, mut delayed) = (Vec::new(), 0);
    for settings in variants() {
        let outcome = all_ways_agree(&model, &market, window, &settings);
        assert!(
            outcome.trades.len() > 20,
            "{settings:?}: {} trades",
            outcome.trades.len()
        );
        assert!(outcome.counts.flat_bar_fills > 0, "{settings:?}");
        delayed += outcome.counts.delayed_fills;
        assert!(
            !fingerprints.contains(&outcome.fingerprint),
            "{settings:?} changed nothing"
        );
        fingerprints.push(outcome.fingerprint);
    }
    assert!(delayed > 0, "the market has stale bars at which orders are due");
}

#[test]
fn money_adds_up() {
    let features = features("usdcop_15");
    let market = generated(&features, "USDCOP", 4, "2025-03-14");
    let model = Model::new(&features, 6);
    for settings in variants() {
        let outcome = of(
            &model,
            &market,
            window("2025-02-03", "2025-03-14"),
            &settings,
            RunOptions::default(),
        );
        let net: f64 = outcome.trades.iter().map(|trade| trade.net).sum();
        let last = outcome.bars.last().unwrap();
        let paid: f64 = outcome.bars.iter().map(|row| row.cost).sum();
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a}, not {b}: {settings:?}");
        near(last.equity, settings.initial_capital + net);
        near(paid, outcome.trades.iter().map(|trade| trade.cost).sum());
        near(paid, outcome.turnover * 10.0 / 1e4);
        let compounded: f64 = outcome
            .sessions
            .iter()
            .map(|session| 1.0 + session.value)
            .product();
        near(compounded * settings.initial_capital, last.equity);
        let held: u32 = outcome.trades.iter().map(|trade| trade.bars).sum();
        let rows = outcome
            .bars
            .iter()
            .filter(|row| row.held != contracts::reason::Position::Flat);
        assert_eq!(held as usize, rows.count(), "{settings:?}");
    }
}

#[test]
fn the_first_session_acts_settled_when_there_are_bars_before_it() {
    let features = features("usdcop_15");
    let market = generated(&features, "USDCOP", 3, "2025-02-28");
    let model = Model::new(&features, 5);
    let warm = of(
        &model,
        &market,
        window("2025-02-03", "2025-02-28"),
        &settings(),
        RunOptions::default(),
    );
    assert_eq!(warm.counts.withheld.get("warming"), None, "{:?}", warm.counts);
    let cold = of(
        &model,
        &market,
        window("2025-01-02", "2025-02-28"),
        &settings(),
        RunOptions::default(),
    );
    assert_eq!(
        cold.counts.withheld["warming"], 279,
        "ADX(14) settles at its 280th bar"
    );
}

#[test]
fn what_is_missing_is_refused() {
    let features = features("usdcop_15");
    let market = generated(&features, "USDCOP", 3, "2025-02-28");
    let model = Model::new(&features, 5);
    let refused = |market: &Market, from: &str, to: &str, settings: &ExecutionSettings| {
        run(
            model.candidate(),
            market,
            window(from, to),
            settings,
            RunOptions::default(),
            &|_| {},
        )
        .unwrap_err()
        .to_string()
    };
    let week = ("2025-02-03", "2025-02-07");
    for (text, part) in [
        (
            refused(&market, "2025-02-08", "2025-02-09", &settings()),
            "no session of the calendar opens",
        ),
        (
            refused(&market, "2025-02-03", "2025-03-03", &settings()),
            "but the used bars cover 2025-01-02 to 2025-02-28 only",
        ),
        (
            refused(&market, "2024-12-30", "2025-02-03", &settings()),
            "the window's sessions are 2024-12-30",
        ),
    ] {
        assert!(text.contains(part), "{text}");
    }
    let mut changed = market.clone();
    changed.bars.swap(7, 8);
    assert!(refused(&changed, week.0, week.1, &settings()).contains("not later than the one before"));
    changed = market.clone();
    changed.daily.series[2] = contracts::ids::SeriesId::parse("other").unwrap();
    assert!(refused(&changed, week.0, week.1, &settings()).contains("need the daily series"));
    changed = market.clone();
    let mut again = changed.daily.rows[10];
    again.value += 1.0;
    changed.daily.rows.push(again);
    assert!(refused(&changed, week.0, week.1, &settings()).contains("a revision needs its `arrived_at`"));
    for bad in [
        ExecutionSettings {
            initial_capital: 0.0,
            ..settings()
        },
        ExecutionSettings {
            position_size: f64::NAN,
            ..settings()
        },
        ExecutionSettings {
            slippage_bps: -1.0,
            ..settings()
        },
        ExecutionSettings {
            latency_bars: 0,
            ..settings()
        },
        ExecutionSettings {
            latency_bars: u32::MAX,
            ..settings()
        },
        ExecutionSettings {
            stale_after_bars: 0,
            ..settings()
        },
    ] {
        assert!(
            refused(&market, week.0, week.1, &bad).contains("execution settings"),
            "{bad:?}"
        );
    }
}

#[test]
fn progress_ends_at_the_end_and_knows_its_rate() {
    let features = features("usdcop_15");
    let market = generated(&features, "USDCOP", 3, "2025-02-28");
    let model = Model::new(&features, 5);
    let seen = std::cell::RefCell::new(Vec::new());
    let note = |progress| seen.borrow_mut().push(progress);
    let window = window("2025-02-03", "2025-02-28");
    run(
        model.candidate(),
        &market,
        window,
        &settings(),
        RunOptions::default(),
        &note,
    )
    .unwrap();
    let seen = seen.into_inner();
    assert!(seen.is_sorted_by_key(|progress| progress.done));
    let last = seen.last().unwrap();
    assert_eq!(last.done, last.total);
    let half = Progress { done: 50, total: 150 };
    assert_eq!(
        half.rate(Duration::from_secs(5)),
        Some((10.0, Duration::from_secs(10)))
    );
    assert_eq!(
        Progress { done: 0, total: 150 }.rate(Duration::from_secs(5)),
        None
    );
}

#[test]
fn batched_and_bar_by_bar_agree_on_the_real_bars() {
    let Some(market) = usdcop("batched_and_bar_by_bar_agree_on_the_real_bars") else {
        return;
    };
    let features = features("usdcop_15");
    for (seed, position_source) in [(1, PositionSource::Signal), (2, PositionSource::Feedback)] {
        let settings = ExecutionSettings {
            position_source,
            // Little enough that the seeded model is not ruined half-way.
            transaction_cost_bps: 0.1,
            slippage_bps: 0.0,
            ..settings()
        };
        let outcome = all_ways_agree(
            &Model::new(&features, seed),
            &market,
            window("2025-01-02", "2026-02-27"),
            &settings,
        );
        assert!(outcome.bars.len() > 14_000, "{} bars", outcome.bars.len());
        assert!(outcome.trades.len() > 50, "{} trades", outcome.trades.len());
    }
}

#[test]
fn the_live_path_decides_what_the_run_decided() {
    let features = features("usdcop_15");
    let market = generated(&features, "USDCOP", 3, "2025-02-28");
    let model = Model::new(&features, 5);
    for position_source in [PositionSource::Signal, PositionSource::Feedback] {
        let settings = ExecutionSettings {
            position_source,
            ..settings()
        };
        let window = window("2025-02-03", "2025-02-28");
        let outcome = of(&model, &market, window, &settings, RunOptions::default());
        let strategy = &model.strategy;
        let (mut state, mut macros) = (strategy.new_instrument(&market.instrument), strategy.new_macros());
        for row in &market.daily.rows {
            macros.insert(row.series, row.date, row.value, row.arrived_at);
        }
        let mut policy = model.source.make(&[]).unwrap();
        let (mut raw, mut observation) = (vec![0.0; strategy.width()], vec![0.0; strategy.width()]);
        let (mut rows, mut decided) = (outcome.bars.iter().peekable(), Position::Flat);
        for bar in &market.bars {
            let row = rows.next_if(|row| row.bar.close_time == bar.close_time);
            let position = match (row, position_source) {
                (Some(row), PositionSource::Feedback) => row.held,
                _ => decided,
            };
            let live = strategy
                .on_bar(
                    &mut state,
                    &mut macros,
                    bar,
                    position,
                    &mut policy,
                    &mut raw,
                    &mut observation,
                )
                .unwrap();
            if let Some(row) = row {
                decided = live.decision.map_or(decided, |decision| decision.action);
                assert_eq!(decided, row.decided, "{} {position_source:?}", bar.close_time);
            }
        }
        assert_eq!(rows.next(), None, "every row was met");
    }
}
