//! A fresh, migrated database per test.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use control::store::Store;

/// A database of its own.
pub struct Database {
    /// Open and migrated.
    pub store: Store,
    /// For another connection, or an edit by hand.
    pub url: String,
    /// Which kind, for messages.
    pub kind: &'static str,
    _folder: Option<tempfile::TempDir>,
}

/// In a file.
pub async fn sqlite() -> Database {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("control.db").display());
    Database {
        store: open(&url).await,
        url,
        kind: "sqlite",
        _folder: Some(folder),
    }
}

/// On the private server; `None` where there is none.
pub async fn postgres() -> Option<Database> {
    Some(postgres_at(super::postgres::socket_folder()?).await)
}

/// On the server whose socket is in this folder.
pub async fn postgres_at(socket: &Path) -> Database {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let socket = socket.display();
    let name = format!("t{}", NUMBER.fetch_add(1, Ordering::SeqCst));
    let url = |name: &str| format!("postgres://postgres@localhost/{name}?host={socket}");
    edit(&url("postgres"), &format!("CREATE DATABASE {name}")).await;
    let url = url(&name);
    Database {
        store: open(&url).await,
        url,
        kind: "postgres",
        _folder: None,
    }
}

async fn open(url: &str) -> Store {
    let store = Store::open(url).await.unwrap();
    store.migrate().await.unwrap();
    store
}

/// What somebody with a database client would do; returns the rows it changed.
pub async fn edit(url: &str, sql: &str) -> u64 {
    try_edit(url, sql).await.unwrap()
}

/// The same, when it may be refused.
pub async fn try_edit(url: &str, sql: &str) -> Result<u64, sqlx::Error> {
    use sqlx::Connection as _;
    sqlx::any::install_default_drivers();
    let mut connection = sqlx::AnyConnection::connect(url).await?;
    let done = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()))
        .execute(&mut connection)
        .await?;
    Ok(done.rows_affected())
}
