//! APIs, their permissions, and what clients may ask of them.

use std::collections::{BTreeMap, BTreeSet};

use pid_core::apis::{Api, Permission};
use pid_core::{ApiId, ClientId, Ctx, PermissionId};
use pid_store::{WriteTx, apis as store_apis, import as store};
use pid_upstream::Data;

use super::report::Report;
use super::{Known, NOWHERE, made, pointer};
use crate::Error;

#[derive(Default)]
pub(super) struct Apis {
    apis: Vec<Api>,
    /// Client, API, subject.
    grants: BTreeSet<(String, String, String)>,
    /// Client, permission, subject.
    permissions: BTreeSet<(String, String, String)>,
}

pub(super) fn read(data: &Data, ctx: &Ctx, known: &Known, report: &mut Report) -> Apis {
    let mut out = Apis::default();
    let mut names = BTreeSet::new();
    for row in data.rows("apis") {
        let id = row.some_text("id").filter(|id| out.apis.iter().all(|api| api.id.as_str() != id));
        let resource = row.some_text("audience").map(|text| text.trim_end_matches('/').to_owned());
        let (Some(id), Some(resource)) = (id, resource.filter(|name| names.insert(name.clone()))) else {
            report.left(
                "These APIs have no id or no audience, or have one that is there twice.",
                row.text("name").unwrap_or_default(),
            );
            continue;
        };
        out.apis.push(Api {
            id: ApiId::new(id),
            name: row.some_text("name").unwrap_or_else(|| resource.clone()),
            resource,
            allow_cimd_clients: row.flag("allow_cimd_clients"),
            signing_alg: None,
            resource_server: None,
            permissions: Vec::new(),
            created_at: made(&row, ctx),
            version: 1,
        });
    }
    let api_of = read_permissions(data, &mut out, report);
    let known_apis: BTreeSet<String> = out.apis.iter().map(|api| api.id.to_string()).collect();
    let subject =
        |row: &pid_upstream::Row<'_>| row.text("subject_type").filter(|s| matches!(s.as_str(), "user" | "client"));
    for row in data.rows("oidc_clients_allowed_apis") {
        match (pointer(&row, "oidc_client_id", &known.clients), pointer(&row, "api_id", &known_apis), subject(&row)) {
            (Some(client), Some(api), Some(subject)) => drop(out.grants.insert((client, api, subject))),
            _ => report.left(NOWHERE, "access of a client to an API"),
        }
    }
    for row in data.rows("oidc_clients_allowed_api_permissions") {
        let permission = row.text("api_permission_id").and_then(|id| Some((api_of.get(&id)?.clone(), id)));
        match (pointer(&row, "oidc_client_id", &known.clients), permission, subject(&row)) {
            (Some(client), Some((api, permission)), Some(subject)) => {
                // Before 2.14 a permission was access enough.
                out.grants.insert((client.clone(), api, subject.clone()));
                out.permissions.insert((client, permission, subject));
            }
            _ => report.left(NOWHERE, "a permission of a client"),
        }
    }
    report.comes("APIs", out.apis.len());
    report.comes("permissions of APIs", api_of.len());
    report.comes("kinds of access of clients to APIs", out.grants.len());
    out
}

/// Reads permissions into their APIs. Gives the API of each.
fn read_permissions(data: &Data, out: &mut Apis, report: &mut Report) -> BTreeMap<String, String> {
    let mut api_of = BTreeMap::new();
    let mut rows: Vec<_> = data.rows("api_permissions").collect();
    rows.sort_by_key(|row| row.time("created_at"));
    for row in rows {
        let key = row.some_text("key").unwrap_or_default();
        let api = row.text("api_id").and_then(|id| out.apis.iter_mut().find(|api| api.id.as_str() == id));
        let (Some(api), Some(id)) = (api, row.some_text("id")) else {
            report.left(NOWHERE, format!("the permission {key}"));
            continue;
        };
        if key.is_empty() || api_of.contains_key(&id) || api.permissions.iter().any(|other| other.key == key) {
            report.left("These permissions are there twice, or have no name.", key);
            continue;
        }
        api_of.insert(id.clone(), api.id.to_string());
        api.permissions.push(Permission {
            id: PermissionId::new(id),
            name: row.some_text("name").unwrap_or_else(|| key.clone()),
            key,
            description: row.some_text("description"),
            allowed_for_cimd_clients: row.flag("allowed_for_cimd_clients"),
        });
    }
    api_of
}

impl Apis {
    /// Whether there is an API of this name.
    pub(super) fn has(&self, resource: &str) -> bool {
        self.apis.iter().any(|api| api.resource == resource)
    }
}

pub(super) fn write(tx: &WriteTx<'_>, apis: &Apis) -> Result<(), Error> {
    for api in &apis.apis {
        store_apis::insert(tx, api)?;
        for (place, permission) in (0..).zip(&api.permissions) {
            store_apis::insert_permission(tx, &api.id, permission, place)?;
        }
    }
    for (client, api, subject) in &apis.grants {
        store::add_api_grant(tx, &ClientId::new(client.as_str()), &ApiId::new(api.as_str()), subject)?;
    }
    for (client, permission, subject) in &apis.permissions {
        let permission = PermissionId::new(permission.as_str());
        store::add_api_permission(tx, &ClientId::new(client.as_str()), &permission, subject)?;
    }
    Ok(())
}
