//! The public keys of clients and of issuers that vouch for them: where they are, fetched and kept for a while.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use pid_core::Timestamp;
use pid_flows::client_auth::KeyPlace;
use pid_integrations::fetch::{Limits, NamedBy, Request};
use pid_jose::PeerKeys;

use crate::state::App;

/// A fetched set is asked for again after this, seconds.
const FRESH_SECS: i64 = 15 * 60;
/// A set that lacks the key, or doesn't fit, is asked for again after this, seconds: nobody can make us ask more often.
const RETRY_SECS: i64 = 10;
/// Addresses that are kept; an administrator named each.
const MAX_PLACES: usize = 1024;
/// A set may cost this much.
const LIMITS: Limits = Limits { time: Duration::from_secs(10), body: Some(pid_jose::MAX_JWKS), redirects: 3 };

#[derive(Clone, Debug)]
struct Fetched {
    keys: Result<Arc<PeerKeys>, String>,
    at: Timestamp,
}

/// What was fetched. Whoever asks for an address that is being fetched waits for that answer.
#[derive(Debug, Default)]
pub struct PeerKeyCache(std::sync::Mutex<HashMap<String, Arc<tokio::sync::Mutex<Option<Fetched>>>>>);

impl PeerKeyCache {
    fn place(&self, url: &str) -> Arc<tokio::sync::Mutex<Option<Fetched>>> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= MAX_PLACES && !places.contains_key(url) {
            places.clear();
        }
        Arc::clone(places.entry(url.to_owned()).or_default())
    }
}

/// Tries something with the keys at a place. If it fails with keys that were fetched before, they are fetched anew, since
/// their owner may have changed them, and it is tried once more.
///
/// # Errors
/// That of `attempt`; that of `unavailable`, made from why there are no keys.
pub(crate) async fn with_keys<T, E>(
    app: &App,
    place: &KeyPlace,
    unavailable: impl Fn(&str) -> E,
    attempt: impl Fn(&PeerKeys) -> Result<T, E>,
) -> Result<T, E> {
    let url = match place {
        KeyPlace::Set(json) => {
            return match PeerKeys::parse(json.as_bytes()) {
                Ok(keys) => attempt(&keys),
                Err(error) => Err(unavailable(&error.to_string())),
            };
        }
        KeyPlace::Url(url) => url,
    };
    let now = app.clock().now();
    let with = |fetched: &Fetched| match &fetched.keys {
        Ok(keys) => attempt(keys),
        Err(why) => Err(unavailable(why)),
    };
    let place = app.peer_keys().place(url);
    let mut kept = place.lock().await;
    if let Some(fetched) = kept.as_ref().filter(|fetched| fetched.at.plus_secs(FRESH_SECS) > now) {
        let tried = with(fetched);
        if tried.is_ok() || fetched.at.plus_secs(RETRY_SECS) > now {
            return tried;
        }
    }
    let fetched = Fetched { keys: fetch(app, url).await.map(Arc::new), at: now };
    let tried = with(&fetched);
    *kept = Some(fetched);
    tried
}

async fn fetch(app: &App, url: &str) -> Result<PeerKeys, String> {
    let answer = app.fetcher().send(Request::get(url, NamedBy::Admin, LIMITS)).await.map_err(|e| e.to_string())?;
    if !answer.status.is_success() {
        return Err(format!("the address answers with status {}", answer.status.as_u16()));
    }
    PeerKeys::parse(&answer.body).map_err(|error| error.to_string())
}
