//! Wires everything: data folder, encryption key, store, keys, jobs, listener.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use pid_core::secret::sha256;
use pid_core::{Ctx, Entropy, UserId};
use pid_flows::Error;
use pid_flows::env::Env;
use pid_flows::keys::{self, KeySealer};
use pid_http::listen;
use pid_http::middleware::client_ip::Proxies;
use pid_http::middleware::limit::Limiter;
use pid_http::router::router;
use pid_http::state::{App, Clock, seed};
use pid_integrations::fetch::{Fetcher, Guard};
use pid_jobs::Jobs;
use pid_jose::Alg;
use pid_oidc::dpop::Nonces;
use pid_store::{Db, OpenError, Options, Target, instance, passkeys, users};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::config::Config;

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
    /// A fault while reading or writing the store.
    #[error("The start failed: {0}.")]
    Rule(#[from] Error),
}

/// A server at work.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its state.
    pub app: App,
    /// The code for set-up from public addresses.
    pub setup_code: String,
    /// Whether nobody has been set up yet.
    pub waits_for_setup: bool,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
    tasks: Vec<JoinHandle<()>>,
    jobs: Jobs,
}

impl Running {
    /// Lets open requests finish (at most five seconds), ends the jobs and closes the store.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        self.app.waits().end();
        let _ = self.server.await;
        for task in self.tasks {
            task.abort();
        }
        self.jobs.stop().await;
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
    let encryption_key = prepare_data(&config)?;
    let options =
        Options { connections: 10, now_millis: || Clock::default().now().millis(), settings: config.settings.clone() };
    let db = Db::open(&config.database, options).await?;
    let sealer = KeySealer::new(&encryption_key)?;
    check_key(&db, &encryption_key).await?;
    let setup_code = Entropy::new(seed()).text(pid_core::entropy::LOGIN_CODE, 12);
    let refresh_token_key = *pid_jose::derive(&encryption_key, "refresh-tokens").map_err(Error::internal)?;
    let mail_key = *pid_jose::derive(&encryption_key, "mail").map_err(Error::internal)?;
    let signup_token_key = *pid_jose::derive(&encryption_key, "signup-tokens").map_err(Error::internal)?;
    let dpop_nonces = Nonces::new(&*pid_jose::derive(&encryption_key, "dpop-nonces").map_err(Error::internal)?);
    let env = Env {
        app_url: config.app_url.clone(),
        internal_url: config.internal_url.clone(),
        allow_insecure_callbacks: config.allow_insecure_callbacks,
        static_api_key: config.static_api_key.as_ref().map(|k| sha256(k.as_bytes())),
        refresh_token_key,
        mail_key,
        signup_token_key,
        dpop_nonces,
        setup_code: sha256(setup_code.as_bytes()),
    };
    let ctx = Ctx { now: clock.now(), seed: seed(), ip_address: String::new(), user_agent: "start".to_owned() };
    let with_static_key = config.static_api_key.is_some();
    let waits_for_setup = db.write(move |tx| first_rows(tx, &ctx, with_static_key)).await?;
    warn_of_lock_out(&db, &env).await?;
    let (now, load_sealer) = (clock.now(), sealer.clone());
    let snapshot = db.read(move |tx| keys::load_snapshot(tx, &load_sealer, now)).await?;
    let limiter = if config.rate_limiting { Limiter::new() } else { Limiter::off() };
    let proxies = Proxies { trusted: config.trusted_proxies.clone(), platform_header: config.platform_header.clone() };
    let guard = Guard { allowed: config.allowed_targets.clone(), denied: config.denied_targets.clone() };
    let app = App::new(db, env, clock, snapshot, limiter, proxies, sealer, fetcher(guard));

    let address = SocketAddr::new(config.host, config.port);
    let listener = TcpListener::bind(address).await.map_err(|cause| StartError::Listen { address, cause })?;
    let address = listener.local_addr().map_err(|cause| StartError::Listen { address, cause })?;
    let (stop, stopped) = oneshot::channel();
    let server = tokio::spawn(listen::serve(listener, router(app.clone()), async {
        let _ = stopped.await;
    }));
    let jobs = pid_jobs::spawn(app.clone(), config.audit_days);
    let mut tasks = vec![tokio::spawn(refresh_snapshot(app.clone()))];
    if !app.keys().is_ready() {
        tasks.push(tokio::spawn(make_first_key(app.clone())));
    }
    Ok(Running { address, app, setup_code, waits_for_setup, stop, server, tasks, jobs })
}

/// Makes the data folder, and finds the encryption key or, only together with a new SQLite database, makes one.
fn prepare_data(config: &Config) -> Result<Vec<u8>, StartError> {
    if let Some(dir) = config.data_dir()
        && !dir.exists()
    {
        make_private_dir(&dir).map_err(|cause| StartError::DataFolder { path: dir.display().to_string(), cause })?;
    }
    // Said before anything about keys: whoever starts us on another program's data needs that sentence.
    config.database.refuse_foreign()?;
    if let Some(key) = &config.encryption_key {
        return Ok(key.clone());
    }
    let Target::Sqlite(path) = &config.database else { return Err(StartError::NoKey) };
    let file = path.with_file_name("encryption.key");
    let trouble = |cause| StartError::DataFolder { path: file.display().to_string(), cause };
    match std::fs::read(&file) {
        Ok(key) if key.len() >= 16 => return Ok(key),
        Ok(_) => return Err(StartError::KeyFile { path: file.display().to_string() }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(trouble(e)),
    }
    if !config.database.is_new_file() {
        return Err(StartError::NoKey);
    }
    let key = Entropy::new(seed()).token().into_bytes();
    write_private(&file, &key).map_err(trouble)?;
    Ok(key)
}

/// The encryption key of a database that the server was started on, for the command line: what the key of an empty one is,
/// is not for it to decide.
///
/// # Errors
/// [`StartError`].
pub(crate) async fn existing_key(config: &Config, db: &Db) -> Result<Vec<u8>, StartError> {
    if db.read(|tx| instance::get(tx, KEY_CHECK).map_err(Error::from)).await?.is_none() {
        return Err(StartError::NeverStarted);
    }
    let encryption_key = prepare_data(config)?;
    check_key(db, &encryption_key).await?;
    Ok(encryption_key)
}

fn make_private_dir(dir: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Writes a file that only its owner can read, whole or not at all, and waits until it is on disk.
fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let unfinished = path.with_extension("key.new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    // The name as well: losing the key after data was stored under it would lose the data.
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(dir)?.sync_all()
}

const KEY_CHECK: &str = "key_check";

/// Compares the key with the value that was stored when the database was made. PostgreSQL and older files get theirs
/// on the first start.
async fn check_key(db: &Db, encryption_key: &[u8]) -> Result<(), StartError> {
    let tag = pid_jose::derive(encryption_key, "key-check").map_err(Error::internal)?;
    let tag: String = tag.iter().map(|b| format!("{b:02x}")).collect();
    let expected = tag.clone();
    let stored = db
        .write(move |tx| -> Result<Option<String>, Error> {
            instance::put_new(tx, KEY_CHECK, &tag)?;
            instance::put_new(tx, "instance_id", &Entropy::new(seed()).uuid())?;
            Ok(instance::get(tx, KEY_CHECK)?)
        })
        .await?;
    if stored.as_deref() == Some(expected.as_str()) { Ok(()) } else { Err(StartError::WrongKey) }
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
async fn make_first_key(app: App) {
    loop {
        match first_key(&app).await {
            Ok(()) => return,
            Err(error) => {
                tracing::error!(%error, "the signing key could not be made; trying again");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

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
/// command line changed them.
async fn refresh_snapshot(app: App) {
    let mut failures = 0;
    loop {
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
