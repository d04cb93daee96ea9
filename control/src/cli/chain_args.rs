//! What every verb of the chain from dataset to model is told.

use super::cache::CacheArgs;
use super::experiment_file::ExperimentArgs;
use super::remote::ServerArgs;
use super::threads;

/// The experiment, and how it is worked on.
#[derive(Debug, Clone, clap::Args)]
pub struct ChainArgs {
    #[command(flatten)]
    pub experiment: ExperimentArgs,
    /// Threads; as many as there are cores without it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    #[command(flatten)]
    pub cache: CacheArgs,
    #[command(flatten)]
    pub server: ServerArgs,
}

impl ChainArgs {
    /// How many threads work.
    pub fn threads(&self) -> usize {
        threads(self.threads)
    }
}
