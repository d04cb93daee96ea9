//! The control plane's own test kit: databases, an app, people, and something to vote on.
#![expect(dead_code, reason = "its own tests use all of it")]

#[path = "../../../control/tests/all/kit/app.rs"]
pub mod app;
#[path = "../../../control/tests/all/kit/database.rs"]
pub mod database;
#[path = "../../../control/tests/all/kit/described.rs"]
pub mod described;
#[path = "../../../control/tests/all/kit/http.rs"]
pub mod http;
#[path = "../../../control/tests/all/kit/postgres.rs"]
pub mod postgres;
#[path = "../../../control/tests/all/kit/rows.rs"]
pub mod rows;
#[path = "../../../control/tests/all/kit/sample.rs"]
pub mod sample;

/// Runs an async test body once per database there is.
pub fn on_every_database<F: Future<Output = ()>>(test: impl Fn(database::Database) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        test(database::sqlite().await).await;
        if let Some(database) = database::postgres().await {
            test(database).await;
        }
    });
}
