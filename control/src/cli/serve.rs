//! `control serve`: the API, and what the plane does by itself.

use std::sync::Arc;

use super::out::Sink;
use super::place::ConfigArg;
use super::{CliError, Exit, OrExit};
use crate::app::App;
use crate::artifacts::DirectoryStore;
use crate::auth::{self, SystemRandom};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::jobs::Runner;
use crate::keys::Keyring;
use crate::notify::Deliverer;
use crate::store::{OpenError, Store, StoreError};
use crate::{api, routine};

/// Options of `control serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The schema is brought up to date first. On a store without users a secret for the first admin is printed; it works once and for an hour.
SIGTERM ends it: streams are closed, requests have ten seconds.

Examples:
  control key generate && control serve
  control serve --config /etc/twovote/control.toml")]
pub struct Args {
    #[command(flatten)]
    place: ConfigArg,
}

/// Runs the verb until it is told to stop.
///
/// # Errors
/// [`Exit::Config`] for settings or keys that cannot be used, [`Exit::Unavailable`] for a database or an address that is not there.
pub fn run(args: &Args, out: Sink<'_>) -> Result<(), CliError> {
    let config = args.place.load()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.or_exit(
        Exit::Unavailable,
        "the system gives no event loop",
        "raise the limit of open files",
    )?;
    runtime.block_on(serve(config, out))
}

async fn serve(config: Config, out: Sink<'_>) -> Result<(), CliError> {
    let keys = Keyring::load(&config.keys).or_exit(
        Exit::Config,
        "the signing keys cannot be used",
        "run `control key generate`, or name their directory in the settings",
    )?;
    let store = open(&config.database).await.or_exit(
        Exit::Unavailable,
        "the database cannot be used",
        "check its URL and that it runs; `control migrate` says more",
    )?;
    let listener = tokio::net::TcpListener::bind(config.listen).await.or_exit(
        Exit::Unavailable,
        format!("{} cannot be listened on", config.listen),
        "choose another `listen` in the settings, or end what listens there",
    )?;
    let address = listener.local_addr().unwrap_or(config.listen);
    let artifacts = Arc::new(DirectoryStore::new(&config.artifacts));
    let app = App::new(store, artifacts, keys, Arc::new(SystemClock), Arc::new(config));
    let unavailable = |error: StoreError| {
        CliError::new(
            Exit::Unavailable,
            "the database does not answer",
            "check that it runs, and start again",
        )
        .caused_by(error)
    };
    know_slots(&app).await.map_err(unavailable)?;
    // Before anybody is told that the plane is there: who knows of it may end it, and that end is an orderly one.
    let told = api::told_to_stop().or_exit(Exit::Software, "cannot listen for signals", "")?;
    if let Some(link) = auth::offer_setup(&app, &SystemRandom)
        .await
        .map_err(unavailable)?
    {
        say(
            out,
            &format!(
                "first admin, once and within an hour: control setup --url http://{address} --link {} --user NAME\n",
                link.reveal()
            ),
        )?;
    }
    say(out, &format!("listening on http://{address}\n"))?;
    let routine = tokio::spawn(routine::rounds(app.clone()));
    let deliveries = tokio::spawn(Deliverer::new(app.clone()).rounds());
    let (stop, stopping) = tokio::sync::watch::channel(false);
    let runner = Runner::new(app.clone());
    let working = tokio::spawn(async move { runner.run(stopping).await });
    let served = api::serve_until(app, Arc::new(SystemRandom), listener, told).await;
    routine.abort();
    deliveries.abort();
    // What is in hand goes back into the queue and is taken up by the next start.
    stop.send_replace(true);
    working.await.ok();
    served.or_exit(Exit::Software, "serving ended with an error", "see the log")
}

async fn open(url: &str) -> Result<Store, OpenError> {
    let store = Store::open(url).await?;
    store.migrate().await?;
    Ok(store)
}

/// Every slot of the settings has its row; one that left the settings keeps its history.
async fn know_slots(app: &App) -> Result<(), StoreError> {
    let mut tx = app.store.begin().await?;
    for (slot, settings) in &app.config.slots {
        tx.ensure_slot(slot, &settings.environment, app.now()).await?;
    }
    tx.commit().await
}

fn say(out: Sink<'_>, line: &str) -> Result<(), CliError> {
    let written = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    written.or_exit(
        Exit::Io,
        "stdout cannot be written",
        "give it a place to write to",
    )
}
