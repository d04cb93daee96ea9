//! From a model's raw output to −1, 0 or 1, with a confidence.

use contracts::action::{ActionRule, Raw};
use contracts::reason::Position;

use crate::policy::Head;

/// What a model's output means under the rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// The output as it came, before clipping or choosing.
    pub raw: Raw,
    /// The position it asks for.
    pub action: Position,
    /// |a| of a continuous action, the softmax of the chosen logit, 1 for an index.
    pub confidence: f64,
}

/// An output that means nothing: not finite, or an index that is not 0, 1 or 2. The bar is withheld.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the model's output is not finite or no index of the map")]
pub struct NotFinite;

/// True when a rule can read such an output.
#[must_use]
pub const fn fits(rule: &ActionRule, head: Head) -> bool {
    matches!(
        (rule, head),
        (ActionRule::Continuous { .. }, Head::Scalar)
            | (ActionRule::Logits { .. }, Head::Logits)
            | (ActionRule::Index { .. }, Head::Index | Head::Logits)
    )
}

/// Applies the rule to one row of output; an index rule over a logits head takes the first maximum.
///
/// # Errors
/// [`NotFinite`].
///
/// # Panics
/// If `raw` is not `head.width()` long or the rule cannot read the head, which [`fits`] tells.
pub fn decide(rule: &ActionRule, head: Head, raw: &[f32]) -> Result<Decision, NotFinite> {
    assert!(
        raw.len() == head.width() && fits(rule, head),
        "a row of the head the rule was compiled for"
    );
    if raw.iter().any(|x| !x.is_finite()) {
        return Err(NotFinite);
    }
    match *rule {
        ActionRule::Continuous {
            long_above,
            short_below,
        } => {
            let a = f64::from(raw[0]).clamp(-1.0, 1.0);
            let action = if a > long_above {
                Position::Long
            } else if a < short_below {
                Position::Short
            } else {
                Position::Flat
            };
            Ok(Decision {
                raw: Raw::Scalar(raw[0]),
                action,
                confidence: a.abs(),
            })
        }
        ActionRule::Logits { map } => {
            let logits = [raw[0], raw[1], raw[2]];
            let best = first_maximum(logits);
            let weight = |x: f32| libm::exp(f64::from(x) - f64::from(logits[best]));
            Ok(Decision {
                raw: Raw::Logits(logits),
                action: position(map, best),
                confidence: 1.0 / logits.map(weight).iter().sum::<f64>(),
            })
        }
        ActionRule::Index { map } => {
            let index = match head {
                Head::Logits => first_maximum([raw[0], raw[1], raw[2]]),
                _ => [0.0, 1.0, 2.0]
                    .iter()
                    .position(|i| *i == raw[0])
                    .ok_or(NotFinite)?,
            };
            Ok(Decision {
                raw: Raw::Index(index as i64),
                action: position(map, index),
                confidence: 1.0,
            })
        }
    }
}

fn first_maximum(logits: [f32; 3]) -> usize {
    let mut best = 0;
    for i in 1..3 {
        if logits[i] > logits[best] {
            best = i;
        }
    }
    best
}

fn position(map: [i8; 3], index: usize) -> Position {
    Position::try_from(i64::from(map[index])).expect("a checked map holds -1, 0 and 1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::action::ActionKind;

    fn act(kind: ActionKind, head: Head, raw: &[f32]) -> Option<(i8, f64)> {
        let decision = decide(&kind.default_rule(), head, raw).ok()?;
        Some((decision.action.as_i8(), decision.confidence))
    }

    #[test]
    fn continuous_thresholds_are_exclusive_and_the_output_is_clipped() {
        let act = |a: f32| act(ActionKind::Continuous, Head::Scalar, &[a]);
        assert_eq!(act(0.5), Some((1, 0.5)));
        assert_eq!(act(-7.5), Some((-1, 1.0)));
        assert_eq!(act(0.0), Some((0, 0.0)));
        // The nearest f32 to 0.33 lies above the f64 0.33.
        assert_eq!(act(0.33).unwrap().0, 1);
        assert_eq!(act(0.329_999_9).unwrap().0, 0);
        let rule = ActionRule::Continuous {
            long_above: 0.5,
            short_below: -0.5,
        };
        for edge in [0.5, -0.5] {
            assert_eq!(
                decide(&rule, Head::Scalar, &[edge]).unwrap().action,
                Position::Flat
            );
        }
        for bad in [f32::NAN, f32::INFINITY] {
            assert_eq!(act(bad), None);
        }
        let decision = decide(&rule, Head::Scalar, &[3.0]).unwrap();
        assert_eq!(decision.raw, Raw::Scalar(3.0), "raw is kept before clipping");
    }

    #[test]
    fn the_first_maximum_of_the_logits_wins() {
        let act = |raw: [f32; 3]| act(ActionKind::Logits, Head::Logits, &raw);
        assert_eq!(act([0.0, 0.0, 0.0]).unwrap().0, -1);
        assert_eq!(act([0.0, 1.0, 1.0]).unwrap().0, 0);
        let (action, confidence) = act([-1.0, 0.0, 100.0]).unwrap();
        assert_eq!((action, confidence), (1, 1.0));
        assert!((act([0.0, 0.0, 0.0]).unwrap().1 - 1.0 / 3.0).abs() < 1e-15);
        assert_eq!(act([0.0, f32::NAN, 1.0]), None);
    }

    #[test]
    fn an_index_comes_as_a_number_or_as_logits() {
        let index = |raw: f32| act(ActionKind::Index, Head::Index, &[raw]);
        assert_eq!(
            [index(0.0), index(1.0), index(2.0)],
            [Some((-1, 1.0)), Some((0, 1.0)), Some((1, 1.0))]
        );
        for bad in [3.0, -1.0, 0.5] {
            assert_eq!(index(bad), None);
        }
        let decision = decide(&ActionKind::Index.default_rule(), Head::Logits, &[1.0, 4.0, 4.0]).unwrap();
        assert_eq!((decision.raw, decision.action), (Raw::Index(1), Position::Flat));
    }

    #[test]
    fn rules_fit_their_heads_only() {
        let heads = [Head::Scalar, Head::Logits, Head::Index];
        let table = [ActionKind::Continuous, ActionKind::Logits, ActionKind::Index]
            .map(|kind| heads.map(|head| fits(&kind.default_rule(), head)));
        assert_eq!(
            table,
            [[true, false, false], [false, true, false], [false, true, true]]
        );
    }
}
