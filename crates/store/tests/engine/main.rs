//! The engine's promises. Where both engines promise the same, one story is told on each: on SQLite always, on
//! PostgreSQL when `TEST_POSTGRES_URL` names a server, as `./test` does.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may stop with a panic")]

mod guarded;
mod lists;
mod migration;
mod passkeys;
mod postgres;
mod schema;
mod sqlite;
mod story;
mod tls;

use std::path::PathBuf;

use pid_core::users::User;
use pid_core::{Timestamp, UserId};
use pid_store::{Db, Options, Target, WriteTx};
use pid_testkit::postgres::{Database, available, fresh_database};

fn options() -> Options {
    Options { connections: 8, now_millis: || 1_700_000_000_000, settings: None }
}

/// A store of a test's own.
struct Fixture {
    db: Db,
    target: Target,
    // After the store, so that nobody is connected any more.
    _dir: tempfile::TempDir,
    database: Option<Database>,
}

impl Fixture {
    async fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::open(Target::Sqlite(dir.path().join("test.db")), dir, None).await
    }

    /// `None` without a server, which is said.
    async fn postgres() -> Option<Self> {
        Self::postgres_with("").await
    }

    async fn postgres_with(parameters: &str) -> Option<Self> {
        if !available() {
            eprintln!("skipped on PostgreSQL: {} is not set", pid_testkit::postgres::SERVER_VARIABLE);
            return None;
        }
        let database = fresh_database();
        let target = Target::Postgres(format!("{}{parameters}", database.url()));
        Some(Self::open(target, tempfile::tempdir().unwrap(), Some(database)).await)
    }

    async fn open(target: Target, dir: tempfile::TempDir, database: Option<Database>) -> Self {
        let db = Db::open(&target, options()).await.unwrap();
        Self { db, target, _dir: dir, database }
    }

    /// One for each engine.
    async fn all() -> Vec<Self> {
        let mut all = vec![Self::sqlite().await];
        all.extend(Self::postgres().await);
        all
    }

    fn path(&self) -> PathBuf {
        match &self.target {
            Target::Sqlite(path) => path.clone(),
            Target::Postgres(_) => panic!("no file"),
        }
    }

    /// The store opened anew: what is really stored.
    async fn reopen(&mut self) {
        self.db.close().await;
        self.db = Db::open(&self.target, options()).await.unwrap();
    }

    async fn has(&self, name: &'static str) -> bool {
        self.db.read(move |tx| pid_store::users::by_username(tx, name)).await.unwrap().is_some()
    }
}

fn user(name: &str) -> User {
    User {
        id: UserId::new(format!("id-{name}")),
        username: name.to_owned(),
        email: Some(format!("{name}@example.com")),
        email_verified: false,
        first_name: String::new(),
        last_name: String::new(),
        display_name: String::new(),
        is_admin: false,
        roles: pid_core::roles::Roles::NONE,
        disabled: false,
        locale: None,
        ldap_id: None,
        created_at: Timestamp::from_secs(1),
        updated_at: Timestamp::from_secs(1),
        version: 1,
    }
}

fn insert(tx: &WriteTx<'_>, name: &str) -> Result<(), pid_store::StoreError> {
    pid_store::users::insert(tx, &user(name))
}
