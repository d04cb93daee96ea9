//! The driver's thread, of either kind, and how it ends.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch;

use super::feed::WallNow;
use super::{LiveEnd, LiveError, system};
use crate::clock::SharedClock;
use crate::config::{DriverKind, EngineConfig};
use crate::core::{Core, Input};
use crate::drivers::hub_out::HubOut;
use crate::drivers::inbox::Inbox;
use crate::drivers::inline::{self, InlineParts};
use crate::drivers::intake::DriverEnd;
use crate::drivers::outlet::{Numbers, Outlet};
use crate::drivers::pipeline::{Pipeline, PipelineParts};
use crate::drivers::pump::Pump;
use crate::edges::control::ControlReceiver;
use crate::edges::hub::Hub;
use crate::feeds::{FeedHandle, FeedService};
use crate::journal::Syncer;
use crate::metrics::Metrics;

/// What any driver is made of.
pub struct DriverParts {
    /// All cores, recovered.
    pub cores: Vec<Core>,
    /// Where records go.
    pub outlet: Outlet<HubOut>,
    /// First inputs of single cores.
    pub first: Vec<(usize, Input)>,
    /// Positions and contracts.
    pub inbox: Arc<Inbox>,
    /// Halts and directives.
    pub control: ControlReceiver,
    /// Wall time.
    pub clock: SharedClock,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Syncs the journal in the background.
    pub syncer: Syncer,
    /// The feed's counters.
    pub feed: FeedHandle,
}

enum Driver {
    Inline(Box<InlineParts>),
    Pipeline(Box<Pipeline<HubOut>>),
}

/// The driver's runtime, and its handle for the first signal clients, who share it; a pipeline's feed thread may wait for room
/// in a ring, so it serves none. Nothing runs on it before [`spawn`].
///
/// # Errors
/// [`LiveError::System`].
pub fn runtime(config: &EngineConfig) -> Result<(Runtime, Option<Handle>), LiveError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("runtime"))?;
    let shared = (config.driver == DriverKind::Inline).then(|| runtime.handle().clone());
    Ok((runtime, shared))
}

/// Starts the driver's thread.
///
/// # Errors
/// [`LiveError::System`].
pub fn spawn(
    runtime: Runtime,
    config: &EngineConfig,
    parts: DriverParts,
    feed: FeedService<WallNow>,
    stop: watch::Receiver<bool>,
    ended: watch::Sender<bool>,
    hub: Arc<Hub>,
) -> Result<JoinHandle<Result<(), LiveEnd>>, LiveError> {
    let clock = Arc::clone(&parts.clock);
    let driver = make(config, parts)?;
    let thread = std::thread::Builder::new()
        .name("driver".to_owned())
        .spawn(move || {
            let tasks = tokio::task::LocalSet::new();
            let (outlet, end) = tasks.block_on(&runtime, run(driver, feed, stop));
            let outcome = match (end, outlet) {
                (None, Some(outlet)) => close(outlet, &clock),
                (end, _) => Err(end.unwrap_or(DriverEnd::Panicked).into()),
            };
            if let Err(end) = &outcome {
                hub.fault(end.fault());
            }
            ended.send_replace(true);
            // Clients of this runtime read their last messages and the close frame before it goes.
            runtime.block_on(drain(hub));
            outcome
        });
    thread.map_err(system("thread"))
}

fn make(config: &EngineConfig, parts: DriverParts) -> Result<Driver, LiveError> {
    let DriverParts {
        mut cores,
        outlet,
        first,
        inbox,
        control,
        clock,
        metrics,
        syncer,
        feed,
    } = parts;
    // The configuration allows `inline` one core only.
    if config.driver == DriverKind::Inline
        && cores.len() == 1
        && let Some(core) = cores.pop()
    {
        let pump = Pump::new(core, outlet, Arc::clone(&clock)).measured(Arc::clone(&metrics));
        return Ok(Driver::Inline(Box::new(InlineParts {
            pump,
            first: first.into_iter().map(|(_, input)| input).collect(),
            inbox,
            control,
            clock,
            metrics,
            syncer,
            feed,
        })));
    }
    let pipeline = Pipeline::start(PipelineParts {
        cores,
        outlet,
        first,
        wait: config.wait,
        inbox,
        control,
        clock,
        metrics,
        syncer,
        feed,
    });
    Ok(Driver::Pipeline(Box::new(pipeline.map_err(system("thread"))?)))
}

async fn run(
    driver: Driver,
    feed: FeedService<WallNow>,
    stop: watch::Receiver<bool>,
) -> (Option<Outlet<HubOut>>, Option<DriverEnd>) {
    match driver {
        Driver::Inline(parts) => {
            let (pump, end) = Box::pin(inline::run(*parts, feed, stop)).await;
            (Some(pump.into_parts().1), end)
        }
        Driver::Pipeline(pipeline) => pipeline.run(feed, stop).await,
    }
}

/// Waits until the hub has told its clients that it ends, and they have left.
async fn drain(hub: Arc<Hub>) {
    hub.stop();
    let mut look = tokio::time::interval(Duration::from_millis(crate::limits::DRIVER_TICK_MS));
    for _ in 0..crate::limits::DRAIN_LOOKS_MAX {
        if hub.clients() == 0 {
            return;
        }
        look.tick().await;
    }
}

fn close(outlet: Outlet<HubOut>, clock: &SharedClock) -> Result<(), LiveEnd> {
    match outlet.into_parts().0 {
        Numbers::Journal(writer) => writer.stop(clock.now()).map_err(LiveEnd::Close),
        Numbers::Counted { .. } => Ok(()),
    }
}
