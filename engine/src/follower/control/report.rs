//! What the control plane is told: receipts, in order and until it has taken them, and heartbeats.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use contracts::ids::{EngineId, SlotId};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};

use super::client::AskError;
use super::link::Link;
use crate::follower::Receipt;
use crate::limits::{CONTROL_HEARTBEAT_MS, CONTROL_RECEIPTS_WAITING_MAX, RECEIPT_DETAIL_BYTES_MAX};

/// As the log names them.
const RECEIPT: &str = "a receipt";
const HEARTBEAT: &str = "a heartbeat";

/// What a heartbeat says.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    /// Highest generation in the journal; 0 before the first.
    pub generation_highest: u64,
    /// Highest directive number accepted; 0 before the first.
    pub directive_highest: u64,
    /// The rest, for people: an object.
    pub state: Value,
}

/// Gives the heartbeat of now.
pub type Vitals = Box<dyn Fn() -> Heartbeat + Send + Sync>;

struct Inner {
    engine_id: EngineId,
    slot: SlotId,
    waiting: Mutex<VecDeque<String>>,
    news: Notify,
}

/// Receipts on their way to the control plane. Clones share it.
#[derive(Clone)]
pub struct Outbox(Arc<Inner>);

impl Outbox {
    pub(super) fn new(engine_id: EngineId, slot: SlotId) -> Self {
        Self(Arc::new(Inner {
            engine_id,
            slot,
            waiting: Mutex::default(),
            news: Notify::new(),
        }))
    }

    /// Takes a receipt; when too many wait, the oldest goes: the newest say what is.
    pub fn put(&self, receipt: &Receipt) {
        let mut waiting = self.waiting();
        if waiting.len() >= CONTROL_RECEIPTS_WAITING_MAX {
            waiting.pop_front();
        }
        waiting.push_back(self.body(receipt).to_string());
        drop(waiting);
        self.0.news.notify_one();
    }

    fn body(&self, receipt: &Receipt) -> Value {
        let mut body =
            json!({"engine_id": self.0.engine_id, "slot": self.0.slot, "status": receipt.outcome()});
        match receipt {
            Receipt::Serving {
                generation,
                contract,
                seq,
                ..
            } => {
                body["generation"] = json!(generation);
                body["contract"] = json!(contract);
                body["seq"] = json!(seq);
            }
            Receipt::Superseded { generation, contract } => {
                body["generation"] = json!(generation);
                body["contract"] = json!(contract);
            }
            Receipt::Refused {
                generation,
                contract,
                code,
                detail,
            } => {
                body["generation"] = json!(generation);
                body["contract"] = json!(contract);
                body["code"] = json!(code);
                body["detail"] = json!(&detail[..detail.floor_char_boundary(RECEIPT_DETAIL_BYTES_MAX)]);
            }
        }
        body
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reports for ever: whenever there is a receipt, and every [`CONTROL_HEARTBEAT_MS`].
pub(super) async fn run(link: Arc<Link>, outbox: Outbox, vitals: Vitals) {
    let mut beat = interval(Duration::from_millis(CONTROL_HEARTBEAT_MS));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            () = outbox.0.news.notified() => {}
        }
        if send_receipts(&link, &outbox).await {
            send_heartbeat(&link, &outbox, &vitals()).await;
        }
        let waiting = u64::try_from(outbox.waiting().len()).unwrap_or(u64::MAX);
        link.metrics()
            .control_receipts_waiting
            .store(waiting, Ordering::Relaxed);
    }
}

/// False when the control plane does not take them now.
async fn send_receipts(link: &Link, outbox: &Outbox) -> bool {
    loop {
        let Some(body) = outbox.waiting().front().cloned() else {
            return true;
        };
        match link.client().post("/api/engines/receipts", body.clone()).await {
            Ok(()) => link.answered(RECEIPT),
            Err(error) if is_final(&error) => {
                tracing::error!(%error, receipt = body, "the control plane refuses a receipt");
                link.failed(RECEIPT, &error);
            }
            Err(error) => {
                link.failed(RECEIPT, &error);
                return false;
            }
        }
        let mut waiting = outbox.waiting();
        // The oldest may have gone meanwhile, for want of room.
        if waiting.front() == Some(&body) {
            waiting.pop_front();
        }
    }
}

async fn send_heartbeat(link: &Link, outbox: &Outbox, beat: &Heartbeat) {
    let body = json!({
        "engine_id": outbox.0.engine_id, "slot": outbox.0.slot, "generation_highest": beat.generation_highest,
        "directive_highest": beat.directive_highest, "state": beat.state,
    });
    match link
        .client()
        .post("/api/engines/heartbeats", body.to_string())
        .await
    {
        Ok(()) => link.answered(HEARTBEAT),
        Err(error) => link.failed(HEARTBEAT, &error),
    }
}

/// The same again would be refused again; a login that is wrong now may be right later.
const fn is_final(error: &AskError) -> bool {
    matches!(
        error,
        AskError::Refused {
            status: 400..=499,
            ..
        }
    ) && !matches!(
        error,
        AskError::Refused {
            status: 401 | 403 | 404 | 408 | 429,
            ..
        }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_wait_in_order_and_the_oldest_makes_room() {
        let outbox = Outbox::new(EngineId::parse("e").unwrap(), SlotId::parse("s").unwrap());
        let refused = |code: usize| Receipt::Refused {
            generation: None,
            contract: None,
            code: code.to_string(),
            detail: "é".repeat(RECEIPT_DETAIL_BYTES_MAX),
        };
        (0..=CONTROL_RECEIPTS_WAITING_MAX).for_each(|n| outbox.put(&refused(n)));
        let waiting = outbox.waiting();
        assert_eq!(waiting.len(), CONTROL_RECEIPTS_WAITING_MAX);
        let oldest: Value = serde_json::from_str(&waiting[0]).unwrap();
        assert_eq!(
            (&oldest["code"], &oldest["status"]),
            (&"1".into(), &"refused".into())
        );
        assert!(oldest["generation"].is_null());
        assert!(oldest["detail"].as_str().unwrap().len() <= RECEIPT_DETAIL_BYTES_MAX);
    }

    #[test]
    fn only_what_would_be_refused_again_is_given_up() {
        let refused = |status| AskError::Refused {
            status,
            code: String::new(),
        };
        assert!(is_final(&refused(400)) && is_final(&refused(422)));
        for later in [401, 403, 404, 429, 500, 503] {
            assert!(!is_final(&refused(later)), "{later}");
        }
        assert!(!is_final(&AskError::TimedOut));
    }
}
