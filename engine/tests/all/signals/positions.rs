//! Reported positions over the wire.

use contracts::action::PositionSource;
use engine::config::Scope;
use engine::edges::{Serving, Tokens};
use serde_json::{Value, json};

use super::kit::{Rig, Setup, run, token};

fn report(instrument: &str, position: i8, minute: u8) -> Value {
    json!({"op": "position", "instrument": instrument, "position": position, "as_of": format!("2026-01-05T13:{minute:02}:00Z")})
}

#[test]
fn reports_reach_the_core_in_order_from_one_owner() {
    run(async {
        let tokens = Tokens::fixed(vec![
            token("all", &[Scope::SignalsRead, Scope::PositionsWrite]),
            token("reader", &[Scope::SignalsRead]),
        ]);
        let rig = Rig::start(Setup {
            tokens,
            ..Setup::default()
        })
        .await;
        let mut one = rig.connect().await;
        one.object().await;
        one.send(report("A", 1, 0)).await;
        assert_eq!(one.object().await["code"], "wrong_mode");
        rig.hub.set_serving(Serving {
            position_source: PositionSource::Feedback,
            ..Serving::default()
        });
        one.send(report("A", 1, 5)).await;
        one.send(report("A", 0, 4)).await;
        assert_eq!(one.object().await["code"], "stale_position");
        one.send(report("C", 0, 6)).await;
        assert_eq!(one.object().await["code"], "unknown_instrument");

        let mut reader = rig.connect_as("reader").await.unwrap();
        reader.object().await;
        reader.send(report("A", 0, 7)).await;
        assert_eq!(reader.object().await["code"], "forbidden");

        let mut two = rig.connect().await;
        two.object().await;
        two.send(report("A", -1, 7)).await;
        assert_eq!(two.object().await["code"], "not_owner");
        two.send(report("B", -1, 7)).await;
        drop(one);
        while rig.hub.clients() > 2 {
            tokio::task::yield_now().await;
        }
        two.send(report("A", -1, 8)).await;
        // The answer to a report that is refused comes after those before it were taken.
        two.send(report("A", 0, 1)).await;
        assert_eq!(two.object().await["code"], "stale_position");
        let at = |minute| format!("2026-01-05T13:{minute:02}:00Z");
        assert_eq!(
            *rig.inbox.0.lock().unwrap(),
            [(0, 1, at(5)), (1, -1, at(7)), (0, -1, at(8))]
        );
    });
}
