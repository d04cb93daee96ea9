//! What is told of a model once the last core has adopted it: to clients that join, to the metrics, to the follower.

use std::sync::{Arc, PoisonError};

use super::follow::Accepted as AcceptedContracts;
use crate::bundle::Verified;
use crate::clock::SharedClock;
use crate::edges::hub::{Hub, Serving};
use crate::follower::control::Outbox;
use crate::follower::{Bell, LogReceipts, Receipt, ReceiptSink};
use crate::metrics::{LastRefusal, Metrics, RunningContract};

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

/// Receipts counted by their outcome, logged, and sent to the control plane where one is followed.
pub(super) struct CountedReceipts {
    metrics: Arc<Metrics>,
    clock: SharedClock,
    log: LogReceipts,
    outbox: Option<Outbox>,
}

impl CountedReceipts {
    pub const fn new(metrics: Arc<Metrics>, clock: SharedClock, outbox: Option<Outbox>) -> Self {
        Self {
            metrics,
            clock,
            log: LogReceipts,
            outbox,
        }
    }
}

impl ReceiptSink for CountedReceipts {
    fn receipt(&mut self, receipt: &Receipt) {
        self.metrics.swaps.add(receipt.outcome(), 1);
        if let Receipt::Refused { code, .. } = receipt {
            self.metrics.set_refused(LastRefusal {
                code: code.clone(),
                at_ms: self.clock.now().to_millis().0,
            });
        }
        self.log.receipt(receipt);
        if let Some(outbox) = &self.outbox {
            outbox.put(receipt);
        }
    }
}

#[cfg(test)]
mod tests {
    use contracts::hash::ContractDigest;
    use contracts::ids::ModelId;

    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn every_outcome_is_counted_under_its_own_word() {
        let metrics = Metrics::new(1);
        let mut receipts = CountedReceipts::new(Arc::clone(&metrics), SystemClock::shared(), None);
        let contract = ContractDigest::of(b"x");
        let given = [
            Receipt::Serving {
                generation: 1,
                contract,
                model_id: ModelId::parse("m").unwrap(),
                seq: 4,
            },
            Receipt::Superseded {
                generation: 2,
                contract,
            },
            Receipt::Refused {
                generation: None,
                contract: None,
                code: "malformed".to_owned(),
                detail: String::new(),
            },
        ];
        for (receipt, times) in given.iter().zip(1..) {
            (0..times).for_each(|_| receipts.receipt(receipt));
        }
        let counted: Vec<_> = metrics.swaps.iter().collect();
        assert_eq!(counted, [("serving", 1), ("superseded", 2), ("refused", 3)]);
        assert_eq!(metrics.refused().unwrap().code, "malformed");
    }
}
