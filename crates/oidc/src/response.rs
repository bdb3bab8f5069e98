//! The answer of the authorization endpoint on its way to the client (RFC 6749 §4.1.2, RFC 9207, Form Post Response
//! Mode). It can only be built for a [`RedirectUri`], which only matching makes.

use crate::authorize::{ClientError, ResponseMode, ValidRequest};
use crate::error::OAuthError;
use crate::redirect_uri::RedirectUri;
use crate::scope::ScopeSet;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Status of a redirect with an answer: 303, so that a POST becomes a GET (RFC 9700 §4.12).
pub const REDIRECT_STATUS: u16 = 303;

/// All but the unreserved characters. A space becomes `%20`, which every reader understands (`+` not every one).
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How an answer leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// A redirect with [`REDIRECT_STATUS`]. The value is ASCII.
    Redirect {
        /// Value of `Location`.
        location: String,
    },
    /// A page with a form that posts itself. The values are verbatim: the page escapes them.
    FormPost {
        /// Where the form goes.
        action: String,
        /// Its fields.
        fields: Vec<(&'static str, String)>,
    },
}

/// The answer with a code. `scopes` are those granted, `issuer` is the `iss` of RFC 9207.
#[must_use]
pub fn success(request: &ValidRequest, code: &str, scopes: &ScopeSet, issuer: &str) -> Delivery {
    let mut fields = vec![("code", code.to_owned())];
    fields.extend(request.state.clone().map(|state| ("state", state)));
    fields.push(("scope", scopes.to_string()));
    fields.push(("iss", issuer.to_owned()));
    deliver(&request.redirect_uri, request.response_mode, fields)
}

/// The answer to a valid request that was refused.
#[must_use]
pub fn refusal(request: &ValidRequest, error: &OAuthError, issuer: &str) -> Delivery {
    failure(&request.redirect_uri, request.response_mode, request.state.as_deref(), error, issuer)
}

/// The answer to a request that was not valid, whose address is.
#[must_use]
pub fn rejection(rejected: &ClientError, issuer: &str) -> Delivery {
    failure(&rejected.redirect_uri, rejected.response_mode, rejected.state.as_deref(), &rejected.error, issuer)
}

fn failure(uri: &RedirectUri, mode: ResponseMode, state: Option<&str>, error: &OAuthError, issuer: &str) -> Delivery {
    let mut fields = vec![("error", error.code().as_str().to_owned()), ("error_description", error.wire_description())];
    fields.extend(state.map(|state| ("state", state.to_owned())));
    fields.push(("iss", issuer.to_owned()));
    deliver(uri, mode, fields)
}

fn deliver(uri: &RedirectUri, mode: ResponseMode, fields: Vec<(&'static str, String)>) -> Delivery {
    match mode {
        ResponseMode::Query => Delivery::Redirect { location: with_query(uri.location(), &fields) },
        ResponseMode::Fragment => Delivery::Redirect { location: format!("{}#{}", uri.location(), encode(&fields)) },
        ResponseMode::FormPost => Delivery::FormPost { action: uri.location().to_owned(), fields },
    }
}

/// Adds parameters to the query that an address may have already.
pub(crate) fn with_query(address: &str, fields: &[(&'static str, String)]) -> String {
    let separator = match address.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{address}{separator}{}", encode(fields))
}

fn encode(fields: &[(&'static str, String)]) -> String {
    let pairs: Vec<String> =
        fields.iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, VALUE))).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorize::{AuthorizationRequest, ClientView, Policy};
    use crate::params::Params;
    use crate::redirect_uri::{Pattern, Purpose};
    use crate::resource::UserScopes;
    use proptest::prelude::*;

    const ISSUER: &str = "https://id.example";

    fn request(callback: &str, extra: &[(&str, &str)]) -> ValidRequest {
        let client = ClientView {
            id: "app".into(),
            redirect_uris: Pattern::parse_list(Purpose::Redirect, &[callback]).0,
            is_public: false,
            pkce_required: false,
            requires_reauthentication: false,
            skip_consent: false,
            allowed_groups: None,
            apis: Vec::new(),
        };
        let base = [("client_id", "app"), ("response_type", "code"), ("redirect_uri", callback)];
        let params = Params::from_pairs(base.into_iter().chain(extra.iter().copied())).unwrap();
        let policy =
            Policy { allow_insecure_callbacks: true, allow_plain_pkce: false, user_scopes: UserScopes::default() };
        AuthorizationRequest::new(params).unwrap().validate(Some(&client), policy).unwrap()
    }

    fn location(delivery: Delivery) -> String {
        match delivery {
            Delivery::Redirect { location } => location,
            Delivery::FormPost { .. } => panic!("a form"),
        }
    }

    #[test]
    fn answers_by_mode() {
        let scopes = ScopeSet::parse("openid email").unwrap();
        let answer =
            |callback: &str, extra: &[(&str, &str)]| location(success(&request(callback, extra), "c", &scopes, ISSUER));
        let tail = "scope=openid%20email&iss=https%3A%2F%2Fid.example";
        assert_eq!(
            answer("https://a.example/cb", &[("state", "x y")]),
            format!("https://a.example/cb?code=c&state=x%20y&{tail}")
        );
        assert_eq!(answer("https://a.example/cb?t=1", &[]), format!("https://a.example/cb?t=1&code=c&{tail}"));
        assert_eq!(answer("app.x:/cb", &[("response_mode", "fragment")]), format!("app.x:/cb#code=c&{tail}"));
        assert_eq!(answer("app://cb", &[]), format!("app://cb?code=c&{tail}"));
        assert_eq!(answer("https://bücher.example/cb", &[]), format!("https://xn--bcher-kva.example/cb?code=c&{tail}"));
    }

    #[test]
    fn case_010_form_post_keeps_values_for_the_page_to_escape() {
        let request = request("https://a.example/cb", &[("response_mode", "form_post"), ("state", "\"><script>")]);
        let Delivery::FormPost { action, fields } = success(&request, "c", &ScopeSet::default(), ISSUER) else {
            panic!()
        };
        assert_eq!(action, "https://a.example/cb");
        let expected = [("code", "c"), ("state", "\"><script>"), ("scope", ""), ("iss", ISSUER)];
        assert_eq!(fields.iter().map(|(n, v)| (*n, v.as_str())).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn case_011_errors_carry_state_and_issuer() {
        assert_eq!(REDIRECT_STATUS, 303);
        let error = OAuthError::new(crate::ErrorCode::LoginRequired, "Nobody is signed in.");
        assert_eq!(
            location(refusal(&request("https://a.example/cb", &[("state", "s")]), &error, ISSUER)),
            "https://a.example/cb?error=login_required&error_description=Nobody%20is%20signed%20in.&state=s&iss=https%3A%2F%2Fid.example"
        );
        let stateless = location(refusal(&request("https://a.example/cb", &[]), &error, ISSUER));
        assert!(!stateless.contains("state="));
    }

    proptest! {
        /// Whatever the state is, the client reads back exactly it, once, and the header is safe.
        #[test]
        fn case_090_state_comes_back_unchanged(state in "\\PC{1,60}|[\r\n&=#?%]{1,10}") {
            let location = location(success(&request("https://a.example/cb?t=1", &[("state", &state)]), "c", &ScopeSet::default(), ISSUER));
            prop_assert!(location.bytes().all(|b| b.is_ascii_graphic()));
            let url = url::Url::parse(&location).unwrap();
            prop_assert_eq!(url.host_str(), Some("a.example"));
            let states: Vec<_> = url.query_pairs().filter(|(name, _)| name == "state").map(|(_, v)| v.into_owned()).collect();
            prop_assert_eq!(states, [state]);
            prop_assert_eq!(url.fragment(), None);
        }
    }
}
