//! The feed of a live engine: what it is asked for, and what is held of it already.

use std::cell::RefCell;
use std::sync::{Arc, PoisonError};

use contracts::ids::InstrumentId;
use contracts::native::FeedMode;
use contracts::time::UtcMillis;
use strategy::calendar::Calendar;

use super::follow::Accepted as AcceptedContracts;
use super::{LiveError, LiveOptions};
use crate::core::{ClockMode, CoreOptions};
use crate::drivers::warm::KnownHistory;
use crate::feeds::credentials::Credentials;
use crate::feeds::history::{History as FeedHistory, MemoryHistory};
use crate::feeds::symbols::{Symbol, SymbolTable};
use crate::feeds::{FeedError, FeedHandle, FeedOptions, FeedService};

/// The newest close held of an instrument: journaled, or known from the history files.
pub(super) fn held(
    carry: &crate::journal::Carry,
    history: &KnownHistory,
    name: &InstrumentId,
) -> Option<UtcMillis> {
    let journaled = carry.last_close.get(name.as_str()).copied();
    journaled.or_else(|| history.bars.get(name)?.last().map(|bar| bar.close_time))
}

/// The history files as the feed's source for what it cannot deliver again; sessions are those of the newest contract, and
/// before the first nothing is due.
pub(super) fn feed_history(
    history: &KnownHistory,
    instruments: &[InstrumentId],
    accepted: &AcceptedContracts,
) -> Box<dyn FeedHistory> {
    let bars = instruments
        .iter()
        .map(|name| history.bars.get(name).cloned().unwrap_or_default())
        .collect();
    let accepted = Arc::clone(accepted);
    let known: RefCell<Option<(u64, Calendar)>> = RefCell::default();
    Box::new(MemoryHistory::new(bars, move |_, close| {
        let accepted = accepted.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((generation, verified)) = accepted.iter().max_by_key(|(generation, _)| **generation) else {
            return false;
        };
        let mut known = known.borrow_mut();
        if known.as_ref().is_none_or(|(of, _)| of != generation) {
            let calendar = Calendar::new(&verified.contract.feature_contract.calendar);
            *known = calendar.ok().map(|calendar| (*generation, calendar));
        }
        known
            .as_ref()
            .is_some_and(|(_, calendar)| calendar.in_session(close))
    }))
}

/// Tells the wall time.
pub(super) type WallNow = Box<dyn Fn() -> contracts::time::UnixNanos + Send>;

pub(super) fn feed(
    options: &LiveOptions,
    core: &CoreOptions,
    after: Vec<Option<UtcMillis>>,
    history: Option<Box<dyn FeedHistory>>,
) -> Result<(FeedService<WallNow>, FeedHandle), LiveError> {
    let config = &options.config.feed;
    let symbols = config.instruments.iter().map(|(instrument, vendor)| Symbol {
        instrument: instrument.clone(),
        vendor: vendor.as_str().into(),
    });
    let symbols = SymbolTable::new(symbols.collect(), core.series.to_vec())?;
    let credentials = Credentials::named(
        config.api_key_env.as_deref(),
        config.api_secret_env.as_deref(),
        |name| std::env::var(name).ok(),
    )
    .map_err(FeedError::from)?;
    let clock = Arc::clone(&options.clock);
    let feed = FeedOptions {
        after,
        expects: Some(match core.clock {
            ClockMode::Wall => FeedMode::Live,
            ClockMode::Feed => FeedMode::Replay,
        }),
        limits: options.feed_limits,
        credentials,
        ca_file: config.ca_file.clone(),
        ..FeedOptions::new(
            config.url.clone(),
            config.codec,
            symbols,
            u64::from(std::process::id()),
        )
    };
    let now: WallNow = Box::new(move || clock.now());
    Ok(FeedService::new(feed, now, history)?)
}
