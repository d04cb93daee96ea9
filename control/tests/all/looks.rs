//! What `control backtest` tells: the look before its figures, the result after.

use contracts::hash::Digest;
use contracts::time::DayNumber;
use control::auth::{Role, Scope};
use control::store::LookRow;
use serde_json::{Value, json};

use crate::kit::app::{START, TestApp, app};
use crate::kit::http::{Answer, Who, call, logged_in, token};
use crate::kit::on_every_database;
use crate::kit::registered::{experiment, features, generated, lenient};

pub fn look(bundle: char, bps: f64, first: &str, last: &str) -> Value {
    json!({
        "instrument": "USDCOP", "first_session": first, "last_session": last, "sessions": 10,
        "bundle_hash": bundle.to_string().repeat(64), "fingerprint": "f".repeat(64), "sharpe_per_session": 0.05,
        "settings": {"initial_capital": 100_000.0, "position_size": 1.0, "transaction_cost_bps": bps, "slippage_bps": 0.0,
            "fill": "next_open", "latency_bars": 1, "overnight": "hold", "stale_after_bars": 12,
            "position_source": "signal"},
    })
}

async fn tell(test: &TestApp, who: &Who, body: &Value) -> Answer {
    call(test, who, "POST", "/api/looks", Some(&body.to_string())).await
}

pub fn metrics() -> Value {
    let figure = json!({"value": 0.1});
    let names = [
        "sharpe_ratio",
        "sharpe_per_session",
        "sortino_ratio",
        "calmar_ratio",
        "max_drawdown",
        "max_drawdown_upper95",
        "total_return",
        "win_rate",
        "profit_factor",
        "avg_trade_pnl",
        "expectancy",
        "exposure",
        "turnover",
        "cost_share",
        "break_even_cost_bps",
        "skewness",
        "kurtosis",
        "psr",
        "dsr",
        "min_track_record_sessions",
    ];
    let mut all = json!({
        "max_drawdown_duration_bars": 1, "total_trades": 5, "test_period_start": "2025-02-03",
        "test_period_end": "2025-02-14", "sessions": 10,
    });
    for name in names {
        all[name] = figure.clone();
    }
    all
}

#[test]
fn looks_are_counted_before_figures_and_a_result_without_its_look_is_refused() {
    on_every_database(|database| async {
        let test = &app(database);
        experiment(&test.app, generated("twin", lenient()), features("technical_8")).await;
        logged_in(test, "rita", &[Role::Researcher]).await;
        let rita = Who::token(&token(test, "rita", Scope::ResearchWrite, None).await.0);
        let (first, last) = ("2025-02-03", "2025-02-14");
        let own = look('a', 1.0, first, last);
        let result =
            json!({"contract_id": "CTR-EXP-twin-1.0.0", "look": own, "metrics": metrics()}).to_string();
        let early = call(test, &rita, "POST", "/api/backtests", Some(&result)).await;
        assert_eq!(early.code(), (409, "look_not_told".to_owned()));

        let told = tell(test, &rita, &own).await.json();
        assert_eq!(
            (&told["new"], &told["number"], &told["sharpes"]),
            (&json!(true), &json!(1), &json!([0.05]))
        );
        assert_eq!(
            tell(test, &rita, &own).await.json()["new"],
            false,
            "the same look again is none"
        );
        assert_eq!(
            tell(test, &rita, &look('a', 2.0, first, last)).await.json()["number"],
            2,
            "other costs are another"
        );
        assert_eq!(
            tell(test, &rita, &look('b', 1.0, "2025-02-14", "2025-03-01"))
                .await
                .json()["number"],
            3
        );
        assert_eq!(
            tell(test, &rita, &look('b', 1.0, "2025-02-15", "2025-03-01"))
                .await
                .json()["number"],
            1
        );
        let backwards = tell(test, &rita, &look('a', 1.0, last, first)).await;
        assert_eq!(backwards.code(), (422, "window".to_owned()));
        for invented in [3.000_001, -1e9] {
            let mut body = look('c', 1.0, first, last);
            body["sharpe_per_session"] = invented.into();
            let refused = tell(test, &rita, &body).await;
            assert_eq!(refused.code(), (422, "figure_implausible".to_owned()));
        }
        assert_eq!(tell(test, &rita, &own).await.json()["number"], 3, "it is no look");

        let stored = call(test, &rita, "POST", "/api/backtests", Some(&result)).await;
        assert_eq!(stored.status, 201, "{}", stored.text);
        let again = call(test, &rita, "POST", "/api/backtests", Some(&result)).await;
        assert_eq!((again.status.as_u16(), again.json()), (200, stored.json()));
        let id = stored.json()["backtest_id"].as_str().unwrap().to_owned();
        let row = call(test, &rita, "GET", &format!("/api/backtests/{id}"), None)
            .await
            .json();
        assert_eq!(
            (&row["purpose"], &row["look"]),
            (&json!("research"), &Value::Null)
        );
        assert!(row["created_by"].as_str().unwrap().contains("of rita"), "{row}");
        let page = call(test, &rita, "GET", &format!("/api/backtests/{id}/report"), None).await;
        assert_eq!(page.code(), (404, "no_report".to_owned()));
        let all = call(test, &rita, "GET", "/api/backtests", None).await.json();
        assert_eq!(all["backtests"].as_array().unwrap().len(), 1);
        let unknown = result.replace("CTR-EXP-twin-1.0.0", "CTR-EXP-none-1.0.0");
        let unknown = call(test, &rita, "POST", "/api/backtests", Some(&unknown)).await;
        assert_eq!(unknown.code(), (404, "experiment_not_found".to_owned()));
    });
}

#[test]
fn a_look_without_a_figure_leaves_room_for_one_with_a_figure() {
    on_every_database(|database| async {
        let test = app(database);
        let look = |run: &[u8], sharpe_per_session| LookRow {
            instrument: "USDCOP".parse().unwrap(),
            first_session: DayNumber::parse("2025-02-03").unwrap(),
            last_session: DayNumber::parse("2025-02-18").unwrap(),
            bundle_hash: Digest::of(run),
            costs: "{}".to_owned(),
            fingerprint: Digest::of(run),
            sharpe_per_session,
            sessions: 12,
            created_by: "rita".to_owned(),
            created_at: START,
        };
        let looks = [look(b"1", None), look(b"2", Some(0.25)), look(b"3", None)];
        // One connection: a statement it keeps is used for all three.
        let mut tx = test.app.store.begin().await.unwrap();
        for look in &looks {
            assert!(tx.insert_look(look).await.unwrap());
        }
        let (first, last) = (looks[0].first_session, looks[0].last_session);
        assert_eq!(tx.looks(&looks[0].instrument, first, last).await.unwrap(), looks);
    });
}
