//! Under which arithmetic a model's bits are claimed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hash::LibraryHash;

/// Version of the arithmetic this build provides: the order of operations in `dense` and in the features. A change of
/// either that moves a bit raises it.
pub const NUMERICS_VERSION: u32 = 1;

/// The policy executor: part of the contract, never substituted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Executor {
    /// The project's own chain of fused multiply-adds: the same bits on every CPU.
    Dense,
    /// ONNX Runtime: the same bits with the same library on the same kind of CPU.
    Ort,
}

impl std::fmt::Display for Executor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Dense => "dense",
            Self::Ort => "ort",
        })
    }
}

/// The instruction set the golden outputs were computed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Isa {
    /// It does not matter (`dense`).
    #[serde(rename = "any")]
    Any,
    /// x86-64 without AVX2 and FMA.
    #[serde(rename = "x86_64")]
    X86_64,
    /// x86-64 with AVX2 and FMA.
    #[serde(rename = "x86_64-avx2")]
    X86_64Avx2,
    /// x86-64 with AVX-512 F, BW, DQ and VL.
    #[serde(rename = "x86_64-avx512")]
    X86_64Avx512,
    /// 64-bit Arm.
    #[serde(rename = "aarch64")]
    Aarch64,
    /// Another architecture.
    #[serde(rename = "other")]
    Other,
}

impl Isa {
    /// What this machine's CPU offers, in the classes ONNX Runtime dispatches its kernels by.
    #[must_use]
    pub fn of_this_machine() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
            {
                Self::X86_64Avx512
            } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                Self::X86_64Avx2
            } else {
                Self::X86_64
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            Self::Aarch64
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        {
            Self::Other
        }
    }
}

/// What bits are claimed for: two runs with equal numerics give equal bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Numerics {
    /// See [`NUMERICS_VERSION`].
    pub version: u32,
    /// Which executor.
    pub executor: Executor,
    /// SHA-256 of the ONNX Runtime library; exactly with [`Executor::Ort`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ort_sha256: Option<LibraryHash>,
    /// [`Isa::Any`] with [`Executor::Dense`].
    pub isa: Isa,
}

/// Why an engine cannot provide a contract's numerics.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumericsError {
    /// The contract was made for another version of the arithmetic.
    #[error("the contract asks for numerics version {wanted}, this build provides {NUMERICS_VERSION}")]
    Version {
        /// The contract's.
        wanted: u32,
    },
    /// The document contradicts itself.
    #[error("executor `{executor}` {detail}")]
    Inconsistent {
        /// The executor.
        executor: Executor,
        /// What does not fit it.
        detail: &'static str,
    },
    /// The contract needs ONNX Runtime and none was found: `cargo xtask setup` fetches it.
    #[error("the contract needs ONNX Runtime {wanted}, and none is loaded")]
    RuntimeMissing {
        /// The contract's library.
        wanted: LibraryHash,
    },
    /// Another ONNX Runtime is loaded than the golden outputs were computed with.
    #[error("the contract needs ONNX Runtime {wanted}, {loaded} is loaded")]
    OtherRuntime {
        /// The contract's library.
        wanted: LibraryHash,
        /// The library at hand.
        loaded: LibraryHash,
    },
}

impl Numerics {
    /// Numerics of the dense executor in this build.
    #[must_use]
    pub const fn dense() -> Self {
        Self {
            version: NUMERICS_VERSION,
            executor: Executor::Dense,
            ort_sha256: None,
            isa: Isa::Any,
        }
    }

    /// Numerics of ONNX Runtime in this build on this machine.
    #[must_use]
    pub fn ort(library: LibraryHash) -> Self {
        Self {
            version: NUMERICS_VERSION,
            executor: Executor::Ort,
            ort_sha256: Some(library),
            isa: Isa::of_this_machine(),
        }
    }

    /// That the document agrees with itself.
    ///
    /// # Errors
    /// [`NumericsError::Inconsistent`].
    pub fn check(&self) -> Result<(), NumericsError> {
        let detail = match (self.executor, self.ort_sha256.is_some(), self.isa) {
            (Executor::Dense, false, Isa::Any) | (Executor::Ort, true, _) => return Ok(()),
            (Executor::Dense, true, _) => "names an ONNX Runtime library",
            (Executor::Dense, false, _) => "has the same bits on every CPU: isa must be `any`",
            (Executor::Ort, false, _) => "names no ONNX Runtime library",
        };
        Err(NumericsError::Inconsistent {
            executor: self.executor,
            detail,
        })
    }

    /// That this build, with `loaded` as its ONNX Runtime, can provide them. Another `isa` is no refusal: the golden
    /// comparison decides, and [`Numerics::same_bits_here`] says whether bits may be claimed.
    ///
    /// # Errors
    /// [`NumericsError`].
    pub fn provided_with(&self, loaded: Option<LibraryHash>) -> Result<(), NumericsError> {
        self.check()?;
        if self.version != NUMERICS_VERSION {
            return Err(NumericsError::Version { wanted: self.version });
        }
        match (self.ort_sha256, loaded) {
            (Some(wanted), Some(loaded)) if wanted != loaded => {
                Err(NumericsError::OtherRuntime { wanted, loaded })
            }
            (Some(wanted), None) => Err(NumericsError::RuntimeMissing { wanted }),
            _ => Ok(()),
        }
    }

    /// True when this machine gives the same bits as the one that made the contract.
    #[must_use]
    pub fn same_bits_here(&self) -> bool {
        self.isa == Isa::Any || self.isa == Isa::of_this_machine()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_refuses_what_it_cannot_provide() {
        let library = LibraryHash::of(b"library");
        let other = LibraryHash::of(b"other");
        assert_eq!(Numerics::dense().provided_with(None), Ok(()));
        let ort = Numerics::ort(library);
        assert_eq!(ort.provided_with(Some(library)), Ok(()));
        assert_eq!(
            ort.provided_with(None),
            Err(NumericsError::RuntimeMissing { wanted: library })
        );
        assert_eq!(
            ort.provided_with(Some(other)),
            Err(NumericsError::OtherRuntime {
                wanted: library,
                loaded: other
            })
        );
        let newer = Numerics {
            version: NUMERICS_VERSION + 1,
            ..Numerics::dense()
        };
        assert!(matches!(
            newer.provided_with(None),
            Err(NumericsError::Version { .. })
        ));
        assert!(ort.same_bits_here() && Numerics::dense().same_bits_here());
    }

    #[test]
    fn contradictions_are_named() {
        let library = LibraryHash::of(b"library");
        for bad in [
            Numerics {
                ort_sha256: Some(library),
                ..Numerics::dense()
            },
            Numerics {
                isa: Isa::Aarch64,
                ..Numerics::dense()
            },
            Numerics {
                ort_sha256: None,
                ..Numerics::ort(library)
            },
        ] {
            assert!(
                matches!(bad.check(), Err(NumericsError::Inconsistent { .. })),
                "{bad:?}"
            );
        }
    }
}
