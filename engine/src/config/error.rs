//! What can be wrong with `engine.toml`.

use std::path::PathBuf;

/// Why a configuration is refused. The running engine keeps the one it has.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read: check the path and the rights.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        #[source]
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, or a value of the wrong form; the source names line and column.
    #[error("{} is not a valid engine configuration", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// With line and column.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A setting that cannot be as it is, or not together with another.
    #[error("{}: {setting}: {detail}", path.display())]
    Setting {
        /// The file.
        path: PathBuf,
        /// Which.
        setting: &'static str,
        /// What is wrong and what to write.
        detail: String,
    },
}
