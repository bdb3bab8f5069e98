//! Signing in to a client: the steps between `/authorize` and its answer (oidc.md §11).

use super::error::Problem;
use super::{Layout, PageError, PageRequest, page, redirect};
use crate::diagnosis;
use crate::oidc::interactions::arrival;
use crate::state::App;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use axum_extra::extract::CookieJar;
use http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pid_core::InteractionId;
use pid_core::diagnosis::parse_id;
use pid_core::sessions::{BeganBy, Session};
use pid_flows::cimd::shown_name;
use pid_flows::scope_words::Words;
use pid_flows::{Code, interaction};
use pid_oidc::authorize::Step;
use pid_store::protocol::ProtocolClient;

/// A client as people see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientView {
    /// Its id.
    pub id: String,
    /// Its name; for a client known by a metadata document the host of its URL.
    pub name: String,
    /// Whether it has a logo.
    pub has_logo: bool,
    /// Whether it has another logo for dark pages.
    pub has_dark_logo: bool,
}

impl From<ProtocolClient> for ClientView {
    fn from(client: ProtocolClient) -> Self {
        let id = client.id.into_string();
        let name = shown_name(&client.client_type, &id, client.name);
        Self { name, has_logo: client.has_logo, has_dark_logo: client.has_dark_logo, id }
    }
}

/// Something that the client wants to see or do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScopeView {
    /// `email`.
    Email,
    /// `profile`.
    Profile,
    /// `groups`.
    Groups,
    /// A single claim.
    Claim(String),
    /// A scope of an API, by its friendly name and description; the key and an empty description if it has none.
    Other {
        /// The friendly name or the key.
        name: String,
        /// Its description, may be empty.
        description: String,
    },
}

impl ScopeView {
    /// The scopes that a page shows of those requested: `openid` and `offline_access` are not among them.
    #[must_use]
    pub fn from_standard(scope: &str) -> Option<Self> {
        match scope {
            "email" => Some(Self::Email),
            "profile" => Some(Self::Profile),
            "groups" => Some(Self::Groups),
            "openid" | "offline_access" => None,
            other => Some(Self::Other { name: other.to_owned(), description: String::new() }),
        }
    }

    /// What a request asks for, as pages list it: in the words of whoever defined it, an API without permissions by its
    /// own name.
    #[must_use]
    pub fn list(scopes: &[String], words: &Words) -> Vec<Self> {
        let mut list = Vec::new();
        if let (Some(api), false) = (&words.api, words.has_permissions) {
            list.push(Self::Other { name: api.clone(), description: String::new() });
        }
        for scope in scopes {
            match words.scopes.iter().find(|known| known.key == *scope) {
                Some(known) => {
                    let description = known.description.clone().unwrap_or_default();
                    list.push(Self::Other { name: known.name.clone(), description });
                }
                None => list.extend(Self::from_standard(scope)),
            }
        }
        list
    }

    /// A claim as a page shows it: one that is all of a scope as that scope.
    fn from_claim(name: String) -> Self {
        match name.as_str() {
            "groups" => Self::Groups,
            "email" => Self::Email,
            _ => Self::Claim(name),
        }
    }

    pub(crate) fn icon(&self) -> &'static str {
        match self {
            Self::Email => "mail",
            Self::Profile => "user",
            Self::Groups => "users",
            Self::Claim(_) => "tag",
            Self::Other { .. } => "api",
        }
    }

    pub(crate) fn title<'a>(&'a self, layout: &'a Layout) -> &'a str {
        match self {
            Self::Email => layout.t("scope-email"),
            Self::Profile => layout.t("scope-profile"),
            Self::Groups => layout.t("scope-groups"),
            Self::Claim(name) | Self::Other { name, .. } => name,
        }
    }

    pub(crate) fn description<'a>(&'a self, layout: &'a Layout) -> &'a str {
        match self {
            Self::Email => layout.t("scope-email-text"),
            Self::Profile => layout.t("scope-profile-text"),
            Self::Groups => layout.t("scope-groups-text"),
            Self::Claim(_) => layout.t("claim-text"),
            Self::Other { description, .. } if description.is_empty() => layout.t("scope-other-text"),
            Self::Other { description, .. } => description,
        }
    }
}

/// `/interaction?interaction={id}`. With nobody in `layout.user` the button signs in by passkey first, whatever the
/// step.
#[derive(Debug, Template)]
#[template(path = "interaction.html")]
pub struct InteractionPage {
    /// What every page needs.
    pub layout: Layout,
    /// The interaction's id.
    pub id: String,
    /// Who asks.
    pub client: ClientView,
    /// The current step.
    pub step: Step,
    /// Whether the person signed in by passkey inside this interaction, which is a fresh proof (security case 21).
    pub proven: bool,
    /// What it asks for; shown with [`Step::Consent`].
    pub scopes: Vec<ScopeView>,
    /// `?redirect=…` with this page, encoded, for the other methods.
    pub query: String,
}

impl InteractionPage {
    fn needs_passkey(&self) -> bool {
        self.layout.user.is_none() || self.step == Step::Reauthenticate
    }

    fn shows_account(&self) -> bool {
        self.step == Step::SelectAccount && self.layout.user.is_some()
    }

    fn shows_scopes(&self) -> bool {
        self.step == Step::Consent && self.layout.user.is_some()
    }
}

/// `/interaction/error?error={text}`: what may not go back to the client.
#[derive(Debug, Template)]
#[template(path = "interaction_error.html")]
pub struct InteractionErrorPage {
    /// What every page needs.
    pub layout: Layout,
    /// What happened; empty shows a general sentence.
    pub message: String,
    /// The interaction whose client waits for an answer; empty if none does.
    pub interaction: String,
    /// By which an administrator finds what happened; empty if nobody can.
    pub id: String,
}

/// `GET /interaction?interaction={id}`.
pub async fn interact(State(app): State<App>, jar: CookieJar, request: PageRequest) -> Result<Response, PageError> {
    let Some(id) = request.param("interaction").filter(|id| !id.is_empty()) else {
        let text = request.layout.t("interaction-missing").to_owned();
        return Err(request.problem(Problem::Other(StatusCode::BAD_REQUEST, text)));
    };
    let (env, site) = (app.env().clone(), app.snapshot());
    let arrival = arrival(&app, &jar, request.credentials.clone(), id.clone());
    let words = request.layout.words;
    let read = move |tx: &pid_store::ReadTx<'_>, _: &_, ctx: &pid_core::Ctx| match interaction::get(
        tx, ctx.now, &env, &site, &arrival,
    ) {
        Err(error) if error.code == Code::NotFound => Ok(Err(words.refusal(&error).into_owned())),
        other => other.map(Ok),
    };
    let status = match request.read(&app, read).await? {
        Ok(status) => status,
        Err(text) => {
            diagnosis::lost(&app, &request.ctx, InteractionId::new(id), &request.host);
            return Err(request.problem(Problem::Other(StatusCode::NOT_FOUND, text)));
        }
    };
    let Some(step) = status.steps.first().copied() else {
        return Ok(redirect(&format!("/authorize?interaction={}", status.id)));
    };
    let session = request.session.as_ref().map(pid_flows::access::SessionUser::session);
    let inside =
        |s: &Session| s.began_by == BeganBy::Passkey && s.interaction_id.as_deref() == Some(status.id.as_str());
    let view = InteractionPage {
        proven: session.is_some_and(inside),
        query: format!("?redirect={}", utf8_percent_encode(&request.here(), NON_ALPHANUMERIC)),
        id: status.id.into_string(),
        client: status.client.into(),
        step,
        scopes: {
            let mut scopes = ScopeView::list(&status.scopes, &status.words);
            scopes.extend(status.claims.into_iter().map(ScopeView::from_claim));
            scopes
        },
        layout: request.layout,
    };
    Ok(page(StatusCode::OK, &view))
}

/// `GET /interaction/error?error={text}`.
pub async fn error(request: PageRequest) -> Response {
    let message = request.param("error").unwrap_or_default().chars().take(500).collect();
    // An id that is none leads nowhere: the way back is asked for again, by this browser.
    let interaction = request.param("interaction").unwrap_or_default().chars().take(64).collect();
    let id = request.param("id").and_then(|id| parse_id(&id)).unwrap_or_default();
    page(StatusCode::OK, &InteractionErrorPage { layout: request.layout, message, interaction, id })
}
