//! What there is: listed by name, by month, as it was.

use control::auth::Role;
use serde_json::{Value, json};

use crate::kit::app::{START, app};
use crate::kit::http::{call, logged_in};
use crate::kit::market::{bars, closes, daily, store, values};
use crate::kit::on_every_database;

#[test]
fn the_store_says_what_it_holds_and_what_it_held() {
    on_every_database(|database| async {
        let test = app(database);
        let vera = logged_in(&test, "vera", &[Role::Viewer]).await;
        let get = async |path: &str| call(&test, &vera, "GET", path, None).await;
        let none = get("/api/market").await.json();
        assert_eq!(none, json!({"market": [], "next_cursor": null}));
        assert_eq!(
            get("/api/market/bars/EUR%2FUSD").await.code(),
            (404, "no_such_market".to_owned())
        );

        let rows = |closes_of_january: &[f64]| closes("2026-01-30T13:05:00Z", closes_of_january);
        store(&test, &bars("EUR/USD"), &rows(&[1.0, 1.1])).await;
        test.clock.advance_ms(60_000);
        store(&test, &bars("EUR/USD"), &closes("2026-02-02T13:05:00Z", &[1.2])).await;
        store(
            &test,
            &daily("dxy"),
            &values(&[("2026-01-05", 98.0, None), ("2026-03-02", 99.0, None)]),
        )
        .await;
        test.clock.advance_ms(60_000);
        store(&test, &bars("EUR/USD"), &rows(&[1.0, 1.15])).await;

        let all = get("/api/market").await.json();
        let held = all["market"].as_array().unwrap();
        assert_eq!(held.len(), 2);
        assert_eq!(
            held[0],
            json!({"kind": "bars", "name": "EUR/USD", "vendor": "acme", "vendor_id": "EUR/USD-id", "months": 2, "revisions": 3,
                "rows": 3, "first": "2026-01-30T13:05:00.000Z", "last": "2026-02-02T13:05:00.000Z",
                "revised_at": START.plus_ms(120_000)})
        );
        assert_eq!(
            (&held[1]["name"], &held[1]["months"], &held[1]["last"]),
            (&json!("dxy"), &json!(2), &json!("2026-03-02"))
        );
        let page = get("/api/market?limit=1").await.json();
        assert_eq!(page["next_cursor"], "bars:EUR/USD");
        let page = get("/api/market?limit=1&cursor=bars:EUR%2FUSD").await.json();
        assert_eq!(page["market"], json!([held[1]]));

        let path = "/api/market/bars/EUR%2FUSD";
        let shown = |answer: &Value| -> Vec<(String, u64)> {
            let rows = answer["partitions"].as_array().unwrap().iter();
            rows.map(|row| {
                (
                    row["month"].as_str().unwrap().to_owned(),
                    row["revision"].as_u64().unwrap(),
                )
            })
            .collect()
        };
        let of = |month: &str, revision: u64| (month.to_owned(), revision);
        let now = get(path).await.json();
        assert_eq!(shown(&now), [of("2026-01", 2), of("2026-02", 1)]);
        assert_eq!(
            (&now["vendor_id"], &now["partitions"][0]["changed"]),
            (&json!("EUR/USD-id"), &json!(1))
        );
        let every = get(&format!("{path}?all=true")).await.json();
        assert_eq!(
            shown(&every),
            [of("2026-01", 1), of("2026-01", 2), of("2026-02", 1)]
        );
        assert_eq!(
            every["partitions"][1]["previous"],
            every["partitions"][0]["sha256"]
        );
        let at = |minutes: i64| format!("{path}?at={}", START.plus_ms(minutes * 60_000));
        assert_eq!(shown(&get(&at(0)).await.json()), [of("2026-01", 1)]);
        assert_eq!(
            shown(&get(&at(1)).await.json()),
            [of("2026-01", 1), of("2026-02", 1)]
        );
        assert_eq!(
            shown(&get(&at(-1)).await.json()),
            [],
            "nothing yet, but it is known"
        );
        let through = get(&format!("{path}?through=1")).await.json();
        assert_eq!(
            (shown(&through), &through["through"]),
            (vec![of("2026-01", 1)], &json!(1))
        );

        let (mut cursor, mut paged) = (String::new(), Vec::new());
        loop {
            let page = get(&format!("{path}?all=true&limit=1{cursor}")).await.json();
            paged.extend(shown(&page));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(paged, shown(&every));
        for bad in [
            "?cursor=x",
            "?limit=0",
            "?limit=501",
            "?at=now",
            "?through=-1",
            "?all=maybe",
            "?x=1",
        ] {
            assert_eq!(get(&format!("{path}{bad}")).await.code().0, 400, "{bad}");
        }
        for bad in [
            "/api/market?cursor=EUR",
            "/api/market?limit=201",
            "/api/market/ticks/USDCOP",
            "/api/market/daily/EUR%2FUSD",
        ] {
            assert_eq!(get(bad).await.code().0, 400, "{bad}");
        }

        let metrics = get("/metrics").await.text;
        for line in [
            "twovote_market_rows{kind=\"bars\",name=\"EUR/USD\"} 3",
            "twovote_market_revisions{kind=\"bars\",name=\"EUR/USD\"} 3",
            "twovote_market_last_timestamp_seconds{kind=\"daily\",name=\"dxy\"} 1772409600",
        ] {
            assert!(metrics.lines().any(|told| told == line), "{line}\n{metrics}");
        }
    });
}
