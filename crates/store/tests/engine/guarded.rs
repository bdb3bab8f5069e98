//! Writes that are guarded by a row instead of being serializable: whoever takes away what they rely on meets them there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pid_core::sessions::{BeganBy, Session};
use pid_core::{ClientId, GrantId, PasskeyId, SessionId, Timestamp, UserId};
use pid_store::grants::{self, Code, Grant, RefreshToken, RevokedBy};
use pid_store::passkeys::{self, Passkey};
use pid_store::sign_out::{Whose, end_sessions_of, revoke};
use pid_store::{Db, ReadTx, StoreError, WriteTx, clients, import, sessions, users};
use tokio::sync::Barrier;

use crate::{Fixture, insert};

const NOW: Timestamp = Timestamp::from_secs(100);

fn ann() -> UserId {
    UserId::new("id-ann")
}

fn passkey() -> Passkey {
    Passkey {
        id: PasskeyId::new("p"),
        user_id: ann(),
        name: "p".to_owned(),
        credential_id: vec![1],
        public_key: vec![2],
        alg: -7,
        aaguid: String::new(),
        sign_count: 0,
        transports: Vec::new(),
        attestation_type: "none".to_owned(),
        user_verified: true,
        backup_eligible: false,
        backup_state: false,
        created_at: NOW,
        last_used_at: None,
        version: 1,
        attachment: None,
    }
}

const CLIENT: &str = "INSERT INTO clients (id, name, description, callback_urls, logout_callback_urls, is_public, pkce_enabled, \
    pkce_supported, requires_reauthentication, requires_pushed_authorization_requests, skip_consent, is_group_restricted, \
    client_type, access_token_minutes, refresh_token_minutes, federated_identities, has_logo, has_dark_logo, created_at, \
    updated_at, version) VALUES ('c', 'c', '', '[]', '[]', true, true, true, false, false, false, false, 'standard', 1, 1, \
    '[]', false, false, 0, 0, 1)";

fn grant() -> Grant {
    Grant {
        id: GrantId::new("g"),
        client_id: ClientId::new("c"),
        user_id: ann(),
        session_id: SessionId::new("s"),
        scopes: "openid".to_owned(),
        nonce: None,
        acr: None,
        amr: Vec::new(),
        auth_time: NOW,
        requested_at: NOW,
        created_at: NOW,
        expires_at: NOW.plus_secs(60),
        revoked_at: None,
        claims: None,
        resource: None,
        dpop_jkt: None,
    }
}

/// Runs a guarded and a serializable rule that both have read before one of them writes, the first time. Gives what they
/// answered and how often they ran. `first` writes before the other does: 0 the guarded one.
async fn meet<A: Send + 'static, B: Send + 'static>(
    db: &Db,
    first: usize,
    guarded: impl Fn(&WriteTx<'_>, &dyn Fn()) -> Result<A, StoreError> + Send + Sync + 'static,
    serializable: impl Fn(&WriteTx<'_>, &dyn Fn()) -> Result<B, StoreError> + Send + Sync + 'static,
) -> (A, B, usize) {
    let (barrier, runs) = (Arc::new(Barrier::new(2)), Arc::new(AtomicUsize::new(0)));
    let guest = |me: usize| {
        let (barrier, runs, mine) = (Arc::clone(&barrier), Arc::clone(&runs), AtomicUsize::new(0));
        move || {
            runs.fetch_add(1, Ordering::Relaxed);
            if mine.fetch_add(1, Ordering::Relaxed) == 0 {
                tokio::runtime::Handle::current().block_on(barrier.wait());
                if me != first {
                    std::thread::sleep(std::time::Duration::from_millis(100));
                }
            }
        }
    };
    let (one, other) = (guest(0), guest(1));
    let (a, b) =
        tokio::join!(db.write_guarded(move |tx| guarded(tx, &one)), db.write(move |tx| serializable(tx, &other)),);
    (a.unwrap(), b.unwrap(), runs.load(Ordering::Relaxed))
}

/// The sign-in of somebody who is being disabled: there is no session afterwards, whoever was faster.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_disabled_is_not_signed_in_beside_it() {
    for first in [0, 1] {
        let Some(fixture) = Fixture::postgres().await else { return };
        fixture.db.write(|tx| insert(tx, "ann").and_then(|()| passkeys::insert(tx, &passkey()))).await.unwrap();
        let sign_in = |tx: &WriteTx<'_>, met: &dyn Fn()| {
            let (passkey, user) = passkeys::with_owner(tx, &[1])?.ok_or(StoreError::NoRow)?;
            met();
            if user.disabled {
                return Ok(false);
            }
            passkeys::used(tx, &passkey, NOW)?;
            let session = Session {
                id: SessionId::new("s"),
                user_id: user.id,
                began_by: BeganBy::Passkey,
                auth_time: NOW,
                interaction_id: None,
                created_at: NOW,
                expires_at: NOW.plus_secs(1000),
            };
            sessions::insert(tx, &session, &[0; 32], "", "")?;
            Ok(true)
        };
        let disable = |tx: &WriteTx<'_>, met: &dyn Fn()| {
            let mut user = users::by_id(tx, &ann())?.ok_or(StoreError::NoRow)?;
            met();
            user.disabled = true;
            users::update(tx, &user, NOW)?;
            passkeys::hold(tx, &user.id)?;
            end_sessions_of(tx, &user.id, None, false, NOW)
        };
        let (let_in, ended, runs) = meet(&fixture.db, first, sign_in, disable).await;
        assert_eq!((let_in, ended, runs), if first == 0 { (true, 1, 3) } else { (false, 0, 3) });
        let open = |tx: &ReadTx<'_>| sessions::open_of_user(tx, &ann(), NOW, Timestamp::from_secs(0));
        assert!(fixture.db.read(open).await.unwrap().is_empty());
    }
}

/// A refresh of what is being revoked: no token of the family is good afterwards, whoever was faster.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_revoked_is_not_refreshed_beside_it() {
    for first in [0, 1] {
        let Some(fixture) = Fixture::postgres().await else { return };
        fixture
            .db
            .write(move |tx| {
                insert(tx, "ann")?;
                tx.query_dynamic(CLIENT, &[])?;
                grants::insert(tx, &grant())
            })
            .await
            .unwrap();
        let refresh = |tx: &WriteTx<'_>, met: &dyn Fn()| {
            let found = grants::by_id(tx, &GrantId::new("g"))?.ok_or(StoreError::NoRow)?;
            met();
            if found.revoked_at.is_some() {
                return Ok(false);
            }
            let token = RefreshToken {
                grant_id: found.id.clone(),
                sequence: 0,
                jti: "j".to_owned(),
                expires_at: NOW.plus_secs(60),
                used_at: None,
                used_with: None,
            };
            grants::insert_refresh(tx, &[0; 32], &token)?;
            // Not a moment longer than it lives anyway, and bound to nothing, as before: written all the same.
            grants::extend(tx, &found.id, NOW, None)?;
            Ok(true)
        };
        let end = |tx: &WriteTx<'_>, met: &dyn Fn()| {
            grants::by_id(tx, &GrantId::new("g"))?;
            met();
            revoke(tx, Whose::User(&ann(), None), RevokedBy::SignOut, false, NOW)
        };
        let (refreshed, revoked, runs) = meet(&fixture.db, first, refresh, end).await;
        assert_eq!((refreshed, revoked, runs), (first == 0, 1, 3));
        let found = fixture.db.read(|tx| grants::of_access_token(tx, "j")).await.unwrap();
        assert!(found.is_none_or(|grant| grant.revoked_at.is_some()));
    }
}

type End = fn(&WriteTx<'_>) -> Result<(), StoreError>;

/// No foreign key removes codes: whoever removes their families does.
#[tokio::test(flavor = "multi_thread")]
async fn codes_go_with_their_families() {
    for fixture in Fixture::all().await {
        let ends: [End; 4] = [
            |tx| users::delete(tx, &ann()).map(drop),
            |tx| clients::delete(tx, &ClientId::new("c")).map(drop),
            |tx| grants::purge(tx, NOW.plus_secs(1000)).map(drop),
            |tx| import::end_live(tx).map(drop),
        ];
        for end in ends {
            let left = move |tx: &WriteTx<'_>| {
                insert(tx, "ann")?;
                tx.query_dynamic(CLIENT, &[])?;
                grants::insert(tx, &grant())?;
                let code = Code {
                    grant_id: GrantId::new("g"),
                    redirect_uri: String::new(),
                    redirect_uri_sent: false,
                    challenge: None,
                    expires_at: NOW,
                    used_at: None,
                };
                grants::insert_code(tx, &[0; 32], &code)?;
                end(tx)?;
                let left = tx.query_dynamic("SELECT count(*) FROM authorization_codes", &[])?[0].get::<i64>(0)?;
                users::delete(tx, &ann())?;
                clients::delete(tx, &ClientId::new("c"))?;
                Ok::<_, StoreError>(left)
            };
            assert_eq!(fixture.db.write(left).await, Ok(0));
        }
    }
}

/// What is queued is done before what comes next, counts as done with the commit alone, and fails the transaction.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_queued_is_done_in_its_turn_or_not_at_all() {
    for fixture in Fixture::all().await {
        fixture.db.write(|tx| insert(tx, "ann")).await.unwrap();
        let counted = |tx: &WriteTx<'_>| {
            passkeys::insert(tx, &passkey())?;
            let used = Passkey { sign_count: 7, ..passkey() };
            passkeys::used(tx, &used, NOW)?;
            Ok::<_, StoreError>(passkeys::by_user(tx, &ann())?[0].sign_count)
        };
        assert_eq!(fixture.db.write(counted).await, Ok(7));
        let used = |count| Passkey { sign_count: count, ..passkey() };
        // The last thing of a transaction, alone in it, and one of a rule that refuses in the end.
        fixture.db.write(move |tx| passkeys::used(tx, &used(8), NOW)).await.unwrap();
        let refused = move |tx: &WriteTx<'_>| passkeys::used(tx, &used(9), NOW).and(Err::<(), _>(StoreError::NoRow));
        assert_eq!(fixture.db.write_guarded(refused).await, Err(StoreError::NoRow));
        let count = async || fixture.db.read(|tx| passkeys::by_user(tx, &ann())).await.unwrap()[0].sign_count;
        assert_eq!(count().await, 8);
        // One that fails, before the commit or before another statement.
        let stray = |tx: &WriteTx<'_>| {
            passkeys::used(tx, &Passkey { sign_count: 10, ..passkey() }, NOW)?;
            grants::insert(tx, &grant())
        };
        assert_eq!(fixture.db.write(stray).await, Err(StoreError::ForeignKeyViolation));
        let then = move |tx: &WriteTx<'_>| stray(tx).and_then(|()| passkeys::by_user(tx, &ann()).map(drop));
        assert_eq!(fixture.db.write_guarded(then).await, Err(StoreError::ForeignKeyViolation));
        assert_eq!(count().await, 8);
        assert_eq!(fixture.db.repeats(), 0);
    }
}
