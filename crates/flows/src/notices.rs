//! What people are told about their own account: by mail as they choose, and on their account's page since they last
//! looked.

use std::collections::BTreeMap;

use pid_core::audit::{Entry, Event};
use pid_core::notices::Notice;
use pid_core::sessions::BeganBy;
use pid_core::settings::Settings;
use pid_core::users::User;
use pid_core::{Ctx, FieldCode, Fields};
use pid_store::{ReadTx, WriteTx, notices, passkeys, sessions};

use crate::access::{Credentials, SessionUser, SignedIn};
use crate::audit::Note;
use crate::mail::{self, By, Mail, Message};
use crate::{Code, Error};

/// How far back the audit log is looked through for what happened.
const LOOKED_THROUGH: i64 = 50;
/// So much of it is told.
const TOLD: usize = 5;

/// A notice as its receiver sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Which.
    pub notice: Notice,
    /// Whether the person wants it.
    pub wanted: bool,
    /// Whether this instance sends it at all.
    pub is_sent: bool,
}

/// Whether a person is to be told: the instance sends such notices, and they want them.
pub(crate) fn wants(tx: &ReadTx<'_>, settings: &Settings, user: &User, notice: Notice) -> Result<bool, Error> {
    if !settings.tells(notice) || user.email.is_none() {
        return Ok(false);
    }
    let may_refuse = notice.may_be_refused();
    Ok(!may_refuse || !notices::refused(tx, &user.id)?.iter().any(|name| name == notice.name()))
}

/// The caller's choices.
pub fn choices(tx: &ReadTx<'_>, settings: &Settings, who: &SignedIn) -> Result<Vec<Choice>, Error> {
    let (user, refused) = (who.user(), notices::refused(tx, &who.user().id)?);
    let mine = Notice::ALL.into_iter().filter(|notice| user.is_admin || !notice.is_for_admins());
    Ok(mine
        .map(|notice| Choice {
            notice,
            wanted: !notice.may_be_refused() || !refused.iter().any(|name| name == notice.name()),
            is_sent: settings.tells(notice),
        })
        .collect())
}

/// Changes some of the caller's choices: the name of a notice, and whether it is wanted. Who does without one that tells
/// of somebody getting in proves that they might add a passkey, and is told by a last letter.
pub fn choose(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    settings: &Settings,
    creds: &Credentials,
    changes: &BTreeMap<String, bool>,
) -> Result<(), Error> {
    let who = creds.session_user(tx, ctx.now)?;
    let user = who.user();
    let mut is_guarded = false;
    let mut fields = Fields::new();
    let mut refused = notices::refused(tx, &user.id)?;
    let mut note = Note::default();
    for (name, wanted) in changes {
        match Notice::named(name) {
            None => fields.refuse(name, FieldCode::Oneof, "is no notice"),
            Some(notice) if !notice.may_be_refused() && !wanted => {
                let why = "can't be switched off: it tells who may sign in as you";
                fields.refuse(name, FieldCode::InvalidValue, why);
            }
            Some(notice) if notice.may_be_refused() => {
                let word = |on: bool| if on { "on" } else { "off" };
                let before = !refused.contains(name);
                is_guarded |= notice.is_guarded() && before && !wanted;
                note = note.change(&format!("notice {name}"), word(before), word(*wanted));
                refused.retain(|other| other != name);
                if !wanted {
                    refused.push(name.clone());
                }
            }
            Some(_) => {}
        }
    }
    fields.finish()?;
    if is_guarded {
        creds.may_enrol(tx, ctx.now)?;
        mail::send(tx, ctx, settings, Mail::to(user, Message::NoticesOff { by: By::of(ctx) }))?;
    }
    notices::refuse(tx, &user.id, &refused)?;
    if note.is_empty() {
        return Ok(());
    }
    note.record(tx, ctx, &ctx.stream("notices"), Event::UserUpdated, Some(&user.id), None)
}

/// What has happened to the caller's account since they last looked: passkeys, login codes, addresses, notices that were
/// switched off. What they did themselves, with this browser at this address, they know.
pub fn happened(tx: &ReadTx<'_>, ctx: &Ctx, who: &SessionUser) -> Result<Vec<Entry>, Error> {
    let (user, session) = (who.user(), who.session());
    let entries = notices::happened(tx, &user.id, notices::seen_at(tx, &user.id)?, ctx.now, LOOKED_THROUGH)?;
    let is_own = |entry: &Entry| {
        entry.actor_username.is_empty() && entry.ip_address == ctx.ip_address && entry.user_agent == ctx.user_agent
    };
    // Nor is the code that this session came by any news.
    let by_code = matches!(session.began_by, BeganBy::AdminCode | BeganBy::CliCode | BeganBy::MailCode);
    let is_code =
        |entry: &Entry| entry.event == Event::LoginCodeCreated.as_str() && entry.created_at <= session.created_at;
    let used = entries.iter().find(|entry| by_code && is_code(entry)).map(|entry| entry.id.clone());
    let is_news = |entry: &Entry| !is_own(entry) && used.as_ref() != Some(&entry.id);
    Ok(entries.into_iter().filter(is_news).take(TOLD).collect())
}

/// The caller has seen what happened. Whoever came in by what was added since does not decide that: where a passkey is left
/// that is older than something that happened, it takes a session that began by such a one.
pub fn seen(tx: &WriteTx<'_>, ctx: &Ctx, who: &SessionUser) -> Result<(), Error> {
    let user = who.user();
    let before = notices::seen_at(tx, &user.id)?;
    // The oldest first.
    let passkeys = passkeys::by_user(tx, &user.id)?;
    if let Some(oldest) = passkeys.first() {
        let used = sessions::passkey(tx, &who.session().id)?;
        let mine = passkeys.iter().find(|passkey| used.as_ref() == Some(&passkey.id));
        let until = mine.map_or(ctx.now, |passkey| passkey.created_at);
        if !notices::happened(tx, &user.id, before.max(oldest.created_at), until, 1)?.is_empty() {
            return Err(Error::new(Code::OlderPasskeyRequired));
        }
    }
    notices::seen(tx, &user.id, ctx.now)?;
    let note = Note::default().change("dismissed", &before.to_string(), &ctx.now.to_string());
    note.record(tx, ctx, &ctx.stream("seen"), Event::UserUpdated, Some(&user.id), None)
}
