//! The journal: input log, output log and resume buffer in one.
//!
//! One writer ([`Writer`]) appends batches of records to segment files and numbers them; any number of [`Cursor`]s read them, for
//! recovery, resume, `tail`, `--verify` and warm-up alike. What is claimed: within an epoch a published `seq` is never given to
//! another message and the sequence has no hole; a message that left the engine is in the journal; a journal that cannot write
//! publishes nothing more.
//!
//! A run is `open` → (recover the core) → `start` → `append`, `commit`, publish … → `stop`:
//! [`open`] cuts a torn tail and refuses corruption, [`Opened::start`] raises the epoch when published messages may have been
//! lost, [`Writer::append`] is one `write(2)`, [`Writer::commit`] makes what was appended publishable.

mod boot;
mod carry;
mod cursor;
mod disk;
mod dump;
mod error;
mod frames;
mod history;
mod marks;
mod options;
mod recover;
mod render;
mod retention;
mod segment;
mod shared;
pub mod sim;
mod sync;
mod writer;

pub use boot::{BootIdError, boot_id};
pub use carry::{Carry, EpochStart};
pub use cursor::{Cursor, Read};
pub use disk::{Disk, DiskFile, RealDisk};
pub use dump::Dump;
pub use error::{JournalError, ReadError};
pub use options::JournalOptions;
pub use recover::{Opened, Recovered, Snapshot, TornTail, open};
pub use render::{Effect, effect, message};
pub use shared::{JournalReader, SegmentInfo};
pub use sync::{SyncRequest, Syncer};
pub use writer::{Appended, Start, Writer};

#[cfg(test)]
mod power_loss;
#[cfg(test)]
mod tests;
