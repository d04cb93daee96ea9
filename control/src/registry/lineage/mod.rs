//! Where a model comes from and what became of it, every piece hashed again as it lies there now.
//!
//! What a row should hold is told by the signed audit event of its making, what a file should hold by its name, what a person said by
//! the signature. A piece that is no longer so is shown as broken, never left out.

mod after;
mod before;
mod sources;

use contracts::hash::ArtifactHash;
use contracts::ids::ModelId;
use contracts::jcs;
use serde::Serialize;
use serde_json::Value;

use crate::app::App;
use crate::audit::{self, Action, Stored};
use crate::store::{AuditFilter, ModelRow, StoreError};

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Bars and daily values: months of the market store, or files outside it.
    SourceData,
    /// The frozen experiment.
    ExperimentContract,
    /// Features, calendar, delays.
    FeatureContract,
    /// Train, validation and test rows.
    Dataset,
    /// The scaler.
    NormStats,
    /// Who trained on what.
    TrainingRun,
    /// The registered bundle with its ONNX file.
    Model,
    /// The reduced graph.
    ReducedModel,
    /// What the model answers to real observations.
    GoldenVectors,
    /// A run on held-out bars.
    Backtest,
    /// Evidence and the first vote.
    Proposal,
    /// A person's signed statement.
    Vote,
    /// A signed contract under which it ran or runs.
    ProductionPeriod,
}

/// A piece.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Unique within the lineage.
    pub id: String,
    /// What it is.
    pub kind: Kind,
    /// Its hash, where it has one.
    pub hash: Option<String>,
    /// Whether what is stored still has that hash (and the signatures it needs); none where nothing of it is stored.
    pub verified: Option<bool>,
    /// What is wrong with it.
    pub detail: Option<String>,
}

/// The second came from the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edge {
    /// A node's id.
    pub from: String,
    /// A node's id.
    pub to: String,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lineage {
    /// Of which model.
    pub model_id: ModelId,
    /// True when no node is broken.
    pub verified: bool,
    /// The pieces.
    pub nodes: Vec<Node>,
    /// What came from what.
    pub edges: Vec<Edge>,
}

/// The lineage of a model; none where there is no such model.
///
/// # Errors
/// [`StoreError`] when the database does not answer; what it answers wrongly is a broken node.
pub async fn lineage(app: &App, id: &ModelId) -> Result<Option<Lineage>, StoreError> {
    let Some(model) = app.store.model(id).await? else {
        return Ok(None);
    };
    let mut draft = Draft {
        app,
        model: &model,
        nodes: Vec::new(),
        edges: Vec::new(),
    };
    before::add(&mut draft).await?;
    after::add(&mut draft).await?;
    Ok(Some(Lineage {
        verified: draft.nodes.iter().all(|node| node.verified != Some(false)),
        nodes: draft.nodes,
        edges: draft.edges,
        model_id: id.clone(),
    }))
}

/// A lineage in the making.
struct Draft<'a> {
    app: &'a App,
    model: &'a ModelRow,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
}

/// What a check found: nothing wrong, or what.
type Checked = Result<(), String>;

impl Draft<'_> {
    /// Adds a node that came from others.
    fn add(
        &mut self,
        kind: Kind,
        id: &str,
        hash: Option<String>,
        checked: Checked,
        from: &[String],
    ) -> String {
        let verified = Some(checked.is_ok());
        self.push(kind, id, hash, verified, checked.err(), from)
    }

    /// Adds a node of which nothing is stored.
    fn outside(&mut self, kind: Kind, id: &str, hash: Option<String>, from: &[String]) -> String {
        self.push(kind, id, hash, None, None, from)
    }

    fn push(
        &mut self,
        kind: Kind,
        id: &str,
        hash: Option<String>,
        verified: Option<bool>,
        detail: Option<String>,
        from: &[String],
    ) -> String {
        self.nodes.push(Node {
            id: id.to_owned(),
            kind,
            hash,
            verified,
            detail,
        });
        let edges = from.iter().map(|from| Edge {
            from: from.clone(),
            to: id.to_owned(),
        });
        self.edges.extend(edges);
        id.to_owned()
    }

    /// Compares what an event said of `subject` with what is there now, member by member.
    async fn told(&self, action: Action, subject: &str, now: &Value) -> Result<Checked, StoreError> {
        let event = match self.event(action, subject).await? {
            Ok(event) => event,
            Err(what) => return Ok(Err(what)),
        };
        let canonical = |value: &Value| jcs::to_canonical(value).unwrap_or_default();
        for (name, value) in now.as_object().into_iter().flatten() {
            let told = event.event.body.get(name);
            if told.map(canonical) != Some(canonical(value)) {
                let seq = event.event.seq;
                return Ok(Err(format!("{name} is not what audit event {seq} says")));
            }
        }
        Ok(Ok(()))
    }

    /// The signed event of a making.
    async fn event(&self, action: Action, subject: &str) -> Result<Result<Stored, String>, StoreError> {
        let filter = AuditFilter {
            subject: Some(subject.to_owned()),
            action: Some(action.word().to_owned()),
            ..AuditFilter::default()
        };
        let found = match readable(self.app.store.audit_events(&filter, 1).await)? {
            Ok(found) => found.into_iter().next(),
            Err(what) => return Ok(Err(what)),
        };
        Ok(match found {
            None => Err("no audit event tells of it".to_owned()),
            Some(event) if event.is_genuine(self.app.keys.trusted()) => Ok(event),
            Some(event) => Err(format!("audit event {} was altered", event.event.seq)),
        })
    }

    /// A row against the newest signed event that tells of it, column by column.
    async fn row(&self, table: &str, name: &str) -> Result<Checked, StoreError> {
        let filter = AuditFilter {
            mentions: Some(name.to_owned()),
            ..AuditFilter::default()
        };
        let events = match readable(self.app.store.audit_events(&filter, u32::MAX).await)? {
            Ok(events) => events,
            Err(what) => return Ok(Err(what)),
        };
        let holds = self.app.store.row_now(table, &[name.into()]).await?;
        let trusted = self.app.keys.trusted();
        Ok(audit::as_told(&events, trusted, table, name, holds.as_ref()))
    }

    /// The bytes of an artifact, verified.
    async fn file(&self, hash: ArtifactHash) -> Result<Vec<u8>, String> {
        let store = self.app.artifacts.clone();
        let read = tokio::task::spawn_blocking(move || store.get(hash)).await;
        let read = read.expect("reading a file does not panic, and is waited for");
        read.map_err(|error| error.to_string())
    }
}

/// A row that cannot be read is broken; a database that does not answer is an error.
fn readable<T>(read: Result<T, StoreError>) -> Result<Result<T, String>, StoreError> {
    match read {
        Ok(value) => Ok(Ok(value)),
        Err(error @ StoreError::Corrupt { .. }) => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}

/// `Err(what)` unless it holds.
fn holds(condition: bool, what: &str) -> Checked {
    condition.then_some(()).ok_or_else(|| what.to_owned())
}
