//! The past as the signal hub and `/v1/bars` ask for it.

use std::sync::atomic::Ordering;

use contracts::bar::Bar;
use contracts::time::UtcMillis;

use super::cursor::Cursor;
use super::error::ReadError;
use super::frames::read_head;
use super::render::{effect, message};
use super::shared::JournalReader;
use crate::core::record::{Kind, Record, bar_key};
use crate::edges::history::{History, HistoryEntry, HistoryError};

impl From<ReadError> for HistoryError {
    fn from(error: ReadError) -> Self {
        Self {
            detail: error.to_string(),
            source: Some(Box::new(error)),
        }
    }
}

impl JournalReader {
    /// The cursor `make` gives for the oldest place that is kept, should retention run meanwhile.
    fn oldest(&self, make: impl Fn(&Self) -> Result<Cursor, ReadError>) -> Result<Cursor, ReadError> {
        loop {
            let oldest = self.oldest_lsn();
            match make(self) {
                Err(ReadError::Gone { .. }) if self.oldest_lsn() != oldest => {}
                made => return made,
            }
        }
    }

    /// A cursor that stands before every bar of `instrument` that closed at or after `from`.
    fn before_bar(&self, instrument: &str, from: UtcMillis) -> Result<Cursor, ReadError> {
        let segments = self.0.segments.load_full();
        for segment in segments.iter().rev() {
            let file = segment.open(&*self.0.disk)?;
            let head = read_head(&*file).map_err(|error| segment.io(error))?;
            let (head, _) = head.ok_or_else(|| ReadError::Corrupt {
                file: segment.name.clone(),
                offset: 0,
            })?;
            if head
                .carry
                .last_close
                .get(instrument)
                .is_none_or(|last| *last < from)
            {
                return self.from_lsn(segment.first_lsn);
            }
        }
        self.from_lsn(self.oldest_lsn())
    }

    /// Calls `each` for every accepted bar of `instrument` with from ≤ close_time ≤ to, ascending, until it says stop.
    ///
    /// # Errors
    /// [`ReadError`] when a file cannot be read or holds a bad record.
    pub fn bars_between(
        &self,
        instrument: &str,
        from: UtcMillis,
        to: UtcMillis,
        mut each: impl FnMut(Bar) -> bool,
    ) -> Result<(), ReadError> {
        let mut cursor = self.oldest(|reader| reader.before_bar(instrument, from))?;
        while let Some(read) = cursor.read()? {
            if read.header.kind != Kind::Bar {
                continue;
            }
            match bar_key(read.payload) {
                Ok((name, _)) if name != instrument => continue,
                // An instrument's accepted bars ascend.
                Ok((_, close_time)) if close_time > to => break,
                Ok((_, close_time)) if close_time < from => continue,
                _ => {}
            }
            if let Record::Bar(bar) = read.record()?
                && !each(bar.bar)
            {
                break;
            }
        }
        Ok(())
    }
}

impl History for JournalReader {
    fn oldest_seq(&self) -> u64 {
        self.0
            .segments
            .load()
            .first()
            .map_or(1, |segment| segment.first_seq)
    }

    fn read(&self, from_seq: u64, max: usize, out: &mut Vec<HistoryEntry>) -> Result<(), HistoryError> {
        if from_seq >= self.0.committed_next_seq.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut cursor = self.oldest(|reader| reader.from_seq(from_seq.max(reader.oldest_seq())))?;
        let full = out.len() + max;
        while out.len() < full
            && let Some(read) = cursor.read()?
        {
            if read.header.seq < from_seq {
                continue;
            }
            let record = read.record()?;
            if let (Some(message), Some(effect)) = (message(&read.header, &record), effect(&record)) {
                out.push(HistoryEntry {
                    seq: read.header.seq,
                    instrument: effect.instrument.map(Into::into),
                    text: message.to_json(),
                });
            }
        }
        Ok(())
    }

    fn bars(
        &self,
        instrument: &str,
        from: UtcMillis,
        to: UtcMillis,
        max: usize,
        out: &mut Vec<Bar>,
    ) -> Result<(), HistoryError> {
        let full = out.len() + max;
        if max == 0 {
            return Ok(());
        }
        Ok(self.bars_between(instrument, from, to, |bar| {
            out.push(bar);
            out.len() < full
        })?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use contracts::action::Raw;
    use contracts::reason::{LiveState, Position, Withheld};
    use contracts::time::UnixNanos;

    use super::super::sim::SimDisk;
    use super::super::{JournalOptions, Start, Writer, open};
    use super::*;
    use crate::core::record::{BarRecord, BootId, Outcome, Records};

    const STEP_MS: i64 = 300_000;

    fn bar(n: i64) -> Bar {
        Bar {
            close_time: UtcMillis(n * STEP_MS),
            open: 1.0,
            high: 1.0,
            low: 1.0,
            close: 1.0,
            volume: 0.0,
        }
    }

    fn written(bars: i64) -> Writer {
        let options = JournalOptions {
            segment_bytes: 2_000,
            ..JournalOptions::default()
        };
        let start = Start {
            time: UnixNanos(0),
            boot: BootId([1; 16]),
            engine_version: "test",
            shards: 1,
            instruments: &["A", "B"],
        };
        let mut writer = open(Arc::new(SimDisk::default()), options)
            .unwrap()
            .start(&start)
            .unwrap();
        for n in 1..=bars {
            let mut records = Records::default();
            if writer.wants_snapshot(0) {
                records.push_snapshot(0, 1, b"state");
            }
            for instrument in ["A", "B"] {
                records.push_bar(&BarRecord {
                    instrument,
                    bar: bar(n),
                    received_at: UnixNanos(n),
                    now: UnixNanos(n),
                    decided_at: UnixNanos(n),
                    backfilled: false,
                    simulated: false,
                    origin: None,
                    observation: &[],
                    raw: Raw::None,
                    confidence: 0.0,
                    outcome: Outcome::Withheld {
                        reason: Withheld::Warming,
                        series: "",
                    },
                    position_before: Position::Flat,
                    position_after: Position::Flat,
                    generation: 0,
                    model_id: "",
                    contract: [0; 32],
                });
            }
            records.push_state(None, LiveState::Live, UtcMillis(n));
            writer.append(&mut records, UnixNanos(n)).unwrap();
            writer.commit().unwrap();
        }
        writer
    }

    #[test]
    fn messages_come_in_pages_and_each_seq_once() {
        let writer = written(50);
        let reader = writer.reader();
        assert!(reader.segments().len() > 5);
        let mut all = Vec::new();
        let mut from = 1;
        loop {
            let before = all.len();
            reader.read(from, 7, &mut all).unwrap();
            if all.len() == before {
                break;
            }
            assert!(all.len() - before <= 7);
            from = all.last().unwrap().seq + 1;
        }
        assert_eq!(
            all.iter().map(|entry| entry.seq).collect::<Vec<_>>(),
            (1..=150).collect::<Vec<_>>()
        );
        assert_eq!(all[0].instrument.as_deref(), Some("A"));
        assert_eq!(all[2].instrument, None);
        assert!(
            all[1]
                .text
                .starts_with(r#"{"type":"withheld","seq":2,"instrument":"B""#),
            "{}",
            all[1].text
        );
    }

    #[test]
    fn below_retention_it_begins_with_the_oldest_kept() {
        let mut writer = written(50);
        assert!(writer.retain(UnixNanos(400 * 86_400_000_000_000)).unwrap() > 0);
        let reader = writer.reader();
        let oldest = History::oldest_seq(&reader);
        assert!(oldest > 1);
        let mut page = Vec::new();
        reader.read(1, 3, &mut page).unwrap();
        assert_eq!(page[0].seq, oldest);
    }

    #[test]
    fn bars_are_found_by_time() {
        let reader = written(50).reader();
        for (from, to) in [(1, 50), (20, 30), (50, 60), (0, 0), (51, 60), (49, 49)] {
            let mut found = Vec::new();
            reader
                .bars(
                    "B",
                    UtcMillis(from * STEP_MS),
                    UtcMillis(to * STEP_MS),
                    1_000,
                    &mut found,
                )
                .unwrap();
            let times: Vec<i64> = found.iter().map(|bar| bar.close_time.0 / STEP_MS).collect();
            assert_eq!(times, (from.max(1)..=to.min(50)).collect::<Vec<_>>());
        }
        let mut found = Vec::new();
        reader
            .bars("A", UtcMillis(0), UtcMillis(i64::MAX), 3, &mut found)
            .unwrap();
        assert_eq!(found.len(), 3);
        found.clear();
        reader
            .bars("C", UtcMillis(0), UtcMillis(i64::MAX), 3, &mut found)
            .unwrap();
        assert!(found.is_empty());
    }
}
