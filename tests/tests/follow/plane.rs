//! A control plane that serves on a socket, with people who vote and a slot to vote about.

use std::net::SocketAddr;
use std::sync::Arc;

use contracts::ids::{ModelId, SlotId};
use control::api;
use control::auth::{self, NewToken, Role, Scope, SystemRandom};
use control::clock::{Clock as _, SystemClock};
use control::store::{ExperimentRow, ModelRow, ProposalRow, ReceiptRow};
use serde_json::{Value, json};
use testkit::guard::within;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::kit::app::{START, TestApp, app, person};
use crate::kit::database::Database;
use crate::kit::http::{Answer, Who, call, logged_in, user};
use crate::kit::sample::{self, Shape};
use crate::models;

/// The slot of all tests here.
pub const SLOT: &str = "usdcop-5m";

/// See the module. `rita` is the author of everything; `vera` approves, `olga` and `otto` operate.
pub struct Plane {
    pub test: TestApp,
    pub experiment: ExperimentRow,
    pub vera: Who,
    pub olga: Who,
    pub otto: Who,
    /// The engine's token.
    pub token: String,
    address: SocketAddr,
    server: Option<(oneshot::Sender<()>, JoinHandle<std::io::Result<()>>)>,
}

impl Plane {
    /// Serves on a free port; its clock stands at the machine's time.
    pub async fn start(database: Database) -> Self {
        let test = app(database);
        test.clock.advance_ms(SystemClock.now().0 - START.0);
        let experiment = sample::experiment(&test.app, "rita").await;
        let vera = logged_in(&test, "vera", &[Role::Approver]).await;
        let olga = logged_in(&test, "olga", &[Role::Operator]).await;
        let otto = logged_in(&test, "otto", &[Role::Operator]).await;
        user(&test, "motor", &[Role::Engine]).await;
        let token = NewToken {
            owner: "motor".parse().unwrap(),
            name: "follows".to_owned(),
            scopes: vec![Scope::EngineSync],
            slot: Some(SLOT.parse().unwrap()),
            days: 300,
        };
        let root = person("root", &[Role::Admin]);
        let (secret, ..) = auth::create_token(&test.app, &SystemRandom, &root, &token)
            .await
            .unwrap();
        let mut plane = Self {
            test,
            experiment,
            vera,
            olga,
            otto,
            token: secret.reveal().to_owned(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            server: None,
        };
        plane.open().await;
        plane
    }

    /// Listens, where it listened before.
    pub async fn open(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async {
            stopped.await.ok();
        };
        let serving = api::serve_until(self.test.app.clone(), Arc::new(SystemRandom), listener, stopped);
        self.server = Some((stop, tokio::spawn(serving)));
    }

    /// Listens no more; the app is still there for [`Self::call`].
    pub async fn close(&mut self) {
        let (stop, serving) = self.server.take().unwrap();
        stop.send(()).unwrap();
        within("the end of serving", serving).await.unwrap().unwrap();
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A POST by `who`.
    pub async fn call(&self, who: &Who, path: &str, body: Value) -> Answer {
        call(&self.test, who, "POST", path, Some(&body.to_string())).await
    }

    pub async fn get(&self, who: &Who, path: &str) -> Answer {
        call(&self.test, who, "GET", path, None).await
    }

    /// A model of `rita`'s and an open proposal for it, compared with `baseline`.
    pub async fn proposed(&self, seed: u64, baseline: Option<&ModelId>) -> (ModelRow, ProposalRow) {
        let model = models::model(&self.test.app, &self.experiment, "rita", seed).await;
        let proposal = self.propose(&model, 1, baseline).await;
        (model, proposal)
    }

    /// Proposal number `n` of a model.
    pub async fn propose(&self, model: &ModelRow, n: u32, baseline: Option<&ModelId>) -> ProposalRow {
        let shape = Shape {
            baseline: baseline.cloned(),
            ..Shape::default()
        };
        sample::proposal(&self.test.app, model, n, shape).await
    }

    /// `who` decides a proposal: `approve` or `reject`.
    pub async fn decide(&self, who: &Who, proposal: &ProposalRow, verb: &str, body: Value) -> Answer {
        let who = who.with("if-match", &format!("\"{}\"", proposal.evidence_digest));
        let path = format!("/api/experiments/{}/{verb}", proposal.proposal_id);
        self.call(&who, &path, body).await
    }

    /// `vera` approves and deploys; gives the generation.
    pub async fn deploy(&self, proposal: &ProposalRow) -> u64 {
        let body = json!({"promote_to_production": true});
        let answer = self.decide(&self.vera, proposal, "approve", body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["generation"].as_u64().unwrap()
    }

    /// The newest receipt that fits, as soon as there is one.
    pub async fn receipt(&self, what: &str, fits: impl Fn(&ReceiptRow) -> bool) -> ReceiptRow {
        let mut changes = self.test.app.listen();
        let slot: SlotId = SLOT.parse().unwrap();
        within(what, async {
            loop {
                let receipts = self.test.app.store.receipts(&slot, 50).await.unwrap();
                if let Some(found) = receipts.into_iter().find(|receipt| fits(receipt)) {
                    return found;
                }
                drop(changes.recv().await);
            }
        })
        .await
    }

    /// What the slot is told now: number of contracts, and what the newest directive wants.
    pub async fn said(&self) -> (usize, Option<contracts::hash::ContractDigest>) {
        let slot: SlotId = SLOT.parse().unwrap();
        let store = &self.test.app.store;
        let contracts = store.contracts_of(&slot, 100).await.unwrap().len();
        let directive = store.newest_directive(&slot).await.unwrap();
        let directive =
            directive.map(|text| contracts::directive::Directive::parse(text.as_bytes()).unwrap());
        (contracts, directive.and_then(|directive| directive.contract))
    }
}
