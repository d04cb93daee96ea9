//! Cutting bars and daily values at t changes no output up to t, bit for bit; neither does replacing what comes after.

use contracts::reason::Withheld;
use strategy::plan::FeaturePlan;

use super::market::{self, Draw, Market};
use super::walk::{Step, walk};

fn check(contract: &str, market: &Market, cuts: usize) {
    let plan = FeaturePlan::new(&market::contract(contract)).unwrap();
    let full = walk(&plan, market);
    let live = full
        .iter()
        .filter(|step| step.seen.used && step.seen.withheld != Some(Withheld::Warming));
    assert!(
        live.count() > full.len() / 4,
        "most bars are past warming, so that there is something to compare"
    );
    let mut draw = Draw(1);
    for _ in 0..cuts {
        let n = usize::try_from(draw.below(full.len() as u64 - 1)).unwrap() + 1;
        let t = full[n - 1].close_time;
        let visible = |series: &contracts::ids::SeriesId, date| {
            let series = plan.series().binary_search(series);
            series.is_ok_and(|series| plan.visible_at(series, date, None).unwrap() <= t)
        };
        let mut cut = market.clone();
        cut.bars.truncate(n);
        cut.daily.retain(|value| visible(&value.series, value.date));
        assert_same(&full, &walk(&plan, &cut), n);

        let mut other = market.clone();
        for bar in &mut other.bars[n..] {
            let factor = 0.5 + draw.below(1_000) as f64 / 1_000.0;
            for price in [&mut bar.open, &mut bar.high, &mut bar.low, &mut bar.close] {
                *price *= factor;
            }
        }
        for value in other
            .daily
            .iter_mut()
            .filter(|value| !visible(&value.series, value.date))
        {
            value.value += draw.below(1_000) as f64;
        }
        assert_same(&full, &walk(&plan, &other), n);
    }
}

fn assert_same(full: &[Step], other: &[Step], n: usize) {
    for (a, b) in full[..n].iter().zip(&other[..n]) {
        assert!(a.same(b), "cut after {n} bars: {a:?} became {b:?}");
    }
}

#[test]
fn the_future_of_a_generated_market_is_unseen() {
    let market = market::generated();
    check("usdcop_15", &market, 30);
    check("usdcop_15_ohlc", &market, 10);
}

#[test]
fn the_future_of_the_real_market_is_unseen() {
    let Some(market) = market::usdcop("the_future_of_the_real_market_is_unseen") else {
        return;
    };
    check("usdcop_15", &market, 20);
}
