//! `synthetic`: the files a demo or an experiment starts from, generated from a seed: a market, a policy, norm stats.

use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use backtest::market::Market as Read;
use clap::{Parser, Subcommand, ValueEnum};
use contracts::bar::Stamp;
use contracts::experiment::contract::ExperimentContract;
use contracts::files::{BarFileOptions, read_bars, read_daily};
use contracts::ids::InstrumentId;
use contracts::time::UtcMillis;
use strategy::onnx::testmodels::{Shape, ppo_continuous, ppo_discrete};
use testkit::market::{Market, MarketSpec};
use testkit::norm_stats;
use testkit::shared::repository;
use training::dataset;

/// Generates, from a seed, the files a demo or an experiment starts from.
#[derive(Parser)]
#[command(name = "synthetic")]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Bars and macro values of a market: `{instrument}.csv`, stamped with the close, and `macro.csv`.
    Market {
        /// The same seed gives the same files.
        #[arg(long, default_value_t = 7)]
        seed: u64,
        /// Calendar days.
        #[arg(long, default_value_t = 30)]
        days: u32,
        /// Whose bars.
        #[arg(long, default_value = "USDCOP", value_delimiter = ',')]
        instruments: Vec<InstrumentId>,
        /// Folder for the files.
        #[arg(long)]
        out: PathBuf,
    },
    /// An untrained policy, as a trainer would export it.
    Policy {
        /// The same seed gives the same file.
        #[arg(long, default_value_t = 7)]
        seed: u64,
        /// Inputs: the features of the contract.
        #[arg(long, default_value_t = 15)]
        width: usize,
        /// What it says.
        #[arg(long, value_enum, default_value_t = Actions::Discrete)]
        actions: Actions,
        /// The ONNX file.
        #[arg(long)]
        out: PathBuf,
    },
    /// The dataset of an experiment out of files: its three tables, norm stats and manifest.
    Dataset {
        /// The experiment's file; the feature contract is looked for in `config/features`.
        #[arg(long)]
        experiment: PathBuf,
        /// Bars, stamped with their open.
        #[arg(long)]
        bars: PathBuf,
        /// Daily values.
        #[arg(long = "macro")]
        daily: PathBuf,
        /// Folder for the files.
        #[arg(long)]
        out: PathBuf,
    },
    /// The seeds of every parser, in the form the cargo-fuzz target takes.
    FuzzCorpus {
        /// Folder for the files.
        #[arg(long)]
        out: PathBuf,
    },
    /// Mean and deviation of every feature that is no state, fitted on the output of `engine features`.
    NormStats {
        /// The output of `engine features`.
        #[arg(long)]
        features: PathBuf,
        /// State features, which are not normalised.
        #[arg(long, default_value = "position,time_normalized", value_delimiter = ',')]
        state: Vec<String>,
        /// The JSON file.
        #[arg(long)]
        out: PathBuf,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Actions {
    /// An index 0, 1 or 2.
    Discrete,
    /// A number between −1 and 1.
    Continuous,
}

fn main() -> ExitCode {
    match run(Cli::parse().what) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "synthetic: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(what: What) -> Result<(), Box<dyn Error>> {
    match what {
        What::Market {
            seed,
            days,
            instruments,
            out,
        } => {
            let spec = MarketSpec {
                instruments,
                ..MarketSpec::usdcop_like(seed, "USDCOP", days)
            };
            Market::generate(&spec).write(&out, Stamp::Close)?;
        }
        What::Policy {
            seed,
            width,
            actions,
            out,
        } => {
            let shape = Shape::new(seed, width);
            let model = match actions {
                Actions::Discrete => ppo_discrete(&shape),
                Actions::Continuous => ppo_continuous(&shape),
            };
            std::fs::write(&out, model.bytes)?;
        }
        What::Dataset {
            experiment,
            bars,
            daily,
            out,
        } => {
            let yaml = std::fs::read(&experiment)?;
            let (name, features) = (
                experiment.display().to_string(),
                repository().join("config/features"),
            );
            let contract = ExperimentContract::from_yaml(&yaml, &name, &features, UtcMillis(0))?;
            let market = Read {
                instrument: contract.frozen.data.instrument.clone(),
                bars: read_bars(&bars, &BarFileOptions::stamped(Stamp::Open))?.bars,
                daily: read_daily(&daily)?,
            };
            dataset::write(&dataset::build(&contract, &market, Vec::new())?, &out)?;
        }
        What::FuzzCorpus { out } => {
            std::fs::create_dir_all(&out)?;
            for (name, bytes) in testkit::fuzz::any_corpus(&testkit::fuzz::targets()) {
                std::fs::write(out.join(name), bytes)?;
            }
        }
        What::NormStats { features, state, out } => {
            let text = std::fs::read_to_string(&features)?;
            let state: Vec<&str> = state.iter().map(String::as_str).collect();
            std::fs::write(&out, norm_stats::fit(&text, &state)?.to_string())?;
        }
    }
    Ok(())
}
