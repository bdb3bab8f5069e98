//! A person's own account.

use super::audit_logs::EntryView;
use super::passkeys::{PasskeyView, Signals};
use super::sessions::SessionView;
use super::{Html, Layout, PageError, PageRequest, When, key, page};
use crate::state::App;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use pid_core::notices::Notice;
use pid_flows::declared::{self, Kind, Part};
use pid_flows::forward_auth::app_passwords;
use pid_flows::{notices, passkeys, sessions};
use pid_integrations::qr;
use pid_store::forward_auth::AppPassword;

/// A password for a program.
#[derive(Clone, Debug)]
pub struct AppPasswordView {
    /// Its id.
    pub id: String,
    /// What uses it.
    pub name: String,
    /// Where it lets in.
    pub app: String,
    /// When it was made.
    pub created: When,
    /// When it was last used, if ever.
    pub last_used: Option<When>,
}

impl From<AppPassword> for AppPasswordView {
    fn from(p: AppPassword) -> Self {
        Self {
            id: p.id,
            name: p.name,
            app: p.client_name,
            created: p.created_at.into(),
            last_used: p.last_used_at.map(When::from),
        }
    }
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
    /// What the browser is told of them.
    pub signals: Signals,
    /// Whether a phone may be used for another one.
    pub phones: bool,
    /// This page as a QR code, for the phone that shall get a second passkey.
    pub phone_qr: Option<Html>,
    /// Its address.
    pub phone_url: String,
    /// The person's id.
    pub user_id: String,
    /// Whether the directory manages the record.
    pub from_directory: bool,
    /// The latest used first.
    pub sessions: Vec<SessionView>,
    /// Where they are in the API.
    pub sessions_api: String,
    /// Passwords for programs, the oldest first.
    pub app_passwords: Vec<AppPasswordView>,
    /// Ids and names of the apps for which one can be made.
    pub password_apps: Vec<(String, String)>,
    /// Whether the person is asked to prove their address.
    pub asks_to_verify: bool,
    /// Whether they come from doing so.
    pub just_verified: bool,
    /// Whether the address is proven.
    pub email_verified: bool,
    /// Whether this browser has put away the hint to add a second passkey.
    pub hint_dismissed: bool,
    /// What happened to the account since its owner last looked, the newest first.
    pub happened: Vec<EntryView>,
    /// Which mails its owner gets; none where no mail is sent.
    pub mails: Vec<MailView>,
}

/// A kind of mail that somebody gets, or not.
#[derive(Clone, Copy, Debug)]
pub struct MailView {
    notice: Notice,
    on: bool,
}

impl MailView {
    fn id(self) -> &'static str {
        match self.notice {
            Notice::NewDevice => "tell-device",
            Notice::LoginCode => "tell-code",
            Notice::ApiKeyExpiry => "tell-key",
            Notice::SignupApproval => "tell-approval",
            Notice::Passkey => "tell-passkey",
            Notice::AddressChange => "tell-address",
        }
    }

    fn name(self) -> &'static str {
        self.notice.name()
    }

    fn word(self) -> &'static str {
        match self.notice {
            Notice::NewDevice => key("tell-device"),
            Notice::LoginCode => key("tell-code"),
            Notice::ApiKeyExpiry => key("tell-key"),
            Notice::SignupApproval => key("tell-approval"),
            Notice::Passkey => key("tell-passkey"),
            Notice::AddressChange => key("tell-address"),
        }
    }

    fn is_fixed(self) -> bool {
        !self.notice.may_be_refused()
    }
}

impl AccountPage {
    fn ends_several(&self) -> bool {
        self.sessions.iter().any(|s| !s.is_current)
    }

    fn end_all_word(&self) -> &'static str {
        key("end-other-sessions")
    }
}

/// `GET /settings/account`.
pub async fn account(State(app): State<App>, request: PageRequest) -> Result<Response, PageError> {
    request.signed_in()?;
    let settings = app.settings();
    let just_verified = request.param("emailVerificationState").is_some_and(|state| state == "success");
    let asked = settings.clone();
    let read = move |tx: &pid_store::ReadTx<'_>, credentials: &pid_flows::access::Credentials, ctx: &pid_core::Ctx| {
        let who = credentials.signed_in(tx, ctx.now)?;
        let happened = notices::happened(tx, ctx, &credentials.session_user(tx, ctx.now)?)?;
        let choices = notices::choices(tx, &asked, &who)?;
        let own = passkeys::list_own(tx, &who)?;
        let sessions = sessions::list_own(tx, ctx, credentials.idle_minutes, &who)?;
        let passwords = (app_passwords::list(tx, &who)?, app_passwords::apps(tx, who.user())?);
        let is_declared = declared::parts(tx, Kind::User, who.user().id.as_str())?.has(Part::Fields);
        Ok((who.user().clone(), own, sessions, happened, choices, passwords, is_declared))
    };
    let (user, own, sessions, happened, choices, passwords, is_declared) = request.read(&app, read).await?;
    let asks_to_verify =
        settings.verifies_email() && settings.sends_mail() && user.email.is_some() && !user.email_verified;
    let from_directory = settings.ldap_enabled() && user.ldap_id.is_some();
    let signals = Signals::new(app.env(), &user, &own);
    let phone_url = format!("{}/settings/account", app.env().app_url.origin);
    let mails = choices.into_iter().filter(|choice| choice.is_sent && user.email.is_some());
    let dismissed = request.cookie("dismissed").unwrap_or_default();
    let view = AccountPage {
        hint_dismissed: own.first().is_some_and(|key| {
            let hint = format!("single-passkey-{}", key.id);
            dismissed.split('.').any(|one| one == hint)
        }),
        signals,
        happened: happened.into_iter().map(|entry| EntryView::new(&request.layout, entry)).collect(),
        mails: mails.map(|choice| MailView { notice: choice.notice, on: choice.wanted }).collect(),
        sessions: sessions.into_iter().map(|s| SessionView::new(&request.layout, s)).collect(),
        sessions_api: "/api/sessions".to_owned(),
        app_passwords: passwords.0.into_iter().map(AppPasswordView::from).collect(),
        password_apps: passwords.1.into_iter().map(|(id, name)| (id.into_string(), name)).collect(),
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
        can_edit: settings.allow_own_account_edit() && !from_directory && !is_declared,
        phones: settings.passkey_policy().attachment.as_deref() != Some("platform"),
        phone_qr: (own.len() == 1).then(|| qr::svg(&phone_url).map(Html::trusted)).flatten(),
        phone_url,
        passkeys: own.into_iter().rev().map(PasskeyView::from).collect(),
    };
    Ok(page(StatusCode::OK, &view))
}
