//! A vendor's key: read from the environment, sent, never shown.

use std::fmt;

use crate::ingest::source::KeyEnv;

/// A key.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

/// Why there is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The variable is not set.
    #[error("the environment variable {0} is not set: the vendor's key is expected there")]
    Missing(String),
    /// What it holds is no key.
    #[error("the environment variable {0} holds no key: visible ASCII without spaces is expected")]
    Unusable(String),
}

impl Key {
    /// Out of the environment.
    ///
    /// # Errors
    /// [`KeyError`], naming the variable only.
    pub fn from_env(name: &KeyEnv) -> Result<Self, KeyError> {
        let value = std::env::var_os(name.name()).filter(|value| !value.is_empty());
        let value = value.ok_or_else(|| KeyError::Missing(name.to_string()))?;
        let text = value.into_string().ok();
        text.and_then(|text| Self::parse(&text))
            .ok_or_else(|| KeyError::Unusable(name.to_string()))
    }

    /// Of a text.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.to_owned()))
    }

    /// For the request.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// A text without the key in it.
    #[must_use]
    pub fn cut_from(&self, text: &str) -> String {
        text.replace(&self.0, "(key)")
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}
