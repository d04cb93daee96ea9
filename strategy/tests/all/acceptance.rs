//! What becomes of a bar: off session, quarantined, used, warming, stale, not finite; and where the operators begin anew.

use contracts::bar::Bar;
use contracts::features::FeatureContract;
use contracts::ids::SeriesId;
use contracts::reason::{OriginReason, Position, Withheld};
use contracts::time::DayNumber;
use strategy::instrument::InstrumentState;
use strategy::macros::MacroState;
use strategy::plan::{FeaturePlan, Observed};

use super::market::{self, Daily, Market};
use super::walk::{insert, walk};

/// A plan with the state of one instrument.
struct Bench {
    plan: FeaturePlan,
    state: InstrumentState,
    macros: MacroState,
    features: Vec<f64>,
}

impl Bench {
    fn new(contract: &FeatureContract, daily: &[Daily]) -> Self {
        let plan = FeaturePlan::new(contract).unwrap();
        let mut macros = plan.new_macros();
        insert(&plan, &mut macros, daily);
        Self {
            state: plan.new_instrument(&market::generated().instrument),
            macros,
            features: vec![0.0; plan.width()],
            plan,
        }
    }

    fn observe(&mut self, bar: &Bar) -> Observed {
        self.plan.observe(
            &mut self.state,
            &mut self.macros,
            bar,
            Position::Flat,
            &mut self.features,
        )
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.state.save(&mut bytes);
        bytes
    }
}

fn scaled(bar: &Bar, factor: f64) -> Bar {
    Bar {
        open: bar.open * factor,
        high: bar.high * factor,
        low: bar.low * factor,
        close: bar.close * factor,
        ..*bar
    }
}

/// Bars of a market that never closes, and its contract.
fn crypto(n: usize) -> (FeatureContract, Vec<Bar>) {
    (
        market::contract("technical_8"),
        market::steady_bars("2026-01-05T00:05:00Z", n, 5),
    )
}

#[test]
fn bars_warm_until_settled_and_then_act() {
    let (contract, bars) = crypto(300);
    let mut bench = Bench::new(&contract, &[]);
    let seen: Vec<Observed> = bars.iter().map(|bar| bench.observe(bar)).collect();
    assert_eq!(
        seen.iter().position(|s| s.defined),
        Some(48),
        "log_ret_4h needs 49 bars"
    );
    assert_eq!(
        seen.iter().position(|s| s.withheld.is_none()),
        Some(279),
        "adx_14 settles after 280 bars"
    );
    assert!(
        seen[..279]
            .iter()
            .all(|s| s.used && s.withheld == Some(Withheld::Warming))
    );
    let origin = bench.state.origin().unwrap();
    assert_eq!(
        (origin.reason, origin.first_close_time, origin.bars),
        (OriginReason::First, bars[0].close_time, 300)
    );
}

#[test]
fn off_session_and_impossible_bars_leave_the_state_alone() {
    let market = market::generated();
    let mut bench = Bench::new(&market::contract("usdcop_15"), &market.daily);
    for bar in &market.bars[..100] {
        bench.observe(bar);
    }
    let (before, next) = (bench.bytes(), market.bars[100]);
    let night = Bar {
        close_time: next.close_time.plus_ms(10 * 3_600_000),
        ..next
    };
    let cases = [
        (night, Withheld::OffSession),
        (scaled(&next, f64::NAN), Withheld::Quarantined),
        (scaled(&next, -1.0), Withheld::Quarantined),
        (
            Bar {
                high: next.low / 2.0,
                ..next
            },
            Withheld::Quarantined,
        ),
        // Below the contract's price_min, though less than five times away.
        (scaled(&next, 0.24), Withheld::Quarantined),
    ];
    for (bar, reason) in cases {
        let seen = bench.observe(&bar);
        assert_eq!((seen.withheld, seen.used), (Some(reason), false), "{bar:?}");
        assert_eq!(bench.bytes(), before, "{bar:?}");
    }
}

#[test]
fn a_confirmed_level_restarts_the_operators() {
    let (contract, bars) = crypto(700);
    let mut bench = Bench::new(&contract, &[]);
    for bar in &bars[..300] {
        bench.observe(bar);
    }
    let old = bars[299].close;
    assert_eq!(
        bench.observe(&scaled(&bars[300], 10.0)).withheld,
        Some(Withheld::Quarantined)
    );
    // Back at the old level: the bad tick is forgotten.
    assert!(bench.observe(&bars[301]).withheld.is_none());
    assert_eq!(
        bench.observe(&scaled(&bars[302], 10.0)).withheld,
        Some(Withheld::Quarantined)
    );
    let new = scaled(&bars[303], 10.0);
    let seen = bench.observe(&new);
    assert!(seen.used && seen.restarted && !seen.defined);
    assert_eq!(seen.withheld, Some(Withheld::Warming));
    let shift = seen.level_shift.unwrap();
    assert_eq!((shift.from_close, shift.to_close), (bars[301].close, new.close));
    assert!((shift.from_close - old).abs() < old / 10.0);
    let origin = bench.state.origin().unwrap();
    assert_eq!(
        (origin.reason, origin.first_close_time, origin.bars),
        (OriginReason::Rewarm, new.close_time, 1)
    );

    // From here on everything is as if the instrument had begun with this bar.
    let mut fresh = Bench::new(&contract, &[]);
    fresh.observe(&new);
    for bar in &bars[304..] {
        let bar = scaled(bar, 10.0);
        assert_eq!(bench.observe(&bar), fresh.observe(&bar));
        let bits = |features: &[f64]| features.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&bench.features), bits(&fresh.features));
    }
}

#[test]
fn a_long_gap_restarts_only_where_the_contract_says_so() {
    let (contract, bars) = crypto(400);
    let with_gap = |missing: usize| {
        bars.iter()
            .enumerate()
            .filter(move |(i, _)| !(300..300 + missing).contains(i))
    };
    for (limit, missing, restarts) in [
        (None, 50, false),
        (Some(3), 2, false),
        (Some(3), 3, true),
        (Some(3), 50, true),
    ] {
        let contract = FeatureContract {
            gap_reset_bars: limit,
            ..contract.clone()
        };
        let mut bench = Bench::new(&contract, &[]);
        let seen: Vec<Observed> = with_gap(missing).map(|(_, bar)| bench.observe(bar)).collect();
        assert_eq!(seen[300].missing_bars as usize, missing);
        assert_eq!(seen[300].restarted, restarts, "{limit:?} {missing}");
        assert_eq!(seen[300].withheld.is_some(), restarts);
        let reason = bench.state.origin().unwrap().reason;
        assert_eq!(reason == OriginReason::Rewarm, restarts);
    }
}

/// A market whose `dxy` ends before its bars do, and that bar's place from which on it is too old.
#[test]
fn a_series_is_stale_from_its_eighth_day() {
    let mut market = market::generated();
    let last = DayNumber::parse("2021-09-01").unwrap();
    let dxy = SeriesId::parse("dxy").unwrap();
    market
        .daily
        .retain(|value| value.series != dxy || value.date <= last);
    let newest = market
        .daily
        .iter()
        .filter(|value| value.series == dxy)
        .map(|value| value.date.0)
        .max()
        .unwrap();
    let plan = FeaturePlan::new(&market::contract("usdcop_15")).unwrap();
    let index = plan.series().binary_search(&dxy).unwrap();
    let mut stale = 0;
    for step in walk(&plan, &market)
        .iter()
        .filter(|s| s.seen.used && s.seen.withheld != Some(Withheld::Warming))
    {
        let age = plan.calendar().local_date(step.close_time).unwrap().0 - newest;
        let expected = (age > 7).then_some(Withheld::Stale(u8::try_from(index).unwrap()));
        assert_eq!(
            step.seen.withheld, expected,
            "{} is {age} days after",
            step.close_time
        );
        assert!(step.seen.defined, "the vector is there, for the record");
        stale += u32::from(expected.is_some());
    }
    assert!(stale > 1_000);
}

#[test]
fn an_infinite_change_is_not_clipped_into_a_number() {
    let mut market = market::generated();
    let brent = SeriesId::parse("brent").unwrap();
    let zero = market
        .daily
        .iter_mut()
        .filter(|value| value.series == brent)
        .nth(600)
        .unwrap();
    zero.value = 0.0;
    let plan = FeaturePlan::new(&market::contract("usdcop_15")).unwrap();
    let steps = walk(&plan, &market);
    let bad: Vec<_> = steps
        .iter()
        .filter(|step| step.seen.withheld == Some(Withheld::NotFinite))
        .collect();
    assert!(!bad.is_empty());
    assert!(
        bad.iter().all(|step| step.features[10].is_infinite()),
        "brent_change_1d divides by zero"
    );
}

/// One instrument live and one months behind, bar by bar in turn, on one macro state: each as if it were alone.
#[test]
fn instruments_at_different_times_share_the_daily_values() {
    let market = market::generated();
    let plan = FeaturePlan::new(&market::contract("usdcop_15")).unwrap();
    let alone = walk(&plan, &market);
    let mut macros = plan.new_macros();
    insert(&plan, &mut macros, &market.daily);
    let lag = 1_500;
    let mut states = [0, 1].map(|_| plan.new_instrument(&market.instrument));
    let mut features = vec![0.0; plan.width()];
    for i in 0..market.bars.len() {
        for (state, at) in states.iter_mut().zip([Some(i), i.checked_sub(lag)]) {
            let Some(at) = at else { continue };
            let Market { bars, .. } = &market;
            let position = super::walk::position(&bars[at]);
            let seen = plan.observe(state, &mut macros, &bars[at], position, &mut features);
            assert_eq!(seen, alone[at].seen);
            let bits = |values: &[f64]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert!(
                !seen.used || bits(&features) == bits(&alone[at].features),
                "bar {at}"
            );
        }
    }
}
