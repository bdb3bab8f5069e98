//! What the scopes of a request mean, in the words of whoever defined them.

use pid_oidc::resource::Target;
use pid_store::{ReadTx, apis};

use crate::Error;
use crate::env::Snapshot;

/// A permission of an API, or a scope that an administrator defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeWords {
    /// The scope.
    pub key: String,
    /// What people call it.
    pub name: String,
    /// More words.
    pub description: Option<String>,
}

/// The words of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// Of its scopes, as far as they have words.
    pub scopes: Vec<ScopeWords>,
    /// The name of the API that is asked for.
    pub api: Option<String>,
    /// Whether anything of the API is asked for beyond the access to it.
    pub has_permissions: bool,
}

/// Finds the words.
pub(crate) fn of(tx: &ReadTx<'_>, site: &Snapshot, target: &Target) -> Result<Words, Error> {
    let api = match &target.resource {
        Some(resource) => apis::by_resource(tx, resource)?,
        None => None,
    };
    let permissions = api.iter().flat_map(|api| &api.permissions).filter(|p| target.scopes.contains(&p.key));
    let mut scopes: Vec<ScopeWords> = permissions
        .map(|p| ScopeWords { key: p.key.clone(), name: p.name.clone(), description: p.description.clone() })
        .collect();
    let has_permissions = !scopes.is_empty();
    let named = site.scopes.all().iter().filter(|scope| target.scopes.contains(&scope.name));
    scopes.extend(named.map(|scope| ScopeWords {
        key: scope.name.clone(),
        name: scope.name.clone(),
        description: Some(scope.description.clone()).filter(|text| !text.is_empty()),
    }));
    Ok(Words { scopes, api: api.map(|api| api.name), has_permissions })
}
