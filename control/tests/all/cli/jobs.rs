//! Work the server does by itself, asked for and watched from the command line: the first vote, tests a reviewer asks for.

use control::auth::Role;

use super::Served;
use crate::kit::http::user;
use crate::kit::sample::{self, Shape};

#[test]
fn more_tests_and_a_first_vote_are_asked_for_and_listed() {
    let mut served = Served::start();
    let proposal = served.runtime.block_on(async {
        let test = &served.test;
        user(test, "vera", &[Role::Approver]).await;
        user(test, "rolf", &[Role::Researcher]).await;
        user(test, "victor", &[Role::Viewer]).await;
        let experiment = sample::experiment(&test.app, "rita").await;
        let model = sample::model(&test.app, &experiment, "rita", 1).await;
        sample::proposal(&test.app, &model, 1, Shape::default()).await
    });
    for who in ["vera", "rolf", "victor"] {
        served.login(who);
    }
    let id = &proposal.proposal_id;
    let digest = proposal.evidence_digest.to_hex();
    let ask = |tests: &str, end: &str| {
        format!("request-more-tests {id} --tests {tests} --digest {digest} --notes 'thin margin'{end}")
    };
    served.tell("victor", "job list", "");
    served.tell("vera", &ask("costs_x3", ""), "");
    served.tell("victor", &ask("costs_x2", ""), "");
    served.tell("vera", &ask("costs_x2,noise", ""), "");
    served.tell("vera", &ask("costs_x2", " --json"), "");
    served.tell("victor", &format!("propose {}", proposal.model_id), "");
    served.tell("rolf", &format!("propose {}", proposal.model_id), "");
    served.tell("rolf", "propose sample-000000000000", "");
    served.tell("victor", "job list", "");
    served.tell("victor", "job list --kind more_test --limit 1 --json", "");
    served.tell("victor", "job list --state asleep", "");
    served.tell("victor", "job show 1", "");
    served.tell("victor", "job show 99", "");
    insta::assert_snapshot!("jobs", served.transcript());
}
