//! Documents written by this version keep parsing, and keep their digests, in every later one. The committed files are
//! never rewritten: a new version of a format gets new files beside them.

use contracts::directive::Directive;
use contracts::golden::Golden;
use contracts::hash::ArtifactHash;
use contracts::production::{ContractOrigin, ProductionContract};
use contracts::signing::{PublicKeyFile, TrustedKeys};

use crate::golden::path;

fn read(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap()
}

fn trusted() -> TrustedKeys {
    TrustedKeys::new(
        ["contract", "vote", "backtest"]
            .map(|name| {
                PublicKeyFile::read(&path(&format!("v1/{name}.pub")))
                    .unwrap()
                    .trusted()
            })
            .to_vec(),
    )
}

#[test]
fn production_contracts_of_version_1_parse_and_verify() {
    for (name, origin, digest) in [
        (
            "v1/contract_local.json",
            ContractOrigin::Local,
            "ca2e74400a411899c44ae19cc0e25c20036c96b549c96c6336ed1474278414f9",
        ),
        (
            "v1/contract_voted.json",
            ContractOrigin::Votes,
            "d5f8a39a17409eaa92d810f09b6577f91d1bb5cd7b412ee997566f0fb025e4c1",
        ),
    ] {
        let contract = ProductionContract::parse(&read(name)).unwrap();
        assert_eq!(contract.origin, origin);
        assert_eq!(contract.digest().unwrap().to_hex(), digest, "{name}");
        contract.verify(&trusted()).unwrap();
        let written = serde_json::to_string_pretty(&contract).unwrap() + "\n";
        assert_eq!(written.as_bytes(), read(name), "{name}");
    }
}

#[test]
fn directives_of_version_1_parse_and_verify() {
    let directive = Directive::parse(&read("v1/directive.json")).unwrap();
    assert_eq!(
        directive.digest().unwrap().to_hex(),
        "3c73233097100e3a10062ca40f8c5c7543b797f056c57d9a002c41a117321ea0"
    );
    directive.verify(&trusted()).unwrap();
    let written = serde_json::to_string_pretty(&directive).unwrap() + "\n";
    assert_eq!(written.as_bytes(), read("v1/directive.json"));
}

#[test]
fn golden_vectors_of_version_1_parse_and_keep_their_bytes() {
    let bytes = read("v1/golden.json");
    let golden = Golden::parse(&bytes).unwrap();
    assert_eq!(golden.to_bytes().unwrap(), bytes);
    assert_eq!(
        ArtifactHash::of(&bytes).to_hex(),
        "3e8b78746ba742c9f568b9c584e0e111c21481d3e0076461d0f8bcda3001acd9"
    );
}
