//! A first walk through the journal: how long it is, which series it names, and where verification can begin.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use contracts::ids::{InstrumentId, SeriesId};

use super::VerifyError;
use crate::core::record::{Kind, Record};
use crate::core::snapshot::CoreImage;
use crate::journal::JournalReader;
use crate::limits::SERIES_MAX;

/// The cores and instruments of the oldest snapshots.
pub(super) struct Layout {
    pub instruments: Arc<[InstrumentId]>,
    pub shards: u16,
}

pub(super) struct Survey {
    pub records: u64,
    pub series: Vec<SeriesId>,
    /// `None` when the journal begins with its first record.
    pub begins_with_snapshots: Option<Layout>,
    pub torn_bytes: u64,
}

impl Survey {
    pub fn of(reader: &JournalReader) -> Result<Self, VerifyError> {
        let mut cursor = reader.from_lsn(reader.oldest_lsn())?;
        let (mut records, mut end) = (0, None);
        let mut series = BTreeSet::new();
        let mut snapshots: BTreeMap<u16, Vec<InstrumentId>> = BTreeMap::new();
        let mut layout = None;
        let mut begins_with_start = false;
        while let Some(read) = cursor.read()? {
            records += 1;
            end = Some((
                read.file.to_owned(),
                read.offset + (crate::core::record::HEADER_BYTES + read.payload.len()) as u64,
            ));
            match read.header.kind {
                Kind::Start if snapshots.is_empty() => begins_with_start = true,
                Kind::Macro => {
                    if let Record::Macro(value) = read.record()?
                        && let Ok(name) = SeriesId::parse(value.series)
                    {
                        series.insert(name);
                    }
                }
                Kind::Snapshot if layout.is_none() && !begins_with_start => {
                    if let Record::Snapshot(snapshot) = read.record()? {
                        let lsn = read.header.lsn;
                        let image =
                            CoreImage::parse(snapshot.state).map_err(|_| VerifyError::Snapshot { lsn })?;
                        let names = image.slots.iter().map(|slot| InstrumentId::parse(&slot.name));
                        let names: Result<_, _> = names.collect();
                        snapshots.insert(snapshot.shard, names.map_err(|_| VerifyError::Snapshot { lsn })?);
                        if snapshots.len() == usize::from(snapshot.shards) {
                            // Dense indices follow the names.
                            let mut all: Vec<InstrumentId> =
                                std::mem::take(&mut snapshots).into_values().flatten().collect();
                            all.sort();
                            layout = Some(Layout {
                                instruments: all.into(),
                                shards: snapshot.shards,
                            });
                        }
                    }
                }
                _ => {}
            }
        }
        if series.len() > SERIES_MAX {
            return Err(VerifyError::Series);
        }
        let torn_bytes = match (&end, reader.segments().last()) {
            (Some((file, end)), Some(last)) if last.name == *file => last.bytes.saturating_sub(*end),
            _ => 0,
        };
        Ok(Self {
            records,
            series: series.into_iter().collect(),
            begins_with_snapshots: layout,
            torn_bytes,
        })
    }
}
