//! What PostgreSQL alone promises: serializable writes that are run again, lost connections, poolers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pid_core::Timestamp;
use pid_store::{Db, OpenError, StoreError, Target, instance, scim, users};
use pid_testkit::postgres::Database;
use tokio::sync::Barrier;

use crate::{Fixture, insert, options};

/// Runs SQL beside the store.
async fn beside(database: &Database, sql: &str) -> Vec<tokio_postgres::SimpleQueryMessage> {
    let (client, connection) = tokio_postgres::connect(database.url(), tokio_postgres::NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    let rows = client.simple_query(sql).await.unwrap();
    drop(client);
    let _ = driver.await;
    rows
}

/// Two rules that meet between their reads and their writes, the first time that each runs.
struct Meeting {
    barrier: Arc<Barrier>,
    runs: Arc<AtomicUsize>,
}

impl Meeting {
    fn new() -> Self {
        Self { barrier: Arc::new(Barrier::new(2)), runs: Arc::default() }
    }

    fn guest(&self) -> impl Fn() + Send + Sync + 'static {
        let (barrier, runs, mine) = (Arc::clone(&self.barrier), Arc::clone(&self.runs), AtomicUsize::new(0));
        move || {
            runs.fetch_add(1, Ordering::Relaxed);
            if mine.fetch_add(1, Ordering::Relaxed) == 0 {
                tokio::runtime::Handle::current().block_on(barrier.wait());
            }
        }
    }
}

/// Where applications are provisioned by SCIM, who changes people does not wait for others who do.
#[tokio::test(flavor = "multi_thread")]
async fn changes_of_people_are_told_without_waiting_for_each_other() {
    let Some(fixture) = Fixture::postgres().await else { return };
    let database = fixture.database.as_ref().unwrap();
    let provider = "ALTER TABLE scim_providers DROP CONSTRAINT scim_providers_client_id_fkey; \
        INSERT INTO scim_providers (id, client_id, endpoint, deactivates, created_at, version, full_at, not_before, failures, holder, \
        held_until, report) VALUES ('p', 'c', 'https://app.example', false, 0, 1, 0, 0, 0, '', 0, '')";
    beside(database, provider).await;
    let meeting = Meeting::new();
    let mut tasks = tokio::task::JoinSet::new();
    for name in ["ann", "bob"] {
        let (db, meet) = (fixture.db.clone(), meeting.guest());
        tasks.spawn(async move {
            db.write(move |tx| {
                meet();
                insert(tx, name)
            })
            .await
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap().unwrap();
    }
    assert_eq!(meeting.runs.load(Ordering::Relaxed), 2, "none was run again");
    let told = async || fixture.db.read(|tx| scim::by_id(tx, "p")).await.unwrap().unwrap().last_change_at;
    assert!(told().await.is_none() && fixture.db.read(scim::any_change).await.unwrap());
    fixture.db.write(scim::take_changes).await.unwrap();
    assert!(told().await.is_some() && !fixture.db.read(scim::any_change).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn write_skew_is_run_again() {
    let Some(fixture) = Fixture::postgres().await else { return };
    for name in ["ann", "bob"] {
        fixture.db.write(move |tx| insert(tx, name)).await.unwrap();
    }
    // Each may leave only if the other stays; both see the other there.
    let meeting = Meeting::new();
    let mut tasks = tokio::task::JoinSet::new();
    for (me, other) in [("ann", "bob"), ("bob", "ann")] {
        let (db, meet) = (fixture.db.clone(), meeting.guest());
        tasks.spawn(async move {
            db.write(move |tx| {
                let other = users::by_username(tx, other)?.is_some();
                meet();
                let me = users::by_username(tx, me)?.ok_or(StoreError::NoRow)?;
                if other {
                    users::delete(tx, &me.id)?;
                }
                Ok::<_, StoreError>(other)
            })
            .await
            .unwrap()
        });
    }
    let left: Vec<bool> = tasks.join_all().await;
    assert_eq!(left.iter().filter(|l| **l).count(), 1, "{left:?}");
    assert_eq!(meeting.runs.load(Ordering::Relaxed), 3);
    assert!(fixture.db.read(users::any_person).await.unwrap());
}

/// Neighbours whose rows have nothing to do with one another must not keep one another from work, also in small tables,
/// where PostgreSQL guards more than the rows that were read.
#[tokio::test(flavor = "multi_thread")]
async fn neighbours_get_their_work_done() {
    let Some(fixture) = Fixture::postgres().await else { return };
    let runs = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..8_u8 {
        let (db, runs) = (fixture.db.clone(), Arc::clone(&runs));
        tasks.spawn(async move {
            let name = format!("user{worker}");
            let id = pid_core::UserId::new(format!("id-{name}"));
            db.write(move |tx| insert(tx, &name)).await?;
            for code in 0..25_u8 {
                let hash = [worker, code].repeat(16).try_into().unwrap();
                let (id, runs) = (id.clone(), Arc::clone(&runs));
                let now = Timestamp::from_secs(1);
                let made = id.clone();
                db.write(move |tx| {
                    pid_store::login_codes::insert(
                        tx,
                        &format!("{worker} {code}"),
                        &hash,
                        &made,
                        "admin",
                        now,
                        now.plus_secs(60),
                        None,
                        None,
                    )
                })
                .await?;
                let taken = db
                    .write(move |tx| {
                        runs.fetch_add(1, Ordering::Relaxed);
                        users::by_id(tx, &id)?.ok_or(StoreError::NoRow)?;
                        pid_store::login_codes::take(tx, &hash, now)
                    })
                    .await?;
                assert!(taken.is_some());
            }
            Ok::<_, StoreError>(())
        });
    }
    for outcome in tasks.join_all().await {
        outcome.unwrap();
    }
    eprintln!("{} runs for 200 writes", runs.load(Ordering::Relaxed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_is_run_again() {
    let Some(fixture) = Fixture::postgres().await else { return };
    fixture.db.write(|tx| instance::put(tx, "a", "0").and_then(|()| instance::put(tx, "b", "0"))).await.unwrap();
    let meeting = Meeting::new();
    let mut tasks = tokio::task::JoinSet::new();
    for (first, second) in [("a", "b"), ("b", "a")] {
        let (db, meet) = (fixture.db.clone(), meeting.guest());
        tasks.spawn(async move {
            db.write(move |tx| {
                instance::put(tx, first, "1")?;
                meet();
                instance::put(tx, second, "1")
            })
            .await
        });
    }
    for outcome in tasks.join_all().await {
        outcome.unwrap();
    }
    assert!(meeting.runs.load(Ordering::Relaxed) >= 3);
}

/// A rule may turn the store's error into its own, which the engine can't read: it remembers the conflict itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_that_the_rule_swallows_is_still_run_again() {
    #[derive(Debug)]
    struct Mine;
    impl From<StoreError> for Mine {
        fn from(_: StoreError) -> Self {
            Self
        }
    }
    let Some(fixture) = Fixture::postgres().await else { return };
    fixture.db.write(|tx| instance::put(tx, "a", "0")).await.unwrap();
    for swallow in [false, true] {
        let meeting = Meeting::new();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..2 {
            let (db, meet) = (fixture.db.clone(), meeting.guest());
            tasks.spawn(async move {
                db.write(move |tx| {
                    let n: i64 = instance::get(tx, "a")?.unwrap_or_default().parse().unwrap();
                    meet();
                    match instance::put(tx, "a", &(n + 1).to_string()) {
                        Err(_) if swallow => Ok(()),
                        other => other.map_err(Mine::from),
                    }
                })
                .await
            });
        }
        for outcome in tasks.join_all().await {
            outcome.unwrap();
        }
        assert!(meeting.runs.load(Ordering::Relaxed) >= 3);
    }
    assert_eq!(fixture.db.read(|tx| instance::get(tx, "a")).await.unwrap().as_deref(), Some("4"));
}

#[tokio::test(flavor = "multi_thread")]
async fn case_106_a_lost_connection_is_replaced() {
    let Some(fixture) = Fixture::postgres().await else { return };
    // In the middle of a transaction: nothing of it was done, so it runs again.
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    fixture
        .db
        .write(move |tx| {
            insert(tx, "ann")?;
            if counted.fetch_add(1, Ordering::Relaxed) == 0 {
                tx.query_dynamic("SELECT pg_terminate_backend(pg_backend_pid())", &[])?;
            }
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    assert!(fixture.has("ann").await);

    // While idle in the pool.
    let database = fixture.database.as_ref().unwrap();
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for _ in 0..3 {
        beside(database, others).await;
        assert!(fixture.has("ann").await);
        beside(database, others).await;
        fixture.db.write(|tx| instance::put(tx, "x", "y")).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn case_106_a_database_that_lets_nobody_in_is_unavailable_and_comes_back() {
    let Some(fixture) = Fixture::postgres().await else { return };
    fixture.db.write(|tx| insert(tx, "ann")).await.unwrap();
    let database = fixture.database.as_ref().unwrap();
    let name = database.name();
    let server = std::env::var(pid_testkit::postgres::SERVER_VARIABLE).unwrap();
    let (client, connection) = tokio_postgres::connect(&server, tokio_postgres::NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    client
        .batch_execute(&format!(
            "ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS false; \
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        ))
        .await
        .unwrap();
    let refused = fixture.db.read(|tx| users::by_username(tx, "ann")).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    let refused = fixture.db.write(|tx| insert(tx, "bob")).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    client.batch_execute(&format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS true")).await.unwrap();
    assert!(fixture.has("ann").await);
    fixture.db.write(|tx| insert(tx, "bob")).await.unwrap();
    drop(client);
    let _ = driver.await;
}

#[tokio::test(flavor = "multi_thread")]
async fn few_connections_serve_many() {
    let Some(fixture) = Fixture::postgres().await else { return };
    fixture.db.close().await;
    let options = pid_store::Options { connections: 1, ..options() };
    let db = Db::open(&fixture.target, options).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for i in 0..40 {
        let db = db.clone();
        tasks.spawn(async move { db.write(move |tx| instance::put(tx, &format!("row {i}"), "x")).await });
    }
    for outcome in tasks.join_all().await {
        outcome.unwrap();
    }
    db.close().await;
}

/// What `?prepare=false` is for: behind a pooler that hands out a connection per transaction, a statement that was
/// prepared under a name is on another connection, or another's is on ours.
#[tokio::test(flavor = "multi_thread")]
async fn without_prepared_statements_none_is_left_behind() {
    for (parameters, named) in [("", true), ("?prepare=false", false)] {
        let Some(fixture) = Fixture::postgres_with(parameters).await else { return };
        let options = pid_store::Options { connections: 1, ..options() };
        fixture.db.close().await;
        let db = Db::open(&fixture.target, options).await.unwrap();
        db.write(|tx| insert(tx, "ann")).await.unwrap();
        db.write(|tx| {
            let mut ann = users::by_username(tx, "ann")?.ok_or(StoreError::NoRow)?;
            assert_eq!(ann, crate::user("ann"));
            (ann.email, ann.disabled) = (None, true);
            users::update(tx, &ann, ann.updated_at)
        })
        .await
        .unwrap();
        let request = pid_core::list::ListRequest { search: Some("a".to_owned()), ..Default::default() };
        let page = db.read(move |tx| users::list(tx, &request)).await.unwrap();
        assert_eq!((page.total, page.items[0].email.clone(), page.items[0].disabled), (1, None, true));
        let left = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%users%'";
        let left: i64 = db.read(move |tx| tx.query_dynamic(left, &[])).await.unwrap()[0].get(0).unwrap();
        assert_eq!(left > 0, named, "{parameters}: {left}");
        db.close().await;
    }
}

/// Statements that are not prepared are sent with the types of their parameters; so each type must be one of ours.
#[tokio::test(flavor = "multi_thread")]
async fn every_parameter_is_of_one_of_four_types() {
    use tokio_postgres::types::Type;
    let Some(fixture) = Fixture::postgres().await else { return };
    let (client, connection) =
        tokio_postgres::connect(fixture.database.as_ref().unwrap().url(), tokio_postgres::NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    let statements = pid_store::all_statements().into_iter().map(|s| s.sql().to_owned());
    for sql in statements.chain(pid_store::all_lists().iter().flat_map(|l| l.statements(pid_store::Engine::Postgres))) {
        let statement = client.prepare(&sql).await.unwrap_or_else(|e| panic!("{e}: {sql}"));
        for ty in statement.params().iter().chain(statement.columns().iter().map(tokio_postgres::Column::type_)) {
            // A literal 1 in an answer is read as INT4.
            let ours = [Type::BOOL, Type::INT8, Type::TEXT, Type::BYTEA].contains(ty);
            assert!(ours || (*ty == Type::INT4 && statement.params().iter().all(|p| *p != Type::INT4)), "{ty}: {sql}");
        }
    }
    drop(client);
    let _ = driver.await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_opened_is_said_without_the_password() {
    let open = |url: String| async move { Db::open(&Target::Postgres(url), options()).await.err().unwrap() };
    let port = pid_testkit::process::free_port().unwrap();
    let unreachable = open(format!("postgres://pocket:hunter2@127.0.0.1:{port}/db")).await.to_string();
    assert!(unreachable.contains("refused"), "{unreachable}");
    let malformed = open("postgres://pocket:hunter2@127.0.0.1:port/db?connect_timeout=x".to_owned()).await.to_string();
    assert!(malformed.contains("connection string"), "{malformed}");
    let tls = open("postgres://pocket:hunter2@127.0.0.1/db?sslmode=maybe".to_owned()).await;
    assert!(matches!(tls, OpenError::Unsupported(_)), "{tls}");
    for text in [unreachable, malformed, tls.to_string()] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    if let Some(fixture) = Fixture::postgres().await {
        let mut url = url::Url::parse(fixture.database.as_ref().unwrap().url()).unwrap();
        url.set_path("/no_such_database");
        let missing = open(url.into()).await.to_string();
        assert!(missing.contains("no_such_database"), "{missing}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_found_under_any_name() {
    for parameters in ["", "?application_name=somebody"] {
        let Some(fixture) = Fixture::postgres_with(parameters).await else { return };
        assert!(fixture.target.is_in_use().await.unwrap(), "{parameters}");
        fixture.db.close().await;
    }
}
