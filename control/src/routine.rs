//! What the plane does by itself while it serves: directives are signed again, proposals run out.

use std::time::Duration;

use crate::app::App;
use crate::audit::heads;
use crate::causes::causes;
use crate::limits::{EXPIRING_SOON_MS, ROUTINE_S};
use crate::{notify, slots, votes};

/// One round. A failure is logged and the next round tries again: both are safe to do twice.
pub async fn round(app: &App) {
    match slots::renew(app).await {
        Ok((_, failed)) => {
            for error in failed {
                tracing::error!(error = %causes(&error), "a directive was not renewed");
            }
        }
        Err(error) => tracing::error!(error = %causes(&error), "directives were not renewed"),
    }
    if let Err(error) = notify::tell_expiring(app, EXPIRING_SOON_MS).await {
        tracing::error!(error = %causes(&error), "nobody was told of proposals that run out");
    }
    if let Err(error) = heads::keep(app).await {
        tracing::error!(error = %causes(&error), "there is no new head of the audit chain");
    }
    if let Err(error) = votes::expire(app).await {
        tracing::error!(error = %causes(&error), "overdue proposals were not closed");
    }
}

/// Rounds for as long as the program serves.
pub async fn rounds(app: App) {
    let mut beat = tokio::time::interval(Duration::from_secs(ROUTINE_S));
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        round(&app).await;
    }
}
