//! Backups by the clock. One replica makes each, and old ones go.

use std::path::PathBuf;
use std::time::Duration;

use pid_core::Timestamp;
use pid_core::progress::Progress;
use pid_flows::Error;
use pid_http::state::App;
use pid_jose::stream::FileSecret;
use pid_store::{WriteTx, instance};

use super::{BackupError, archives, file_name, make};

/// When the last one was begun, and when the last one was done; milliseconds.
const BEGUN: &str = "backup_begun_at";
/// The fact that tells when the last backup was done, milliseconds.
pub const DONE: &str = "backup_done_at";
/// Between two looks at the clock.
const LOOK: Duration = Duration::from_secs(20);
/// After a failure, seconds.
const AGAIN_SECS: i64 = 3600;

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The folder.
    pub folder: PathBuf,
    /// Between two, seconds.
    pub every_secs: i64,
    /// How many are kept.
    pub keep: usize,
    /// What seals them.
    pub secret: Option<FileSecret>,
    /// The encryption key, where it lies beside the database; it goes with what a passphrase seals.
    pub key: Option<Vec<u8>>,
}

/// Runs for ever.
pub async fn run(app: App, plan: Plan) {
    loop {
        match if_due(&app, &plan).await {
            Ok(None) => {}
            Ok(Some(path)) => tracing::info!(path = %path.display(), "made a backup"),
            Err(error) => tracing::error!(%error, "there is no backup; it is tried again in an hour"),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Makes a backup if one is due and this replica is the first to see it.
///
/// # Errors
/// [`BackupError`].
pub async fn if_due(app: &App, plan: &Plan) -> Result<Option<PathBuf>, BackupError> {
    let (now, every) = (app.clock().now(), plan.every_secs);
    let store = |error: Error| BackupError::Copy(error.message);
    let due = app.db().read(move |tx| Ok::<_, Error>(is_due(instance::get(tx, BEGUN)?, now, every))).await;
    if !due.map_err(store)? {
        return Ok(None);
    }
    let taken = app.db().write(move |tx: &WriteTx<'_>| -> Result<bool, Error> {
        let due = is_due(instance::get(tx, BEGUN)?, now, every);
        if due {
            instance::put(tx, BEGUN, &now.millis().to_string())?;
        }
        Ok(due)
    });
    if !taken.await.map_err(store)? {
        return Ok(None);
    }
    let to = plan.folder.join(file_name(now, plan.secret.is_some()));
    let made = async {
        std::fs::create_dir_all(&plan.folder).map_err(super::file_error(&plan.folder))?;
        let unseen = Progress::default();
        make(app.db(), app.files(), &to, plan.secret.clone(), plan.key.clone(), now, &unseen).await
    };
    if let Err(error) = made.await {
        // Sooner than the next one would be.
        let again = now.plus_secs(AGAIN_SECS - every).millis().to_string();
        let _ = app.db().write(move |tx| instance::put(tx, BEGUN, &again).map_err(Error::from)).await;
        return Err(error);
    }
    let done = now.millis().to_string();
    app.db().write(move |tx| instance::put(tx, DONE, &done).map_err(Error::from)).await.map_err(store)?;
    let mut kept = archives(&plan.folder).map_err(super::file_error(&plan.folder))?;
    kept.truncate(kept.len().saturating_sub(plan.keep));
    for old in kept {
        std::fs::remove_file(&old).map_err(super::file_error(&old))?;
        tracing::info!(path = %old.display(), "removed an old backup");
    }
    Ok(Some(to))
}

fn is_due(begun: Option<String>, now: Timestamp, every_secs: i64) -> bool {
    let begun = begun.and_then(|text| text.parse().ok()).map(Timestamp::from_millis);
    // A clock that was ahead once must not stop backups for good.
    begun.is_none_or(|begun| now >= begun.plus_secs(every_secs) || begun > now.plus_secs(60))
}
