//! What goes between the control plane and the process that inspects: one line of JSON, then bytes.
//!
//! Numbers that must not change on the way travel as their bits. The parent believes nothing it can check: see [`Found::check`].

use std::io::{BufRead, Read as _, Write};

use contracts::action::{ActionKind, ActionRule};
use contracts::limits::{GOLDEN_ROWS, MODEL_BYTES_MAX, OUTPUT_NAME_BYTES_MAX};
use contracts::numerics::Executor;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use strategy::onnx::inspect::{Candidate, Dense, Inspection, Reduction};
use strategy::policy::Head;

use crate::limits::INSPECTION_LINE_BYTES_MAX;

/// What the parent asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Width of the feature contract.
    pub width: usize,
    /// The experiment's rule.
    pub rule: ActionRule,
    /// The output to act on; without a name the first that fits.
    pub action_output: Option<String>,
    /// Bits of the golden observations.
    pub golden: Vec<u32>,
}

/// What the child answers; the reduced graph's bytes follow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case", deny_unknown_fields)]
pub enum Report {
    /// The model is refused.
    Refused {
        /// A stable word.
        code: String,
        /// For people.
        detail: String,
    },
    /// The model fits.
    Fits(Found),
}

/// A model that fits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// The chosen output.
    pub action_output: String,
    /// All outputs that fit.
    pub outputs: Vec<Output>,
    /// Nodes of the original graph.
    pub nodes: usize,
    /// Rows everything was compared on.
    pub rows_checked: usize,
    /// The reduced graph.
    pub reduced: Reduced,
    /// The dense chain.
    pub dense: DenseSaid,
    /// What shall run.
    pub executor: Executor,
    /// Head of what shall run.
    pub head: HeadSaid,
    /// Bits of the outputs on the golden rows.
    pub golden: Vec<u32>,
}

/// An output an action could be read from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// The kind it fits.
    pub kind: ActionKind,
    /// Smallest value on the golden rows, where it is finite.
    pub min: Option<f32>,
    /// Largest.
    pub max: Option<f32>,
    /// One and the same action on every golden row.
    pub constant: bool,
    /// It was chosen.
    pub chosen: bool,
}

/// What became of the reduction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case", deny_unknown_fields)]
pub enum Reduced {
    /// It runs.
    Used {
        /// Nodes left.
        nodes: usize,
        /// Rows whose two best logits are nearly equal.
        near_ties: usize,
    },
    /// The original runs, row by row.
    NotUsed {
        /// Why.
        reason: String,
    },
}

/// What became of the dense executor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case", deny_unknown_fields)]
pub enum DenseSaid {
    /// Admitted.
    Admitted {
        /// Largest difference from ONNX Runtime.
        max_difference: f32,
        /// Rows near a threshold or a tie.
        rows_in_band: usize,
    },
    /// Not admitted.
    NotAdmitted {
        /// Why.
        reason: String,
    },
}

/// [`Head`], in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeadSaid {
    /// One number.
    Scalar,
    /// Three.
    Logits,
    /// An integer.
    Index,
}

impl From<HeadSaid> for Head {
    fn from(said: HeadSaid) -> Self {
        match said {
            HeadSaid::Scalar => Self::Scalar,
            HeadSaid::Logits => Self::Logits,
            HeadSaid::Index => Self::Index,
        }
    }
}

impl From<Head> for HeadSaid {
    fn from(head: Head) -> Self {
        match head {
            Head::Scalar => Self::Scalar,
            Head::Logits => Self::Logits,
            Head::Index => Self::Index,
        }
    }
}

impl From<&Inspection> for Found {
    fn from(found: &Inspection) -> Self {
        let finite = |value: f32| value.is_finite().then_some(value);
        let output = |candidate: &Candidate| Output {
            name: candidate.name.clone(),
            kind: candidate.kind,
            min: finite(candidate.min),
            max: finite(candidate.max),
            constant: candidate.constant,
            chosen: candidate.chosen,
        };
        Self {
            action_output: found.action_output.clone(),
            outputs: found.candidates.iter().map(output).collect(),
            nodes: found.nodes,
            rows_checked: found.rows_checked,
            reduced: match &found.reduction {
                Reduction::Used { nodes, near_ties, .. } => Reduced::Used {
                    nodes: *nodes,
                    near_ties: *near_ties,
                },
                Reduction::NotUsed(reason) => Reduced::NotUsed {
                    reason: reason.clone(),
                },
            },
            dense: match &found.dense {
                Dense::Admitted {
                    max_difference,
                    band_rows,
                } => DenseSaid::Admitted {
                    max_difference: *max_difference,
                    rows_in_band: *band_rows,
                },
                Dense::NotAdmitted(reason) => DenseSaid::NotAdmitted {
                    reason: reason.clone(),
                },
            },
            executor: found.executor,
            head: found.head.into(),
            golden: bits(&found.golden_outputs),
        }
    }
}

impl Found {
    /// What the parent can check of an answer: that it is about what was asked, and whole. In words what is not so.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn check(&self, ask: &Ask, graph: &[u8]) -> Result<(), &'static str> {
        let used = matches!(self.reduced, Reduced::Used { .. });
        let checks = [
            (
                strategy::action::fits(&ask.rule, self.head.into()),
                "its head does not fit the rule",
            ),
            (
                self.golden.len() == GOLDEN_ROWS * Head::from(self.head).width(),
                "it does not answer every golden row",
            ),
            (
                (1..=OUTPUT_NAME_BYTES_MAX).contains(&self.action_output.len()),
                "the output's name is empty or too long",
            ),
            (
                ask.action_output
                    .as_ref()
                    .is_none_or(|name| *name == self.action_output),
                "it chose another output than the named one",
            ),
            (
                used != graph.is_empty(),
                "the reduced graph is missing, or too much",
            ),
            (
                self.executor == Executor::Ort || used,
                "the dense executor runs reduced graphs only",
            ),
        ];
        let broken = checks.iter().find(|(holds, _)| !holds);
        broken.map_or(Ok(()), |(_, what)| Err(*what))
    }
}

/// Bits of floats.
#[must_use]
pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Floats of bits.
#[must_use]
pub fn floats(bits: &[u32]) -> Vec<f32> {
    bits.iter().map(|bits| f32::from_bits(*bits)).collect()
}

/// Writes one message.
///
/// # Errors
/// The stream's.
pub fn write(out: &mut impl Write, line: &impl Serialize, bytes: &[u8]) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")?;
    out.write_all(bytes)?;
    out.flush()
}

/// Reads one message up to the end of the stream.
///
/// # Errors
/// The stream's, or `InvalidData` for a line or bytes that are too long or are no such message.
pub fn read<T: DeserializeOwned>(input: impl BufRead) -> std::io::Result<(T, Vec<u8>)> {
    let invalid = |what: String| std::io::Error::new(std::io::ErrorKind::InvalidData, what);
    let mut line = Vec::new();
    let mut input = input;
    let longest = INSPECTION_LINE_BYTES_MAX as u64;
    input.by_ref().take(longest).read_until(b'\n', &mut line)?;
    if line.last() != Some(&b'\n') {
        return Err(invalid(format!("no line within {longest} bytes")));
    }
    let head = serde_json::from_slice(&line).map_err(|error| invalid(error.to_string()))?;
    let mut bytes = Vec::new();
    let most = MODEL_BYTES_MAX as u64;
    input.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(invalid(format!("more than {most} bytes follow")));
    }
    Ok((head, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask() -> Ask {
        Ask {
            width: 3,
            rule: ActionKind::Continuous.default_rule(),
            action_output: None,
            golden: bits(&[0.1, -0.0, f32::NAN]),
        }
    }

    #[test]
    fn a_message_comes_back_to_its_bits() {
        let mut stream = Vec::new();
        write(&mut stream, &ask(), b"model\n\0").unwrap();
        let (back, bytes): (Ask, _) = read(stream.as_slice()).unwrap();
        assert_eq!((back, bytes.as_slice()), (ask(), b"model\n\0".as_slice()));
        for broken in [&b"{}"[..], b"", b"{}\n", b"[1\n"] {
            assert!(read::<Ask>(broken).is_err());
        }
        let endless = std::io::BufReader::new(std::io::repeat(b'x'));
        assert!(read::<Ask>(endless).is_err());
    }

    #[test]
    fn an_answer_to_something_else_is_not_believed() {
        let found = Found {
            action_output: "53".to_owned(),
            outputs: Vec::new(),
            nodes: 1,
            rows_checked: 1,
            reduced: Reduced::Used {
                nodes: 1,
                near_ties: 0,
            },
            dense: DenseSaid::NotAdmitted {
                reason: "no".to_owned(),
            },
            executor: Executor::Ort,
            head: HeadSaid::Scalar,
            golden: vec![0; GOLDEN_ROWS],
        };
        assert_eq!(found.check(&ask(), b"graph"), Ok(()));
        assert!(found.check(&ask(), b"").is_err());
        let named = Ask {
            action_output: Some("54".to_owned()),
            ..ask()
        };
        assert!(found.check(&named, b"graph").is_err());
        let edits: [fn(&mut Found); 4] = [
            |found| found.head = HeadSaid::Logits,
            |found| found.golden.truncate(7),
            |found| found.action_output.clear(),
            |found| {
                found.reduced = Reduced::NotUsed {
                    reason: "no".to_owned(),
                };
            },
        ];
        for edit in edits {
            let mut other = found.clone();
            edit(&mut other);
            assert!(other.check(&ask(), b"graph").is_err(), "{other:?}");
        }
    }
}
