//! `control synthetic`: a generated market, for trying things out and for tests.

use std::path::PathBuf;

use clap::ValueEnum;
use contracts::features::load_contract;
use contracts::ids::InstrumentId;
use contracts::time::DayNumber;
use serde_json::json;
use training::synthetic::{self, Kind, SyntheticSpec};

use super::out::{Format, Sink};
use super::{CliError, Exit, OrExit};

/// Whether the past says anything about the future.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KindArg {
    /// It does: two daily series drive the sessions.
    Edge,
    /// It does not.
    Noise,
}

impl From<KindArg> for Kind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Edge => Self::Edge,
            KindArg::Noise => Self::Noise,
        }
    }
}

/// Options of `control synthetic`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Writes OUT/{instrument}.csv (five-minute bars, stamped with their close) and OUT/macro.csv (daily values). The same seed gives the same bytes on
every machine. Sessions, holidays and publication rules are those of the feature contract. What the edge is, and what the ideal policy earns
with it, docs/DATA.md says: no real market offers as much.

Examples:
  control synthetic --kind edge --seed 7 --from 2022-01-03 --to 2025-07-31 --out data/edge
  control synthetic --kind noise --seed 1 --from 2022-01-03 --to 2025-07-31 --out data/noise --json")]
pub struct Args {
    /// With an edge that a policy can learn, or without any.
    #[arg(long, value_enum)]
    kind: KindArg,
    /// Names the market.
    #[arg(long, value_name = "N")]
    seed: u64,
    /// First local date with a session.
    #[arg(long, value_name = "DATE", value_parser = DayNumber::parse)]
    from: DayNumber,
    /// Last local date.
    #[arg(long, value_name = "DATE", value_parser = DayNumber::parse)]
    to: DayNumber,
    /// Whose bars they are said to be.
    #[arg(long, value_name = "NAME", default_value = "USDCOP", value_parser = InstrumentId::parse)]
    instrument: InstrumentId,
    /// The feature contract whose calendar and rules hold.
    #[arg(long, value_name = "YAML", default_value = "config/features/usdcop_15.yaml")]
    features: PathBuf,
    /// Where to write; made where it is not there.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    format: Format,
}

/// Runs the verb.
///
/// # Errors
/// [`Exit::Data`] for a feature contract that cannot be used or dates that make no market, [`Exit::Io`] for what cannot be written.
pub fn run(args: &Args, out: Sink<'_>) -> Result<(), CliError> {
    let features = load_contract(&args.features).or_exit(
        Exit::Data,
        format!("{} is no feature contract", args.features.display()),
        "name one with --features",
    )?;
    let spec = SyntheticSpec::new(
        args.kind.into(),
        args.seed,
        args.instrument.clone(),
        args.from,
        args.to,
    );
    let market = synthetic::generate(&spec, &features).or_exit(
        Exit::Data,
        "no market can be generated",
        "change what the message names",
    )?;
    let files = synthetic::write(&market, &args.out).or_exit(
        Exit::Io,
        format!("cannot write to {}", args.out.display()),
        "check the directory, its rights and its room",
    )?;
    let document = json!({
        "bars": files.bars, "stamp": "close", "macro": files.daily, "rows": market.bars.len(),
        "daily_values": market.daily.rows.len(), "market_hash": market.hash(),
    });
    let text = format!(
        "{} bars, stamped with their close: {}\n{} daily values: {}\n",
        market.bars.len(),
        files.bars.display(),
        market.daily.rows.len(),
        files.daily.display()
    );
    args.format.write(out, &document, &text)
}
