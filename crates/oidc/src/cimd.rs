//! Client ID Metadata Documents (draft-ietf-oauth-client-id-metadata-document, oidc.md §22): a client whose id is the
//! address of its own description.
//!
//! The document is somebody else's, so it can only make a weak client: public, with PKCE, with consent, and with
//! redirect addresses on its own host, on this machine, or of an app. Fetching is not here; what may be fetched, what an
//! answer must look like and how long it counts is.

use crate::redirect_uri::{self, Pattern, Purpose};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// Longest address in bytes.
pub const MAX_URL: usize = 2048;
/// Largest document in bytes.
pub const MAX_DOCUMENT: usize = 5 * 1024;
/// Most redirect addresses of each kind.
const MAX_URIS: usize = 50;
/// Longest name in characters.
const MAX_NAME: usize = 50;
/// Seconds for which a document counts if its server doesn't say.
const DEFAULT_CACHE: i64 = 3600;
/// And at most.
const MAX_CACHE: i64 = 24 * 3600;

/// Why a metadata document makes no client. The texts are for whoever runs the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CimdError {
    /// The id is no address that a document may have.
    #[error("the client id is not an address of a metadata document: {0}")]
    Address(&'static str),
    /// The admin doesn't let it in.
    #[error("the client id is not on this instance's allow-list")]
    NotAllowed,
    /// There is no answer.
    #[error("its document could not be fetched: {0}")]
    Fetch(String),
    /// Not 200.
    #[error("its server answered with status {0}, not 200")]
    Status(u16),
    /// Not JSON.
    #[error("its server sent another content type than JSON")]
    ContentType,
    /// More than [`MAX_DOCUMENT`].
    #[error("the document is larger than 5 KiB")]
    TooLarge,
    /// It may not be kept, which it must be.
    #[error("its server forbids keeping the document (Cache-Control: no-store)")]
    NoStore,
    /// Not the JSON object that it should be.
    #[error("the document is not a JSON object with members of the right types")]
    Malformed,
    /// It speaks for another client.
    #[error("the 'client_id' in the document is not its address")]
    OtherClient,
    /// It isn't a public client.
    #[error("'token_endpoint_auth_method' must be \"none\", and there must be no client secret")]
    Authentication,
    /// Both ways at once.
    #[error("'jwks' and 'jwks_uri' must not be used together")]
    Keys,
    /// No grant is left that it could begin with.
    #[error("'grant_types' must have \"authorization_code\" or the device code grant")]
    GrantTypes,
    /// Another than `code`.
    #[error("'response_types' must be [\"code\"]")]
    ResponseTypes,
    /// None, or too many.
    #[error("'redirect_uris' must have 1 to 50 addresses")]
    RedirectUris,
    /// One of the addresses.
    #[error("the address '{uri}' can't be used: {why}")]
    RedirectUri {
        /// The address, cut.
        uri: String,
        /// What is wrong.
        why: &'static str,
    },
}

/// The address of a metadata document, which is the id of its client.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientIdUrl {
    text: String,
    host: String,
}

impl ClientIdUrl {
    /// True for an id that can only be meant as such an address.
    #[must_use]
    pub fn is_meant(client_id: &str) -> bool {
        client_id.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
    }

    /// Reads a client id. It must be written the one way in which nobody can misread it.
    ///
    /// # Errors
    /// [`CimdError::Address`].
    pub fn parse(client_id: &str) -> Result<Self, CimdError> {
        let refuse = |why| Err(CimdError::Address(why));
        if client_id.len() > MAX_URL {
            return refuse("it is longer than 2048 characters");
        }
        if !client_id.starts_with("https://") {
            return refuse("it must begin with https://");
        }
        let Ok(url) = Url::parse(client_id) else { return refuse("it can't be read") };
        let Some(host) = url.host() else { return refuse("it has no host") };
        if !url.username().is_empty() || url.password().is_some() || client_id.contains('@') {
            return refuse("it must have no user name");
        }
        if client_id.contains('#') || client_id.contains('?') {
            return refuse("it must have no query and no fragment");
        }
        let authority = client_id["https://".len()..].split('/').next().unwrap_or_default();
        if url.port().is_some() || authority.rsplit(']').next().is_some_and(|rest| rest.contains(':')) {
            return refuse("it must have no port");
        }
        let path = url.path().to_ascii_lowercase();
        if ["%2e", "%2f", "%5c", "%00", "//"].iter().any(|trick| path.contains(trick)) || path.contains("..") {
            return refuse("its path must have no dot segments, empty segments and encoded slashes");
        }
        let dotted = matches!(&host, Host::Domain(name) if name.ends_with('.'));
        // The canonical form differs for other cases, spellings of IP addresses, dot segments, blanks and a missing path.
        if dotted || url.as_str() != client_id {
            return refuse("it must be written in its canonical form, with a path");
        }
        Ok(Self { host: host.to_string(), text: client_id.to_owned() })
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its host: what people are shown, since anybody can choose a name.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Checks the address against the instance's allow-list, by the rules of redirect patterns on the whole address.
    /// This is asked on every use, so that a changed list counts at once. An empty list lets nobody in.
    ///
    /// # Errors
    /// [`CimdError::NotAllowed`].
    pub fn check_allowed<S: AsRef<str>>(&self, entries: &[S]) -> Result<(), CimdError> {
        let (patterns, _) = Pattern::parse_list(Purpose::PostLogout, entries);
        let found = redirect_uri::matches_for(Purpose::PostLogout, &patterns, &self.text, false);
        found.map(|_| ()).map_err(|_| CimdError::NotAllowed)
    }
}

/// A grant that such a client may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CimdGrant {
    /// RFC 6749 §4.1.
    #[serde(rename = "authorization_code")]
    AuthorizationCode,
    /// RFC 8628. Without it no device code.
    #[serde(rename = "urn:ietf:params:oauth:grant-type:device_code")]
    DeviceCode,
    /// RFC 6749 §6. Without it no refresh token is issued.
    #[serde(rename = "refresh_token")]
    RefreshToken,
}

impl CimdGrant {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "authorization_code" => Some(Self::AuthorizationCode),
            crate::device::GRANT_TYPE => Some(Self::DeviceCode),
            "refresh_token" => Some(Self::RefreshToken),
            _ => None,
        }
    }
}

/// The client that a document makes: public, with PKCE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientDocument {
    /// What it calls itself, or its host.
    pub name: String,
    /// Literal addresses.
    pub redirect_uris: Vec<String>,
    /// Literal addresses.
    pub post_logout_redirect_uris: Vec<String>,
    /// In order, each once.
    pub grants: Vec<CimdGrant>,
}

#[derive(Deserialize)]
struct Wire {
    client_id: String,
    #[serde(default)]
    client_name: Option<String>,
    #[serde(default)]
    redirect_uris: Option<Vec<String>>,
    #[serde(default)]
    post_logout_redirect_uris: Option<Vec<String>>,
    #[serde(default)]
    grant_types: Option<Vec<String>>,
    #[serde(default)]
    response_types: Option<Vec<String>>,
    #[serde(default)]
    token_endpoint_auth_method: Option<String>,
    #[serde(default, deserialize_with = "present")]
    client_secret: bool,
    #[serde(default, deserialize_with = "present")]
    client_secret_expires_at: bool,
    #[serde(default, deserialize_with = "present")]
    jwks: bool,
    #[serde(default, deserialize_with = "present")]
    jwks_uri: bool,
}

/// Any value counts as there, `null` too.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| true)
}

impl ClientDocument {
    /// Reads the document of an address (oidc.md §22.4).
    ///
    /// # Errors
    /// [`CimdError`].
    pub fn parse(url: &ClientIdUrl, body: &[u8]) -> Result<Self, CimdError> {
        if body.len() > MAX_DOCUMENT {
            return Err(CimdError::TooLarge);
        }
        let wire: Wire = serde_json::from_slice(body).map_err(|_| CimdError::Malformed)?;
        if wire.client_id != url.text {
            return Err(CimdError::OtherClient);
        }
        if wire.token_endpoint_auth_method.as_deref() != Some("none")
            || wire.client_secret
            || wire.client_secret_expires_at
        {
            return Err(CimdError::Authentication);
        }
        if wire.jwks && wire.jwks_uri {
            return Err(CimdError::Keys);
        }
        let mut grants: Vec<CimdGrant> = match &wire.grant_types {
            None => vec![CimdGrant::AuthorizationCode],
            Some(list) => list.iter().filter_map(|text| CimdGrant::parse(text)).collect(),
        };
        grants.sort_unstable();
        grants.dedup();
        let has_code = grants.contains(&CimdGrant::AuthorizationCode);
        if !has_code && !grants.contains(&CimdGrant::DeviceCode) {
            return Err(CimdError::GrantTypes);
        }
        if wire.response_types.is_some_and(|types| types.iter().any(|kind| kind != "code") || types.is_empty()) {
            return Err(CimdError::ResponseTypes);
        }
        let redirect_uris = wire.redirect_uris.unwrap_or_default();
        let post_logout_redirect_uris = wire.post_logout_redirect_uris.unwrap_or_default();
        let too_many = redirect_uris.len() > MAX_URIS || post_logout_redirect_uris.len() > MAX_URIS;
        if too_many || (has_code && redirect_uris.is_empty()) {
            return Err(CimdError::RedirectUris);
        }
        redirect_uris.iter().try_for_each(|uri| check_address(url, Purpose::Redirect, uri))?;
        post_logout_redirect_uris.iter().try_for_each(|uri| check_address(url, Purpose::PostLogout, uri))?;
        Ok(Self { name: name(wire.client_name.as_deref(), url), redirect_uris, post_logout_redirect_uris, grants })
    }

    /// True if people must agree anew, because the document says something else than when they agreed (oidc.md §22.6).
    /// Another name alone is none of that: nobody is shown it without the host.
    #[must_use]
    pub fn needs_new_consent(&self, before: &Self) -> bool {
        self.redirect_uris != before.redirect_uris
            || self.post_logout_redirect_uris != before.post_logout_redirect_uris
            || self.grants != before.grants
    }
}

fn check_address(client: &ClientIdUrl, purpose: Purpose, uri: &str) -> Result<(), CimdError> {
    let refuse = |why| {
        let uri = uri.chars().filter(|c| !c.is_control()).take(100).collect();
        Err(CimdError::RedirectUri { uri, why })
    };
    if uri.contains('*') {
        return refuse("it has a star");
    }
    if Pattern::parse_for(purpose, uri).is_err() {
        return refuse("it is not an absolute, harmless address without a fragment");
    }
    let Ok(url) = Url::parse(uri) else { return refuse("it can't be read") };
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" if loopback || url.host_str() == Some(&client.host) => Ok(()),
        "https" => refuse("it is on another host than the client id"),
        "http" if loopback => Ok(()),
        "http" => refuse("plain http is only for this machine's own addresses"),
        _ => Ok(()),
    }
}

fn name(claimed: Option<&str>, url: &ClientIdUrl) -> String {
    let clean: String = claimed.unwrap_or_default().chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
    let clean = clean.trim();
    if clean.is_empty() { url.host.chars().take(MAX_NAME).collect() } else { clean.to_owned() }
}

/// The headers of an answer that say how long it counts (RFC 9111 §4.2). Times are seconds since the epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheHeaders<'a> {
    /// `Cache-Control`, all of its fields joined by commas.
    pub cache_control: &'a str,
    /// `Age`.
    pub age: Option<i64>,
    /// `Date`.
    pub date: Option<i64>,
    /// `Expires`.
    pub expires: Option<i64>,
}

/// Checks an answer before its body is read as a document, and says for how many seconds it counts from `now` on.
///
/// # Errors
/// [`CimdError::Status`], [`CimdError::ContentType`], [`CimdError::NoStore`].
pub fn check_answer(status: u16, content_type: &str, cache: CacheHeaders<'_>, now: i64) -> Result<i64, CimdError> {
    if status != 200 {
        return Err(CimdError::Status(status));
    }
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let json = essence.is_empty()
        || essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"));
    if !json {
        return Err(CimdError::ContentType);
    }
    cache_seconds(cache, now)
}

fn cache_seconds(headers: CacheHeaders<'_>, now: i64) -> Result<i64, CimdError> {
    let directives: Vec<(String, Option<i64>)> = headers
        .cache_control
        .split(',')
        .map(|directive| {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"').parse().ok())
        })
        .collect();
    let has = |name: &str| directives.iter().any(|(found, _)| found == name);
    let seconds = |name: &str| directives.iter().find(|(found, _)| found == name).and_then(|(_, value)| *value);
    if has("no-store") {
        return Err(CimdError::NoStore);
    }
    if has("no-cache") {
        return Ok(0);
    }
    let age = headers.age.unwrap_or(0).max(headers.date.map_or(0, |date| now.saturating_sub(date))).max(0);
    let life = match seconds("s-maxage").or_else(|| seconds("max-age")) {
        Some(life) => life.saturating_sub(age),
        None => match headers.expires {
            Some(expires) => expires.saturating_sub(now),
            None => DEFAULT_CACHE,
        },
    };
    Ok(life.clamp(0, MAX_CACHE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const URL: &str = "https://app.example/oauth/client.json";

    fn url() -> ClientIdUrl {
        ClientIdUrl::parse(URL).unwrap()
    }

    fn document() -> Value {
        json!({
            "client_id": URL, "client_name": "App", "token_endpoint_auth_method": "none",
            "redirect_uris": ["https://app.example/cb", "http://127.0.0.1:33418/", "http://localhost/cb", "com.example.app:/cb"],
            "grant_types": ["refresh_token", "authorization_code", "implicit"], "logo_uri": "https://evil.example/x",
        })
    }

    fn with(mut value: Value, name: &str, member: Value) -> Value {
        value[name] = member;
        value
    }

    fn parse(value: &Value) -> Result<ClientDocument, CimdError> {
        ClientDocument::parse(&url(), value.to_string().as_bytes())
    }

    #[test]
    fn case_082_addresses_that_are_refused() {
        for good in [
            URL,
            "https://app.example/",
            "https://xn--bcher-kva.example/c",
            "https://app.example/a%20b",
            "https://203.0.113.7/c",
        ] {
            assert_eq!(ClientIdUrl::parse(good).map(|url| url.as_str().to_owned()), Ok(good.to_owned()));
        }
        for bad in [
            "https://app.example",
            "http://app.example/c",
            "HTTPS://app.example/c",
            "https://App.example/c",
            "https://app.example:443/c",
            "https://app.example:8443/c",
            "https://[2001:db8::1]:443/c",
            "https://user@app.example/c",
            "https://user:pw@app.example/c",
            "https://app.example@evil.example/c",
            "https://app.example/c?x=1",
            "https://app.example/c?",
            "https://app.example/c#x",
            "https://app.example/c#",
            "https://app.example/a/../c",
            "https://app.example/a/./c",
            "https://app.example/a/%2e%2e/c",
            "https://app.example/a/..;/c",
            "https://app.example/a%2fc",
            "https://app.example//c",
            "https://app.example/a\\c",
            "https://app.example/a c",
            "https://app.example./c",
            "https://bücher.example/c",
            "https://2130706433/c",
            "https://0x7f.1/c",
            "https:/app.example/c",
            "https:///c",
            "https://",
            "",
            "plain-client",
        ] {
            assert!(matches!(ClientIdUrl::parse(bad), Err(CimdError::Address(_))), "{bad}");
        }
        let long = format!("https://app.example/{}", "x".repeat(MAX_URL));
        assert!(ClientIdUrl::parse(&long).is_err());
        assert!(
            ClientIdUrl::is_meant("HTTPS://x") && !ClientIdUrl::is_meant("app") && !ClientIdUrl::is_meant("ééééééééé")
        );
    }

    #[test]
    fn the_allow_list_has_the_rules_of_redirect_patterns() {
        let allowed = |entries: &[&str]| url().check_allowed(entries).is_ok();
        for entries in
            [&["*"][..], &[URL], &["https://app.example/**"], &["https://*.example/oauth/client.json"], &["x", URL]]
        {
            assert!(allowed(entries), "{entries:?}");
        }
        for entries in
            [&[][..], &["https://app.example"], &["https://other.example/**"], &["https://app.example/*"], &["("]]
        {
            assert!(!allowed(entries), "{entries:?}");
        }
    }

    #[test]
    fn a_document_makes_a_public_client() {
        let client = parse(&document()).unwrap();
        assert_eq!((client.name.as_str(), client.redirect_uris.len()), ("App", 4));
        assert_eq!(client.grants, [CimdGrant::AuthorizationCode, CimdGrant::RefreshToken]);
        let bare = json!({"client_id": URL, "token_endpoint_auth_method": "none", "redirect_uris": ["https://app.example/cb"]});
        let client = parse(&bare).unwrap();
        assert_eq!(
            (client.name.as_str(), client.grants.as_slice()),
            ("app.example", &[CimdGrant::AuthorizationCode][..])
        );
        let device =
            json!({"client_id": URL, "token_endpoint_auth_method": "none", "grant_types": [crate::device::GRANT_TYPE]});
        assert!(parse(&device).unwrap().redirect_uris.is_empty());
        assert_eq!(
            parse(&with(document(), "client_name", json!("A\u{7}\n".to_owned() + &"x".repeat(90)))).unwrap().name.len(),
            50
        );
    }

    #[test]
    fn case_082_documents_that_are_refused() {
        let refused = |name: &str, member: Value| parse(&with(document(), name, member)).unwrap_err();
        for id in ["https://app.example/oauth/client.json/", "https://evil.example/c", ""] {
            assert_eq!(refused("client_id", json!(id)), CimdError::OtherClient);
        }
        for method in [json!("private_key_jwt"), json!("client_secret_basic"), Value::Null] {
            assert_eq!(refused("token_endpoint_auth_method", method), CimdError::Authentication);
        }
        assert_eq!(refused("client_secret", json!("s")), CimdError::Authentication);
        assert_eq!(refused("client_secret_expires_at", json!(0)), CimdError::Authentication);
        assert_eq!(refused("grant_types", json!(["refresh_token"])), CimdError::GrantTypes);
        assert_eq!(refused("grant_types", json!(["client_credentials"])), CimdError::GrantTypes);
        assert_eq!(refused("response_types", json!(["code", "token"])), CimdError::ResponseTypes);
        assert_eq!(refused("redirect_uris", json!([])), CimdError::RedirectUris);
        assert_eq!(refused("redirect_uris", json!(vec!["https://app.example/cb"; 51])), CimdError::RedirectUris);
        assert_eq!(refused("redirect_uris", json!("https://app.example/cb")), CimdError::Malformed);
        let keys = with(with(document(), "jwks", json!({})), "jwks_uri", json!("https://app.example/jwks"));
        assert_eq!(parse(&keys), Err(CimdError::Keys));
        for uri in [
            "https://evil.example/cb",
            "https://sub.app.example/cb",
            "https://app.example.evil.example/cb",
            "https://app.example@evil.example/cb",
            "http://app.example/cb",
            "http://192.168.0.1/cb",
            "https://app.example/*",
            "https://*.example/cb",
            "*",
            "https://app.example/cb#x",
            "https://app.example/cb?code=1",
            "javascript:alert(1)",
            "data:text/html,x",
            "/cb",
            "",
        ] {
            for list in ["redirect_uris", "post_logout_redirect_uris"] {
                // A logout address may have a `code`: nothing is added to it but `state`.
                if list == "post_logout_redirect_uris" && uri.contains("code=") {
                    continue;
                }
                assert!(matches!(refused(list, json!([uri])), CimdError::RedirectUri { .. }), "{list} {uri}");
            }
        }
        let large = with(document(), "software_id", json!("x".repeat(MAX_DOCUMENT)));
        assert_eq!(parse(&large), Err(CimdError::TooLarge));
        for body in ["", "[]", "null", "{}", "{", &"[".repeat(4000)] {
            assert_eq!(ClientDocument::parse(&url(), body.as_bytes()), Err(CimdError::Malformed));
        }
    }

    #[test]
    fn case_082_a_document_that_changes_needs_new_consent() {
        let before = parse(&document()).unwrap();
        let after =
            |name: &str, member: Value| parse(&with(document(), name, member)).unwrap().needs_new_consent(&before);
        assert!(!after("client_name", json!("Other")));
        assert!(!after("grant_types", json!(["authorization_code", "refresh_token"])), "order means nothing");
        assert!(after("redirect_uris", json!(["https://app.example/cb"])));
        assert!(after("post_logout_redirect_uris", json!(["https://app.example/bye"])));
        assert!(after("grant_types", json!(["authorization_code"])));
    }

    #[test]
    fn answers_count_for_their_time() {
        let life = |cache: CacheHeaders<'_>| check_answer(200, "application/json", cache, 1000);
        let control = |text| CacheHeaders { cache_control: text, ..CacheHeaders::default() };
        assert_eq!(life(control("")), Ok(3600));
        assert_eq!(life(control("public, max-age=60")), Ok(60));
        assert_eq!(life(control("max-age=60, S-MaxAge=\"90\"")), Ok(90));
        assert_eq!(life(control("max-age=99999999999999999")), Ok(86_400));
        assert_eq!(life(control("max-age=-5")), Ok(0));
        assert_eq!(life(control("max-age=x")), Ok(3600));
        assert_eq!(life(control("no-cache, max-age=60")), Ok(0));
        assert_eq!(life(control("max-age=60, no-store")), Err(CimdError::NoStore));
        assert_eq!(life(CacheHeaders { age: Some(50), ..control("max-age=60") }), Ok(10));
        assert_eq!(life(CacheHeaders { date: Some(990), ..control("max-age=60") }), Ok(50));
        assert_eq!(life(CacheHeaders { expires: Some(1200), ..control("") }), Ok(200));
        assert_eq!(life(CacheHeaders { expires: Some(0), ..control("") }), Ok(0));
        for (content_type, good) in [
            ("", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/client+json", true),
            ("text/html", false),
            ("text/x+json", false),
        ] {
            assert_eq!(check_answer(200, content_type, CacheHeaders::default(), 0).is_ok(), good, "{content_type}");
        }
        for status in [201, 204, 301, 302, 404, 500] {
            assert_eq!(check_answer(status, "", CacheHeaders::default(), 0), Err(CimdError::Status(status)));
        }
    }

    proptest! {
        #[test]
        fn any_input_is_read_without_a_panic(id in "(https://)?[a-z0-9./:@?#%\\[\\]é*-]{0,40}", body in "[\\[\\]{}\",:a-z0-9]{0,80}", cache in "\\PC{0,40}") {
            if let Ok(url) = ClientIdUrl::parse(&id) {
                prop_assert_eq!(Url::parse(&id).unwrap().to_string(), id);
                let _ = ClientDocument::parse(&url, body.as_bytes());
            }
            let _ = check_answer(200, "", CacheHeaders { cache_control: &cache, ..CacheHeaders::default() }, 0);
        }
    }
}
