//! `control experiment`: files of researchers, checked here without a server, and contracts made of them by one.

use std::path::{Path, PathBuf};

use contracts::experiment::contract::{ExperimentContract, ExperimentContractError};
use contracts::ids::{ContractId, ExperimentName};
use serde_json::{Value, json};

use super::out::{Format, Sink};
use super::remote::{Call, ServerArgs, Who};
use super::table::{fields, table};
use super::{CliError, Exit, OrExit};
use crate::clock::{Clock as _, SystemClock};
use crate::experiments::check_reward;

/// Experiments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Check an experiment and the feature contract it names, without a server.
    Check(CheckArgs),
    /// Register an experiment with a server: costs, window and criteria of every later vote.
    Register(RegisterArgs),
    /// List experiment contracts, newest first.
    List(ListArgs),
    /// Show an experiment contract with its frozen configuration.
    Show(ShowArgs),
}

/// Options of `control experiment check`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Prints the contract's id and hashes; a fault is named with its line and its path. Exit code 65 for a fault.

Examples:
  control experiment check config/experiments/usdcop_ppo_baseline.yaml
  control experiment check mine.yaml --features ../features --json")]
struct CheckArgs {
    /// The experiment.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where feature contracts lie.
    #[arg(long, value_name = "DIR", default_value = "config/features")]
    features: PathBuf,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The server reads the feature contracts of its own settings. The same content again changes nothing; another content under the same name and
version is refused. Needs the role researcher, or a token with research:write. Exit code 65 for a fault in the file.

Examples:
  control experiment register config/experiments/usdcop_ppo_baseline.yaml")]
struct RegisterArgs {
    /// The experiment.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  control experiment list
  control experiment list --name usdcop_ppo_baseline --json")]
struct ListArgs {
    /// Only of this name.
    #[arg(long, value_name = "NAME")]
    name: Option<ExperimentName>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit code 66 for a contract there is none of.

Examples:
  control experiment show CTR-EXP-usdcop_ppo_baseline-1.0.0
  control experiment show CTR-EXP-usdcop_ppo_baseline-1.0.0 --json | jq .contract.frozen")]
struct ShowArgs {
    /// Which.
    contract: ContractId,
    #[command(flatten)]
    server: ServerArgs,
}

/// Runs the verb.
///
/// # Errors
/// [`Exit::NoInput`] when the file cannot be read, [`Exit::Data`] for a fault in it or in its feature contract; see [`super::remote`].
pub fn run(args: &Args, out: Sink<'_>) -> Result<(), CliError> {
    match &args.verb {
        Verb::Check(args) => check(args, out),
        Verb::Register(args) => {
            let yaml = read(&args.file)?;
            let call = Call::post_bytes(&["api", "contracts"], "application/yaml", yaml);
            args.server.ask(
                Who::Anybody,
                call,
                |done| {
                    let made = if done["created"] == true {
                        "registered"
                    } else {
                        "registered before, nothing changed"
                    };
                    format!("{made}\n{}", shown(done))
                },
                out,
            )
        }
        Verb::List(args) => {
            let call = Call::get(&["api", "contracts"]).with("name", args.name.as_ref());
            let columns = [
                ("CONTRACT", "/contract_id"),
                ("SLOT", "/slot"),
                ("INSTRUMENT", "/instrument"),
                ("BY", "/created_by"),
                ("AT", "/created_at"),
            ];
            args.server.ask(
                Who::Anybody,
                call,
                |found| table(&found["contracts"], &columns),
                out,
            )
        }
        Verb::Show(args) => {
            let call = Call::get(&["api", "contracts", args.contract.as_str()]);
            args.server.ask(Who::Anybody, call, shown, out)
        }
    }
}

fn shown(contract: &Value) -> String {
    fields(
        contract,
        &[
            ("contract", "/contract_id"),
            ("slot", "/slot"),
            ("instrument", "/instrument"),
            ("holdout from", "/contract/frozen/data/test/start"),
            ("to", "/contract/frozen/data/test/end"),
            ("costs, bps", "/contract/frozen/environment/transaction_cost_bps"),
            ("criteria", "/contract/frozen/evaluation/success_criteria"),
            ("by", "/created_by"),
            ("at", "/created_at"),
            ("config_hash", "/config_hash"),
            ("source_hash", "/source_hash"),
            ("feature_contract_hash", "/feature_contract_hash"),
            ("reward_config_hash", "/reward_config_hash"),
            ("date_ranges_version", "/date_ranges_version"),
        ],
    )
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path).or_exit(
        Exit::NoInput,
        format!("cannot read {}", path.display()),
        "check the path and the rights",
    )
}

fn check(args: &CheckArgs, out: Sink<'_>) -> Result<(), CliError> {
    let name = args.file.display().to_string();
    let yaml = read(&args.file)?;
    match ExperimentContract::from_yaml(&yaml, &name, &args.features, SystemClock.now()) {
        Ok(contract) => {
            check_reward(&contract).or_exit(
                Exit::Data,
                format!("{name} cannot be trained by the built-in trainer"),
                "docs/REWARD.md lists every parameter",
            )?;
            let document = json!({
                "ok": true, "contract_id": contract.contract_id, "slot": contract.frozen.slot,
                "config_hash": contract.config_hash, "source_hash": contract.source_hash,
                "feature_order_hash": contract.feature_order_hash,
                "feature_contract_hash": contract.feature_contract_hash,
                "reward_config_hash": contract.reward_config_hash,
                "date_ranges_version": contract.date_ranges_version,
            });
            let text = format!(
                "{}\n  config_hash            {}\n  feature_contract_hash  {}\n  reward_config_hash     {}\n  date_ranges_version    {}\n",
                contract.contract_id,
                contract.config_hash,
                contract.feature_contract_hash,
                contract.reward_config_hash,
                contract.date_ranges_version,
            );
            args.format.write(out, &document, &text)
        }
        Err(error) => {
            if args.format.json {
                args.format.write(out, &fault(&error), "")?;
            }
            Err(CliError::new(
                Exit::Data,
                format!("{name} is no experiment"),
                "mend the line; config/experiments/experiment.schema.json lists every field",
            )
            .caused_by(error))
        }
    }
}

fn fault(error: &ExperimentContractError) -> serde_json::Value {
    let (path, line) = match error {
        ExperimentContractError::Experiment(error) => (error.path(), error.line()),
        ExperimentContractError::Features(_) => (None, None),
    };
    let mut detail = error.to_string();
    if let ExperimentContractError::Features(source) = error {
        detail = format!("{detail}: {source}");
    }
    json!({"ok": false, "code": error.code(), "path": path, "line": line, "detail": detail})
}

#[cfg(test)]
mod tests {
    use super::super::testing::control;
    use super::*;

    const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../config");

    #[test]
    fn a_good_file_is_named_by_its_contract_and_a_fault_by_its_line() {
        let file = format!("{CONFIG}/experiments/usdcop_ppo_baseline.yaml");
        let features = format!("{CONFIG}/features");
        let said = control(&["experiment", "check", &file, "--features", &features]).unwrap();
        assert!(said.starts_with("CTR-EXP-usdcop_ppo_baseline-1.0.0\n"), "{said}");

        let folder = tempfile::tempdir().unwrap();
        let bad = folder.path().join("bad.yaml");
        let yaml = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&bad, yaml.replace("pnl: 0.5", "pnl: 0.6")).unwrap();
        let bad = bad.to_str().unwrap();
        let words = ["experiment", "check", bad, "--features", &features];
        let (said, error) = control(&words).unwrap_err();
        assert!(said.is_empty(), "{said}");
        assert_eq!(error.exit(), Exit::Data);
        assert!(
            error.report().contains("reward.weights: they sum to"),
            "{}",
            error.report()
        );

        let (said, _) = control(&[&words[..], &["--json"]].concat()).unwrap_err();
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(
            (&said["ok"], &said["path"]),
            (&json!(false), &json!("reward.weights"))
        );
        assert!(said["line"].as_u64().unwrap() > 1);
    }

    #[test]
    fn a_file_that_is_not_there_and_a_missing_feature_contract_are_told_apart() {
        let (_, error) = control(&["experiment", "check", "/nowhere/e.yaml"]).unwrap_err();
        assert_eq!(error.exit(), Exit::NoInput);
        let file = format!("{CONFIG}/experiments/usdcop_ppo_baseline.yaml");
        let (said, error) =
            control(&["experiment", "check", &file, "--features", "/nowhere", "--json"]).unwrap_err();
        assert_eq!(error.exit(), Exit::Data);
        assert!(said.contains("feature_contract_unusable"), "{said}");
    }
}
