//! Groups of people.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use pid_core::GroupId;
use pid_core::clients::Client;
use pid_core::groups::Group;
use pid_core::list::ListRequest;
use pid_flows::declared::{self, Kind, Part};
use pid_flows::{Code, claims, clients, groups, users};

use super::list::{Column, Table};
use super::{Choice, Choices, ClaimsView, FEW, ListView, RoleChoice, role_word};
use crate::pages::DeclaredHere;
use crate::pages::{Layout, PageError, PageRequest, When, key, page};
use crate::state::App;

/// People offered for membership at once; a search finds the others.
const OFFERED: i64 = 50;

static TABLE: Table = Table {
    id: "user-group-list",
    path: "/settings/admin/user-groups",
    columns: &[
        Column::new("name", key("name")).sorted(),
        Column::new("userCount", key("user-count")).sorted(),
        Column::new("id", key("column-id")).hidden(),
        Column::new("createdAt", key("created")).sorted().hidden(),
        Column::new("ldapId", key("column-ldap-id")).hidden(),
        Column::new("source", key("column-source")).hidden(),
    ],
    facets: &[],
};

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
    /// What its members may do, in words.
    pub roles: Vec<&'static str>,
    /// Whether who looks may change it.
    pub may_change: bool,
    /// Whether they may also change what goes with its members: its name and claims, and whether it is there.
    pub may_rename: bool,
    /// When it was made.
    pub created: When,
    ldap_id: Option<String>,
}

impl GroupRow {
    fn new(group: Group, members: i64, may_change: bool, may_rename: bool) -> Self {
        Self {
            id: group.id.into_string(),
            friendly_name: group.friendly_name,
            name: group.name,
            members,
            created: group.created_at.into(),
            roles: group.roles.iter().map(role_word).collect(),
            may_change,
            may_rename,
            ldap_id: group.ldap_id,
        }
    }

    /// What a column of plain text holds.
    fn text(&self, column: &str) -> String {
        match column {
            "userCount" => self.members.to_string(),
            "ldapId" => self.ldap_id.clone().unwrap_or_default(),
            _ => super::source(self.ldap_id.as_ref()).to_owned(),
        }
    }
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
    /// The clients; those that everybody may use are fixed.
    pub clients: Choices,
    /// What its members may do.
    pub roles: Vec<RoleChoice>,
    /// The custom claims.
    pub claims: ClaimsView,
}

/// `GET /settings/admin/user-groups`.
pub async fn list(State(app): State<App>, mut request: PageRequest) -> Result<Response, PageError> {
    let wanted = ListView::request(&request);
    let asked = wanted.clone();
    let site = app.settings();
    let read = request.read(&app, move |tx, creds, ctx| {
        let who = creds.reads_people(tx, ctx.now)?;
        let found = groups::list(tx, &who, &asked)?;
        let mut kept = BTreeSet::new();
        for (group, ..) in &found.items {
            if who.may_change_group(group, &site) && !who.out_of_reach(tx, &group.id)?.is_empty() {
                kept.insert(group.id.clone());
            }
        }
        Ok((found, kept, who))
    });
    let (found, kept, who) = read.await?;
    request.layout.changes_if(who.powers().manage_people(), key("only-reads-page"));
    let settings = app.settings();
    let list = ListView::of(&TABLE, &request, &wanted, &found);
    let rows = found.items.into_iter().map(|(group, _, members)| {
        let may_change = who.may_change_group(&group, &settings);
        let may_rename = !kept.contains(&group.id);
        GroupRow::new(group, members, may_change, may_rename)
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
    mut request: PageRequest,
) -> Result<Response, PageError> {
    let (id, search) = (GroupId::new(id), request.param("search").unwrap_or_default());
    let wanted = search.clone();
    let read = request.read(&app, move |tx, creds, ctx| {
        let who = creds.reads_people(tx, ctx.now)?;
        let details = groups::get(tx, &who, &id)?;
        let search = Some(wanted.clone()).filter(|s| !s.is_empty());
        let by = |column: &str| Some((column.to_owned(), false));
        let people = ListRequest { limit: OFFERED, search, sort: by("displayName"), ..ListRequest::default() };
        let every = ListRequest { limit: FEW, sort: by("name"), ..ListRequest::default() };
        let found = users::list(tx, &who, &people)?;
        // A user manager sees which clients list the group, and not the others.
        let all = match creds.reads_all(tx, ctx.now) {
            Ok(reads) => Some(clients::list(tx, &reads, &every)?),
            Err(error) if error.code == Code::Forbidden => None,
            Err(error) => return Err(error),
        };
        let fixed = who.out_of_reach(tx, &id)?;
        let declared = declared::parts(tx, Kind::Group, id.as_str())?;
        Ok((details, found, all, claims::suggestions(tx, &who)?, fixed, who, declared))
    });
    let (details, found, all, suggestions, out_of_reach, who, declared) = read.await?;
    let at = format!("/api/user-groups/{}", details.group.id);
    let claims_at = format!("/api/custom-claims/user-group/{}", details.group.id);
    request.layout.declared = DeclaredHere::of(&declared, &[(Part::Fields, at), (Part::Claims, claims_at)]);
    let settings = app.settings();
    let may_change = who.may_change_group(&details.group, &settings);
    request.layout.changes_if(may_change, key("only-reads-group"));
    let from_directory = settings.ldap_enabled() && details.group.ldap_id.is_some();
    let is_member = |id: &pid_core::UserId| details.members.iter().any(|m| m.id == *id);
    let more = found.total > OFFERED;
    let candidates = found.items.into_iter().filter(|d| who.may_change(d.powers()) && !from_directory);
    let candidates = candidates.map(|d| d.user).filter(|user| !is_member(&user.id));
    let candidates = candidates.map(|u| person(u, false, false)).collect();
    let client = |client: Client, listed: bool| Choice {
        on: listed || !client.is_group_restricted,
        fixed: !client.is_group_restricted,
        listed,
        id: client.id.into_string(),
        name: client.name,
        hint: String::new(),
    };
    let listed: Vec<_> = details.clients.into_iter().map(|one| client(one, true)).collect();
    let is_listed = |id: &str| listed.iter().any(|choice| choice.id == id);
    let clients = match all {
        Some(all) => Choices::new(all, listed.clone(), |(one, _, _)| {
            let on = is_listed(one.id.as_str());
            client(one, on)
        }),
        None => Choices { shown: listed.clone(), more: false },
    };
    let view = GroupPage {
        version: details.group.version,
        from_directory,
        candidates,
        more,
        search,
        clients,
        roles: RoleChoice::all(details.group.roles, &[]),
        claims: ClaimsView {
            api: format!("/api/custom-claims/user-group/{}", details.group.id),
            read: format!("/api/user-groups/{}", details.group.id),
            claims: details.claims,
            suggestions,
            fixed: !out_of_reach.is_empty(),
        },
        group: GroupRow::new(
            details.group,
            i64::try_from(details.members.len()).unwrap_or(i64::MAX),
            may_change,
            out_of_reach.is_empty(),
        ),
        members: details
            .members
            .into_iter()
            .map(|user| {
                let fixed = out_of_reach.contains(&user.id);
                person(user, true, from_directory || fixed)
            })
            .collect(),
        layout: request.layout,
    };
    Ok(page(StatusCode::OK, &view))
}
