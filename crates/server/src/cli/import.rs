//! `pocket-id import`: moving in from Pocket ID (ops.md §2, §5). The source is read whole, then everything here is replaced
//! in one transaction: killed at any moment it leaves either what was here or what came.

use std::fs::File;
use std::io::Seek as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use pid_core::files::backend_name;
use pid_core::progress::{Progress, Unit};
use pid_flows::import::{self, Keys, Report};
use pid_flows::keys::KeySealer;
use pid_http::state::Clock;
use pid_jose::{Zeroizing, derive};
use pid_store::{Db, Options, Target, WriteTx};
use pid_upstream::{Data, Limits};

use super::progress::Shown;
use super::{confirmed, ctx, note};
use crate::config::Config;
use crate::{app, encryption_key};

/// What to take over, and how.
#[derive(Debug, Args)]
pub struct Import {
    /// The export archive of Pocket ID; `-` is standard input, which needs --yes.
    #[arg(long, short, value_name = "FILE", default_value = "pocket-id-export.zip", conflicts_with = "from")]
    path: String,
    /// Reads Pocket ID's database instead: an SQLite file, or postgres://… It is not written to.
    #[arg(long, value_name = "DATABASE")]
    from: Option<String>,
    /// With --from: the folder of uploaded files. Default: uploads beside the SQLite file.
    #[arg(long, value_name = "FOLDER", requires = "from")]
    uploads: Option<PathBuf>,
    /// A file with the ENCRYPTION_KEY of the other installation, where it is not the same as here.
    #[arg(long, value_name = "FILE")]
    source_key_file: Option<PathBuf>,
    /// Goes without what is encrypted: apps see another signing key and sign in anew.
    #[arg(long, conflicts_with = "source_key_file")]
    without_keys: bool,
    /// Says what would come and what can't, and does nothing.
    #[arg(long)]
    dry_run: bool,
    /// Doesn't ask.
    #[arg(long, short)]
    yes: bool,
    /// With --yes: goes on although the data is newer than this program, without what it doesn't know.
    #[arg(long)]
    accept_unknown: bool,
    /// Goes on although a server is connected to the database; its people are signed out.
    #[arg(long)]
    forcefully_acquire_lock: bool,
}

/// Imports, and gives what to print.
///
/// # Errors
/// A sentence that says what went wrong; `Aborted` if the answer was no.
pub async fn run(config: &Config, command: &Import) -> Result<String, String> {
    if command.path == "-" && command.from.is_none() && !command.yes && !command.dry_run {
        return Err("An archive from standard input leaves nobody to answer: add --yes.".to_owned());
    }
    let shown = Shown::of("Reading what there is");
    let data = read(config, command, shown.progress()).await?;
    drop(shown);
    let source = source_key(config, command)?;
    if command.dry_run {
        return dry_run(config, &data, source);
    }
    if !command.forcefully_acquire_lock {
        config.database.refuse_foreign().map_err(|e| format!("{e}."))?;
        if config.database.is_in_use().await.map_err(|e| format!("{e}."))? {
            return Err(
                "A server is connected to the database. Stop it first, or add --forcefully-acquire-lock.".to_owned()
            );
        }
    }
    // Before anything is asked or made: whoever answers knows what comes, and a refusal leaves no trace.
    let key = encryption_key::find_key(config).map_err(|e| e.to_string())?;
    let (ctx, mut report) = (ctx(), Report::default());
    let keys = keys(&key.bytes, source)?;
    let plan = import::plan(&data, &keys, &ctx, &config.app_url.host, &mut report).map_err(|e| format!("{e}."))?;
    note(&report.to_string());
    if command.yes && !command.accept_unknown && import::is_newer(&data) {
        return Err(
            "The data is newer than this program, and what it doesn't know of it does not come: that may be a limit that \
             somebody relies on. See the report, then add --accept-unknown, or leave --yes out and answer. Nothing was \
             changed."
                .to_owned(),
        );
    }
    drop(data);
    if !command.yes && !confirmed(&warning(config))? {
        return Err("Aborted".to_owned());
    }
    let options = Options { connections: 1, now_millis: || Clock::default().now().millis(), settings: None };
    let db = encryption_key::open_for_import(config, options, &key).await.map_err(|e| e.to_string())?;
    let plan = Arc::new(plan);
    let shown = Shown::of("Storing everything");
    let progress = shown.progress().clone();
    let done = db.write(move |tx: &WriteTx<'_>| import::apply(tx, &ctx, &plan, &progress)).await;
    drop(shown);
    if done.is_ok() && config.files.backend.is_some() {
        place_pictures(config, &db).await;
    }
    db.close().await;
    match done {
        Ok(()) => Ok("Import completed successfully.".to_owned()),
        Err(error) => Err(format!("{}. Nothing was changed.", error.message)),
    }
}

/// Pictures come into the database, in the one transaction; from there they go to where pictures are kept.
async fn place_pictures(config: &Config, db: &Db) {
    let (files, to) = (app::files(config), config.files.backend);
    let shown = Shown::of("Copying pictures");
    let done = pid_http::files::copy(db, &files, to, || Clock::default().now(), shown.progress()).await;
    drop(shown);
    match done {
        Ok(done) => note(&format!("{} pictures are in {}.", done.copied + done.there, backend_name(to))),
        Err(error) => {
            note(&format!("Pictures are in the database, since {error}. Mend that, then: pocket-id files copy"));
        }
    }
}

/// Prints what would come.
fn dry_run(config: &Config, data: &Data, source: Option<Zeroizing<Vec<u8>>>) -> Result<String, String> {
    // Nothing is stored, so any key will do.
    let keys = keys(&[0; 32], source)?;
    let mut report = Report::default();
    let plan = import::plan(data, &keys, &ctx(), &config.app_url.host, &mut report);
    let from = format!("Made by Pocket ID {} on {}.", pid_upstream::release(data.version), data.provider);
    match plan {
        Ok(_) => Ok(format!("{from}\n{report}This was a dry run: nothing was changed.")),
        Err(refusal) => {
            note(&format!("{from}\n{report}"));
            Err(format!("{refusal}."))
        }
    }
}

fn warning(config: &Config) -> String {
    format!(
        "WARNING: an import is experimental, and it replaces everything in this installation. What is here now is erased:\n\
         Database: {}\nUploads Path: {}\nMake a copy first if you may need it again.\n\
         Do you want to continue?",
        config.database,
        backend_name(config.files.backend)
    )
}

/// The keys of both sides.
fn keys(target: &[u8], source: Option<Zeroizing<Vec<u8>>>) -> Result<Keys, String> {
    let derived = |purpose: &str| derive(target, purpose).map(|key| *key).map_err(|e| format!("{e}."));
    Ok(Keys {
        source,
        sealer: KeySealer::new(target).map_err(|e| format!("{}.", e.message))?,
        signup_token_key: derived("signup-tokens")?,
        scim_token_key: derived("scim-tokens")?,
        imported_tokens_key: derived("imported-tokens")?,
    })
}

/// The key of the other installation; `None`: go without.
fn source_key(config: &Config, command: &Import) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
    if command.without_keys {
        return Ok(None);
    }
    if let Some(path) = &command.source_key_file {
        return std::fs::read(path)
            .map(|key| Some(Zeroizing::new(key)))
            .map_err(|e| format!("{}: {e}.", path.display()));
    }
    encryption_key::known_key(config).map(|key| Some(Zeroizing::new(key))).ok_or_else(|| {
        "The ENCRYPTION_KEY of the other installation is needed: set ENCRYPTION_KEY, or name a file with it by \
         --source-key-file. Without it, --without-keys goes on: apps see another signing key and sign in anew."
            .to_owned()
    })
}

async fn read(config: &Config, command: &Import, progress: &Progress) -> Result<Data, String> {
    match &command.from {
        Some(from) => from_database(config, from, command.uploads.as_deref(), progress).await,
        None => from_archive(&command.path, progress),
    }
}

fn from_archive(path: &str, progress: &Progress) -> Result<Data, String> {
    let file = if path == "-" {
        let trouble = |e: std::io::Error| format!("Standard input can't be kept in a temporary file: {e}.");
        let mut file = tempfile::tempfile().map_err(trouble)?;
        let most = Limits::default().archive;
        std::io::copy(&mut std::io::Read::take(std::io::stdin().lock(), most + 1), &mut file).map_err(trouble)?;
        file.rewind().map_err(trouble)?;
        file
    } else {
        File::open(path).map_err(|e| format!("The archive {path} can't be read: {e}."))?
    };
    let length = file.metadata().map_err(|e| format!("The archive {path} can't be read: {e}."))?.len();
    progress.count("Reading the archive", Unit::Bytes, length);
    pid_upstream::read_archive(std::io::BufReader::new(progress.reading(file)), &Limits::default())
        .map_err(|e| format!("{e}. Nothing was changed."))
}

async fn from_database(
    config: &Config,
    from: &str,
    uploads: Option<&Path>,
    progress: &Progress,
) -> Result<Data, String> {
    let source = Target::parse(from);
    if is_same(&source, &config.database) {
        return Err(
            "--from names the very database that DB_CONNECTION_STRING names: data can't move to where it is. Set \
                    DB_CONNECTION_STRING to a new place."
                .to_owned(),
        );
    }
    let (mut data, beside) = match &source {
        Target::Sqlite(path) => {
            let data = pid_upstream::read_sqlite(path, progress).map_err(|e| format!("{e}."))?;
            (data, Some(path.with_file_name("uploads")))
        }
        Target::Postgres(url) => {
            let reach = pid_store::reach_postgres(url).map_err(|e| format!("{e}."))?;
            let data = pid_upstream::read_postgres(&reach.config, reach.tls, progress).await;
            (data.map_err(|e| format!("{e}."))?, None)
        }
    };
    if let Some(folder) = uploads.map(Path::to_owned).or_else(|| beside.filter(|folder| folder.is_dir())) {
        let files = pid_upstream::read_files(&folder).map_err(|e| format!("{e}."))?;
        // One that nobody named may be from before files were kept in the database.
        if uploads.is_none() && files.keys().any(|path| data.files.contains_key(path)) {
            let folder = folder.display();
            note(&format!(
                "Where the database has a picture too, that of {folder} does not come. To prefer the folder: --uploads {folder}"
            ));
        }
        let kept = std::mem::take(&mut data.files);
        let (below, above) = if uploads.is_some() { (kept, files) } else { (files, kept) };
        data.files = below;
        data.files.extend(above);
    } else if data.files.is_empty() {
        note("No folder of uploaded files was found: pictures don't come. Name it with --uploads.");
    }
    Ok(data)
}

fn is_same(a: &Target, b: &Target) -> bool {
    match (a, b) {
        (Target::Sqlite(a), Target::Sqlite(b)) => {
            a == b || std::fs::canonicalize(a).is_ok_and(|a| std::fs::canonicalize(b).is_ok_and(|b| a == b))
        }
        (a, b) => a == b,
    }
}
