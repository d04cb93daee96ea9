//! Where the contracts of a live engine come from, and what the control plane is told of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::clock::SharedClock;
use crate::config::{ContractFrom, EngineConfig};
use crate::follower::control::{self, ControlError, ControlParts, Heartbeat, Outbox, Vitals};
use crate::follower::{Bell, ContractSource, DirectiveGate, DirectiveSource, Directory};
use crate::metrics::Metrics;

/// What a source needs of the engine.
pub struct FollowedParts<'a> {
    /// The settings.
    pub config: &'a EngineConfig,
    /// Wakes the follower.
    pub bell: &'a Bell,
    /// What is counted.
    pub metrics: &'a Arc<Metrics>,
    /// Wall time.
    pub clock: &'a SharedClock,
    /// Knows the highest directive.
    pub gate: &'a Arc<Mutex<DirectiveGate>>,
    /// The highest generation in the journal.
    pub generation: &'a Arc<AtomicU64>,
    /// The edges'.
    pub runtime: &'a Handle,
    /// True from the order to stop.
    pub stopped: &'a watch::Receiver<bool>,
}

/// A source, and where receipts go beside the log.
pub struct Followed {
    /// For the follower.
    pub source: Box<dyn ContractSource>,
    /// For who takes directives.
    pub directives: Box<dyn DirectiveSource>,
    /// To the control plane, where one is followed.
    pub outbox: Option<Outbox>,
}

/// The source of the settings.
///
/// # Errors
/// [`ControlError`].
pub fn followed(parts: FollowedParts<'_>) -> Result<Followed, ControlError> {
    let config = parts.config;
    let control = match (&config.contract_source, &config.control) {
        (ContractFrom::Control, Some(control)) => control,
        (ContractFrom::Directory(directory), _) => {
            return Ok(Followed {
                source: Box::new(Directory::new(directory)),
                directives: Box::new(Directory::new(directory)),
                outbox: None,
            });
        }
        (ContractFrom::Control, None) => unreachable!("settings without [control] were refused"),
    };
    let following = control::start(ControlParts {
        config: control.clone(),
        engine_id: config.engine_id.clone(),
        slot: config.slot.clone(),
        bell: parts.bell.clone(),
        metrics: Arc::clone(parts.metrics),
        clock: Arc::clone(parts.clock),
        vitals: vitals(
            Arc::clone(parts.metrics),
            Arc::clone(parts.gate),
            Arc::clone(parts.generation),
        ),
        runtime: parts.runtime.clone(),
        stopped: parts.stopped.clone(),
        // Engines that were started together must not knock together.
        seed: parts.clock.now().0.unsigned_abs() ^ u64::from(std::process::id()),
    })?;
    Ok(Followed {
        source: Box::new(following.source),
        directives: Box::new(following.directives),
        outbox: Some(following.outbox),
    })
}

fn vitals(metrics: Arc<Metrics>, gate: Arc<Mutex<DirectiveGate>>, generation: Arc<AtomicU64>) -> Vitals {
    Box::new(move || {
        let gate = gate.lock().unwrap_or_else(PoisonError::into_inner);
        let directive_highest = gate.highest().unwrap_or_default();
        drop(gate);
        let running = metrics.running();
        let serving = (!running.contract.is_empty()).then(|| {
            json!({
                "generation": running.generation, "contract": running.contract, "model_id": running.model_id,
                "origin": running.origin, "executor": running.executor,
            })
        });
        let refused = metrics
            .refused()
            .map(|refused| json!({"code": refused.code, "at": contracts::time::UtcMillis(refused.at_ms)}));
        let read = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        let latches = read(&metrics.latches);
        Heartbeat {
            generation_highest: generation.load(Ordering::Relaxed),
            directive_highest,
            state: json!({
                "version": env!("CARGO_PKG_VERSION"),
                "serving": serving,
                "halted": {"control": latches & 1 == 1, "local": latches >> 1 & 1 == 1},
                "feed_connected": read(&metrics.feed_connected) == 1,
                "next_seq": read(&metrics.next_seq),
                "clients": read(&metrics.clients),
                "last_refusal": refused,
            }),
        }
    })
}
