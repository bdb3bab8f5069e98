//! People.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use pid_core::UserId;
use pid_flows::declared::{self, Kind, Part};
use pid_flows::roles::ReadsPeople;
use pid_flows::users::UserDetails;
use pid_flows::{claims, groups, passkeys, sessions, signup, signup_tokens, users};

use super::list::{Column, Facet, Table};
use super::signup_tokens::{TokenRow, latest};
use super::{Choice, Choices, ClaimsView, ListView, RoleChoice, default_groups, group_choice, role_word, some_groups};
use crate::pages::DeclaredHere;
use crate::pages::passkeys::PasskeyView;
use crate::pages::sessions::SessionView;
use crate::pages::{Layout, PageError, PageRequest, initials, key, page};
use crate::state::App;

static TABLE: Table = Table {
    id: "user-list",
    path: "/settings/admin/users",
    columns: &[
        Column::new("firstName", key("first-name")).sorted().hidden(),
        Column::new("lastName", key("last-name")).sorted().hidden(),
        Column::new("username", key("username")).sorted(),
        Column::new("email", key("email")).sorted(),
        Column::new("isAdmin", key("role")).sorted(),
        Column::new("disabled", key("status")).sorted(),
        Column::new("id", key("column-id")).hidden(),
        Column::new("ldapId", key("column-ldap-id")).hidden(),
        Column::new("locale", key("column-locale")).hidden(),
        Column::new("source", key("column-source")).hidden(),
    ],
    facets: &[
        Facet {
            field: "isAdmin",
            slug: "role",
            label: key("role"),
            options: &[("true", key("role-admin")), ("false", key("role-user"))],
        },
        Facet {
            field: "disabled",
            slug: "status",
            label: key("status"),
            options: &[("false", key("enabled")), ("true", key("disabled"))],
        },
    ],
};

/// A person in the list.
#[derive(Clone, Debug)]
pub struct UserRow {
    /// Their id.
    pub id: String,
    /// The display name, or the username.
    pub name: String,
    /// The username.
    pub username: String,
    /// May be empty.
    pub email: String,
    first_name: String,
    last_name: String,
    locale: Option<String>,
    ldap_id: Option<String>,
    /// First and last name for titles of questions, or the username.
    pub full_name: String,
    /// Whether they administer.
    pub is_admin: bool,
    /// What else they may do, in words.
    pub roles: Vec<&'static str>,
    /// Whether who looks may change them.
    pub may_change: bool,
    /// Whether they may not sign in.
    pub disabled: bool,
    /// Whether they signed up and wait for approval.
    pub awaits_approval: bool,
    /// Whether the directory manages them.
    pub from_directory: bool,
    /// Whether this is who looks.
    pub is_me: bool,
}

impl UserRow {
    fn of(details: UserDetails, who: &ReadsPeople, me: &str, ldap: bool) -> Self {
        let powers = details.powers();
        let row = Self::new(details.user, details.awaits_approval, me, ldap);
        let roles = if powers.is_admin { Vec::new() } else { powers.roles.iter().map(role_word).collect() };
        Self { roles, may_change: who.may_change(powers), ..row }
    }

    fn new(user: pid_core::users::User, awaits_approval: bool, me: &str, ldap: bool) -> Self {
        let full = user.full_name();
        Self {
            is_me: user.id.as_str() == me,
            from_directory: ldap && user.ldap_id.is_some(),
            id: user.id.into_string(),
            name: if user.display_name.is_empty() { user.username.clone() } else { user.display_name },
            full_name: if full.is_empty() { user.username.clone() } else { full },
            username: user.username,
            email: user.email.unwrap_or_default(),
            first_name: user.first_name,
            last_name: user.last_name,
            locale: user.locale,
            ldap_id: user.ldap_id,
            is_admin: user.is_admin,
            roles: Vec::new(),
            may_change: false,
            disabled: user.disabled,
            awaits_approval,
        }
    }

    fn initials(&self) -> String {
        initials(&self.name)
    }

    /// What a column of plain text holds.
    fn text(&self, column: &str) -> &str {
        match column {
            "username" => &self.username,
            "email" => &self.email,
            "firstName" => &self.first_name,
            "lastName" => &self.last_name,
            "locale" => self.locale.as_deref().unwrap_or_default(),
            "ldapId" => self.ldap_id.as_deref().unwrap_or_default(),
            _ => super::source(self.ldap_id.as_ref()),
        }
    }
}

/// `/settings/admin/users`.
#[derive(Debug, Template)]
#[template(path = "admin/users.html")]
pub struct UsersPage {
    /// What every page needs.
    pub layout: Layout,
    /// Search, order and pages.
    pub list: ListView,
    /// The rows.
    pub users: Vec<UserRow>,
    /// The groups that an invitation may lead to.
    pub groups: Choices,
    /// The invitations, the latest first.
    pub tokens: Vec<TokenRow>,
    /// Whether an e-mail address is required.
    pub require_email: bool,
    /// Whether login codes may be sent by mail.
    pub mails_codes: bool,
    /// How many wait for approval.
    pub waiting_count: usize,
    /// The first of them.
    pub waiting: Vec<UserRow>,
}

/// `/settings/admin/users/{id}`.
#[derive(Debug, Template)]
#[template(path = "admin/user.html")]
pub struct UserPage {
    /// What every page needs.
    pub layout: Layout,
    /// The version of the record, sent as `If-Match`.
    pub version: i64,
    /// The person.
    pub user: UserRow,
    /// The fields of the form.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// May be empty.
    pub display_name: String,
    /// Whether the address is proven.
    pub email_verified: bool,
    /// Whether an e-mail address is required.
    pub require_email: bool,
    /// Whether the directory manages the record.
    pub from_directory: bool,
    /// Whether they signed up and have to prove their address.
    pub awaits_proof: bool,
    /// The groups, theirs ticked.
    pub groups: Choices,
    /// Newest first.
    pub passkeys: Vec<PasskeyView>,
    /// The custom claims.
    pub claims: ClaimsView,
    /// What they may do besides.
    pub roles: Vec<RoleChoice>,
    /// The latest used first.
    pub sessions: Vec<SessionView>,
    /// Where they are in the API.
    pub sessions_api: String,
}

impl UserPage {
    fn ends_several(&self) -> bool {
        !self.sessions.is_empty()
    }

    fn end_all_word(&self) -> &'static str {
        key("end-all-sessions")
    }
}

/// So many of those who wait for approval are named.
const WAITING_SHOWN: i64 = 5;

/// `GET /settings/admin/users`.
pub async fn list(State(app): State<App>, mut request: PageRequest) -> Result<Response, PageError> {
    let wanted = ListView::request(&request);
    let asked = wanted.clone();
    let (env, settings) = (app.env().clone(), app.settings());
    let site = settings.clone();
    let read = request.read(&app, move |tx, creds, ctx| {
        let who = creds.reads_people(tx, ctx.now)?;
        let tokens = signup_tokens::list(tx, ctx.now, &env, &who, &latest())?;
        let waiting = signup::awaiting_approval(tx, &who, WAITING_SHOWN)?;
        // An invitation leads to a role only where somebody ticks it.
        let defaults = who.default_groups(tx, &site)?;
        let groups = default_groups(tx, &who, &defaults, |group| who.may_change_group(group, &site))?;
        Ok((users::list(tx, &who, &asked)?, groups, tokens, waiting, who))
    });
    let (found, groups, tokens, (waiting_count, waiting), who) = read.await?;
    request.layout.changes_if(who.powers().manage_people(), key("only-reads-page"));
    let ldap = settings.ldap_enabled();
    let me = request.layout.user.as_ref().map(|u| u.id.clone()).unwrap_or_default();
    let view = UsersPage {
        list: ListView::of(&TABLE, &request, &wanted, &found),
        users: found.items.into_iter().map(|details| UserRow::of(details, &who, &me, ldap)).collect(),
        groups,
        waiting_count: usize::try_from(waiting_count).unwrap_or(0),
        waiting: waiting.into_iter().map(|user| UserRow::new(user, true, &me, ldap)).collect(),
        tokens: TokenRow::list(&app.env().app_url.origin, tokens),
        mails_codes: settings.mails_codes_by_admins() && settings.sends_mail(),
        require_email: settings.require_user_email(),
        layout: request.layout,
    };
    Ok(page(StatusCode::OK, &view))
}

/// `GET /settings/admin/users/{id}`.
pub async fn details(
    State(app): State<App>,
    Path(id): Path<String>,
    mut request: PageRequest,
) -> Result<Response, PageError> {
    let id = UserId::new(id);
    let read = request.read(&app, move |tx, creds, ctx| {
        let who = creds.reads_people(tx, ctx.now)?;
        let details = users::get(tx, &who, &id)?;
        let all = groups::list(tx, &who, &some_groups())?;
        let sessions = sessions::list_of(tx, ctx, creds.idle_minutes, &who, &id)?;
        let declared = declared::parts(tx, Kind::User, id.as_str())?;
        Ok((details, all, passkeys::list_of(tx, &who, &id)?, claims::suggestions(tx, &who)?, sessions, who, declared))
    });
    let (details, all, own, suggestions, sessions, who, declared) = read.await?;
    let at = format!("/api/users/{}", details.user.id);
    let claims_at = format!("/api/custom-claims/user/{}", details.user.id);
    let addresses = [(Part::Groups, format!("{at}/user-groups")), (Part::Fields, at), (Part::Claims, claims_at)];
    request.layout.declared = DeclaredHere::of(&declared, &addresses);
    request.layout.changes_if(who.may_change(details.powers()), key("only-reads-person"));
    let settings = app.settings();
    let me = request.layout.user.as_ref().map(|u| u.id.clone()).unwrap_or_default();
    let from_directory = settings.ldap_enabled() && details.user.ldap_id.is_some();
    let roles = RoleChoice::all(details.user.roles, &details.groups);
    let choice = |group: pid_core::groups::Group, on: bool| {
        let fixed = from_directory || !who.may_change_group(&group, &settings);
        Choice { fixed, ..group_choice(group, on) }
    };
    let theirs: Vec<Choice> = details.groups.iter().cloned().map(|group| choice(group, true)).collect();
    let is_in = |id: &str| theirs.iter().any(|choice| choice.id == id);
    let groups = Choices::new(all, theirs.clone(), |(group, _, _)| {
        let on = is_in(group.id.as_str());
        choice(group, on)
    });
    let view = UserPage {
        sessions: sessions.into_iter().map(|s| SessionView::new(&request.layout, s)).collect(),
        sessions_api: format!("/api/users/{}/sessions", details.user.id),
        version: details.user.version,
        first_name: details.user.first_name.clone(),
        last_name: details.user.last_name.clone(),
        display_name: details.user.display_name.clone(),
        email_verified: details.user.email_verified,
        require_email: settings.require_user_email(),
        from_directory,
        awaits_proof: details.awaits_proof,
        groups,
        roles,
        passkeys: own.into_iter().rev().map(PasskeyView::from).collect(),
        claims: ClaimsView {
            api: format!("/api/custom-claims/user/{}", details.user.id),
            read: format!("/api/users/{}", details.user.id),
            claims: details.claims.clone(),
            suggestions,
            fixed: false,
        },
        user: UserRow::of(details, &who, &me, app.settings().ldap_enabled()),
        layout: request.layout,
    };
    Ok(page(StatusCode::OK, &view))
}
