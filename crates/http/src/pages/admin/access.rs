//! What clients may ask of APIs, as the pages of an API and of a client show it: lists of grants, and the dialog in which
//! one of them is changed.
//!
//! The page reads the dialog anew when it is opened, from its own address with `?access=` and the other side's id, so
//! that the dialog shows what is stored then.

use pid_core::apis::{Api, Permission};
use pid_core::clients::Client;
use pid_core::ids::client_id_to_path;
use pid_core::list::{ListRequest, Page};
use pid_core::{ApiId, ClientId, PermissionId};
use pid_flows::apis::{self, Reach};
use pid_flows::roles::ReadsAll;
use pid_flows::{Error, clients};
use pid_store::ReadTx;
use pid_store::apis::AccessClient;

use crate::pages::interaction::ClientView;
use crate::pages::{PageRequest, key};

/// Clients or APIs that are offered at once; a search finds the others.
const OFFERED: i64 = 50;

/// What a page with grants is asked for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Whose access, or access to what, the dialog shows.
    access: Option<String>,
    /// What is looked for among those without access.
    search: Option<String>,
}

impl Asked {
    /// From the page's address.
    pub fn new(request: &PageRequest) -> Self {
        let text = |name: &str| request.param(name).map(|value| value.replace('\0', "")).filter(|v| !v.is_empty());
        Self { access: text("access"), search: text("search") }
    }

    fn candidates(&self) -> ListRequest {
        ListRequest { limit: OFFERED, search: self.search.clone(), ..ListRequest::default() }
    }
}

/// The words in which a page speaks of the other side.
#[derive(Clone, Copy, Debug)]
pub struct AccessWords {
    /// The head of the list's first column.
    pub head: &'static str,
    /// The button that adds one.
    pub add: &'static str,
    /// The question before access is taken away.
    pub question: &'static str,
}

/// On the page of an API.
pub const CLIENTS: AccessWords =
    AccessWords { head: key("client"), add: key("add-client-access"), question: key("revoke-access-for") };

/// On the page of a client.
pub const APIS: AccessWords =
    AccessWords { head: key("api-name"), add: key("add-api"), question: key("revoke-access-to") };

/// How far access of one kind goes: the number of permissions, or none at all.
pub type Extent = Option<usize>;

/// A client's access to an API in a list.
#[derive(Clone, Debug)]
pub struct GrantView {
    /// The id of the other side.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its page.
    pub href: String,
    /// The resource of an API; empty for a client.
    pub resource: String,
    /// The client, for its picture; `None` for an API.
    pub client: Option<ClientView>,
    /// Where the access is in the API.
    pub api: String,
    /// For people.
    pub user: Extent,
    /// For the client itself.
    pub own: Extent,
    /// Permissions of the API.
    pub total: usize,
    /// Whether somebody granted it, so that it can be taken away.
    pub explicit: bool,
}

fn address(api: &ApiId, client: &ClientId) -> String {
    format!("/api/apis/{api}/clients/{}", client_id_to_path(client))
}

/// Permissions for people, granted or by the API's openness.
fn for_people(reach: &Reach) -> Vec<&PermissionId> {
    let opened = reach.cimd_permissions.iter().filter(|id| !reach.access.user_permissions.contains(id));
    reach.access.user_permissions.iter().chain(opened).collect()
}

impl GrantView {
    fn new(reach: &Reach, total: usize) -> Self {
        let access = &reach.access;
        Self {
            id: String::new(),
            name: String::new(),
            href: String::new(),
            resource: String::new(),
            client: None,
            api: address(&access.api_id, &access.client_id),
            user: (access.user_delegated || reach.cimd).then(|| for_people(reach).len()),
            own: access.client.then_some(access.client_permissions.len()),
            total,
            explicit: access.user_delegated || access.client,
        }
    }

    /// Both kinds with their words.
    #[must_use]
    pub fn extents(&self) -> [(&'static str, Extent); 2] {
        [(key("user-delegated-access"), self.user), (key("client-access"), self.own)]
    }

    fn of_api(api: &Api, reach: &Reach) -> Self {
        Self {
            id: api.id.to_string(),
            name: api.name.clone(),
            href: format!("/settings/admin/apis/{}", api.id),
            resource: api.resource.clone(),
            ..Self::new(reach, api.permissions.len())
        }
    }

    fn of_client(client: AccessClient, reach: &Reach, total: usize) -> Self {
        Self {
            id: client.id.to_string(),
            name: client.name.clone(),
            href: format!("/settings/admin/oidc-clients/{}", client_id_to_path(&client.id)),
            client: Some(ClientView {
                id: client.id.into_string(),
                name: client.name,
                has_logo: client.has_logo,
                has_dark_logo: client.has_dark_logo,
            }),
            ..Self::new(reach, total)
        }
    }
}

/// A permission in the dialog.
#[derive(Clone, Debug)]
pub struct PermissionView {
    /// Its id.
    pub id: String,
    /// The name for people.
    pub name: String,
    /// The scope.
    pub key: String,
    /// Whether it is granted for people.
    pub user: bool,
    /// Whether it is granted to the client itself.
    pub own: bool,
    /// Whether the client has it for people because the API is open to its kind.
    pub opened: bool,
}

/// The dialog that says what a client may ask of an API.
#[derive(Clone, Debug)]
pub struct AccessView {
    /// The other side's name.
    pub title: String,
    /// Where it is saved.
    pub api: String,
    /// The API that it is part of.
    pub owner: String,
    /// The API's version, sent as `If-Match`.
    pub version: i64,
    /// Whether the client can't speak for itself.
    pub is_public: bool,
    /// Whether it was given access for people.
    pub user: bool,
    /// Whether it was given access for itself.
    pub own: bool,
    /// Whether the API is open to its kind.
    pub opened: bool,
    /// What can be granted.
    pub permissions: Vec<PermissionView>,
}

impl AccessView {
    fn new(title: &str, api: &Api, client: &Client, reach: &Reach) -> Self {
        let access = &reach.access;
        let permission = |p: &Permission| PermissionView {
            id: p.id.to_string(),
            name: p.name.clone(),
            key: p.key.clone(),
            user: access.user_permissions.contains(&p.id),
            own: access.client_permissions.contains(&p.id),
            opened: reach.cimd_permissions.contains(&p.id),
        };
        Self {
            title: title.to_owned(),
            api: address(&api.id, &client.id),
            owner: format!("/api/apis/{}", api.id),
            version: api.version,
            is_public: client.is_public,
            user: access.user_delegated,
            own: access.client,
            opened: reach.cimd,
            permissions: api.permissions.iter().map(permission).collect(),
        }
    }
}

/// Somebody or something that could be given access.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The id.
    pub id: String,
    /// The name.
    pub name: String,
    /// A second line, may be empty.
    pub hint: String,
}

/// Those that could be given access, as far as they are shown.
#[derive(Clone, Debug)]
pub struct Candidates {
    /// What is looked for.
    pub search: String,
    /// Those that are found.
    pub found: Vec<Candidate>,
    /// Whether there are more.
    pub more: bool,
}

impl Candidates {
    fn new<T>(asked: &Asked, found: Page<T>, candidate: impl FnMut(T) -> Candidate) -> Self {
        Self {
            search: asked.search.clone().unwrap_or_default(),
            more: found.total > OFFERED,
            found: found.items.into_iter().map(candidate).collect(),
        }
    }
}

/// The APIs of a client: the tab `API access` of its page.
#[derive(Clone, Debug)]
pub struct ClientApis {
    /// What it reaches.
    pub grants: Vec<GrantView>,
    /// What it could be given.
    pub candidates: Candidates,
    /// The dialog, if an API is asked for.
    pub access: Option<AccessView>,
}

impl ClientApis {
    /// Reads them.
    pub fn read(tx: &ReadTx<'_>, who: &ReadsAll, client: &Client, asked: &Asked) -> Result<Self, Error> {
        let rest = apis::assignable(tx, who, &client.id, &asked.candidates())?;
        let access = asked.access.as_deref().map(|id| -> Result<_, Error> {
            let (api, reach) = apis::reach_of(tx, who, &ApiId::new(id), &client.id)?;
            Ok(AccessView::new(&api.name, &api, client, &reach))
        });
        let grants = apis::of_client(tx, who, &client.id)?;
        Ok(Self {
            grants: grants.iter().map(|(api, reach)| GrantView::of_api(api, reach)).collect(),
            candidates: Candidates::new(asked, rest, |api| Candidate {
                id: api.id.into_string(),
                name: api.name,
                hint: api.resource,
            }),
            access: access.transpose()?,
        })
    }
}

/// The clients of an API: the card `Access` of its page.
#[derive(Clone, Debug)]
pub struct ApiClients {
    /// A page of those that reach it.
    pub grants: Page<GrantView>,
    /// Those that could be given access.
    pub candidates: Candidates,
    /// The dialog, if a client is asked for.
    pub access: Option<AccessView>,
}

impl ApiClients {
    /// Reads them.
    pub fn read(
        tx: &ReadTx<'_>,
        who: &ReadsAll,
        api: &Api,
        asked: &Asked,
        wanted: &ListRequest,
    ) -> Result<Self, Error> {
        let rest = apis::assignable_clients(tx, who, &api.id, &asked.candidates())?;
        let access = asked.access.as_deref().map(|id| -> Result<_, Error> {
            let client = clients::get(tx, who, &ClientId::new(id))?.client;
            let (api, reach) = apis::reach_of(tx, who, &api.id, &client.id)?;
            Ok(AccessView::new(&client.name, &api, &client, &reach))
        });
        let total = api.permissions.len();
        let grants = apis::clients(tx, who, &api.id, wanted)?;
        Ok(Self {
            grants: grants.map(|(client, reach)| GrantView::of_client(client, &reach, total)),
            candidates: Candidates::new(asked, rest, |client| Candidate {
                id: client.id.into_string(),
                name: client.name,
                hint: String::new(),
            }),
            access: access.transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pid_core::apis::ApiAccess;

    fn reach(granted: &[&str], opened: Option<&[&str]>) -> Reach {
        let ids = |names: &[&str]| names.iter().map(|name| PermissionId::new(*name)).collect::<Vec<_>>();
        let mut access = ApiAccess::none(ClientId::new("https://client.example/"), ApiId::new("api"));
        access.user_permissions = ids(granted);
        access.user_delegated = !granted.is_empty();
        Reach { access, cimd: opened.is_some(), cimd_permissions: ids(opened.unwrap_or_default()) }
    }

    #[test]
    fn what_an_open_api_gives_is_counted_once_and_can_not_be_revoked() {
        let view = |granted: &[&str], opened| GrantView::new(&reach(granted, opened), 3);
        let seen = |v: &GrantView| (v.user, v.own, v.explicit);
        assert_eq!(seen(&view(&[], None)), (None, None, false));
        assert_eq!(seen(&view(&["read"], None)), (Some(1), None, true));
        assert_eq!(seen(&view(&[], Some(&["read"]))), (Some(1), None, false));
        assert_eq!(seen(&view(&["read", "write"], Some(&["read"]))), (Some(2), None, true));
        assert_eq!(view(&[], None).api, "/api/apis/api/clients/~aHR0cHM6Ly9jbGllbnQuZXhhbXBsZS8");
    }
}
