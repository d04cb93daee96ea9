//! An app on a database, with keys, a clock that stands still and an artifact store.

use std::sync::Arc;

use contracts::ids::PersonId;
use contracts::time::UtcMillis;
use control::app::App;
use control::artifacts::DirectoryStore;
use control::auth::{Actor, Role, Via};
use control::clock::ManualClock;
use control::config::Config;
use control::keys::{self, Keyring};

use super::database::Database;

/// When tests begin: 2026-01-05T13:05:00Z.
pub const START: UtcMillis = UtcMillis(1_767_618_300_000);

/// An app and what a test moves.
pub struct TestApp {
    pub app: App,
    pub clock: ManualClock,
    pub database: Database,
    pub artifacts: DirectoryStore,
    pub folder: tempfile::TempDir,
}

impl TestApp {
    /// The settings as a file, for a verb that opens the store itself.
    pub fn settings_file(&self) -> String {
        let config = &self.app.config;
        let path = self.folder.path().join("control.toml");
        let text = format!(
            "database = {:?}\nartifacts = {:?}\nkeys = {:?}\naudit_heads = {:?}\n\
            [slots.usdcop-5m]\nenvironment = \"paper\"\ninstruments = [\"USDCOP\"]\n",
            config.database, config.artifacts, config.keys, config.audit_heads
        );
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// One slot `usdcop-5m` in `paper`.
pub fn app(database: Database) -> TestApp {
    app_with(database, |_| {})
}

/// The same with other settings.
pub fn app_with(database: Database, change: impl FnOnce(&mut Config)) -> TestApp {
    let folder = tempfile::tempdir().unwrap();
    let key_folder = folder.path().join("keys");
    for (n, purpose) in (1u8..).zip(keys::PURPOSES) {
        keys::generate(&key_folder, purpose, [n; 32]).unwrap();
    }
    let mut config: Config = toml::from_str(
        r#"
        [slots.usdcop-5m]
        environment = "paper"
        instruments = ["USDCOP"]
        "#,
    )
    .unwrap();
    config.features = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/features").into();
    config.database.clone_from(&database.url);
    config.artifacts = folder.path().join("artifacts");
    config.keys.clone_from(&key_folder);
    config.audit_heads = folder.path().join("heads/audit-heads.jsonl");
    change(&mut config);
    let clock = ManualClock::at(START);
    let artifacts = DirectoryStore::new(&folder.path().join("artifacts"));
    let app = App::new(
        database.store.clone(),
        Arc::new(artifacts.clone()),
        Keyring::load(&key_folder).unwrap(),
        Arc::new(clock.clone()),
        Arc::new(config),
    );
    TestApp {
        app,
        clock,
        database,
        artifacts,
        folder,
    }
}

/// Somebody whose password was given at [`START`].
pub fn person(name: &str, roles: &[Role]) -> Actor {
    Actor {
        person: PersonId::parse(name).unwrap(),
        email: Some(format!("{name}@example.invalid")),
        roles: roles.to_vec(),
        via: Via::Password {
            authenticated_at: START,
        },
        client_ip: Some("127.0.0.1".to_owned()),
        user_agent: Some("tests".to_owned()),
    }
}
