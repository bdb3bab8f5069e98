//! What was used when, kept in memory and written by a job at most once a minute: a request that only reads must not
//! write, and an instance at rest writes nothing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::StatusCode;
use pid_core::Timestamp;
use pid_core::secret::sha256;
use pid_flows::Error;
use pid_store::api_keys;

use crate::state::App;

/// A key's hash and when it was last used.
type Uses = HashMap<[u8; 32], Timestamp>;

/// Uses that are not written yet.
#[derive(Debug, Default)]
pub struct Seen {
    api_keys: Mutex<Uses>,
}

impl Seen {
    fn note(&self, hash: [u8; 32], at: Timestamp) {
        self.api_keys.lock().unwrap_or_else(PoisonError::into_inner).insert(hash, at);
    }

    fn take(&self) -> Uses {
        std::mem::take(&mut *self.api_keys.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes what was noted; nothing if there is nothing.
    ///
    /// # Errors
    /// When the store is not available; the uses of this minute are then lost, which is no harm.
    pub async fn write(&self, app: &App) -> Result<(), Error> {
        let uses = self.take();
        if uses.is_empty() {
            return Ok(());
        }
        app.db()
            .write(move |tx| uses.iter().try_for_each(|(hash, at)| api_keys::used(tx, hash, *at)).map_err(Error::from))
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
        app.seen().note(hash, app.clock().now());
    }
    response
}
