//! Where files that a server keeps by their hash lie here, so that each is fetched once.

use std::path::PathBuf;

use super::{CliError, Exit};
use crate::artifacts::DirectoryStore;

/// Names the cache.
#[derive(Debug, Clone, clap::Args)]
pub struct CacheArgs {
    /// Where fetched files are kept, by their hash; the user's cache folder without it. It may be removed at any time.
    #[arg(long, env = "CONTROL_CACHE", value_name = "DIR")]
    cache: Option<PathBuf>,
}

impl CacheArgs {
    /// The cache.
    ///
    /// # Errors
    /// [`Exit::Usage`] when neither an option nor the environment says where.
    pub fn open(&self) -> Result<DirectoryStore, CliError> {
        let beside_the_library = || {
            let library = strategy::policy::library::cache_folder()?;
            library.parent().map(|folder| folder.join("artifacts"))
        };
        let place = self.cache.clone().or_else(beside_the_library).ok_or_else(|| {
            let remedy = "name a directory with --cache or CONTROL_CACHE, or set HOME";
            CliError::new(Exit::Usage, "there is no place for fetched files", remedy)
        })?;
        Ok(DirectoryStore::new(&place))
    }
}
