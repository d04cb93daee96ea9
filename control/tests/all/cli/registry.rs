//! Experiments are registered, listed and shown; a model's lineage.

use control::auth::Role;

use super::Served;
use crate::kit::http::user;

#[test]
fn an_experiment_is_registered_once_and_a_fault_in_it_is_named() {
    let mut served = Served::start();
    served.runtime.block_on(async {
        user(&served.test, "rita", &[Role::Researcher]).await;
        user(&served.test, "victor", &[Role::Viewer]).await;
    });
    served.login("rita");
    served.login("victor");
    let shipped = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../config/experiments/usdcop_ppo_baseline.yaml"
    );
    let yaml = std::fs::read_to_string(shipped).unwrap();
    let other = served.home.path().join("other.yaml");
    std::fs::write(
        &other,
        yaml.replace("transaction_cost_bps: 75", "transaction_cost_bps: 7"),
    )
    .unwrap();
    let bad = served.home.path().join("bad.yaml");
    std::fs::write(&bad, yaml.replace("pnl: 0.5", "pnl: 0.6")).unwrap();

    let contract = "CTR-EXP-usdcop_ppo_baseline-1.0.0";
    for (who, words, code, part) in [
        (
            "victor",
            &["experiment", "register", shipped][..],
            77,
            "(forbidden, 403",
        ),
        ("rita", &["experiment", "register", shipped], 0, "registered\n"),
        ("rita", &["experiment", "register", shipped], 0, "nothing changed"),
        ("rita", &["experiment", "register", "other.yaml"], 77, "409"),
        (
            "rita",
            &["experiment", "register", "bad.yaml"],
            65,
            "reward.weights",
        ),
        (
            "rita",
            &["experiment", "register", "none.yaml"],
            66,
            "cannot read none.yaml",
        ),
        ("victor", &["experiment", "list"], 0, contract),
        (
            "victor",
            &["experiment", "show", contract],
            0,
            "date_ranges_version",
        ),
        ("victor", &["experiment", "show", "CTR-EXP-none-1.0.0"], 66, "404"),
        ("victor", &["lineage", "none"], 66, "there is no model none"),
    ] {
        let said = served.run(who, words, "");
        assert_eq!(said.code, code, "{words:?}: {}{}", said.out, said.err);
        let all = format!("{}{}", said.out, said.err);
        assert!(all.contains(part), "{words:?}: {all}");
    }
}
