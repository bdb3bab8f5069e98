//! Groups of people.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use pid_core::GroupId;
use pid_core::list::ListRequest;
use pid_flows::{claims, clients, groups, users};

use super::{ALL, Choice, ClaimsView, ListView};
use crate::pages::{Layout, PageError, PageRequest, page};
use crate::state::App;

/// People offered for membership at once; a search finds the others.
const OFFERED: i64 = 50;

/// A group in the list.
#[derive(Clone, Debug)]
pub struct GroupRow {
    /// Its id.
    pub id: String,
    /// The name for people.
    pub friendly_name: String,
    /// The value of the `groups` claim.
    pub name: String,
    /// How many people are in it.
    pub members: i64,
}

/// `/settings/admin/user-groups`.
#[derive(Debug, Template)]
#[template(path = "admin/user_groups.html")]
pub struct GroupsPage {
    /// What every page needs.
    pub layout: Layout,
    /// Search, order and pages.
    pub list: ListView,
    /// The rows.
    pub groups: Vec<GroupRow>,
}

/// `/settings/admin/user-groups/{id}`.
#[derive(Debug, Template)]
#[template(path = "admin/user_group.html")]
pub struct GroupPage {
    /// What every page needs.
    pub layout: Layout,
    /// The version of the record, sent as `If-Match`.
    pub version: i64,
    /// The group.
    pub group: GroupRow,
    /// Whether the directory manages it.
    pub from_directory: bool,
    /// Its members.
    pub members: Vec<Choice>,
    /// People who could be added: those that the search finds.
    pub candidates: Vec<Choice>,
    /// What is searched for.
    pub search: String,
    /// Whether the search finds more people than are shown.
    pub more: bool,
    /// All clients; those that everybody may use are fixed.
    pub clients: Vec<Choice>,
    /// The custom claims.
    pub claims: ClaimsView,
}

/// `GET /settings/admin/user-groups`.
pub async fn list(State(app): State<App>, request: PageRequest) -> Result<Response, PageError> {
    let wanted = ListView::request(&request);
    let asked = wanted.clone();
    let found = request.read(&app, move |tx, creds, ctx| groups::list(tx, &creds.admin(tx, ctx.now)?, &asked)).await?;
    let list = ListView::new("/settings/admin/user-groups", &wanted, &found);
    let rows = found.items.into_iter().map(|(group, _, members)| GroupRow {
        id: group.id.into_string(),
        friendly_name: group.friendly_name,
        name: group.name,
        members,
    });
    Ok(page(StatusCode::OK, &GroupsPage { list, groups: rows.collect(), layout: request.layout }))
}

fn person(user: pid_core::users::User, on: bool, fixed: bool) -> Choice {
    let name = user.shown_name();
    Choice { id: user.id.into_string(), name, hint: user.username, on, fixed, listed: false }
}

/// `GET /settings/admin/user-groups/{id}`.
pub async fn details(
    State(app): State<App>,
    Path(id): Path<String>,
    request: PageRequest,
) -> Result<Response, PageError> {
    let (id, search) = (GroupId::new(id), request.param("search").unwrap_or_default());
    let wanted = search.clone();
    let read = request.read(&app, move |tx, creds, ctx| {
        let admin = creds.admin(tx, ctx.now)?;
        let details = groups::get(tx, &admin, &id)?;
        let search = Some(wanted.clone()).filter(|s| !s.is_empty());
        let by = |column: &str| Some((column.to_owned(), false));
        let people = ListRequest { limit: OFFERED, search, sort: by("displayName"), ..ListRequest::default() };
        let every = ListRequest { limit: ALL, sort: by("name"), ..ListRequest::default() };
        let found = users::list(tx, &admin, &people)?;
        Ok((details, found, clients::list(tx, &admin, &every)?, claims::suggestions(tx, &admin)?))
    });
    let (details, found, all, suggestions) = read.await?;
    let from_directory = app.settings().ldap_enabled() && details.group.ldap_id.is_some();
    let is_member = |id: &pid_core::UserId| details.members.iter().any(|m| m.id == *id);
    let more = found.total > OFFERED;
    let candidates = found.items.into_iter().map(|d| d.user).filter(|u| !is_member(&u.id) && !from_directory);
    let candidates = candidates.map(|u| person(u, false, false)).collect();
    let clients = all.items.into_iter().map(|(client, _, _)| {
        let listed = details.clients.iter().any(|c| c.id == client.id);
        Choice {
            on: listed || !client.is_group_restricted,
            fixed: !client.is_group_restricted,
            listed,
            id: client.id.into_string(),
            name: client.name,
            hint: String::new(),
        }
    });
    let view = GroupPage {
        version: details.group.version,
        from_directory,
        candidates,
        more,
        search,
        clients: clients.collect(),
        claims: ClaimsView {
            api: format!("/api/custom-claims/user-group/{}", details.group.id),
            read: format!("/api/user-groups/{}", details.group.id),
            claims: details.claims,
            suggestions,
        },
        group: GroupRow {
            id: details.group.id.into_string(),
            friendly_name: details.group.friendly_name,
            name: details.group.name,
            members: i64::try_from(details.members.len()).unwrap_or(i64::MAX),
        },
        members: details.members.into_iter().map(|u| person(u, true, from_directory)).collect(),
        layout: request.layout,
    };
    Ok(page(StatusCode::OK, &view))
}
