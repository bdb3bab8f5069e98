//! My Apps: the launcher, and what one has signed in to.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use pid_core::ids::client_id_to_path;
use pid_core::list::ListRequest;
use pid_flows::authorized_clients;
use pid_flows::cimd::shown_name;
use pid_store::authorized_clients::PersonalClient;

use super::interaction::ClientView;
use super::{Layout, PageError, PageRequest, When, page};
use crate::state::App;

/// Apps that are shown, at most; a search finds the others.
const SHOWN: i64 = 100;

/// An app in the launcher.
#[derive(Clone, Debug)]
pub struct AppView {
    /// How people see it.
    pub client: ClientView,
    /// Its id as a part of a path.
    pub path: String,
    /// May be empty.
    pub description: String,
    /// Where it is; empty: it can't be launched from here.
    pub launch_url: String,
    /// The host of that.
    pub host: String,
    /// When one last signed in to it; `None`: not yet.
    pub last_used: Option<When>,
}

impl From<PersonalClient> for AppView {
    fn from(c: PersonalClient) -> Self {
        let launch_url = c.launch_url.unwrap_or_default();
        let host = url::Url::parse(&launch_url).ok().and_then(|url| url.host_str().map(str::to_owned));
        Self {
            path: client_id_to_path(&c.id),
            client: ClientView {
                name: shown_name(&c.client_type, c.id.as_str(), c.name),
                id: c.id.into_string(),
                has_logo: c.has_logo,
                has_dark_logo: c.has_dark_logo,
            },
            description: c.description,
            host: host.unwrap_or_default(),
            launch_url,
            last_used: c.last_used_at.map(When::from),
        }
    }
}

/// `/settings/apps`.
#[derive(Debug, Template)]
#[template(path = "apps.html")]
pub struct AppsPage {
    /// What every page needs.
    pub layout: Layout,
    /// Apps that can be launched, the latest used first.
    pub apps: Vec<AppView>,
    /// Apps that one has signed in to and that have no address here.
    pub others: Vec<AppView>,
}

impl AppsPage {
    fn edits(&self) -> bool {
        self.layout.powers().is_admin
    }
}

/// `GET /settings/apps`.
pub async fn apps(State(app): State<App>, request: PageRequest) -> Result<Response, PageError> {
    request.signed_in()?;
    let read = request.read(&app, |tx, creds, ctx| {
        let who = creds.signed_in(tx, ctx.now)?;
        let every = ListRequest { limit: SHOWN, ..ListRequest::default() };
        Ok((authorized_clients::usable(tx, &who, &every)?.items, authorized_clients::own(tx, &who, &every)?.items))
    });
    let (usable, own) = read.await?;
    let mut apps: Vec<AppView> = usable.into_iter().map(AppView::from).filter(|a| !a.launch_url.is_empty()).collect();
    // The newest first; those that one has never used in the order of their names.
    apps.sort_by(|a, b| {
        let used = |app: &AppView| app.last_used.as_ref().map(|at| at.iso.clone());
        used(b).cmp(&used(a)).then_with(|| a.client.name.to_lowercase().cmp(&b.client.name.to_lowercase()))
    });
    let others = own.into_iter().map(AppView::from).filter(|a| a.launch_url.is_empty()).collect();
    Ok(page(StatusCode::OK, &AppsPage { apps, others, layout: request.layout }))
}
