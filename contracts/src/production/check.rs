//! What a production contract must be by itself, before any key or configuration is asked.

use super::{ContractOrigin, Instruments, LOCAL_ENVIRONMENT, ProductionContract, bundle_hash, model_id};
use crate::hash::{ExecHash, FeatureContractHash, FeatureOrderHash};
use crate::jcs;
use crate::limits::{
    BAR_INTERVAL_MS, CONTRACT_BYTES_MAX, INSTRUMENTS_MAX, OUTPUT_NAME_BYTES_MAX, SIGNATURES_MAX,
};

/// Why a text is no production contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContractError {
    /// Larger than [`CONTRACT_BYTES_MAX`].
    #[error("{bytes} bytes are more than a contract may have ({CONTRACT_BYTES_MAX})")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// No JSON of this version's shape; the detail names line and column.
    #[error("no production contract: {detail}")]
    Malformed {
        /// serde's message.
        detail: String,
    },
    /// It holds something this build would pass over, such as an unknown member: what is not read must not be signed.
    #[error("the contract holds members this build does not read")]
    NotWhollyRead,
    /// A hash does not follow from what it is the hash of.
    #[error("{field} is {found}, its content gives {expected}")]
    WrongHash {
        /// Which one.
        field: &'static str,
        /// As written.
        found: String,
        /// As computed.
        expected: String,
    },
    /// A member contradicts the rest.
    #[error("{field}: {detail}")]
    Inconsistent {
        /// Which one.
        field: &'static str,
        /// What is wrong.
        detail: String,
    },
}

fn inconsistent(field: &'static str, detail: impl Into<String>) -> ContractError {
    ContractError::Inconsistent {
        field,
        detail: detail.into(),
    }
}

fn same<T: PartialEq + std::fmt::Display>(
    field: &'static str,
    found: T,
    expected: T,
) -> Result<(), ContractError> {
    if found == expected {
        return Ok(());
    }
    Err(ContractError::WrongHash {
        field,
        found: found.to_string(),
        expected: expected.to_string(),
    })
}

/// Parses `json`; see [`ProductionContract::parse`].
pub(super) fn parse(json: &[u8]) -> Result<ProductionContract, ContractError> {
    if json.len() > CONTRACT_BYTES_MAX {
        return Err(ContractError::TooLarge { bytes: json.len() });
    }
    let malformed = |error: serde_json::Error| ContractError::Malformed {
        detail: error.to_string(),
    };
    let contract: ProductionContract = serde_json::from_slice(json).map_err(malformed)?;
    let mut whole: serde_json::Value = serde_json::from_slice(json).map_err(malformed)?;
    if let Some(object) = whole.as_object_mut() {
        object.remove("signatures");
    }
    let canonical = |result: Result<String, jcs::JcsError>| {
        result.map_err(|error| ContractError::Malformed {
            detail: error.to_string(),
        })
    };
    let unsigned = ProductionContract {
        signatures: Vec::new(),
        ..contract.clone()
    };
    if canonical(jcs::to_canonical(&whole))? != canonical(jcs::to_canonical(&unsigned))? {
        return Err(ContractError::NotWhollyRead);
    }
    hashes(&contract)?;
    members(&contract)?;
    origin(&contract)?;
    Ok(contract)
}

fn hashes(contract: &ProductionContract) -> Result<(), ContractError> {
    let malformed = |error: jcs::JcsError| ContractError::Malformed {
        detail: error.to_string(),
    };
    let (hashes, artifacts) = (&contract.hashes, &contract.artifacts);
    let features: FeatureContractHash = jcs::digest(&contract.feature_contract).map_err(malformed)?;
    same(
        "hashes.feature_contract_hash",
        hashes.feature_contract_hash,
        features,
    )?;
    let names: Vec<&str> = contract
        .feature_contract
        .features
        .iter()
        .map(|f| f.name.as_str())
        .collect();
    same(
        "hashes.feature_order_hash",
        hashes.feature_order_hash,
        FeatureOrderHash::of(names.join(",").as_bytes()),
    )?;
    let bundle = bundle_hash(
        hashes.model_hash,
        hashes.norm_stats_hash,
        features,
        &contract.action,
    )
    .map_err(malformed)?;
    same("hashes.bundle_hash", hashes.bundle_hash, bundle)?;
    same(
        "artifacts.model",
        artifacts.model.to_hex(),
        hashes.model_hash.to_hex(),
    )?;
    same(
        "artifacts.exec",
        artifacts
            .exec
            .map(|hash| ExecHash::from_bytes(*hash.as_bytes()))
            .map_or_else(String::new, ExecHash::to_hex),
        hashes.exec_hash.map_or_else(String::new, ExecHash::to_hex),
    )?;
    let name = contract.experiment.as_ref().map(|experiment| &experiment.name);
    if model_id(name, bundle).as_ref() != Some(&contract.model_id) {
        return Err(inconsistent(
            "model_id",
            "is not the experiment's name and the first 12 characters of bundle_hash",
        ));
    }
    Ok(())
}

fn members(contract: &ProductionContract) -> Result<(), ContractError> {
    if i64::from(contract.bar_interval_s) * 1_000 != BAR_INTERVAL_MS {
        return Err(inconsistent(
            "bar_interval_s",
            "only five-minute bars (300) are supported",
        ));
    }
    if let Instruments::Listed(listed) = &contract.instruments {
        if listed.is_empty() || listed.len() > INSTRUMENTS_MAX {
            return Err(inconsistent(
                "instruments",
                format!("1 to {INSTRUMENTS_MAX} are expected, {} found", listed.len()),
            ));
        }
        if listed.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(inconsistent("instruments", "must be sorted, each once"));
        }
    }
    contract
        .feature_contract
        .check()
        .map_err(|fault| inconsistent("feature_contract", fault.to_string()))?;
    contract
        .action
        .rule
        .check()
        .map_err(|error| inconsistent("action.rule", error.to_string()))?;
    let output = contract.action.output.len();
    if output == 0 || output > OUTPUT_NAME_BYTES_MAX {
        return Err(inconsistent("action.output", "names no output"));
    }
    contract
        .numerics
        .check()
        .map_err(|error| inconsistent("numerics", error.to_string()))?;
    let limits = &contract.golden_limits;
    let sound = |x: f64| x.is_finite() && x >= 0.0;
    if !sound(limits.raw_abs_max) || !sound(limits.action_band) {
        return Err(inconsistent("golden_limits", "must be finite and not negative"));
    }
    if contract.signatures.len() > SIGNATURES_MAX {
        return Err(inconsistent(
            "signatures",
            format!("{} are more than {SIGNATURES_MAX}", contract.signatures.len()),
        ));
    }
    Ok(())
}

fn origin(contract: &ProductionContract) -> Result<(), ContractError> {
    let voted = contract.votes.is_some();
    match contract.origin {
        ContractOrigin::Votes if !voted => Err(inconsistent(
            "votes",
            "a contract of origin `votes` must carry them",
        )),
        ContractOrigin::Votes if contract.environment.as_str() == LOCAL_ENVIRONMENT => {
            Err(inconsistent("environment", "`local` is for local contracts"))
        }
        ContractOrigin::Votes if matches!(contract.instruments, Instruments::Any(_)) => {
            Err(inconsistent("instruments", "`*` is for local contracts"))
        }
        ContractOrigin::Votes if contract.experiment.is_none() => Err(inconsistent(
            "experiment",
            "a contract of origin `votes` must name it",
        )),
        ContractOrigin::Local if voted || contract.approver.is_some() || contract.approved_at.is_some() => {
            Err(inconsistent("votes", "a local contract carries none"))
        }
        ContractOrigin::Local if contract.environment.as_str() != LOCAL_ENVIRONMENT => {
            Err(inconsistent("environment", "a local contract's is `local`"))
        }
        ContractOrigin::Local if contract.experiment.is_some() => {
            Err(inconsistent("experiment", "a local contract has none"))
        }
        ContractOrigin::Local | ContractOrigin::Votes => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::action::PositionSource;

    fn refused(edit: impl FnOnce(&mut ProductionContract)) -> ContractError {
        let mut contract = samples::local();
        edit(&mut contract);
        ProductionContract::parse(&serde_json::to_vec(&contract).unwrap()).unwrap_err()
    }

    #[test]
    fn the_samples_parse_and_keep_their_digest() {
        for contract in [samples::local(), samples::voted()] {
            let parsed = ProductionContract::parse(&serde_json::to_vec_pretty(&contract).unwrap()).unwrap();
            assert_eq!(parsed, contract);
            assert_eq!(parsed.digest(), contract.digest());
        }
    }

    #[test]
    fn each_contradiction_is_named_by_its_member() {
        type Edit = Box<dyn FnOnce(&mut ProductionContract)>;
        let cases: Vec<(&str, Edit)> = vec![
            ("bundle_hash", Box::new(|c| c.action.output = "other".into())),
            (
                "bundle_hash",
                Box::new(|c| c.action.position_source = PositionSource::Feedback),
            ),
            (
                "feature_contract_hash",
                Box::new(|c| c.feature_contract.version = "9.9.9".into()),
            ),
            (
                "artifacts.model",
                Box::new(|c| c.artifacts.model = crate::hash::Digest::of(b"x")),
            ),
            ("artifacts.exec", Box::new(|c| c.artifacts.exec = None)),
            (
                "model_id",
                Box::new(|c| c.model_id = crate::ids::ModelId::parse("local-0").unwrap()),
            ),
            ("bar_interval_s", Box::new(|c| c.bar_interval_s = 60)),
            (
                "instruments",
                Box::new(|c| c.instruments = Instruments::Listed(vec![])),
            ),
            (
                "environment",
                Box::new(|c| c.environment = crate::ids::Environment::parse("prod").unwrap()),
            ),
            ("votes", Box::new(|c| c.origin = ContractOrigin::Votes)),
            (
                "numerics",
                Box::new(|c| c.numerics.isa = crate::numerics::Isa::Aarch64),
            ),
            ("golden_limits", Box::new(|c| c.golden_limits.raw_abs_max = -1.0)),
        ];
        for (member, edit) in cases {
            let error = refused(edit).to_string();
            assert!(error.contains(member), "{member}: {error}");
        }
    }

    #[test]
    fn nothing_is_passed_over() {
        let text = serde_json::to_string(&samples::local()).unwrap();
        let unknown = text.replacen('{', r#"{"more":1,"#, 1);
        assert!(matches!(
            ProductionContract::parse(unknown.as_bytes()),
            Err(ContractError::Malformed { .. })
        ));
        let inside = text.replacen(r#""kind":"session_time""#, r#""kind":"session_time","more":1"#, 1);
        assert_ne!(inside, text);
        assert!(ProductionContract::parse(inside.as_bytes()).is_err());
        let newer = text.replacen("production-contract/v1", "production-contract/v2", 1);
        assert!(
            ProductionContract::parse(newer.as_bytes())
                .unwrap_err()
                .to_string()
                .contains("v2")
        );
        let large = " ".repeat(CONTRACT_BYTES_MAX) + &text;
        assert!(matches!(
            ProductionContract::parse(large.as_bytes()),
            Err(ContractError::TooLarge { .. })
        ));
    }
}
