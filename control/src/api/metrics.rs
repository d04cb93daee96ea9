//! `/metrics`: what an operator watches, in Prometheus' text format. Times are seconds since 1970, so that an alert is a subtraction.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use contracts::directive::Directive;
use contracts::time::{DayNumber, ParseDateError, UtcMillis};

use super::Api;
use super::problem::Problem;
use crate::app::App;
use crate::audit::heads;
use crate::limits::{DAY_MS, PAGE_ROWS_MAX};
use crate::market::MarketName;
use crate::store::{Counted, Dialect, ProposalStatus, SlotRow, StoreError};

/// One metric with its samples; they stand together, as the format wants it.
struct Family {
    name: &'static str,
    help: &'static str,
    samples: Vec<(String, f64)>,
}

impl Family {
    const fn new(name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            help,
            samples: Vec::new(),
        }
    }

    fn add(&mut self, labels: &[(&str, &str)], value: f64) {
        let pairs: Vec<String> = labels
            .iter()
            .map(|(name, text)| format!("{name}=\"{}\"", escaped(text)))
            .collect();
        let labels = if pairs.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", pairs.join(","))
        };
        self.samples.push((labels, value));
    }

    fn with(mut self, labels: &[(&str, &str)], value: f64) -> Self {
        self.add(labels, value);
        self
    }

    fn counted(mut self, names: [&str; 2], counted: &[Counted]) -> Self {
        for one in counted {
            let [first, second] = &one.words;
            self.add(&[(names[0], first), (names[1], second)], one.rows as f64);
        }
        self
    }

    fn write(&self, out: &mut String) {
        let Self { name, help, samples } = self;
        if samples.is_empty() {
            return;
        }
        writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge").ok();
        for (labels, value) in samples {
            writeln!(out, "{name}{labels} {value}").ok();
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

fn seconds(at: UtcMillis) -> f64 {
    at.0 as f64 / 1000.0
}

pub(super) async fn metrics(State(api): State<Api>) -> Result<Response, Problem> {
    let app = &api.app;
    let store = &app.store;
    let database = match store.dialect() {
        Dialect::Sqlite => "sqlite",
        Dialect::Postgres => "postgres",
    };
    let version = env!("CARGO_PKG_VERSION");
    let mut families = vec![
        Family::new("twovote_info", "The program.")
            .with(&[("version", version), ("database", database)], 1.0),
        Family::new("twovote_models", "Models by stage.")
            .counted(["slot", "stage"], &store.count_models().await?),
        Family::new("twovote_jobs", "Jobs by state.").counted(["kind", "state"], &store.count_jobs().await?),
        Family::new("twovote_deliveries", "Notifications by target and state.")
            .counted(["target", "state"], &store.count_deliveries().await?),
    ];
    families.extend(proposals(app).await?);
    families.extend(moments(app).await?);
    families.extend(slots(app).await?);
    families.extend(market(app).await?);
    families.extend(audit(app).await?);
    let mut seen = Family::new(
        "twovote_engine_seen_timestamp_seconds",
        "An engine's last heartbeat.",
    );
    for engine in store.engines().await? {
        let (id, slot) = (engine.engine_id.to_string(), engine.slot.to_string());
        seen.add(&[("engine", &id), ("slot", &slot)], seconds(engine.seen_at));
    }
    families.push(seen);
    let mut text = String::new();
    families.iter().for_each(|family| family.write(&mut text));
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

async fn proposals(app: &App) -> Result<[Family; 1], StoreError> {
    let mut family = Family::new("twovote_proposals", "Proposals by status.");
    for &status in ProposalStatus::ALL {
        let count = app.store.count_proposals(Some(status)).await?;
        family.add(&[("status", status.word())], count as f64);
    }
    Ok([family])
}

async fn moments(app: &App) -> Result<[Family; 2], StoreError> {
    let mut expiry = Family::new(
        "twovote_proposal_next_expiry_timestamp_seconds",
        "When the first open proposal runs out.",
    );
    let mut waiting = Family::new(
        "twovote_outbox_oldest_timestamp_seconds",
        "When the oldest waiting notification was written.",
    );
    if let Some(at) = app.store.next_expiry().await? {
        expiry.add(&[], seconds(at));
    }
    if let Some(at) = app.store.oldest_waiting_notice().await? {
        waiting.add(&[], seconds(at));
    }
    Ok([expiry, waiting])
}

async fn slots(app: &App) -> Result<[Family; 4], StoreError> {
    let mut generation = Family::new("twovote_slot_generation", "Highest generation ever given.");
    let mut halted = Family::new("twovote_slot_halted", "1 while the control latch is set.");
    let mut issued = Family::new(
        "twovote_directive_issued_timestamp_seconds",
        "When the newest directive was signed.",
    );
    let mut renew = Family::new(
        "twovote_directive_renew_by_timestamp_seconds",
        "When engines go unconfirmed unless a newer directive reaches them.",
    );
    for SlotRow {
        slot,
        generation: given,
        halted: stands,
        ..
    } in app.store.slots().await?
    {
        let newest = app.store.newest_directive(&slot).await?;
        let name = slot.to_string();
        let labels = [("slot", name.as_str())];
        generation.add(&labels, given as f64);
        halted.add(&labels, f64::from(u8::from(stands)));
        if let Some(directive) = newest.and_then(|text| Directive::parse(text.as_bytes()).ok()) {
            issued.add(&labels, seconds(directive.issued_at));
            renew.add(&labels, seconds(directive.renew_by));
        }
    }
    Ok([generation, halted, issued, renew])
}

/// What there is of market data, and how far it goes: an ingest that stopped is seen by the newest row.
async fn market(app: &App) -> Result<[Family; 3], StoreError> {
    let mut rows = Family::new("twovote_market_rows", "Rows of the current revisions.");
    let mut revisions = Family::new("twovote_market_revisions", "Revisions of all months.");
    let mut last = Family::new(
        "twovote_market_last_timestamp_seconds",
        "Close of the newest bar, or midnight UTC of the newest date.",
    );
    let mut after: Option<MarketName> = None;
    loop {
        let page = app.store.holdings(after.as_ref(), PAGE_ROWS_MAX).await?;
        let Some(newest) = page.last() else { break };
        after = Some(newest.name.clone());
        for held in page {
            let labels = [("kind", held.name.kind().word()), ("name", held.name.as_str())];
            rows.add(&labels, held.rows as f64);
            revisions.add(&labels, held.revisions as f64);
            let at = UtcMillis::parse(&held.last).or_else(|_| {
                let date = DayNumber::parse(&held.last)?;
                Ok::<_, ParseDateError>(UtcMillis(i64::from(date.0) * DAY_MS))
            });
            if let Ok(at) = at {
                last.add(&labels, seconds(at));
            }
        }
    }
    Ok([rows, revisions, last])
}

async fn audit(app: &App) -> Result<[Family; 3], StoreError> {
    let mut newest = Family::new(
        "twovote_audit_newest_event",
        "Number of the newest event of the audit chain.",
    );
    let mut head = Family::new(
        "twovote_audit_head_event",
        "Number of the event the newest signed head names.",
    );
    let mut at = Family::new(
        "twovote_audit_head_timestamp_seconds",
        "When the newest head was signed.",
    );
    let event = app.store.newest_audit_event().await?;
    newest.add(&[], event.map_or(0, |(seq, _)| seq) as f64);
    let path = app.config.audit_heads.clone();
    let heads = tokio::task::spawn_blocking(move || heads::read(&path)).await;
    if let Ok(Ok(heads)) = heads
        && let Some(signed) = heads.last()
    {
        head.add(&[], signed.head.seq as f64);
        at.add(&[], seconds(signed.head.at));
    }
    Ok([newest, head, at])
}
