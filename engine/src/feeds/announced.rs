//! Whether the source is what the engine's clock is for, by its own word.
//!
//! A replay on the wall clock could be traded as if it were the market, a live feed on the feed's clock would be called
//! simulated. So under the feed's clock nothing is taken before the source has said that it is a replay, and under the wall clock
//! a connection that says so is given up.

use contracts::native::FeedMode;

use super::event::{FeedEvent, FeedRefusal};

/// What one connection was expected to be, and what it has said.
pub(super) struct Announced {
    expected: Option<FeedMode>,
    said: Option<FeedMode>,
}

impl Announced {
    /// `None` takes whatever comes.
    pub(super) const fn new(expected: Option<FeedMode>) -> Self {
        Self { expected, said: None }
    }

    /// A new connection, which has said nothing.
    pub(super) const fn connected(&mut self) {
        self.said = None;
    }

    /// Lets through what may be taken of the events from position `from` on; what may not becomes a counted refusal.
    ///
    /// # Errors
    /// When the connection must end; nothing that came with the word or after it is left.
    pub(super) fn pass(&mut self, events: &mut Vec<FeedEvent>, from: usize) -> Result<(), FeedRefusal> {
        let Some(expected) = self.expected else {
            return Ok(());
        };
        for at in from..events.len() {
            match events[at] {
                FeedEvent::Hello { mode, .. } => {
                    self.said = Some(mode);
                    if (expected, mode) == (FeedMode::Live, FeedMode::Replay) {
                        events.truncate(at);
                        return Err(FeedRefusal::Replay);
                    }
                }
                FeedEvent::Bar { .. } | FeedEvent::Macro { .. } | FeedEvent::Gap { .. }
                    if expected == FeedMode::Replay && self.said != Some(FeedMode::Replay) =>
                {
                    events[at] = FeedEvent::Ignored {
                        reason: FeedRefusal::Unannounced,
                    };
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use contracts::native::Speed;
    use contracts::time::UtcMillis;

    use super::*;
    use crate::core::input::InstrumentIndex;

    const GAP: FeedEvent = FeedEvent::Gap {
        instrument: InstrumentIndex(0),
        from: UtcMillis(1),
        to: UtcMillis(2),
    };
    const UNANNOUNCED: FeedEvent = FeedEvent::Ignored {
        reason: FeedRefusal::Unannounced,
    };

    const fn hello(mode: FeedMode) -> FeedEvent {
        FeedEvent::Hello {
            mode,
            speed: Speed::Max,
        }
    }

    fn passed(announced: &mut Announced, events: &[FeedEvent]) -> (Result<(), FeedRefusal>, Vec<FeedEvent>) {
        let mut events = events.to_vec();
        (announced.pass(&mut events, 0), events)
    }

    #[test]
    fn for_a_replay_nothing_is_taken_before_it_is_announced() {
        let mut announced = Announced::new(Some(FeedMode::Replay));
        assert_eq!(passed(&mut announced, &[GAP]), (Ok(()), vec![UNANNOUNCED]));
        let replay = hello(FeedMode::Replay);
        let mixed = [GAP, replay, GAP, FeedEvent::Heartbeat];
        let taken = vec![UNANNOUNCED, replay, GAP, FeedEvent::Heartbeat];
        assert_eq!(passed(&mut announced, &mixed), (Ok(()), taken));
        announced.connected();
        assert_eq!(
            passed(&mut announced, &[GAP]).1,
            [UNANNOUNCED],
            "each connection anew"
        );
        let live = hello(FeedMode::Live);
        assert_eq!(passed(&mut announced, &[live, GAP]).1, [live, UNANNOUNCED]);
    }

    #[test]
    fn for_the_market_a_replay_ends_the_connection() {
        let mut announced = Announced::new(Some(FeedMode::Live));
        let live = hello(FeedMode::Live);
        assert_eq!(
            passed(&mut announced, &[GAP, live, GAP]),
            (Ok(()), vec![GAP, live, GAP])
        );
        let refused = passed(&mut announced, &[GAP, hello(FeedMode::Replay), GAP]);
        assert_eq!(refused, (Err(FeedRefusal::Replay), vec![GAP]));
    }

    #[test]
    fn who_expects_nothing_takes_everything() {
        let mut announced = Announced::new(None);
        let all = [GAP, hello(FeedMode::Replay), GAP, hello(FeedMode::Live), GAP];
        assert_eq!(passed(&mut announced, &all), (Ok(()), all.to_vec()));
    }
}
