//! A person's own account.

use super::sessions::SessionView;
use super::{Layout, PageError, PageRequest, When, key, page};
use crate::state::App;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use pid_flows::{passkeys, sessions};
use pid_store::passkeys::Passkey;

/// A passkey in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PasskeyView {
    /// Its id in the API.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was added.
    pub added: When,
    /// When it was last used, if ever.
    pub last_used: Option<When>,
    /// Whether the provider keeps copies on several devices.
    pub synced: bool,
}

/// `/settings/account`.
#[derive(Debug, Template)]
#[template(path = "account.html")]
pub struct AccountPage {
    /// What every page needs.
    pub layout: Layout,
    /// The version of the user's record, sent as `If-Match`.
    pub version: String,
    /// The fields of the form.
    pub username: String,
    /// May be empty.
    pub email: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// May be empty.
    pub display_name: String,
    /// Whether an e-mail address is required.
    pub require_email: bool,
    /// Whether the person may change their own details.
    pub can_edit: bool,
    /// Newest first.
    pub passkeys: Vec<PasskeyView>,
    /// The person's id.
    pub user_id: String,
    /// Whether the directory manages the record.
    pub from_directory: bool,
    /// The latest used first.
    pub sessions: Vec<SessionView>,
    /// Where they are in the API.
    pub sessions_api: String,
    /// Whether the person is asked to prove their address.
    pub asks_to_verify: bool,
    /// Whether they come from doing so.
    pub just_verified: bool,
    /// Whether the address is proven.
    pub email_verified: bool,
}

impl AccountPage {
    fn ends_several(&self) -> bool {
        self.sessions.iter().any(|s| !s.is_current)
    }

    fn end_all_word(&self) -> &'static str {
        key("end-other-sessions")
    }
}

impl From<Passkey> for PasskeyView {
    fn from(passkey: Passkey) -> Self {
        Self {
            id: passkey.id.into_string(),
            name: passkey.name,
            added: passkey.created_at.into(),
            last_used: passkey.last_used_at.map(When::from),
            synced: passkey.backup_state,
        }
    }
}

/// `GET /settings/account`.
pub async fn account(State(app): State<App>, request: PageRequest) -> Result<Response, PageError> {
    request.signed_in()?;
    let settings = app.settings();
    let just_verified = request.param("emailVerificationState").is_some_and(|state| state == "success");
    let read = |tx: &pid_store::ReadTx<'_>, credentials: &pid_flows::access::Credentials, ctx: &pid_core::Ctx| {
        let who = credentials.signed_in(tx, ctx.now)?;
        let own = passkeys::list_own(tx, &who)?;
        let sessions = sessions::list_own(tx, ctx.now, credentials.idle_minutes, &who)?;
        Ok((who.user().clone(), own, sessions))
    };
    let (user, own, sessions) = request.read(&app, read).await?;
    let asks_to_verify =
        settings.verifies_email() && settings.sends_mail() && user.email.is_some() && !user.email_verified;
    let from_directory = settings.ldap_enabled() && user.ldap_id.is_some();
    let view = AccountPage {
        sessions: sessions.into_iter().map(|s| SessionView::new(&request.layout, s)).collect(),
        sessions_api: "/api/sessions".to_owned(),
        user_id: user.id.to_string(),
        from_directory,
        layout: request.layout,
        version: user.version.to_string(),
        username: user.username,
        email: user.email.unwrap_or_default(),
        first_name: user.first_name,
        last_name: user.last_name,
        display_name: user.display_name,
        asks_to_verify,
        just_verified,
        email_verified: user.email_verified,
        require_email: settings.require_user_email(),
        can_edit: settings.allow_own_account_edit() && !from_directory,
        passkeys: own.into_iter().rev().map(PasskeyView::from).collect(),
    };
    Ok(page(StatusCode::OK, &view))
}
