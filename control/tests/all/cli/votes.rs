//! From a pending proposal to production, a halt, a resume, a rollback and a withdrawal.

use control::auth::Role;

use super::Served;
use crate::kit::http::user;
use crate::kit::sample::{self, Shape};

/// Proposals of two models; the people who decide about them.
fn prepared() -> (Served, Vec<control::store::ProposalRow>) {
    let mut served = Served::start();
    let proposals = served.runtime.block_on(async {
        let test = &served.test;
        for (name, role) in [
            ("vera", Role::Approver),
            ("olga", Role::Operator),
            ("oscar", Role::Operator),
            ("victor", Role::Viewer),
        ] {
            user(test, name, &[role]).await;
        }
        let experiment = sample::experiment(&test.app, "rita").await;
        let mut proposals = Vec::new();
        for seed in 1..3 {
            let model = sample::model(&test.app, &experiment, "rita", seed).await;
            proposals.push(sample::proposal(&test.app, &model, 1, Shape::default()).await);
        }
        proposals
    });
    for who in ["vera", "olga", "oscar", "victor"] {
        served.login(who);
    }
    (served, proposals)
}

#[test]
fn a_vote_deploys_and_two_operators_resume() {
    let (mut served, proposals) = prepared();
    let (one, two) = (&proposals[0], &proposals[1]);
    let (first, second) = (&one.model_id, &two.model_id);
    let digest = one.evidence_digest.to_hex();
    served.tell("victor", "pending", "");
    served.tell("victor", &format!("proposal show {}", one.proposal_id), "");
    served.tell("vera", &format!("approve {} --promote", one.proposal_id), "yes\n");
    let old = "0".repeat(64);
    served.tell("vera", &format!("approve {} --digest {old}", one.proposal_id), "");
    served.tell(
        "victor",
        &format!("approve {} --digest {digest}", one.proposal_id),
        "",
    );
    served.tell(
        "vera",
        &format!("approve {} --promote --digest {digest}", one.proposal_id),
        "",
    );
    served.tell(
        "vera",
        &format!("approve {} --promote --digest {digest} --json", one.proposal_id),
        "",
    );
    served.tell("victor", "slots", "");
    served.tell("olga", "halt usdcop-5m --reason 'spread of 4 %'", "");
    served.tell(
        "olga",
        "resume usdcop-5m --latches control --reason 'spread is back'",
        "",
    );
    served.tell("olga", "resume usdcop-5m --confirm", "");
    served.tell("oscar", "resume usdcop-5m --confirm", "");
    served.tell("olga", "resume usdcop-5m", "");
    let digest = two.evidence_digest.to_hex();
    served.tell(
        "vera",
        &format!(
            "reject {} --digest {digest} --notes 'one month only'",
            two.proposal_id
        ),
        "",
    );
    served.tell("victor", "proposal list --status REJECTED", "");
    served.tell("olga", &format!("promote {second}"), "");
    served.tell(
        "olga",
        &format!("rollback usdcop-5m --to {second} --reason 'losses'"),
        "",
    );
    served.tell(
        "olga",
        &format!("model withdraw {first} --reason 'wrong prices'"),
        "",
    );
    served.tell("victor", "model list --slot usdcop-5m", "");
    served.tell("victor", &format!("model show {first}"), "");
    served.tell("victor", "history usdcop-5m", "");
    served.tell(
        "victor",
        "history usdcop-5m --as-of 2026-01-05T13:05:00Z --json",
        "",
    );
    served.tell("victor", "history nowhere", "");
    served.tell("victor", "engines", "");
    served.tell("victor", "audit list --action HALTED", "");
    served.tell("victor", "audit list --action halting", "");
    insta::assert_snapshot!("votes", served.transcript());
}

#[test]
fn an_approval_for_later_is_promoted_from_the_command_line() {
    let (mut served, proposals) = prepared();
    let one = &proposals[0];
    let digest = one.evidence_digest.to_hex();
    served.tell(
        "vera",
        &format!("approve {} --digest {digest}", one.proposal_id),
        "",
    );
    served.test.clock.advance_ms(16 * 60_000);
    served.tell("vera", &format!("promote {}", one.model_id), "");
    served.login("vera");
    served.tell("vera", &format!("promote {}", one.model_id), "");
    insta::assert_snapshot!("later", served.transcript());
}
