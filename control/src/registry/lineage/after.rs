//! From the registered model to what ran.

use contracts::hash::ArtifactHash;
use contracts::ids::ProposalId;
use contracts::production::{ProductionContract, Promote, Rollback, SecondVote, Signed};

use super::{Checked, Draft, Kind, holds, readable, sources};
use crate::store::{BacktestFiles, ContractRow, EvidenceRow, ProposalRow, StatementText, StoreError};

/// Adds everything that followed.
pub(super) async fn add(draft: &mut Draft<'_>) -> Result<(), StoreError> {
    let (store, id) = (&draft.app.store, &draft.model.model_id);
    let model = format!("model:{id}");
    let (backtests, proposals) = (store.backtest_files_of(id).await?, store.proposals_of(id).await?);
    let (statements, contracts) = (
        store.statements_of(id).await?,
        readable(store.contracts_with(id).await)?,
    );
    let mut runs = Vec::new();
    for run in backtests {
        runs.push(backtest(draft, &run, &model).await?);
    }
    let from = if runs.is_empty() {
        vec![model.clone()]
    } else {
        runs
    };
    for proposal in proposals {
        add_proposal(draft, &proposal, &from).await?;
    }
    let mut votes = Vec::new();
    for (n, statement) in statements.iter().enumerate() {
        votes.push(vote(draft, n + 1, statement, &model));
    }
    let from = if votes.is_empty() { vec![model] } else { votes };
    match contracts {
        Ok(contracts) => {
            for contract in contracts {
                period(draft, &contract, &from);
            }
        }
        Err(what) => drop(draft.add(Kind::ProductionPeriod, "periods", None, Err(what), &from)),
    }
    Ok(())
}

async fn backtest(draft: &mut Draft<'_>, run: &BacktestFiles, model: &str) -> Result<String, StoreError> {
    let mut checked = draft.row("backtests", &run.backtest_id).await?;
    for file in &run.files {
        let read = match ArtifactHash::parse(file) {
            Ok(hash) => draft.file(hash).await.map(drop),
            Err(error) => Err(error.to_string()),
        };
        checked = checked.and(read);
    }
    let id = format!("backtest:{}", run.backtest_id);
    let hash = Some(run.fingerprint.clone());
    Ok(draft.add(Kind::Backtest, &id, hash, checked, &[model.to_owned()]))
}

async fn add_proposal(draft: &mut Draft<'_>, id: &ProposalId, from: &[String]) -> Result<(), StoreError> {
    let store = &draft.app.store;
    let row = match readable(store.proposal(id).await)? {
        Ok(Some(row)) => Ok(row),
        Ok(None) => Err("it is not there".to_owned()),
        Err(what) => Err(what),
    };
    let evidence = match &row {
        Ok(row) => readable(store.evidence(id, row.revision).await)?
            .and_then(|shown| shown.ok_or_else(|| "its evidence is not there".to_owned())),
        Err(what) => Err(what.clone()),
    };
    let checked = match (&row, &evidence) {
        (Ok(row), Ok(shown)) => proposal_as_signed(draft, row, shown),
        (Err(what), _) | (_, Err(what)) => Err(what.clone()),
    };
    let checked = checked.and(draft.row("promotion_proposals", id.as_str()).await?);
    let mut from = from.to_vec();
    if let Ok(shown) = &evidence {
        let holdout = &shown.evidence.holdout;
        match holdout.sources {
            Some(list) => from.extend(sources::add_list(draft, list).await?),
            None => {
                let source = format!("source:{}", holdout.market_hash.short(12));
                if !draft.nodes.iter().any(|node| node.id == source) {
                    draft.outside(Kind::SourceData, &source, Some(holdout.market_hash.to_hex()), &[]);
                }
                from.push(source);
            }
        }
    }
    let hash = row.ok().map(|row| row.evidence_digest.to_hex());
    draft.add(Kind::Proposal, &format!("proposal:{id}"), hash, checked, &from);
    Ok(())
}

fn proposal_as_signed(draft: &Draft<'_>, row: &ProposalRow, shown: &EvidenceRow) -> Checked {
    let first = &shown.first_vote;
    first
        .verify(draft.app.keys.trusted())
        .map_err(|error| error.to_string())?;
    let digest = shown.evidence.digest();
    let said = &first.statement;
    holds(
        digest == Ok(said.evidence_digest),
        "the evidence has another digest than the first vote names",
    )?;
    holds(
        row.evidence_digest == said.evidence_digest,
        "the proposal names other evidence",
    )?;
    let same = (&row.proposal_id, &row.model_id, &row.slot)
        == (&said.proposal_id, &said.model_id, &said.slot)
        && row.recommendation == said.recommendation;
    holds(
        same,
        "the proposal says something else than the signed first vote",
    )?;
    holds(
        said.bundle_hash == draft.model.bundle_hash && said.model_id == draft.model.model_id,
        "the first vote is about another bundle",
    )
}

fn vote(draft: &mut Draft<'_>, n: usize, kept: &StatementText, model: &str) -> String {
    let checked = match kept.kind.as_str() {
        "second" => signed::<SecondVote>(draft, &kept.statement, |vote| &vote.bundle_hash),
        "promote" => signed::<Promote>(draft, &kept.statement, |vote| &vote.bundle_hash),
        _ => signed::<Rollback>(draft, &kept.statement, |vote| &vote.bundle_hash),
    };
    let proposal = kept.proposal_id.as_ref().map(|id| format!("proposal:{id}"));
    let from = proposal.unwrap_or_else(|| model.to_owned());
    let id = format!("vote:{n}:{}", kept.kind);
    draft.add(Kind::Vote, &id, None, checked, &[from])
}

fn signed<T>(draft: &Draft<'_>, text: &str, bundle: impl Fn(&T) -> &contracts::hash::BundleHash) -> Checked
where
    T: contracts::production::Statement + serde::de::DeserializeOwned,
{
    let signed: Signed<T> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    signed
        .verify(draft.app.keys.trusted())
        .map_err(|error| error.to_string())?;
    holds(
        *bundle(&signed.statement) == draft.model.bundle_hash,
        "it is about another bundle",
    )
}

fn period(draft: &mut Draft<'_>, row: &ContractRow, from: &[String]) {
    let checked = ProductionContract::parse(row.contract.as_bytes())
        .map_err(|error| error.to_string())
        .and_then(|contract| {
            let verified = contract.verify(draft.app.keys.trusted());
            verified.map_err(|error| error.to_string())?;
            let same = contract.digest().is_ok_and(|digest| digest == row.digest)
                && contract.model_id == row.model_id
                && contract.generation == row.generation;
            holds(same, "the signed contract is not the one the row names")
        });
    let id = format!("period:{}:{}", row.slot, row.generation);
    let hash = Some(row.digest.to_hex());
    draft.add(Kind::ProductionPeriod, &id, hash, checked, from);
}
