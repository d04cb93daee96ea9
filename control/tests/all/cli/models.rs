//! `control model register`: files become a model, once; what is refused leaves nothing.

use control::artifacts::ArtifactStore as _;
use control::auth::Role;

use super::Served;
use crate::kit::app::app;
use crate::kit::database;
use crate::kit::http::user;
use crate::kit::models;

#[test]
fn a_model_is_registered_from_its_files_and_the_same_again_changes_nothing() {
    let mut served = Served::start_with(async || models::app_with_bars(database::sqlite().await));
    let contract = served.runtime.block_on(async {
        user(&served.test, "rita", &[Role::Researcher]).await;
        user(&served.test, "victor", &[Role::Viewer]).await;
        models::experiment(&served.test, "rita").await
    });
    served.login("rita");
    served.login("victor");
    let home = served.home.path();
    for (name, bytes) in [
        ("model.onnx", models::model(1)),
        ("norm_stats.json", models::norm_stats()),
        ("text", b"text".to_vec()),
    ] {
        std::fs::write(home.join(name), bytes).unwrap();
    }
    let register = |who: &str, model: &str, more: &[&str]| {
        let experiment = if more.contains(&"--experiment") {
            &[][..]
        } else {
            &["--experiment", contract.as_str()]
        };
        let files = [
            "model",
            "register",
            "--model",
            model,
            "--norm-stats",
            "norm_stats.json",
        ];
        served.run(who, &[&files, experiment, more].concat(), "")
    };
    let stored = || {
        let models = served.test.app.store.models(None, None, 10);
        served.runtime.block_on(models).unwrap().len()
    };
    for (who, model, more, code, part) in [
        ("victor", "model.onnx", &[][..], 77, "(forbidden, 403"),
        ("nobody", "model.onnx", &[], 77, "control login"),
        ("rita", "none.onnx", &[], 66, "cannot read none.onnx"),
        ("rita", "text", &[], 65, "(not_onnx, 422"),
        (
            "rita",
            "model.onnx",
            &["--action-output", "nothing"],
            65,
            "(wrong_action_output, 422",
        ),
        (
            "rita",
            "model.onnx",
            &["--training-run", "RUN-none"],
            65,
            "(training_run_not_found, 422",
        ),
        (
            "rita",
            "model.onnx",
            &["--experiment", "CTR-EXP-none-1.0.0"],
            65,
            "(experiment_not_found, 422",
        ),
    ] {
        let said = register(who, model, more);
        assert_eq!(
            said.code, code,
            "{who} {model} {more:?}: {}{}",
            said.out, said.err
        );
        assert!(said.err.contains(part), "{who} {model} {more:?}: {}", said.err);
        assert!(said.out.is_empty(), "{}", said.out);
    }
    assert_eq!(stored(), 0);
    assert!(served.test.artifacts.list().unwrap().is_empty());

    let made = register("rita", "model.onnx", &["--trials", "3"]);
    assert_eq!(made.code, 0, "{}{}", made.out, made.err);
    assert!(made.out.starts_with("registered\n"), "{}", made.out);
    let again = register("rita", "model.onnx", &["--trials", "3", "--json"]);
    assert_eq!(again.code, 0, "{}{}", again.out, again.err);
    let document = again.json();
    assert_eq!(
        (&document["created"], &document["declared_trials"]),
        (&false.into(), &3.into())
    );
    assert_eq!(document["stage"], "staging");
    assert_eq!(stored(), 1);
    let id = document["model_id"].as_str().unwrap();
    let shown = served.run("victor", &["model", "show", id], "");
    assert!(
        shown.code == 0 && shown.out.contains(contract.as_str()),
        "{}{}",
        shown.out,
        shown.err
    );
    // A first vote was asked for by the registration.
    let jobs = served.run("victor", &["job", "list", "--json"], "");
    assert_eq!(jobs.json()["jobs"][0]["subject"], id, "{}", jobs.out);
}

#[test]
fn without_bars_for_golden_vectors_it_says_what_the_operator_lacks() {
    let mut served = Served::start_with(async || app(database::sqlite().await));
    let contract = served.runtime.block_on(async {
        user(&served.test, "rita", &[Role::Researcher]).await;
        models::experiment(&served.test, "rita").await
    });
    served.login("rita");
    let home = served.home.path();
    std::fs::write(home.join("model.onnx"), models::model(1)).unwrap();
    std::fs::write(home.join("norm_stats.json"), models::norm_stats()).unwrap();
    let words = [
        "model",
        "register",
        "--experiment",
        contract.as_str(),
        "--model",
        "model.onnx",
        "--norm-stats",
        "norm_stats.json",
    ];
    let said = served.run("rita", &words, "");
    assert_eq!(said.code, 77, "{}{}", said.out, said.err);
    assert!(said.err.contains("(no_market, 409"), "{}", said.err);
}
