//! Rows added to the macro file while the engine runs: live arrivals, for feeds that carry no macro.
//!
//! A value the engine has not seen goes through the same door as one the feed sends, with its arrival = now; another value for a
//! date that is known is a revision from now on, as it is from a feed. Rows that were there when the history was read are no news.
//! A file is read when two looks in a row find it the same, so that nobody is caught writing; one that cannot be read gives
//! nothing, is counted and logged once per fault, and is tried again. Under `clock = "feed"` nothing is watched: in a replay no
//! moment is now.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use contracts::files::read_daily;
use contracts::ids::SeriesId;
use contracts::time::{DayNumber, UtcMillis};

use crate::clock::SharedClock;
use crate::config::EngineConfig;
use crate::core::macro_feed::MacroValue;
use crate::core::{ClockMode, CoreOptions, SeriesIndex};
use crate::drivers::inbox::Inbox;
use crate::drivers::warm::KnownHistory;
use crate::limits::MACRO_FILE_PERIOD_MS;
use crate::metrics::Metrics;

/// What tells one state of a file from another without reading it.
type Stamp = (SystemTime, u64);

/// What one look found that was not known before.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Found {
    /// Values that are new or revised.
    pub values: u64,
    /// True when the file has a fault it did not have at the look before.
    pub is_new_fault: bool,
}

/// Watches one file.
#[derive(Debug)]
pub(super) struct MacroFile {
    path: PathBuf,
    series: Arc<[SeriesId]>,
    /// The newest value seen of each date, as bits.
    known: HashMap<(SeriesIndex, DayNumber), u64>,
    /// As it was at the last look.
    seen: Option<Stamp>,
    /// As it was when it was last read to the end.
    read: Option<Stamp>,
    fault: Option<String>,
    /// Found, and no room for it yet.
    waiting: VecDeque<MacroValue>,
}

/// The watcher of the configured file, where there is one and time is the wall's. Of the history read at start, what `knows` says
/// is no news.
pub(super) fn watched(
    config: &EngineConfig,
    core: &CoreOptions,
    knows: impl Fn(SeriesIndex, DayNumber, f64) -> bool,
    history: &KnownHistory,
) -> Option<MacroFile> {
    let path = config.history.as_ref()?.macro_file.as_ref()?;
    if core.clock != ClockMode::Wall {
        return None;
    }
    let mut file = MacroFile::new(path, Arc::clone(&core.series));
    for row in &history.daily {
        if let Some(series) = file.place(&row.series)
            && knows(series, row.date, row.value)
        {
            file.known.insert((series, row.date), row.value.to_bits());
        }
    }
    Some(file)
}

impl MacroFile {
    fn new(path: &Path, series: Arc<[SeriesId]>) -> Self {
        Self {
            path: path.to_owned(),
            series,
            known: HashMap::new(),
            seen: None,
            read: None,
            fault: None,
            waiting: VecDeque::new(),
        }
    }

    fn place(&self, series: &SeriesId) -> Option<SeriesIndex> {
        let at = self.series.iter().position(|known| known == series)?;
        u8::try_from(at).ok().map(SeriesIndex)
    }

    /// Looks once; `now` is the arrival of what is found. `give` takes a value, or says that it has no room.
    fn look(&mut self, now: UtcMillis, mut give: impl FnMut(&MacroValue) -> bool) -> Found {
        let found = self.find(now);
        while let Some(value) = self.waiting.front()
            && give(value)
        {
            self.waiting.pop_front();
        }
        found
    }

    fn find(&mut self, now: UtcMillis) -> Found {
        let stamp = std::fs::metadata(&self.path)
            .and_then(|metadata| Ok((metadata.modified()?, metadata.len())))
            .ok();
        if stamp != self.seen {
            self.seen = stamp;
            return Found::default();
        }
        if stamp.is_some() && stamp == self.read {
            return Found::default();
        }
        let file = match read_daily(&self.path) {
            Ok(file) => file,
            Err(error) => return self.faulty(&error),
        };
        (self.read, self.fault) = (stamp, None);
        let places: Vec<_> = file.series.iter().map(|series| self.place(series)).collect();
        let mut found = Found::default();
        for row in &file.rows {
            let Some(series) = places[row.series] else {
                continue;
            };
            let bits = row.value.to_bits();
            if self.known.insert((series, row.date), bits) != Some(bits) {
                found.values += 1;
                self.waiting.push_back(MacroValue {
                    series,
                    date: row.date,
                    value: row.value,
                    arrived_at: Some(now),
                });
            }
        }
        found
    }

    fn faulty(&mut self, error: &contracts::files::FileError) -> Found {
        let text = error.to_string();
        let is_new_fault = self.fault.as_ref() != Some(&text);
        if is_new_fault {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "the macro file cannot be used; nothing of it is taken until it can"
            );
            self.fault = Some(text);
        }
        Found {
            values: 0,
            is_new_fault,
        }
    }

    /// Looks again and again until the future is dropped.
    pub async fn run(mut self, inbox: Arc<Inbox>, clock: SharedClock, metrics: Arc<Metrics>) {
        let mut ticks = tokio::time::interval(Duration::from_millis(MACRO_FILE_PERIOD_MS));
        loop {
            ticks.tick().await;
            let (inbox, now) = (Arc::clone(&inbox), clock.now().to_millis());
            // Reading may take a while; the runtime's threads serve clients.
            let looked = tokio::task::spawn_blocking(move || {
                let found = self.look(now, |value| inbox.arrived(value));
                (self, found)
            });
            let Ok((file, found)) = looked.await else {
                return;
            };
            self = file;
            metrics
                .macro_file_values
                .fetch_add(found.values, Ordering::Relaxed);
            metrics
                .macro_file_faults
                .fetch_add(u64::from(found.is_new_fault), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scene {
        folder: tempfile::TempDir,
        file: MacroFile,
        now: i64,
    }

    impl Scene {
        fn new(text: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("macro.csv");
            let series = ["dxy", "vix"].map(|name| SeriesId::parse(name).unwrap());
            let scene = Self {
                file: MacroFile::new(&path, series.into()),
                folder,
                now: 0,
            };
            scene.write(text);
            scene
        }

        fn write(&self, text: &str) {
            std::fs::write(self.folder.path().join("macro.csv"), text).unwrap();
        }

        /// Looks until the file has been read, an hour apart; what came and what was counted.
        fn look(&mut self) -> (Vec<(u8, String, f64, i64)>, Found) {
            let mut came = Vec::new();
            let mut sum = Found::default();
            for _ in 0..3 {
                self.now += 3_600_000;
                let found = self.file.look(UtcMillis(self.now), |value| {
                    let at = value.arrived_at.unwrap().0;
                    came.push((value.series.0, value.date.to_string(), value.value, at));
                    true
                });
                sum.values += found.values;
                assert!(!(sum.is_new_fault && found.is_new_fault), "once");
                sum.is_new_fault |= found.is_new_fault;
            }
            (came, sum)
        }
    }

    fn value(series: u8, date: &str, value: f64, hour: i64) -> (u8, String, f64, i64) {
        (series, date.to_owned(), value, hour * 3_600_000)
    }

    const TWO: &str = "date,vix,other,dxy\n2026-01-02,14,1,98.4\n2026-01-05,,2,98.5\n";

    #[test]
    fn rows_never_seen_before_arrive_now_and_others_do_not() {
        let mut scene = Scene::new(TWO);
        let key = |series, date| (SeriesIndex(series), DayNumber::parse(date).unwrap());
        scene.file.known.insert(key(1, "2026-01-02"), 14f64.to_bits());
        scene.file.known.insert(key(0, "2026-01-02"), 98.4f64.to_bits());
        assert_eq!(
            scene.look().0,
            [value(0, "2026-01-05", 98.5, 2)],
            "read at the second look"
        );
        assert_eq!(scene.look(), (Vec::new(), Found::default()));
        scene.write(&format!("{TWO}2026-01-06,15,3,98.6\n"));
        let (came, found) = scene.look();
        assert_eq!(
            came,
            [value(1, "2026-01-06", 15.0, 8), value(0, "2026-01-06", 98.6, 8)]
        );
        assert_eq!(found.values, 2);
        // A past value that changes is handed on once; what it means is the core's to say.
        scene.write(&TWO.replace("98.4", "97.25"));
        assert_eq!(scene.look().0, [value(0, "2026-01-02", 97.25, 11)]);
    }

    #[test]
    fn a_file_in_the_writing_is_left_alone() {
        let mut scene = Scene::new(TWO);
        scene.look();
        let mut take = |text: &str| {
            scene.write(text);
            scene.file.look(UtcMillis(1), |_| true).values
        };
        assert_eq!(take(&format!("{TWO}2026-01-06,1")), 0);
        assert_eq!(take(&format!("{TWO}2026-01-06,15,3,9")), 0);
        assert_eq!(take(&format!("{TWO}2026-01-06,15,3,98.6\n")), 0);
        assert_eq!(scene.file.look(UtcMillis(1), |_| true).values, 2);
    }

    #[test]
    fn a_bad_row_is_told_once_and_the_file_tried_again() {
        let mut scene = Scene::new(TWO);
        scene.look();
        let fault = Found {
            values: 0,
            is_new_fault: true,
        };
        scene.write(&format!("{TWO}2026-01-06,15,3,x\n"));
        assert_eq!(scene.look(), (Vec::new(), fault));
        assert_eq!(scene.look(), (Vec::new(), Found::default()), "said already");
        scene.write(&format!("{TWO}2026-01-06,15,3,98.6\n"));
        assert_eq!(scene.look().1.values, 2);
        std::fs::remove_file(scene.folder.path().join("macro.csv")).unwrap();
        assert!(scene.look().1.is_new_fault);
        scene.write(TWO);
        assert_eq!(
            scene.look(),
            (Vec::new(), Found::default()),
            "nothing is new in it"
        );
    }

    #[test]
    fn what_finds_no_room_is_kept_in_order() {
        let mut scene = Scene::new(TWO);
        assert_eq!(scene.file.look(UtcMillis(1), |_| true), Found::default());
        assert_eq!(scene.file.look(UtcMillis(2), |_| false).values, 3);
        let mut came = Vec::new();
        for room in [1, 2] {
            let mut room = room;
            scene.file.look(UtcMillis(9), |value| {
                room -= 1;
                if room >= 0 {
                    came.push((value.value, value.arrived_at));
                }
                room >= 0
            });
        }
        assert_eq!(
            came.iter().map(|(value, _)| *value).collect::<Vec<_>>(),
            [14.0, 98.4, 98.5]
        );
        assert!(
            came.iter().all(|(_, at)| *at == Some(UtcMillis(2))),
            "when it was found"
        );
    }
}
