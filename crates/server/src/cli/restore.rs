//! `pocket-id restore`: a backup in the place of what is there, whole or not at all; or, to see that it would work, only a
//! drill.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use pid_core::progress::Progress;
use pid_flows::{Error, restore};
use pid_http::state::Clock;
use pid_integrations::fetch::{Fetcher, Guard, Limits, NamedBy, Request};
use pid_jobs::backup::{self, Opened};
use pid_jose::Zeroizing;
use pid_jose::stream::FileSecret;
use pid_store::import::Ended;
use pid_store::{Db, Options, Target, WriteTx, files, keys};

use super::backup::passphrase;
use super::progress::Shown;
use super::{confirmed, ctx, note};
use crate::config::Config;
use crate::{app, encryption_key};

/// How often a drill asks whether the copy is ready: half a minute.
const READY_TRIES: u32 = 120;

/// What to bring back, and how.
#[derive(Debug, Args)]
pub struct Restore {
    /// The backup; `-` is standard input, which needs --yes or --verify.
    #[arg(long, short, value_name = "FILE")]
    path: String,
    /// Only a drill: unpacks the backup elsewhere, starts a server on it, looks at it, and removes it again.
    #[arg(long)]
    verify: bool,
    /// The passphrase is in this file. Default: what BACKUP_PASSPHRASE says.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Doesn't ask.
    #[arg(long, short)]
    yes: bool,
    /// Goes on although a server is connected to the database (PostgreSQL only).
    #[arg(long)]
    forcefully_acquire_lock: bool,
}

/// Restores or drills, and gives what to print.
///
/// # Errors
/// A sentence that says what went wrong; `Aborted` if the answer was no. Nothing was changed then.
pub async fn run(config: &Config, command: &Restore) -> Result<String, String> {
    if command.path == "-" && !command.yes && !command.verify {
        return Err("A backup from standard input leaves nobody to answer: add --yes.".to_owned());
    }
    let unchanged = |error: String| format!("{error} Nothing was changed.");
    if !command.verify {
        refuse_target(config, command).await?;
    }
    let work = work_folder(config, command)?;
    let shown = Shown::of("Reading the backup");
    let staged = stage(config, command, work.path(), shown.progress()).await.map_err(unchanged)?;
    drop(shown);
    if command.verify {
        return drill(config, &staged).await;
    }
    note(&report(&staged));
    if !command.yes && !confirmed(&warning(config))? {
        return Err("Aborted".to_owned());
    }
    apply(config, &staged).await
}

/// What there is must be ours, and ours alone.
async fn refuse_target(config: &Config, command: &Restore) -> Result<(), String> {
    config.database.refuse_foreign().map_err(|e| format!("{e}."))?;
    let may_force = matches!(config.database, Target::Postgres(_)) && command.forcefully_acquire_lock;
    if !may_force && config.database.is_in_use().await.map_err(|e| format!("{e}."))? {
        return Err("A server is connected to the database. Stop it first. Nothing was changed.".to_owned());
    }
    Ok(())
}

/// On the database's own disk, so that the new file can take the old one's place in one step.
fn work_folder(config: &Config, command: &Restore) -> Result<backup::Work, String> {
    let at = match &config.database {
        Target::Sqlite(_) if !command.verify => {
            encryption_key::make_data_dir(config).map_err(|e| e.to_string())?;
            config.data_dir().unwrap_or_else(|| PathBuf::from("."))
        }
        _ => std::env::temp_dir(),
    };
    backup::Work::begin(&at, ".pocket-id-restore-").map_err(|e| format!("No folder for unpacking can be made: {e}."))
}

/// A backup that was unpacked, looked through, brought to today's schema, and signed out.
struct Staged {
    opened: Opened,
    ended: Ended,
    /// The encryption key that fits.
    key: Zeroizing<Vec<u8>>,
    /// Whether that key came with the backup and is not here yet.
    brings_key: bool,
}

async fn stage(config: &Config, command: &Restore, work: &Path, progress: &Progress) -> Result<Staged, String> {
    let known = encryption_key::known_key(config);
    let mut secrets: Vec<FileSecret> = passphrase(config, command.passphrase_file.as_deref())?.into_iter().collect();
    secrets.extend(known.clone().map(|key| FileSecret::Key(Zeroizing::new(key))));
    let from = if command.path == "-" { spooled(work)? } else { PathBuf::from(&command.path) };
    let (into, counted) = (work.to_owned(), progress.clone());
    let open = move || backup::open(&from, &secrets, &into, &backup::Limits::default(), &counted);
    let opened = tokio::task::spawn_blocking(open);
    let opened = opened.await.map_err(|e| format!("{e}."))?.map_err(|e| format!("{e}."))?;
    progress.begin("Bringing it to today's schema");
    let options = Options { connections: 1, now_millis: || Clock::default().now().millis(), settings: None };
    let db = Db::open(&Target::Sqlite(opened.database.clone()), options).await.map_err(|e| format!("{e}."))?;
    let staged = sign_out(&db, known, opened).await;
    db.close().await;
    staged
}

async fn sign_out(db: &Db, known: Option<Vec<u8>>, opened: Opened) -> Result<Staged, String> {
    let fits = async |key: &Option<Vec<u8>>| match key {
        Some(key) => encryption_key::check_key(db, key).await.is_ok(),
        None => false,
    };
    let brings_key = known.is_none() && fits(&opened.key).await;
    let key = if brings_key { opened.key.clone() } else { known };
    let Some(key) = key else {
        return Err(
            "The encryption key of the backup is missing: set ENCRYPTION_KEY, or put the file encryption.key beside the \
             database."
                .to_owned(),
        );
    };
    if !brings_key && !fits(&Some(key.clone())).await {
        return Err("The encryption key here is not that of the backup. Set the one that it was made with.".to_owned());
    }
    let (ctx, made_at) = (ctx(), opened.manifest.created_at);
    let ended = db.write(move |tx: &WriteTx<'_>| restore::end_what_was_live(tx, &ctx, made_at)).await;
    let ended = ended.map_err(|e| format!("{}.", e.message))?;
    Ok(Staged { opened, ended, key: Zeroizing::new(key), brings_key })
}

fn spooled(work: &Path) -> Result<PathBuf, String> {
    let path = work.join("standard-input");
    let copied =
        std::fs::File::create(&path).and_then(|mut file| std::io::copy(&mut std::io::stdin().lock(), &mut file));
    copied.map(|_| path).map_err(|e| format!("The backup can't be read from standard input: {e}."))
}

fn report(staged: &Staged) -> String {
    let manifest = &staged.opened.manifest;
    let rows = |table: &str| manifest.rows.get(table).copied().unwrap_or_default();
    format!(
        "The backup is of {} ({}, by version {}): {} people, {} passkeys, {} groups, {} clients, {} API keys, {} audit entries.\n\
         Nobody is signed in by it: {} sessions and {} sign-ins of apps end, {} mails and notices of then are not sent.\n\
         All else is as it was then. Who was disabled, and every passkey, API key, client secret and signing key that was \
         removed or revoked since, is back: look through them.",
        manifest.created_at,
        manifest.engine,
        manifest.version,
        rows("users"),
        rows("passkeys"),
        rows("user_groups"),
        rows("clients"),
        rows("api_keys"),
        rows("audit_logs"),
        staged.ended.sessions,
        staged.ended.grants,
        staged.ended.outbox,
    )
}

fn warning(config: &Config) -> String {
    format!(
        "WARNING: everything in this database is replaced by the backup:\n  Database: {}\nDo you want to continue?",
        config.database
    )
}

async fn apply(config: &Config, staged: &Staged) -> Result<String, String> {
    let (new, now) = (staged.opened.database.clone(), ctx().now.millis());
    match &config.database {
        Target::Sqlite(path) => {
            if staged.brings_key {
                encryption_key::write_private(&encryption_key::key_file(path), &staged.key)
                    .map_err(|e| format!("The key file can't be written: {e}. Nothing was changed."))?;
            }
            // Again, since somebody had time to start one.
            if config.database.is_in_use().await.map_err(|e| format!("{e}."))? {
                return Err("A server is connected to the database. Stop it first. Nothing was changed.".to_owned());
            }
            let kept =
                pid_store::backup::replace_file(&new, path, now).map_err(|e| format!("{e}. Nothing was changed."))?;
            if let Some(kept) = &kept
                && let Err(error) = part(config, kept).await
            {
                note(&format!("Pictures of what was there stay where they are, since {error}"));
            }
            let kept = kept.map(|kept| format!("\nWhat was there is kept as {}.", kept.display())).unwrap_or_default();
            Ok(format!("Restored the backup of {}.{kept}{}", staged.opened.manifest.created_at, pictures(config)))
        }
        Target::Postgres(_) => {
            if config.encryption_key.is_none() {
                return Err("Set ENCRYPTION_KEY to the key of the backup. Nothing was changed.".to_owned());
            }
            let options = Options { connections: 1, now_millis: || Clock::default().now().millis(), settings: None };
            let db = Db::open(&config.database, options).await.map_err(|e| format!("{e}. Nothing was changed."))?;
            let shown = Shown::of("Storing everything");
            let progress = shown.progress().clone();
            let done = db.write(move |tx| pid_store::backup::load(tx, &new, &progress).map_err(Error::from)).await;
            drop(shown);
            db.close().await;
            done.map_err(|e| format!("{}. Nothing was changed.", e.message))?;
            Ok(format!("Restored the backup of {}.{}", staged.opened.manifest.created_at, pictures(config)))
        }
    }
}

/// Makes what is kept of before whole by itself, and says to the new database what is nobody's then. Killed in the middle, it
/// leaves pictures that nobody needs, and nothing else.
async fn part(config: &Config, kept: &Path) -> Result<(), String> {
    let shown = Shown::of("Keeping the old pictures");
    let whole = backup::make_whole(kept, &app::files(config), shown.progress()).await;
    let (free, stay) = whole.map_err(|e| format!("{e}."))?;
    drop(shown);
    if !stay.is_empty() {
        note(&format!(
            "These pictures of what was there stay where they are, since what is kept of it needs them: {}.",
            stay.join(", ")
        ));
    }
    if free.is_empty() {
        return Ok(());
    }
    let options = Options { connections: 1, now_millis: || Clock::default().now().millis(), settings: None };
    let db = Db::open(&config.database, options).await.map_err(|e| format!("{e}."))?;
    let now = ctx().now;
    let noted = db.write(move |tx: &WriteTx<'_>| {
        free.iter().try_for_each(|(place, key)| files::intend(tx, *place, key, now)).map_err(Error::from)
    });
    let noted = noted.await;
    db.close().await;
    noted.map_err(|e| format!("{}.", e.message))
}

/// A backup has all pictures in its database.
fn pictures(config: &Config) -> &'static str {
    if config.files.backend.is_none() {
        return "";
    }
    "\nPictures are in the database now. To keep them where new ones go: pocket-id files copy"
}

/// Starts a server on the unpacked copy that nobody else can reach and that sends nothing, and asks it what an app asks.
async fn drill(config: &Config, staged: &Staged) -> Result<String, String> {
    let copy = Config {
        database: Target::Sqlite(staged.opened.database.clone()),
        encryption_key: Some(staged.key.to_vec()),
        host: [127, 0, 0, 1].into(),
        port: 0,
        jobs: false,
        unix_socket: None,
        systemd_socket: false,
        proxy_protocol: None,
        tls: None,
        backups: None,
        prometheus: None,
        declared: None,
        shutdown_delay: 0,
        otlp: crate::otlp::Wanted::default(),
        ..config.clone()
    };
    let failed = |why: String| format!("The drill failed: {why} The backup can't be relied on.");
    let origin = copy.app_url.origin.clone();
    let shown = Shown::of("Starting a server on a copy");
    let running = app::start(copy, Clock::default()).await.map_err(|e| failed(e.to_string()))?;
    let looked = look(&running.app, &format!("http://{}", running.address), &origin).await;
    running.stop().await;
    drop(shown);
    looked.map_err(failed)?;
    note(&report(staged));
    Ok(format!(
        "The backup of {} is whole: its hash, its {} tables and its key are right, and a server on a copy of it is ready. \
         Nothing was changed.",
        staged.opened.manifest.created_at,
        staged.opened.manifest.rows.len()
    ))
}

async fn look(app: &pid_http::state::App, at: &str, origin: &str) -> Result<(), String> {
    let guard = Guard { allowed: vec!["127.0.0.0/8".parse().map_err(|_| "a bug.")?], ..Guard::default() };
    let fetcher = Fetcher::new(guard);
    let limits = Limits { time: Duration::from_secs(10), body: Some(1 << 20), redirects: 0 };
    let ask = async |path: &str| {
        let answer = fetcher.send(Request::get(format!("{at}{path}"), NamedBy::Admin, limits)).await;
        answer.map_err(|error| format!("{path}: {error}."))
    };
    // Of a server that had just been started for the first time there may be no signing key yet: the copy makes one.
    let mut tries = 0;
    loop {
        let ready = ask("/readyz").await?;
        if ready.status.is_success() {
            break;
        }
        tries += 1;
        if tries > READY_TRIES {
            return Err(format!("it does not get ready: {}", String::from_utf8_lossy(&ready.body).trim()));
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let json = async |path: &str| -> Result<serde_json::Value, String> {
        serde_json::from_slice(&ask(path).await?.body).map_err(|e| format!("{path}: {e}."))
    };
    let issuer = json("/.well-known/openid-configuration").await?;
    if issuer["issuer"] != origin {
        return Err("it calls itself by another address.".to_owned());
    }
    let published = json("/.well-known/jwks.json").await?;
    let stored = app.db().read(|tx| keys::all(tx).map_err(Error::from)).await.map_err(|e| format!("{}.", e.message))?;
    let active: Vec<_> = stored.iter().filter(|key| key.state == pid_core::KeyState::Active).collect();
    let known: Vec<&str> =
        published["keys"].as_array().into_iter().flatten().filter_map(|k| k["kid"].as_str()).collect();
    match active.iter().find(|key| !known.contains(&key.kid.as_str())) {
        Some(missing) => Err(format!("the signing key {} is not published.", missing.kid)),
        None => Ok(()),
    }
}
