//! People.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use pid_core::UserId;
use pid_flows::{claims, groups, passkeys, sessions, signup_tokens, users};

use super::signup_tokens::{TokenRow, latest};
use super::{Choice, ClaimsView, ListView, every_group, group_choices};
use crate::pages::account::PasskeyView;
use crate::pages::sessions::SessionView;
use crate::pages::{Layout, PageError, PageRequest, initials, key, page};
use crate::state::App;

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
    /// First and last name for titles of questions, or the username.
    pub full_name: String,
    /// Whether they administer.
    pub is_admin: bool,
    /// Whether they may not sign in.
    pub disabled: bool,
    /// Whether they signed up and wait for approval.
    pub awaits_approval: bool,
    /// Whether this is who looks.
    pub is_me: bool,
}

impl UserRow {
    fn new(user: pid_core::users::User, awaits_approval: bool, me: &str) -> Self {
        let full = user.full_name();
        Self {
            is_me: user.id.as_str() == me,
            id: user.id.into_string(),
            name: if user.display_name.is_empty() { user.username.clone() } else { user.display_name },
            full_name: if full.is_empty() { user.username.clone() } else { full },
            username: user.username,
            email: user.email.unwrap_or_default(),
            is_admin: user.is_admin,
            disabled: user.disabled,
            awaits_approval,
        }
    }

    fn initials(&self) -> String {
        initials(&self.name)
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
    pub groups: Vec<Choice>,
    /// The invitations, the latest first.
    pub tokens: Vec<TokenRow>,
    /// Whether an e-mail address is required.
    pub require_email: bool,
    /// Whether login codes may be sent by mail.
    pub mails_codes: bool,
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
    /// All groups.
    pub groups: Vec<Choice>,
    /// Newest first.
    pub passkeys: Vec<PasskeyView>,
    /// The custom claims.
    pub claims: ClaimsView,
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

/// `GET /settings/admin/users`.
pub async fn list(State(app): State<App>, request: PageRequest) -> Result<Response, PageError> {
    let wanted = ListView::request(&request);
    let asked = wanted.clone();
    let env = app.env().clone();
    let read = request.read(&app, move |tx, creds, ctx| {
        let admin = creds.admin(tx, ctx.now)?;
        let tokens = signup_tokens::list(tx, ctx.now, &env, &admin, &latest())?;
        Ok((users::list(tx, &admin, &asked)?, groups::list(tx, &admin, &every_group())?, tokens))
    });
    let (found, all, tokens) = read.await?;
    let defaults = app.settings().default_group_ids();
    let me = request.layout.user.as_ref().map(|u| u.id.clone()).unwrap_or_default();
    let view = UsersPage {
        list: ListView::new("/settings/admin/users", &wanted, &found),
        users: found.items.into_iter().map(|d| UserRow::new(d.user, d.awaits_approval, &me)).collect(),
        groups: group_choices(all, &defaults),
        tokens: TokenRow::list(&app.env().app_url.origin, tokens),
        mails_codes: app.settings().mails_codes_by_admins() && app.settings().sends_mail(),
        require_email: app.settings().require_user_email(),
        layout: request.layout,
    };
    Ok(page(StatusCode::OK, &view))
}

/// `GET /settings/admin/users/{id}`.
pub async fn details(
    State(app): State<App>,
    Path(id): Path<String>,
    request: PageRequest,
) -> Result<Response, PageError> {
    let id = UserId::new(id);
    let read = request.read(&app, move |tx, creds, ctx| {
        let admin = creds.admin(tx, ctx.now)?;
        let details = users::get(tx, &admin, &id)?;
        let all = groups::list(tx, &admin, &every_group())?;
        let sessions = sessions::list_of(tx, ctx.now, creds.idle_minutes, &admin, &id)?;
        Ok((details, all, passkeys::list_of(tx, &admin, &id)?, claims::suggestions(tx, &admin)?, sessions))
    });
    let (details, all, own, suggestions, sessions) = read.await?;
    let me = request.layout.user.as_ref().map(|u| u.id.clone()).unwrap_or_default();
    let from_directory = app.settings().ldap_enabled() && details.user.ldap_id.is_some();
    let choices = all.items.into_iter().map(|(group, _, _)| Choice {
        on: details.groups.iter().any(|g| g.id == group.id),
        id: group.id.into_string(),
        name: group.friendly_name,
        hint: group.name,
        fixed: from_directory,
        listed: false,
    });
    let view = UserPage {
        sessions: sessions.into_iter().map(|s| SessionView::new(&request.layout, s)).collect(),
        sessions_api: format!("/api/users/{}/sessions", details.user.id),
        version: details.user.version,
        first_name: details.user.first_name.clone(),
        last_name: details.user.last_name.clone(),
        display_name: details.user.display_name.clone(),
        email_verified: details.user.email_verified,
        require_email: app.settings().require_user_email(),
        from_directory,
        groups: choices.collect(),
        passkeys: own.into_iter().rev().map(PasskeyView::from).collect(),
        claims: ClaimsView {
            api: format!("/api/custom-claims/user/{}", details.user.id),
            read: format!("/api/users/{}", details.user.id),
            claims: details.claims,
            suggestions,
        },
        user: UserRow::new(details.user, details.awaits_approval, &me),
        layout: request.layout,
    };
    Ok(page(StatusCode::OK, &view))
}
