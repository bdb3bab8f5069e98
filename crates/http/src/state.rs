//! What handlers share.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use arc_swap::ArcSwap;
use pid_core::application_images::ApplicationImages;
use pid_core::places::Places;
use pid_core::settings::Settings;
use pid_core::{Ctx, Seed, Timestamp};
use pid_flows::env::{Env, Snapshot};
use pid_flows::keys::{KeySealer, load_snapshot};
use pid_integrations::fetch::Fetcher;
use pid_integrations::files::Files;
use pid_integrations::geo::Atlas;
use pid_jose::KeySet;
use pid_store::Db;

use crate::api::forward_auth::Assertions;
use crate::diagnosis::Recorder;
use crate::metrics::Metrics;
use crate::middleware::client_ip::Proxies;
use crate::middleware::limit::Limiter;
use crate::oidc::cimd::Fetches;
use crate::oidc::metadata::DocumentCache;
use crate::peer_keys::PeerKeyCache;
use crate::seen::Seen;
use crate::waits::Waits;

/// The clock of the edge. Tests move it.
#[derive(Clone, Debug, Default)]
pub struct Clock(Arc<AtomicI64>);

impl Clock {
    /// The moment now.
    pub fn now(&self) -> Timestamp {
        #[allow(clippy::disallowed_methods, reason = "the one place that asks what time it is")]
        let now = std::time::SystemTime::now();
        let millis = match now.duration_since(std::time::UNIX_EPOCH) {
            Ok(d) => i64::try_from(d.as_millis()).unwrap_or(i64::MAX),
            Err(_) => 0,
        };
        Timestamp::from_millis(millis.saturating_add(self.0.load(Ordering::Relaxed)))
    }

    /// Moves the clock by seconds, for tests.
    pub fn advance_secs(&self, secs: i64) {
        self.0.fetch_add(secs * 1000, Ordering::Relaxed);
    }
}

/// The shared state. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

/// The shared state for whoever sleeps: it keeps nothing open.
pub(crate) struct Sleeper(Weak<Inner>);

impl Sleeper {
    /// The state, if it is still there.
    pub(crate) fn wake(&self) -> Option<App> {
        self.0.upgrade().map(App)
    }
}

struct Inner {
    db: Db,
    env: Arc<Env>,
    clock: Clock,
    snapshot: ArcSwap<Snapshot>,
    limiter: Limiter,
    proxies: Proxies,
    sealer: KeySealer,
    fetcher: Fetcher,
    files: Files,
    atlas: Arc<Atlas>,
    places: Places,
    documents: DocumentCache,
    peer_keys: PeerKeyCache,
    fetches: Fetches,
    set_up: AtomicBool,
    seen: Seen,
    recorder: Recorder,
    waits: Waits,
    assertions: Assertions,
    metrics: OnceLock<Metrics>,
    stopping: AtomicBool,
    trace: OnceLock<fn(&tracing::Span, &http::HeaderMap)>,
}

/// What the server reaches beside its store.
pub struct Outside {
    /// Other servers.
    pub fetcher: Fetcher,
    /// Uploaded pictures.
    pub files: Files,
}

impl App {
    /// Wires the state.
    pub fn new(
        db: Db,
        env: Env,
        clock: Clock,
        snapshot: Snapshot,
        limiter: Limiter,
        proxies: Proxies,
        sealer: KeySealer,
        outside: Outside,
        atlas: Arc<Atlas>,
    ) -> Self {
        let Outside { fetcher, files } = outside;
        Self(Arc::new(Inner {
            db,
            env: Arc::new(env),
            clock,
            snapshot: ArcSwap::from_pointee(snapshot),
            limiter,
            proxies,
            sealer,
            fetcher,
            files,
            places: atlas.places(),
            atlas,
            documents: DocumentCache::default(),
            peer_keys: PeerKeyCache::default(),
            fetches: Fetches::default(),
            set_up: AtomicBool::new(false),
            seen: Seen::default(),
            recorder: Recorder::default(),
            waits: Waits::default(),
            assertions: Assertions::default(),
            metrics: OnceLock::new(),
            stopping: AtomicBool::new(false),
            trace: OnceLock::new(),
        }))
    }

    /// For whoever sleeps.
    pub(crate) fn sleeper(&self) -> Sleeper {
        Sleeper(Arc::downgrade(&self.0))
    }

    /// The store.
    pub fn db(&self) -> &Db {
        &self.0.db
    }

    /// What does not change while the process runs.
    pub fn env(&self) -> &Arc<Env> {
        &self.0.env
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The settings in force.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.0.snapshot.load().settings)
    }

    /// Which application images are set.
    pub fn images(&self) -> ApplicationImages {
        self.0.snapshot.load().images
    }

    /// The signing keys in force.
    pub fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.0.snapshot.load().keys)
    }

    /// The whole cached snapshot.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.snapshot.load_full()
    }

    /// Replaces the cached snapshot, unless a newer one has come meanwhile.
    pub fn set_snapshot(&self, snapshot: Snapshot) {
        let snapshot = Arc::new(snapshot);
        self.0.snapshot.rcu(|current| Arc::clone(if snapshot.is_older_than(current) { current } else { &snapshot }));
    }

    /// Loads settings and keys anew: at once after a change made here, and when the version rows say that another
    /// replica changed them.
    pub async fn reload_snapshot(&self) -> Result<(), pid_flows::Error> {
        let (sealer, now) = (self.0.sealer.clone(), self.0.clock.now());
        let snapshot = self.0.db.read(move |tx| load_snapshot(tx, &sealer, now)).await?;
        self.set_snapshot(snapshot);
        Ok(())
    }

    /// Whether nobody has been set up yet. Once over it is over for good, so then nothing is read.
    pub async fn setup_is_open(&self) -> Result<bool, pid_flows::Error> {
        if self.0.set_up.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let open = self.0.db.read(pid_flows::setup::is_open).await?;
        self.0.set_up.store(!open, Ordering::Relaxed);
        Ok(open)
    }

    /// What was used when, not yet written.
    pub fn seen(&self) -> &Seen {
        &self.0.seen
    }

    /// What failed and waits to be looked at.
    pub(crate) fn recorder(&self) -> &Recorder {
        &self.0.recorder
    }

    /// Requests that wait for something to happen.
    pub fn waits(&self) -> &Waits {
        &self.0.waits
    }

    /// What apps behind proxies were told a moment ago.
    pub(crate) fn assertions(&self) -> &Assertions {
        &self.0.assertions
    }

    /// The prebuilt metadata documents.
    pub(crate) fn documents(&self) -> &DocumentCache {
        &self.0.documents
    }

    /// Keys of clients and of issuers that vouch for them.
    pub(crate) fn peer_keys(&self) -> &PeerKeyCache {
        &self.0.peer_keys
    }

    /// Metadata documents of clients that are being fetched.
    pub(crate) fn fetches(&self) -> &Fetches {
        &self.0.fetches
    }

    /// What seals private keys.
    pub fn sealer(&self) -> &KeySealer {
        &self.0.sealer
    }

    /// The outbound HTTP client.
    pub fn fetcher(&self) -> &Fetcher {
        &self.0.fetcher
    }

    /// Where uploads are kept.
    pub fn files(&self) -> &Files {
        &self.0.files
    }

    /// The database of places.
    pub fn atlas(&self) -> &Arc<Atlas> {
        &self.0.atlas
    }

    /// What is known of places.
    pub fn places(&self) -> &Places {
        &self.0.places
    }

    /// The context of something that nobody asked for, which is named instead of a browser.
    pub fn ctx(&self, what: &str) -> Ctx {
        Ctx {
            now: self.0.clock.now(),
            seed: seed(),
            ip_address: String::new(),
            user_agent: what.to_owned(),
            places: self.0.places.clone(),
        }
    }

    /// The general limiter.
    pub fn limiter(&self) -> &Limiter {
        &self.0.limiter
    }

    /// What is counted, if it is.
    pub fn metrics(&self) -> Option<&Metrics> {
        self.0.metrics.get()
    }

    /// Begins to count, and to record for a collector as well if one gets it.
    pub fn count(&self, records: bool) {
        self.0.metrics.get_or_init(|| Metrics::new(records));
    }

    /// Makes spans of requests from here on; `tie` ties one to that of whoever sent the request.
    pub fn trace(&self, tie: fn(&tracing::Span, &http::HeaderMap)) {
        let _ = self.0.trace.set(tie);
    }

    pub(crate) fn traces(&self) -> Option<fn(&tracing::Span, &http::HeaderMap)> {
        self.0.trace.get().copied()
    }

    /// Says that this process is about to end: whoever asks whether it is ready is told no, and connections aren't kept.
    pub fn begin_to_stop(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether this process is about to end.
    pub fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::Relaxed)
    }

    /// Which peers may name the client's address.
    pub fn proxies(&self) -> &Proxies {
        &self.0.proxies
    }
}

/// Draws a request's randomness from the system.
pub fn seed() -> Seed {
    let mut bytes = [0; 32];
    // aws-lc aborts the process rather than give weak bytes; the error is unreachable.
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        std::process::abort();
    }
    Seed(bytes)
}
