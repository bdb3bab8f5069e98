//! Client authentication as a request carries it (RFC 6749 §2.3, OpenID Connect Core §9).
//!
//! Reading is here; comparing a secret needs the store's hashes and is done above. A request must use one method.

use crate::client_assertion::Assertion;
use crate::error::{ErrorCode, OAuthError};
use crate::params::{Params, decode};
use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use pid_core::clients::AuthMethod;
use std::fmt;

/// The `WWW-Authenticate` value of a failed Basic authentication (RFC 6749 §5.2).
pub const BASIC_CHALLENGE: &str = r#"Basic realm="oauth2", charset="UTF-8""#;

/// `client_assertion_type` of RFC 7523 §2.2.
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The parameters that authenticate a client: never kept with a request.
pub const AUTHENTICATION_PARAMETERS: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];

const LENIENT_PADDING: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A client secret as it was sent. Its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientSecret(String);

impl ClientSecret {
    /// The secret, for hashing and comparing.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(…)")
    }
}

/// What a client sent to prove who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// `client_secret_basic`.
    Basic {
        /// Who it says it is.
        client_id: String,
        /// What it proves it with.
        secret: ClientSecret,
    },
    /// `client_secret_post`.
    Post {
        /// Who it says it is.
        client_id: String,
        /// What it proves it with.
        secret: ClientSecret,
    },
    /// An assertion (RFC 7523 §2.2): `private_key_jwt`, or a federated credential.
    Assertion {
        /// Who it says it is: the form, else the assertion itself.
        client_id: String,
        /// What it proves it with.
        assertion: ClientSecret,
    },
    /// `none`: a public client names itself only.
    None {
        /// Who it says it is.
        client_id: String,
    },
}

impl Credentials {
    /// Reads the `Authorization` header and the form of a request.
    ///
    /// # Errors
    /// `invalid_request`: no credentials, several methods at once, header and form naming different clients, an
    /// unknown assertion type. `invalid_client`: a header or a client assertion that can't be read.
    pub fn read(authorization: Option<&str>, form: &Params) -> Result<Self, OAuthError> {
        let client_id = form.get("client_id")?;
        let secret = form.get("client_secret")?;
        let assertion = form.get("client_assertion")?;
        let assertion_type = form.get("client_assertion_type")?;
        let basic = authorization.map(basic).transpose()?;

        let methods = [basic.is_some(), secret.is_some(), assertion.is_some() || assertion_type.is_some()];
        if methods.into_iter().filter(|used| *used).count() > 1 {
            return Err(OAuthError::invalid_request("The request uses more than one client authentication method."));
        }
        if methods[2] {
            if assertion_type != Some(JWT_BEARER) {
                return Err(OAuthError::invalid_request("The 'client_assertion_type' is missing or unknown."));
            }
            let assertion = form.require("client_assertion")?;
            let client_id = Assertion::read(assertion)?.client_id(client_id).to_owned();
            return Ok(Self::Assertion { client_id, assertion: ClientSecret(assertion.to_owned()) });
        }
        if let Some((id, secret)) = basic {
            if client_id.is_some_and(|form_id| form_id != id) {
                return Err(OAuthError::invalid_request(
                    "The 'client_id' differs between the Authorization header and the form.",
                ));
            }
            return Ok(Self::Basic { client_id: id, secret });
        }
        let client_id = client_id
            .ok_or_else(|| OAuthError::invalid_request("Client credentials are missing: the request names no client."))?
            .to_owned();
        Ok(match secret {
            Some(secret) => Self::Post { client_id, secret: ClientSecret(secret.to_owned()) },
            None => Self::None { client_id },
        })
    }

    /// The client that the request names.
    #[must_use]
    pub fn client_id(&self) -> &str {
        match self {
            Self::Basic { client_id, .. }
            | Self::Post { client_id, .. }
            | Self::Assertion { client_id, .. }
            | Self::None { client_id } => client_id,
        }
    }

    /// The secret, if one was sent. For a public client it means nothing and is ignored.
    #[must_use]
    pub const fn secret(&self) -> Option<&ClientSecret> {
        match self {
            Self::Basic { secret, .. } | Self::Post { secret, .. } => Some(secret),
            Self::Assertion { .. } | Self::None { .. } => None,
        }
    }

    /// The method that was used.
    #[must_use]
    pub const fn method(&self) -> AuthMethod {
        match self {
            Self::Basic { .. } => AuthMethod::ClientSecretBasic,
            Self::Post { .. } => AuthMethod::ClientSecretPost,
            Self::Assertion { .. } => AuthMethod::PrivateKeyJwt,
            Self::None { .. } => AuthMethod::None,
        }
    }

    /// The answer to a failed authentication. It is the same for an unknown client and a wrong secret, and carries
    /// the Basic challenge when Basic was used (RFC 6749 §5.2).
    #[must_use]
    pub fn refused(&self) -> OAuthError {
        let error = OAuthError::new(ErrorCode::InvalidClient, "Client authentication failed.");
        match self {
            Self::Basic { .. } => error.with_challenge(BASIC_CHALLENGE),
            _ => error,
        }
    }
}

/// Reads a Basic header: id and secret are form-encoded before base64 (RFC 6749 §2.3.1).
fn basic(header: &str) -> Result<(String, ClientSecret), OAuthError> {
    let refuse = |text: &'static str| OAuthError::new(ErrorCode::InvalidClient, text).with_challenge(BASIC_CHALLENGE);
    let (scheme, value) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(refuse("The Authorization header must use the scheme Basic."));
    }
    let malformed = || refuse("The Basic credentials are malformed.");
    let bytes = LENIENT_PADDING.decode(value.trim()).map_err(|_| malformed())?;
    let colon = bytes.iter().position(|b| *b == b':').ok_or_else(malformed)?;
    let id = decode(&bytes[..colon]).map_err(|_| malformed())?;
    let secret = decode(&bytes[colon + 1..]).map_err(|_| {
        malformed().with_hint("Client ID and secret must be form-encoded: write '%' as '%25' and '+' as '%2B'.")
    })?;
    if id.is_empty() {
        return Err(malformed());
    }
    Ok((id, ClientSecret(secret)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    fn header(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    fn read(authorization: Option<&str>, form: &str) -> Result<Credentials, OAuthError> {
        Credentials::read(authorization, &Params::parse(form).unwrap())
    }

    #[test]
    fn reads_each_method() {
        let basic = read(Some(&header("my%2Eapp:p%2B%25+x%3A")), "grant_type=x").unwrap();
        assert_eq!(basic.client_id(), "my.app");
        assert_eq!(basic.secret().unwrap().expose(), "p+% x:");
        assert!(matches!(basic, Credentials::Basic { .. }));

        let post = read(None, "client_id=a&client_secret=b").unwrap();
        assert_eq!((post.client_id(), post.secret().unwrap().expose()), ("a", "b"));
        assert!(matches!(post, Credentials::Post { .. }));

        assert_eq!(read(None, "client_id=a&client_secret=").unwrap(), Credentials::None { client_id: "a".into() });
        assert!(matches!(read(Some("basic YTpi"), "client_id=a"), Ok(Credentials::Basic { .. })));
        assert!(matches!(read(Some("Basic YTpiYg"), ""), Ok(Credentials::Basic { .. })), "padding may be missing");
    }

    #[test]
    fn refuses_several_methods_at_once() {
        for (authorization, form) in [
            (Some("Basic YTpi"), "client_id=a&client_secret=b"),
            (Some("Basic YTpi"), "client_id=other"),
            (Some("Basic YTpi"), "client_assertion=x"),
            (None, "client_id=a&client_secret=b&client_assertion=x&client_assertion_type=y"),
            (None, "client_id=a&client_id=a"),
            (None, "client_assertion=x&client_assertion_type=urn:other"),
            (None, ""),
        ] {
            let error = read(authorization, form).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidRequest, "{authorization:?} {form}");
        }
    }

    #[test]
    fn basic_failures_carry_the_challenge() {
        for value in ["Basic", "Basic !!", "Basic YQ==", "Basic Omjk", "Bearer abc", "Basic YTolenc=", "Digest a"] {
            let error = read(Some(value), "").unwrap_err();
            assert_eq!((error.code(), error.status()), (ErrorCode::InvalidClient, 401), "{value}");
            assert_eq!(error.challenge(), Some(BASIC_CHALLENGE));
        }
        assert_eq!(read(Some("Basic YTpi"), "").unwrap().refused().challenge(), Some(BASIC_CHALLENGE));
        assert_eq!(read(None, "client_id=a").unwrap().refused().challenge(), None);
        assert_eq!(read(None, "client_id=a").unwrap().refused().status(), 401);
    }

    #[test]
    fn an_assertion_names_its_client() {
        let unreadable = format!("client_id=a&client_assertion=x&client_assertion_type={JWT_BEARER}");
        assert_eq!(read(None, &unreadable).unwrap_err().code(), ErrorCode::InvalidClient);
        let part = |json: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json);
        let token = format!("{}.{}.AAAA", part(r#"{"alg":"ES256"}"#), part(r#"{"iss":"i","sub":"s"}"#));
        let form = format!("client_assertion={token}&client_assertion_type={JWT_BEARER}");
        let own = read(None, &form).unwrap();
        assert_eq!((own.client_id(), own.method()), ("s", AuthMethod::PrivateKeyJwt));
        assert_eq!(read(None, &format!("{form}&client_id=a")).unwrap().client_id(), "a");
        assert!(!format!("{own:?}").contains("AAAA"));
    }

    #[test]
    fn debug_hides_the_secret() {
        assert!(!format!("{:?}", read(None, "client_id=a&client_secret=hunter2").unwrap()).contains("hunter2"));
    }
}
