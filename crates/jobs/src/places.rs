//! The database of places: read again when its file has changed, and downloaded anew when it is old (ops.md §7.3).
//!
//! Each process keeps its own file up to date, so there is no lease: replicas that share a folder see the age of what
//! another one has downloaded, and the file is replaced in one step.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pid_core::{Entropy, Timestamp};
use pid_http::state::{App, seed};
use pid_integrations::geo::{GeoError, Source, Stamp, download};

/// Between two looks at the file.
const LOOK: Duration = Duration::from_secs(1);
/// The age at which it is downloaded again, seconds.
const OLD_SECS: i64 = 14 * 24 * 3600;
/// After a failure, seconds.
const AGAIN_SECS: i64 = 3600;

/// Runs for ever.
pub async fn run(app: App, source: Source) {
    if source.url.is_none() && Stamp::of(&source.path).is_none() {
        tracing::info!(
            "places of public addresses are unknown: neither MAXMIND_LICENSE_KEY nor a file at GEOLITE_DB_PATH"
        );
    }
    // Replicas that started together drift apart: half an hour either way.
    let [a, b] = Entropy::new(seed()).bytes::<2>();
    let jitter = i64::from(u16::from_be_bytes([a, b])) * 3600 / 65_536 - 1800;
    let (mut in_use, mut seen, mut not_before) = (None, None, None);
    loop {
        let found = Stamp::of(&source.path);
        // A file that is being copied is read once it stands still.
        if found != in_use && found == seen {
            load(&app, &source, found).await;
            in_use = found;
        }
        let is_settled = found == seen;
        seen = found;
        let now = app.clock().now();
        let is_old = found.is_none_or(|stamp| now.secs_since(moment(stamp.modified)) >= OLD_SECS + jitter);
        if let Some(url) = source.url.as_ref().filter(|_| is_settled && is_old && not_before.is_none_or(|at| now >= at))
        {
            not_before = Some(now.plus_secs(AGAIN_SECS));
            let tag = Entropy::new(seed()).uuid();
            match download(app.fetcher(), url, &source.path, &tag).await {
                Ok(()) => tracing::info!("the database of places was downloaded"),
                Err(error) => {
                    tracing::warn!(%error, "the database of places could not be downloaded; again in an hour");
                }
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn load(app: &App, source: &Source, found: Option<Stamp>) {
    if found.is_none() {
        app.atlas().forget();
        return;
    }
    let (atlas, path) = (Arc::clone(app.atlas()), source.path.clone());
    let loaded = tokio::task::spawn_blocking(move || atlas.load(&path)).await;
    match loaded.unwrap_or_else(|error| Err(GeoError::Database(error.to_string()))) {
        Ok(()) => tracing::info!("the database of places is in use"),
        Err(error) => tracing::warn!(%error, "the file at GEOLITE_DB_PATH can't be used; what was known before stays"),
    }
}

fn moment(time: SystemTime) -> Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
