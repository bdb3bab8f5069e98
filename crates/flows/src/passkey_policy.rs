//! A policy for passkeys before it is saved: who could not sign in by it any more.

use std::collections::BTreeMap;

use pid_core::UserId;
use pid_core::passkeys::Misfit;
use pid_core::settings::Settings;
use pid_store::passkeys::{self, LockedOut};
use pid_store::{ReadTx, settings, users};

use crate::access::Admin;
use crate::settings::{Scope, tried};
use crate::{Code, Error, Saying};

/// What a policy would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DryRun {
    /// How many people could not sign in with any passkey that they have.
    pub total: i64,
    /// The first 100 of them, administrators before others.
    pub people: Vec<LockedOut>,
    /// No administrator could sign in any more: it will not be saved.
    pub every_admin: bool,
}

/// Tries changed settings, without saving them. What was found of passkeys holds as far as is known from their last use.
pub fn dry_run(tx: &ReadTx<'_>, _: &Admin, values: &BTreeMap<String, Option<String>>) -> Result<DryRun, Error> {
    let current = settings::load(tx)?;
    let next = tried(tx, values, Scope::Named)?;
    let policy = next.passkey_policy().at_use();
    if policy == current.passkey_policy().at_use() {
        return Ok(DryRun::default());
    }
    let (total, people) = passkeys::locked_out(tx, &policy)?;
    Ok(DryRun { total, people, every_admin: locks_admins_out(tx, &current, &next)? })
}

/// Why a passkey is refused.
pub(crate) fn refusal(reason: Misfit) -> Code {
    match reason {
        Misfit::Unverified => Code::PasskeyUserVerificationRequired,
        Misfit::Synced => Code::SyncedPasskeyNotAllowed,
        Misfit::Attachment | Misfit::Model => Code::PasskeyNotAllowed,
    }
}

/// Refuses a policy by which no administrator could sign in any more (security case 74). Where none can now, because none
/// has a passkey yet, there is nobody to lose.
pub(crate) fn keep_an_admin(tx: &ReadTx<'_>, current: &Settings, next: &Settings) -> Result<(), Error> {
    if locks_admins_out(tx, current, next)? {
        return Err(Error::say(Saying::LockedOutAdmins, &[]));
    }
    Ok(())
}

fn locks_admins_out(tx: &ReadTx<'_>, current: &Settings, next: &Settings) -> Result<bool, Error> {
    let (before, after) = (current.passkey_policy().at_use(), next.passkey_policy().at_use());
    let nobody = UserId::new(String::new());
    Ok(before != after && users::other_admin(tx, &nobody, &before)? && !users::other_admin(tx, &nobody, &after)?)
}
