//! What a source asks of its clients, read from the environment: no key ever stands in a settings file or a log.

use std::fmt;

use super::codec::Source;

/// A key and a secret; empty for sources that ask for none. Never printed.
#[derive(Clone, Default)]
pub struct Credentials {
    /// Alpaca's key id, Polygon's and Twelve Data's key.
    pub key: String,
    /// Alpaca's secret.
    pub secret: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// What is missing of a source's credentials.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// A variable that the settings name is not there. Set it for the engine's process, or correct its name.
    #[error("{setting} under [feed] names the environment variable {variable}, which is not set or empty")]
    Unset {
        /// The setting.
        setting: &'static str,
        /// The variable.
        variable: String,
    },
    /// The source wants what the settings do not name.
    #[error(
        "the {} feed wants a key from its clients: put it into an environment variable and name that as {setting} under [feed]",
        from.word()
    )]
    Unnamed {
        /// The source.
        from: Source,
        /// The setting.
        setting: &'static str,
    },
    /// A key in the settings file, where it can be read by whoever reads that.
    #[error(
        "the url under [feed] holds a key or password: take it out, put it into an environment variable and name that as api_key_env"
    )]
    InUrl,
    /// A key would travel where anybody on the way can read it. Write `wss://`.
    #[error("the {} feed's key would travel to {host} in clear: write wss:// into the url under [feed]", from.word())]
    InClear {
        /// The source.
        from: Source,
        /// The host.
        host: String,
    },
}

impl Credentials {
    /// Takes what the settings name from the environment, here `variable`.
    ///
    /// # Errors
    /// [`CredentialsError::Unset`].
    pub fn named(
        key: Option<&str>,
        secret: Option<&str>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, CredentialsError> {
        let read = |setting, name: Option<&str>| match name {
            None => Ok(String::new()),
            Some(name) => {
                variable(name)
                    .filter(|value| !value.is_empty())
                    .ok_or_else(|| CredentialsError::Unset {
                        setting,
                        variable: name.to_owned(),
                    })
            }
        };
        Ok(Self {
            key: read("api_key_env", key)?,
            secret: read("api_secret_env", secret)?,
        })
    }

    /// Whether `source` gets all it asks for.
    ///
    /// # Errors
    /// [`CredentialsError::Unnamed`].
    pub fn check(&self, source: Source) -> Result<(), CredentialsError> {
        let (key, secret) = source.asks_for();
        let missing = |setting| {
            Err(CredentialsError::Unnamed {
                from: source,
                setting,
            })
        };
        if key && self.key.is_empty() {
            return missing("api_key_env");
        }
        if secret && self.secret.is_empty() {
            return missing("api_secret_env");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_variable_must_hold_something() {
        let environment = |name: &str| match name {
            "KEY" => Some("k".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let read = |key, secret| Credentials::named(key, secret, environment);
        assert_eq!(read(Some("KEY"), None).unwrap().key, "k");
        assert!(read(None, None).unwrap().key.is_empty());
        for bad in ["EMPTY", "ABSENT"] {
            let error = read(Some("KEY"), Some(bad)).unwrap_err().to_string();
            assert!(error.contains(bad) && error.contains("api_secret_env"), "{error}");
        }
    }

    #[test]
    fn a_source_that_wants_a_key_does_not_start_without_it() {
        let only_key = Credentials {
            key: "k".to_owned(),
            secret: String::new(),
        };
        let starts = |credentials: &Credentials| {
            let each = Source::ALL.iter().copied();
            each.filter(|source| credentials.check(*source).is_ok())
                .collect::<Vec<_>>()
        };
        let none = starts(&Credentials::default());
        let some = starts(&only_key);
        assert_eq!(none.len(), 6, "{none:?}");
        let more: Vec<_> = some.iter().filter(|source| !none.contains(source)).collect();
        assert_eq!(more, [&Source::Polygon, &Source::TwelveData]);
        assert!(!some.contains(&Source::Alpaca));
    }
}
