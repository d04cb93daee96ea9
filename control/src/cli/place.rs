//! Where the settings are.

use std::path::PathBuf;

use super::{CliError, Exit, OrExit};
use crate::config::{Config, ConfigError};

/// Names `control.toml`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct ConfigArg {
    /// The settings.
    #[arg(
        long,
        env = "CONTROL_CONFIG",
        default_value = "config/control.toml",
        value_name = "FILE"
    )]
    pub config: PathBuf,
}

impl ConfigArg {
    /// Reads them.
    ///
    /// # Errors
    /// [`Exit::NoInput`] when the file cannot be read, [`Exit::Config`] when it is wrong.
    pub fn load(&self) -> Result<Config, CliError> {
        let loaded = Config::load(&self.config);
        let exit = match &loaded {
            Err(ConfigError::Read { .. }) => Exit::NoInput,
            _ => Exit::Config,
        };
        loaded.or_exit(
            exit,
            format!("the settings {} cannot be used", self.config.display()),
            "name the file with --config or CONTROL_CONFIG",
        )
    }
}
