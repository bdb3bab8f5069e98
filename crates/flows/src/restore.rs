//! What a backup brings back, and what must not come back with it (security case 109): nobody is signed in by it.

use pid_core::audit::Event;
use pid_core::{Ctx, Timestamp};
use pid_store::import::{Ended, end_live};
use pid_store::{WriteTx, files, instance};

use crate::{Error, audit};

/// Ends every session, every sign-in of an app with its tokens, every code and request under way, and drops what waited to
/// be sent: since the backup they may have been revoked, used or sent. Whatever else changed since is as it was then.
pub fn end_what_was_live(tx: &WriteTx<'_>, ctx: &Ctx, made_at: Timestamp) -> Result<Ended, Error> {
    let ended = end_live(tx)?;
    // Those of then are none of this database's.
    ["backup_begun_at", "backup_done_at"].into_iter().try_for_each(|fact| instance::forget(tx, fact))?;
    files::forget_removals(tx)?;
    let entropy = ctx.stream("restore");
    audit::record(tx, ctx, &entropy, Event::BackupRestored, None, None, &[("backupCreatedAt", &made_at.to_string())])?;
    Ok(ended)
}
