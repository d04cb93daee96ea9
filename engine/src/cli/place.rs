//! `engine tail --state FILE`: the place in a signal stream, kept between runs.

use std::path::{Path, PathBuf};

use contracts::wire::ServerMessage;
use serde::{Deserialize, Serialize};

use super::{CliError, Exit, OrExit as _};

/// What the file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Epoch of the last message printed.
    pub epoch: Option<u64>,
    /// First seq not printed.
    pub next_seq: Option<u64>,
}

/// A [`Place`] and where it is kept, if anywhere.
#[derive(Debug)]
pub struct PlaceFile {
    path: Option<PathBuf>,
    place: Place,
}

impl PlaceFile {
    /// Reads the file; one that is not there yet is an empty place.
    ///
    /// # Errors
    /// [`Exit::NoInput`] when it cannot be read, [`Exit::Data`] when it is not such a file.
    pub fn open(path: Option<&Path>) -> Result<Self, CliError> {
        let place = match path.map(std::fs::read_to_string) {
            None => Place::default(),
            Some(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => Place::default(),
            Some(text) => {
                let shown = path.unwrap_or_else(|| Path::new("")).display().to_string();
                let text = text.or_exit(Exit::NoInput, format!("cannot read {shown}"), "check its rights")?;
                serde_json::from_str(&text).or_exit(
                    Exit::Data,
                    format!("{shown} holds no place in a stream"),
                    "name another file, or delete this one to start now",
                )?
            }
        };
        Ok(Self {
            path: path.map(Path::to_owned),
            place,
        })
    }

    /// Where the stream continues.
    #[must_use]
    pub const fn place(&self) -> Place {
        self.place
    }

    /// Takes note of a printed message.
    ///
    /// # Errors
    /// [`Exit::Io`] when the file cannot be written.
    pub fn printed(&mut self, text: &str) -> Result<(), CliError> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        // A type this version does not know moves no place.
        let Ok(message) = ServerMessage::parse(text) else {
            return Ok(());
        };
        let before = self.place;
        let forward =
            |place: &mut Place, seq: u64| place.next_seq = Some(place.next_seq.unwrap_or(0).max(seq + 1));
        match &message {
            ServerMessage::Welcome(welcome) if before.epoch.is_none() => {
                self.place.epoch = Some(welcome.epoch)
            }
            ServerMessage::Snapshot(snapshot) => forward(&mut self.place, snapshot.through),
            ServerMessage::Progress(progress) => forward(&mut self.place, progress.through),
            ServerMessage::Gap(gap) if !gap.refill => forward(&mut self.place, gap.to),
            ServerMessage::Rewound(rewound) => {
                self.place.epoch = Some(rewound.epoch);
                self.place.next_seq = before.next_seq.map(|next| next.min(rewound.first_seq));
            }
            other => {
                if let Some(seq) = other.seq() {
                    forward(&mut self.place, seq);
                }
            }
        }
        if self.place == before {
            return Ok(());
        }
        // Written beside and moved over: whole at any moment.
        let beside = path.with_extension("tmp");
        let text = serde_json::to_string(&self.place).expect("two numbers are valid JSON");
        std::fs::write(&beside, text)
            .and_then(|()| std::fs::rename(&beside, path))
            .or_exit(
                Exit::Io,
                format!("cannot write {}", path.display()),
                "free some space or name another file with --state",
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_follows_what_was_printed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut file = PlaceFile::open(Some(&path)).unwrap();
        assert_eq!(file.place(), Place::default());
        let welcome = r#"{"type":"welcome","engine_id":"e","slot":"s","environment":"local","origin":null,"model_id":null,"generation":null,"clock":"wall","epoch":3,"oldest_seq":1,"next_seq":9,"schema":1}"#;
        for (text, epoch, next_seq) in [
            (welcome, 3, None),
            (
                r#"{"type":"snapshot","through":8,"halted":false,"positions":{}}"#,
                3,
                Some(9),
            ),
            (
                r#"{"type":"state","seq":9,"state":"live","since":"2026-01-05T13:05:00Z"}"#,
                3,
                Some(10),
            ),
            (r#"{"type":"gap","from":10,"to":20,"refill":true}"#, 3, Some(10)),
            (r#"{"type":"gap","from":10,"to":20,"refill":false}"#, 3, Some(21)),
            (
                r#"{"type":"progress","through":30,"caught_up":true}"#,
                3,
                Some(31),
            ),
            (r#"{"type":"of_a_later_engine","seq":99}"#, 3, Some(31)),
            (r#"{"type":"rewound","epoch":4,"first_seq":25}"#, 4, Some(25)),
        ] {
            file.printed(text).unwrap();
            let expected = Place {
                epoch: Some(epoch),
                next_seq,
            };
            assert_eq!(file.place(), expected, "{text}");
            assert_eq!(PlaceFile::open(Some(&path)).unwrap().place(), expected, "{text}");
        }
        std::fs::write(&path, "{").unwrap();
        assert_eq!(PlaceFile::open(Some(&path)).unwrap_err().exit(), Exit::Data);
        let mut nowhere = PlaceFile::open(None).unwrap();
        nowhere.printed(welcome).unwrap();
        assert_eq!(nowhere.place(), Place::default());
    }
}
