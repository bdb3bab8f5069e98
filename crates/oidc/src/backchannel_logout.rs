//! OpenID Connect Back-Channel Logout 1.0: the logout token, and which addresses take one.

use serde::Serialize;
use serde_json::{Map, Value, json};
use url::Url;

use crate::redirect_uri::{Pattern, Purpose};

/// Seconds that a logout token lives: §2.6 advises two minutes at most.
pub const LOGOUT_TOKEN_SECONDS: i64 = 120;
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// A logout token (§2.4). Its header has `typ: logout+jwt`; it never has a `nonce`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LogoutToken<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    jti: &'a str,
    sid: &'a str,
    events: Map<String, Value>,
}

impl<'a> LogoutToken<'a> {
    /// A token that says that a session of a user has ended. `now` is in seconds since the epoch.
    #[must_use]
    pub fn new(issuer: &'a str, client: &'a str, id: &'a str, user: &'a str, session: &'a str, now: i64) -> Self {
        // An empty object: relying parties in PHP take an empty list for "false".
        let events = Map::from_iter([(EVENT.to_owned(), json!({}))]);
        let exp = now.saturating_add(LOGOUT_TOKEN_SECONDS);
        Self { iss: issuer, sub: user, aud: client, iat: now, exp, jti: id, sid: session, events }
    }
}

/// Where well-known relying parties take logout tokens: the end of the path, segment by segment (`*` is one segment),
/// and the query if it matters. One a line, the application behind `#`.
const KNOWN: &str = include_str!("backchannel_logout_paths.txt");

/// Why an address can't be a back-channel logout address (§2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not absolute, or another scheme.
    #[error("must be an absolute https or http address")]
    NotHttp,
    /// Has a fragment.
    #[error("must not have a fragment ('#')")]
    Fragment,
    /// Has a user name or password.
    #[error("must not have a user name or password in it")]
    UserInfo,
    /// Longer than 2,048 bytes.
    #[error("must have at most 2048 characters")]
    Length,
    /// Has a star.
    #[error("must not have a wildcard: it is one address")]
    Wildcard,
}

/// Checks a back-channel logout address. Plain http is allowed: home servers have it.
///
/// # Errors
/// [`AddressError`], a predicate for the form field.
pub fn check_address(text: &str) -> Result<(), AddressError> {
    if text.len() > 2048 {
        return Err(AddressError::Length);
    }
    let url = Url::parse(text).map_err(|_| AddressError::NotHttp)?;
    if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
        return Err(AddressError::NotHttp);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(AddressError::UserInfo);
    }
    if url.fragment().is_some() {
        return Err(AddressError::Fragment);
    }
    if text.contains('*') {
        return Err(AddressError::Wildcard);
    }
    Ok(())
}

/// Whether a relying party of the list takes logout tokens at this address.
#[must_use]
pub fn is_known(address: &str) -> bool {
    let Ok(url) = Url::parse(address) else { return false };
    let segments: Vec<&str> = url.path().split('/').skip(1).collect();
    KNOWN.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).filter(|entry| !entry.is_empty()).any(
        |entry| {
            let (path, query) = entry.split_once('?').map_or((entry, None), |(path, query)| (path, Some(query)));
            let wanted: Vec<&str> = path.split('/').skip(1).collect();
            let fits =
                |segment: &str, wanted: &str| if wanted == "*" { !segment.is_empty() } else { segment == wanted };
            let tail = segments.len().checked_sub(wanted.len()).map(|start| &segments[start..]);
            tail.is_some_and(|tail| tail.iter().zip(&wanted).all(|(segment, wanted)| fits(segment, wanted)))
                && query.is_none_or(|query| url.query() == Some(query))
        },
    )
}

/// The origins of callback entries whose host has no wildcard.
pub fn origins<S: AsRef<str>>(callbacks: &[S]) -> impl Iterator<Item = String> {
    callbacks.iter().filter_map(|entry| {
        let entry = entry.as_ref();
        let (_, rest) = entry.split_once("://")?;
        let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
        if authority.contains('*') {
            return None;
        }
        let url = Url::parse(entry).ok()?;
        matches!(url.scheme(), "https" | "http").then(|| url.origin().ascii_serialization())
    })
}

/// The entry of the logout callbacks that is really a back-channel logout address: guides of relying parties tell
/// people to put it there. It has no wildcard, a known path, and the origin of a registered callback.
#[must_use]
pub fn taken_over<S: AsRef<str>>(logout_callbacks: &[S], callbacks: &[S]) -> Option<String> {
    let own: Vec<String> = origins(callbacks).collect();
    logout_callbacks.iter().map(AsRef::as_ref).find_map(|entry| {
        let literal = Pattern::parse_for(Purpose::PostLogout, entry).is_ok_and(|pattern| pattern.is_literal());
        let origin = Url::parse(entry).ok()?.origin().ascii_serialization();
        (literal && is_known(entry) && check_address(entry).is_ok() && own.contains(&origin)).then(|| entry.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_067_a_logout_token_has_what_the_specification_wants() {
        let token = LogoutToken::new("https://id.example", "app", "j1", "u1", "s1", 1000);
        let json = serde_json::to_value(&token).unwrap();
        assert_eq!(
            json,
            json!({
                "iss": "https://id.example", "sub": "u1", "aud": "app", "iat": 1000, "exp": 1120, "jti": "j1", "sid": "s1",
                "events": { "http://schemas.openid.net/event/backchannel-logout": {} }
            })
        );
        assert!(serde_json::to_string(&token).unwrap().contains(r#"backchannel-logout":{}"#), "an object, not a list");
    }

    #[test]
    fn known_paths_are_found_at_the_end() {
        for known in [
            "https://cloud.example/apps/user_oidc/backchannel-logout/PocketID",
            "https://cloud.example/index.php/apps/user_oidc/backchannel-logout/Pocket%20ID",
            "https://example.com/nextcloud/index.php/apps/user_oidc/backchannel-logout/x",
            "https://matrix.example/_synapse/client/oidc/backchannel_logout",
            "https://app.example/protected/redirect_uri?logout=backchannel",
        ] {
            assert!(is_known(known), "{known}");
        }
        for unknown in [
            "https://cloud.example/",
            "https://cloud.example/apps/user_oidc/backchannel-logout/",
            "https://cloud.example/apps/user_oidc/backchannel-logout",
            "https://cloud.example/apps/user_oidc/backchannel-logout/a/b",
            "https://cloud.example/x?/apps/user_oidc/backchannel-logout/a",
            "https://app.example/signout-callback-oidc",
            "https://app.example/x?logout=backchannel2",
            "nonsense",
        ] {
            assert!(!is_known(unknown), "{unknown}");
        }
        for line in KNOWN.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
            assert!(line.starts_with('/') || line.starts_with('?'), "{line}");
            assert!(line.contains('#'), "{line}: whose is it?");
        }
    }

    #[test]
    fn an_entry_is_taken_over_only_from_the_clients_own_origin() {
        let nextcloud = "https://cloud.example/apps/user_oidc/backchannel-logout/PocketID";
        let callback = "https://cloud.example/apps/user_oidc/code";
        assert_eq!(taken_over(&["https://cloud.example/bye", nextcloud], &[callback]).as_deref(), Some(nextcloud));
        assert_eq!(taken_over(&[nextcloud], &["https://cloud.example/**"]).as_deref(), Some(nextcloud));
        for callbacks in [
            &["https://other.example/cb"][..],
            &["http://cloud.example/cb"],
            &["https://cloud.example:8443/cb"],
            &["https://*.example/cb"],
            &["https://cloud.example:*/cb"],
            &["*"],
            &[],
        ] {
            assert_eq!(taken_over(&[nextcloud], callbacks), None, "{callbacks:?}");
        }
        let wild = "https://cloud.example/apps/user_oidc/backchannel-logout/*";
        assert_eq!(taken_over(&[wild], &[callback]), None);
        assert_eq!(taken_over(&["https://cloud.example/bye"], &[callback]), None);
    }

    #[test]
    fn addresses_are_checked() {
        for good in ["https://a.example/x?y=1", "http://192.168.1.5:8080/logout", "https://a.example"] {
            assert_eq!(check_address(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("", AddressError::NotHttp),
            ("a.example/x", AddressError::NotHttp),
            ("ftp://a.example/x", AddressError::NotHttp),
            ("https://a.example/#x", AddressError::Fragment),
            ("https://u:p@a.example/", AddressError::UserInfo),
            ("https://a.example/*", AddressError::Wildcard),
        ] {
            assert_eq!(check_address(bad), Err(why), "{bad}");
        }
    }
}
