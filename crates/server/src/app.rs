//! Wires everything: data folder, encryption key, store, keys, jobs, listener.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use pid_core::places::Places;
use pid_core::secret::sha256;
use pid_core::{Ctx, Entropy, UserId};
use pid_flows::Error;
use pid_flows::env::Env;
use pid_flows::keys::{self, KeySealer};
use pid_http::listen::{self, Listener};
use pid_http::middleware::client_ip::Proxies;
use pid_http::middleware::limit::Limiter;
use pid_http::router::router;
use pid_http::state::{App, Clock, Outside, seed};
use pid_integrations::fetch::{Fetcher, Guard};
use pid_integrations::files::Files;
use pid_integrations::geo::Atlas;
use pid_jobs::Jobs;
use pid_jobs::backup::schedule::Plan;
use pid_jose::stream::FileSecret;
use pid_jose::{Alg, Zeroizing};
use pid_oidc::dpop::Nonces;
use pid_store::{Db, OpenError, Options, instance, passkeys, users};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::listener::{Listening, bind};
use crate::{declared, encryption_key};

/// Why the server does not start: a sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder can't be made or written.
    #[error("The data folder {path} can't be used: {cause}.")]
    DataFolder {
        /// The folder.
        path: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// There is data but no key.
    #[error(
        "ENCRYPTION_KEY is not set and there is no key file, but the database exists already (or is PostgreSQL). \
         Set ENCRYPTION_KEY or ENCRYPTION_KEY_FILE to the key that it was made with, or for a new PostgreSQL \
         database to at least 16 random bytes."
    )]
    NoKey,
    /// The database is empty.
    #[error("The server has not been started on this database yet: there is nothing to work on.")]
    NeverStarted,
    /// The key file was cut short.
    #[error("The key file {path} holds fewer than 16 bytes. Restore it from a copy, or set ENCRYPTION_KEY.")]
    KeyFile {
        /// The file.
        path: String,
    },
    /// The key is not the one that the data was made with.
    #[error("The encryption key is not the one that this database was made with. Restore the right key.")]
    WrongKey,
    /// The store.
    #[error("{0}.")]
    Store(#[from] OpenError),
    /// The port is taken, say.
    #[error("The server can't listen on {address}: {cause}.")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A socket of the file system can't be made.
    #[error("The server can't listen on the socket {path}: {cause}.")]
    Socket {
        /// Where.
        path: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// What systemd handed over is of no use.
    #[error("{cause}.")]
    Handed {
        /// Why.
        cause: String,
    },
    /// TLS can't be set up.
    #[error("TLS_CERT and TLS_KEY (or TLS_CERT_FILE and TLS_KEY_FILE) can't be used: {cause}.")]
    Certificate {
        /// Why.
        cause: String,
    },
    /// What a file declares can't be.
    #[error("{}", .0.join("\n"))]
    Declared(Vec<String>),
    /// A fault while reading or writing the store.
    #[error("The start failed: {0}.")]
    Rule(#[from] Error),
}

/// A server at work.
pub struct Running {
    /// Where it listens; this machine's address for a socket of the file system.
    pub address: SocketAddr,
    /// The same in words.
    pub place: String,
    /// Its state.
    pub app: App,
    /// The code for set-up from public addresses.
    pub setup_code: String,
    /// Whether nobody has been set up yet.
    pub waits_for_setup: bool,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
    tasks: Vec<JoinHandle<()>>,
    jobs: Option<Jobs>,
    delay: Duration,
}

impl Running {
    /// Says that it is not ready any more and serves on for as long as proxies need to notice (`SHUTDOWN_DELAY_SECONDS`); then
    /// lets open requests finish (at most five seconds), ends the jobs and closes the store.
    pub async fn stop(self) {
        self.app.begin_to_stop();
        tokio::time::sleep(self.delay).await;
        let _ = self.stop.send(());
        self.app.waits().end();
        let _ = self.server.await;
        for task in self.tasks {
            task.abort();
        }
        if let Some(jobs) = self.jobs {
            jobs.stop().await;
        }
        self.app.db().close().await;
    }
}

/// Starts a server. It answers as soon as this returns; a first signing key may still be in the making.
///
/// # Errors
/// [`StartError`].
pub async fn start(config: Config, clock: Clock) -> Result<Running, StartError> {
    start_with(config, clock, Fetcher::new).await
}

/// As [`start`], with an outbound client that knows other names and certificates than the system does.
///
/// # Errors
/// [`StartError`].
pub async fn start_with(
    config: Config,
    clock: Clock,
    fetcher: impl FnOnce(Guard) -> Fetcher,
) -> Result<Running, StartError> {
    let key = encryption_key::prepare_data(&config)?;
    let options = Options {
        connections: config.max_connections,
        now_millis: || Clock::default().now().millis(),
        settings: config.settings.clone(),
    };
    let db = Db::open(&config.database, options).await?;
    let encryption_key = encryption_key::settle_key(&config, &db, key).await?;
    let sealer = KeySealer::new(&encryption_key)?;
    let setup_code = Entropy::new(seed()).text(pid_core::entropy::LOGIN_CODE, 12);
    let refresh_token_key = *pid_jose::derive(&encryption_key, "refresh-tokens").map_err(Error::internal)?;
    let imported_tokens_key = *pid_jose::derive(&encryption_key, "imported-tokens").map_err(Error::internal)?;
    let mail_key = *pid_jose::derive(&encryption_key, "mail").map_err(Error::internal)?;
    let disown_key = *pid_jose::derive(&encryption_key, "disown-links").map_err(Error::internal)?;
    let signup_token_key = *pid_jose::derive(&encryption_key, "signup-tokens").map_err(Error::internal)?;
    let scim_token_key = *pid_jose::derive(&encryption_key, "scim-tokens").map_err(Error::internal)?;
    let dpop_nonces = Nonces::new(&*pid_jose::derive(&encryption_key, "dpop-nonces").map_err(Error::internal)?);
    let env = Env {
        app_url: config.app_url.clone(),
        internal_url: config.internal_url.clone(),
        allow_insecure_callbacks: config.allow_insecure_callbacks,
        forward_auth_secret: config.forward_auth_secret.as_ref().map(|k| sha256(k.as_bytes())),
        static_api_key: config.static_api_key.as_ref().map(|k| sha256(k.as_bytes())),
        refresh_token_key,
        imported_tokens_key,
        mail_key,
        disown_key,
        signup_token_key,
        scim_token_key,
        dpop_nonces,
        setup_code: sha256(setup_code.as_bytes()),
    };
    let ctx = Ctx {
        now: clock.now(),
        seed: seed(),
        ip_address: String::new(),
        user_agent: "start".to_owned(),
        places: Places::default(),
    };
    let with_static_key = config.static_api_key.is_some();
    let waits_for_setup = db.write(move |tx| first_rows(tx, &ctx, with_static_key)).await?;
    carry_out(&config, &db, &sealer).await?;
    warn_of_lock_out(&db, &env).await?;
    let (now, load_sealer) = (clock.now(), sealer.clone());
    let snapshot = db.read(move |tx| keys::load_snapshot(tx, &load_sealer, now)).await?;
    let limiter = if config.rate_limiting { Limiter::new() } else { Limiter::off() };
    let proxies = Proxies { trusted: config.trusted_proxies.clone(), platform_header: config.platform_header.clone() };
    let guard = guard(&config);
    let atlas = Arc::new(Atlas::new(config.local_ipv6_ranges.clone()));
    let fetcher = fetcher(guard);
    let files = Files::new(config.files.clone(), fetcher.clone());
    let app = App::new(db, env, clock, snapshot, limiter, proxies, sealer, Outside { fetcher, files }, atlas);

    let Listening { listener, address, place, manner } = bind(&config).await?;
    let (stop, stopped) = oneshot::channel();
    let certificate = manner.tls.clone().map(|tls| tokio::spawn(tls.watch()));
    let server = tokio::spawn(listen::serve(listener, manner, router(app.clone()), async {
        let _ = stopped.await;
    }));
    let backups = config.backups.as_ref().map(|wanted| Plan {
        folder: wanted.folder.clone(),
        every_secs: wanted.every_hours * 3600,
        keep: wanted.keep,
        secret: config.backup_passphrase.clone().map(|text| FileSecret::Passphrase(Zeroizing::new(text))),
        key: crate::cli::backup::key_beside(&config),
    });
    let jobs = config.jobs.then(|| pid_jobs::spawn(app.clone(), config.audit_days, config.places.clone(), backups));
    let mut tasks = vec![tokio::spawn(refresh_snapshot(app.clone()))];
    tasks.extend(certificate);
    if config.otlp.has_traces() {
        app.trace(crate::otlp::tie);
    }
    if config.otlp.has_metrics() {
        app.count(true);
        tasks.push(tokio::spawn(pid_http::metrics::observe(app.clone())));
    }
    if let Some(address) = config.prometheus {
        let numbers = TcpListener::bind(address).await.map_err(|cause| StartError::Listen { address, cause })?;
        app.count(false);
        let router = pid_http::metrics::router(app.clone());
        let forever = std::future::pending();
        tasks.push(tokio::spawn(listen::serve(Listener::Tcp(numbers), listen::Manner::default(), router, forever)));
    }
    let delay = Duration::from_secs(config.shutdown_delay);
    Ok(Running { address, place, app, setup_code, waits_for_setup, stop, server, tasks, jobs, delay })
}

/// Which addresses may be called.
pub(crate) fn guard(config: &Config) -> Guard {
    Guard {
        allowed: config.allowed_targets.clone(),
        denied: config.denied_targets.clone(),
        local: config.local_ipv6_ranges.iter().copied().map(IpNet::V6).collect(),
    }
}

/// Where uploads are kept, for a command beside the server.
pub(crate) fn files(config: &Config) -> Files {
    Files::new(config.files.clone(), Fetcher::new(guard(config)))
}

/// Applies the file of `--config`. What it changes is in the log.
async fn carry_out(config: &Config, db: &Db, sealer: &KeySealer) -> Result<(), StartError> {
    let Some(wanted) = &config.declared else { return Ok(()) };
    let ctx = Ctx { user_agent: "declared at the start".to_owned(), ..crate::cli::ctx() };
    let (done, left) = declared::apply(db, sealer, ctx, wanted).await.map_err(StartError::Declared)?;
    for done in &done {
        tracing::info!("declared: {}", declared::line(done));
    }
    for sentence in left {
        tracing::warn!("declared: {sentence}");
    }
    Ok(())
}

/// The static API user exists exactly while its key is configured. Tells whether set-up is still open.
fn first_rows(tx: &pid_store::WriteTx<'_>, ctx: &Ctx, with_static_key: bool) -> Result<bool, Error> {
    let id = UserId::new(pid_core::ids::STATIC_API_USER);
    let exists = users::by_id(tx, &id)?.is_some();
    if with_static_key && !exists {
        pid_flows::users::create_static_api_user(tx, ctx, &ctx.entropy())?;
    } else if !with_static_key && exists {
        users::delete(tx, &id)?;
    }
    pid_flows::setup::is_open(tx)
}

/// Passkeys are bound to the host of `APP_URL`: after a change of it they work no more. Says who would be locked out.
async fn warn_of_lock_out(db: &Db, env: &Env) -> Result<(), StartError> {
    let host = env.app_url.host.clone();
    let (known, owners) = db
        .write(move |tx| -> Result<_, Error> {
            let owners = passkeys::owners(tx)?;
            if owners.is_empty() {
                // Nobody can be locked out: the host may still change.
                pid_store::instance::put(tx, "rp_id", &host)?;
            }
            Ok((instance::get(tx, "rp_id")?, owners))
        })
        .await?;
    if let Some(known) = known.filter(|known| *known != env.app_url.host) {
        let named: Vec<&str> = owners.iter().take(10).map(String::as_str).collect();
        let more = owners.len().saturating_sub(named.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        tracing::warn!(
            "APP_URL's host is {}, but passkeys were registered for {known}: they will not work. Locked out: {}{more}. \
             Set APP_URL back, or give each of them a login code",
            env.app_url.host,
            named.join(", ")
        );
    }
    Ok(())
}

/// Makes the first RS256 key off the path to healthy: it takes a noticeable fraction of a second.
async fn first_key(app: &App) -> Result<(), Error> {
    let (sealer, now) = (app.sealer().clone(), app.clock().now());
    let made = tokio::task::spawn_blocking(move || {
        let kid = keys::new_kid(&Entropy::new(seed()));
        keys::generate(&sealer, Alg::RS256, &kid, now)
    });
    let key = made.await.map_err(Error::internal)??;
    app.db().write(move |tx| keys::store_first(tx, &key)).await?;
    app.reload_snapshot().await
}

/// Polls the version rows (a read: the disk stays quiet) and loads settings and keys anew when another replica or the
/// command line changed them. Where no key is, at the first start or after an import that brought none, it makes one.
async fn refresh_snapshot(app: App) {
    let mut failures = 0;
    loop {
        if !app.keys().is_ready()
            && let Err(error) = first_key(&app).await
        {
            tracing::error!(%error, "the signing key could not be made; trying again");
        }
        tokio::time::sleep(Duration::from_millis(900)).await;
        match app.db().read(|tx| instance::versions(tx).map_err(Error::from)).await {
            Ok(versions) => {
                failures = 0;
                if versions != app.snapshot().versions
                    && let Err(error) = app.reload_snapshot().await
                {
                    tracing::warn!(%error, "settings and keys could not be loaded");
                }
            }
            Err(error) => {
                failures += 1;
                if failures == 5 {
                    tracing::error!(%error, "the store has not answered for five seconds");
                }
            }
        }
    }
}
