//! Sending what the outbox holds.
//!
//! A delivery is claimed before it is sent (its next try is then a lease away), so two processes on one database do not both send it,
//! and one that dies while sending is tried again: at least once, never in silence.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use tokio::sync::broadcast::error::RecvError;

use super::guard::{Lookup, Permitted, SystemLookup, client};
use super::message::{DELIVERY_HEADER, EVENT_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, body, signature};
use super::settings::WebhookConfig;
use crate::app::App;
use crate::causes::causes;
use crate::limits::{
    DELIVERIES_AT_ONCE, DELIVERIES_PER_ROUND, DELIVERY_LEASE_MS, DELIVERY_PAUSES_S, DELIVERY_ROUND_S,
    DELIVERY_WAIT_ASKED_MAX_S, SECRET_BYTES_MAX,
};
use crate::store::{DeliveryOutcome, DeliveryRow, StoreError};

#[derive(Debug)]
struct Target {
    config: WebhookConfig,
    url: reqwest::Url,
    permitted: Permitted,
    client: reqwest::Client,
}

/// Sends what is due.
#[derive(Debug)]
pub struct Deliverer {
    app: App,
    targets: BTreeMap<String, Target>,
}

/// What a try came to, for the log.
#[derive(Debug)]
struct Failed {
    status: Option<u16>,
    error: String,
    /// The receiver asked to wait that long.
    wait_s: u64,
}

impl Failed {
    fn here(error: impl std::fmt::Display) -> Self {
        Self {
            status: None,
            error: error.to_string(),
            wait_s: 0,
        }
    }
}

impl Deliverer {
    /// For the targets of the settings, which were checked when they were read.
    #[must_use]
    pub fn new(app: App) -> Self {
        Self::with_lookup(app, &(Arc::new(SystemLookup) as Arc<dyn Lookup>))
    }

    /// The same, with names looked up elsewhere.
    #[must_use]
    pub fn with_lookup(app: App, lookup: &Arc<dyn Lookup>) -> Self {
        let target = |config: &WebhookConfig| {
            let url = config.target().ok()?;
            let permitted = Permitted::of(config, &url);
            let client = client(permitted.clone(), lookup.clone());
            let client = client
                .map_err(|error| tracing::error!(%error, "a webhook cannot be called"))
                .ok()?;
            let target = Target {
                config: config.clone(),
                url,
                permitted,
                client,
            };
            Some((config.name.clone(), target))
        };
        let targets = app.config.webhooks.iter().filter_map(target).collect();
        Self { app, targets }
    }

    /// One round: tries every delivery that is due now, some at once. Returns how many were tried.
    ///
    /// # Errors
    /// [`StoreError`]; what was not noted is tried again.
    pub async fn round(&self) -> Result<usize, StoreError> {
        let due = self
            .app
            .store
            .due_deliveries(self.app.now(), DELIVERIES_PER_ROUND)
            .await?;
        let tries: Vec<BoxFuture<'_, _>> = due.iter().map(|row| self.one(row).boxed()).collect();
        let tries = futures_util::stream::iter(tries).buffer_unordered(DELIVERIES_AT_ONCE);
        let tried: Vec<Result<bool, StoreError>> = tries.collect().await;
        let mut count = 0;
        for tried in tried {
            count += usize::from(tried?);
        }
        Ok(count)
    }

    /// Rounds for as long as the program serves: after every change, and every few seconds.
    pub async fn rounds(self) {
        let mut changes = self.app.listen();
        loop {
            if let Err(error) = self.round().await {
                tracing::error!(error = %causes(&error), "notifications were not sent");
            }
            let pause = tokio::time::sleep(Duration::from_secs(DELIVERY_ROUND_S));
            tokio::select! {
                changed = changes.recv() => match changed {
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
                () = pause => {}
            }
        }
    }

    async fn one(&self, row: &DeliveryRow) -> Result<bool, StoreError> {
        let mut tx = self.app.store.begin().await?;
        let lease = self.app.now().plus_ms(DELIVERY_LEASE_MS);
        if !tx.claim_delivery(row, lease).await? {
            return Ok(false);
        }
        tx.commit().await?;
        let sent = match self.targets.get(&row.target) {
            Some(target) => self.send(target, row).await,
            None => Err(Failed::here("the target is no longer in control.toml")),
        };
        let now = self.app.now();
        let tries = usize::try_from(row.attempts).unwrap_or(usize::MAX);
        let outcome = match &sent {
            Ok(status) => DeliveryOutcome::Delivered {
                status: *status,
                at: now,
            },
            Err(failed) => match DELIVERY_PAUSES_S.get(tries) {
                Some(pause) if self.targets.contains_key(&row.target) => DeliveryOutcome::Again {
                    status: failed.status,
                    error: &failed.error,
                    next_at: now.plus_ms(i64::try_from(failed.wait_s.max(*pause)).unwrap_or(i64::MAX) * 1000),
                },
                _ => DeliveryOutcome::GivenUp {
                    status: failed.status,
                    error: &failed.error,
                },
            },
        };
        if let DeliveryOutcome::GivenUp { error, .. } = &outcome {
            tracing::error!(webhook = row.target, event = %row.event.word(), error, "a notification was given up");
        }
        let mut tx = self.app.store.begin().await?;
        tx.note_delivery(row.id, &outcome).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn send(&self, target: &Target, row: &DeliveryRow) -> Result<u16, Failed> {
        // An address instead of a name is never looked up.
        let host = target.url.host_str().unwrap_or_default();
        if let Ok(ip) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            target.permitted.check(ip).map_err(Failed::here)?;
        }
        let body = body(target.config.kind, row);
        let timestamp = self.app.now().0.div_euclid(1000);
        let mut request = target
            .client
            .post(target.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(TIMESTAMP_HEADER, timestamp)
            .header(DELIVERY_HEADER, row.id)
            .header(EVENT_HEADER, row.event.word());
        if let Some(path) = &target.config.secret_file {
            let secret = secret(path).map_err(Failed::here)?;
            request = request.header(SIGNATURE_HEADER, signature(&secret, timestamp, &body));
        }
        // The URL may be a secret: it stays out of the log.
        let answer = request.body(body).send().await;
        let answer = answer.map_err(|error| Failed::here(causes(&error.without_url())))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(status.as_u16());
        }
        let asked = answer
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let redirected = if status.is_redirection() {
            "; redirects are not followed"
        } else {
            ""
        };
        Err(Failed {
            status: Some(status.as_u16()),
            error: format!("the receiver answered {status}{redirected}"),
            wait_s: asked.unwrap_or(0).min(DELIVERY_WAIT_ASKED_MAX_S),
        })
    }
}

/// The first line of a file that nobody else can read. Read at every try: another secret needs no restart.
fn secret(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let said = |error: std::io::Error| format!("secret_file {shown} cannot be read: {error}");
    let metadata = std::fs::metadata(path).map_err(said)?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!(
            "secret_file {shown} can be read by others (mode {mode:03o}): chmod 600 it"
        ));
    }
    if metadata.len() > SECRET_BYTES_MAX {
        return Err(format!(
            "secret_file {shown} is no secret: it has more than {SECRET_BYTES_MAX} bytes"
        ));
    }
    let bytes = std::fs::read(path).map_err(said)?;
    let line = bytes
        .split(|b| *b == b'\n')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    if line.is_empty() {
        return Err(format!("secret_file {shown} is empty"));
    }
    Ok(line.to_vec())
}
