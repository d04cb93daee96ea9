//! A proposal for the person who votes on it: what the first vote said, on which figures, and what they leave out.

use serde_json::Value;

use super::table::{aligned, cell, fields, plain, table};

/// The proposal as text; its last line is the digest a vote binds to.
#[must_use]
pub fn shown(proposal: &Value) -> String {
    let evidence = &proposal["evidence"];
    let mut text = fields(
        proposal,
        &[
            ("proposal", "/proposal_id"),
            ("status", "/status"),
            ("model", "/model_id"),
            ("experiment", "/experiment_name"),
            ("slot", "/slot"),
            ("revision", "/revision"),
            ("made", "/created_at"),
            ("open until", "/expires_at"),
            ("decided by", "/reviewer"),
            ("notes", "/reviewer_notes"),
        ],
    );
    text.push_str("\nFirst vote\n");
    text.push_str(&fields(
        proposal,
        &[
            ("recommendation", "/recommendation"),
            ("confidence", "/confidence"),
            ("because", "/reason"),
            ("cannot be overridden", "/not_overridable"),
        ],
    ));
    text.push_str("\nMeasured on\n");
    text.push_str(&fields(
        evidence,
        &[
            ("instrument", "/holdout/instrument"),
            ("from", "/holdout/first_session"),
            ("to", "/holdout/last_session"),
            ("sessions", "/holdout/sessions"),
            ("bars", "/holdout/bars"),
            ("costs, bps", "/settings/transaction_cost_bps"),
            ("slippage, bps", "/settings/slippage_bps"),
            ("fill", "/settings/fill"),
            ("look no. at this window", "/looks/number"),
            ("trials declared", "/looks/declared"),
            ("look-ahead", "/causality/look_ahead"),
            ("golden vectors reproduced", "/self_test_passed"),
        ],
    ));
    text.push_str("\nCriteria\n");
    text.push_str(&criteria(&evidence["criteria"]));
    text.push_str("\nFigures\n");
    text.push_str(&figures(&evidence["metrics"]));
    if !evidence["baseline"].is_null() {
        text.push_str("\nAgainst the model in production\n");
        text.push_str(&fields(
            &evidence["baseline"],
            &[
                ("model", "/baseline_model_id"),
                ("its Sharpe ratio", "/metrics/sharpe_ratio/value"),
                ("Sharpe, new − base", "/delta_sharpe/value"),
                ("P(better)", "/p_better/value"),
                ("improvement", "/sharpe_improvement/value"),
                ("it has seen this window", "/in_sample"),
            ],
        ));
    }
    for test in evidence["more_tests"].as_array().into_iter().flatten() {
        text.push_str(&format!(
            "\nTest {}: {}\n",
            cell(&test["test"]),
            cell(&test["finding"])
        ));
    }
    text.push('\n');
    text.push_str(&notes(&evidence["caveats"]));
    text.push_str(&format!(
        "\nevidence_digest  {}\n",
        cell(&proposal["evidence_digest"])
    ));
    text
}

/// What the figures leave out.
#[must_use]
pub fn notes(caveats: &Value) -> String {
    let lines = caveats.as_array().into_iter().flatten();
    lines.map(|caveat| format!("Note: {}\n", cell(caveat))).collect()
}

/// The table of criteria.
#[must_use]
pub fn criteria(rows: &Value) -> String {
    table(
        rows,
        &[
            ("CRITERION", "/name"),
            ("ASKED", "/threshold"),
            ("FOUND", "/actual"),
            ("LOW", "/ci95/low"),
            ("HIGH", "/ci95/high"),
            ("IF MISSED", "/severity"),
            ("MET", "/passed"),
        ],
    )
}

/// Every figure with its interval, or why there is none.
#[must_use]
pub fn figures(metrics: &Value) -> String {
    let lines: Vec<Vec<String>> = metrics
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, figure)| {
            let (value, interval) = match (figure.get("value"), figure.get("ci95")) {
                (None, _) => (cell(figure), String::new()),
                (Some(Value::Null), _) => (
                    format!("undefined: {}", cell(&figure["undefined"])),
                    String::new(),
                ),
                (Some(value), None) => (cell(value), String::new()),
                (Some(value), Some(ci)) => {
                    let ends = format!("95 % from {} to {}", cell(&ci["low"]), cell(&ci["high"]));
                    (cell(value), ends)
                }
            };
            vec![plain(name), value, interval]
        })
        .collect();
    aligned(&lines)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_undefined_is_said_to_be() {
        let metrics = json!({
            "sharpe_ratio": {"value": 1.25, "ci95": {"low": -0.1, "high": 2.5}},
            "sortino_ratio": {"value": null, "undefined": "too_few"},
            "total_trades": 3,
        });
        let expected = "\
sharpe_ratio   1.2500              95 % from -0.1000 to 2.5000
sortino_ratio  undefined: too_few
total_trades   3
";
        assert_eq!(figures(&metrics), expected);
    }
}
