//! Making golden vectors: real observations, what the model answers to them, and the positions that follow.
//!
//! One code for registration and for local contracts; [`check`] is the other half, the comparison every engine makes with them.

pub mod check;

use contracts::action::{ActionKind, ActionRule};
use contracts::bar::Bar;
use contracts::features::FeatureContract;
use contracts::files::DailyFile;
use contracts::golden::{Golden, GoldenError, GoldenSource, GoldenV1};
use contracts::ids::InstrumentId;
use contracts::limits::GOLDEN_ROWS;
use contracts::norm_stats::NormStats;
use contracts::reason::Position;

use crate::action::decide;
use crate::onnx::inspect::{Inspection, drawn_observations};
use crate::policy::Head;
use crate::strategy::{Strategy, StrategyError};

/// Seed of the golden draws where no bars are given.
pub const GOLDEN_SEED: u32 = 42;

/// Where golden observations come from.
#[derive(Debug, Clone, Copy)]
pub enum GoldenInputs<'a> {
    /// [`GOLDEN_ROWS`] seeded normal draws.
    Drawn,
    /// Bars of one instrument in order of time, with the macro values before them.
    Bars {
        /// Whose.
        instrument: &'a InstrumentId,
        /// The bars.
        bars: &'a [Bar],
        /// Daily values; empty for features without macro series.
        daily: &'a DailyFile,
    },
}

/// Why there are no observations.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// The norm stats are not those of the features.
    #[error("norm stats and features do not fit each other")]
    Strategy(#[source] StrategyError),
    /// The bars are too few for the features to settle. Give more, or none.
    #[error(
        "the bars give {found} observations under settled features, {GOLDEN_ROWS} are needed: give more bars (and daily values), or leave them out for drawn observations"
    )]
    TooFewBars {
        /// How many there are.
        found: usize,
    },
}

/// [`GOLDEN_ROWS`] normalised observations, row-major, and where they come from.
///
/// # Errors
/// [`ObserveError`].
pub fn observations(
    features: &FeatureContract,
    stats: &NormStats,
    inputs: GoldenInputs<'_>,
) -> Result<(GoldenSource, Vec<f32>), ObserveError> {
    // Observing asks neither rule nor head; any that fit each other do.
    let rule = ActionKind::Continuous.default_rule();
    let strategy = Strategy::new(features, stats, &rule, Head::Scalar).map_err(ObserveError::Strategy)?;
    match inputs {
        GoldenInputs::Drawn => Ok((
            GoldenSource::Drawn { seed: GOLDEN_SEED },
            drawn_observations(strategy.width(), u64::from(GOLDEN_SEED)),
        )),
        GoldenInputs::Bars {
            instrument,
            bars,
            daily,
        } => Ok((GoldenSource::Bars, walked(&strategy, instrument, bars, daily)?)),
    }
}

/// [`GOLDEN_ROWS`] observations spread over all settled bars; the position goes through −1, 0 and 1 so that it is seen at work.
fn walked(
    strategy: &Strategy,
    instrument: &InstrumentId,
    bars: &[Bar],
    daily: &DailyFile,
) -> Result<Vec<f32>, ObserveError> {
    let (mut state, mut macros) = (strategy.new_instrument(instrument), strategy.new_macros());
    for row in &daily.rows {
        let name = &daily.series[row.series];
        if let Some(series) = strategy.series().iter().position(|series| series == name) {
            macros.insert(series, row.date, row.value, row.arrived_at);
        }
    }
    let width = strategy.width();
    let (mut raw, mut observation) = (vec![0.0; width], vec![0.0; width]);
    let mut settled: Vec<f32> = Vec::new();
    let positions = [Position::Short, Position::Flat, Position::Long];
    for (bar, position) in bars.iter().zip(positions.into_iter().cycle()) {
        let seen = strategy.observe(&mut state, &mut macros, bar, position, &mut raw, &mut observation);
        if seen.withheld.is_none() {
            settled.extend_from_slice(&observation);
        }
    }
    let found = settled.len() / width;
    if found < GOLDEN_ROWS {
        return Err(ObserveError::TooFewBars { found });
    }
    let row = |n: usize| {
        let at = n * (found - 1) / (GOLDEN_ROWS - 1);
        settled[at * width..(at + 1) * width].iter().copied()
    };
    Ok((0..GOLDEN_ROWS).flat_map(row).collect())
}

/// What an inspection says about the model, as far as golden vectors need it.
#[derive(Debug, Clone, Copy)]
pub struct Answers<'a> {
    /// From output to position.
    pub rule: &'a ActionRule,
    /// Shape of one output.
    pub head: Head,
    /// Outputs of the golden rows, `head.width()` values each.
    pub outputs: &'a [f32],
}

impl<'a> From<&'a Inspection> for Answers<'a> {
    fn from(inspection: &'a Inspection) -> Self {
        Self {
            rule: &inspection.rule,
            head: inspection.head,
            outputs: &inspection.golden_outputs,
        }
    }
}

/// Puts observations and answers together.
///
/// # Errors
/// [`GoldenError`] when rows and answers are not [`GOLDEN_ROWS`] finite ones.
pub fn vectors(
    source: GoldenSource,
    rows: &[f32],
    width: usize,
    answers: Answers<'_>,
) -> Result<Golden, GoldenError> {
    let outputs: Vec<Vec<f32>> = answers
        .outputs
        .chunks(answers.head.width())
        .map(<[f32]>::to_vec)
        .collect();
    // A last piece that is no whole row is refused before anybody decides on it.
    let ragged = |rows: &[Vec<f32>], width: usize| rows.iter().position(|row| row.len() != width);
    if let Some(row) = ragged(&outputs, answers.head.width()) {
        let detail = format!("output {row} is not {} wide", answers.head.width());
        return Err(GoldenError::Shape { detail });
    }
    let decided = |(row, output): (usize, &Vec<f32>)| {
        let decision = decide(answers.rule, answers.head, output);
        decision
            .map(|decision| decision.action)
            .map_err(|_| GoldenError::NotFinite { row })
    };
    let golden = Golden {
        schema_version: GoldenV1,
        source,
        observations: rows.chunks(width.max(1)).map(<[f32]>::to_vec).collect(),
        actions: outputs
            .iter()
            .enumerate()
            .map(decided)
            .collect::<Result<_, _>>()?,
        outputs,
    };
    golden.check()?;
    Ok(golden)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_answers_must_be_whole() {
        let rows = drawn_observations(2, 1);
        let rule = ActionKind::Continuous.default_rule();
        let make = |outputs: &[f32]| {
            let answers = Answers {
                rule: &rule,
                head: Head::Scalar,
                outputs,
            };
            vectors(GoldenSource::Drawn { seed: 1 }, &rows, 2, answers)
        };
        let golden = make(&[0.5; GOLDEN_ROWS]).unwrap();
        assert_eq!(golden.actions, [Position::Long; GOLDEN_ROWS]);
        assert_eq!(golden.rows(), rows);
        assert!(matches!(
            make(&[0.5; GOLDEN_ROWS - 1]),
            Err(GoldenError::Shape { .. })
        ));
        let mut broken = [0.5; GOLDEN_ROWS];
        broken[7] = f32::NAN;
        assert!(matches!(make(&broken), Err(GoldenError::NotFinite { row: 7 })));
        let rule = ActionKind::Logits.default_rule();
        let answers = Answers {
            rule: &rule,
            head: Head::Logits,
            outputs: &[0.5; GOLDEN_ROWS * 3 - 1],
        };
        let ragged = vectors(GoldenSource::Bars, &rows, 2, answers);
        assert!(matches!(ragged, Err(GoldenError::Shape { .. })));
    }
}
