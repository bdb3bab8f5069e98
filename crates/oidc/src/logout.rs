//! RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0, oidc.md §20).
//!
//! Only a good hint signs anybody out at once. Everything else asks the person first, and what the client wished
//! for afterwards waits with the question, if it is good.

use crate::authorize::SessionView;
use crate::backchannel_logout::is_known;
use crate::claims::ID_TOKEN_TYPE;
use crate::error::OAuthError;
use crate::params::{Params, decode_bytes};
use crate::redirect_uri::{self, Pattern, Purpose};
use crate::response::with_query;
use serde::Deserialize;

/// A request to end a session. `logout_hint` and `ui_locales` mean nothing to us.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndSessionRequest {
    /// An ID token of ours, perhaps expired.
    pub id_token_hint: Option<String>,
    /// The client.
    pub client_id: Option<String>,
    /// Where the person goes afterwards.
    pub post_logout_redirect_uri: Option<String>,
    /// Comes back unchanged.
    pub state: Option<String>,
}

impl EndSessionRequest {
    /// Reads query and form together.
    ///
    /// # Errors
    /// `invalid_request` if a parameter is repeated.
    pub fn parse(params: &Params) -> Result<Self, OAuthError> {
        let text = |name| Ok::<_, OAuthError>(params.get(name)?.map(str::to_owned));
        Ok(Self {
            id_token_hint: text("id_token_hint")?,
            client_id: text("client_id")?,
            post_logout_redirect_uri: text("post_logout_redirect_uri")?,
            state: text("state")?,
        })
    }
}

/// The claims of a hint, after its signature was verified with any key of ours, active or retired. Its expiry doesn't
/// matter; that it was not issued in the future is the verifier's business too.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Hint {
    /// The issuer.
    pub iss: String,
    /// The user.
    pub sub: String,
    /// The client.
    pub aud: Audience,
    /// The session.
    #[serde(default)]
    pub sid: Option<String>,
    /// Must be `id-token`.
    #[serde(rename = "type", default)]
    pub token_type: Option<String>,
}

/// `aud` as one string or a list (RFC 7519 §4.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Hint {
    /// The client that the hint was issued to: the first audience.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        match &self.aud {
            Audience::One(client) => Some(client),
            Audience::Many(clients) => clients.first().map(String::as_str),
        }
    }

    /// True if it is an ID token of this issuer (and not another kind of token of ours).
    #[must_use]
    pub fn is_id_token_of(&self, issuer: &str) -> bool {
        self.iss == issuer && self.token_type.as_deref() == Some(ID_TOKEN_TYPE)
    }
}

/// The client whose name to load: that of the request, else that of the hint.
#[must_use]
pub fn client_of<'a>(request: &'a EndSessionRequest, hint: Option<&'a Hint>) -> Option<&'a str> {
    request.client_id.as_deref().or_else(|| hint.and_then(Hint::client_id))
}

/// What logout needs to know of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutClient {
    /// `client_id`.
    pub id: String,
    /// Registered logout addresses (see [`Pattern::parse_list`] with [`Purpose::PostLogout`]).
    pub logout_urls: Vec<Pattern>,
    /// Origins of its callbacks ([`crate::backchannel_logout::origins`]): the root of each is one of its addresses too.
    /// That is where Nextcloud sends people, whose guide registers the back-channel address alone.
    pub origins: Vec<String>,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogoutDecision {
    /// The person is asked first. The wish is carried through the page and judged again by [`after_confirmation`].
    Confirm(Wish),
    /// The session ends now.
    SignOut(SignOut),
}

/// What the client wished for, as far as it may have it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// The client.
    pub client_id: Option<String>,
    /// A registered address of that client.
    pub post_logout_redirect_uri: Option<String>,
    /// Only with an address.
    pub state: Option<String>,
}

/// A logout that was proven by a hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignOut {
    /// Whose session.
    pub user_id: String,
    /// The client that asked.
    pub client_id: String,
    /// The session of the hint: it and its grants end. `None` for a hint from before `sid` existed.
    pub sid: Option<String>,
    /// The browser's own session, which ends too and whose cookie goes.
    pub browser_sid: Option<String>,
    /// Where to go; `None` is our own page.
    pub redirect: Option<String>,
}

/// Decides. `hint` is the verified hint, `client` the one that [`client_of`] names, `session` the browser's.
#[must_use]
pub fn decide(
    request: &EndSessionRequest,
    issuer: &str,
    hint: Option<&Hint>,
    client: Option<&LogoutClient>,
    session: Option<&SessionView>,
) -> LogoutDecision {
    let proven = hint.filter(|hint| hint.is_id_token_of(issuer)).zip(client).filter(|(hint, client)| {
        hint.client_id() == Some(&client.id)
            && request.client_id.as_ref().is_none_or(|id| *id == client.id)
            && !hint.sub.is_empty()
            && session.is_none_or(|session| session.user_id == hint.sub)
    });
    let Some((hint, client)) = proven else {
        return LogoutDecision::Confirm(wish(request, client));
    };
    let redirect = match &request.post_logout_redirect_uri {
        // A foreign address is not gone to, but the sign-out is justified all the same.
        Some(requested) => target(client, requested, request.state.as_deref()),
        None => client
            .logout_urls
            .iter()
            .find(|pattern| pattern.is_literal() && !is_known(pattern.as_str()))
            .and_then(|pattern| target(client, pattern.as_str(), request.state.as_deref())),
    };
    LogoutDecision::SignOut(SignOut {
        user_id: hint.sub.clone(),
        client_id: client.id.clone(),
        sid: hint.sid.clone(),
        browser_sid: session.map(|session| session.sid.clone()),
        redirect,
    })
}

/// Where to go after the person confirmed: the wish, if the client (that of [`Wish::client_id`]) has the address.
#[must_use]
pub fn after_confirmation(wish: &Wish, client: Option<&LogoutClient>) -> Option<String> {
    let client = client.filter(|client| wish.client_id.as_ref() == Some(&client.id))?;
    target(client, wish.post_logout_redirect_uri.as_deref()?, wish.state.as_deref())
}

fn wish(request: &EndSessionRequest, client: Option<&LogoutClient>) -> Wish {
    let Some(client) = client else { return Wish::default() };
    let address =
        request.post_logout_redirect_uri.clone().filter(|requested| target(client, requested, None).is_some());
    Wish {
        client_id: Some(client.id.clone()),
        state: request.state.clone().filter(|_| address.is_some()),
        post_logout_redirect_uri: address,
    }
}

/// The address with `state`, if it is one of the client's.
fn target(client: &LogoutClient, requested: &str, state: Option<&str>) -> Option<String> {
    let found = redirect_uri::matches_for(Purpose::PostLogout, &client.logout_urls, requested, true);
    let address = match &found {
        Ok(found) => found.uri.location(),
        Err(_) if is_root_of(&client.origins, requested) => requested,
        Err(_) => return None,
    };
    let Some(state) = state else { return Some(address.to_owned()) };
    Some(with_query(&without_state(address), &[("state", state.to_owned())]))
}

/// True for `https://app.example` and `https://app.example/`, byte by byte.
fn is_root_of(origins: &[String], requested: &str) -> bool {
    origins.iter().any(|origin| requested.strip_prefix(origin.as_str()).is_some_and(|rest| matches!(rest, "" | "/")))
}

/// Takes a `state` out of the query: ours replaces it.
fn without_state(address: &str) -> String {
    let Some((base, query)) = address.split_once('?') else { return address.to_owned() };
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| {
            let name = pair.split('=').next().unwrap_or_default();
            decode_bytes(name.as_bytes()).is_ok_and(|name| name != b"state")
        })
        .collect();
    if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://id.example";

    fn client(urls: &[&str]) -> LogoutClient {
        LogoutClient {
            id: "app".into(),
            logout_urls: Pattern::parse_list(Purpose::PostLogout, urls).0,
            origins: vec!["https://cloud.example".into(), "http://localhost:8080".into()],
        }
    }

    fn hint() -> Hint {
        let json = r#"{"iss":"https://id.example","sub":"u1","aud":["app"],"sid":"s1","type":"id-token","exp":1}"#;
        serde_json::from_str(json).unwrap()
    }

    fn session() -> SessionView {
        SessionView { user_id: "u1".into(), sid: "s2".into(), auth_time: 0, amr: vec![], limited: false }
    }

    fn request(query: &str) -> EndSessionRequest {
        EndSessionRequest::parse(&Params::parse(query).unwrap()).unwrap()
    }

    fn redirect(query: &str, urls: &[&str]) -> Option<String> {
        match decide(&request(query), ISSUER, Some(&hint()), Some(&client(urls)), Some(&session())) {
            LogoutDecision::SignOut(out) => out.redirect,
            LogoutDecision::Confirm(_) => panic!("asked"),
        }
    }

    #[test]
    fn a_good_hint_signs_out_at_once() {
        let bye = ["https://*.app.example/bye", "https://app.example/bye?a=1&state=old", "https://app.example/end"];
        assert_eq!(redirect("", &[]), None);
        assert_eq!(redirect("post_logout_redirect_uri=https://x.example", &[]), None);
        assert_eq!(redirect("state=x+y", &bye).unwrap(), "https://app.example/bye?a=1&state=x%20y");
        assert_eq!(redirect("", &bye[..1]), None, "a pattern is no address");
        assert_eq!(
            redirect("post_logout_redirect_uri=https://app.example/end&state=s", &bye).unwrap(),
            "https://app.example/end?state=s"
        );
        assert_eq!(
            redirect("post_logout_redirect_uri=https://a.app.example/bye", &bye).unwrap(),
            "https://a.app.example/bye"
        );
        let LogoutDecision::SignOut(out) =
            decide(&request("client_id=app"), ISSUER, Some(&hint()), Some(&client(&[])), Some(&session()))
        else {
            panic!()
        };
        assert_eq!(
            (out.user_id.as_str(), out.sid.as_deref(), out.browser_sid.as_deref()),
            ("u1", Some("s1"), Some("s2"))
        );
        let LogoutDecision::SignOut(out) = decide(&request(""), ISSUER, Some(&hint()), Some(&client(&[])), None) else {
            panic!()
        };
        assert_eq!(out.browser_sid, None, "works without a session");
    }

    #[test]
    fn case_064_everything_else_asks_first() {
        let app = client(&["https://app.example/bye"]);
        let other_session = SessionView { user_id: "u2".into(), ..session() };
        let access_token = Hint { token_type: None, ..hint() };
        let session_token = Hint { token_type: Some("access-token".into()), ..hint() };
        let foreign = Hint { iss: "https://evil.example".into(), ..hint() };
        let other_client = Hint { aud: Audience::One("other".into()), ..hint() };
        let no_client = Hint { aud: Audience::Many(vec![]), ..hint() };
        let good = hint();
        let session = session();
        for (query, hint, session) in [
            ("", None, Some(&session)),
            ("", Some(&access_token), Some(&session)),
            ("", Some(&session_token), Some(&session)),
            ("", Some(&foreign), Some(&session)),
            ("", Some(&other_client), Some(&session)),
            ("", Some(&no_client), Some(&session)),
            ("client_id=other", Some(&good), Some(&session)),
            ("", Some(&good), Some(&other_session)),
            ("post_logout_redirect_uri=https://evil.example/", None, Some(&session)),
            ("client_id=app&post_logout_redirect_uri=https://app.example/bye2", None, Some(&session)),
            ("client_id=app&post_logout_redirect_uri=javascript:alert(1)", None, Some(&session)),
        ] {
            let decision = decide(&request(query), ISSUER, hint, Some(&app), session);
            let LogoutDecision::Confirm(wish) = decision else { panic!("{query} {hint:?}: {decision:?}") };
            assert_eq!(wish.post_logout_redirect_uri, None, "{query}");
        }
        assert!(matches!(decide(&request(""), ISSUER, Some(&good), None, Some(&session)), LogoutDecision::Confirm(_)));
    }

    #[test]
    fn case_064_a_foreign_address_is_ignored_and_stops_no_justified_sign_out() {
        let urls = ["https://app.example/bye"];
        for foreign in [
            "https://evil.example/",
            "https://app.example/bye2",
            "javascript:alert(1)",
            "https://cloud.example.evil.example/",
            "https://cloud.example/x",
            "https://cloud.example/?x",
            "https://cloud.example//",
            "https://u@cloud.example/",
            "http://cloud.example/",
            "https://cloud.example:444/",
        ] {
            assert_eq!(redirect(&format!("post_logout_redirect_uri={foreign}"), &urls), None, "{foreign}");
        }
    }

    #[test]
    fn the_root_of_a_callbacks_origin_counts_as_registered() {
        let nextcloud = ["https://cloud.example/apps/user_oidc/backchannel-logout/PocketID"];
        // Un-encoded, as Nextcloud's server sends it.
        let query = "post_logout_redirect_uri=https://cloud.example/&client_id=app";
        assert_eq!(redirect(query, &nextcloud).unwrap(), "https://cloud.example/");
        assert_eq!(redirect("post_logout_redirect_uri=https://cloud.example", &[]).unwrap(), "https://cloud.example");
        let query = "post_logout_redirect_uri=http://localhost:8080/&state=s";
        assert_eq!(redirect(query, &nextcloud).unwrap(), "http://localhost:8080/?state=s");
        assert_eq!(redirect("", &nextcloud), None, "no browser is sent to the back channel");
    }

    #[test]
    fn the_question_carries_a_good_wish() {
        let app = client(&["https://app.example/bye"]);
        let query = "client_id=app&post_logout_redirect_uri=https://app.example/bye&state=s";
        let LogoutDecision::Confirm(wish) = decide(&request(query), ISSUER, None, Some(&app), Some(&session())) else {
            panic!()
        };
        assert_eq!(wish.client_id.as_deref(), Some("app"));
        assert_eq!(after_confirmation(&wish, Some(&app)).unwrap(), "https://app.example/bye?state=s");
        assert_eq!(after_confirmation(&wish, None), None);
        let forged = Wish { post_logout_redirect_uri: Some("https://evil.example/".into()), ..wish };
        assert_eq!(after_confirmation(&forged, Some(&app)), None, "the page is judged again");
        assert!(EndSessionRequest::parse(&Params::parse("state=a&state=b").unwrap()).is_err());
        assert_eq!(client_of(&request(""), Some(&hint())), Some("app"));
    }
}
