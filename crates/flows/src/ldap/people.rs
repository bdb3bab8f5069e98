//! What becomes of a person of the directory: decided by reading, done by writing what was decided.

use pid_core::audit::Event;
use pid_core::files::Content;
use pid_core::ldap::{FoundPerson, Reason};
use pid_core::roles::Roles;
use pid_core::users::User;
use pid_core::{Ctx, UserId};
use pid_store::{ReadTx, StoreError, WriteTx, ldap, signup_approvals, users};

use super::imagined::{Act, Imagined, Name};
use super::plan::PersonChange;
use super::{Action, Line};
use crate::audit::Note;
use crate::users::{UserInput, keep_an_admin};
use crate::{Code, Error, profile_pictures, sign_out};

/// What is decided about a person.
#[derive(Clone, Debug)]
pub enum Decision {
    /// Nothing is to be done.
    Nothing,
    /// A new account.
    Create(Box<User>),
    /// Another state of the account, and why it is not wholly that of the directory.
    Update(Box<User>, Box<User>, Option<Reason>),
    /// Another account has the name or address, which may be free later.
    Taken(Reason),
}

/// Why a name or address can't be had; the address is told first (api.md §13.3).
fn taken(tx: &ReadTx<'_>, imagined: &Imagined, me: &str, found: &FoundPerson) -> Result<Option<Reason>, Error> {
    let is_held = |name: Name<'_>, stored: fn(&ReadTx<'_>, &str) -> Result<Option<User>, StoreError>, text: &str| {
        Ok::<_, Error>(match imagined.holder(name) {
            Some(holder) => holder.is_some_and(|holder| holder != me),
            None => stored(tx, text)?.is_some_and(|user| user.ldap_id.as_deref() != Some(me)),
        })
    };
    if let Some(email) = &found.email
        && is_held(Name::Email(email), users::by_email, email)?
    {
        return Ok(Some(Reason::EmailTaken));
    }
    let username = &found.username;
    Ok(is_held(Name::User(username), users::by_username, username)?.then_some(Reason::UsernameTaken))
}

fn with(mut user: User, found: &FoundPerson) -> User {
    user.username.clone_from(&found.username);
    user.email.clone_from(&found.email);
    user.email_verified = found.email.is_some();
    user.first_name.clone_from(&found.first_name);
    user.last_name.clone_from(&found.last_name);
    user.display_name.clone_from(&found.display_name);
    user
}

/// Decides about a person, from what is stored now. `is_last`: nobody gives a name up later, so whoever can't have theirs
/// begins or ceases to administer all the same.
fn decide(
    tx: &ReadTx<'_>,
    ctx: &Ctx,
    change: &PersonChange,
    imagined: &Imagined,
    is_last: bool,
) -> Result<Decision, Error> {
    let Some(current) = ldap::person(tx, &change.ldap_id)? else {
        // Whoever was here when the plan was made is not any more: the next run makes them anew.
        let Some(found) = &change.found else { return Ok(Decision::Nothing) };
        if let Some(reason) = taken(tx, imagined, &change.ldap_id, found)? {
            return Ok(Decision::Taken(reason));
        }
        let blank = User {
            id: UserId::generate(&ctx.stream(&format!("ldap user {}", change.ldap_id))),
            username: String::new(),
            email: None,
            email_verified: false,
            first_name: String::new(),
            last_name: String::new(),
            display_name: String::new(),
            is_admin: change.is_admin.unwrap_or(false),
            roles: Roles::default(),
            disabled: false,
            locale: None,
            ldap_id: Some(change.ldap_id.clone()),
            created_at: ctx.now,
            updated_at: ctx.now,
            version: 1,
        };
        return Ok(Decision::Create(Box::new(with(blank, found))));
    };
    let (mut next, mut kept) = (current.clone(), None);
    if let Some(found) = &change.found {
        let is_appointed = change.is_admin.is_some_and(|is_admin| is_admin != current.is_admin);
        match taken(tx, imagined, &change.ldap_id, found)? {
            None => next = with(next, found),
            Some(reason) if is_last && is_appointed && !current.disabled => kept = Some(reason),
            Some(reason) => return Ok(Decision::Taken(reason)),
        }
    }
    next.disabled = false;
    next.is_admin = change.is_admin.unwrap_or(current.is_admin);
    if is_last_admin(tx, imagined, &current, next.is_admin)? {
        next.is_admin = true;
        kept = Some(Reason::LastAdmin);
    }
    if next == current && kept.is_none() {
        return Ok(Decision::Nothing);
    }
    Ok(Decision::Update(Box::new(current), Box::new(next), kept))
}

/// Whether a change would leave nobody who administers and can sign in.
fn is_last_admin(tx: &ReadTx<'_>, imagined: &Imagined, current: &User, stays: bool) -> Result<bool, Error> {
    if let Some(is_last) = imagined.is_last_admin(&current.id) {
        return Ok(current.is_admin && !current.disabled && !stays && is_last);
    }
    match keep_an_admin(tx, current, stays) {
        Err(error) if error.code == Code::LastAdmin => Ok(true),
        other => other.map(|()| false),
    }
}

/// The names of what differs.
fn differences(before: &User, after: &User) -> String {
    let pairs = [
        ("username", before.username != after.username),
        ("email", before.email != after.email),
        ("emailVerified", before.email_verified != after.email_verified),
        ("firstName", before.first_name != after.first_name),
        ("lastName", before.last_name != after.last_name),
        ("displayName", before.display_name != after.display_name),
        ("isAdmin", before.is_admin != after.is_admin),
    ];
    pairs.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect::<Vec<_>>().join(" ")
}

/// What a decision is in a report.
pub fn lines(change: &PersonChange, decision: &Decision) -> Vec<Line> {
    let line = |action, user: &User, detail: String| Line {
        is_group: false,
        action,
        name: user.username.clone(),
        subject_id: Some(user.id.to_string()),
        detail,
    };
    match decision {
        Decision::Nothing => Vec::new(),
        Decision::Taken(reason) => {
            let name = if change.dn.is_empty() { &change.ldap_id } else { &change.dn };
            vec![Line::skipped(false, name, *reason)]
        }
        Decision::Create(user) => {
            let detail = if user.is_admin { "isAdmin" } else { "" };
            vec![line(Action::Created, user, detail.to_owned())]
        }
        Decision::Update(before, after, kept) => {
            let detail = differences(before, after);
            let mut lines = Vec::new();
            if before.disabled {
                lines.push(line(Action::Enabled, after, detail));
            } else if !detail.is_empty() {
                lines.push(line(Action::Changed, after, detail));
            }
            lines.extend(kept.map(|reason| line(Action::Skipped, after, reason.as_str().to_owned())));
            lines
        }
    }
}

/// Decides about a person and does it. `is_last`: nobody gives a name up any more in this run.
pub fn apply(act: &mut Act<'_, '_>, ctx: &Ctx, change: &PersonChange, is_last: bool) -> Result<Decision, Error> {
    apply_over(act, ctx, change, None, is_last)
}

/// The same for somebody who was this until now, whatever is stored at the moment.
fn apply_over(
    act: &mut Act<'_, '_>,
    ctx: &Ctx,
    change: &PersonChange,
    was: Option<&User>,
    is_last: bool,
) -> Result<Decision, Error> {
    let mut decision = act.decide(|tx, imagined| decide(tx, ctx, change, imagined, is_last))?;
    if let (Decision::Update(before, _, _), Some(was)) = (&mut decision, was) {
        **before = was.clone();
    }
    let (before, after) = match &decision {
        Decision::Nothing | Decision::Taken(_) => return Ok(decision),
        Decision::Create(user) => (None, user),
        Decision::Update(before, after, _) if before == after => return Ok(decision),
        Decision::Update(before, after, _) => (Some(&**before), after),
    };
    match act {
        Act::Imagine(tx, imagined) => imagined.note(tx, &change.ldap_id, before, Some(after))?,
        Act::Do(tx) => write(tx, ctx, change, before, after)?,
    }
    Ok(decision)
}

fn write(tx: &WriteTx<'_>, ctx: &Ctx, change: &PersonChange, before: Option<&User>, after: &User) -> Result<(), Error> {
    let (event, input) = match before {
        None => {
            users::insert(tx, after)?;
            ldap::put_dn(tx, false, &change.ldap_id, &change.dn)?;
            (Event::UserCreated, UserInput { roles: Some(Roles::default()), ..UserInput::default() })
        }
        Some(before) => {
            users::update(tx, after, ctx.now)?;
            if before.disabled {
                signup_approvals::end(tx, &after.id)?;
            }
            (Event::UserUpdated, UserInput::from(before))
        }
    };
    record(tx, ctx, event, &after.id, Note::default().changes(&input, &UserInput::from(after)))
}

fn record(tx: &WriteTx<'_>, ctx: &Ctx, event: Event, user: &UserId, note: Note) -> Result<(), Error> {
    note.with("source", "LDAP").record(tx, ctx, &ctx.stream(&format!("ldap audit {user}")), event, Some(user), None)
}

/// Those of some people, who wait for each other's names, whose names would be free if all of them gave theirs up: by
/// their places. Nothing is written to find that out.
pub fn knot(
    tx: &ReadTx<'_>,
    ctx: &Ctx,
    changes: &[PersonChange],
    imagined: &mut Imagined,
) -> Result<Vec<usize>, Error> {
    let mut inside: Vec<(usize, User)> = Vec::new();
    for (at, change) in changes.iter().enumerate().filter(|(_, change)| change.found.is_some()) {
        inside.extend(ldap::person(tx, &change.ldap_id)?.map(|user| (at, user)));
    }
    loop {
        imagined.begin_trial();
        let left = untied(tx, ctx, changes, &inside, imagined);
        imagined.end_trial();
        let left = left?;
        if left.len() == inside.len() || left.len() < 2 {
            return Ok(if left.len() < 2 { Vec::new() } else { left });
        }
        inside.retain(|(at, _)| left.contains(at));
    }
}

fn untied(
    tx: &ReadTx<'_>,
    ctx: &Ctx,
    changes: &[PersonChange],
    inside: &[(usize, User)],
    imagined: &mut Imagined,
) -> Result<Vec<usize>, Error> {
    inside.iter().for_each(|(_, user)| imagined.free(user));
    let mut left = Vec::new();
    for (at, _) in inside {
        let change = &changes[*at];
        if let Decision::Update(_, after, _) = decide(tx, ctx, change, imagined, false)? {
            imagined.give(&change.ldap_id, &after);
            left.push(*at);
        }
    }
    Ok(left)
}

/// Frees the names of people that wait for each other's: each is called by something that nobody else is, until they are
/// called what they shall be, in the same transaction.
pub fn apply_knot(act: &mut Act<'_, '_>, ctx: &Ctx, changes: &[PersonChange]) -> Result<Vec<Decision>, Error> {
    let mut before = Vec::new();
    for change in changes.iter().filter(|change| change.found.is_some()) {
        let Some(user) = ldap::person(act.read(), &change.ldap_id)? else { continue };
        match act {
            Act::Imagine(_, imagined) => imagined.free(&user),
            Act::Do(tx) => {
                let nameless = User { username: format!("~{}", user.id), email: None, ..user.clone() };
                users::update(tx, &nameless, ctx.now)?;
            }
        }
        before.push(user);
    }
    let mut decisions = Vec::new();
    for change in changes {
        let was = before.iter().find(|user| user.ldap_id.as_ref() == Some(&change.ldap_id));
        let decision = apply_over(act, ctx, change, was, false)?;
        if let (Decision::Taken(_), Some(user)) = (&decision, was) {
            // Whoever can't be called otherwise is called as before, unless another has the name by now.
            match act {
                Act::Imagine(_, imagined) => imagined.give(&change.ldap_id, user),
                Act::Do(tx) => _ = users::update(tx, user, ctx.now)?,
            }
        }
        decisions.push(decision);
    }
    Ok(decisions)
}

/// What becomes of somebody who is gone.
fn decide_gone(
    tx: &ReadTx<'_>,
    imagined: &Imagined,
    ldap_id: &str,
    soft_delete: bool,
) -> Result<Option<(User, Line)>, Error> {
    let Some(user) = ldap::person(tx, ldap_id)? else { return Ok(None) };
    if soft_delete && user.disabled {
        return Ok(None);
    }
    let kept = is_last_admin(tx, imagined, &user, false)?;
    let (action, detail) = match (kept, soft_delete) {
        (true, _) => (Action::Skipped, Reason::LastAdmin.as_str()),
        (false, true) => (Action::Disabled, ""),
        (false, false) => (Action::Deleted, ""),
    };
    let subject_id = (action != Action::Deleted).then(|| user.id.to_string());
    let (name, detail) = (user.username.clone(), detail.to_owned());
    Ok(Some((user, Line { is_group: false, action, name, subject_id, detail })))
}

/// Disables or deletes somebody who is gone; their sessions, grants and tokens end at once. Nobody is, if no administrator
/// would be left (security case 74).
pub fn remove(act: &mut Act<'_, '_>, ctx: &Ctx, ldap_id: &str, soft_delete: bool) -> Result<Option<Line>, Error> {
    let decided = act.decide(|tx, imagined| decide_gone(tx, imagined, ldap_id, soft_delete))?;
    let Some((user, line)) = decided else { return Ok(None) };
    let next = User { disabled: true, ..user.clone() };
    let tx = match act {
        Act::Do(tx) => tx,
        Act::Imagine(tx, imagined) => {
            match line.action {
                Action::Disabled => imagined.note(tx, ldap_id, Some(&user), Some(&next))?,
                Action::Deleted => imagined.note(tx, ldap_id, Some(&user), None)?,
                _ => {}
            }
            return Ok(Some(line));
        }
    };
    match line.action {
        Action::Disabled => {
            users::update(tx, &next, ctx.now)?;
            let ended = sign_out::user(tx, ctx, &user.id)?;
            let note = Note::default().changes(&UserInput::from(&user), &UserInput::from(&next));
            record(tx, ctx, Event::UserUpdated, &user.id, note.count("endedSessions", ended))?;
        }
        Action::Deleted => {
            let ended = sign_out::user(tx, ctx, &user.id)?;
            let note = Note::about(&[("username", user.username.as_str()), ("userID", user.id.as_str())]);
            record(tx, ctx, Event::UserDeleted, &user.id, note.count("endedSessions", ended))?;
            users::delete(tx, &user.id)?;
            profile_pictures::forget(tx, ctx, &user.id)?;
        }
        _ => {}
    }
    Ok(Some(line))
}

/// Somebody who is here, or would be.
fn pictured(act: &Act<'_, '_>, ldap_id: &str) -> Result<Option<User>, Error> {
    act.decide(|tx, imagined| match imagined.person(ldap_id) {
        Some(user) => Ok(Some(user.clone())),
        None => Ok(ldap::person(tx, ldap_id)?),
    })
}

/// Stores a picture that the directory has, or takes it away. `source` is what it was made of; `None`: there is none any
/// more. Tells whether anything changed.
pub fn set_picture(
    act: &mut Act<'_, '_>,
    ctx: &Ctx,
    ldap_id: &str,
    picture: Option<&Content>,
    source: Option<&str>,
) -> Result<Option<Line>, Error> {
    let Some(user) = pictured(act, ldap_id)? else { return Ok(None) };
    let words = match act {
        Act::Imagine(tx, _) => {
            profile_pictures::change_in_words(profile_pictures::has_one(tx, &user.id)?, picture.is_some())
        }
        Act::Do(tx) => {
            let had = profile_pictures::put_from_directory(tx, ctx, &user.id, picture)?;
            match source {
                Some(source) => ldap::put_picture(tx, &user.id, source, ctx.now)?,
                None => ldap::forget_picture(tx, &user.id)?,
            }
            let words = profile_pictures::change_in_words(had, picture.is_some());
            if let Some(words) = words {
                record(tx, ctx, Event::UserUpdated, &user.id, Note::about(&[("profilePicture", words)]))?;
            }
            words
        }
    };
    let (subject_id, name) = (Some(user.id.into_string()), user.username);
    let line = Line { is_group: false, action: Action::Changed, name, subject_id, detail: "picture".to_owned() };
    Ok(words.map(|_| line))
}

/// Notes that a picture can't be used, so that it isn't tried again before it changes.
pub fn refuse_picture(
    act: &mut Act<'_, '_>,
    ctx: &Ctx,
    ldap_id: &str,
    source: &str,
    reason: Reason,
) -> Result<Option<Line>, Error> {
    let Some(user) = pictured(act, ldap_id)? else { return Ok(None) };
    if let Act::Do(tx) = act {
        ldap::put_picture(tx, &user.id, source, ctx.now)?;
    }
    let subject_id = Some(user.id.into_string());
    Ok(Some(Line { subject_id, ..Line::skipped(false, &user.username, reason) }))
}
