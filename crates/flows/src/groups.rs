//! User groups (api.md §14).

use pid_core::audit::Event;
use pid_core::claims::CustomClaim;
use pid_core::clients::Client;
use pid_core::groups::Group;
use pid_core::list::{ListRequest, Page};
use pid_core::roles::{Powers, Roles};
use pid_core::settings::Settings;
use pid_core::users::User;
use pid_core::validate::nfc;
use pid_core::{ClientId, Ctx, Fields, GroupId};
use pid_store::{ReadTx, StoreError, WriteTx, claims, clients, groups, signup_tokens};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::Admin;
use crate::audit::Note;
use crate::change::{Change, check_version};
use crate::declared::{self, Kind, Part};
use crate::roles::{ManagedGroup, ManagesPeople, ReadsPeople};
use crate::{Code, Error, sign_out};

/// The fields of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["friendlyName", "name"]))]
pub struct GroupInput {
    /// The name for people, 2–50 characters.
    pub friendly_name: String,
    /// The value in the `groups` claim, 2–255 characters, unique.
    pub name: String,
    /// What its members may do; only an administrator says so. Absent: as it is. Ours.
    pub roles: Option<Roles>,
}

/// A group with everything around it.
#[derive(Clone, Debug)]
pub struct GroupDetails {
    /// The group.
    pub group: Group,
    /// Its claims.
    pub claims: Vec<CustomClaim>,
    /// Its members.
    pub members: Vec<User>,
    /// The clients that list it.
    pub clients: Vec<Client>,
}

fn find(tx: &ReadTx<'_>, id: &GroupId) -> Result<Group, Error> {
    groups::by_id(tx, id)?.ok_or_else(|| Error::not_found("User group"))
}

fn details(tx: &ReadTx<'_>, group: Group) -> Result<GroupDetails, Error> {
    let mut listed = Vec::new();
    for id in groups::client_ids(tx, &group.id)? {
        listed.extend(clients::by_id(tx, &id)?);
    }
    Ok(GroupDetails {
        claims: claims::of_group(tx, &group.id)?,
        members: groups::members(tx, &group.id)?,
        clients: listed,
        group,
    })
}

fn check(input: &GroupInput) -> Result<(), Error> {
    let mut fields = Fields::new();
    fields.length("friendlyName", &input.friendly_name, 2, 50);
    fields.length("name", &input.name, 2, 255);
    Ok(fields.finish()?)
}

fn unique(error: StoreError) -> Error {
    match error {
        StoreError::UniqueViolation { .. } => Error::already_in_use("name"),
        other => other.into(),
    }
}

fn record(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    by: &User,
    event: Event,
    group: &Group,
    changed: impl FnOnce(Note) -> Note,
) -> Result<(), Error> {
    let note = Note::about(&[("group", &group.name), ("groupID", group.id.as_str())]);
    changed(note).record(tx, ctx, &ctx.entropy(), event, None, Some(&by.id))
}

pub(crate) fn input(group: &Group) -> GroupInput {
    let roles = Some(group.roles);
    GroupInput { friendly_name: group.friendly_name.clone(), name: group.name.clone(), roles }
}

/// A page of groups with claims and numbers of members.
pub fn list(
    tx: &ReadTx<'_>,
    _: &ReadsPeople,
    request: &ListRequest,
) -> Result<Page<(Group, Vec<CustomClaim>, i64)>, Error> {
    let page = groups::list(tx, request)?;
    let (total, number, limit) = (page.total, page.page, page.limit);
    let items: Result<Vec<_>, Error> =
        page.items.into_iter().map(|(g, n)| Ok((g.clone(), claims::of_group(tx, &g.id)?, n))).collect();
    Ok(Page { items: items?, total, page: number, limit })
}

/// A group by id.
pub fn get(tx: &ReadTx<'_>, _: &ReadsPeople, id: &GroupId) -> Result<GroupDetails, Error> {
    details(tx, find(tx, id)?)
}

/// Creates a group.
pub fn create(tx: &WriteTx<'_>, ctx: &Ctx, who: &ManagesPeople, wanted: &GroupInput) -> Result<GroupDetails, Error> {
    check(wanted)?;
    let powers = |roles| Powers { is_admin: false, roles };
    let granted = who.grant(powers(Roles::NONE), powers(wanted.roles.unwrap_or_default()))?;
    who.may_name(tx, &wanted.name)?;
    let group = Group {
        id: GroupId::generate(&ctx.entropy()),
        name: nfc(&wanted.name),
        friendly_name: nfc(&wanted.friendly_name),
        ldap_id: None,
        roles: granted.roles(),
        created_at: ctx.now,
        updated_at: ctx.now,
        version: 1,
    };
    groups::insert(tx, &group).map_err(unique)?;
    let changed =
        |note: Note| note.changes(&GroupInput { roles: Some(Roles::NONE), ..GroupInput::default() }, &input(&group));
    record(tx, ctx, who.user(), Event::GroupCreated, &group, changed)?;
    details(tx, group)
}

/// Changes a group's names and roles. While LDAP is on, the names of a directory's group are the directory's. What was
/// prepared for when it gave less, login codes of its members and invitations into it, ends when it gives more.
pub fn update(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    settings: &Settings,
    target: &ManagedGroup<'_>,
    change: &Change<GroupInput>,
    if_match: Option<i64>,
) -> Result<GroupDetails, Error> {
    let mut group = target.group().clone();
    check_version(if_match, group.version)?;
    declared::check(tx, Kind::Group, group.id.as_str(), Part::Fields)?;
    let before = input(&group);
    let wanted = change.apply(&before)?;
    let roles = wanted.roles.map_or(group.roles, |asked| asked.asked_of(group.roles));
    let same_names = wanted.name == group.name && wanted.friendly_name == group.friendly_name;
    if !same_names || roles == group.roles {
        locked(&group, settings)?;
    }
    check(&wanted)?;
    group.name = nfc(&wanted.name);
    group.friendly_name = nfc(&wanted.friendly_name);
    if group.name != target.group().name {
        target.rename(tx, &group.name)?;
    }
    group.roles = target.grant(roles)?;
    groups::update(tx, &group, ctx.now).map_err(unique)?;
    groups::set_roles(tx, &group.id, target.group().roles, group.roles)?;
    if !target.group().roles.cover(group.roles) {
        crate::signup_tokens::withdraw(tx, ctx, target.by(), &signup_tokens::leading_to(tx, &group.id)?)?;
    }
    record(tx, ctx, target.by(), Event::GroupUpdated, &group, |note| note.changes(&before, &input(&group)))?;
    details(tx, find(tx, &group.id)?)
}

fn locked(group: &Group, settings: &Settings) -> Result<(), Error> {
    if settings.ldap_enabled() && group.ldap_id.is_some() {
        return Err(Error::new(Code::LdapUserGroupUpdate));
    }
    Ok(())
}

/// Deletes a group. A client restricted to it alone stays restricted, with an empty list; an invitation into it alone ends,
/// or it would lead elsewhere from then on.
pub fn delete(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    settings: &Settings,
    target: &ManagedGroup<'_>,
    if_match: Option<i64>,
) -> Result<(), Error> {
    let (group, id) = (target.group(), &target.group().id);
    check_version(if_match, group.version)?;
    declared::check(tx, Kind::Group, id.as_str(), Part::Fields)?;
    locked(group, settings)?;
    target.check_members(tx)?;
    let clients = groups::client_ids(tx, id)?;
    crate::signup_tokens::withdraw(tx, ctx, target.by(), &signup_tokens::leading_only_to(tx, id)?)?;
    groups::delete(tx, id)?;
    let ended = clients.iter().map(|client| sign_out::lost_at_client(tx, ctx, client)).sum::<Result<u64, Error>>()?;
    record(tx, ctx, target.by(), Event::GroupDeleted, group, |note| note.count("endedAccess", ended))
}

/// Replaces the members; unknown ids are passed over.
pub fn set_members(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    target: &ManagedGroup<'_>,
    user_ids: &[String],
    if_match: Option<i64>,
) -> Result<GroupDetails, Error> {
    let (group, id) = (target.group(), &target.group().id);
    check_version(if_match, group.version)?;
    let before = target.set_members(tx, user_ids, ctx.now)?;
    let clients = groups::client_ids(tx, id)?;
    let ended = clients.iter().map(|client| sign_out::lost_at_client(tx, ctx, client)).sum::<Result<u64, Error>>()?;
    let details = details(tx, find(tx, id)?)?;
    let names = |people: &[User]| people.iter().map(|user| user.username.clone()).collect::<Vec<_>>();
    let changed =
        |note: Note| note.set("members", &names(&before), &names(&details.members)).count("endedAccess", ended);
    record(tx, ctx, target.by(), Event::GroupUpdated, group, changed)?;
    Ok(details)
}

/// Replaces the clients that list this group; unknown ids are passed over.
pub fn set_clients(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    admin: &Admin,
    id: &GroupId,
    client_ids: &[String],
    if_match: Option<i64>,
) -> Result<GroupDetails, Error> {
    let group = find(tx, id)?;
    check_version(if_match, group.version)?;
    let before = details(tx, group.clone())?.clients;
    let was = |id: &str| before.iter().any(|client| client.id.as_str() == id);
    let gone =
        before.iter().map(|client| client.id.as_str()).filter(|id| !client_ids.iter().any(|wanted| wanted == id));
    for client in gone.chain(client_ids.iter().map(String::as_str).filter(|id| !was(id))) {
        declared::check(tx, Kind::Client, client, Part::Groups)?;
    }
    let mut ended = 0;
    for client in before.iter().map(|c| &c.id).filter(|c| !client_ids.iter().any(|w| w == c.as_str())) {
        groups::set_allowed(tx, client, id, false, ctx.now)?;
        ended += sign_out::lost_at_client(tx, ctx, client)?;
    }
    for client in client_ids {
        groups::set_allowed(tx, &ClientId::new(client.as_str()), id, true, ctx.now)?;
    }
    let details = details(tx, find(tx, id)?)?;
    let names = |list: &[Client]| list.iter().map(|client| client.name.clone()).collect::<Vec<_>>();
    let changed =
        |note: Note| note.set("allowedClients", &names(&before), &names(&details.clients)).count("endedAccess", ended);
    record(tx, ctx, admin.user(), Event::GroupUpdated, &group, changed)?;
    Ok(details)
}
