//! Reported positions: one owner per instrument, in order, handed to the core as inputs.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use contracts::action::PositionSource;
use contracts::reason::Position;
use contracts::time::UtcMillis;
use contracts::wire::{ErrorCode, PositionReport};

use super::hub::Hub;
use crate::config::{Scope, TokenEntry};
use crate::core::input::InstrumentIndex;

/// The core's inbox has no room now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboxFull;

/// Where accepted reports go: the core's input.
pub trait PositionSink: Send + Sync + 'static {
    /// Hands a report over without waiting.
    ///
    /// # Errors
    /// [`InboxFull`]: the client is told `busy` and sends it again.
    fn report(
        &self,
        instrument: InstrumentIndex,
        position: Position,
        as_of: UtcMillis,
    ) -> Result<(), InboxFull>;
}

/// One connection, for ownership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientId(pub u64);

#[derive(Debug, Clone, Copy)]
struct Desk {
    owner: Option<ClientId>,
    last_as_of: Option<UtcMillis>,
}

/// Why a report is refused: what the client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRefused {
    /// The word.
    pub code: ErrorCode,
    /// For people.
    pub detail: String,
}

/// Ownership and order of reports. A mutex: reports are rare, and no core ever comes here.
pub struct PositionDesk {
    desks: Mutex<HashMap<InstrumentIndex, Desk>>,
    sink: Arc<dyn PositionSink>,
}

impl fmt::Debug for PositionDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PositionDesk")
            .field("desks", &self.desks)
            .finish_non_exhaustive()
    }
}

impl PositionDesk {
    /// `last` = the newest accepted report per instrument, as the journal has it.
    #[must_use]
    pub fn new(
        sink: Arc<dyn PositionSink>,
        last: impl IntoIterator<Item = (InstrumentIndex, UtcMillis)>,
    ) -> Self {
        let desk = |as_of| Desk {
            owner: None,
            last_as_of: Some(as_of),
        };
        Self {
            desks: Mutex::new(
                last.into_iter()
                    .map(|(index, as_of)| (index, desk(as_of)))
                    .collect(),
            ),
            sink,
        }
    }

    /// Takes one report.
    ///
    /// # Errors
    /// [`ReportRefused`] with the word for the client; the stream goes on.
    pub fn report(
        &self,
        client: ClientId,
        token: &TokenEntry,
        report: &PositionReport,
        hub: &Hub,
    ) -> Result<(), ReportRefused> {
        let refuse = |code, detail: String| Err(ReportRefused { code, detail });
        let name = &report.instrument;
        if !token.scopes.contains(&Scope::PositionsWrite) {
            return refuse(
                ErrorCode::Forbidden,
                format!("this token does not have the scope {}", Scope::PositionsWrite),
            );
        }
        if token
            .instruments
            .as_ref()
            .is_some_and(|list| !list.contains(name))
        {
            return refuse(ErrorCode::Forbidden, format!("this token does not cover {name}"));
        }
        let Some(index) = hub.index_of(name.as_str()) else {
            return refuse(
                ErrorCode::UnknownInstrument,
                format!("{name} is not an instrument of this slot"),
            );
        };
        if hub.serving().position_source != PositionSource::Feedback {
            return refuse(
                ErrorCode::WrongMode,
                "the contract takes positions from the engine's own signals".into(),
            );
        }
        let mut desks = self.desks.lock().unwrap_or_else(PoisonError::into_inner);
        let desk = desks.entry(index).or_insert(Desk {
            owner: None,
            last_as_of: None,
        });
        if desk.owner.is_some_and(|owner| owner != client) {
            return refuse(
                ErrorCode::NotOwner,
                format!("another stream reports the position of {name}"),
            );
        }
        if let Some(last) = desk.last_as_of.filter(|last| report.as_of < *last) {
            return refuse(
                ErrorCode::StalePosition,
                format!(
                    "as_of {} is older than the last accepted report, {last}",
                    report.as_of
                ),
            );
        }
        if self.sink.report(index, report.position, report.as_of).is_err() {
            return refuse(
                ErrorCode::Busy,
                "the engine cannot take a report now: send it again".into(),
            );
        }
        *desk = Desk {
            owner: Some(client),
            last_as_of: Some(report.as_of),
        };
        Ok(())
    }

    /// A stream has ended: its instruments have no owner.
    pub fn release(&self, client: ClientId) {
        let mut desks = self.desks.lock().unwrap_or_else(PoisonError::into_inner);
        for desk in desks.values_mut().filter(|desk| desk.owner == Some(client)) {
            desk.owner = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::hub::Serving;
    use super::super::testing::hub;
    use super::*;
    use contracts::hash::TokenHash;
    use contracts::ids::InstrumentId;

    #[derive(Default)]
    struct Inbox(Mutex<Vec<(u32, i8, i64)>>);
    impl PositionSink for Inbox {
        fn report(
            &self,
            instrument: InstrumentIndex,
            position: Position,
            as_of: UtcMillis,
        ) -> Result<(), InboxFull> {
            let mut inbox = self.0.lock().unwrap();
            if inbox.len() == 3 {
                return Err(InboxFull);
            }
            inbox.push((instrument.0, position.as_i8(), as_of.0));
            Ok(())
        }
    }

    fn report(name: &str, position: Position, as_of: i64) -> PositionReport {
        PositionReport {
            instrument: InstrumentId::parse(name).unwrap(),
            position,
            as_of: UtcMillis(as_of),
        }
    }

    #[test]
    fn one_owner_in_order_and_only_in_feedback_mode() {
        let (hub, _publisher) = hub(4, 1);
        let inbox = Arc::new(Inbox::default());
        let desk = PositionDesk::new(Arc::clone(&inbox) as _, [(InstrumentIndex(1), UtcMillis(50))]);
        let mut token = TokenEntry {
            name: "t".into(),
            sha256: TokenHash::of(b"t"),
            scopes: vec![Scope::PositionsWrite],
            expires: UtcMillis(i64::MAX),
            instruments: None,
        };
        let (one, two) = (ClientId(1), ClientId(2));
        let code = |result: Result<(), ReportRefused>| result.unwrap_err().code;
        let long = |as_of| report("A", Position::Long, as_of);
        assert_eq!(
            code(desk.report(one, &token, &long(1), &hub)),
            ErrorCode::WrongMode
        );
        hub.set_serving(Serving {
            position_source: PositionSource::Feedback,
            ..Serving::default()
        });
        assert_eq!(desk.report(one, &token, &long(10), &hub), Ok(()));
        assert_eq!(
            code(desk.report(two, &token, &long(11), &hub)),
            ErrorCode::NotOwner
        );
        assert_eq!(
            code(desk.report(one, &token, &long(9), &hub)),
            ErrorCode::StalePosition
        );
        assert_eq!(
            desk.report(one, &token, &report("A", Position::Flat, 10), &hub),
            Ok(())
        );
        assert_eq!(
            code(desk.report(two, &token, &report("B", Position::Short, 49), &hub)),
            ErrorCode::StalePosition,
            "the order holds across a restart"
        );
        assert_eq!(
            code(desk.report(two, &token, &report("C", Position::Short, 1), &hub)),
            ErrorCode::UnknownInstrument
        );
        desk.release(one);
        assert_eq!(
            desk.report(two, &token, &report("A", Position::Short, 12), &hub),
            Ok(())
        );
        assert_eq!(code(desk.report(two, &token, &long(13), &hub)), ErrorCode::Busy);
        token.instruments = Some(vec![InstrumentId::parse("B").unwrap()]);
        assert_eq!(
            code(desk.report(two, &token, &long(13), &hub)),
            ErrorCode::Forbidden
        );
        token.scopes.clear();
        assert_eq!(
            code(desk.report(two, &token, &long(13), &hub)),
            ErrorCode::Forbidden
        );
        assert_eq!(*inbox.0.lock().unwrap(), [(0, 1, 10), (0, 0, 10), (0, -1, 12)]);
    }
}
