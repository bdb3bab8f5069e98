//! What a policy for passkeys finds in the store is what it decides of each passkey.

use std::collections::BTreeSet;

use pid_core::passkeys::Policy;
use pid_core::users::User;
use pid_core::{PasskeyId, Timestamp, UserId};
use pid_store::passkeys::{self, Passkey};
use pid_store::users;

use crate::{Fixture, user};

const MODELS: [&str; 3] = [
    "ee882879-721c-4913-9775-3dfcce97072a",
    "d548826e-79b4-db40-a3d8-11116f7e8349",
    "00000000-0000-0000-0000-000000000000",
];

fn passkey(n: usize, owner: &UserId) -> Passkey {
    Passkey {
        id: PasskeyId::new(format!("passkey-{n}")),
        user_id: owner.clone(),
        name: "Passkey".to_owned(),
        credential_id: vec![u8::try_from(n).unwrap()],
        public_key: vec![1],
        alg: -7,
        aaguid: MODELS[n % 3].to_owned(),
        sign_count: 0,
        transports: Vec::new(),
        attestation_type: "none".to_owned(),
        user_verified: n.is_multiple_of(2),
        backup_eligible: (n / 2).is_multiple_of(2),
        backup_state: false,
        created_at: Timestamp::from_secs(1),
        last_used_at: None,
        version: 1,
        attachment: [None, Some("platform"), Some("cross-platform")][(n / 4) % 3].map(str::to_owned),
    }
}

fn policies() -> Vec<Policy> {
    let mut all = Vec::new();
    let list = |at: Option<usize>| at.map(|at| MODELS[at].to_owned()).into_iter().collect::<Vec<_>>();
    for verified in [false, true] {
        for synced in [false, true] {
            for attachment in [None, Some("platform"), Some("cross-platform")] {
                for (allowed, denied) in [(None, None), (Some(0), None), (None, Some(1)), (Some(2), Some(0))] {
                    all.push(Policy {
                        verified,
                        synced,
                        attachment: attachment.map(str::to_owned),
                        allowed: list(allowed).into_iter().chain(allowed.map(|_| MODELS[1].to_owned())).collect(),
                        denied: list(denied),
                        at_sign_in: true,
                    });
                }
            }
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_finds_whom_a_policy_locks_out() {
    for fixture in Fixture::all().await {
        // Everybody has one passkey of each kind, but for the last three: disabled, without any, and with two.
        fixture
            .db
            .write(|tx| {
                for n in 0..36 {
                    let person = User { is_admin: n < 6, disabled: n == 35, ..user(&format!("person-{n:02}")) };
                    users::insert(tx, &person)?;
                    if n != 34 {
                        passkeys::insert(tx, &passkey(n, &person.id))?;
                    }
                    if n == 33 {
                        passkeys::insert(tx, &passkey(40, &person.id))?;
                    }
                }
                Ok::<_, pid_store::StoreError>(())
            })
            .await
            .unwrap();
        for policy in policies() {
            let fits = |n: usize| policy.judge(&passkey(n, &UserId::new("x")).traits()).is_ok();
            let can = |n: usize| fits(n) || (n == 33 && fits(40));
            let wanted: BTreeSet<String> = (0..34).filter(|n| !can(*n)).map(|n| format!("person-{n:02}")).collect();
            let asked = policy.clone();
            let (total, found) = fixture.db.read(move |tx| passkeys::locked_out(tx, &asked)).await.unwrap();
            let names: BTreeSet<String> = found.iter().map(|person| person.username.clone()).collect();
            assert_eq!(names, wanted, "{policy:?}");
            assert_eq!(total, i64::try_from(wanted.len()).unwrap());
            assert!(found.is_sorted_by_key(|person| !person.is_admin), "administrators first");
            let (asked, first) = (policy.clone(), user("person-00").id);
            let left = fixture.db.read(move |tx| users::other_admin(tx, &first, &asked)).await.unwrap();
            assert_eq!(left, (1..6).any(fits), "{policy:?}");
        }
    }
}

/// The migration, on tables as they were.
#[tokio::test(flavor = "multi_thread")]
async fn passkeys_of_before_are_attached_as_their_transports_say() {
    const BEFORE: &str = "CREATE TABLE passkeys (id TEXT, transports TEXT NOT NULL); INSERT INTO passkeys VALUES \
        ('a', '[\"internal\",\"hybrid\"]'), ('b', '[\"usb\",\"nfc\"]'), ('c', '[]'), ('d', '[\"hybrid\"]');";
    const AFTER: &str = "SELECT attachment FROM passkeys ORDER BY id";
    let wanted = [Some("platform"), Some("cross-platform"), None, Some("cross-platform")].map(|a| a.map(str::to_owned));

    let sqlite = rusqlite::Connection::open_in_memory().unwrap();
    sqlite.execute_batch(BEFORE).unwrap();
    sqlite.execute_batch(include_str!("../../migrations/sqlite/V20__passkey_policy.sql")).unwrap();
    let mut query = sqlite.prepare(AFTER).unwrap();
    let found: Vec<Option<String>> = query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(found, wanted);

    if pid_testkit::postgres::available() {
        let database = pid_testkit::postgres::fresh_database();
        let (client, connection) = tokio_postgres::connect(database.url(), tokio_postgres::NoTls).await.unwrap();
        let driver = tokio::spawn(connection);
        client.batch_execute(BEFORE).await.unwrap();
        client.batch_execute(include_str!("../../migrations/postgres/V20__passkey_policy.sql")).await.unwrap();
        let rows = client.query(AFTER, &[]).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<Option<String>>>(), wanted);
        drop(client);
        let _ = driver.await;
    }
}
