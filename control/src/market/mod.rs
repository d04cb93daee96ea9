//! Market data: bars and daily values by month, every revision kept.
//!
//! A partition is a Parquet file in the artifact store that holds all rows of one instrument or series in one UTC month. Which file stands
//! for a month is a row of `market_revisions`, which is never changed: another value is a new revision with a row of its own, and what
//! was known at a time can be read for ever. Rows are made by an ingest ([`ingest()`]), all of one in one transaction with one audit
//! event. Whoever ingests computes here as well ([`merge`]), in the process that calls, and hands files and list in ([`publish`]).

mod file;
mod ingest;
pub mod label;
pub mod merge;
mod name;
mod partition;
pub mod publish;
mod read;
pub mod remote;
mod source;

pub use self::file::{decode, encode};
pub use self::ingest::{IngestError, Ingested, NewIngest, NewPartition, Settled, SourceText, ingest};
pub use self::name::{MarketKind, MarketName, Month, ParseMonthError};
pub use self::partition::{DailyValue, PartitionError, RowFault, Rows};
pub use self::read::{StoredMarket, StoredMarketError, assemble, find};
pub(crate) use self::source::digest;
pub use self::source::{SourceList, SourcePartition, unknown};
