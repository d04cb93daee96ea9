//! A time zone by its IANA name.

use std::fmt;

use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A zone of the tz database that this program carries.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone(TimeZone);

/// No such zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no IANA zone such as UTC or America/Bogota")]
pub struct ParseZoneError(String);

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// By its name.
    ///
    /// # Errors
    /// [`ParseZoneError`].
    pub fn parse(name: &str) -> Result<Self, ParseZoneError> {
        let zone = TimeZone::get(name);
        zone.map(Self)
            .map_err(|_| ParseZoneError(name.chars().take(64).collect()))
    }

    /// The zone itself.
    #[must_use]
    pub const fn get(&self) -> &TimeZone {
        &self.0
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.iana_name().unwrap_or("UTC"))
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::parse(&name).map_err(serde::de::Error::custom)
    }
}
