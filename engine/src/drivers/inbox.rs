//! What reaches a live driver beside the feed: control inputs that want an acknowledgement, reported positions, contracts to be
//! noted in the journal, daily values from a file. All are bounded and lock-free to look into; whoever puts something in wakes the driver.

use std::sync::Arc;

use contracts::reason::Position;
use contracts::time::UtcMillis;
use crossbeam::queue::ArrayQueue;
use tokio::sync::{Notify, oneshot};

use crate::bundle::Verified;
use crate::core::macro_feed::MacroValue;
use crate::core::{Input, InstrumentIndex};
use crate::edges::positions::{InboxFull, PositionSink};
use crate::limits::{CONTRACTS_WAITING_MAX, DAILY_WAITING_MAX, POSITIONS_WAITING_MAX};

/// A contract whose acceptance the journal must hold before it is published.
pub struct Acceptance {
    /// The contract.
    pub verified: Arc<Verified>,
    /// Told when the journal holds it.
    pub journaled: oneshot::Sender<()>,
}

/// The shared inbox of one driver.
pub struct Inbox {
    positions: ArrayQueue<Input>,
    daily: ArrayQueue<Input>,
    contracts: ArrayQueue<Acceptance>,
    wake: Notify,
}

impl Default for Inbox {
    fn default() -> Self {
        Self {
            positions: ArrayQueue::new(POSITIONS_WAITING_MAX),
            daily: ArrayQueue::new(DAILY_WAITING_MAX),
            contracts: ArrayQueue::new(CONTRACTS_WAITING_MAX),
            wake: Notify::new(),
        }
    }
}

impl Inbox {
    /// Makes the driver look.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Waits until somebody wakes the driver.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    /// The next reported position.
    #[must_use]
    pub fn position(&self) -> Option<Input> {
        self.positions.pop()
    }

    /// The next daily value.
    #[must_use]
    pub fn daily(&self) -> Option<Input> {
        self.daily.pop()
    }

    /// Hands a daily value to the driver; false when there is no room now.
    #[must_use]
    pub fn arrived(&self, value: &MacroValue) -> bool {
        let input = Input::Macro {
            series: value.series,
            date: value.date,
            value: value.value,
            arrived_at: value.arrived_at,
        };
        let taken = self.daily.push(input).is_ok();
        self.wake();
        taken
    }

    /// The next accepted contract.
    #[must_use]
    pub fn contract(&self) -> Option<Acceptance> {
        self.contracts.pop()
    }

    /// Has `verified` noted in the journal; returns when it is, or false when the driver has ended. Called from a thread that
    /// runs no runtime.
    #[must_use]
    pub fn note_contract(&self, verified: Arc<Verified>) -> bool {
        let (journaled, done) = oneshot::channel();
        if self.contracts.push(Acceptance { verified, journaled }).is_err() {
            return false;
        }
        self.wake();
        done.blocking_recv().is_ok()
    }

    /// Lets go of what waits: the driver has ended.
    pub fn close(&self) {
        while self.contracts.pop().is_some() {}
    }
}

/// Reported positions on their way in.
pub struct PositionInbox(pub Arc<Inbox>);

impl PositionSink for PositionInbox {
    fn report(
        &self,
        instrument: InstrumentIndex,
        position: Position,
        as_of: UtcMillis,
    ) -> Result<(), InboxFull> {
        let input = Input::Position {
            instrument,
            position,
            as_of,
        };
        self.0.positions.push(input).map_err(|_| InboxFull)?;
        self.0.wake();
        Ok(())
    }
}
