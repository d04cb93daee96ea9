//! Golden vectors: what a model answers on 256 observations, so that an engine can tell it loaded the same model.
//!
//! Stored as an artifact in canonical JSON; every `f32` is written as the double it is, so it parses back to its bits.

use serde::{Deserialize, Serialize};

use crate::jcs::{self, JcsError};
use crate::limits::{FEATURES_MAX, GOLDEN_BYTES_MAX, GOLDEN_ROWS, RAW_OUTPUTS_MAX};
use crate::reason::Position;
use crate::schema::schema_tag;

schema_tag!(
    /// Tag of golden vectors.
    GoldenV1 = "twovote/golden/v1"
);

/// Where the observations come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum GoldenSource {
    /// Real bars, walked through the feature contract and normalised.
    Bars,
    /// Normal draws clipped to ±5.
    Drawn {
        /// Seed of the generator.
        seed: u32,
    },
}

/// Observations, outputs and actions, row by row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// What this document is.
    pub schema_version: GoldenV1,
    /// Where the observations come from.
    pub source: GoldenSource,
    /// Normalised observations, each as wide as the feature contract.
    pub observations: Vec<Vec<f32>>,
    /// ONNX Runtime's outputs, before clipping: one value a row, or three logits.
    pub outputs: Vec<Vec<f32>>,
    /// The positions they lead to under the contract's rule.
    pub actions: Vec<Position>,
}

/// Why bytes are no golden vectors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GoldenError {
    /// Larger than [`GOLDEN_BYTES_MAX`].
    #[error("{bytes} bytes are more than golden vectors may have ({GOLDEN_BYTES_MAX})")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// No JSON of this version's shape.
    #[error("no golden vectors: {detail}")]
    Malformed {
        /// serde's message.
        detail: String,
    },
    /// Not [`GOLDEN_ROWS`] rows of one width.
    #[error("golden vectors: {detail}")]
    Shape {
        /// What is expected and what was found.
        detail: String,
    },
    /// A value that is not finite.
    #[error("golden vectors: row {row} holds a value that is not finite")]
    NotFinite {
        /// From 0.
        row: usize,
    },
}

impl Golden {
    /// Parses the artifact and checks its shape.
    ///
    /// # Errors
    /// [`GoldenError`].
    pub fn parse(json: &[u8]) -> Result<Self, GoldenError> {
        if json.len() > GOLDEN_BYTES_MAX {
            return Err(GoldenError::TooLarge { bytes: json.len() });
        }
        let golden: Self = serde_json::from_slice(json).map_err(|error| GoldenError::Malformed {
            detail: error.to_string(),
        })?;
        golden.check()?;
        Ok(golden)
    }

    /// That there are [`GOLDEN_ROWS`] finite rows of one width.
    ///
    /// # Errors
    /// [`GoldenError`].
    pub fn check(&self) -> Result<(), GoldenError> {
        let shape = |detail: String| Err(GoldenError::Shape { detail });
        for (name, rows) in [
            ("observations", self.observations.len()),
            ("outputs", self.outputs.len()),
            ("actions", self.actions.len()),
        ] {
            if rows != GOLDEN_ROWS {
                return shape(format!("{rows} {name}, {GOLDEN_ROWS} are expected"));
            }
        }
        for (name, rows, most) in [
            ("observations", &self.observations, FEATURES_MAX),
            ("outputs", &self.outputs, RAW_OUTPUTS_MAX),
        ] {
            let width = rows.first().map_or(0, Vec::len);
            if width == 0 || width > most || rows.iter().any(|row| row.len() != width) {
                return shape(format!("{name} are not all of one width from 1 to {most}"));
            }
            if let Some(row) = rows.iter().position(|row| row.iter().any(|x| !x.is_finite())) {
                return Err(GoldenError::NotFinite { row });
            }
        }
        Ok(())
    }

    /// The artifact's bytes.
    ///
    /// # Errors
    /// [`JcsError`] when a value is not finite.
    pub fn to_bytes(&self) -> Result<Vec<u8>, JcsError> {
        jcs::to_canonical(self).map(String::into_bytes)
    }

    /// Values in one observation.
    #[must_use]
    pub fn width(&self) -> usize {
        self.observations.first().map_or(0, Vec::len)
    }

    /// Values in one output.
    #[must_use]
    pub fn output_width(&self) -> usize {
        self.outputs.first().map_or(0, Vec::len)
    }

    /// All observations in one row-major slice, as a policy takes them.
    #[must_use]
    pub fn rows(&self) -> Vec<f32> {
        self.observations.concat()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn sample() -> Golden {
        let row = |n: usize| u16::try_from(n).unwrap();
        Golden {
            schema_version: GoldenV1,
            source: GoldenSource::Drawn { seed: 42 },
            observations: (0..GOLDEN_ROWS)
                .map(|n| vec![f32::from(row(n)) / 7.0, -0.1])
                .collect(),
            outputs: (0..GOLDEN_ROWS)
                .map(|n| vec![f32::from(row(n)) / 300.0])
                .collect(),
            actions: (0..GOLDEN_ROWS)
                .map(|n| if n > 99 { Position::Long } else { Position::Flat })
                .collect(),
        }
    }

    #[test]
    fn a_document_of_another_shape_is_refused() {
        let refused = |edit: fn(&mut Golden)| {
            let mut golden = sample();
            edit(&mut golden);
            golden.check().unwrap_err()
        };
        assert!(matches!(
            refused(|g| g.actions.truncate(255)),
            GoldenError::Shape { .. }
        ));
        assert!(matches!(
            refused(|g| g.observations[3].push(0.0)),
            GoldenError::Shape { .. }
        ));
        assert!(matches!(
            refused(|g| g.outputs.iter_mut().for_each(Vec::clear)),
            GoldenError::Shape { .. }
        ));
        assert_eq!(
            refused(|g| g.outputs[3][0] = f32::NAN),
            GoldenError::NotFinite { row: 3 }
        );
        let overflowing = String::from_utf8(sample().to_bytes().unwrap()).unwrap().replacen(
            "\"observations\":[[0,",
            "\"observations\":[[1e300,",
            1,
        );
        assert!(matches!(
            Golden::parse(overflowing.as_bytes()),
            Err(GoldenError::Malformed { .. })
        ));
    }

    proptest! {
        #[test]
        fn every_finite_f32_comes_back_as_its_bits(bits in any::<[u32; 16]>()) {
            let mut golden = sample();
            for (row, bits) in golden.observations.iter_mut().zip(bits) {
                let value = f32::from_bits(bits);
                if value.is_finite() && value != 0.0 {
                    row[0] = value;
                }
            }
            let read = Golden::parse(&golden.to_bytes().unwrap()).unwrap();
            for (a, b) in read.observations.iter().flatten().zip(golden.observations.iter().flatten()) {
                prop_assert_eq!(a.to_bits(), b.to_bits());
            }
        }
    }
}
