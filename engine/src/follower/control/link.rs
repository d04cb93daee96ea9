//! What is known of the slot's desired state, and the task that keeps it known.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use contracts::ids::SlotId;
use contracts::limits::CONTRACT_BYTES_MAX;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use super::client::{AskError, Client};
use super::events::Events;
use crate::clock::SharedClock;
use crate::follower::Bell;
use crate::limits::{
    CONTROL_ANSWER_WITHIN_MS, CONTROL_BACKOFF_FIRST_MS, CONTROL_BACKOFF_MAX_MS, CONTROL_IDLE_MS,
    CONTROL_POLL_MS,
};
use crate::metrics::Metrics;
use crate::net::Backoff;

/// As the log names it.
const STREAM: &str = "the stream of events";

/// One of the two documents.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Document {
    /// No answer since the start.
    #[default]
    Unasked,
    /// The control plane says that there is none.
    Absent,
    /// As it came.
    Present(Vec<u8>),
}

impl Document {
    /// Takes a newer answer, where there is one; true when it is another.
    fn renew(&mut self, newer: Option<Self>) -> bool {
        match newer {
            Some(newer) if newer != *self => {
                *self = newer;
                true
            }
            _ => false,
        }
    }
}

/// The newest answers; an answer stays when the control plane goes away.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub contract: Document,
    pub directive: Document,
    /// There was a first attempt, whatever became of it.
    asked: bool,
}

/// The connection to the control plane, as everybody here shares it.
pub(super) struct Link {
    client: Client,
    slot: SlotId,
    bell: Bell,
    metrics: Arc<Metrics>,
    clock: SharedClock,
    known: Mutex<Known>,
    /// Told when the contract is another.
    contract: watch::Sender<()>,
    first: Condvar,
    /// The first answer has been waited for.
    waited: AtomicBool,
    /// What failed last and how, until it succeeds: told once.
    failing: Mutex<BTreeMap<&'static str, &'static str>>,
}

impl Link {
    pub(super) fn new(
        client: Client,
        slot: SlotId,
        bell: Bell,
        metrics: Arc<Metrics>,
        clock: SharedClock,
    ) -> Self {
        Self {
            client,
            slot,
            bell,
            metrics,
            clock,
            known: Mutex::default(),
            contract: watch::Sender::new(()),
            first: Condvar::new(),
            waited: AtomicBool::new(false),
            failing: Mutex::default(),
        }
    }

    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    pub(super) const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says when the contract is another.
    pub(super) fn contract_changes(&self) -> watch::Receiver<()> {
        self.contract.subscribe()
    }

    /// Waits for the end of the first attempt, at most so long; once.
    pub(super) fn wait_for_first(&self, at_most: Duration) {
        if self.waited.swap(true, Ordering::Relaxed) {
            return;
        }
        drop(
            self.first
                .wait_timeout_while(self.known(), at_most, |known| !known.asked),
        );
    }

    /// Follows for ever: the stream of events, and asking while there is none.
    pub(super) async fn follow(self: Arc<Self>, seed: u64) {
        let mut backoff = Backoff::new(
            Duration::from_millis(CONTROL_BACKOFF_FIRST_MS),
            Duration::from_millis(CONTROL_BACKOFF_MAX_MS),
            seed,
        );
        loop {
            self.ask_both().await;
            match self.client.events("/api/events").await {
                Ok(events) => {
                    self.metrics.control_connected.store(1, Ordering::Relaxed);
                    self.answered(STREAM);
                    tracing::info!("following the control plane");
                    backoff.reset();
                    let ended = self.listen(events).await;
                    self.metrics.control_connected.store(0, Ordering::Relaxed);
                    self.failed(STREAM, &ended);
                }
                Err(error) => self.failed(STREAM, &error),
            }
            tokio::time::sleep(backoff.next().1).await;
        }
    }

    /// Asks once the stream has begun, at every event of the slot, and now and then nevertheless; gives what ended the stream.
    async fn listen(&self, mut events: Events) -> AskError {
        let idle = Duration::from_millis(CONTROL_IDLE_MS);
        let mut poll = interval(Duration::from_millis(CONTROL_POLL_MS));
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard_at = Instant::now();
        loop {
            let heard = tokio::select! {
                heard = timeout_at(heard_at + idle, events.next()) => heard,
                // The first tick is at once.
                _ = poll.tick() => {
                    self.ask_both().await;
                    continue;
                }
            };
            heard_at = Instant::now();
            match heard {
                Ok(Ok(Some(data))) if concerns(&data, &self.slot) => self.ask_both().await,
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return error,
                Err(_) => return AskError::TimedOut,
            }
        }
    }

    /// The contract first: with a newer directive it waits for its successor, the other way round the successor would wait.
    async fn ask_both(&self) {
        let contract = self.ask("contract", "no_contract").await;
        let directive = self.ask("directive", "no_directive").await;
        let changed = {
            let mut known = self.known();
            known.asked = true;
            let contract = known.contract.renew(contract);
            if contract {
                self.contract.send_replace(());
            }
            known.directive.renew(directive) || contract
        };
        self.first.notify_all();
        if changed {
            self.bell.ring();
        }
    }

    async fn ask(&self, what: &'static str, absent: &str) -> Option<Document> {
        let path = format!("/api/slots/{}/{what}", self.slot);
        let within = Duration::from_millis(CONTROL_ANSWER_WITHIN_MS);
        let answer = match self.client.get(&path, CONTRACT_BYTES_MAX, within).await {
            Ok(bytes) => Document::Present(bytes),
            Err(AskError::Refused { status: 404, code }) if code == absent => Document::Absent,
            Err(error) => {
                self.failed(what, &error);
                return None;
            }
        };
        self.answered(what);
        Some(answer)
    }

    /// Notes that the control plane said something.
    pub(super) fn answered(&self, what: &'static str) {
        let now = u64::try_from(self.clock.now().to_millis().0).unwrap_or_default();
        self.metrics.control_contact_ms.store(now, Ordering::Relaxed);
        if self.failing().remove(what).is_some() {
            tracing::info!(what, "the control plane answers again");
        }
    }

    /// Counts a failure; the first of its kind in a row is a warning.
    pub(super) fn failed(&self, what: &'static str, error: &AskError) {
        self.metrics.control_failures.add(error.word(), 1);
        let told = self.failing().insert(what, error.word()) == Some(error.word());
        let cause = std::error::Error::source(error).map(ToString::to_string);
        if told {
            tracing::debug!(what, %error, cause, "the control plane cannot be followed now");
        } else {
            tracing::warn!(what, %error, cause, "the control plane cannot be followed now; what runs goes on");
        }
    }

    fn failing(&self) -> MutexGuard<'_, BTreeMap<&'static str, &'static str>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// True for what says that the slot's documents may be others now.
fn concerns(data: &[u8], slot: &SlotId) -> bool {
    #[derive(Deserialize)]
    #[serde(tag = "event", rename_all = "snake_case")]
    enum Change {
        Slot {
            slot: SlotId,
        },
        ReadAgain,
        #[serde(other)]
        Other,
    }
    match serde_json::from_slice(data) {
        Ok(Change::Slot { slot: changed }) => changed == *slot,
        Ok(Change::ReadAgain) => true,
        Ok(Change::Other) | Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_concerns_the_slot_wakes() {
        let slot = SlotId::parse("a").unwrap();
        for (data, expected) in [
            (r#"{"event":"slot","slot":"a"}"#, true),
            (r#"{"event":"read_again"}"#, true),
            (r#"{"event":"slot","slot":"b"}"#, false),
            (r#"{"event":"engine","slot":"a"}"#, false),
            ("no json", false),
        ] {
            assert_eq!(concerns(data.as_bytes(), &slot), expected, "{data}");
        }
    }
}
