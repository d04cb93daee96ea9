//! Syncing beside the writer: under `process` durability what is written reaches the disk within a second or so.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::disk::DiskFile;
use super::shared::{Segment, Shared};
use crate::clock::SharedClock;
use crate::metrics::{Metrics, Stage};

/// Times every sync of a journal, wherever it runs.
pub(super) struct SyncMeter {
    pub clock: SharedClock,
    pub metrics: Arc<Metrics>,
}

/// Something to sync, on whatever thread may wait for the disk.
pub struct SyncRequest {
    shared: Arc<Shared>,
    segment: Arc<Segment>,
    file: Arc<dyn DiskFile>,
    through_lsn: u64,
}

impl SyncRequest {
    pub(super) fn new(
        shared: &Arc<Shared>,
        segment: &Arc<Segment>,
        file: &Arc<dyn DiskFile>,
        through_lsn: u64,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            segment: Arc::clone(segment),
            file: Arc::clone(file),
            through_lsn,
        }
    }

    /// Syncs, and tells the writer how far the disk has it. Before it, every earlier segment has been synced.
    ///
    /// # Errors
    /// The cause; the writer then refuses everything.
    pub fn run(&self) -> io::Result<()> {
        let meter = self.shared.sync_meter.get();
        let begun = meter.map(|meter| meter.clock.now());
        let synced = self.file.sync();
        if let (Some(meter), Some(begun)) = (meter, begun) {
            let taken_ns = meter.clock.now().0 - begun.0;
            meter.metrics.stage(Stage::JournalSync).record_ns(taken_ns);
        }
        let outcome = synced.and_then(|()| {
            if self.segment.entry_synced.load(Ordering::Acquire) {
                return Ok(());
            }
            self.shared.disk.sync_dir()?;
            self.segment.entry_synced.store(true, Ordering::Release);
            Ok(())
        });
        match outcome {
            Ok(()) => {
                self.shared
                    .synced_lsn
                    .fetch_max(self.through_lsn, Ordering::AcqRel);
                Ok(())
            }
            Err(error) => {
                self.shared.sync_failed.store(true, Ordering::Release);
                Err(error)
            }
        }
    }
}

impl std::fmt::Debug for SyncRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SyncRequest")
            .field("through_lsn", &self.through_lsn)
            .finish_non_exhaustive()
    }
}

/// A thread that runs [`SyncRequest`]s; ends when dropped, after the one in hand.
#[derive(Debug)]
pub struct Syncer {
    sender: Option<SyncSender<SyncRequest>>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn spawn() -> io::Result<Self> {
        let (sender, receiver) = sync_channel::<SyncRequest>(1);
        let thread = std::thread::Builder::new()
            .name("journal-sync".into())
            .spawn(move || {
                for request in receiver {
                    if let Err(error) = request.run() {
                        // The writer finds the mark that `run` left, and stops.
                        tracing::error!(%error, "the journal cannot be synced");
                    }
                }
            })?;
        Ok(Self {
            sender: Some(sender),
            thread: Some(thread),
        })
    }

    /// Hands over a request; false when the last one still waits: it may be dropped, the next covers it.
    pub fn offer(&self, request: SyncRequest) -> bool {
        self.sender
            .as_ref()
            .is_some_and(|sender| sender.try_send(request).is_ok())
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        drop(self.sender.take());
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been reported by the panic hook.
            drop(thread.join());
        }
    }
}
