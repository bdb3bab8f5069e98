//! The end of access: one function for each cause, used through every door.
//!
//! Each ends what depends on it in one transaction: sessions with their proofs, self-made login codes and browsers about
//! to be let in, grants with their codes and tokens; and puts a notice into the outbox for each client and session that must hear of it.

use pid_core::audit::Event;
use pid_core::{ClientId, Ctx, SessionId, UserId};
use pid_store::grants::RevokedBy;
use pid_store::sign_out::{Whose, clients_to_tell, end_session, end_sessions_of, lost_access, revoke};
use pid_store::{WriteTx, passkeys, settings};

use crate::audit::Note;
use crate::{Error, audit, outbox};

fn tell(tx: &WriteTx<'_>, ctx: &Ctx, whose: Whose<'_>) -> Result<(), Error> {
    clients_to_tell(tx, whose)?.iter().try_for_each(|client| outbox::tell(tx, ctx, client))
}

/// One session, signed out or removed: its codes and grants end, but those with `offline_access` unless the
/// configuration says otherwise (OpenID Connect Back-Channel Logout §2.7). `client_name` is that of a client which asked
/// for it. Tells whether it was live.
pub fn session(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    id: &SessionId,
    user: &UserId,
    actor: Option<&UserId>,
    client_name: Option<&str>,
) -> Result<bool, Error> {
    let keep_offline = !settings::load(tx)?.sign_out_ends_offline_access();
    end_one(tx, ctx, id, user, actor, client_name, keep_offline)
}

/// One session that its person says is not theirs: with all its grants.
pub fn disowned(tx: &WriteTx<'_>, ctx: &Ctx, id: &SessionId, user: &UserId) -> Result<bool, Error> {
    end_one(tx, ctx, id, user, None, None, false)
}

fn end_one(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    id: &SessionId,
    user: &UserId,
    actor: Option<&UserId>,
    client_name: Option<&str>,
    keep_offline: bool,
) -> Result<bool, Error> {
    let whose = Whose::Session(id);
    tell(tx, ctx, whose)?;
    revoke(tx, whose, RevokedBy::SignOut, keep_offline, ctx.now)?;
    let was_live = end_session(tx, id, ctx.now)?;
    if was_live {
        let note = Note::about(&[("sessionID", id.as_str())]);
        let note = client_name.into_iter().fold(note, |note, name| note.with("clientName", name));
        note.record(tx, ctx, &ctx.stream(&format!("end {id}")), Event::SignOut, Some(user), actor)?;
    }
    Ok(was_live)
}

/// Everywhere: all sessions of a person, perhaps but the one they ask from, with all grants.
pub fn everywhere(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    user: &UserId,
    kept: Option<&SessionId>,
    actor: Option<&UserId>,
) -> Result<(), Error> {
    let ended = all_of(tx, ctx, user, kept, RevokedBy::SignOut)?.to_string();
    let data = [("sessions", ended.as_str())];
    audit::record(tx, ctx, &ctx.stream("end all"), Event::SignOutEverywhere, Some(user), actor, &data)
}

/// A person who is disabled or about to be deleted. Their own audit entry says so, with the number of sessions.
pub fn user(tx: &WriteTx<'_>, ctx: &Ctx, user: &UserId) -> Result<u64, Error> {
    // Who is being signed in at this moment has read that the person is enabled, and writes the passkey.
    passkeys::hold(tx, user)?;
    all_of(tx, ctx, user, None, RevokedBy::Admin)
}

fn all_of(tx: &WriteTx<'_>, ctx: &Ctx, user: &UserId, kept: Option<&SessionId>, by: RevokedBy) -> Result<u64, Error> {
    let whose = Whose::User(user, kept);
    tell(tx, ctx, whose)?;
    revoke(tx, whose, by, false, ctx.now)?;
    // A code that an administrator made for somebody who is disabled works again once they are not (api.md §23.1).
    let all_codes = by == RevokedBy::SignOut;
    Ok(end_sessions_of(tx, user, kept, all_codes, ctx.now)?)
}

/// A client that is about to be deleted, or is another than people agreed to: everybody's session at it.
pub fn client(tx: &WriteTx<'_>, ctx: &Ctx, id: &ClientId) -> Result<(), Error> {
    let whose = Whose::Client(id);
    tell(tx, ctx, whose)?;
    revoke(tx, whose, RevokedBy::Admin, false, ctx.now)?;
    Ok(())
}

/// One person at one client: they withdrew their consent, or may not enter any more.
pub fn app(tx: &WriteTx<'_>, ctx: &Ctx, user: &UserId, client: &ClientId, by: RevokedBy) -> Result<(), Error> {
    let whose = Whose::UserAtClient(user, client);
    tell(tx, ctx, whose)?;
    revoke(tx, whose, by, false, ctx.now)?;
    Ok(())
}

/// After groups changed: ends what a person has at clients that they may not enter any more. Gives their number.
pub fn lost_by_user(tx: &WriteTx<'_>, ctx: &Ctx, user: &UserId) -> Result<u64, Error> {
    lost(tx, ctx, Some(user), None)
}

/// After groups changed: ends what people have at a client that they may not enter any more. Gives their number.
pub fn lost_at_client(tx: &WriteTx<'_>, ctx: &Ctx, client: &ClientId) -> Result<u64, Error> {
    lost(tx, ctx, None, Some(client))
}

fn lost(tx: &WriteTx<'_>, ctx: &Ctx, user: Option<&UserId>, client: Option<&ClientId>) -> Result<u64, Error> {
    let lost = lost_access(tx, user, client)?;
    lost.iter().try_for_each(|(user, client)| app(tx, ctx, user, client, RevokedBy::Admin))?;
    Ok(u64::try_from(lost.len()).unwrap_or(u64::MAX))
}
