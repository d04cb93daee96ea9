//! What is told of a model once the last core has adopted it: to clients that join, to the metrics, to the follower.

use std::sync::{Arc, PoisonError};

use super::follow::Accepted as AcceptedContracts;
use crate::bundle::Verified;
use crate::edges::hub::{Hub, Serving};
use crate::follower::Bell;
use crate::metrics::{Metrics, RunningContract};

/// Tells everybody what runs, once the last core has adopted it.
pub(super) fn on_swapped(
    hub: Arc<Hub>,
    metrics: Arc<Metrics>,
    accepted: AcceptedContracts,
    bell: Bell,
) -> impl FnMut(u64, u64) + Send {
    move |generation, _seq| {
        let contracts = accepted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(verified) = contracts.get(&generation) {
            say_serving(&hub, &metrics, verified);
        }
        bell.ring();
    }
}

fn say_serving(hub: &Hub, metrics: &Metrics, verified: &Verified) {
    let contract = &verified.contract;
    hub.set_serving(Serving {
        origin: Some(contract.origin),
        model_id: Some(contract.model_id.clone()),
        generation: Some(contract.generation),
        position_source: contract.action.position_source,
    });
    let origin = match contract.origin {
        contracts::production::ContractOrigin::Votes => "votes",
        contracts::production::ContractOrigin::Local => "local",
    };
    metrics.set_running(RunningContract {
        contract: verified.digest.to_hex(),
        model_id: contract.model_id.to_string(),
        generation: contract.generation,
        origin: origin.to_owned(),
        executor: format!("{:?}", contract.numerics.executor).to_lowercase(),
    });
}
