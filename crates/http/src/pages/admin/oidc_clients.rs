//! OIDC clients.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use pid_core::clients::Client;
use pid_core::ids::{client_id_from_path, client_id_to_path};
use pid_core::list::ListRequest;
use pid_flows::env::Env;
use pid_flows::{clients, groups};

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
    Ok(page(StatusCode::OK, &ClientsPage { list, clients: rows.collect(), layout: request.layout }))
}

/// `GET /settings/admin/oidc-clients/{id}`.
pub async fn details(
    State(app): State<App>,
    Path(id): Path<String>,
    request: PageRequest,
) -> Result<Response, PageError> {
    let id = client_id_from_path(&id);
    let read = request.read(&app, move |tx, creds, ctx| {
        let admin = creds.admin(tx, ctx.now)?;
        let every =
            ListRequest { limit: ALL, sort: Some(("friendlyName".to_owned(), false)), ..ListRequest::default() };
        Ok((clients::get(tx, &admin, &id)?, groups::list(tx, &admin, &every)?))
    });
    let (details, all) = read.await?;
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
        endpoints: first,
        more_endpoints,
        audience,
        groups: choices.collect(),
        secrets: secrets.collect(),
        stored: client,
        layout: request.layout,
    };
    Ok(page(StatusCode::OK, &view))
}

impl ClientPage {
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
