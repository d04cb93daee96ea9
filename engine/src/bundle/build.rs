//! From a contract's bytes and an artifact source to a bundle that may be published; every failure has its reason.
//!
//! The order is: the document, its signatures, this engine's configuration, the generation, the files, the model, the golden
//! vectors. Nothing that is not verified is ever opened: a file's bytes are hashed before they are parsed, and sessions are
//! built from those same bytes, never from a path.

use std::sync::Arc;

use contracts::golden::Golden;
use contracts::hash::{ArtifactHash, ContractDigest};
use contracts::ids::{Environment, InstrumentId, SlotId};
use contracts::limits::{GOLDEN_BYTES_MAX, MODEL_BYTES_MAX, NORM_STATS_BYTES_MAX};
use contracts::norm_stats::NormStats;
use contracts::production::{ContractOrigin, Instruments, ProductionContract};
use contracts::signing::TrustedKeys;
use strategy::policy::source::{Graph, ModelRef, PolicySource};
use strategy::policy::{Policy as _, PolicyExec, library};
use strategy::strategy::Strategy;

use super::{FetchError, Loaded, RefusedReason, selftest};
use crate::clock::SharedClock;
use crate::limits::BUILD_DEADLINE_MS;

/// Where artifacts come from: bytes by address. The builder hashes what it gets; a source need not.
pub trait ArtifactSource {
    /// The bytes stored under `hash`.
    ///
    /// # Errors
    /// [`FetchError`]; also when there are more than `bytes_max` of them.
    fn artifact(&mut self, hash: ArtifactHash, bytes_max: usize) -> Result<Vec<u8>, FetchError>;
}

/// What an engine serves; a contract for anything else is refused.
#[derive(Debug, Clone)]
pub struct Serves {
    /// Its environment.
    pub environment: Environment,
    /// Its slot.
    pub slot: SlotId,
    /// Its instruments, in any order.
    pub instruments: Vec<InstrumentId>,
    /// Whether contracts nobody voted for may run.
    pub allow_local_contracts: bool,
}

/// What does not change while an engine runs.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// What the engine serves; `None` where any contract will do (`engine replay`).
    pub serves: Option<Serves>,
    /// The keys that count; `None` where signatures are not pinned (`engine replay` without `--trusted-key`).
    pub trusted: Option<TrustedKeys>,
    /// How many cores need a policy of their own.
    pub cores: u16,
    /// For the latency budget and the deadline.
    pub clock: SharedClock,
}

/// The highest generation ever accepted, with its contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The generation.
    pub generation: u64,
    /// The contract's digest.
    pub digest: ContractDigest,
}

/// A contract that passed everything but its files.
#[derive(Debug, Clone)]
pub struct Verified {
    /// The contract.
    pub contract: ProductionContract,
    /// Its digest.
    pub digest: ContractDigest,
}

/// Everything of a contract that fits in memory and has been checked against it.
struct Files {
    stats: NormStats,
    golden: Golden,
    policies: PolicySource,
}

/// Parses a contract and checks signatures, configuration and generation.
///
/// # Errors
/// [`RefusedReason`].
pub fn verify(
    json: &[u8],
    options: &BuildOptions,
    accepted: Option<&Accepted>,
) -> Result<Verified, RefusedReason> {
    let contract = ProductionContract::parse(json).map_err(RefusedReason::Contract)?;
    if let Some(trusted) = &options.trusted {
        contract.verify(trusted).map_err(RefusedReason::Verify)?;
    }
    let digest = contract.digest().map_err(|error| {
        RefusedReason::Contract(contracts::production::ContractError::Malformed {
            detail: error.to_string(),
        })
    })?;
    if let Some(serves) = &options.serves {
        configuration(&contract, serves)?;
    }
    match accepted {
        Some(accepted) if contract.generation < accepted.generation => {
            return Err(RefusedReason::OlderGeneration {
                found: contract.generation,
                highest: accepted.generation,
            });
        }
        Some(accepted) if contract.generation == accepted.generation && digest != accepted.digest => {
            return Err(RefusedReason::OtherDigest {
                generation: contract.generation,
                found: digest,
                accepted: accepted.digest,
            });
        }
        _ => {}
    }
    Ok(Verified { contract, digest })
}

fn configuration(contract: &ProductionContract, serves: &Serves) -> Result<(), RefusedReason> {
    if contract.origin == ContractOrigin::Local && !serves.allow_local_contracts {
        return Err(RefusedReason::LocalNotAllowed);
    }
    if contract.environment != serves.environment {
        return Err(RefusedReason::Environment {
            found: contract.environment.clone(),
            own: serves.environment.clone(),
        });
    }
    if contract.slot != serves.slot {
        return Err(RefusedReason::Slot {
            found: contract.slot.clone(),
            own: serves.slot.clone(),
        });
    }
    if let Instruments::Listed(listed) = &contract.instruments {
        let mut own = serves.instruments.clone();
        own.sort();
        own.dedup();
        if *listed != own {
            let join = |names: &[InstrumentId]| {
                names
                    .iter()
                    .map(InstrumentId::as_str)
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            return Err(RefusedReason::Instruments {
                found: join(listed),
                own: join(&own),
            });
        }
    }
    Ok(())
}

/// Watches the time a build may take.
struct Deadline<'a> {
    clock: &'a SharedClock,
    end_ms: i64,
}

impl Deadline<'_> {
    fn check(&self, stage: &'static str) -> Result<(), RefusedReason> {
        if self.clock.now().to_millis().0 <= self.end_ms {
            return Ok(());
        }
        Err(RefusedReason::Deadline {
            limit_ms: BUILD_DEADLINE_MS,
            stage,
        })
    }
}

/// Fetches, builds and tests what a verified contract names: one policy per core, each with its own buffers.
///
/// # Errors
/// [`RefusedReason`].
pub fn load(
    contract: &ProductionContract,
    options: &BuildOptions,
    artifacts: &mut dyn ArtifactSource,
) -> Result<Loaded, RefusedReason> {
    let deadline = Deadline {
        clock: &options.clock,
        end_ms: options.clock.now().to_millis().0 + BUILD_DEADLINE_MS,
    };
    contract
        .numerics
        .provided_with(library::loaded(contract.numerics.executor))
        .map_err(RefusedReason::Numerics)?;
    let files = files(contract, artifacts, &deadline)?;
    let rows = files.golden.rows();
    let mut policies: Vec<Box<PolicyExec>> = Vec::with_capacity(usize::from(options.cores));
    for _ in 0..options.cores.max(1) {
        let policy = files.policies.make(&rows).map_err(RefusedReason::Model)?;
        deadline.check("the model")?;
        policies.push(Box::new(policy));
    }
    let rule = &contract.action.rule;
    // Only a policy knows the head of the graph that runs; a rule that cannot read it is refused here.
    let head = policies[0].head();
    let strategy = Strategy::new(&contract.feature_contract, &files.stats, rule, head)
        .map_err(RefusedReason::Strategy)?;
    for policy in &mut policies {
        let (golden, limits) = (&files.golden, &contract.golden_limits);
        selftest::run(policy, &strategy, rule, golden, limits, options.clock.as_ref())?;
        deadline.check("the golden vectors")?;
    }
    Ok(Loaded::new(Arc::new(strategy), head, policies))
}

fn files(
    contract: &ProductionContract,
    artifacts: &mut dyn ArtifactSource,
    deadline: &Deadline<'_>,
) -> Result<Files, RefusedReason> {
    let names = &contract.artifacts;
    let mut fetch = |what, hash, bytes_max| -> Result<Vec<u8>, RefusedReason> {
        let bytes = fetch(artifacts, what, hash, bytes_max)?;
        deadline.check(what)?;
        Ok(bytes)
    };
    // The original is verified even where it is not run: what was voted for must be there.
    let original = fetch("model", names.model, MODEL_BYTES_MAX)?;
    let (graph, bytes) = match names.exec {
        Some(hash) => (Graph::Reduced, fetch("reduced model", hash, MODEL_BYTES_MAX)?),
        None => (Graph::Original, original),
    };
    let stats = fetch("norm stats", names.norm_stats, NORM_STATS_BYTES_MAX)?;
    let stats = NormStats::parse(&stats).map_err(RefusedReason::NormStats)?;
    if stats.hash() != contract.hashes.norm_stats_hash {
        return Err(RefusedReason::NormStatsHash);
    }
    let golden = fetch("golden vectors", names.golden, GOLDEN_BYTES_MAX)?;
    let golden = Golden::parse(&golden).map_err(RefusedReason::Golden)?;

    let rule = &contract.action.rule;
    let width = contract.feature_contract.features.len();
    let policies = PolicySource::new(&ModelRef {
        bytes: &bytes,
        graph,
        executor: contract.numerics.executor,
        action_output: &contract.action.output,
        kind: rule.kind(),
        width,
    })
    .map_err(RefusedReason::Model)?;
    if golden.width() != width {
        return Err(RefusedReason::Width {
            what: "golden observation",
            found: golden.width(),
            expected: width,
        });
    }
    Ok(Files {
        stats,
        golden,
        policies,
    })
}

fn fetch(
    artifacts: &mut dyn ArtifactSource,
    what: &'static str,
    hash: ArtifactHash,
    bytes_max: usize,
) -> Result<Vec<u8>, RefusedReason> {
    let bytes = artifacts
        .artifact(hash, bytes_max)
        .map_err(|source| RefusedReason::Fetch { what, hash, source })?;
    let found = ArtifactHash::of(&bytes);
    if found != hash {
        return Err(RefusedReason::ArtifactHash {
            what,
            found,
            expected: hash,
        });
    }
    Ok(bytes)
}
