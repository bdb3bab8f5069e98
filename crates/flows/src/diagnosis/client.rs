//! Requests in which a client proves who it is.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use pid_core::clients::AuthMethod;
use pid_core::diagnosis::secrets::{self, Signed, assertion};
use pid_core::diagnosis::{Code, Finding};
use pid_core::secret::{Secret, equal, sha256};
use pid_core::{ClientId, Timestamp};
use pid_jose::Received;
use pid_oidc::client_assertion::{self, ALGORITHMS, STRICT_ALGORITHMS};
use pid_oidc::client_auth::Credentials;
use pid_oidc::params::decode;
use pid_oidc::{ErrorCode, OAuthError, Params};
use pid_store::diagnoses;
use pid_store::protocol::{self, ProtocolClient};

use super::authorization::malformed;
use super::{Endpoint, Found, Look};
use crate::Error;
use crate::client_auth::demanded;
use crate::protocol::{client, is_of_high_security};

impl Look<'_> {
    pub(super) fn client_request(
        &self,
        endpoint: Endpoint,
        form: &Params,
        authorization: Option<&Secret>,
        error: &OAuthError,
    ) -> Result<Option<Found>, Error> {
        if is_usual(error.code()) {
            return Ok(None);
        }
        let header = authorization.map(Secret::expose);
        let credentials = match Credentials::read(header, form) {
            Ok(credentials) => credentials,
            Err(_) => return self.unreadable(form, header, error).map(Some),
        };
        let Some((found, _)) = client(self.tx, credentials.client_id())? else {
            return self.unknown_client(credentials.client_id()).map(Some);
        };
        let finding = match error.code() {
            ErrorCode::InvalidClient => self.not_proven(&found, &credentials, header, error)?,
            ErrorCode::InvalidDpopProof => Finding::new(Code::ProofRefused).quote("reason", error.page_text()),
            _ if endpoint == Endpoint::Par => {
                let named = ("client_id", found.id.as_str());
                let others = form.iter().filter(|(name, _)| *name != "client_id");
                let params = Params::from_pairs(others.chain([named])).unwrap_or_default();
                return self.authorization(&params, true, None, error).map(Some);
            }
            _ if endpoint == Endpoint::Token => self.redemption(&found, form, error)?,
            ErrorCode::InvalidScope | ErrorCode::InvalidTarget => Finding::new(Code::ScopeRefused)
                .quote("sent", form.first("resource").or(form.first("scope")).unwrap_or("-"))
                .quote("reason", error.page_text()),
            _ => malformed(error),
        };
        Ok(Some((Some(found.id), finding)))
    }

    /// Nobody can be told from it.
    fn unreadable(&self, form: &Params, header: Option<&str>, error: &OAuthError) -> Result<Found, Error> {
        let named = form.first("client_id").map(ClientId::new);
        if form.is_empty() && header.is_none() {
            let is_form = error.page_text().starts_with("Client credentials are missing");
            let finding = if is_form {
                Finding::new(Code::ClientMissing)
            } else {
                Finding::new(Code::FormMissing).quote("reason", error.page_text())
            };
            return Ok((None, finding));
        }
        let ways = [
            header.is_some(),
            form.first("client_secret").is_some(),
            form.first("client_assertion").or(form.first("client_assertion_type")).is_some(),
        ];
        if ways.into_iter().filter(|used| *used).count() > 1 {
            let owner = named.or_else(|| header.and_then(basic).map(|(id, _)| ClientId::new(id)));
            return Ok((owner, Finding::new(Code::MethodTwice)));
        }
        // A secret with a percent sign that was not encoded can't be decoded.
        if let Some((id, secret)) = header.and_then(basic)
            && let Some((found, _)) = client(self.tx, &id)?
            && self.fits(&found, &secret)?.is_some()
        {
            return Ok((Some(found.id), secrets::secret(&secrets::Secret::Encoded)));
        }
        let finding = match header {
            None if ways == [false; 3] && named.is_none() => Finding::new(Code::ClientMissing),
            _ => Finding::new(Code::CredentialsMalformed).quote("reason", error.page_text()),
        };
        Ok((named.or_else(|| header.and_then(basic).map(|(id, _)| ClientId::new(id))), finding))
    }

    fn not_proven(
        &self,
        found: &ProtocolClient,
        credentials: &Credentials,
        header: Option<&str>,
        error: &OAuthError,
    ) -> Result<Finding, Error> {
        if let Some(method) = found.auth_method.filter(|method| *method != credentials.method()) {
            return Ok(Finding::new(Code::MethodRefused)
                .quote("sent", credentials.method().as_str())
                .quote("expected", method.as_str()));
        }
        if let Credentials::Assertion { assertion, .. } = credentials {
            return self.assertion(found, assertion.expose(), error);
        }
        let sent = credentials.secret().map(|secret| secret.expose().to_owned());
        let raw = match credentials.method() {
            AuthMethod::ClientSecretBasic => header.and_then(basic).map(|(_, secret)| secret),
            _ => None,
        };
        self.secret(found, sent.as_deref(), raw.as_deref()).map(|facts| secrets::secret(&facts))
    }

    /// The end of the client's secret that this is, if it is one; `None` inside: it has none.
    fn fits(&self, found: &ProtocolClient, secret: &str) -> Result<Option<Option<Timestamp>>, Error> {
        let hash = sha256(secret.as_bytes());
        let own = protocol::client_secrets(self.tx, &found.id)?;
        let fits = own.into_iter().find(|stored| stored.algorithm == "sha256" && equal(&stored.hash, &hash));
        Ok(fits.map(|stored| stored.expires_at))
    }

    fn secret(&self, found: &ProtocolClient, sent: Option<&str>, raw: Option<&str>) -> Result<secrets::Secret, Error> {
        let Some(sent) = sent else { return Ok(secrets::Secret::Missing) };
        if protocol::client_secrets(self.tx, &found.id)?.is_empty() {
            return Ok(secrets::Secret::ClientHasNone);
        }
        if let Some(Some(end)) = self.fits(found, sent)? {
            return Ok(secrets::Secret::Expired(end));
        }
        let encoded: String = percent(sent);
        let disguises = [decode(sent.as_bytes()).ok(), raw.map(str::to_owned), Some(encoded)];
        for disguise in disguises.into_iter().flatten() {
            if self.fits(found, &disguise)?.is_some() {
                return Ok(secrets::Secret::Encoded);
            }
        }
        let bare = sent.trim().trim_matches(['"', '\'', '`']).trim();
        if bare != sent && self.fits(found, bare)?.is_some() {
            return Ok(secrets::Secret::Blank);
        }
        Ok(match diagnoses::secret_of(self.tx, &sha256(sent.as_bytes()))? {
            Some(name) => secrets::Secret::Foreign(name),
            None => secrets::Secret::Wrong,
        })
    }

    fn assertion(&self, found: &ProtocolClient, token: &str, error: &OAuthError) -> Result<Finding, Error> {
        let text = error.page_text();
        if *error == client_assertion::replayed() {
            return Ok(Finding::new(Code::AssertionUsed));
        }
        if let Some((_, reason)) = text.split_once("can't be had: ") {
            return Ok(Finding::new(Code::KeysUnreachable).quote("reason", reason.trim_end_matches('.')));
        }
        let Ok(received) = Received::parse(token) else {
            return Ok(Finding::new(Code::AssertionRefused).quote("reason", text));
        };
        let claims = received.unverified_claims();
        let date = |name| claims.date(name).ok().flatten();
        let audiences: Vec<String> = claims.audiences().unwrap_or_default().into_iter().map(str::to_owned).collect();
        let allowed = if is_of_high_security(found) { &STRICT_ALGORITHMS[..] } else { &ALGORITHMS[..] };
        let algorithm_is_allowed = allowed.iter().any(|alg| alg.as_str() == received.algorithm());
        let issuer_is_known = demanded(found, &protocol::client_keys(self.tx, &found.id)?, token).is_ok();
        if issuer_is_known && algorithm_is_allowed && text.contains("was not accepted") {
            return Ok(Finding::new(Code::AssertionKey));
        }
        Ok(assertion(&Signed {
            issuer: claims.text("iss").ok().flatten().unwrap_or_default(),
            audiences: &audiences,
            begins: date("iat").max(date("nbf")),
            ends: date("exp"),
            algorithm: received.algorithm(),
            algorithm_is_allowed,
            issuer_is_known,
            client_id: found.id.as_str(),
            us: self.us(),
            now: self.at.secs(),
            reason: text,
        }))
    }
}

/// Answers that belong to a protocol's usual course.
fn is_usual(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::UseDpopNonce | ErrorCode::AuthorizationPending | ErrorCode::SlowDown)
}

/// Client and secret of a Basic header as they stand there, without undoing their encoding.
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, value) = header.trim().split_once(' ')?;
    let value = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(value.trim()).ok())??;
    let text = String::from_utf8(value).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

/// All but letters and digits percent-encoded, as forms are.
fn percent(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
