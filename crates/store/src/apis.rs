//! APIs, their permissions, and clients' access to them.

use pid_core::apis::{Api, ApiAccess, Permission, Subject};
use pid_core::list::{ListRequest, Page};
use pid_core::{ApiId, ClientId, PermissionId, Timestamp};

use crate::clients::FILTERS as CLIENT_FILTERS;
use crate::lists::ListSpec;
use crate::{ReadTx, Row, StoreError, WriteTx, params, statements};

/// The columns of an API in the order of [`bare`].
macro_rules! api_columns {
    () => {
        "apis.id, apis.name, apis.resource, apis.allow_cimd_clients, apis.created_at, apis.version, apis.signing_alg, apis.resource_server_id"
    };
}
pub(crate) use api_columns;

macro_rules! client_columns {
    () => {
        "clients.id, clients.name, clients.client_type, clients.is_public, clients.has_logo, clients.has_dark_logo"
    };
}

statements! {
    BY_ID = concat!("SELECT ", api_columns!(), " FROM apis WHERE apis.id = $1");
    BY_RESOURCE = concat!("SELECT ", api_columns!(), " FROM apis WHERE apis.resource = $1");
    INSERT = "INSERT INTO apis (id, name, resource, allow_cimd_clients, created_at, updated_at, version, signing_alg, resource_server_id) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    UPDATE = "UPDATE apis SET name = $2, allow_cimd_clients = $3, updated_at = $4, version = version + 1, signing_alg = $5, \
        resource_server_id = $6 WHERE id = $1";
    TOUCH = "UPDATE apis SET updated_at = $2, version = version + 1 WHERE id = $1";
    SIGNING_ALG = "SELECT signing_alg FROM apis WHERE resource = $1";
    SERVED = "SELECT resource FROM apis WHERE resource_server_id = $1";
    DELETE = "DELETE FROM apis WHERE id = $1";
    OF_CLIENT = concat!("SELECT ", api_columns!(), " FROM apis WHERE EXISTS (SELECT 1 FROM api_grants WHERE api_grants.api_id = apis.id AND api_grants.client_id = $1) \
        OR (apis.allow_cimd_clients AND EXISTS (SELECT 1 FROM clients WHERE clients.id = $1 AND clients.client_type = 'cimd')) ORDER BY apis.name, apis.id");

    PERMISSIONS = "SELECT id, key, name, description, allowed_for_cimd_clients FROM api_permissions WHERE api_id = $1 ORDER BY place, key";
    WITH_PERMISSION = "SELECT name FROM apis WHERE EXISTS \
        (SELECT 1 FROM api_permissions WHERE api_permissions.api_id = apis.id AND api_permissions.key = $1) ORDER BY name";
    INSERT_PERMISSION = "INSERT INTO api_permissions (id, api_id, key, name, description, allowed_for_cimd_clients, place) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    UPDATE_PERMISSION = "UPDATE api_permissions SET name = $2, description = $3, allowed_for_cimd_clients = $4, place = $5 WHERE id = $1";
    DELETE_PERMISSION = "DELETE FROM api_permissions WHERE id = $1";
    HOLDERS = "SELECT DISTINCT client_id, subject FROM api_grant_permissions WHERE permission_id = $1";

    GRANTS = "SELECT subject FROM api_grants WHERE client_id = $1 AND api_id = $2";
    GRANTED = "SELECT api_grant_permissions.permission_id, api_grant_permissions.subject FROM api_grant_permissions \
        JOIN api_permissions ON api_permissions.id = api_grant_permissions.permission_id \
        WHERE api_grant_permissions.client_id = $1 AND api_permissions.api_id = $2 ORDER BY api_permissions.place, api_permissions.key";
    INSERT_GRANT = "INSERT INTO api_grants (client_id, api_id, subject) VALUES ($1, $2, $3)";
    DELETE_GRANTS = "DELETE FROM api_grants WHERE client_id = $1 AND api_id = $2";
    DELETE_GRANT = "DELETE FROM api_grants WHERE client_id = $1 AND api_id = $2 AND subject = $3";
    INSERT_GRANTED = "INSERT INTO api_grant_permissions (client_id, permission_id, subject) VALUES ($1, $2, $3)";
    DELETE_GRANTED = "DELETE FROM api_grant_permissions WHERE client_id = $1 AND permission_id IN (SELECT id FROM api_permissions WHERE api_id = $2)";
}

const SORT: &[(&str, &str)] = &[
    ("createdAt", "apis.created_at"),
    ("name", "apis.name"),
    ("resource", "apis.resource"),
    ("audience", "apis.resource"),
];
const SEARCH: &[&str] = &["apis.name", "apis.resource"];

/// The list of APIs.
pub static LIST: ListSpec = ListSpec {
    columns: api_columns!(),
    from: "apis",
    base: None,
    search: SEARCH,
    sort: SORT,
    filters: &[],
    order: "apis.created_at, apis.id",
};

/// The list of APIs that a client can't reach yet.
pub static ASSIGNABLE: ListSpec = ListSpec {
    columns: api_columns!(),
    from: "apis",
    base: Some(
        "NOT EXISTS (SELECT 1 FROM api_grants WHERE api_grants.api_id = apis.id AND api_grants.client_id = $1) \
         AND NOT (apis.allow_cimd_clients AND EXISTS (SELECT 1 FROM clients WHERE clients.id = $1 AND clients.client_type = 'cimd'))",
    ),
    search: SEARCH,
    sort: SORT,
    filters: &[],
    order: "apis.name, apis.id",
};

const CLIENT_SORT: &[(&str, &str)] = &[
    ("createdAt", "clients.created_at"),
    ("name", "clients.name"),
    ("pkceEnabled", "clients.pkce_enabled"),
    ("requiresReauthentication", "clients.requires_reauthentication"),
    ("requiresPushedAuthorizationRequests", "clients.requires_pushed_authorization_requests"),
    ("skipConsent", "clients.skip_consent"),
    ("isGroupRestricted", "clients.is_group_restricted"),
    ("pkceSupported", "clients.pkce_supported"),
    ("clientType", "clients.client_type"),
];

/// The list of clients that reach an API.
pub static CLIENTS: ListSpec = ListSpec {
    columns: client_columns!(),
    from: "clients",
    base: Some(
        "(EXISTS (SELECT 1 FROM api_grants WHERE api_grants.client_id = clients.id AND api_grants.api_id = $1) \
         OR (clients.client_type = 'cimd' AND EXISTS (SELECT 1 FROM apis WHERE apis.id = $1 AND apis.allow_cimd_clients)))",
    ),
    search: &["clients.name"],
    sort: CLIENT_SORT,
    filters: &CLIENT_FILTERS,
    order: "clients.name, clients.id",
};

/// The list of clients without explicit access to an API.
pub static ASSIGNABLE_CLIENTS: ListSpec = ListSpec {
    columns: client_columns!(),
    from: "clients",
    base: Some(
        "NOT EXISTS (SELECT 1 FROM api_grants WHERE api_grants.client_id = clients.id AND api_grants.api_id = $1) \
         AND NOT (clients.client_type = 'cimd' AND EXISTS (SELECT 1 FROM apis WHERE apis.id = $1 AND apis.allow_cimd_clients))",
    ),
    search: &["clients.name"],
    sort: CLIENT_SORT,
    filters: &CLIENT_FILTERS,
    order: "clients.name, clients.id",
};

/// A client as lists of access show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessClient {
    /// `client_id`.
    pub id: ClientId,
    /// The name for people.
    pub name: String,
    /// `standard` or `cimd`.
    pub client_type: String,
    /// Whether it can keep no secret.
    pub is_public: bool,
    /// Whether a logo is stored.
    pub has_logo: bool,
    /// Whether a logo for dark backgrounds is stored.
    pub has_dark_logo: bool,
}

fn client(row: &Row) -> Result<AccessClient, StoreError> {
    Ok(AccessClient {
        id: ClientId::new(row.get::<String>(0)?),
        name: row.get(1)?,
        client_type: row.get(2)?,
        is_public: row.get(3)?,
        has_logo: row.get(4)?,
        has_dark_logo: row.get(5)?,
    })
}

/// An API without its permissions.
pub(crate) fn bare(row: &Row) -> Result<Api, StoreError> {
    Ok(Api {
        id: ApiId::new(row.get::<String>(0)?),
        name: row.get(1)?,
        resource: row.get(2)?,
        allow_cimd_clients: row.get(3)?,
        permissions: Vec::new(),
        created_at: Timestamp::from_millis(row.get(4)?),
        version: row.get(5)?,
        signing_alg: row.get(6)?,
        resource_server: row.get::<Option<String>>(7)?.map(ClientId::new),
    })
}

pub(crate) fn whole(tx: &ReadTx<'_>, mut api: Api) -> Result<Api, StoreError> {
    let rows = tx.query(&PERMISSIONS, params![api.id.as_str()])?;
    let read = |row: &Row| {
        Ok(Permission {
            id: PermissionId::new(row.get::<String>(0)?),
            key: row.get(1)?,
            name: row.get(2)?,
            description: row.get(3)?,
            allowed_for_cimd_clients: row.get(4)?,
        })
    };
    api.permissions = rows.iter().map(read).collect::<Result<_, StoreError>>()?;
    Ok(api)
}

fn whole_page(tx: &ReadTx<'_>, page: Page<Api>) -> Result<Page<Api>, StoreError> {
    let (total, number, limit) = (page.total, page.page, page.limit);
    let items = page.items.into_iter().map(|api| whole(tx, api)).collect::<Result<_, _>>()?;
    Ok(Page { items, total, page: number, limit })
}

/// A page of APIs.
pub fn list(tx: &ReadTx<'_>, request: &ListRequest) -> Result<Page<Api>, StoreError> {
    whole_page(tx, LIST.page(tx, request, None, bare)?)
}

/// A page of APIs that a client can't reach yet.
pub fn assignable(tx: &ReadTx<'_>, client: &ClientId, request: &ListRequest) -> Result<Page<Api>, StoreError> {
    whole_page(tx, ASSIGNABLE.page(tx, request, Some(client.as_str()), bare)?)
}

/// A page of clients that reach an API.
pub fn clients(tx: &ReadTx<'_>, api: &ApiId, request: &ListRequest) -> Result<Page<AccessClient>, StoreError> {
    CLIENTS.page(tx, request, Some(api.as_str()), client)
}

/// A page of clients without explicit access to an API.
pub fn assignable_clients(
    tx: &ReadTx<'_>,
    api: &ApiId,
    request: &ListRequest,
) -> Result<Page<AccessClient>, StoreError> {
    ASSIGNABLE_CLIENTS.page(tx, request, Some(api.as_str()), client)
}

/// An API by id.
pub fn by_id(tx: &ReadTx<'_>, id: &ApiId) -> Result<Option<Api>, StoreError> {
    let row = tx.query_opt(&BY_ID, params![id.as_str()])?;
    row.as_ref().map(bare).transpose()?.map(|api| whole(tx, api)).transpose()
}

/// The algorithm of access tokens for an API, if it has one of its own.
pub fn signing_alg(tx: &ReadTx<'_>, resource: &str) -> Result<Option<String>, StoreError> {
    tx.query_opt(&SIGNING_ALG, params![resource])?.map_or(Ok(None), |row| row.get(0))
}

/// The resource indicators of the APIs that a client is the server of.
pub fn served_by(tx: &ReadTx<'_>, client: &ClientId) -> Result<Vec<String>, StoreError> {
    tx.query(&SERVED, params![client.as_str()])?.iter().map(|row| row.get(0)).collect()
}

/// An API by its resource indicator.
pub fn by_resource(tx: &ReadTx<'_>, resource: &str) -> Result<Option<Api>, StoreError> {
    let row = tx.query_opt(&BY_RESOURCE, params![resource])?;
    row.as_ref().map(bare).transpose()?.map(|api| whole(tx, api)).transpose()
}

/// The APIs that a client reaches, by name.
pub fn of_client(tx: &ReadTx<'_>, client: &ClientId) -> Result<Vec<Api>, StoreError> {
    let rows = tx.query(&OF_CLIENT, params![client.as_str()])?;
    rows.iter().map(|row| whole(tx, bare(row)?)).collect()
}

/// Stores a new API. A taken resource is [`StoreError::UniqueViolation`].
pub fn insert(tx: &WriteTx<'_>, api: &Api) -> Result<(), StoreError> {
    tx.execute(
        &INSERT,
        params![
            api.id.as_str(),
            api.name.as_str(),
            api.resource.as_str(),
            api.allow_cimd_clients,
            api.created_at.millis(),
            api.created_at.millis(),
            api.version,
            api.signing_alg.clone(),
            api.resource_server.as_ref().map(ClientId::as_str)
        ],
    )?;
    Ok(())
}

/// Stores what can change of an API and raises its version.
pub fn update(tx: &WriteTx<'_>, api: &Api, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        &UPDATE,
        params![
            api.id.as_str(),
            api.name.as_str(),
            api.allow_cimd_clients,
            now.millis(),
            api.signing_alg.clone(),
            api.resource_server.as_ref().map(ClientId::as_str)
        ],
    )?;
    Ok(())
}

/// Notes that something beside an API's own row has changed.
pub fn touch(tx: &WriteTx<'_>, id: &ApiId, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(&TOUCH, params![id.as_str(), now.millis()])?;
    Ok(())
}

/// Deletes an API with its permissions and all access to it.
pub fn delete(tx: &WriteTx<'_>, id: &ApiId) -> Result<(), StoreError> {
    tx.execute(&DELETE, params![id.as_str()])?;
    Ok(())
}

/// The names of the APIs that have a permission of this key.
pub fn with_permission(tx: &ReadTx<'_>, key: &str) -> Result<Vec<String>, StoreError> {
    tx.query(&WITH_PERMISSION, params![key])?.iter().map(|row| row.get(0)).collect()
}

/// Stores a new permission at a place.
pub fn insert_permission(tx: &WriteTx<'_>, api: &ApiId, p: &Permission, place: i64) -> Result<(), StoreError> {
    tx.execute(
        &INSERT_PERMISSION,
        params![
            p.id.as_str(),
            api.as_str(),
            p.key.as_str(),
            p.name.as_str(),
            p.description.clone(),
            p.allowed_for_cimd_clients,
            place
        ],
    )?;
    Ok(())
}

/// Stores a changed permission.
pub fn update_permission(tx: &WriteTx<'_>, p: &Permission, place: i64) -> Result<(), StoreError> {
    tx.execute(
        &UPDATE_PERMISSION,
        params![p.id.as_str(), p.name.as_str(), p.description.clone(), p.allowed_for_cimd_clients, place],
    )?;
    Ok(())
}

/// Deletes a permission. A client that thereby loses its last one of the API for a kind of subject loses access for it.
pub fn delete_permission(tx: &WriteTx<'_>, api: &ApiId, id: &PermissionId) -> Result<(), StoreError> {
    let holders = tx.query(&HOLDERS, params![id.as_str()])?;
    tx.execute(&DELETE_PERMISSION, params![id.as_str()])?;
    for row in holders {
        let (client, subject) = (ClientId::new(row.get::<String>(0)?), row.get::<String>(1)?);
        let left = access(tx, &client, api)?;
        let rest = if subject == Subject::Client.as_str() { left.client_permissions } else { left.user_permissions };
        if rest.is_empty() {
            tx.execute(&DELETE_GRANT, params![client.as_str(), api.as_str(), subject])?;
        }
    }
    Ok(())
}

/// A client's explicit access to an API.
pub fn access(tx: &ReadTx<'_>, client: &ClientId, api: &ApiId) -> Result<ApiAccess, StoreError> {
    let mut out = ApiAccess::none(client.clone(), api.clone());
    for row in tx.query(&GRANTS, params![client.as_str(), api.as_str()])? {
        if row.get::<String>(0)? == Subject::Client.as_str() { out.client = true } else { out.user_delegated = true }
    }
    for row in tx.query(&GRANTED, params![client.as_str(), api.as_str()])? {
        let id = PermissionId::new(row.get::<String>(0)?);
        let is_client = row.get::<String>(1)? == Subject::Client.as_str();
        if is_client { out.client_permissions.push(id) } else { out.user_permissions.push(id) }
    }
    Ok(out)
}

/// Replaces a client's access to an API.
pub fn set_access(tx: &WriteTx<'_>, access: &ApiAccess) -> Result<(), StoreError> {
    let (client, api) = (access.client_id.as_str(), access.api_id.as_str());
    tx.execute(&DELETE_GRANTED, params![client, api])?;
    tx.execute(&DELETE_GRANTS, params![client, api])?;
    let modes = [
        (Subject::User, access.user_delegated, &access.user_permissions),
        (Subject::Client, access.client, &access.client_permissions),
    ];
    for (subject, on, permissions) in modes {
        if !on {
            continue;
        }
        tx.execute(&INSERT_GRANT, params![client, api, subject.as_str()])?;
        for permission in permissions {
            tx.execute(&INSERT_GRANTED, params![client, permission.as_str(), subject.as_str()])?;
        }
    }
    Ok(())
}
