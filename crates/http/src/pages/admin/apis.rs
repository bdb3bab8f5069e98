//! APIs, their permissions, and the clients that may ask for them.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use pid_core::ApiId;
use pid_core::apis::Api;
use pid_flows::apis;

use super::ListView;
use super::access::{AccessView, AccessWords, ApiClients, Asked, CLIENTS, Candidates, GrantView};
use crate::extract::Path;
use crate::pages::{Layout, PageError, PageRequest, page};
use crate::state::App;

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

/// `GET /settings/admin/apis`.
pub async fn list(State(app): State<App>, request: PageRequest) -> Result<Response, PageError> {
    let wanted = ListView::request(&request);
    let asked = wanted.clone();
    let found = request.read(&app, move |tx, creds, ctx| apis::list(tx, &creds.admin(tx, ctx.now)?, &asked)).await?;
    let list = ListView::new("/settings/admin/apis", &wanted, &found);
    Ok(page(StatusCode::OK, &ApisPage { list, apis: found.items, layout: request.layout }))
}

/// `GET /settings/admin/apis/{id}`.
pub async fn details(
    State(app): State<App>,
    Path(id): Path<String>,
    request: PageRequest,
) -> Result<Response, PageError> {
    let id = ApiId::new(id);
    let asked = Asked::new(&request);
    let mut wanted = ListView::request(&request);
    // The search looks among the clients that have no access yet.
    wanted.search = None;
    let pages = wanted.clone();
    let read = request.read(&app, move |tx, creds, ctx| {
        let admin = creds.admin(tx, ctx.now)?;
        let api = apis::get(tx, &admin, &id)?;
        let clients = ApiClients::read(tx, &admin, &api, &asked, &pages)?;
        Ok((api, clients))
    });
    let (api, clients) = read.await?;
    let view = ApiPage {
        list: ListView::new(&format!("/settings/admin/apis/{}", api.id), &wanted, &clients.grants),
        api,
        grants: clients.grants.items,
        candidates: clients.candidates,
        access: clients.access,
        access_words: CLIENTS,
        layout: request.layout,
    };
    Ok(page(StatusCode::OK, &view))
}
