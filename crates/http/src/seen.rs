//! What was used when, kept in memory and written by a job at most once a minute: a request that only reads must not
//! write, and an instance at rest writes nothing.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::StatusCode;
use pid_core::Timestamp;
use pid_core::handle::{self, Handle};
use pid_core::secret::{Secret, sha256};
use pid_flows::Error;
use pid_flows::access::idle_since;
use pid_store::{api_keys, forward_auth, sessions};

use crate::state::App;

/// What was used, and when last.
type Uses<K> = HashMap<K, Timestamp>;

/// Uses that are not written yet.
#[derive(Debug, Default)]
pub struct Seen {
    /// By their hash.
    api_keys: Mutex<Uses<[u8; 32]>>,
    /// By their cookie.
    sessions: Mutex<Uses<Handle>>,
    /// By themselves.
    app_passwords: Mutex<Uses<Handle>>,
}

/// Noted in a minute, at most: whoever makes up cookies fills no memory.
const MOST: usize = 100_000;

fn note<K: Eq + Hash>(uses: &Mutex<Uses<K>>, what: K, at: Timestamp) {
    let mut uses = uses.lock().unwrap_or_else(PoisonError::into_inner);
    if uses.len() < MOST || uses.contains_key(&what) {
        uses.insert(what, at);
    }
}

fn take<K>(uses: &Mutex<Uses<K>>) -> Uses<K> {
    std::mem::take(&mut *uses.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Seen {
    /// Notes that somebody came with a session's cookie. Whether it is one is asked when it is written.
    pub fn session(&self, cookie: &Secret, at: Timestamp) {
        if let Some(cookie) = handle::read(cookie.expose()) {
            note(&self.sessions, cookie, at);
        }
    }

    /// Notes that an app password let somebody in.
    pub fn app_password(&self, password: Handle, at: Timestamp) {
        note(&self.app_passwords, password, at);
    }

    /// Writes what was noted; nothing if there is nothing.
    ///
    /// # Errors
    /// When the store is not available; the uses of this minute are then lost, which is no harm.
    pub async fn write(&self, app: &App) -> Result<(), Error> {
        let (keys, cookies, passwords) = (take(&self.api_keys), take(&self.sessions), take(&self.app_passwords));
        if keys.is_empty() && cookies.is_empty() && passwords.is_empty() {
            return Ok(());
        }
        let idle_minutes = app.settings().idle_minutes();
        app.db()
            .write(move |tx| -> Result<(), Error> {
                keys.iter().try_for_each(|(hash, at)| api_keys::used(tx, hash, *at))?;
                passwords.iter().try_for_each(|(password, at)| forward_auth::password_used(tx, password, *at))?;
                for (cookie, at) in &cookies {
                    sessions::seen(tx, cookie, *at, idle_since(idle_minutes, *at))?;
                }
                Ok(())
            })
            .await
    }
}

/// Notes that an API key was used, when it was accepted.
pub async fn layer(State(app): State<App>, request: Request, next: Next) -> Response {
    let hash = request.headers().get("x-api-key").map(|key| sha256(key.as_bytes()));
    let response = next.run(request).await;
    if let Some(hash) = hash
        && !matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
    {
        note(&app.seen().api_keys, hash, app.clock().now());
    }
    response
}
