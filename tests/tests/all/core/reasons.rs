//! Reasons of the engine's own for deciding nothing, each driven through a core: late, unconfirmed.

use std::sync::Arc;

use contracts::bar::Bar;
use contracts::numerics::Executor;
use contracts::production::ContractOrigin;
use contracts::reason::LiveState;
use contracts::time::{UnixNanos, UtcMillis};
use engine::bundle::Bundle;
use engine::core::record::Record;
use engine::core::{ClockMode, CoreOptions, Input, InstrumentIndex};
use engine::drivers::replay::confirmation;
use testkit::live::{MakeSpec, made};
use testkit::market::{Market, MarketSpec};
use testkit::rig::{self, Rig};

use super::results;

const HOUR_MS: i64 = 3_600_000;
/// Inputs the operators are warmed with.
const WARM: usize = 600;

struct Scene {
    rig: Rig,
    bars: Vec<Bar>,
    bundle: Bundle,
}

impl Scene {
    /// Settled operators and the bars after them.
    fn new(clock: ClockMode) -> Self {
        let features = rig::features("technical_8");
        let market = Market::generate(&MarketSpec::usdcop_like(21, "USDCOP", 30));
        let options = CoreOptions {
            clock,
            ..rig::options(&market.instruments, &features)
        };
        let inputs = rig::inputs_of(&market, &features);
        let bundle = rig::warmed(&features, &options, 1, 8, &inputs[..WARM]);
        let bars = inputs[WARM..].iter().filter_map(|input| match input {
            Input::Bar { bar, .. } => Some(*bar),
            _ => None,
        });
        Self {
            rig: Rig::new(options),
            bars: bars.collect(),
            bundle: Arc::into_inner(bundle).expect("not shared yet"),
        }
    }

    fn publish(self) -> (Rig, Vec<Bar>) {
        self.rig.cell.publish(Arc::new(self.bundle));
        (self.rig, self.bars)
    }
}

/// The word of the one result, and the slot's states said with it.
fn told(rig: &mut Rig, inputs: &[Input]) -> (String, Vec<LiveState>) {
    let records = rig.step(inputs);
    let states = records.iter().filter_map(|record| match record {
        Ok(Record::State(state)) if state.instrument.is_none() => Some(state.state),
        _ => None,
    });
    let states = states.collect();
    let results = results(records);
    assert_eq!(results.len(), 1, "{results:?}");
    (results[0].1.clone(), states)
}

#[test]
fn a_bar_is_late_a_millisecond_after_its_age_and_whenever_it_was_filled_in() {
    let (mut rig, bars) = Scene::new(ClockMode::Wall).publish();
    let at = |bar: Bar, age_ms: i64, backfilled: bool| {
        [
            Input::Clock {
                now: UnixNanos((bar.close_time.0 + age_ms) * 1_000_000),
            },
            Input::Bar {
                instrument: InstrumentIndex(0),
                bar,
                received_at: UnixNanos(bar.close_time.0 * 1_000_000),
                backfilled,
            },
        ]
    };
    assert_eq!(told(&mut rig, &at(bars[0], 60_000, false)).0, "signal");
    assert_eq!(told(&mut rig, &at(bars[1], 60_001, false)).0, "late");
    assert_eq!(told(&mut rig, &at(bars[2], 0, true)).0, "late");
    // Both went into the features: nothing is missing for the next.
    assert_eq!(told(&mut rig, &at(bars[3], 0, false)).0, "signal");
    assert_eq!(rig.core.counters().missing_bars, 0);
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
fn a_voted_contract_is_obeyed_as_long_as_its_directive_is_fresh() {
    let mut scene = Scene::new(ClockMode::Feed);
    scene.bundle.terms.is_local = false;
    let grace_ms = i64::from(scene.bundle.terms.offline_grace_hours) * HOUR_MS;
    let (mut rig, bars) = scene.publish();
    let word = |rig: &mut Rig, at: usize| told(rig, &[rig::bar_input(0, bars[at])]);
    assert_eq!(
        word(&mut rig, 0),
        ("unconfirmed".to_owned(), vec![LiveState::ContractExpiring])
    );
    // Confirmed until the tenth bar closes: for less than the warning time.
    let end = bars[10].close_time;
    rig.step(&[directive(1, end.plus_ms(-grace_ms))]);
    assert_eq!(word(&mut rig, 1).0, "signal");
    for at in 2..10 {
        assert_eq!(word(&mut rig, at).0, "signal", "bar {at}");
    }
    assert_eq!(rig.core.counters().swaps, 1);
    assert_eq!(word(&mut rig, 10).0, "unconfirmed");
    // A directive that is old news confirms nothing; a newer one does.
    rig.step(&[directive(1, bars[10].close_time)]);
    assert_eq!(word(&mut rig, 11).0, "unconfirmed");
    rig.step(&[directive(2, bars[11].close_time)]);
    assert_eq!(word(&mut rig, 12).0, "signal");
}

#[test]
fn a_contract_that_is_about_to_be_unconfirmed_says_so_a_day_before() {
    let mut scene = Scene::new(ClockMode::Feed);
    scene.bundle.terms.is_local = false;
    let grace_ms = i64::from(scene.bundle.terms.offline_grace_hours) * HOUR_MS;
    let (mut rig, bars) = scene.publish();
    let warned_from = bars[5].close_time;
    rig.step(&[directive(1, warned_from.plus_ms(24 * HOUR_MS - grace_ms))]);
    let mut said = Vec::new();
    for bar in &bars[..8] {
        let (word, states) = told(&mut rig, &[rig::bar_input(0, *bar)]);
        assert_eq!(word, "signal");
        said.extend(states.into_iter().map(|state| (bar.close_time, state)));
    }
    let expected = [
        (bars[0].close_time, LiveState::Live),
        (warned_from, LiveState::ContractExpiring),
    ];
    assert_eq!(said, expected);
    let records = rig.step(&[directive(2, bars[7].close_time)]);
    let live = records.iter().any(|record| {
        matches!(record, Ok(Record::State(state)) if state.instrument.is_none() && state.state == LiveState::Live)
    });
    assert!(live, "a new directive ends the warning");
}

#[test]
fn a_replay_obeys_a_voted_contract_as_a_local_one() {
    let features = rig::features("technical_8");
    let spec = MakeSpec {
        features: &features,
        seed: 3,
        executor: Executor::Dense,
        generation: 1,
        hidden: 8,
    };
    let mut contract = made(&spec).contract;
    assert_eq!(confirmation(&contract), None);
    contract.origin = ContractOrigin::Votes;
    let first = confirmation(&contract).expect("a voted contract is confirmed");

    let run = |is_local: bool, first: Option<Input>| {
        let mut scene = Scene::new(ClockMode::Feed);
        scene.bundle.terms.is_local = is_local;
        let (mut rig, bars) = scene.publish();
        rig.step(first.as_slice());
        bars.iter()
            .flat_map(|bar| results(rig.step(&[rig::bar_input(0, *bar)])))
            .collect::<Vec<_>>()
    };
    let local = run(true, None);
    assert!(local.iter().filter(|(_, word, ..)| word == "signal").count() > 500);
    assert!(run(false, Some(first)) == local);
}
