//! `[[webhooks]]` in `control.toml`: who is told.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Network, NoticeKind};
use crate::limits::WEBHOOKS_MAX;

/// What a target understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// `{"text": …}`, as Slack's incoming webhooks and what copies them take it.
    Slack,
    /// The whole event as JSON.
    Generic,
}

/// A target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Its name in the delivery log: letters, digits, `-` and `_`.
    pub name: String,
    /// Where to. Plain `http` is only for addresses of `allow_private`.
    pub url: String,
    /// What it understands.
    pub kind: TargetKind,
    /// A file of mode 0600 whose first line is the secret of the HMAC-SHA256 over time and body. Required for `generic`.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// What it is told; everything when this is empty, but `audit_head` only where people do not read it (`generic`).
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub events: Vec<NoticeKind>,
    /// Networks that may be called although they are loopback, link-local, private or otherwise not public.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub allow_private: Vec<Network>,
}

/// Why a target is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// More than anybody needs.
    #[error("more than {WEBHOOKS_MAX} webhooks")]
    TooMany,
    /// The log could not tell them apart.
    #[error("webhook `{0}`: a name is 1 to 64 letters, digits, `-` or `_`, and no two targets share one")]
    Name(String),
    /// It cannot be called.
    #[error("webhook `{name}`: url: {detail}")]
    Url {
        /// Which.
        name: String,
        /// What is wrong; never the URL itself, which may be a secret.
        detail: &'static str,
    },
    /// Nobody could tell a call of ours from a call of somebody else.
    #[error(
        "webhook `{0}`: a generic target needs secret_file: without it the receiver cannot tell who calls"
    )]
    Secret(String),
}

impl WebhookConfig {
    /// True when it wants to be told.
    #[must_use]
    pub fn wants(&self, kind: NoticeKind) -> bool {
        let by_itself = kind != NoticeKind::AuditHead || self.kind == TargetKind::Generic;
        self.events.contains(&kind) || (self.events.is_empty() && by_itself)
    }

    /// The parsed URL.
    ///
    /// # Errors
    /// [`WebhookError::Url`].
    pub fn target(&self) -> Result<reqwest::Url, WebhookError> {
        let refused = |detail| WebhookError::Url {
            name: self.name.clone(),
            detail,
        };
        let url = reqwest::Url::parse(&self.url).map_err(|_| refused("it is no URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refused(
                "it must begin with https:// (or http:// for an address of allow_private)",
            ));
        }
        if url.scheme() == "http" && self.allow_private.is_empty() {
            return Err(refused(
                "plain http is only for addresses of allow_private: write https://",
            ));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(refused("it names no host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused(
                "it holds a user or a password: the receiver checks the signature instead",
            ));
        }
        Ok(url)
    }

    /// Checks all targets of the settings.
    ///
    /// # Errors
    /// [`WebhookError`] of the first that is wrong.
    pub fn check(all: &[Self]) -> Result<(), WebhookError> {
        if all.len() > WEBHOOKS_MAX {
            return Err(WebhookError::TooMany);
        }
        for (n, webhook) in all.iter().enumerate() {
            let name = &webhook.name;
            let plain = name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
            let taken = all[..n].iter().any(|other| other.name == *name);
            if !plain || taken || !(1..=64).contains(&name.len()) {
                return Err(WebhookError::Name(name.chars().take(64).collect()));
            }
            webhook.target()?;
            if webhook.kind == TargetKind::Generic && webhook.secret_file.is_none() {
                return Err(WebhookError::Secret(name.clone()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(url: &str, allow_private: &[&str]) -> WebhookConfig {
        WebhookConfig {
            name: "ops".to_owned(),
            url: url.to_owned(),
            kind: TargetKind::Slack,
            secret_file: None,
            events: vec![NoticeKind::Halted],
            allow_private: allow_private.iter().map(|text| text.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn what_cannot_be_called_safely_is_refused_at_the_start() {
        let check = |webhook: WebhookConfig| WebhookConfig::check(&[webhook]);
        assert_eq!(check(webhook("https://hooks.example.com/T/B/x", &[])), Ok(()));
        assert_eq!(check(webhook("http://127.0.0.1:9000/", &["127.0.0.1"])), Ok(()));
        for url in [
            "hooks.example.com",
            "ftp://example.com/",
            "http://example.com/",
            "https://user:word@example.com/",
            "file:///etc/passwd",
        ] {
            let refused = check(webhook(url, &[])).unwrap_err();
            assert!(matches!(refused, WebhookError::Url { .. }), "{url}: {refused}");
            assert!(!refused.to_string().contains(url), "{refused}");
        }
        let mut generic = webhook("https://example.com/", &[]);
        generic.kind = TargetKind::Generic;
        assert_eq!(check(generic), Err(WebhookError::Secret("ops".to_owned())));
        let one = webhook("https://example.com/", &[]);
        let twice = [one.clone(), one.clone()];
        assert!(matches!(WebhookConfig::check(&twice), Err(WebhookError::Name(_))));
        let named = WebhookConfig {
            name: "a b".to_owned(),
            ..one.clone()
        };
        assert!(matches!(check(named), Err(WebhookError::Name(_))));
        assert_eq!(
            WebhookConfig::check(&vec![one; WEBHOOKS_MAX + 1]),
            Err(WebhookError::TooMany)
        );
    }

    #[test]
    fn a_target_without_a_list_is_told_everything() {
        let mut target = webhook("https://example.com/", &[]);
        assert!(target.wants(NoticeKind::Halted) && !target.wants(NoticeKind::Approved));
        target.events.clear();
        let wanted =
            |target: &WebhookConfig| NoticeKind::ALL.iter().filter(|kind| target.wants(**kind)).count();
        assert_eq!(wanted(&target), NoticeKind::ALL.len() - 1);
        target.kind = TargetKind::Generic;
        assert_eq!(wanted(&target), NoticeKind::ALL.len());
    }
}
