//! What becomes of a group of the directory, and of who is in it.

use std::collections::HashMap;

use pid_core::audit::Event;
use pid_core::groups::Group;
use pid_core::ldap::Reason;
use pid_core::roles::Roles;
use pid_core::{Ctx, GroupId, UserId};
use pid_store::{ReadTx, WriteTx, groups, ldap};

use super::imagined::{Act, Imagined, Name};
use super::plan::GroupChange;
use super::{Action, Line};
use crate::audit::Note;
use crate::{Error, sign_out};

/// Who comes into a group and who goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Seats of who comes.
    pub come: Vec<u32>,
    /// Who goes.
    pub go: Vec<UserId>,
    /// How many were in it.
    pub before: usize,
}

/// Compares who is in a group with who shall be. `seats` are those of the accounts.
pub fn compare(tx: &ReadTx<'_>, change: &GroupChange, seats: &HashMap<String, u32>) -> Result<Difference, Error> {
    let Some(id) = &change.known else {
        return Ok(Difference { come: change.members.clone(), ..Difference::default() });
    };
    let (mut there, mut go) = (Vec::new(), Vec::new());
    let current = ldap::members(tx, id)?;
    let before = current.len();
    for user in current {
        match seats.get(user.as_str()).filter(|seat| change.members.binary_search(seat).is_ok()) {
            Some(seat) => there.push(*seat),
            None if change.is_partial => {}
            None => go.push(user),
        }
    }
    there.sort_unstable();
    let come = change.members.iter().filter(|seat| there.binary_search(seat).is_err()).copied().collect();
    Ok(Difference { come, go, before })
}

/// The group as it was and as it is to be, or why it can't.
pub type Decision = Result<(Option<Group>, Group), Reason>;

/// What is decided about a group's names.
fn decide(tx: &ReadTx<'_>, ctx: &Ctx, change: &GroupChange, imagined: &Imagined) -> Result<Decision, Error> {
    let current = ldap::group(tx, &change.ldap_id)?;
    let is_held = match imagined.holder(Name::Group(&change.found.name)) {
        Some(holder) => holder.is_some_and(|holder| holder != change.ldap_id),
        None => {
            let holder = ldap::group_by_name(tx, &change.found.name)?;
            holder.is_some_and(|holder| Some(&holder.id) != current.as_ref().map(|group| &group.id))
        }
    };
    if is_held {
        return Ok(Err(Reason::GroupNameTaken));
    }
    let mut next = current.clone().unwrap_or_else(|| Group {
        id: GroupId::generate(&ctx.stream(&format!("ldap group {}", change.ldap_id))),
        name: String::new(),
        friendly_name: String::new(),
        ldap_id: Some(change.ldap_id.clone()),
        roles: Roles::default(),
        created_at: ctx.now,
        updated_at: ctx.now,
        version: 1,
    });
    next.name.clone_from(&change.found.name);
    next.friendly_name = change.found.friendly_name();
    Ok(Ok((current, next)))
}

/// What a group's change is in a report.
pub fn line(change: &GroupChange, before: Option<&Group>, group: &Group, difference: &Difference) -> Option<Line> {
    let mut details = Vec::new();
    if before.is_some_and(|before| before.name != group.name) {
        details.push("name".to_owned());
    }
    if !difference.come.is_empty() {
        details.push(format!("+{}", difference.come.len()));
    }
    if !difference.go.is_empty() {
        details.push(format!("−{}", difference.go.len()));
    }
    let action = if before.is_none() { Action::Created } else { Action::Changed };
    if before.is_some() && details.is_empty() && !change.differs {
        return None;
    }
    let (name, subject_id) = (group.name.clone(), Some(group.id.to_string()));
    Some(Line { is_group: true, action, name, subject_id, detail: details.join(" ") })
}

fn record(tx: &WriteTx<'_>, ctx: &Ctx, event: Event, group: &Group, part: &str, note: Note) -> Result<(), Error> {
    let note = note.with("group", &group.name).with("groupID", group.id.as_str()).with("source", "LDAP");
    note.record(tx, ctx, &ctx.stream(&format!("ldap audit {part} {}", group.id)), event, None, None)
}

/// Makes or renames a group.
pub fn apply(act: &mut Act<'_, '_>, ctx: &Ctx, change: &GroupChange) -> Result<Decision, Error> {
    let decided = act.decide(|tx, imagined| decide(tx, ctx, change, imagined))?;
    let Ok((before, group)) = &decided else { return Ok(decided) };
    let tx = match act {
        Act::Do(tx) => tx,
        Act::Imagine(_, imagined) => {
            imagined.note_group(&change.ldap_id, before.as_ref(), Some(group));
            return Ok(decided);
        }
    };
    let names = |group: &Group| (group.name.clone(), group.friendly_name.clone());
    match before {
        None => {
            groups::insert(tx, group)?;
            ldap::put_dn(tx, true, &change.ldap_id, &change.dn)?;
            let note = Note::default().change("name", "", &group.name);
            record(tx, ctx, Event::GroupCreated, group, "names", note)?;
        }
        Some(before) if names(before) != names(group) => {
            groups::update(tx, group, ctx.now)?;
            let note = Note::default().change("name", &before.name, &group.name);
            record(tx, ctx, Event::GroupUpdated, group, "names", note)?;
        }
        Some(_) => {}
    }
    Ok(decided)
}

/// Lets people into a group and out of it. Whoever may not enter a client any more loses what they have there.
pub fn set_members(tx: &WriteTx<'_>, ctx: &Ctx, group: &Group, come: &[UserId], go: &[UserId]) -> Result<(), Error> {
    for user in come {
        groups::set_member(tx, user, &group.id, true, ctx.now)?;
    }
    let mut ended = 0;
    for user in go {
        groups::set_member(tx, user, &group.id, false, ctx.now)?;
        ended += sign_out::lost_by_user(tx, ctx, user)?;
    }
    let count = |people: &[UserId]| u64::try_from(people.len()).unwrap_or(u64::MAX);
    let note = Note::default().count("membersAdded", count(come)).count("membersRemoved", count(go));
    let part = come.first().or(go.first()).map_or("", UserId::as_str);
    record(tx, ctx, Event::GroupUpdated, group, part, note.count("endedAccess", ended))
}

/// A group that is gone, if it is still here, and some of its members, who leave it before it is deleted: a large one would
/// hold up everybody.
pub fn leaving(tx: &ReadTx<'_>, ldap_id: &str, limit: i64) -> Result<Option<(Group, Vec<UserId>)>, Error> {
    let Some(group) = ldap::group(tx, ldap_id)? else { return Ok(None) };
    let members = ldap::some_members(tx, &group.id, limit)?;
    Ok(Some((group, members)))
}

/// How many memberships end with groups that are gone.
pub fn members_of_gone(tx: &ReadTx<'_>, ldap_ids: &[String]) -> Result<usize, Error> {
    ldap_ids.iter().map(|id| ldap::member_count(tx, id).map_err(Error::from)).sum()
}

/// Deletes a group that is gone. What people had by it alone ends.
pub fn remove(act: &mut Act<'_, '_>, ctx: &Ctx, ldap_id: &str) -> Result<Option<Line>, Error> {
    let Some(group) = ldap::group(act.read(), ldap_id)? else { return Ok(None) };
    match act {
        Act::Imagine(_, imagined) => imagined.note_group(ldap_id, Some(&group), None),
        Act::Do(tx) => {
            let clients = groups::client_ids(tx, &group.id)?;
            groups::delete(tx, &group.id)?;
            let lost = clients.iter().map(|client| sign_out::lost_at_client(tx, ctx, client));
            let ended = lost.sum::<Result<u64, Error>>()?;
            record(tx, ctx, Event::GroupDeleted, &group, "gone", Note::default().count("endedAccess", ended))?;
        }
    }
    let name = group.name;
    Ok(Some(Line { is_group: true, action: Action::Deleted, name, subject_id: None, detail: String::new() }))
}
