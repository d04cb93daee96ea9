//! `engine contract make`: a signed local contract with its artifacts, from a model, its scaler and its features.

use std::path::{Path, PathBuf};

use contracts::features::load_contract;
use contracts::files::DailyFile;
use contracts::hash::ArtifactHash;
use contracts::ids::{InstrumentId, SlotId};
use contracts::numerics::Executor;
use contracts::signing::{
    KeyFileError, KeyPurpose, PrivateKeyFile, SigningKey, TrustedKey, TrustedKeys, public_path,
};
use rand::TryRngCore as _;
use strategy::golden::GoldenInputs;
use strategy::onnx::inspect::{Dense, Reduction};

use super::out::Stdout;
use super::{CliError, Exit, OrExit};
use crate::bundle::build::{BuildOptions, load, verify};
use crate::bundle::make::{Made, MakeError, MakeRequest, make};
use crate::clock::{Clock as _, SystemClock};
use crate::follower::source::replace;
use commandline::inputs::{self, BarArgs, OnBadArg, StampArg};

/// Contracts for models nobody voted for.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make a signed contract and its artifacts. An engine runs it only with `allow_local_contracts = true`.
    Make(Box<MakeArgs>),
}

/// Options of `engine contract make`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Writes OUT/contract.json and OUT/artifacts/<sha256>, and prints what was found in the model as one JSON object. Point
`contract_source` of engine.toml at OUT, and put the key's .pub file among its trusted_keys.

Examples:
  engine contract make --model ppo.onnx --norm-stats norm_stats.json --features config/features/usdcop_15.yaml \\
      --slot usdcop-5m --key keys/local --out contracts/usdcop
  engine contract make --model ppo.onnx --norm-stats norm_stats.json --features config/features/usdcop_15.yaml \\
      --slot usdcop-5m --key keys/local --out contracts/usdcop \\
      --bars usdcop_5m.csv.gz --stamp open --macro macro_daily.csv --executor ort")]
pub struct MakeArgs {
    /// The ONNX file.
    #[arg(long, value_name = "FILE")]
    pub model: PathBuf,
    /// The scaler's `norm_stats.json`.
    #[arg(long, value_name = "FILE")]
    pub norm_stats: PathBuf,
    /// The feature contract.
    #[arg(long, value_name = "FILE")]
    pub features: PathBuf,
    /// The slot it is for.
    #[arg(long, value_name = "NAME")]
    pub slot: SlotId,
    /// Private key file; made, with FILE.pub beside it, where there is none.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Where to write.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Bars for the golden vectors; without them they are drawn.
    #[arg(long, value_name = "FILE", requires = "stamp")]
    pub bars: Option<PathBuf>,
    /// What the bars' time column holds.
    #[arg(long, value_enum, value_name = "END", requires = "bars")]
    pub stamp: Option<StampArg>,
    /// Whose bars they are; the file's name without it.
    #[arg(long, value_name = "NAME", requires = "bars")]
    pub instrument: Option<InstrumentId>,
    /// Daily values for the golden vectors.
    #[arg(long = "macro", value_name = "FILE", requires = "bars")]
    pub macro_file: Option<PathBuf>,
    /// The model's output to act on; without it the first that fits.
    #[arg(long, value_name = "NAME")]
    pub action_output: Option<String>,
    /// The executor; without it `dense` where the model allows, else `ort`.
    #[arg(long, value_enum, value_name = "NAME")]
    pub executor: Option<ExecutorArg>,
}

/// An executor, on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ExecutorArg {
    /// The project's own.
    Dense,
    /// ONNX Runtime.
    Ort,
}

/// Runs the verb.
///
/// # Errors
/// [`Exit::NoInput`] for a file that cannot be read, [`Exit::Data`] for one that is not acceptable, [`Exit::Refused`] for a
/// key that cannot be used, [`Exit::Unavailable`] without ONNX Runtime, [`Exit::Io`] when nothing can be written.
pub fn run(args: Args) -> Result<(), CliError> {
    let Verb::Make(args) = args.verb;
    let model = read(&args.model)?;
    let norm_stats = read(&args.norm_stats)?;
    let features = load_contract(&args.features).or_exit(
        Exit::Data,
        format!("{} is no feature contract", args.features.display()),
        "see config/features for examples",
    )?;
    let (bars, daily, instrument) = golden_files(&args)?;
    let key = key(&args.key)?;
    let golden = match &instrument {
        None => GoldenInputs::Drawn,
        Some(instrument) => GoldenInputs::Bars {
            instrument,
            bars: &bars,
            daily: &daily,
        },
    };
    let made = make(MakeRequest {
        model: &model,
        norm_stats: &norm_stats,
        features,
        slot: args.slot.clone(),
        action_output: args.action_output.as_deref(),
        executor: args.executor.map(|executor| match executor {
            ExecutorArg::Dense => Executor::Dense,
            ExecutorArg::Ort => Executor::Ort,
        }),
        golden,
        created_at: SystemClock.now().to_millis(),
        key: &key,
    })
    .map_err(|error| refused(&args, error))?;
    prove(&made, &key)?;
    write(&args.out, &made)?;
    let mut out = Stdout::buffered();
    out.line(summary(&made, &args))?;
    out.finish()
}

fn golden_files(
    args: &MakeArgs,
) -> Result<(Vec<contracts::bar::Bar>, DailyFile, Option<InstrumentId>), CliError> {
    let (Some(path), Some(stamp)) = (&args.bars, args.stamp) else {
        return Ok((Vec::new(), DailyFile::default(), None));
    };
    let reading = BarArgs {
        stamp,
        columns: None,
        on_bad: OnBadArg::Refuse,
    };
    let bars = reading.read(path)?.bars;
    let daily = match &args.macro_file {
        Some(path) => inputs::daily(path)?,
        None => DailyFile::default(),
    };
    let instrument = inputs::instrument(args.instrument.as_ref(), path)?;
    Ok((bars, daily, Some(instrument)))
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path).or_exit(
        Exit::NoInput,
        format!("cannot read {}", path.display()),
        "check the path and the rights",
    )
}

/// Reads the key pair, or makes it.
fn key(path: &Path) -> Result<SigningKey, CliError> {
    let unusable = |error: KeyFileError| {
        CliError::new(
            Exit::Refused,
            "the key cannot be used",
            "name another --key, or a path where none is yet",
        )
        .caused_by(error)
    };
    if path.exists() {
        let file = PrivateKeyFile::read(path).map_err(unusable)?;
        if file.purpose != KeyPurpose::Contract {
            return Err(CliError::new(
                Exit::Refused,
                format!(
                    "{} is a key for `{}`, contracts are signed with one for `contract`",
                    path.display(),
                    file.purpose
                ),
                "name another --key",
            ));
        }
        return Ok(file.key);
    }
    let mut seed = [0; 32];
    rand::rngs::OsRng.try_fill_bytes(&mut seed).or_exit(
        Exit::Unavailable,
        "the system gives no random bytes",
        "",
    )?;
    let file = PrivateKeyFile {
        purpose: KeyPurpose::Contract,
        key: SigningKey::from_seed(seed),
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).or_exit(
            Exit::Io,
            format!("cannot make {}", folder.display()),
            "check the rights",
        )?;
    }
    file.write_new(path).map_err(unusable)?;
    tracing::info!(key_id = %file.key.key_id(), public = %public_path(path).display(), "made a new key pair");
    Ok(file.key)
}

fn refused(args: &MakeArgs, error: MakeError) -> CliError {
    use strategy::onnx::inspect::InspectError;
    let (exit, remedy) = match &error {
        MakeError::Library(_) | MakeError::Inspect(InspectError::Library(_)) => (
            Exit::Unavailable,
            "run `cargo xtask setup`, or set ORT_DYLIB_PATH",
        ),
        _ => (Exit::Data, "nothing was written; mend what the message names"),
    };
    CliError::new(exit, format!("no contract for {}", args.model.display()), remedy).caused_by(error)
}

/// What an engine will do with it, done here first: nothing is written that would be refused.
fn prove(made: &Made, key: &SigningKey) -> Result<(), CliError> {
    let options = BuildOptions {
        serves: None,
        trusted: Some(TrustedKeys::new(vec![TrustedKey {
            purpose: KeyPurpose::Contract,
            public_key: key.public_key(),
        }])),
        cores: 1,
        clock: SystemClock::shared(),
    };
    verify(&made.json, &options, None)
        .and_then(|verified| load(&verified.contract, &options, &mut made.artifacts.clone()))
        .map(drop)
        .or_exit(
            Exit::Data,
            "the contract would be refused by an engine on this machine",
            "nothing was written; mend what the message names",
        )
}

/// Artifacts first: an engine that watches the folder never sees a contract without its files.
fn write(out: &Path, made: &Made) -> Result<(), CliError> {
    let write = || -> std::io::Result<()> {
        let folder = out.join("artifacts");
        std::fs::create_dir_all(&folder)?;
        for (hash, bytes) in &made.artifacts {
            replace(&folder.join(hash.to_hex()), bytes)?;
        }
        replace(&out.join("contract.json"), &made.json)
    };
    write().or_exit(
        Exit::Io,
        format!("cannot write to {}", out.display()),
        "check the path, the rights and the room",
    )
}

fn summary(made: &Made, args: &MakeArgs) -> serde_json::Value {
    let (contract, found) = (&made.contract, &made.inspection);
    let outputs: Vec<_> = found
        .candidates
        .iter()
        .map(|c| {
            serde_json::json!({"name": c.name, "kind": c.kind, "min": c.min, "max": c.max,
                "constant": c.constant, "chosen": c.chosen})
        })
        .collect();
    let dense = match &found.dense {
        Dense::Admitted {
            max_difference,
            band_rows,
        } => {
            serde_json::json!({"admitted": true, "max_difference": max_difference, "rows_in_band": band_rows})
        }
        Dense::NotAdmitted(reason) => serde_json::json!({"admitted": false, "reason": reason}),
    };
    let reduced = match &found.reduction {
        Reduction::Used { nodes, near_ties, .. } => {
            serde_json::json!({"used": true, "nodes": nodes, "near_ties": near_ties})
        }
        Reduction::NotUsed(reason) => serde_json::json!({"used": false, "reason": reason}),
    };
    let artifacts: Vec<String> = made
        .artifacts
        .keys()
        .map(|hash: &ArtifactHash| hash.to_hex())
        .collect();
    serde_json::json!({
        "contract": args.out.join("contract.json"),
        "digest": contract.digest().map(|digest| digest.to_hex()).unwrap_or_default(),
        "model_id": contract.model_id,
        "generation": contract.generation,
        "key_id": contract.key_id,
        "action": contract.action,
        "numerics": contract.numerics,
        "nodes": found.nodes,
        "rows_checked": found.rows_checked,
        "outputs": outputs,
        "reduced": reduced,
        "dense": dense,
        "artifacts": artifacts,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use contracts::production::ProductionContract;
    use contracts::signing::PublicKeyFile;

    use super::*;
    use crate::bundle::testing;

    fn make_in(folder: &Path, extra: &[&str]) -> Result<(), CliError> {
        #[derive(Debug, clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: Args,
        }
        let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        std::fs::write(path("model.onnx"), testing::model(1).bytes).unwrap();
        std::fs::write(path("norm_stats.json"), testing::norm_stats()).unwrap();
        std::fs::write(
            path("features.yaml"),
            serde_json::to_string(&testing::features()).unwrap(),
        )
        .unwrap();
        let words = ["engine", "make", "--slot", "test"].map(str::to_owned);
        let files = [
            ("--model", "model.onnx"),
            ("--norm-stats", "norm_stats.json"),
            ("--features", "features.yaml"),
            ("--key", "keys/local"),
            ("--out", "out"),
        ];
        let files = files
            .iter()
            .flat_map(|(option, name)| [(*option).to_owned(), path(name)]);
        let extra = extra
            .iter()
            .map(|word| word.replace("FOLDER", folder.to_str().unwrap()));
        let line = words.into_iter().chain(files).chain(extra);
        run(<Line as clap::Parser>::try_parse_from(line).unwrap().args)
    }

    fn written(folder: &Path) -> BTreeSet<String> {
        let list = |path: &Path| -> Vec<String> {
            let entries = std::fs::read_dir(path).unwrap();
            entries
                .map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned())
                .collect()
        };
        let mut names: BTreeSet<String> = list(&folder.join("out")).into_iter().collect();
        names.extend(list(&folder.join("out/artifacts")));
        names
    }

    #[test]
    fn exactly_the_contract_and_its_artifacts_are_written() {
        let folder = tempfile::tempdir().unwrap();
        make_in(folder.path(), &[]).unwrap();
        let json = std::fs::read(folder.path().join("out/contract.json")).unwrap();
        let contract = ProductionContract::parse(&json).unwrap();
        let mut expected: BTreeSet<String> = contract.artifacts.all().map(|hash| hash.to_hex()).collect();
        expected.extend(["contract.json", "artifacts"].map(str::to_owned));
        assert_eq!(written(folder.path()), expected);
        let public = PublicKeyFile::read(&folder.path().join("keys/local.pub")).unwrap();
        assert!(contract.verify(&TrustedKeys::new(vec![public.trusted()])).is_ok());
        assert!(contract.model_id.as_str().starts_with("local-"));

        make_in(folder.path(), &["--executor", "ort"]).unwrap();
        let json = std::fs::read(folder.path().join("out/contract.json")).unwrap();
        let again = ProductionContract::parse(&json).unwrap();
        assert_eq!(again.key_id, contract.key_id, "the key is used again");
        assert_eq!(again.model_id, contract.model_id);
        assert_eq!(again.numerics.executor, Executor::Ort);
    }

    #[test]
    fn golden_vectors_come_from_bars_where_there_are_enough() {
        let folder = tempfile::tempdir().unwrap();
        let bars = |count: i64| {
            let mut text = "time,open,high,low,close\n".to_owned();
            for n in 0..count {
                let time = contracts::time::UtcMillis(1_767_225_600_000 + n * 300_000);
                let close = 4_000.0 + f64::from(u32::try_from(n * 7 % 13).unwrap());
                text.push_str(&format!("{time},{close},{close},{close},{close}\n"));
            }
            std::fs::write(folder.path().join("USDCOP.csv"), text).unwrap();
        };
        let from_bars = ["--bars", "FOLDER/USDCOP.csv", "--stamp", "open"];
        bars(100);
        let error = make_in(folder.path(), &from_bars).unwrap_err();
        assert_eq!(error.exit(), Exit::Data);
        assert!(error.report().contains("256"), "{}", error.report());
        assert!(!folder.path().join("out").exists(), "nothing is written");
        bars(400);
        make_in(folder.path(), &from_bars).unwrap();
        let json = std::fs::read(folder.path().join("out/contract.json")).unwrap();
        let contract = ProductionContract::parse(&json).unwrap();
        let golden = folder
            .path()
            .join("out/artifacts")
            .join(contract.artifacts.golden.to_hex());
        let golden = contracts::golden::Golden::parse(&std::fs::read(golden).unwrap()).unwrap();
        assert_eq!(golden.source, contracts::golden::GoldenSource::Bars);
        let positions: BTreeSet<i64> = golden.observations.iter().map(|row| row[1] as i64).collect();
        assert_eq!(positions, BTreeSet::from([-1, 0, 1]));
    }

    #[test]
    fn a_key_for_something_else_or_open_to_others_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("keys")).unwrap();
        let vote = PrivateKeyFile {
            purpose: KeyPurpose::Vote,
            key: SigningKey::from_seed([1; 32]),
        };
        vote.write_new(&folder.path().join("keys/local")).unwrap();
        assert_eq!(make_in(folder.path(), &[]).unwrap_err().exit(), Exit::Refused);
        let missing = make_in(folder.path(), &["--action-output", "nope"]);
        assert!(missing.is_err());
    }
}
