//! Proposals and the second vote: `control pending`, `proposal list|show`, `approve`, `reject`, `request-more-tests`.
//!
//! A vote names the evidence it is about. A person sees the evidence first and is asked; a script names the digest it has read, and is
//! refused when the evidence has changed since.

use contracts::hash::EvidenceDigest;
use contracts::ids::ProposalId;
use serde_json::{Value, json};

use super::out::Sink;
use super::prompt::{confirmed, somebody};
use super::remote::{Call, Remote, ServerArgs, Who};
use super::table::{cell, table};
use super::{CliError, Exit, block_on, evidence};
use crate::store::ProposalStatus;

/// Proposals.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List proposals, newest first.
    List(ListArgs),
    /// Show a proposal with its evidence.
    Show(ShowArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Statuses: PENDING_APPROVAL, APPROVED, REJECTED, EXPIRED.

Examples:
  control proposal list
  control proposal list --status REJECTED --limit 20 --json")]
struct ListArgs {
    /// Only those.
    #[arg(long, value_name = "STATUS")]
    status: Option<ProposalStatus>,
    /// At most that many, 1 to 200.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: Option<u32>,
    /// Those after this place, as `next_cursor` of the page before says.
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<u64>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  control proposal show PROP-sample-0123456789ab-1
  control proposal show PROP-sample-0123456789ab-1 --json | jq .evidence")]
struct ShowArgs {
    /// Which.
    proposal: ProposalId,
    #[command(flatten)]
    server: ServerArgs,
}

/// Options of `control pending`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  control pending
  control pending --json")]
pub struct PendingArgs {
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
struct Vote {
    /// Which proposal.
    proposal: ProposalId,
    /// The evidence the vote is about, as `proposal show` names it; without it the evidence is shown and you are asked.
    #[arg(long, value_name = "HEX", value_parser = EvidenceDigest::parse)]
    digest: Option<EvidenceDigest>,
    /// Why, at most 8 KiB; needed to overrule the first vote.
    #[arg(long, value_name = "TEXT")]
    notes: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

/// Options of `control approve`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Needs the role approver, a login of the last 15 minutes, and that you are no author of the model. Overruling REVIEW or REJECT needs --notes.
Exit code 1 when the evidence has changed, 77 when you may not or the proposal is not open.

Examples:
  control approve PROP-sample-0123456789ab-1 --promote
  control approve PROP-sample-0123456789ab-1 --digest 3b1f… --notes 'watched for a week on paper'")]
pub struct ApproveArgs {
    #[command(flatten)]
    vote: Vote,
    /// Deploys at once; without it `control promote` does it later.
    #[arg(long)]
    promote: bool,
}

/// Options of `control reject`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Needs the role approver and a login of the last 15 minutes. Exit code 1 when the evidence has changed.

Examples:
  control reject PROP-sample-0123456789ab-1 --notes 'trades only in one month'
  control reject PROP-sample-0123456789ab-1 --digest 3b1f… --json")]
pub struct RejectArgs {
    #[command(flatten)]
    vote: Vote,
}

/// Options of `control request-more-tests`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Tests: costs_x2 (everything costs twice as much), latency_1_bar (orders fill a bar later), other_window, noise (prices a little off),
block_shuffled_null (the model's decisions at other times), worst_regime. Each runs as a job, counts as a look, and appends to the evidence,
which gets another digest. Rights as for `control approve`.

Examples:
  control request-more-tests PROP-sample-0123456789ab-1 --tests costs_x2,noise --notes 'thin margin'")]
pub struct MoreTestsArgs {
    /// Which tests.
    #[arg(long, value_name = "TEST,…", value_delimiter = ',', required = true)]
    tests: Vec<String>,
    #[command(flatten)]
    vote: Vote,
}

/// Runs `control proposal`.
///
/// # Errors
/// See [`super::remote`].
pub fn run(args: &Args, out: Sink<'_>) -> Result<(), CliError> {
    match &args.verb {
        Verb::List(args) => {
            let call = Call::get(&["api", "experiments"])
                .with("status", args.status.map(ProposalStatus::word))
                .with("limit", args.limit)
                .with("cursor", args.cursor);
            list(&args.server, call, out)
        }
        Verb::Show(args) => {
            let path = ["api", "experiments", args.proposal.as_str()];
            args.server
                .ask(Who::Anybody, Call::get(&path), evidence::shown, out)
        }
    }
}

/// Lists what waits for a second vote.
///
/// # Errors
/// See [`super::remote`].
pub fn pending(args: &PendingArgs, out: Sink<'_>) -> Result<(), CliError> {
    list(&args.server, Call::get(&["api", "experiments", "pending"]), out)
}

fn list(server: &ServerArgs, call: Call, out: Sink<'_>) -> Result<(), CliError> {
    let columns = [
        ("PROPOSAL", "/proposal_id"),
        ("SLOT", "/slot"),
        ("REV", "/revision"),
        ("FIRST VOTE", "/recommendation"),
        ("CONFIDENCE", "/confidence"),
        ("SHARPE", "/metrics/sharpe_ratio/value"),
        ("STATUS", "/status"),
        ("OPEN UNTIL", "/expires_at"),
    ];
    server.ask(
        Who::Anybody,
        call,
        |page| {
            let mut text = table(&page["experiments"], &columns);
            if let Some(next) = page["next_cursor"].as_u64() {
                text.push_str(&format!(
                    "{} in all; the next page: --cursor {next}\n",
                    cell(&page["total"])
                ));
            }
            text
        },
        out,
    )
}

/// Casts a yes.
///
/// # Errors
/// [`Exit::Differs`] when the evidence has changed; see [`super::remote`].
pub fn approve(args: &ApproveArgs, out: Sink<'_>) -> Result<(), CliError> {
    let body = json!({"notes": args.vote.notes, "promote_to_production": args.promote});
    let question = if args.promote {
        "approve and deploy"
    } else {
        "approve, to be deployed later,"
    };
    vote(&args.vote, "approve", question, body, out, |done| {
        let model = cell(&done["model_id"]);
        let mut text = format!(
            "approved by {}: {model} is {}\n",
            cell(&done["approved_by"]),
            cell(&done["new_stage"])
        );
        if let Some(generation) = done["generation"].as_u64() {
            text.push_str(&format!(
                "generation {generation}, contract {}\n",
                cell(&done["contract"])
            ));
        }
        if done["previous_model_archived"].is_string() {
            text.push_str(&format!("archived: {}\n", cell(&done["previous_model_archived"])));
        }
        if done["generation"].is_null() && done["deploy_by"].is_string() {
            text.push_str(&format!(
                "`control promote {model}` until {}\n",
                cell(&done["deploy_by"])
            ));
        }
        text
    })
}

/// Casts a no.
///
/// # Errors
/// As [`approve`].
pub fn reject(args: &RejectArgs, out: Sink<'_>) -> Result<(), CliError> {
    let body = json!({"notes": args.vote.notes});
    vote(&args.vote, "reject", "reject", body, out, |done| {
        format!("rejected by {}\n", cell(&done["rejected_by"]))
    })
}

/// Asks for tests.
///
/// # Errors
/// As [`approve`].
pub fn request_more_tests(args: &MoreTestsArgs, out: Sink<'_>) -> Result<(), CliError> {
    let body = json!({"tests": args.tests, "notes": args.vote.notes});
    let question = "have more tests run about";
    vote(&args.vote, "request-more-tests", question, body, out, |done| {
        table(&done["jobs"], &[("TEST", "/test"), ("JOB", "/job_id")])
    })
}

fn vote(
    vote: &Vote,
    verb: &str,
    question: &str,
    body: Value,
    out: Sink<'_>,
    said: impl FnOnce(&Value) -> String,
) -> Result<(), CliError> {
    let mut remote = vote.server.remote(Who::Person, out)?;
    block_on(async {
        let digest = match vote.digest {
            Some(digest) => digest.to_hex(),
            None => review(&mut remote, &vote.proposal, question).await?,
        };
        let path = ["api", "experiments", vote.proposal.as_str(), verb];
        remote
            .relay(Call::post(&path, body).if_match(&digest), said)
            .await
    })?
}

/// Shows the evidence and asks; its digest when the answer is yes.
pub async fn review(
    remote: &mut Remote<'_>,
    proposal: &ProposalId,
    question: &str,
) -> Result<String, CliError> {
    somebody("name the evidence with --digest")?;
    let reply = remote
        .send(Call::get(&["api", "experiments", proposal.as_str()]))
        .await?;
    let document = reply.json()?;
    let digest = reply.etag.filter(|tag| document["evidence_digest"] == **tag);
    let digest = digest.ok_or_else(|| {
        CliError::new(
            Exit::Unavailable,
            "the proposal came without the digest of its evidence",
            "check that --url names a `control serve` of this version",
        )
    })?;
    if !remote.json() {
        remote.answer(&document, &evidence::shown(&document))?;
    }
    let question = format!("Type yes to {question} {proposal} on this evidence: ");
    if confirmed(&question, "yes")? {
        return Ok(digest);
    }
    Err(CliError::new(
        Exit::Refused,
        "not confirmed: no vote was cast",
        "",
    ))
}
