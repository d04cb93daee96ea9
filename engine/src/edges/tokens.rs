//! Who may do what: the `[[tokens]]` of `engine.toml`, held as hashes, replaced as a whole when the file changes.
//!
//! Works with the control plane down. A file that cannot be parsed (an editor in the middle of saving) leaves the last good list in
//! force and is counted; an entry that is gone or changed ends the streams under it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use contracts::hash::TokenHash;
use contracts::time::UtcMillis;
use contracts::wire::ErrorCode;

use crate::config::{ConfigError, EngineConfig, Scope, TokenEntry};

/// What a presented token allows: its entry, as it was when it was presented.
pub type Grant = Arc<TokenEntry>;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No `Authorization: Bearer`: 401.
    #[error("a header `Authorization: Bearer TOKEN` is needed")]
    Missing,
    /// No entry has this hash: 401.
    #[error("this token is not known here: `[[tokens]]` in engine.toml lists the SHA-256 of each")]
    Unknown,
    /// 401.
    #[error("this token has expired: replace its entry in engine.toml")]
    Expired,
    /// 403.
    #[error("this token does not have the scope {0}")]
    Scope(Scope),
}

impl AuthError {
    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Scope(_) => 403,
            _ => 401,
        }
    }
}

/// The list in force.
#[derive(Debug)]
pub struct Tokens {
    entries: ArcSwap<Vec<Grant>>,
    /// Counts replacements: a stream compares it before it looks itself up.
    version: AtomicU64,
    file: Option<TokenFile>,
}

#[derive(Debug)]
struct TokenFile {
    path: PathBuf,
    seen: Mutex<String>,
}

impl Tokens {
    /// A list that never changes.
    #[must_use]
    pub fn fixed(entries: Vec<TokenEntry>) -> Arc<Self> {
        Arc::new(Self {
            entries: ArcSwap::from_pointee(entries.into_iter().map(Arc::new).collect()),
            version: AtomicU64::new(0),
            file: None,
        })
    }

    /// The list of a configuration file; [`Self::reload`] reads it again.
    ///
    /// # Errors
    /// [`ConfigError`] as for the file as a whole.
    pub fn from_file(path: PathBuf) -> Result<Arc<Self>, ConfigError> {
        let text = read(&path)?;
        let config = EngineConfig::parse(&text, &path)?;
        Ok(Arc::new(Self {
            entries: ArcSwap::from_pointee(config.tokens.into_iter().map(Arc::new).collect()),
            version: AtomicU64::new(0),
            file: Some(TokenFile {
                path,
                seen: Mutex::new(text),
            }),
        }))
    }

    /// Reads the file again; true when the list was replaced.
    ///
    /// # Errors
    /// [`ConfigError`]: the last good list stays in force.
    pub fn reload(&self) -> Result<bool, ConfigError> {
        let Some(file) = &self.file else {
            return Ok(false);
        };
        let text = read(&file.path)?;
        let mut seen = file.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == text {
            return Ok(false);
        }
        let config = EngineConfig::parse(&text, &file.path)?;
        *seen = text;
        self.entries
            .store(Arc::new(config.tokens.into_iter().map(Arc::new).collect()));
        self.version.fetch_add(1, Ordering::AcqRel);
        Ok(true)
    }

    /// Rises with every replacement.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Checks an `Authorization` header for a scope.
    ///
    /// # Errors
    /// [`AuthError`] with its HTTP status.
    pub fn authorise(&self, header: Option<&str>, scope: Scope, now: UtcMillis) -> Result<Grant, AuthError> {
        let token = header
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .filter(|token| !token.is_empty())
            .ok_or(AuthError::Missing)?;
        let hash = TokenHash::of(token.as_bytes());
        // Comparing hashes: how far a comparison got tells nothing about the token.
        let entries = self.entries.load();
        let grant = entries
            .iter()
            .find(|entry| entry.sha256 == hash)
            .ok_or(AuthError::Unknown)?;
        if now >= grant.expires {
            return Err(AuthError::Expired);
        }
        if !grant.scopes.contains(&scope) {
            return Err(AuthError::Scope(scope));
        }
        Ok(Arc::clone(grant))
    }

    /// Whether a stream under `grant` may go on; `Err` is the code it ends with.
    ///
    /// # Errors
    /// `token_expired`, or `token_revoked` when the entry is gone or no longer the same.
    pub fn still_valid(&self, grant: &Grant, now: UtcMillis) -> Result<(), ErrorCode> {
        if now >= grant.expires {
            return Err(ErrorCode::TokenExpired);
        }
        if self.entries.load().iter().any(|entry| entry == grant) {
            Ok(())
        } else {
            Err(ErrorCode::TokenRevoked)
        }
    }
}

fn read(path: &std::path::Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UtcMillis = UtcMillis(1_000);

    fn entry(token: &str, scopes: &[Scope], expires: i64) -> TokenEntry {
        TokenEntry {
            name: token.into(),
            sha256: TokenHash::of(token.as_bytes()),
            scopes: scopes.to_vec(),
            expires: UtcMillis(expires),
            instruments: None,
        }
    }

    #[test]
    fn only_a_known_living_token_with_the_scope_passes() {
        let tokens = Tokens::fixed(vec![
            entry("good", &[Scope::SignalsRead], 2_000),
            entry("old", &[Scope::SignalsRead], 1_000),
            entry("", &[Scope::SignalsRead], 2_000),
        ]);
        let check = |header, scope| {
            tokens
                .authorise(header, scope, NOW)
                .map(|grant| grant.name.clone())
        };
        assert_eq!(check(Some("Bearer good"), Scope::SignalsRead), Ok("good".into()));
        assert_eq!(check(Some("bearer good"), Scope::SignalsRead), Ok("good".into()));
        assert_eq!(
            check(Some("Bearer good"), Scope::MetricsRead),
            Err(AuthError::Scope(Scope::MetricsRead))
        );
        assert_eq!(
            check(Some("Bearer old"), Scope::SignalsRead),
            Err(AuthError::Expired)
        );
        assert_eq!(
            check(Some("Bearer GOOD"), Scope::SignalsRead),
            Err(AuthError::Unknown)
        );
        for none in [
            None,
            Some(""),
            Some("good"),
            Some("Basic good"),
            Some("Bearer "),
            Some("Bearer"),
        ] {
            assert_eq!(
                check(none, Scope::SignalsRead),
                Err(AuthError::Missing),
                "{none:?}"
            );
        }
    }

    #[test]
    fn a_changed_file_replaces_the_list_and_a_broken_one_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("engine.toml");
        let base = r#"
            engine_id = "e"
            slot = "s"
            environment = "local"
            contract_source = "c"
            journal = { dir = "j" }
            feed = { url = "ws://x", codec = "native", instruments = { A = "A" } }
        "#;
        let with = |token: &str| {
            format!(
                "{base}\n[[tokens]]\nname = \"n\"\nsha256 = \"{}\"\nscopes = [\"signals:read\"]\nexpires = \"2100-01-01T00:00:00Z\"\n",
                TokenHash::of(token.as_bytes())
            )
        };
        std::fs::write(&path, with("one")).unwrap();
        let tokens = Tokens::from_file(path.clone()).unwrap();
        let one = tokens
            .authorise(Some("Bearer one"), Scope::SignalsRead, NOW)
            .unwrap();
        assert!(!tokens.reload().unwrap());
        assert_eq!(tokens.still_valid(&one, NOW), Ok(()));
        assert_eq!(
            tokens.still_valid(&one, one.expires),
            Err(ErrorCode::TokenExpired)
        );
        std::fs::write(&path, "[[tokens").unwrap();
        assert!(tokens.reload().is_err());
        assert_eq!((tokens.version(), tokens.still_valid(&one, NOW)), (0, Ok(())));
        std::fs::write(&path, with("two")).unwrap();
        assert!(tokens.reload().unwrap());
        assert_eq!(tokens.version(), 1);
        assert_eq!(tokens.still_valid(&one, NOW), Err(ErrorCode::TokenRevoked));
        assert!(
            tokens
                .authorise(Some("Bearer two"), Scope::SignalsRead, NOW)
                .is_ok()
        );
    }
}
