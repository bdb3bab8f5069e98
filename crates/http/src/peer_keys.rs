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
    tried_at: Timestamp,
}

/// An address: what was fetched there, and whose turn it is to fetch.
#[derive(Debug, Default)]
struct Place {
    kept: std::sync::Mutex<Option<Fetched>>,
    turn: tokio::sync::Mutex<()>,
}

impl Place {
    fn kept(&self, now: Timestamp) -> Option<Fetched> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        kept.filter(|fetched| fetched.at.plus_secs(FRESH_SECS) > now)
    }

    /// Keeps what was fetched, and gives what is good now. An address that fails for a moment takes no keys away:
    /// whoever sends a bad signature could bring that about.
    fn keep(&self, keys: Result<PeerKeys, String>, now: Timestamp) -> Fetched {
        let fetched = match (keys, self.kept(now)) {
            (Err(_), Some(before)) if before.keys.is_ok() => Fetched { tried_at: now, ..before },
            (keys, _) => Fetched { keys: keys.map(Arc::new), at: now, tried_at: now },
        };
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(fetched.clone());
        fetched
    }
}

/// What was fetched. Whoever finds no good keys waits for the answer that is under way.
#[derive(Debug, Default)]
pub struct PeerKeyCache(std::sync::Mutex<HashMap<String, Arc<Place>>>);

impl PeerKeyCache {
    fn place(&self, url: &str) -> Arc<Place> {
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
    let known = || {
        let fetched = place.kept(now)?;
        let tried = with(&fetched);
        (tried.is_ok() || fetched.tried_at.plus_secs(RETRY_SECS) > now).then_some(tried)
    };
    if let Some(tried) = known() {
        return tried;
    }
    let _turn = place.turn.lock().await;
    // Somebody else may have fetched them while we waited.
    if let Some(tried) = known() {
        return tried;
    }
    with(&place.keep(fetch(app, url).await, now))
}

async fn fetch(app: &App, url: &str) -> Result<PeerKeys, String> {
    let answer = app.fetcher().send(Request::get(url, NamedBy::Admin, LIMITS)).await.map_err(|e| e.to_string())?;
    if !answer.status.is_success() {
        return Err(format!("the address answers with status {}", answer.status.as_u16()));
    }
    PeerKeys::parse(&answer.body).map_err(|error| error.to_string())
}
