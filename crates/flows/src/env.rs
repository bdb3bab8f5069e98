//! What a running instance knows: its address, its derived secrets, and the cached settings and keys.

use std::sync::Arc;

use pid_core::application_images::ApplicationImages;
use pid_core::settings::Settings;
use pid_jose::KeySet;
use pid_oidc::dpop::Nonces;
use pid_oidc::named_scope::NamedScope;
use pid_oidc::resource::UserScopes;
use pid_store::instance::Cached;

/// `APP_URL` in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppUrl {
    /// Lower case, no trailing slash: the issuer, and the first WebAuthn origin.
    pub origin: String,
    /// The host name: the WebAuthn RP ID.
    pub host: String,
    /// Whether cookies are `Secure` with their prefixes and HSTS is sent.
    pub https: bool,
}

impl AppUrl {
    /// Parses an absolute http or https URL without path, query, fragment or userinfo.
    pub fn parse(text: &str) -> Option<Self> {
        let url = url::Url::parse(&text.trim_end_matches('/').to_lowercase()).ok()?;
        let plain = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        let https = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = url.host_str()?.to_owned();
        plain.then(|| Self { origin: url.origin().ascii_serialization(), host, https })
    }

    /// Whether browsers offer passkeys at this address: https, or http on a loopback name.
    pub fn passkeys_work(&self) -> bool {
        let local = self.host == "localhost" || self.host.ends_with(".localhost");
        let is_name = self.host.parse::<std::net::Ipv4Addr>().is_err() && !self.host.starts_with('[');
        (self.https || local) && is_name
    }
}

/// What does not change while the process runs.
#[derive(Clone, Debug)]
pub struct Env {
    /// The public address.
    pub app_url: AppUrl,
    /// Base of the back-channel URLs in discovery; usually `app_url.origin`.
    pub internal_url: String,
    /// Whether http redirect URIs are accepted beyond loopback.
    pub allow_insecure_callbacks: bool,
    /// SHA-256 of what a proxy shows to ask for verdicts (`FORWARD_AUTH_SECRET`).
    pub forward_auth_secret: Option<[u8; 32]>,
    /// SHA-256 of the static API key.
    pub static_api_key: Option<[u8; 32]>,
    /// HMAC key from which refresh tokens are derived.
    pub refresh_token_key: [u8; 32],
    /// Opens what proves refresh tokens that came with an import.
    pub imported_tokens_key: [u8; 32],
    /// Seals secrets in letters that wait.
    pub mail_key: [u8; 32],
    /// Signs the links by which people say that a sign-in was not theirs.
    pub disown_key: [u8; 32],
    /// The key under which sign-up tokens are sealed.
    pub signup_token_key: [u8; 32],
    /// The key under which bearer tokens of SCIM servers are sealed.
    pub scim_token_key: [u8; 32],
    /// Makes and recognises the nonces of DPoP proofs.
    pub dpop_nonces: Nonces,
    /// SHA-256 of the code that the start printed for set-up from public addresses.
    pub setup_code: [u8; 32],
}

impl Env {
    /// The origins at which passkeys work: `APP_URL`, and those that are related to it.
    pub fn origins(&self, settings: &Settings) -> Vec<String> {
        let mut origins = vec![self.app_url.origin.clone()];
        origins.extend(settings.related_origins());
        origins
    }
}

/// The most related origins; browsers look at five names of them at most.
const MAX_RELATED: usize = 20;

/// Checks the setting of related origins (WebAuthn L3 §5.11): addresses at which browsers offer passkeys, each exactly as
/// browsers write it. The error is a predicate that follows its name.
pub fn check_related(json: &str) -> Result<(), String> {
    let list: Vec<String> = serde_json::from_str(json).map_err(|_| "must be a JSON list of addresses".to_owned())?;
    if list.len() > MAX_RELATED {
        return Err(format!("must have at most {MAX_RELATED} addresses"));
    }
    // A pattern is a host to the parser of URLs, but none that anybody reaches.
    let is_name = |url: &AppUrl| url.host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    for text in &list {
        match AppUrl::parse(text).filter(is_name) {
            Some(url) if !url.passkeys_work() => {
                return Err(format!(
                    "has '{text}', where browsers offer no passkeys: that takes https and a host name"
                ));
            }
            Some(url) if url.origin != *text => {
                return Err(format!("has '{text}', which browsers write {}", url.origin));
            }
            Some(_) => {}
            None => return Err(format!("has '{text}', which is no address like https://id.example.com")),
        }
    }
    Ok(())
}

/// The scopes that an administrator defined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedScopes {
    all: Vec<NamedScope>,
    names: Vec<String>,
}

impl NamedScopes {
    /// Reads the setting. The error is a predicate that follows its name.
    pub fn parse(json: &str) -> Result<Self, String> {
        let malformed = "must be a JSON list of objects with name, description and claims";
        let all: Vec<NamedScope> = serde_json::from_str(json).map_err(|_| malformed.to_owned())?;
        for scope in &all {
            scope.validate().map_err(|error| format!("has the scope '{}' that can't be: {error}", scope.name))?;
        }
        let names: Vec<String> = all.iter().map(|scope| scope.name.clone()).collect();
        match names.iter().enumerate().find(|(place, name)| names[..*place].contains(name)) {
            Some((_, name)) => Err(format!("has the scope '{name}' twice")),
            None => Ok(Self { all, names }),
        }
    }

    /// The scopes.
    pub fn all(&self) -> &[NamedScope] {
        &self.all
    }

    /// Their names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The scopes that are about people, these among them.
    pub fn user_scopes(&self) -> UserScopes<'_> {
        UserScopes { named: &self.names }
    }
}

/// The cached snapshot of what may change: replaced whole when the version rows change.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The application configuration.
    pub settings: Arc<Settings>,
    /// The scopes that an administrator defined, from the configuration.
    pub scopes: Arc<NamedScopes>,
    /// The signing keys; empty until the first key is made.
    pub keys: Arc<KeySet>,
    /// Whether any client has a secret under a hash that an import brought.
    pub old_secrets: bool,
    /// Which application images are set.
    pub images: ApplicationImages,
    /// The version rows this snapshot was read at.
    pub versions: Vec<(String, i64)>,
}

impl Snapshot {
    /// Whether another one was read after something had changed.
    pub fn is_older_than(&self, other: &Self) -> bool {
        other.versions.iter().any(|(name, version)| {
            self.versions.iter().find(|(known, _)| known == name).map_or(0, |(_, version)| *version) < *version
        })
    }

    /// The version of a cached family; 0 if it was never changed.
    pub fn version(&self, what: Cached) -> i64 {
        self.versions.iter().find(|(name, _)| name == what.name()).map_or(0, |(_, version)| *version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn app_urls() {
        let u = AppUrl::parse("https://Id.Example.com/").unwrap();
        assert_eq!((u.origin.as_str(), u.host.as_str(), u.https), ("https://id.example.com", "id.example.com", true));
        assert!(u.passkeys_work());
        assert!(AppUrl::parse("http://localhost:1411").unwrap().passkeys_work());
        assert!(!AppUrl::parse("http://nas:1411").unwrap().passkeys_work());
        assert!(!AppUrl::parse("http://127.0.0.1:1411").unwrap().passkeys_work());
        for (list, good) in [
            ("[]", true),
            (r#"["https://id.lan", "https://id.lan:8443", "http://localhost:1411"]"#, true),
            (r#"["https://id.lan/"]"#, false),
            (r#"["https://ID.lan"]"#, false),
            (r#"["https://id.lan:443"]"#, false),
            (r#"["http://id.lan"]"#, false),
            (r#"["https://192.168.1.5"]"#, false),
            (r#"["https://*.lan"]"#, false),
            (r#"["https://id.lan/login"]"#, false),
            (r#"["null"]"#, false),
            (r#""https://id.lan""#, false),
        ] {
            assert_eq!(check_related(list).is_ok(), good, "{list}: {:?}", check_related(list));
        }
        for bad in ["", "localhost", "ftp://x", "https://a/b", "https://u@a", "https://a?x", "https://a#x"] {
            assert_eq!(AppUrl::parse(bad), None, "{bad}");
        }
    }
}
