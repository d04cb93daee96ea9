//! `control audit verify`: the chain, the heads kept outside the database, and every row against what its events say.

use std::collections::BTreeMap;

use contracts::signing::TrustedKeys;
use serde::Serialize;
use serde_json::Value;

use super::heads::SignedHead;
use super::{Broken, EventHash, ROWS, Stored, Walk, rows};
use crate::artifacts::ArtifactStore;
use crate::limits::{CHAIN_PAGE_ROWS, FINDINGS_MAX};
use crate::store::{AuditFilter, Store, StoreError};

/// Something that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind: `chain`, `head`, `row`, `log`, `contract`, `directive` or `artifact`.
    pub kind: &'static str,
    /// Where: an event, or a table and its row.
    pub place: String,
    /// What is wrong with it.
    pub detail: String,
}

/// What was looked at and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// Events of the chain.
    pub events: u64,
    /// Number and hash of the newest one that was read.
    pub newest: Option<(u64, EventHash)>,
    /// Heads that were compared.
    pub heads: usize,
    /// Rows that were compared.
    pub rows: u64,
    /// Artifacts that were read.
    pub artifacts: u64,
    /// What is not as it was; empty when all is well.
    pub findings: Vec<Finding>,
    /// Findings beyond [`FINDINGS_MAX`].
    pub more: usize,
}

impl Report {
    /// The findings, a line each, and how many more there are.
    #[must_use]
    pub fn told(&self) -> String {
        let line = |finding: &Finding| format!("{:<9} {}: {}\n", finding.kind, finding.place, finding.detail);
        let mut text: String = self.findings.iter().map(line).collect();
        if self.more > 0 {
            text.push_str(&format!("and {} more\n", self.more));
        }
        text
    }

    /// Adds a finding.
    pub(super) fn found(
        &mut self,
        kind: &'static str,
        place: impl Into<String>,
        detail: impl std::fmt::Display,
    ) {
        if self.findings.len() >= FINDINGS_MAX {
            self.more += 1;
            return;
        }
        self.findings.push(Finding {
            kind,
            place: place.into(),
            detail: detail.to_string(),
        });
    }

    /// Nobody kept a head, so nobody can say whether the end of the chain is there.
    pub fn lacks_heads(&mut self) {
        self.found(
            "head",
            "the file of heads",
            "it is not there or empty: whether the end of the chain was cut off cannot be said",
        );
    }

    /// True when nothing was found.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.findings.is_empty()
    }
}

/// What the events say of the rows, and which event said it last.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// (table, row) → (event, what it holds; null when it was deleted).
    pub rows: BTreeMap<(String, String), (u64, Value)>,
    /// Ends of proposals, by their event: what the plan's log must say.
    pub ends: BTreeMap<u64, Stored>,
}

impl Told {
    fn hear(&mut self, stored: &Stored) {
        let event = &stored.event;
        let tables = event.body.get(ROWS).and_then(Value::as_object);
        for (table, rows) in tables.into_iter().flatten() {
            for (row, said) in rows.as_object().into_iter().flatten() {
                self.rows
                    .insert((table.clone(), row.clone()), (event.seq, said.clone()));
            }
        }
        if event.body.get(rows::LOG).is_some() {
            self.ends.insert(event.seq, stored.clone());
        }
    }
}

/// Walks a chain, comparing it with the heads.
#[derive(Debug)]
pub(super) struct ChainCheck<'a> {
    walk: Walk<'a>,
    broken: bool,
    heads: BTreeMap<u64, EventHash>,
    report: Report,
    told: Told,
}

impl<'a> ChainCheck<'a> {
    /// Before the first event.
    pub fn new(trusted: &'a TrustedKeys, heads: &[SignedHead]) -> Self {
        let mut report = Report {
            heads: heads.len(),
            ..Report::default()
        };
        let mut known = BTreeMap::new();
        for signed in heads {
            let seq = signed.head.seq;
            if let Err(error) = signed.verify(trusted) {
                report.found("head", format!("head of event {seq}"), error);
            } else if known
                .insert(seq, signed.head.hash)
                .is_some_and(|other| other != signed.head.hash)
            {
                report.found(
                    "head",
                    format!("head of event {seq}"),
                    "two signed heads name different events",
                );
            }
        }
        Self {
            walk: Walk::new(trusted),
            broken: false,
            heads: known,
            report,
            told: Told::default(),
        }
    }

    /// The next event. After the first that is broken the rest is still read for what it says of rows.
    pub fn step(&mut self, stored: &Stored) {
        let seq = stored.event.seq;
        if !self.broken
            && let Err(broken) = self.walk.step(stored)
        {
            self.report.found("chain", format!("event {seq}"), &broken);
            self.broken = true;
        }
        if self.heads.remove(&seq).is_some_and(|hash| hash != stored.hash) {
            self.report
                .found("head", format!("event {seq}"), Broken::Head { seq });
        }
        self.report.events += 1;
        self.report.newest = Some((seq, stored.hash));
        self.told.hear(stored);
    }

    /// The next event cannot be read.
    pub fn unreadable(&mut self, seq: u64, why: &dyn std::fmt::Display) {
        if !self.broken {
            self.report.found(
                "chain",
                format!("event {seq}"),
                format!("it cannot be read: {why}"),
            );
        }
        self.broken = true;
    }

    /// After the last event.
    pub fn end(mut self) -> (Report, Told) {
        if let Some((&seq, _)) = self.heads.first_key_value() {
            self.report
                .found("head", format!("event {seq}"), Broken::Head { seq });
        }
        (self.report, self.told)
    }
}

/// Checks everything. The store is only read.
///
/// # Errors
/// [`StoreError`] when it does not answer.
pub async fn check(
    store: &Store,
    artifacts: &dyn ArtifactStore,
    trusted: &TrustedKeys,
    heads: &[SignedHead],
) -> Result<Report, StoreError> {
    let mut chain = ChainCheck::new(trusted, heads);
    let mut filter = AuditFilter::default();
    let mut limit = CHAIN_PAGE_ROWS;
    loop {
        match store.audit_events(&filter, limit).await {
            Ok(page) => {
                let Some(newest) = page.last() else { break };
                filter.after = newest.event.seq;
                page.iter().for_each(|event| chain.step(event));
            }
            // One of the page: read singly up to it.
            Err(StoreError::Corrupt { .. }) if limit > 1 => limit = 1,
            Err(StoreError::Corrupt { detail, .. }) => {
                let Some(seq) = store.audit_event_after(filter.after).await? else {
                    break;
                };
                chain.unreadable(seq, &detail);
                filter.after = seq;
                limit = CHAIN_PAGE_ROWS;
            }
            Err(error) => return Err(error),
        }
    }
    let (mut report, told) = chain.end();
    for done in [
        rows::compare(store, told, &mut report).await,
        rows::contracts(store, trusted, &mut report).await,
        rows::directives(store, trusted, &mut report).await,
        rows::artifacts(store, artifacts, &mut report).await,
    ] {
        match done {
            Err(StoreError::Corrupt { table, detail }) => report.found("row", table, detail),
            other => other?,
        }
    }
    Ok(report)
}
