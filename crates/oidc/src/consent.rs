//! What a person agrees to, in keys (oidc.md §9.4).
//!
//! A consent is a set of keys, recorded per person and client. A scope's key is its name; a permission's is the API and
//! the permission; access to an API has a key too; a single claim (OpenID Connect Core §5.5) has one, and is covered by
//! that of any scope that releases it. A request comes to a list of [`Need`]s, which the record covers or not.

use crate::resource::{Target, UserScopes};
use crate::scope;

/// Between the parts of a key: no scope, claim or URI has it.
const SEPARATOR: char = '\u{1f}';

/// The key of access to an API.
#[must_use]
pub fn api_key(resource: &str) -> String {
    format!("{resource}{SEPARATOR}")
}

/// The key of a permission of an API.
#[must_use]
pub fn permission_key(resource: &str, permission: &str) -> String {
    format!("{resource}{SEPARATOR}{permission}")
}

/// The key of a single claim. It can't be that of a permission, since no API has an empty name.
#[must_use]
pub fn claim_key(claim: &str) -> String {
    format!("{SEPARATOR}{claim}")
}

/// What a key is about, as it may be shown: the scope, permission or claim, or the API of which access alone is kept.
#[must_use]
pub fn name(key: &str) -> &str {
    match key.rsplit_once(SEPARATOR) {
        Some((resource, "")) => resource,
        Some((_, name)) => name,
        None => key,
    }
}

/// One thing that a request needs the person's consent for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// What is recorded when the person agrees.
    pub key: String,
    /// Other keys whose consent includes this one.
    pub covered_by: Vec<String>,
    /// It is left out if the person has not agreed, instead of being asked for at any price.
    pub voluntary: bool,
}

impl Need {
    /// The claim or scope that it is about: see [`name`].
    #[must_use]
    pub fn name(&self) -> &str {
        name(&self.key)
    }

    /// True if it is about an API or a permission of one.
    #[must_use]
    pub fn is_of_api(&self) -> bool {
        self.key.find(SEPARATOR).is_some_and(|at| at > 0)
    }

    fn required(key: String) -> Self {
        Self { key, covered_by: Vec::new(), voluntary: false }
    }

    pub(crate) fn is_covered(&self, recorded: &[String]) -> bool {
        recorded.iter().any(|key| *key == self.key || self.covered_by.contains(key))
    }
}

/// The needs of scopes and API of a request. What single claims need comes from
/// [`crate::claims_request::ClaimsRequest::needs`].
#[must_use]
pub fn needs_of(target: &Target, user_scopes: UserScopes<'_>) -> Vec<Need> {
    let mut needs: Vec<Need> = Vec::new();
    for scope in target.scopes.iter() {
        needs.push(Need::required(match &target.resource {
            Some(resource) if !user_scopes.contains(scope) => permission_key(resource, scope),
            _ => scope.to_owned(),
        }));
    }
    needs.extend(target.resource.as_deref().map(|resource| Need::required(api_key(resource))));
    needs
}

/// The needs beside the scopes of OpenID Connect: those of the API, its permissions, and scopes that an admin defined.
#[must_use]
pub fn further_needs(target: &Target, user_scopes: UserScopes<'_>) -> Vec<Need> {
    let mut needs = needs_of(target, user_scopes);
    needs.retain(|need| !scope::IDENTITY.contains(&need.key.as_str()));
    needs
}

/// The needs that a record doesn't cover. A person without a record has agreed to nothing, not even to an empty list.
#[must_use]
pub fn outstanding<'a>(needs: &'a [Need], recorded: Option<&[String]>) -> Vec<&'a Need> {
    needs.iter().filter(|need| !recorded.is_some_and(|keys| need.is_covered(keys))).collect()
}

/// True if nothing that is required is outstanding. `prompt=none` goes on then: what is voluntary is left out.
#[must_use]
pub fn is_enough(needs: &[Need], recorded: Option<&[String]>) -> bool {
    recorded.is_some() && outstanding(needs, recorded).iter().all(|need| need.voluntary)
}

/// The record after the person agreed to everything: it grows and never shrinks by a narrower request.
#[must_use]
pub fn merged(recorded: Option<&[String]>, needs: &[Need]) -> Vec<String> {
    let mut keys = recorded.unwrap_or_default().to_vec();
    for need in needs {
        if !need.is_covered(&keys) {
            keys.push(need.key.clone());
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::ScopeSet;
    use proptest::prelude::*;

    const API: &str = "https://api.example";

    fn target(scopes: &str, resource: Option<&str>) -> Target {
        Target { resource: resource.map(str::to_owned), scopes: ScopeSet::parse(scopes).unwrap() }
    }

    fn keys(list: &[&str]) -> Vec<String> {
        list.iter().map(|key| (*key).to_owned()).collect()
    }

    #[test]
    fn a_request_needs_its_scopes_and_its_api() {
        let named = ["team".to_owned()];
        let user = UserScopes { named: &named };
        let of = |target: &Target| -> Vec<String> { needs_of(target, user).into_iter().map(|need| need.key).collect() };
        assert_eq!(of(&target("openid team", None)), ["openid", "team"]);
        assert_eq!(
            of(&target("openid read", Some(API))),
            ["openid".to_owned(), format!("{API}\u{1f}read"), format!("{API}\u{1f}")]
        );
        assert_eq!(of(&target("", Some(API))), [format!("{API}\u{1f}")], "access alone is asked for");
        assert!(of(&target("", None)).is_empty());
        let shown = [api_key(API), permission_key(API, "read"), claim_key("groups"), "openid".to_owned()];
        assert_eq!(shown.each_ref().map(|key| name(key)), [API, "read", "groups", "openid"]);
    }

    #[test]
    fn records_cover_and_grow() {
        let user = UserScopes::default();
        let needs = needs_of(&target("openid email", None), user);
        assert!(!is_enough(&[], None), "no record is no consent");
        assert!(is_enough(&[], Some(&[])));
        assert!(!is_enough(&needs, Some(&keys(&["openid"]))));
        assert!(is_enough(&needs, Some(&keys(&["email", "openid", "groups"]))));
        let grown = merged(Some(&keys(&["groups", "openid"])), &needs);
        assert_eq!(grown, ["groups", "openid", "email"]);
        // One API's consent is not another's, nor a scope's.
        let read = needs_of(&target("read", Some(API)), user);
        for recorded in
            [keys(&["read", API]), vec![permission_key("https://b.example", "read"), api_key("https://b.example")]]
        {
            assert_eq!(outstanding(&read, Some(&recorded)).len(), 2);
        }
    }

    #[test]
    fn voluntary_needs_do_not_stop_a_request() {
        let wish = Need { key: claim_key("email"), covered_by: keys(&["email"]), voluntary: true };
        let needs = [wish.clone()];
        assert!(is_enough(&needs, Some(&[])));
        assert_eq!(outstanding(&needs, Some(&[])), [&wish], "but a page shows them");
        assert!(outstanding(&needs, Some(&keys(&["email"]))).is_empty());
        assert!(!is_enough(&[Need { voluntary: false, ..wish }], Some(&[])));
    }

    proptest! {
        /// After agreeing nothing is outstanding, and agreeing again changes nothing.
        #[test]
        fn agreeing_settles_it(scopes in "[a-d ]{0,8}", api: bool, recorded in prop::collection::vec("[a-d]", 0..4)) {
            let needs = needs_of(&target(&scopes, api.then_some(API)), UserScopes::default());
            let once = merged(Some(&recorded), &needs);
            prop_assert!(recorded.iter().all(|key| once.contains(key)));
            prop_assert!(outstanding(&needs, Some(&once)).is_empty());
            prop_assert_eq!(merged(Some(&once), &needs), once);
        }
    }
}
