//! `[[tokens]]`: who may connect. The file holds hashes; who reads it cannot connect with them.

use std::fmt;

use contracts::hash::TokenHash;
use contracts::ids::InstrumentId;
use contracts::time::UtcMillis;
use serde::Deserialize;

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Scope {
    /// The signal stream and `/v1/bars`.
    #[serde(rename = "signals:read")]
    SignalsRead,
    /// Reports of positions.
    #[serde(rename = "positions:write")]
    PositionsWrite,
    /// `/metrics`.
    #[serde(rename = "metrics:read")]
    MetricsRead,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SignalsRead => "signals:read",
            Self::PositionsWrite => "positions:write",
            Self::MetricsRead => "metrics:read",
        })
    }
}

/// One token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenEntry {
    /// Whose it is, for logs and errors.
    pub name: String,
    /// SHA-256 of the token's text.
    pub sha256: TokenHash,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// From this instant on it is no token; streams under it end.
    pub expires: UtcMillis,
    /// Only these instruments; all when absent.
    #[serde(default)]
    pub instruments: Option<Vec<InstrumentId>>,
}
