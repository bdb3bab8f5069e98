//! Resource indicators, APIs and their permissions (RFC 8707, oidc.md §23).
//!
//! A token is for one API at most. What a client may ask of it depends on whom the token speaks for: a person
//! ([`for_user`]) or the client itself ([`for_client`]). Access to an API and its permissions are two things: a token
//! with the audience and no scope is meaningful.

use crate::error::{ErrorCode, OAuthError};
use crate::params::Params;
use crate::scope::{self, ScopeSet};
use std::fmt;

/// Longest resource indicator in bytes.
const MAX_LENGTH: usize = 350;

/// A resource indicator in its one form: absolute, without fragment and without slashes at the end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Resource(String);

impl Resource {
    /// Reads one (RFC 8707 §2).
    ///
    /// # Errors
    /// `invalid_target`.
    pub fn parse(text: &str) -> Result<Self, OAuthError> {
        let well_formed = text.len() <= MAX_LENGTH
            && !text.contains('#')
            && !text.chars().any(|c| c.is_whitespace() || c.is_control())
            && url::Url::parse(text).is_ok();
        let trimmed = text.trim_end_matches('/');
        if !well_formed || trimmed.is_empty() || trimmed.ends_with(':') {
            return Err(target("The 'resource' must be an absolute URI without a fragment."));
        }
        Ok(Self(trimmed.to_owned()))
    }

    /// Reads the `resource` parameters of a request. One that is repeated with the same meaning counts once.
    ///
    /// # Errors
    /// `invalid_target`: malformed, or more than one.
    pub fn of(params: &Params) -> Result<Option<Self>, OAuthError> {
        let mut found: Option<Self> = None;
        for text in params.all("resource") {
            let resource = Self::parse(text)?;
            if found.as_ref().is_some_and(|other| *other != resource) {
                return Err(target("The request names more than one 'resource'; a token is for one."));
            }
            found = Some(resource);
        }
        Ok(found)
    }

    /// The indicator.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn target(text: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidTarget, text)
}

/// What a client may ask of an API. `None` is no access; an empty list is access without a permission.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiView {
    /// The API's resource indicator.
    pub resource: String,
    /// Permissions that it may use for people.
    pub for_users: Option<Vec<String>>,
    /// Permissions that it may use for itself.
    pub for_client: Option<Vec<String>>,
}

/// What a token may be for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// The API that it is for; `None`: the client itself.
    pub resource: Option<String>,
    /// What it allows.
    pub scopes: ScopeSet,
}

/// The scopes that are about the person and need no API: the identity scopes and those that an admin defined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UserScopes<'a> {
    /// Names of the scopes that an admin defined.
    pub named: &'a [String],
}

impl UserScopes<'_> {
    /// True if the scope is one of them.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        scope::IDENTITY.contains(&scope) || self.named.iter().any(|name| name == scope)
    }
}

/// The scopes of a request that this client may ask for at all; others are dropped silently, as clients rely on
/// (oidc.md §8). `permissions` are those of all APIs that it may use for people.
#[must_use]
pub fn known_scopes(requested: ScopeSet, user_scopes: UserScopes<'_>, permissions: &[String]) -> ScopeSet {
    requested.retain(|scope| user_scopes.contains(scope) || permissions.iter().any(|key| key == scope))
}

/// What a request on behalf of a person asks for, as far as its client may have it. `apis` are all that the client
/// reaches; scopes that nobody knows are dropped.
///
/// # Errors
/// As [`for_user`].
pub fn requested(
    scopes: ScopeSet,
    resource: Option<&Resource>,
    apis: &[ApiView],
    user_scopes: UserScopes<'_>,
) -> Result<Target, OAuthError> {
    let permissions: Vec<String> = apis.iter().filter_map(|api| api.for_users.clone()).flatten().collect();
    let scopes = known_scopes(scopes, user_scopes, &permissions);
    let api = resource.and_then(|resource| apis.iter().find(|api| api.resource == resource.as_str()));
    for_user(&scopes, resource, api, user_scopes)
}

/// Resolves a request on behalf of a person: at authorization, at device authorization, and again at each refresh with
/// what was granted. `api` is the one that `resource` names, if there is one.
///
/// # Errors
/// `invalid_scope`: a permission without its API, or one that the client doesn't have for people; `invalid_target`: an
/// unknown API; `access_denied`: no access to it.
pub fn for_user(
    scopes: &ScopeSet,
    resource: Option<&Resource>,
    api: Option<&ApiView>,
    user_scopes: UserScopes<'_>,
) -> Result<Target, OAuthError> {
    let permissions: &[String] = match resource {
        None => &[],
        Some(resource) => access(resource, api, |api| api.for_users.as_deref())?,
    };
    if let Some(scope) = scopes.iter().find(|s| !user_scopes.contains(s) && !permissions.iter().any(|key| key == s)) {
        return Err(scope_error(scope, resource));
    }
    Ok(Target { resource: resource.map(Resource::to_string), scopes: scopes.clone() })
}

/// Resolves a request of a client for itself (oidc.md §13.5). Without `scope` it gets everything that it may have
/// there; scopes about people mean nothing here and are passed over.
///
/// # Errors
/// As [`for_user`]; an unknown scope is refused, not dropped.
pub fn for_client(
    scopes: Option<&ScopeSet>,
    resource: Option<&Resource>,
    api: Option<&ApiView>,
    user_scopes: UserScopes<'_>,
) -> Result<Target, OAuthError> {
    let permissions: &[String] = match resource {
        None => &[],
        Some(resource) => access(resource, api, |api| api.for_client.as_deref())?,
    };
    let granted = match scopes {
        None => ScopeSet::from_names(permissions.iter().cloned()),
        Some(scopes) => {
            let scopes = scopes.clone().retain(|scope| !user_scopes.contains(scope));
            if let Some(scope) = scopes.iter().find(|s| !permissions.iter().any(|key| key == s)) {
                return Err(scope_error(scope, resource));
            }
            scopes
        }
    };
    Ok(Target { resource: resource.map(Resource::to_string), scopes: granted })
}

fn access<'a>(
    resource: &Resource,
    api: Option<&'a ApiView>,
    of: impl Fn(&'a ApiView) -> Option<&'a [String]>,
) -> Result<&'a [String], OAuthError> {
    let api = api
        .filter(|api| api.resource == resource.as_str())
        .ok_or_else(|| target("The 'resource' is not an API of this issuer."))?;
    of(api).ok_or_else(|| OAuthError::new(ErrorCode::AccessDenied, "The client has no access to this API."))
}

fn scope_error(scope: &str, resource: Option<&Resource>) -> OAuthError {
    let shown: String = scope.chars().take(128).collect();
    OAuthError::new(
        ErrorCode::InvalidScope,
        match resource {
            None => format!("The scope '{shown}' belongs to no API of the request: name the API in 'resource'."),
            Some(_) => format!("The client may not use the scope '{shown}' at this API."),
        },
    )
}

/// The error as `/authorize` tells it (oidc.md §9.7): one and the same for every API that can't be had, so that nobody
/// learns before signing in which ones exist.
#[must_use]
pub fn hide_apis(error: OAuthError, resource: Option<&Resource>) -> OAuthError {
    let tells = matches!(error.code(), ErrorCode::InvalidTarget | ErrorCode::AccessDenied | ErrorCode::InvalidScope);
    if resource.is_some() && tells {
        return OAuthError::invalid_request("The 'resource' or its scopes can't be used by this client.");
    }
    error
}

/// The error as device authorization tells it (oidc.md §21.1): an API without access is no target.
#[must_use]
pub fn hide_access(error: OAuthError) -> OAuthError {
    if error.code() == ErrorCode::AccessDenied {
        return target("The 'resource' is not an API of this issuer.");
    }
    error
}

/// Checks the `resource` of a token request against that of its grant (RFC 8707 §2.2): the same, or none.
///
/// # Errors
/// `invalid_target`.
pub fn check_selection(granted: Option<&str>, requested: Option<&Resource>) -> Result<(), OAuthError> {
    match requested {
        Some(resource) if granted != Some(resource.as_str()) => {
            Err(target("The 'resource' is not the one of the authorization."))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const API: &str = "https://api.example/v1";

    fn scopes(text: &str) -> ScopeSet {
        ScopeSet::parse(text).unwrap()
    }

    fn api() -> ApiView {
        ApiView {
            resource: API.into(),
            for_users: Some(vec!["read".into(), "write".into()]),
            for_client: Some(vec!["read".into(), "admin".into()]),
        }
    }

    fn resource() -> Resource {
        Resource::parse(API).unwrap()
    }

    fn code<T: std::fmt::Debug>(result: Result<T, OAuthError>) -> ErrorCode {
        result.unwrap_err().code()
    }

    #[test]
    fn case_023_resources_have_one_form() {
        for (text, form) in [
            ("https://a.example", "https://a.example"),
            ("https://a.example/", "https://a.example"),
            ("https://a.example/x//", "https://a.example/x"),
            ("urn:api:x", "urn:api:x"),
        ] {
            assert_eq!(Resource::parse(text).unwrap().as_str(), form);
        }
        for text in
            ["", "relative", "/path", "https://a.example/#x", "https://a.example/a b", "https://", "x:", "a\u{0}:b"]
        {
            assert_eq!(code(Resource::parse(text)), ErrorCode::InvalidTarget, "{text}");
        }
        assert_eq!(code(Resource::parse(&format!("https://a.example/{}", "x".repeat(400)))), ErrorCode::InvalidTarget);
        let of = |text: &str| Resource::of(&Params::parse(text).unwrap());
        assert_eq!(
            of("resource=https://a.example&resource=https://a.example/").unwrap().unwrap().as_str(),
            "https://a.example"
        );
        assert_eq!(code(of("resource=https://a.example&resource=https://b.example")), ErrorCode::InvalidTarget);
        assert_eq!(of("resource="), Ok(None));
    }

    #[test]
    fn people_are_spoken_for_within_the_clients_permissions() {
        let named = ["team".to_owned()];
        let user = UserScopes { named: &named };
        let granted = for_user(&scopes("openid team read"), Some(&resource()), Some(&api()), user).unwrap();
        assert_eq!((granted.resource.as_deref(), granted.scopes.to_string().as_str()), (Some(API), "openid team read"));
        let bare = for_user(&scopes(""), Some(&resource()), Some(&api()), user).unwrap();
        assert!(bare.scopes.is_empty(), "access without a permission");
        assert_eq!(for_user(&scopes("openid team"), None, None, user).unwrap().resource, None);
        for (text, resource, api, expected) in [
            ("read", None, None, ErrorCode::InvalidScope),
            ("admin", Some(resource()), Some(api()), ErrorCode::InvalidScope),
            ("openid", Some(resource()), None, ErrorCode::InvalidTarget),
            (
                "openid",
                Some(resource()),
                Some(ApiView { resource: "https://b.example".into(), ..api() }),
                ErrorCode::InvalidTarget,
            ),
            ("openid", Some(resource()), Some(ApiView { for_users: None, ..api() }), ErrorCode::AccessDenied),
        ] {
            assert_eq!(code(for_user(&scopes(text), resource.as_ref(), api.as_ref(), user)), expected, "{text}");
        }
        let known = known_scopes(scopes("openid name read team write:x"), user, &["read".into()]);
        assert_eq!(known.to_string(), "openid read team");
    }

    #[test]
    fn clients_speak_for_themselves() {
        let ask = |text: Option<&str>, api: Option<&ApiView>| {
            let scopes = text.map(scopes);
            for_client(scopes.as_ref(), api.map(|_| resource()).as_ref(), api, UserScopes::default())
        };
        assert_eq!(ask(None, Some(&api())).unwrap().scopes.to_string(), "read admin", "all that it may have");
        assert_eq!(ask(Some("admin openid"), Some(&api())).unwrap().scopes.to_string(), "admin");
        assert_eq!(ask(Some("openid email"), Some(&api())).unwrap().scopes.to_string(), "");
        assert_eq!(ask(None, None).unwrap(), Target::default());
        assert_eq!(ask(Some("openid profile"), None).unwrap(), Target::default());
        assert_eq!(code(ask(Some("read"), None)), ErrorCode::InvalidScope);
        assert_eq!(code(ask(Some("write"), Some(&api()))), ErrorCode::InvalidScope, "for people only");
        assert_eq!(code(ask(Some("nonsense"), Some(&api()))), ErrorCode::InvalidScope);
        assert_eq!(code(ask(None, Some(&ApiView { for_client: None, ..api() }))), ErrorCode::AccessDenied);
        assert_eq!(code(for_client(None, Some(&resource()), None, UserScopes::default())), ErrorCode::InvalidTarget);
    }

    #[test]
    fn errors_do_not_tell_which_apis_exist() {
        let resource = resource();
        let user = UserScopes::default();
        let errors: Vec<OAuthError> = [
            for_user(&scopes("openid"), Some(&resource), None, user),
            for_user(&scopes("openid"), Some(&resource), Some(&ApiView { for_users: None, ..api() }), user),
            for_user(&scopes("admin"), Some(&resource), Some(&api()), user),
        ]
        .into_iter()
        .map(|result| hide_apis(result.unwrap_err(), Some(&resource)))
        .collect();
        assert!(errors.iter().all(|error| *error == errors[0] && error.code() == ErrorCode::InvalidRequest));
        let alone = hide_apis(for_user(&scopes("read"), None, None, user).unwrap_err(), None);
        assert_eq!(alone.code(), ErrorCode::InvalidScope);
        let denied = for_user(&scopes(""), Some(&resource), Some(&ApiView { for_users: None, ..api() }), user);
        assert_eq!(hide_access(denied.unwrap_err()).code(), ErrorCode::InvalidTarget);
    }

    #[test]
    fn case_035_a_token_request_selects_what_was_granted() {
        assert_eq!(check_selection(Some(API), None), Ok(()));
        assert_eq!(check_selection(None, None), Ok(()));
        assert_eq!(check_selection(Some(API), Some(&resource())), Ok(()));
        assert_eq!(code(check_selection(None, Some(&resource()))), ErrorCode::InvalidTarget);
        assert_eq!(code(check_selection(Some("https://b.example"), Some(&resource()))), ErrorCode::InvalidTarget);
    }

    proptest! {
        #[test]
        fn the_form_of_a_resource_is_stable(text in "[a-z:/.#? -]{0,20}|https://[a-z.]{1,10}/{0,4}[a-z/]{0,10}") {
            if let Ok(resource) = Resource::parse(&text) {
                prop_assert_eq!(Resource::parse(resource.as_str()), Ok(resource));
            }
        }

        /// Whatever is asked, nothing is granted that wasn't asked for and isn't allowed.
        #[test]
        fn a_grant_never_gains_scope(
            asked in prop::collection::vec("[a-e]|openid|email", 0..6),
            users in prop::option::of(prop::collection::vec("[a-e]", 0..4)),
            clients in prop::option::of(prop::collection::vec("[a-e]", 0..4)),
            with_resource: bool,
            some: bool,
        ) {
            let api = ApiView { resource: API.into(), for_users: users.clone(), for_client: clients.clone() };
            let resource = with_resource.then(resource);
            let asked = ScopeSet::from_names(asked);
            if let Ok(granted) = for_user(&asked, resource.as_ref(), Some(&api), UserScopes::default()) {
                prop_assert!(granted.scopes.is_subset(&asked));
                let allowed = users.unwrap_or_default();
                prop_assert!(granted.scopes.iter().all(|s| scope::IDENTITY.contains(&s) || (with_resource && allowed.iter().any(|a| a == s))));
            }
            let wanted = some.then_some(&asked);
            if let Ok(granted) = for_client(wanted, resource.as_ref(), Some(&api), UserScopes::default()) {
                let allowed = clients.unwrap_or_default();
                prop_assert!(granted.scopes.iter().all(|s| with_resource && allowed.iter().any(|a| a == s)));
                prop_assert!(wanted.is_none_or(|wanted| granted.scopes.is_subset(wanted)));
            }
        }
    }
}
