//! Why an engine cannot start, why a running one ended, and what its clients are told then.

use contracts::wire::FaultCode;

use super::recover::RecoverError;
use crate::config::ConfigError;
use crate::drivers::intake::DriverEnd;
use crate::drivers::start::StartError;
use crate::edges::halt_socket::HaltSocketError;
use crate::edges::server::BindError;
use crate::feeds::FeedError;
use crate::feeds::symbols::SymbolTaken;
use crate::follower::control::ControlError;
use crate::journal::JournalError;

/// Why an engine cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The journal's directory.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The journal's content.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// The history files.
    #[error("the history files cannot be used")]
    History(#[from] contracts::files::FileError),
    /// The feed's settings.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The feed's symbols.
    #[error(transparent)]
    Symbols(#[from] SymbolTaken),
    /// The control plane's settings.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The address.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The halt socket.
    #[error(transparent)]
    HaltSocket(#[from] HaltSocketError),
    /// A directory, thread or runtime.
    #[error("the system gives no {what}")]
    System {
        /// What.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
}

pub(super) fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> LiveError {
    move |source| LiveError::System { what, source }
}

/// Why a running engine ended.
#[derive(Debug, thiserror::Error)]
pub enum LiveEnd {
    /// The driver.
    #[error(transparent)]
    Driver(#[from] DriverEnd),
    /// The orderly end could not be written; the next start treats this run as one that died.
    #[error("the journal could not be closed")]
    Close(#[source] JournalError),
    /// A thread panicked.
    #[error("the driver's thread panicked")]
    Panicked,
}

impl LiveEnd {
    /// What clients are told.
    #[must_use]
    pub const fn fault(&self) -> FaultCode {
        match self {
            Self::Driver(end) => end.fault(),
            Self::Close(_) => FaultCode::JournalFailed,
            Self::Panicked => FaultCode::EngineFailed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers::outlet::OutletError;

    #[test]
    fn only_the_journal_says_that_the_journal_failed() {
        let outlet = |error: OutletError| LiveEnd::from(DriverEnd::from(error)).fault();
        let closed = || std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert_eq!(outlet(JournalError::Failed.into()), FaultCode::JournalFailed);
        assert_eq!(
            LiveEnd::Close(JournalError::Failed).fault(),
            FaultCode::JournalFailed
        );
        assert_eq!(outlet(OutletError::Publish(closed())), FaultCode::EngineFailed);
        assert_eq!(
            LiveEnd::from(DriverEnd::Panicked).fault(),
            FaultCode::EngineFailed
        );
        assert_eq!(LiveEnd::Panicked.fault(), FaultCode::EngineFailed);
        assert_eq!(
            LiveEnd::from(DriverEnd::LiveFeedOnFeedClock).fault(),
            FaultCode::FeedMode
        );
    }
}
