//! The halt file: while `touch` works, an operator without any tool can halt.
//!
//! Its appearance sets the local latch, and so does every later write to it. Removing it clears nothing. One that is there at
//! start-up halts before the first signal. The engine itself leaves one when it could not journal a halt.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use contracts::reason::Latch;

use super::control::{Acknowledgement, ControlSender};
use crate::core::input::Input;

/// Watches one path.
#[derive(Debug)]
pub struct HaltFile {
    path: PathBuf,
    seen: Option<SystemTime>,
    /// A halt handed in by [`Self::look_first`], not yet reported.
    first: Option<Acknowledgement>,
}

/// Leaves the halt file at `path`, on disk as far as the disk allows, for the next start; one that is there stays as it is.
pub fn leave(path: &Path) {
    let left = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .and_then(|file| file.sync_all())
        .and_then(
            |()| match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                Some(parent) => std::fs::File::open(parent)?.sync_all(),
                None => Ok(()),
            },
        );
    match left {
        Ok(()) => tracing::error!(
            path = %path.display(),
            "a halt could not be journaled: the halt file is left, and the next start is halted; remove it before a directive clears \
             the latch"
        ),
        Err(error) => tracing::error!(
            path = %path.display(),
            %error,
            "a halt could not be journaled, and the halt file cannot be left: make it by hand before the next start"
        ),
    }
}

impl HaltFile {
    /// Watches `path`; nothing needs to be there.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            seen: None,
            first: None,
        }
    }

    /// Looks before there is a driver, so that a file that is there halts before the first bar; [`Self::run`] reports how it went.
    #[must_use]
    pub fn look_first(mut self, control: &ControlSender) -> Self {
        self.first = self.look(control);
        self
    }

    /// Looks once; sends a halt when the file is new or newly written. What the queue refuses is sent at the next look.
    pub fn look(&mut self, control: &ControlSender) -> Option<Acknowledgement> {
        let now = match std::fs::symlink_metadata(&self.path) {
            // A file system without times counts as "always the same time".
            Ok(metadata) => Some(metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH)),
            Err(_) => None,
        };
        if now == self.seen {
            return None;
        }
        if now.is_none() {
            self.seen = None;
            return None;
        }
        match control.submit(Input::Halt { latch: Latch::Local }) {
            Ok(acknowledgement) => {
                tracing::warn!(path = %self.path.display(), "the halt file is there");
                self.seen = now;
                Some(acknowledgement)
            }
            Err(error) => {
                tracing::error!(%error, "the halt file is there, and the engine does not take the halt");
                None
            }
        }
    }

    /// Looks every `period` until the future is dropped.
    pub async fn run(mut self, control: ControlSender, period: Duration) {
        let mut ticks = tokio::time::interval(period);
        loop {
            ticks.tick().await;
            if let Some(acknowledgement) = self.first.take().or_else(|| self.look(&control)) {
                match acknowledgement.wait().await {
                    Ok(synced) => tracing::warn!(lsn = synced.lsn, "halted by the halt file"),
                    Err(error) => tracing::error!(%error, "halt by the halt file"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edges::control::control_queue;

    #[test]
    fn appearing_and_being_written_halt_and_vanishing_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("HALT");
        let (sender, receiver) = control_queue(|| ());
        let mut file = HaltFile::new(&path);
        let mut look = || {
            file.look(&sender);
            receiver.pop().map(|pending| pending.input)
        };
        assert_eq!(look(), None);
        std::fs::write(&path, "").unwrap();
        assert_eq!(look(), Some(Input::Halt { latch: Latch::Local }));
        assert_eq!(look(), None);
        let later = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
        std::fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(later)
            .unwrap();
        assert_eq!(look(), Some(Input::Halt { latch: Latch::Local }));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(look(), None);
        std::fs::write(&path, "").unwrap();
        assert!(look().is_some());
    }

    #[test]
    fn a_file_that_was_left_halts_at_the_first_look() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("HALT");
        let (sender, receiver) = control_queue(|| ());
        leave(&path);
        let mut file = HaltFile::new(&path).look_first(&sender);
        assert_eq!(
            receiver.pop().map(|pending| pending.input),
            Some(Input::Halt { latch: Latch::Local })
        );
        leave(&path);
        assert!(file.look(&sender).is_none(), "one that is there stays as it is");
        leave(&folder.path().join("nowhere").join("HALT"));
    }

    #[test]
    fn a_halt_the_queue_refused_is_sent_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("HALT");
        std::fs::write(&path, "").unwrap();
        let (sender, receiver) = control_queue(|| ());
        let filler = Input::Halt {
            latch: Latch::Control,
        };
        let mut waiting = Vec::new();
        while let Ok(acknowledgement) = sender.submit(filler) {
            waiting.push(acknowledgement);
        }
        let mut file = HaltFile::new(&path);
        assert!(file.look(&sender).is_none());
        assert!(receiver.pop().is_some());
        assert!(file.look(&sender).is_some());
    }
}
