//! A silent feed on a wall clock: said, ordered, and taken back.

use std::sync::Arc;

use contracts::bar::Bar;
use contracts::reason::{Latch, LiveState, Position};
use contracts::time::UnixNanos;
use engine::core::record::Record;
use engine::core::{ClockMode, CoreOptions, Input, InstrumentIndex, Records};
use testkit::market::{Market, MarketSpec};
use testkit::rig::{self, Rig};

use super::results;

/// The states published of instruments.
fn states(records: &Records) -> Vec<LiveState> {
    let of = |record| match record {
        Ok(Record::State(state)) if state.instrument.is_some() => Some(state.state),
        _ => None,
    };
    records.iter().filter_map(of).collect()
}

fn clock(bar: &Bar, after_s: i64) -> Input {
    Input::Clock {
        now: UnixNanos((bar.close_time.0 + after_s * 1_000) * 1_000_000),
    }
}

struct Watched {
    rig: Rig,
    bars: Vec<Bar>,
    seen: usize,
}

impl Watched {
    /// A core on the wall clock, under a contract that closes positions after ten minutes of silence.
    fn new() -> Self {
        let features = rig::features("technical_8");
        let market = Market::generate(&MarketSpec::usdcop_like(21, "USDCOP", 30));
        let options = CoreOptions {
            clock: ClockMode::Wall,
            ..rig::options(&market.instruments, &features)
        };
        let rig = Rig::new(options.clone());
        let mut bundle = rig::bundle(&features, &options, 1, 8);
        let terms = &mut Arc::get_mut(&mut bundle).expect("not shared yet").terms;
        terms.flatten_after_s = Some(600);
        rig.cell.publish(bundle);
        let bars = market.bars.into_iter().next().expect("an instrument");
        Self { rig, bars, seen: 0 }
    }

    /// The next bar, at its close.
    fn bar(&mut self) -> &Records {
        let bar = self.bars[self.seen];
        self.seen += 1;
        self.rig.step(&[clock(&bar, 0), rig::bar_input(0, bar)])
    }

    fn last(&self) -> Bar {
        self.bars[self.seen - 1]
    }

    /// At a bar after which another is due in the same session.
    fn until(&mut self, at_least: usize, ready: impl Fn(&Self) -> bool) {
        for _ in 0..self.bars.len() {
            self.bar();
            let next = self.bars[self.seen].close_time.0 - self.last().close_time.0;
            if self.seen >= at_least && next == 300_000 && ready(self) {
                return;
            }
        }
        panic!("no such bar in this market");
    }

    fn position(&self) -> Position {
        self.rig.core.positions().next().expect("an instrument")
    }

    /// An impossible bar after the last one: quarantined, never used.
    fn impossible(&mut self, after_s: i64) -> &Records {
        let last = self.last();
        let bar = Bar {
            close_time: last.close_time.plus_ms(600_000),
            high: last.low - 1.0,
            ..last
        };
        self.rig.step(&[clock(&last, after_s), rig::bar_input(0, bar)])
    }
}

#[test]
fn a_bar_that_is_not_used_ends_a_silence_too() {
    for (bars, before) in [(400, LiveState::Live), (20, LiveState::Warming)] {
        let mut watched = Watched::new();
        watched.until(bars, |_| true);
        let last = watched.last();
        assert_eq!(
            states(watched.rig.step(&[clock(&last, 361)])),
            [LiveState::StaleFeed]
        );
        let records = watched.impossible(600);
        assert_eq!(results(records)[0].1, "quarantined");
        assert_eq!(states(records), [before]);
    }
}

#[test]
fn the_state_is_that_of_the_operators_whatever_else_withholds() {
    let mut watched = Watched::new();
    watched.rig.step(&[Input::Halt { latch: Latch::Local }]);
    let mut said = [Vec::new(), Vec::new()];
    for half in &mut said {
        for _ in 0..200 {
            let records = watched.bar();
            assert_eq!(results(records)[0].1, "halted");
            half.extend(states(records));
        }
    }
    // ADX has not settled after 200 bars, and has after 400.
    assert!(
        !said[0].contains(&LiveState::Live) && said[1].contains(&LiveState::Live),
        "{said:?}"
    );
}

#[test]
fn a_position_opened_in_a_silence_is_closed_although_nothing_was_open_when_it_was_due() {
    let mut watched = Watched::new();
    watched.until(400, |_| true);
    // Feedback, so that a position can open without a bar.
    let features = rig::features("technical_8");
    let options = watched.rig.core.options().clone();
    let mut bundle = rig::bundle(&features, &options, 2, 8);
    let terms = &mut Arc::get_mut(&mut bundle).expect("not shared yet").terms;
    terms.flatten_after_s = Some(600);
    terms.is_feedback = true;
    watched.rig.cell.publish(bundle);
    let report = |position, at| Input::Position {
        instrument: InstrumentIndex(0),
        position,
        as_of: contracts::time::UtcMillis(at),
    };
    watched.rig.step(&[report(Position::Flat, 1)]);
    let last = watched.last();
    let flattened = |records: &Records| {
        let is_one = |r: &Result<Record<'_>, _>| matches!(r, Ok(Record::Flatten(_)));
        records.iter().filter(|r| is_one(r)).count()
    };
    assert_eq!(flattened(watched.rig.step(&[clock(&last, 361)])), 0);
    assert_eq!(flattened(watched.rig.step(&[clock(&last, 970)])), 0, "flat");
    watched.rig.step(&[report(Position::Long, 2)]);
    assert_eq!(flattened(watched.rig.step(&[clock(&last, 980)])), 1);
    assert_eq!(flattened(watched.rig.step(&[clock(&last, 990)])), 0, "once");
}

#[test]
fn halted_is_all_that_is_said_while_a_latch_is_set() {
    let mut watched = Watched::new();
    watched.until(400, |watched| watched.position() != Position::Flat);
    watched.rig.step(&[Input::Halt { latch: Latch::Local }]);
    let records = watched.impossible(600);
    assert_eq!(results(records)[0].1, "halted", "not quarantined");
}
