//! What time alone changes on the wall clock: a contract runs out, a feed falls silent.

use std::sync::Arc;

use contracts::bar::Bar;
use contracts::reason::{FlattenCause, LiveState, Position};
use contracts::time::{UnixNanos, UtcMillis};
use engine::bundle::Terms;
use engine::core::record::Record;
use engine::core::{ClockMode, CoreOptions, Input};
use testkit::market::{Market, MarketSpec};
use testkit::rig::{self, Rig};

use super::results;

const HOUR_MS: i64 = 3_600_000;
/// Bars that come before a test begins to look: enough for every operator.
const WARM_BARS: usize = 400;

struct OnTheWall {
    rig: Rig,
    bars: Vec<Bar>,
}

impl OnTheWall {
    /// A core on the wall clock under a contract whose terms `change` may change.
    fn new(change: impl FnOnce(&mut Terms)) -> Self {
        let features = rig::features("technical_8");
        let market = Market::generate(&MarketSpec::usdcop_like(21, "USDCOP", 30));
        let options = CoreOptions {
            clock: ClockMode::Wall,
            ..rig::options(&market.instruments, &features)
        };
        let rig = Rig::new(options.clone());
        let mut bundle = Arc::into_inner(rig::bundle(&features, &options, 1, 8)).expect("not shared yet");
        change(&mut bundle.terms);
        rig.cell.publish(Arc::new(bundle));
        let bars = market.bars[0].clone();
        Self { rig, bars }
    }

    /// The states and orders that the wall clock alone brings at `now`.
    fn at(&mut self, now: UtcMillis) -> Vec<String> {
        let records = self.rig.step(&[clock(now)]);
        records
            .iter()
            .filter_map(|record| said(&record.expect("a record just written")))
            .collect()
    }

    /// The bar a second after its close: what is said of the slot and how it ended.
    fn bar(&mut self, bar: &Bar) -> (Vec<String>, String) {
        let now = bar.close_time.plus_ms(1_000);
        let records = self.rig.step(&[clock(now), rig::bar_input(0, *bar)]);
        let states = records
            .iter()
            .filter_map(|record| said(&record.expect("a record just written")));
        let states = states.filter(|state| state.starts_with("slot ")).collect();
        (states, results(records)[0].1.clone())
    }
}

fn clock(now: UtcMillis) -> Input {
    Input::Clock {
        now: UnixNanos(now.0 * 1_000_000),
    }
}

fn said(record: &Record<'_>) -> Option<String> {
    match record {
        Record::State(state) => {
            let whose = if state.instrument.is_none() { "slot " } else { "" };
            Some(format!("{whose}{:?} since {}", state.state, state.since.0))
        }
        Record::Flatten(order) => Some(format!("flatten {:?} {:?}", order.cause, order.position_before)),
        _ => None,
    }
}

fn directive(number: u64, issued_at: UtcMillis) -> Input {
    Input::Directive {
        number,
        halted: false,
        clears_control: false,
        clears_local: false,
        issued_at,
        renew_by: UtcMillis(i64::MAX),
    }
}

#[test]
fn a_contract_says_a_day_ahead_that_it_runs_out_and_is_obeyed_until_it_has() {
    let mut wall = OnTheWall::new(|terms| {
        terms.is_local = false;
        terms.offline_grace_hours = 72;
    });
    let bars = wall.bars.clone();
    let issued = bars[WARM_BARS].close_time;
    // Without a directive a voted contract was never confirmed.
    assert_eq!(wall.bar(&bars[0]).1, "unconfirmed");
    wall.rig.step(&[directive(1, issued)]);
    for bar in &bars[1..WARM_BARS] {
        let (states, _) = wall.bar(bar);
        assert!(states.iter().all(|state| state.contains("Live")), "{states:?}");
    }
    let end = issued.plus_ms(72 * HOUR_MS);
    let warned = end.plus_ms(-24 * HOUR_MS);
    let (mut warnings, mut words) = (Vec::new(), Vec::new());
    for bar in &bars[WARM_BARS..] {
        let now = bar.close_time.plus_ms(1_000);
        let (states, word) = wall.bar(bar);
        let expected = if now < end { "signal" } else { "unconfirmed" };
        assert_eq!(word, expected, "{} before the end", end.0 - now.0);
        warnings.extend(states.into_iter().map(|state| (now, state)));
        words.push(word);
    }
    assert!(words.contains(&"signal".to_owned()) && words.contains(&"unconfirmed".to_owned()));
    // Said once, at the first look after its time, and not taken back when it has run out.
    let first = bars
        .iter()
        .map(|bar| bar.close_time.plus_ms(1_000))
        .find(|now| *now >= warned);
    let first = first.expect("bars go on");
    assert_eq!(
        warnings,
        [(first, format!("slot ContractExpiring since {}", first.0))]
    );
    // A new word and it goes on.
    let last = bars.last().expect("bars").close_time.plus_ms(1_000);
    let renewed = wall.rig.step(&[directive(2, last)]);
    let renewed: Vec<_> = renewed
        .iter()
        .filter_map(|record| said(&record.expect("a record just written")))
        .collect();
    assert_eq!(renewed, [format!("slot {:?} since {}", LiveState::Live, last.0)]);
}

#[test]
fn a_silent_feed_is_said_and_its_position_closed_when_the_contract_says_so() {
    for after_s in [Some(120), None] {
        let mut wall = OnTheWall::new(|terms| terms.flatten_after_s = after_s);
        let bars = wall.bars.clone();
        let open = bars.iter().enumerate().find(|(at, bar)| {
            wall.bar(bar);
            *at >= WARM_BARS
                && wall
                    .rig
                    .core
                    .positions()
                    .any(|position| position != Position::Flat)
        });
        let (_, last) = open.expect("the seeded model opens a position");
        let held = wall.rig.core.positions().next().expect("one instrument");
        // The next bar is due five minutes later and overdue after another.
        let overdue = last.close_time.plus_ms(6 * 60_000);
        assert_eq!(wall.at(overdue.plus_ms(-1)), Vec::<String>::new());
        assert_eq!(
            wall.at(overdue.plus_ms(1_000)),
            [format!("StaleFeed since {}", overdue.0)]
        );
        assert_eq!(wall.at(overdue.plus_ms(119_000)), Vec::<String>::new());
        let order = format!("flatten {:?} {held:?}", FlattenCause::StaleFeed);
        let (orders, left) = match after_s {
            Some(_) => (vec![order], Position::Flat),
            None => (vec![], held),
        };
        assert_eq!(wall.at(overdue.plus_ms(121_000)), orders);
        assert_eq!(
            wall.at(overdue.plus_ms(500_000)),
            Vec::<String>::new(),
            "ordered once"
        );
        assert_eq!(wall.rig.core.positions().next(), Some(left));
    }
}

#[test]
fn a_clock_that_was_ahead_once_makes_no_later_bar_late_and_hides_no_silence() {
    let mut wall = OnTheWall::new(|_| {});
    let bars = wall.bars.clone();
    for bar in &bars[..=WARM_BARS] {
        wall.bar(bar);
    }
    let year_ms = 366 * 24 * HOUR_MS;
    wall.at(bars[WARM_BARS].close_time.plus_ms(year_ms));
    // Put right: the next bar is as young as it is, and what closes in the year of the wrong reading is in the future again.
    let next = &bars[WARM_BARS + 1];
    assert_eq!(wall.bar(next).1, "signal");
    let ahead = Bar {
        close_time: next.close_time.plus_ms(365 * 24 * HOUR_MS),
        ..*next
    };
    wall.rig.step(&[rig::bar_input(0, ahead)]);
    assert_eq!(wall.rig.core.counters().future, 1);
    // A feed that falls silent now is seen to be so now.
    let (from, overdue) = (next.close_time, next.close_time.plus_ms(6 * 60_000));
    assert_eq!(wall.at(from.plus_ms(2_000)), Vec::<String>::new());
    assert_eq!(
        wall.at(overdue.plus_ms(1_000)),
        [format!("StaleFeed since {}", overdue.0)]
    );
}
