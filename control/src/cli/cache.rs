//! Where files that a server keeps by their hash lie here, so that each is fetched once.

use std::path::PathBuf;

use super::{CliError, Exit};
use crate::artifacts::DirectoryStore;

/// Names the cache.
#[derive(Debug, Clone, clap::Args)]
pub struct CacheArgs {
    /// Where fetched files are kept, by their hash; ~/.cache/twovote/artifacts without it. It may be removed at any time.
    #[arg(long, env = "CONTROL_CACHE", value_name = "DIR")]
    cache: Option<PathBuf>,
}

impl CacheArgs {
    /// The cache.
    ///
    /// # Errors
    /// [`Exit::Usage`] when neither an option nor the environment says where.
    pub fn open(&self) -> Result<DirectoryStore, CliError> {
        let place = self.cache.clone().or_else(|| {
            let set = |name: &str| {
                std::env::var_os(name)
                    .map(PathBuf::from)
                    .filter(|path| path.is_absolute())
            };
            let caches = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
            Some(caches.join("twovote").join("artifacts"))
        });
        let place = place.ok_or_else(|| {
            let remedy = "name a directory with --cache or CONTROL_CACHE, or set HOME";
            CliError::new(Exit::Usage, "there is no place for fetched files", remedy)
        })?;
        Ok(DirectoryStore::new(&place))
    }
}
