//! Faults of an experiment file: each with its path and line.

use super::*;

fn shipped() -> String {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../config/experiments/usdcop_ppo_baseline.yaml"
    );
    std::fs::read_to_string(path).unwrap()
}

fn ok(yaml: &str) -> Parsed {
    parse(yaml.as_bytes(), "e.yaml").unwrap()
}

#[test]
fn a_comment_and_another_order_change_the_bytes_only() {
    let first = ok(&shipped());
    let commented = ok(&shipped().replace("seed: 42", "seed: 42   # the answer"));
    assert_eq!(commented.config_hash, first.config_hash);
    assert_ne!(commented.source_hash, first.source_hash);
    let (head, tail) = shipped()
        .split_once("\nslot: usdcop-5m")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let moved = ok(&format!("{head}{tail}slot: usdcop-5m\n"));
    assert_eq!(moved.config_hash, first.config_hash);
    assert_eq!(moved.experiment, first.experiment);
    assert_ne!(
        ok(&shipped().replace("seed: 42", "seed: 7")).config_hash,
        first.config_hash
    );
}

#[test]
fn defaults_are_frozen_and_leave_the_hash_of_what_was_written() {
    let cut = shipped().split("\npromotion:").next().unwrap().to_owned() + "\n";
    let (short, whole) = (ok(&cut), ok(&shipped()));
    assert_eq!(short.experiment, whole.experiment);
    assert_ne!(short.config_hash, whole.config_hash);
    let frozen = serde_json::to_value(&short.experiment).unwrap();
    assert_eq!(frozen["schema_version"], "twovote/experiment/v1");
    assert_eq!(frozen["promotion"]["offline_grace_hours"], 72);
    assert_eq!(frozen["evaluation"]["success_criteria"]["min_dsr"]["value"], 0.95);
}

#[test]
fn hashes_cover_their_sections() {
    let first = ok(&shipped());
    assert_eq!(first.source_hash, SourceHash::of(shipped().as_bytes()));
    let later = ok(&shipped().replace("end: 2026-03-16", "end: 2026-03-17"));
    assert_ne!(later.date_ranges_version, first.date_ranges_version);
    assert_eq!(later.reward_config_hash, first.reward_config_hash);
    let reward = ok(&shipped()
        .replace("churn: 0.1", "churn: 0.05")
        .replace("drawdown: 0.1\n", "drawdown: 0.15\n"));
    assert_ne!(reward.reward_config_hash, first.reward_config_hash);
    assert_eq!(reward.date_ranges_version, first.date_ranges_version);
}

/// What is replaced, by what, where the error must be, and a word of it. The line is that of the replacement.
const FAULTS: &[(&str, &str, &str, &str)] = &[
    (
        "slot: usdcop-5m",
        "slot: usdcop-5m\nextra: 1",
        "extra",
        "unknown field",
    ),
    (
        "  calendar: usdcop",
        "  calender: usdcop",
        "data.calender",
        "unknown field",
    ),
    (
        "start: 2020-03-01",
        "strat: 2020-03-01",
        "data.train.strat",
        "unknown field",
    ),
    ("start: 2020-03-01, ", "", "data.train.start", "missing field"),
    (
        "start: 2020-03-01",
        "start: 2020-02-30",
        "data.train.start",
        "date",
    ),
    ("end: 2024-12-31", "end: 2020-02-01", "data.train.end", "before"),
    (
        "start: 2025-01-01",
        "start: 2024-12-31",
        "data.validation.start",
        "overlap",
    ),
    (
        "start: 2025-07-01",
        "start: 2025-06-30",
        "data.test.start",
        "overlap",
    ),
    (
        "start: 2025-07-01, end: 2026-03-16",
        "start: 2019-07-01, end: 2020-01-16",
        "data.test.start",
        "overlap",
    ),
    (
        "  version: 1.0.0",
        "  version: 1.0",
        "experiment.version",
        "invalid type",
    ),
    (
        "  version: 1.0.0",
        "  version: one",
        "experiment.version",
        "no version",
    ),
    (
        "  version: 2.1.0",
        "  version: latest",
        "features.version",
        "no version",
    ),
    (
        "name: usdcop_ppo_baseline",
        "name: a b",
        "experiment.name",
        "experiment name",
    ),
    (
        "instrument: USDCOP",
        "instrument: [USDCOP]",
        "data.instrument",
        "invalid type",
    ),
    (
        "initial_capital: 100000",
        "initial_capital: 0",
        "environment.initial_capital",
        "above 0",
    ),
    (
        "position_size: 1.0",
        "position_size: 1.5",
        "environment.position_size",
        "at most 1",
    ),
    (
        "position_size: 1.0",
        "position_size: 0",
        "environment.position_size",
        "above 0",
    ),
    (
        "transaction_cost_bps: 75",
        "transaction_cost_bps: -1",
        "environment.transaction_cost_bps",
        "at least 0",
    ),
    (
        "slippage_bps: 0",
        "slippage_bps: .inf",
        "environment.slippage_bps",
        "finite",
    ),
    (
        "fill: next_open",
        "fill: yesterday",
        "environment.fill",
        "unknown variant",
    ),
    (
        "stale_after_bars: 12",
        "stale_after_bars: 0",
        "environment.stale_after_bars",
        "at least 1",
    ),
    (
        "stale_after_bars: 12",
        "stale_after_bars: 4294967296",
        "environment.stale_after_bars",
        "u32",
    ),
    (
        "long_above: 0.33",
        "long_above: -0.5",
        "environment.action",
        "-0.5",
    ),
    (
        "long_above: 0.33",
        "long_abov: 0.33",
        "environment.action.long_abov",
        "unknown field",
    ),
    (
        "long_above: 0.33",
        "long_above: high",
        "environment.action.long_above",
        "invalid type",
    ),
    (
        "kind: continuous",
        "kind: discrete",
        "environment.action.kind",
        "none of",
    ),
    ("kind: continuous, ", "", "environment.action.kind", "missing"),
    (
        "action: {kind: continuous, long_above: 0.33, short_below: -0.33}",
        "action: {kind: index, map: [0, 0, 1]}",
        "environment.action",
        "once each",
    ),
    ("trainer: ppo", "trainer: a2c", "training.trainer", "none of"),
    ("n_epochs: 10", "n_epochs: 0", "training.n_epochs", "1 to"),
    ("n_epochs: 10", "n_epoch: 10", "training.n_epoch", "unknown field"),
    (
        "n_epochs: 10",
        "n_epochs: ten",
        "training.n_epochs",
        "invalid type",
    ),
    ("gamma: 0.9", "gamma: 1.1", "training.gamma", "at most 1"),
    ("seed: 42", "seed: -1", "training.seed", "u64"),
    ("seed: 42", "seed: 42\n  seed: 43", "training.seed", "second time"),
    (
        "net_arch: [64, 64]",
        "net_arch: []",
        "training.net_arch",
        "layers",
    ),
    (
        "net_arch: [64, 64]",
        "net_arch: [64, 0]",
        "training.net_arch[1]",
        "units",
    ),
    ("pnl: 0.5", "pnl: 0.6", "reward.weights", "sum to"),
    ("pnl: 0.5", "pnl: -0.5", "reward.weights.pnl", "at least 0"),
    (
        "pnl: 0.5",
        "profit: 0.5",
        "reward.weights.profit",
        "unknown variant",
    ),
    (
        "max_drawdown: 0.15",
        "max_drawdown: -0.15",
        "evaluation.success_criteria.max_drawdown",
        "above 0",
    ),
    (
        "min_win_rate: 0.45",
        "min_win_rate: 45",
        "evaluation.success_criteria.min_win_rate",
        "at most 1",
    ),
    (
        "min_trades: 50",
        "min_trades: 50.5",
        "evaluation.success_criteria.min_trades",
        "invalid type",
    ),
    (
        "min_trades: 50",
        "min_trades: 50\n    min_dsr: {value: 0.9}",
        "evaluation.success_criteria.min_dsr.severity",
        "missing",
    ),
    (
        "min_trades: 50",
        "min_trades: 50\n    min_psr: {value: 2, severity: warn}",
        "evaluation.success_criteria.min_psr.value",
        "at most 1",
    ),
    (
        "on_stale: hold",
        "on_stale: {flatten_after_s: 0}",
        "promotion.on_stale.flatten_after_s",
        "1 to",
    ),
    (
        "on_stale: hold",
        "on_stale: {flatten_after_m: 1}",
        "promotion.on_stale.flatten_after_m",
        "unknown variant",
    ),
    (
        "expires_in_days: 7",
        "expires_in_days: 0",
        "promotion.expires_in_days",
        "1 to",
    ),
    (
        "offline_grace_hours: 72",
        "offline_grace_hours: 169",
        "promotion.offline_grace_hours",
        "168",
    ),
];

#[test]
fn every_fault_is_named_with_its_path_and_line() {
    for (from, to, path, word) in FAULTS {
        let good = shipped();
        let at = good
            .find(from)
            .unwrap_or_else(|| panic!("{from} is not in the example"));
        let yaml = good.replacen(from, to, 1);
        let Err(error) = parse(yaml.as_bytes(), "e.yaml") else {
            panic!("{to:?} was accepted");
        };
        assert_eq!(error.path(), Some(*path), "{to:?}: {error}");
        assert!(error.to_string().contains(word), "{to:?}: {error}");
        // A list of weights is named at its head, whatever follows a line break on the next one.
        let extra = usize::from(to.contains('\n'));
        let line = good[..at].matches('\n').count() + 1 + extra;
        let expected = if *path == "reward.weights" { line - 1 } else { line };
        assert_eq!(error.line(), Some(expected), "{to:?}: {error}");
        let start = format!("e.yaml: line {expected}: {path}: ");
        assert!(error.to_string().starts_with(&start), "{error}");
    }
}

#[test]
fn whole_documents_that_are_none() {
    let refused = |yaml: &[u8]| parse(yaml, "e.yaml").unwrap_err();
    assert_eq!(
        refused(&vec![b'#'; EXPERIMENT_BYTES_MAX + 1]).code(),
        "experiment_too_large"
    );
    assert_eq!(refused(b"a: 1\nb: \xff\n").line(), Some(2));
    assert_eq!(refused(b"a: [\n").code(), "experiment_no_yaml");
    assert_eq!(refused(b"--- 1\n--- 2\n").code(), "experiment_no_yaml");
    assert_eq!(refused(b"").code(), "experiment_no_yaml");
    assert_eq!(refused(b"[]").path(), Some("the document"));
    let missing = shipped().split("\nreward:").next().unwrap().to_owned() + "\n";
    assert_eq!(refused(missing.as_bytes()).path(), Some("reward"));
    let brackets = vec![b'['; EXPERIMENT_BYTES_MAX];
    assert!(refused(&brackets).line().is_some());
}

#[test]
fn the_other_kinds_of_action_and_trainer_parse() {
    let other = shipped().replace(
        "action: {kind: continuous, long_above: 0.33, short_below: -0.33}",
        "action: {kind: logits, map: [-1, 0, 1], action_output: logits}",
    );
    let action = ok(&other).experiment.environment.action;
    assert_eq!(action.action_output.as_deref(), Some("logits"));
    let (head, tail) = other.split_once("training:").unwrap();
    let tail = tail.split_once("reward:").unwrap().1;
    let command =
        format!("{head}training: {{trainer: command, command: [python3, train.py], seed: 1}}\nreward:{tail}");
    let parsed = ok(&command);
    assert!(matches!(
        parsed.experiment.training,
        super::super::TrainingSection::Command { seed: 1, .. }
    ));
    let empty = command.replace("[python3, train.py]", "[]");
    assert_eq!(
        parse(empty.as_bytes(), "e").unwrap_err().path(),
        Some("training.command")
    );
}
