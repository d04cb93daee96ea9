//! From a researcher's file to an [`Experiment`], strictly.
//!
//! In this order: size, YAML within limits ([`crate::strict`]), types, then what the sections must be by themselves and to each other
//! ([`super::check`]). Every error names the path inside the file and its line.

use serde_json::Value;

use super::{Experiment, check};
use crate::hash::{ConfigHash, RewardHash, SourceHash};
use crate::jcs;
use crate::limits::EXPERIMENT_BYTES_MAX;
use crate::strict::{Fault, Step, StrictError, read, tree, without, word};

/// An experiment with its hashes.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// Defaults filled in.
    pub experiment: Experiment,
    /// JCS of the file as written, before defaults: comments, order and layout do not change it.
    pub config_hash: ConfigHash,
    /// The file's bytes.
    pub source_hash: SourceHash,
    /// JCS of the reward section.
    pub reward_config_hash: RewardHash,
    /// First 16 hex of SHA-256 of the data section's JCS.
    pub date_ranges_version: String,
}

/// Why a file is no experiment; mend the line and try again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExperimentError {
    /// Larger than [`EXPERIMENT_BYTES_MAX`].
    #[error("{file}: {bytes} bytes are more than an experiment may have ({EXPERIMENT_BYTES_MAX})")]
    TooLarge {
        /// The file, as it was named.
        file: String,
        /// Its size.
        bytes: usize,
    },
    /// No YAML.
    #[error("{file}: line {line}: no YAML: {detail}")]
    Syntax {
        /// The file, as it was named.
        file: String,
        /// From 1.
        line: usize,
        /// What the parser says.
        detail: String,
    },
    /// A value that is missing, misspelt, of another type or outside its bounds.
    #[error("{file}: line {line}: {path}: {detail}")]
    Value {
        /// The file, as it was named.
        file: String,
        /// Where in the document, such as `data.train.start`.
        path: String,
        /// From 1; of the nearest enclosing value where the path itself is missing.
        line: usize,
        /// What is wrong and what is expected.
        detail: String,
    },
}

impl ExperimentError {
    /// A stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "experiment_too_large",
            Self::Syntax { .. } => "experiment_no_yaml",
            Self::Value { .. } => "experiment_invalid",
        }
    }

    /// Where in the document, if it has got that far.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Value { path, .. } => Some(path),
            Self::TooLarge { .. } | Self::Syntax { .. } => None,
        }
    }

    /// The line, from 1.
    #[must_use]
    pub const fn line(&self) -> Option<usize> {
        match self {
            Self::Syntax { line, .. } | Self::Value { line, .. } => Some(*line),
            Self::TooLarge { .. } => None,
        }
    }

    /// A fault at a path of a text that is YAML.
    pub(super) fn at(yaml: &str, file: &str, path: &[Step], detail: String) -> Self {
        StrictError::at(yaml, file, path, detail).into()
    }
}

impl From<StrictError> for ExperimentError {
    fn from(error: StrictError) -> Self {
        match error {
            StrictError::Syntax { file, line, detail } => Self::Syntax { file, line, detail },
            StrictError::Value {
                file,
                path,
                line,
                detail,
            } => Self::Value {
                file,
                path,
                line,
                detail,
            },
        }
    }
}

/// Parses an experiment; `path_for_messages` is how errors name the file.
///
/// # Errors
/// [`ExperimentError`].
pub fn parse(yaml: &[u8], path_for_messages: &str) -> Result<Parsed, ExperimentError> {
    let file = path_for_messages;
    if yaml.len() > EXPERIMENT_BYTES_MAX {
        return Err(ExperimentError::TooLarge {
            file: file.to_owned(),
            bytes: yaml.len(),
        });
    }
    let (text, whole) = tree::of_bytes(yaml, file)?;
    let at = |path: &[Step], detail: String| ExperimentError::at(text, file, path, detail);
    let experiment = typed(&whole).map_err(|fault| at(&fault.path, fault.detail))?;
    if let Some((path, detail)) = check::fault(&experiment) {
        return Err(at(&path, detail));
    }
    let unhashable = |error: jcs::JcsError| at(&[], error.to_string());
    let date_ranges: crate::hash::Digest<()> = jcs::digest(&experiment.data).map_err(unhashable)?;
    Ok(Parsed {
        config_hash: jcs::digest(&whole).map_err(unhashable)?,
        source_hash: SourceHash::of(yaml),
        reward_config_hash: jcs::digest(&experiment.reward).map_err(unhashable)?,
        date_ranges_version: date_ranges.short(16),
        experiment,
    })
}

fn typed(whole: &Value) -> Result<Experiment, Fault> {
    // serde reads a tagged section through a buffer that forgets where a fault is: these two are read without their tag first.
    if let Some(section) = whole.get("training").filter(|value| value.is_object()) {
        let at = vec![Step::Key("training".into())];
        match word(section, "trainer", &at, &["ppo", "command"])? {
            "ppo" => drop(read::<super::PpoSection>(&without(section, &["trainer"]), at)?),
            _ => drop(read::<CommandFields>(&without(section, &["trainer"]), at)?),
        }
    }
    let action = whole.get("environment").and_then(|section| section.get("action"));
    if let Some(section) = action.filter(|value| value.is_object()) {
        let at = vec![Step::Key("environment".into()), Step::Key("action".into())];
        let kind = word(section, "kind", &at, &["continuous", "logits", "index"])?;
        let rest = without(section, &["kind"]);
        match kind {
            "continuous" => drop(read::<ContinuousFields>(&rest, at)?),
            _ => drop(read::<MapFields>(&rest, at)?),
        }
    }
    read(whole, Vec::new())
}

/// [`super::TrainingSection::Command`] without its tag.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for its errors")]
struct CommandFields {
    command: Vec<String>,
    seed: u64,
}

/// [`crate::action::ActionRule::Continuous`] in its section, without the tag.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for its errors")]
struct ContinuousFields {
    long_above: f64,
    short_below: f64,
    #[serde(default)]
    action_output: Option<String>,
}

/// [`crate::action::ActionRule::Logits`] and [`crate::action::ActionRule::Index`] in their section, without the tag.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for its errors")]
struct MapFields {
    map: [i8; 3],
    #[serde(default)]
    action_output: Option<String>,
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
