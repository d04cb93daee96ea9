//! Orders, fills and money, computed by hand.

use std::collections::BTreeMap;

use contracts::time::DayNumber;
use strategy::action::NotFinite;

use super::*;
use crate::run::samples;

/// Decides by the number of the row, and notes the position it was shown.
struct Script {
    decisions: Vec<Result<i64, NotFinite>>,
    shown: Vec<i8>,
}

impl Decide for Script {
    fn decide(&mut self, row: usize, position: Position) -> Result<Result<Position, NotFinite>, RunError> {
        self.shown.push(position.as_i8());
        Ok(self.decisions[row].map(|action| Position::try_from(action).unwrap()))
    }
}

/// Sessions of closes; every bar can be decided on.
fn prepared(sessions: &[&[f64]]) -> Prepared {
    let mut steps: Vec<Step> = Vec::new();
    let mut bars = samples::closes(sessions).into_iter();
    for (day, closes) in (20_000..).zip(sessions) {
        for at in 0..closes.len() {
            let bar = bars.next().unwrap();
            let same = steps.last().is_some_and(|before| before.bar.close == bar.close);
            steps.push(Step {
                at: steps.len(),
                bar,
                session: DayNumber(day),
                last_of_session: at + 1 == closes.len(),
                unchanged: if same {
                    steps.last().map_or(0, |before| before.unchanged) + 1
                } else {
                    0
                },
                row: Some(steps.len()),
            });
        }
    }
    Prepared {
        steps,
        sessions: Vec::new(),
        features: Vec::new(),
        withheld: BTreeMap::new(),
    }
}

fn script(decisions: &[i64]) -> Script {
    Script {
        decisions: decisions.iter().map(|d| Ok(*d)).collect(),
        shown: Vec::new(),
    }
}

fn free() -> ExecutionSettings {
    ExecutionSettings {
        initial_capital: 1_000.0,
        transaction_cost_bps: 0.0,
        slippage_bps: 0.0,
        stale_after_bars: 2,
        ..samples::settings()
    }
}

fn held(walked: &Walked) -> Vec<i8> {
    walked.bars.iter().map(|row| row.held.as_i8()).collect()
}

fn equity(walked: &Walked) -> Vec<f64> {
    walked.bars.iter().map(|row| row.equity).collect()
}

#[test]
fn a_decision_fills_at_the_open_of_the_next_bar_also_across_a_night() {
    let mut window = prepared(&[&[100.0, 101.0], &[120.0, 125.0, 130.0]]);
    // The night's gap: the morning opens at 110, not where the evening closed.
    window.steps[2].bar.open = 110.0;
    let walked = walk(&window, &free(), &mut script(&[0, 1, 1, 0, 0])).unwrap();
    assert_eq!(held(&walked), [0, 0, 1, 1, 0]);
    let trade = walked.book.trades[0];
    assert_eq!(
        (trade.entry_price, trade.exit_price, trade.bars),
        (110.0, 125.0, 2)
    );
    assert_eq!(trade.quantity, 1_000.0 / 110.0);
    assert_eq!(trade.entry_time, window.steps[2].bar.close_time);
    assert_eq!(trade.exit_time, window.steps[4].bar.close_time);
    assert!(!trade.forced);
}

#[test]
fn latency_and_same_close_move_the_fill() {
    let window = prepared(&[&[100.0, 110.0, 120.0, 130.0]]);
    let fill = |settings: &ExecutionSettings| {
        let walked = walk(&window, settings, &mut script(&[1, 1, 1, 1])).unwrap();
        (
            held(&walked),
            walked.book.trades[0].entry_price,
            walked.book.trades[0].bars,
        )
    };
    let late = ExecutionSettings {
        latency_bars: 2,
        ..free()
    };
    assert_eq!(fill(&late), (vec![0, 0, 1, 1], 110.0, 2));
    let same = ExecutionSettings {
        fill: FillRule::SameClose,
        ..free()
    };
    assert_eq!(fill(&same), (vec![0, 1, 1, 1], 100.0, 3));
    let same_late = ExecutionSettings {
        latency_bars: 2,
        ..same
    };
    assert_eq!(fill(&same_late), (vec![0, 0, 1, 1], 110.0, 2));
}

#[test]
fn a_flip_pays_twice_and_the_last_position_is_closed_with_cost() {
    let window = prepared(&[&[100.0, 100.0, 125.0, 125.0]]);
    let settings = ExecutionSettings {
        transaction_cost_bps: 60.0,
        slippage_bps: 40.0,
        stale_after_bars: 9,
        ..free()
    };
    let walked = walk(&window, &settings, &mut script(&[1, 1, -1, -1])).unwrap();
    let costs: Vec<f64> = walked.bars.iter().map(|row| row.cost).collect();
    // Long 10 at 100, sold at 125 (notional 1,250), short 8 at 125 (1,000), bought back at 125 (1,000).
    assert_eq!(costs, [0.0, 10.0, 0.0, 12.5 + 10.0 + 10.0]);
    assert_eq!(equity(&walked), [1_000.0, 990.0, 1_240.0, 1_207.5]);
    let [long, short] = walked.book.trades[..] else {
        panic!("{:?}", walked.book.trades)
    };
    assert_eq!(
        (long.gross, long.cost, long.net, long.forced),
        (250.0, 22.5, 227.5, false)
    );
    assert_eq!(
        (short.position, short.gross, short.cost, short.net, short.forced),
        (-1, 0.0, 20.0, -20.0, true)
    );
    assert_eq!(walked.book.turnover, 1_000.0 + 1_250.0 + 1_000.0 + 1_000.0);
}

#[test]
fn a_stale_bar_fills_nothing_and_the_position_shown_follows_its_source() {
    let window = prepared(&[&[100.0, 100.0, 100.0, 100.0, 101.0, 102.0]]);
    let mut asked = script(&[0, 1, 1, 1, 1, 1]);
    let walked = walk(&window, &free(), &mut asked).unwrap();
    assert_eq!(
        held(&walked),
        [0, 0, 0, 0, 1, 1],
        "due at the third bar, which is stale"
    );
    assert_eq!(asked.shown, [0, 0, 1, 1, 1, 1], "what was decided");
    assert_eq!(walked.counts.delayed_fills, 1);
    let feedback = ExecutionSettings {
        position_source: PositionSource::Feedback,
        ..free()
    };
    let mut asked = script(&[0, 1, 1, 1, 1, 1]);
    let walked = walk(&window, &feedback, &mut asked).unwrap();
    assert_eq!(asked.shown, [0, 0, 0, 0, 1, 1], "what is held");
    assert_eq!(walked.counts.delayed_fills, 1);
    let withdrawn = walk(&window, &free(), &mut script(&[0, 1, 1, 0, 0, 0])).unwrap();
    assert_eq!(
        (withdrawn.counts.delayed_fills, withdrawn.book.trades.len()),
        (0, 0)
    );
}

#[test]
fn flatten_closes_at_the_sessions_last_close_and_reopens_in_the_morning() {
    let window = prepared(&[&[100.0, 110.0], &[120.0, 130.0]]);
    let settings = ExecutionSettings {
        overnight: OvernightRule::Flatten,
        ..free()
    };
    let walked = walk(&window, &settings, &mut script(&[1, 1, 1, 1])).unwrap();
    let ends: Vec<_> = walked
        .book
        .trades
        .iter()
        .map(|t| (t.entry_price, t.exit_price, t.forced))
        .collect();
    assert_eq!(ends, [(100.0, 110.0, false), (110.0, 130.0, true)]);
    assert_eq!(held(&walked), [0, 1, 1, 1]);
}

#[test]
fn a_withheld_bar_keeps_the_position() {
    let mut window = prepared(&[&[100.0, 101.0, 102.0, 103.0]]);
    window.steps[1].row = None;
    let mut asked = script(&[1, 0, 1, 1]);
    asked.decisions[2] = Err(NotFinite);
    let walked = walk(&window, &free(), &mut asked).unwrap();
    let decided: Vec<i8> = walked.bars.iter().map(|row| row.decided.as_i8()).collect();
    assert_eq!((decided, held(&walked)), (vec![1, 1, 1, 1], vec![0, 1, 1, 1]));
    assert_eq!(walked.counts.withheld["not_finite"], 1);
}

#[test]
fn ruin_ends_the_run() {
    let window = prepared(&[&[100.0, 150.0, 200.0, 50.0]]);
    let walked = walk(&window, &free(), &mut script(&[-1, -1, -1, -1])).unwrap();
    assert_eq!(walked.ruined, Some(window.steps[2].bar.close_time));
    assert_eq!(equity(&walked), [1_000.0, 500.0, 0.0], "not what came after");
    assert!(walked.book.trades[0].forced);
    // A step ahead of ruin the run goes on.
    let spared = prepared(&[&[100.0, 150.0, 199.0, 50.0]]);
    let walked = walk(&spared, &free(), &mut script(&[-1, -1, -1, -1])).unwrap();
    assert_eq!((walked.ruined, walked.bars.len()), (None, 4));
}
