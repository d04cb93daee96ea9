//! That a feature which peeks is found, and that the shipped ones do not.

use contracts::reason::Position;
use strategy::strategy::Observed;

use super::*;
use crate::run::samples::{Model, features, settings, walk, window};

/// Sees as the strategy does, but for one feature.
struct Peeking<'a> {
    honest: StrategySight<'a>,
    /// Of that bar, or of a later one.
    ahead: usize,
}

impl Sight for Peeking<'_> {
    fn observe(
        &mut self,
        bars: &[Bar],
        at: usize,
        position: Position,
        features: &mut [f64],
        observation: &mut [f32],
    ) -> Observed {
        let seen = self.honest.observe(bars, at, position, features, observation);
        let shown = bars[(at + self.ahead).min(bars.len() - 1)];
        features[2] = shown.close / bars[at].open - 1.0;
        seen
    }
}

fn peeking(ahead: usize) -> Causality {
    let features = features("usdcop_15");
    let market = walk(&features, "USDCOP", 8, "2025-03-07");
    let model = Model::new(&features, 9);
    let sight = |market: &Market| -> Result<Box<dyn Sight + '_>, RunError> {
        Ok(Box::new(Peeking {
            honest: StrategySight::new(&model.strategy, market)?,
            ahead,
        }))
    };
    let window = window("2025-02-03", "2025-03-07");
    let (candidate, options) = (model.candidate(), RunOptions::default());
    let mut eyes = sight(&market).unwrap();
    let run = run_seen(
        &mut *eyes,
        candidate,
        &market,
        window,
        &settings(),
        options,
        &|_| {},
    );
    let (outcome, prepared) = run.unwrap();
    let original = Original {
        prepared: &prepared,
        rows: &outcome.bars,
        fingerprint: &Fingerprint::of(b"cuts"),
    };
    check_with(&sight, candidate, &market, window, &settings(), options, original).unwrap()
}

#[test]
fn a_feature_that_peeks_one_bar_ahead_is_found() {
    let found = peeking(1).look_ahead.unwrap();
    assert!(found.starts_with("feature 2 at 2025-0"), "{found}");
    assert_eq!(
        peeking(0),
        Causality {
            cuts: CAUSALITY_CUTS,
            look_ahead: None
        },
        "the same feature of the bar itself is none"
    );
}

#[test]
fn the_shipped_features_do_not_look_ahead() {
    for (name, instrument) in [
        ("usdcop_15", "USDCOP"),
        ("usdcop_15_ohlc", "USDCOP"),
        ("technical_8", "ANY"),
    ] {
        let features = features(name);
        let market = walk(&features, instrument, 8, "2025-02-14");
        let model = Model::new(&features, 9);
        for overnight in [
            contracts::experiment::OvernightRule::Hold,
            contracts::experiment::OvernightRule::Flatten,
        ] {
            let settings = ExecutionSettings {
                overnight,
                transaction_cost_bps: 0.5,
                slippage_bps: 0.0,
                position_source: contracts::action::PositionSource::Feedback,
                ..settings()
            };
            let found = check(
                model.candidate(),
                &market,
                window("2025-02-03", "2025-02-14"),
                &settings,
                RunOptions::default(),
                &Fingerprint::of(name.as_bytes()),
            );
            let clean = Causality {
                cuts: CAUSALITY_CUTS,
                look_ahead: None,
            };
            assert_eq!(found.unwrap(), clean, "{name} {overnight:?}");
        }
    }
}

#[test]
fn no_contract_in_the_repository_is_left_out() {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/features");
    let mut names: Vec<String> = std::fs::read_dir(config)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["technical_8.yaml", "usdcop_15.yaml", "usdcop_15_ohlc.yaml"]
    );
}
