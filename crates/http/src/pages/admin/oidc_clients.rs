//! OIDC clients.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use pid_core::clients::{AuthMethod, BackchannelSource, Client, FederatedIdentity};
use pid_core::ids::{client_id_from_path, client_id_to_path};
use pid_core::list::ListRequest;
use pid_flows::backchannel_logout::{self, Delivery};
use pid_flows::env::Env;
use pid_flows::outbox::LOGOUT_TEST;
use pid_flows::{claims, clients, groups};
use pid_store::outbox;

use super::access::{APIS, AccessView, AccessWords, Asked, Candidates, ClientApis, GrantView};
use super::client_claims::MappingView;
use super::client_preview::{PreviewAsked, PreviewProblem, PreviewView};
use super::client_templates::{ClientTemplate, TEMPLATES};
use super::{ALL, Choice, ListView};
use crate::pages::interaction::ClientView;
use crate::pages::{Layout, PageError, PageRequest, When, key, page};
use crate::state::App;

/// Who may sign in to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Everybody with an account.
    Everybody,
    /// It is restricted and lists no group.
    Nobody,
    /// The members of these groups.
    Groups(String),
}

/// A client in the list.
#[derive(Clone, Debug)]
pub struct ClientRow {
    /// Its id as a part of a path.
    pub path: String,
    /// How people see it.
    pub client: ClientView,
    /// May be empty.
    pub description: String,
    /// Number of allowed groups, `None` if everybody may enter.
    pub allowed_groups: Option<i64>,
    /// Whether it keeps no secret.
    pub is_public: bool,
    /// Whether each sign-in needs the passkey.
    pub requires_reauthentication: bool,
}

fn shown(client: &Client) -> ClientView {
    ClientView {
        id: client.id.to_string(),
        name: client.name.clone(),
        has_logo: client.has_logo,
        has_dark_logo: client.has_dark_logo,
    }
}

/// `/settings/admin/oidc-clients`.
#[derive(Debug, Template)]
#[template(path = "admin/oidc_clients.html")]
pub struct ClientsPage {
    /// What every page needs.
    pub layout: Layout,
    /// Search, order and pages.
    pub list: ListView,
    /// The rows.
    pub clients: Vec<ClientRow>,
    /// Applications that we know.
    pub templates: &'static [ClientTemplate],
}

/// A secret as it may be seen.
#[derive(Clone, Debug)]
pub struct SecretView {
    /// Its id.
    pub id: String,
    /// Its first characters.
    pub prefix: String,
    /// When it was made.
    pub created: When,
    /// When it ends, if ever.
    pub expires: Option<When>,
    /// Whether it still counts.
    pub is_active: bool,
}

/// `/settings/admin/oidc-clients/{id}`.
#[derive(Debug, Template)]
#[template(path = "admin/oidc_client.html")]
pub struct ClientPage {
    /// What every page needs.
    pub layout: Layout,
    /// The version of the record, sent as `If-Match`.
    pub version: i64,
    /// Its id as a part of a path.
    pub path: String,
    /// How people see it.
    pub client: ClientView,
    /// The client as it is stored.
    pub stored: Client,
    /// The address of this instance.
    pub issuer: String,
    /// Labels and addresses that the application asks for.
    pub endpoints: Vec<(&'static str, String)>,
    /// Those asked for less often.
    pub more_endpoints: Vec<(&'static str, String)>,
    /// Who may sign in.
    pub audience: Audience,
    /// All groups.
    pub groups: Vec<Choice>,
    /// Oldest first.
    pub secrets: Vec<SecretView>,
    /// Notices of sign-outs, newest first.
    pub deliveries: Vec<DeliveryView>,
    /// The APIs that it reaches.
    pub grants: Vec<GrantView>,
    /// The APIs that it could be given access to.
    pub candidates: Candidates,
    /// The dialog of its access to one API.
    pub access: Option<AccessView>,
    /// How it speaks of them.
    pub access_words: AccessWords,
    /// How it is told the claims of people.
    pub mapping: MappingView,
    /// Where the dialog of what it would be told begins.
    pub preview_at: String,
    /// That dialog, if somebody is asked for.
    pub preview: Option<PreviewView>,
}

/// What became of a notice that a session has ended.
#[derive(Clone, Debug)]
pub struct DeliveryView {
    /// The word for what it was.
    pub kind: &'static str,
    /// The word for what became of it.
    pub state: &'static str,
    /// The class of its badge.
    pub badge: &'static str,
    /// Its sign.
    pub icon: &'static str,
    /// When it was written.
    pub created: When,
    /// Attempts so far.
    pub attempts: usize,
    /// The last answer or failure in words, or nothing.
    pub answer: String,
    /// When the next attempt is due.
    pub next: Option<When>,
}

impl DeliveryView {
    fn new(layout: &Layout, delivery: Delivery) -> Self {
        let entry = delivery.entry;
        let (state, badge, icon) = match entry.state {
            outbox::State::Waiting => (key("delivery-waiting"), "badge-warn", "clock"),
            outbox::State::Delivered => (key("delivery-delivered"), "badge-ok", "check"),
            outbox::State::Failed => (key("delivery-failed"), "badge-danger", "alert"),
            outbox::State::Dropped => (key("delivery-dropped"), "", "x"),
        };
        let answer = match (entry.status, entry.failure.as_deref()) {
            (Some(status), _) => layout.tf("answered-status", &[("status", status.to_string().as_str())]),
            (None, Some("timeout")) => layout.t("failure-timeout").to_owned(),
            (None, Some("target_refused")) => layout.t("failure-target").to_owned(),
            (None, Some("name_not_found")) => layout.t("failure-name").to_owned(),
            (None, Some("tls_failed")) => layout.t("failure-tls").to_owned(),
            (None, Some(_)) => layout.t("failure-connection").to_owned(),
            (None, None) => String::new(),
        };
        Self {
            kind: if entry.kind == LOGOUT_TEST { key("delivery-test") } else { key("delivery-logout") },
            state,
            badge,
            icon,
            created: entry.created_at.into(),
            attempts: usize::try_from(entry.attempts).unwrap_or_default(),
            answer,
            next: (entry.state == outbox::State::Waiting).then_some(entry.due_at).flatten().map(When::from),
        }
    }
}

/// Addresses by their words.
type Addresses = Vec<(&'static str, String)>;

/// The addresses by their words, as discovery has them.
fn endpoints(env: &Env) -> (Addresses, Addresses) {
    let (app, internal) = (&env.app_url.origin, &env.internal_url);
    let first = vec![
        (key("discovery-url"), format!("{app}/.well-known/openid-configuration")),
        (key("logout-url"), format!("{app}/api/oidc/end-session")),
    ];
    let more = vec![
        (key("issuer-url"), app.clone()),
        (key("authorization-url"), format!("{app}/authorize")),
        (key("token-url"), format!("{internal}/api/oidc/token")),
        (key("userinfo-url"), format!("{internal}/api/oidc/userinfo")),
        (key("certificate-url"), format!("{internal}/.well-known/jwks.json")),
    ];
    (first, more)
}

/// `GET /settings/admin/oidc-clients`.
pub async fn list(State(app): State<App>, request: PageRequest) -> Result<Response, PageError> {
    let wanted = ListView::request(&request);
    let asked = wanted.clone();
    let found = request.read(&app, move |tx, creds, ctx| clients::list(tx, &creds.admin(tx, ctx.now)?, &asked)).await?;
    let list = ListView::new("/settings/admin/oidc-clients", &wanted, &found);
    let rows = found.items.into_iter().map(|(client, _, groups)| ClientRow {
        path: client_id_to_path(&client.id),
        client: shown(&client),
        description: client.description,
        allowed_groups: client.is_group_restricted.then_some(groups),
        is_public: client.is_public,
        requires_reauthentication: client.requires_reauthentication,
    });
    Ok(page(
        StatusCode::OK,
        &ClientsPage { list, clients: rows.collect(), templates: &TEMPLATES, layout: request.layout },
    ))
}

/// `GET /settings/admin/oidc-clients/{id}`.
pub async fn details(
    State(app): State<App>,
    Path(id): Path<String>,
    request: PageRequest,
) -> Result<Response, PageError> {
    let id = client_id_from_path(&id);
    let (asked, previewed) = (Asked::new(&request), PreviewAsked::new(&app, &request));
    let read = request.read(&app, move |tx, creds, ctx| {
        let admin = creds.admin(tx, ctx.now)?;
        let every =
            ListRequest { limit: ALL, sort: Some(("friendlyName".to_owned(), false)), ..ListRequest::default() };
        let deliveries = backchannel_logout::deliveries(tx, &admin, &id)?;
        let details = clients::get(tx, &admin, &id)?;
        let apis = ClientApis::read(tx, &admin, &details.client, &asked)?;
        let preview = previewed.read(tx, ctx, creds, &admin, &id)?;
        Ok((details, groups::list(tx, &admin, &every)?, deliveries, apis, claims::suggestions(tx, &admin)?, preview))
    });
    let (details, all, deliveries, apis, custom, preview) = read.await?;
    let client = details.client;
    let names: Vec<&str> = details.groups.iter().map(|g| g.friendly_name.as_str()).collect();
    let audience = match (client.is_group_restricted, names.is_empty()) {
        (false, _) => Audience::Everybody,
        (true, true) => Audience::Nobody,
        (true, false) => Audience::Groups(names.join(", ")),
    };
    let choices = all.items.into_iter().map(|(group, _, members)| Choice {
        on: details.groups.iter().any(|g| g.id == group.id),
        id: group.id.into_string(),
        name: group.friendly_name,
        hint: request.layout.tn("members", &usize::try_from(members).unwrap_or_default()),
        fixed: false,
        listed: false,
    });
    let now = request.ctx.now;
    let secrets = details.secrets.into_iter().map(|secret| SecretView {
        is_active: secret.is_active(now),
        id: secret.id,
        prefix: secret.prefix,
        created: secret.created_at.into(),
        expires: secret.expires_at.map(When::from),
    });
    let (first, more_endpoints) = endpoints(app.env());
    let view = ClientPage {
        version: client.version,
        path: client_id_to_path(&client.id),
        client: shown(&client),
        issuer: app.env().app_url.origin.clone(),
        endpoints: first,
        more_endpoints,
        audience,
        groups: choices.collect(),
        secrets: secrets.collect(),
        deliveries: deliveries.into_iter().map(|d| DeliveryView::new(&request.layout, d)).collect(),
        grants: apis.grants,
        candidates: apis.candidates,
        access: apis.access,
        access_words: APIS,
        mapping: MappingView::new(&client, custom),
        preview_at: PreviewAsked::first(request.layout.user.as_ref().map_or("", |user| user.id.as_str())),
        preview,
        stored: client,
        layout: request.layout,
    };
    Ok(page(StatusCode::OK, &view))
}

impl ClientPage {
    fn is_taken_over(&self) -> bool {
        self.stored.backchannel_logout_source == BackchannelSource::TakenOver
    }

    /// Minutes; nothing stands for the usual ones.
    fn id_token_minutes(&self) -> String {
        self.stored.id_token_minutes.map(|minutes| minutes.to_string()).unwrap_or_default()
    }

    /// What a new row begins with.
    fn blank_identity(&self) -> FederatedIdentity {
        FederatedIdentity { replay_protection: true, ..FederatedIdentity::default() }
    }

    /// What may sign its tokens: a name, and a word where there is none.
    fn signing_algs(&self) -> [(&'static str, &'static str); 4] {
        [("", key("signing-alg-default")), ("RS256", ""), ("ES256", ""), ("EdDSA", "")]
    }

    fn signs_with(&self, alg: &str) -> bool {
        self.stored.signing_alg.as_deref().unwrap_or_default() == alg
    }

    /// How it may be made to authenticate.
    fn auth_methods(&self) -> Vec<(&'static str, &'static str)> {
        let own = |method: AuthMethod| (method == AuthMethod::None) == self.stored.is_public;
        let methods = AuthMethod::ALL.into_iter().filter(|method| own(*method)).map(|method| {
            let word = match method {
                AuthMethod::ClientSecretBasic => key("auth-method-basic"),
                AuthMethod::ClientSecretPost => key("auth-method-post"),
                AuthMethod::PrivateKeyJwt => key("auth-method-key"),
                AuthMethod::None => key("auth-method-none"),
            };
            (method.as_str(), word)
        });
        std::iter::once(("", key("auth-method-any"))).chain(methods).collect()
    }

    fn authenticates_by(&self, method: &str) -> bool {
        self.stored.auth_method.map_or("", AuthMethod::as_str) == method
    }

    /// How long a new secret may live: days and a word.
    fn lifetimes(&self) -> [(i64, &'static str); 5] {
        [
            (30, key("days-30")),
            (90, key("days-90")),
            (180, key("days-180")),
            (360, key("days-360")),
            (720, key("days-720")),
        ]
    }
}
