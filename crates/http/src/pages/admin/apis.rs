//! APIs, their permissions, and the clients that may ask for them.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use pid_core::ApiId;
use pid_core::apis::Api;
use pid_core::list::ListRequest;
use pid_flows::apis;

use super::access::{AccessView, AccessWords, ApiClients, Asked, CLIENTS, Candidates, GrantView};
use super::list::{Column, Table};
use super::{ALL, ListView};
use crate::extract::Path;
use crate::pages::{Layout, PageError, PageRequest, key, page};
use crate::state::App;

static TABLE: Table = Table {
    id: "api-list",
    path: "/settings/admin/apis",
    columns: &[
        Column::new("resource", key("resource")).sorted(),
        Column::new("permissions", key("permissions")),
        Column::new("metadata", key("metadata-clients")),
        Column::new("id", key("column-id")).hidden(),
    ],
    facets: &[],
};

/// `/settings/admin/apis`.
#[derive(Debug, Template)]
#[template(path = "admin/apis.html")]
pub struct ApisPage {
    /// What every page needs.
    pub layout: Layout,
    /// Search, order and pages.
    pub list: ListView,
    /// The rows.
    pub apis: Vec<Api>,
}

/// `/settings/admin/apis/{id}`.
#[derive(Debug, Template)]
#[template(path = "admin/api.html")]
pub struct ApiPage {
    /// What every page needs.
    pub layout: Layout,
    /// The API with its permissions.
    pub api: Api,
    /// The clients that it may be, as which it asks about tokens: id and name.
    pub servers: Vec<(String, String)>,
    /// The pages of the clients that reach it.
    pub list: ListView,
    /// The clients that reach it.
    pub grants: Vec<GrantView>,
    /// The clients that could be given access.
    pub candidates: Candidates,
    /// The dialog of one client's access.
    pub access: Option<AccessView>,
    /// How it speaks of them.
    pub access_words: AccessWords,
}

impl ApiPage {
    /// What may sign tokens for it: a name, and a word where there is none.
    fn signing_algs(&self) -> [(&'static str, &'static str); 4] {
        [("", key("api-signing-alg-default")), ("RS256", ""), ("ES256", ""), ("EdDSA", "")]
    }

    fn signs_with(&self, alg: &str) -> bool {
        self.api.signing_alg.as_deref().unwrap_or_default() == alg
    }

    fn is_served_by(&self, client: &str) -> bool {
        self.api.resource_server.as_ref().is_some_and(|id| id.as_str() == client)
    }
}

/// `GET /settings/admin/apis`.
pub async fn list(State(app): State<App>, mut request: PageRequest) -> Result<Response, PageError> {
    request.layout.only_admins_change();
    let wanted = ListView::request(&request);
    let asked = wanted.clone();
    let found =
        request.read(&app, move |tx, creds, ctx| apis::list(tx, &creds.reads_all(tx, ctx.now)?, &asked)).await?;
    let list = ListView::of(&TABLE, &request, &wanted, &found);
    Ok(page(StatusCode::OK, &ApisPage { list, apis: found.items, layout: request.layout }))
}

/// `GET /settings/admin/apis/{id}`.
pub async fn details(
    State(app): State<App>,
    Path(id): Path<String>,
    mut request: PageRequest,
) -> Result<Response, PageError> {
    request.layout.only_admins_change();
    let id = ApiId::new(id);
    let asked = Asked::new(&request);
    let mut wanted = ListView::request(&request);
    // The search looks among the clients that have no access yet.
    wanted.search = None;
    let pages = wanted.clone();
    let read = request.read(&app, move |tx, creds, ctx| {
        let who = creds.reads_all(tx, ctx.now)?;
        let api = apis::get(tx, &who, &id)?;
        let clients = ApiClients::read(tx, &who, &api, &asked, &pages)?;
        let by_name = ListRequest { limit: ALL, sort: Some(("name".to_owned(), false)), ..ListRequest::default() };
        let servers = pid_flows::clients::list(tx, &who, &by_name)?;
        Ok((api, clients, servers))
    });
    let (api, clients, servers) = read.await?;
    let servers = servers.items.into_iter().filter(|(client, ..)| !client.is_public);
    let view = ApiPage {
        list: ListView::new(&format!("/settings/admin/apis/{}", api.id), &wanted, &clients.grants),
        api,
        servers: servers.map(|(client, ..)| (client.id.into_string(), client.name)).collect(),
        grants: clients.grants.items,
        candidates: clients.candidates,
        access: clients.access,
        access_words: CLIENTS,
        layout: request.layout,
    };
    Ok(page(StatusCode::OK, &view))
}
