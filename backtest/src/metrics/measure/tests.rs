//! Hand-computed figures.

use contracts::time::DayNumber;

use super::*;
use crate::samples::{noise, normals, outcome, trade};

fn close(figure: Measured, expected: f64) {
    let value = figure
        .value
        .unwrap_or_else(|| panic!("{:?}, not {expected}", figure.undefined));
    assert!(
        (value - expected).abs() <= 1e-12 * expected.abs().max(1.0),
        "{value}, not {expected}"
    );
}

/// 100 → 110 → 99 (low 88 in between) → no bars → 118.8.
fn run() -> Outcome {
    let mut run = outcome(100.0, &[&[104.0, 110.0], &[88.0, 99.0], &[], &[118.8]]);
    let times: Vec<_> = run.bars.iter().map(|row| row.bar.close_time).collect();
    run.trades = vec![
        trade(times[1], 10.0),
        trade(times[3], -11.0),
        trade(times[4], 19.8),
    ];
    run.trades[2].forced = true;
    run.turnover = 600.0;
    run.bars[0].held = contracts::reason::Position::Flat;
    run
}

#[test]
fn every_figure_by_hand() {
    let m = measure(&run(), Some(&TrialStats::new(1, 0, &[], 4)));
    // Returns 0.1, −0.1, 0, 0.2: mean 0.05, squared deviations 0.0025 + 0.0225 + 0.0025 + 0.0225 = 0.05.
    let std = (0.05_f64 / 3.0).sqrt();
    close(m.sharpe_per_session, 0.05 / std);
    close(m.sharpe_ratio, 0.05 / std * 16.0);
    close(m.sortino_ratio, 0.05 / (0.01_f64 / 4.0).sqrt() * 16.0);
    close(m.max_drawdown, 0.2);
    assert_eq!(m.max_drawdown_duration_bars, 3);
    close(m.total_return, 0.188);
    close(m.calmar_ratio, (libm::pow(1.188, 64.0) - 1.0) / 0.2);
    close(m.win_rate, 2.0 / 3.0);
    close(m.profit_factor, 29.8 / 11.0);
    assert_eq!(m.total_trades, 3);
    close(m.avg_trade_pnl, 18.8 / 3.0);
    close(m.expectancy, 18.8 / 3.0 / 11.0);
    close(m.exposure, 0.8);
    close(m.turnover, 6.0);
    close(m.cost_share, 3.0 / 21.8);
    close(m.break_even_cost_bps, 21.8 / 600.0 * 1e4);
    // Deviations 0.05, −0.15, −0.05, 0.15: symmetric; m2 = 0.0125, m4 = 2·(0.05⁴ + 0.15⁴)/4.
    close(m.skewness, 0.0);
    close(m.kurtosis, 2.0 * (6.25e-6 + 5.0625e-4) / 4.0 / (0.0125 * 0.0125));
    let sr: f64 = 0.05 / std;
    let shape = 1.0 + (m.kurtosis.value.unwrap() - 1.0) / 4.0 * sr * sr;
    close(m.psr, crate::stats::normal::cdf(sr / (shape / 3.0).sqrt()));
    assert_eq!(m.dsr, m.psr, "one trial deflates nothing");
    let z = 1.644_853_626_951_472_6;
    close(m.min_track_record_sessions, 1.0 + shape * (z / sr) * (z / sr));
    assert_eq!(
        (m.test_period_start, m.test_period_end),
        (DayNumber(20_000), DayNumber(20_003))
    );
    assert_eq!(m.sessions, 4);
}

#[test]
fn intervals_hold_their_figures_on_an_ordinary_run() {
    let m = measure(&noise(&normals(11, 170)), None);
    for figure in [
        m.sharpe_ratio,
        m.sharpe_per_session,
        m.max_drawdown,
        m.total_return,
        m.win_rate,
        m.profit_factor,
        m.avg_trade_pnl,
    ] {
        let (value, ci) = (figure.value.unwrap(), figure.ci95.unwrap());
        assert!(ci.low < value && value < ci.high, "{figure:?}");
    }
    assert!(m.max_drawdown_upper95.value > m.max_drawdown.value);
    let (annual, session) = (m.sharpe_ratio.ci95.unwrap(), m.sharpe_per_session.ci95.unwrap());
    assert_eq!(
        (annual.low, annual.high),
        (session.low * 16.0, session.high * 16.0)
    );
    assert_eq!(m.dsr.undefined, Some(Undefined::NoData));
}

#[test]
fn more_trials_deflate() {
    let run = noise(&normals(12, 170));
    let dsr = |n| {
        measure(&run, Some(&TrialStats::new(n, 0, &[], 170)))
            .dsr
            .value
            .unwrap()
    };
    assert!(dsr(1) > dsr(2) && dsr(2) > dsr(50));
}

#[test]
fn a_ruined_run_has_a_whole_drawdown_and_no_sharpe() {
    let mut run = run();
    run.bars[4].equity = -5.0;
    run.ruined = Some(run.bars[4].bar.close_time);
    let measured = measure_all(&run, Some(&TrialStats::new(1, 0, &[], 4)));
    assert_eq!(measured.resamples, None);
    let m = measured.metrics;
    assert_eq!(
        (m.max_drawdown.value, m.max_drawdown_upper95.value),
        (Some(1.0), Some(1.0))
    );
    for figure in [
        m.sharpe_ratio,
        m.sharpe_per_session,
        m.sortino_ratio,
        m.calmar_ratio,
        m.psr,
        m.dsr,
        m.skewness,
        m.kurtosis,
        m.min_track_record_sessions,
    ] {
        assert_eq!(
            (figure.value, figure.undefined, figure.ci95),
            (None, Some(Undefined::Ruined), None)
        );
    }
    close(m.total_return, -1.05);
}

#[test]
fn a_run_that_never_traded() {
    let mut run = outcome(100.0, &[&[100.0, 100.0], &[], &[100.0]]);
    run.bars
        .iter_mut()
        .for_each(|row| row.held = contracts::reason::Position::Flat);
    let m = measure(&run, Some(&TrialStats::new(1, 0, &[], 3)));
    assert_eq!(m.sharpe_ratio.undefined, Some(Undefined::ZeroVariance));
    assert_eq!(m.dsr.undefined, Some(Undefined::ZeroVariance));
    assert_eq!(m.calmar_ratio.undefined, Some(Undefined::NoDrawdown));
    assert_eq!(m.win_rate.undefined, Some(Undefined::TooFew));
    assert_eq!(m.profit_factor.undefined, Some(Undefined::TooFew));
    assert_eq!((m.max_drawdown.value, m.exposure.value), (Some(0.0), Some(0.0)));
    assert_eq!(
        m.min_track_record_sessions.undefined,
        Some(Undefined::ZeroVariance)
    );
}

#[test]
fn a_window_without_bars_measures_nothing() {
    let m = measure(&outcome(100.0, &[&[], &[]]), None);
    for figure in [
        m.max_drawdown,
        m.max_drawdown_upper95,
        m.total_return,
        m.exposure,
        m.calmar_ratio,
    ] {
        assert_eq!(figure, Measured::none(Undefined::NoData));
    }
}

#[test]
fn one_session_is_too_few_and_a_losing_run_has_no_track_record() {
    let m = measure(&outcome(100.0, &[&[99.0, 101.0]]), None);
    assert_eq!(m.sharpe_ratio.undefined, Some(Undefined::TooFew));
    assert_eq!(m.psr.undefined, Some(Undefined::TooFew));
    let m = measure(&outcome(100.0, &[&[99.0], &[97.0], &[98.0]]), None);
    assert_eq!(m.min_track_record_sessions.undefined, Some(Undefined::NotAbove));
    assert!(m.psr.value.unwrap() < 0.5);
    let m = measure(&outcome(100.0, &[&[101.0], &[103.0]]), None);
    assert_eq!(m.sortino_ratio.undefined, Some(Undefined::NoLosses));
}

#[test]
fn no_figure_is_ever_infinite_or_nan() {
    let runs = [
        run(),
        noise(&normals(3, 40)),
        noise(&[1.0, 0.0, 0.0]),
        noise(&[0.0; 5]),
        outcome(100.0, &[&[]]),
        outcome(100.0, &[&[100.0], &[1e9]]),
    ];
    for run in runs {
        let m = measure(&run, Some(&TrialStats::new(3, 7, &[0.1, 0.2], 5)));
        let json = contracts::jcs::to_canonical(&m).expect("every number is finite");
        assert!(!json.contains("NaN") && !json.contains("inf"));
    }
}
