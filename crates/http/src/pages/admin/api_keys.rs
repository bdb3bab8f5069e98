//! The own API keys of whoever sees the administration: a key may do what its owner may.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use pid_core::Timestamp;
use pid_core::api_keys::{ApiKey, Scope};
use pid_flows::api_keys;

use super::ListView;
use super::list::{Column, Table};
use crate::pages::{Layout, PageError, PageRequest, When, key, page};
use crate::state::App;

/// The limits that a key may have: their names in the API and their words.
const SCOPES: [(Scope, &str, &str); 4] = [
    (Scope::ReadOnly, "read-only", key("scope-read-only")),
    (Scope::Users, "users", key("scope-users")),
    (Scope::Clients, "clients", key("scope-clients")),
    (Scope::Audit, "audit", key("scope-audit")),
];

static TABLE: Table = Table {
    id: "api-key-list",
    path: "/settings/admin/api-keys",
    columns: &[
        Column::new("description", key("description")),
        Column::new("expiresAt", key("expires-at")).sorted(),
        Column::new("lastUsedAt", key("api-key-last-used")).sorted(),
        Column::new("createdAt", key("created")).hidden(),
    ],
    facets: &[],
};

const DAY: i64 = 24 * 3600;
/// How long a new key lives unless another day is chosen.
const LIFETIME: i64 = 30 * DAY;

/// A day as a date field holds it.
fn day(moment: Timestamp) -> String {
    When::from(moment).text
}

/// A key in the list.
#[derive(Clone, Debug)]
pub struct KeyRow {
    /// Its id.
    pub id: String,
    /// The name.
    pub name: String,
    /// May be empty.
    pub description: String,
    /// Words of its limits.
    pub scopes: Vec<&'static str>,
    /// From when on it is worth nothing.
    pub expires: When,
    /// Whether that has come.
    pub expired: bool,
    /// When it was last used, if ever.
    pub last_used: Option<When>,
    /// When it was made.
    pub created: When,
    /// The day to which a renewal would be proposed: it lives as long again.
    pub renewed_until: String,
}

impl KeyRow {
    fn new(key: ApiKey, now: Timestamp) -> Self {
        let lifetime = key.expires_at.secs_since(key.created_at).max(DAY);
        Self {
            id: key.id.into_string(),
            name: key.name,
            description: key.description.unwrap_or_default(),
            scopes: SCOPES.iter().filter(|(scope, ..)| key.scopes.contains(scope)).map(|(.., word)| *word).collect(),
            expires: key.expires_at.into(),
            expired: key.expires_at <= now,
            last_used: key.last_used_at.map(When::from),
            created: key.created_at.into(),
            renewed_until: day(now.plus_secs(lifetime)),
        }
    }
}

/// `/settings/admin/api-keys`.
#[derive(Debug, Template)]
#[template(path = "admin/api_keys.html")]
pub struct ApiKeysPage {
    /// What every page needs.
    pub layout: Layout,
    /// Order and pages.
    pub list: ListView,
    /// The rows.
    pub keys: Vec<KeyRow>,
    /// The first day on which a key may end.
    pub earliest: String,
    /// The day on which a new key ends unless another is chosen.
    pub proposed: String,
}

impl ApiKeysPage {
    fn scopes(&self) -> [(&'static str, &'static str); 4] {
        SCOPES.map(|(_, name, word)| (name, word))
    }
}

/// `GET /settings/admin/api-keys`.
pub async fn list(State(app): State<App>, request: PageRequest) -> Result<Response, PageError> {
    let mut wanted = ListView::request(&request);
    wanted.sort.get_or_insert_with(|| ("lastUsedAt".to_owned(), true));
    let asked = wanted.clone();
    let read = request.read(&app, move |tx, creds, ctx| {
        creds.reads_people(tx, ctx.now)?;
        api_keys::list(tx, &creds.signed_in(tx, ctx.now)?, &asked)
    });
    let found = read.await?;
    let now = request.ctx.now;
    let view = ApiKeysPage {
        list: ListView::of(&TABLE, &request, &wanted, &found),
        keys: found.items.into_iter().map(|key| KeyRow::new(key, now)).collect(),
        earliest: day(now.plus_secs(DAY)),
        proposed: day(now.plus_secs(LIFETIME)),
        layout: request.layout,
    };
    Ok(page(StatusCode::OK, &view))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_named_as_the_api_names_them() {
        for (scope, name, _) in SCOPES {
            assert_eq!(serde_json::to_value(scope).unwrap(), name);
        }
    }
}
