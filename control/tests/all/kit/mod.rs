//! What the tests share: databases, an app on each, and something to vote on.

pub mod app;
pub mod database;
pub mod described;
pub mod http;
pub mod market;
pub mod models;
pub mod postgres;
pub mod registered;
pub mod rows;
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
