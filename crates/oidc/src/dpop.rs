//! Demonstrating Proof of Possession (RFC 9449): tokens that are good only for the one who has a key.
//!
//! A proof is a small JWT for one request, signed by the key that it carries. [`Proof`] exists only for a checked one;
//! that it is new is up to the store (see [`Proof::replay`]). Nonces need no store: they are derived from a secret and
//! the time, so that every replica knows them.

use crate::error::{ErrorCode, OAuthError};
use crate::replay::{MAX_JTI, ReplayKey};
use aws_lc_rs::{constant_time, digest, hmac};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use pid_jose::{Alg, JoseError, Received};
use serde::{Deserialize, Serialize};
use url::Url;

/// The algorithms of proofs, for metadata.
pub const ALGORITHMS: [Alg; 9] =
    [Alg::ES256, Alg::ES384, Alg::EdDSA, Alg::PS256, Alg::PS384, Alg::PS512, Alg::RS256, Alg::RS384, Alg::RS512];

const TYP: &str = "dpop+jwt";

/// Seconds that a proof without a nonce is good for.
const MAX_AGE: i64 = 60;
/// Seconds by which clocks may differ.
const SKEW: i64 = 60;
/// Seconds for which one nonce is given out; it is good for as long again.
const NONCE_WINDOW: i64 = 120;

/// `cnf` of a token that is bound to a key (RFC 9449 §6.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// SHA-256 thumbprint of the key (RFC 7638).
    pub jkt: String,
}

/// Makes and recognises nonces (RFC 9449 §8).
#[derive(Clone)]
pub struct Nonces(hmac::Key);

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Nonces(…)")
    }
}

impl Nonces {
    /// Nonces under a secret key of their own.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    fn of_window(&self, window: i64) -> String {
        let tag = hmac::sign(&self.0, &window.to_be_bytes());
        URL_SAFE_NO_PAD.encode(&tag.as_ref()[..18])
    }

    /// The nonce to send in `DPoP-Nonce`.
    #[must_use]
    pub fn current(&self, now: i64) -> String {
        self.of_window(now.div_euclid(NONCE_WINDOW))
    }

    fn knows(&self, nonce: &str, now: i64) -> bool {
        let window = now.div_euclid(NONCE_WINDOW);
        [window, window.saturating_sub(1)].into_iter().any(|window| {
            constant_time::verify_slices_are_equal(self.of_window(window).as_bytes(), nonce.as_bytes()).is_ok()
        })
    }
}

/// The one `DPoP` header of a request.
///
/// # Errors
/// `invalid_dpop_proof` if there are several (RFC 9449 §4.3).
pub fn single_header<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<Option<&'a str>, OAuthError> {
    let mut values = values.into_iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(invalid("The request has more than one DPoP header."));
    }
    Ok(first)
}

/// The request that a proof must have been made for.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// The addresses that this endpoint has, as clients see them, without query.
    pub urls: &'a [String],
    /// The access token that comes with it, at a protected resource.
    pub access_token: Option<&'a str>,
    /// Our nonces.
    pub nonces: &'a Nonces,
    /// Whether a proof must have one.
    pub nonce_required: bool,
    /// Seconds since the epoch.
    pub now: i64,
}

/// A proof that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    jkt: String,
    alg: Alg,
    replay: ReplayKey,
}

impl Proof {
    /// The thumbprint of the key.
    #[must_use]
    pub fn jkt(&self) -> &str {
        &self.jkt
    }

    /// What it was signed with.
    #[must_use]
    pub const fn alg(&self) -> Alg {
        self.alg
    }

    /// What the store must remember: a proof whose key it has already is a replay (see [`replayed`]).
    #[must_use]
    pub const fn replay(&self) -> &ReplayKey {
        &self.replay
    }

    /// Checks a proof (RFC 9449 §4.3).
    ///
    /// # Errors
    /// `invalid_dpop_proof`; `use_dpop_nonce` if the nonce is missing, unknown or old: send [`Nonces::current`] along.
    pub fn check(header: &str, context: &Context<'_>) -> Result<Self, OAuthError> {
        let malformed = |error: JoseError| invalid(format!("The DPoP proof was not accepted: {error}."));
        let received = Received::parse(header).map_err(malformed)?;
        if !received.typ_is(TYP) {
            return Err(invalid("The 'typ' of a DPoP proof must be 'dpop+jwt'."));
        }
        let (verified, key) = received.verify_with_own_key(&ALGORITHMS).map_err(malformed)?;
        let claims = verified.claims();
        let text = |name: &str| {
            let value = claims.text(name).ok().flatten().filter(|value| !value.is_empty());
            value.ok_or_else(|| invalid(format!("The DPoP proof has no '{name}'.")))
        };
        if text("htm")? != context.method {
            return Err(invalid("The 'htm' of the DPoP proof is not the method of the request."));
        }
        let htu = text("htu")?;
        if !context.urls.iter().any(|url| same_target(url, htu)) {
            return Err(invalid("The 'htu' of the DPoP proof is not the address of the request."));
        }
        let jti = text("jti")?;
        if jti.len() > MAX_JTI {
            return Err(invalid("The 'jti' of the DPoP proof is too long."));
        }
        let iat = claims.date("iat").ok().flatten().ok_or_else(|| invalid("The DPoP proof has no 'iat'."))?;
        if let Some(token) = context.access_token {
            let ath = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, token.as_bytes()));
            if text("ath")? != ath {
                return Err(invalid("The 'ath' of the DPoP proof is not the hash of the access token."));
            }
        }
        // A nonce shows that the proof is fresh whatever the client's clock says; without one the clock must.
        let expires_at = match claims.get("nonce") {
            Some(nonce) if nonce.as_str().is_some_and(|nonce| context.nonces.knows(nonce, context.now)) => {
                context.now.saturating_add(2 * NONCE_WINDOW)
            }
            Some(_) => return Err(use_nonce()),
            None if context.nonce_required => return Err(use_nonce()),
            None => {
                if iat > context.now.saturating_add(SKEW) || iat.saturating_add(MAX_AGE + SKEW) <= context.now {
                    return Err(invalid("The 'iat' of the DPoP proof is too far from the present."));
                }
                iat.saturating_add(MAX_AGE + SKEW)
            }
        };
        let jkt = key.thumbprint();
        let replay = ReplayKey::new("dpop", &jkt, jti, expires_at);
        Ok(Self { jkt, alg: verified.alg(), replay })
    }
}

fn invalid(text: impl Into<std::borrow::Cow<'static, str>>) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidDpopProof, text)
}

fn use_nonce() -> OAuthError {
    OAuthError::new(ErrorCode::UseDpopNonce, "The DPoP proof must have the nonce of the DPoP-Nonce header.")
}

/// The answer to a proof whose algorithm is not good enough for its client (FAPI 2.0 Security Profile §5.4).
#[must_use]
pub fn weak() -> OAuthError {
    invalid("The DPoP proofs of this client must be signed with PS256, ES256 or EdDSA.")
}

/// The answer to a proof that was used before (RFC 9449 §11.1).
#[must_use]
pub fn replayed() -> OAuthError {
    invalid("The DPoP proof was used before.")
}

/// RFC 9449 §4.3: the same address after normalisation, query and fragment aside.
fn same_target(ours: &str, htu: &str) -> bool {
    let (Ok(ours), Ok(theirs)) = (Url::parse(ours), Url::parse(htu)) else { return false };
    theirs.username().is_empty()
        && theirs.password().is_none()
        && ours.scheme() == theirs.scheme()
        && ours.host() == theirs.host()
        && ours.port_or_known_default() == theirs.port_or_known_default()
        && ours.path() == theirs.path()
}

/// Reads `dpop_jkt` of an authorization request (RFC 9449 §10), beside the proof that a push may have (§10.1): what the
/// code will be bound to.
///
/// # Errors
/// `invalid_request` if it can't be a thumbprint; `invalid_dpop_proof` if the two differ.
pub fn code_binding(dpop_jkt: Option<&str>, proof: Option<&Proof>) -> Result<Option<String>, OAuthError> {
    if let Some(jkt) = dpop_jkt {
        let fits = jkt.len() == 43 && jkt.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !fits {
            return Err(OAuthError::invalid_request("The 'dpop_jkt' must be a SHA-256 thumbprint of 43 characters."));
        }
        if proof.is_some_and(|proof| proof.jkt != jkt) {
            return Err(invalid("The 'dpop_jkt' is not the key of the DPoP proof."));
        }
    }
    Ok(dpop_jkt.map(str::to_owned).or_else(|| proof.map(|proof| proof.jkt.clone())))
}

/// What a token request says about its key.
#[derive(Debug, Clone, Copy)]
pub struct Binding<'a> {
    /// The proof, if one came.
    pub proof: Option<&'a Proof>,
    /// The client's tokens are always bound (RFC 9449 §5.2).
    pub required: bool,
    /// The key that code or refresh token is bound to.
    pub bound_to: Option<&'a str>,
}

impl Binding<'_> {
    /// The key that the access token will be bound to; `None`: a bearer token.
    ///
    /// # Errors
    /// `invalid_dpop_proof` if a proof is missing; `invalid_grant` if it is of another key than the grant.
    pub fn check(&self) -> Result<Option<String>, OAuthError> {
        match (self.proof, self.bound_to) {
            (None, None) if !self.required => Ok(None),
            (None, _) => Err(invalid("The request needs a DPoP proof.")),
            (Some(proof), Some(jkt)) if proof.jkt != jkt => {
                Err(OAuthError::invalid_grant("The grant is bound to another key than that of the DPoP proof."))
            }
            (Some(proof), _) => Ok(Some(proof.jkt.clone())),
        }
    }
}

/// The key that a refresh token is bound to (RFC 9449 §5): only that of a public client, since a confidential one
/// proves itself by its own credentials and may change the key. Once bound it stays so.
#[must_use]
pub fn refresh_binding(is_public: bool, bound_to: Option<&str>, token_key: Option<&str>) -> Option<String> {
    if is_public { bound_to.or(token_key).map(str::to_owned) } else { None }
}

/// How an access token was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// RFC 6750.
    Bearer,
    /// RFC 9449 §7.1.
    Dpop,
}

/// The token of an `Authorization` header with the scheme DPoP (RFC 9449 §7.1).
#[must_use]
pub fn presented(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("dpop").then(|| token.trim()).filter(|token| !token.is_empty())
}

/// Whether a verified access token may be used the way it was presented (RFC 9449 §7): a bound one with a proof of its
/// key, never as a bearer token; another never with a proof.
///
/// # Errors
/// `invalid_token`.
pub fn check_presentation(scheme: Scheme, bound_to: Option<&str>, proof: Option<&Proof>) -> Result<(), OAuthError> {
    let good = match (scheme, bound_to) {
        (Scheme::Bearer, None) => true,
        (Scheme::Dpop, Some(jkt)) => proof.is_some_and(|proof| proof.jkt == jkt),
        _ => false,
    };
    if good {
        return Ok(());
    }
    Err(OAuthError::new(
        ErrorCode::InvalidToken,
        match bound_to {
            Some(_) => "The access token is bound to a key: send it with the scheme DPoP and a proof of that key.",
            None => "The access token is not bound to a key: send it with the scheme Bearer.",
        },
    ))
}

/// The value of `WWW-Authenticate` with which a protected resource refuses (RFC 9449 §7.1, §9). The status is 401.
#[must_use]
pub fn challenge(error: &OAuthError) -> String {
    let algs: Vec<&str> = ALGORITHMS.iter().map(|alg| alg.as_str()).collect();
    format!(
        "DPoP error=\"{}\", error_description=\"{}\", algs=\"{}\"",
        error.code(),
        error.wire_description(),
        algs.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use pid_jose::{SigningKey, sign_as_peer, thumbprint};
    use serde_json::{Value, json};

    const NOW: i64 = 1_700_000_000;
    const URL: &str = "https://id.example/api/oidc/token";

    fn key(alg: Alg) -> SigningKey {
        SigningKey::generate(alg, "k").unwrap().0
    }

    fn nonces() -> Nonces {
        Nonces::new(&[7; 32])
    }

    fn header(key: &SigningKey) -> Value {
        json!({"typ": "dpop+jwt", "jwk": key.public_jwk()})
    }

    fn claims() -> Value {
        json!({"jti": "j1", "htm": "POST", "htu": URL, "iat": NOW})
    }

    fn with(mut claims: Value, name: &str, value: Value) -> Value {
        claims[name] = value;
        claims
    }

    fn check(proof: &str, access_token: Option<&str>, nonce_required: bool) -> Result<Proof, OAuthError> {
        let urls = [URL.to_owned(), "http://pid:1411/api/oidc/token".to_owned()];
        let nonces = nonces();
        let context = Context { method: "POST", urls: &urls, access_token, nonces: &nonces, nonce_required, now: NOW };
        Proof::check(proof, &context)
    }

    #[test]
    fn good_proofs_of_each_algorithm() {
        for alg in [Alg::ES256, Alg::EdDSA, Alg::PS256] {
            let key = key(alg);
            let proof = check(&sign_as_peer(&key, &header(&key), &claims()).unwrap(), None, false).unwrap();
            assert_eq!(proof.jkt(), thumbprint(key.public_jwk()));
            assert_eq!(proof.replay().expires_at, NOW + 120);
        }
        let key = key(Alg::ES256);
        let good = |claims: &Value| check(&sign_as_peer(&key, &header(&key), claims).unwrap(), None, false);
        for htu in [
            "HTTPS://ID.example:443/api/oidc/token",
            "https://id.example/api/oidc/token?x=1#y",
            "https://id.example/api/./oidc/token",
            "http://pid:1411/api/oidc/token",
        ] {
            assert!(good(&with(claims(), "htu", json!(htu))).is_ok(), "{htu}");
        }
        for iat in [NOW - 119, NOW - 10, NOW + 60] {
            assert!(good(&with(claims(), "iat", json!(iat))).is_ok(), "{iat}");
        }
    }

    #[test]
    fn case_033_proofs_that_are_refused() {
        let key = key(Alg::ES256);
        let refused = |header: &Value, claims: &Value| {
            check(&sign_as_peer(&key, header, claims).unwrap(), None, false).unwrap_err().code()
        };
        for (name, value) in [
            ("htm", json!("GET")),
            ("htm", json!("post")),
            ("htm", Value::Null),
            ("htu", json!("https://id.example/api/oidc/userinfo")),
            ("htu", json!("https://id.example/api/oidc/token/")),
            ("htu", json!("http://id.example/api/oidc/token")),
            ("htu", json!("https://id.example:8443/api/oidc/token")),
            ("htu", json!("https://u:p@id.example/api/oidc/token")),
            ("htu", json!("/api/oidc/token")),
            ("htu", Value::Null),
            ("iat", json!(NOW - 120)),
            ("iat", json!(NOW + 61)),
            ("iat", json!(NOW.to_string())),
            ("iat", Value::Null),
            ("jti", json!("")),
            ("jti", Value::Null),
            ("jti", json!("j".repeat(MAX_JTI + 1))),
        ] {
            assert_eq!(
                refused(&header(&key), &with(claims(), name, value.clone())),
                ErrorCode::InvalidDpopProof,
                "{name} {value}"
            );
        }
        let other = SigningKey::generate(Alg::ES256, "k").unwrap().0;
        for head in [
            with(header(&key), "typ", json!("JWT")),
            with(header(&key), "typ", Value::Null),
            with(header(&key), "jwk", serde_json::to_value(other.public_jwk()).unwrap()),
            with(header(&key), "jwk", Value::Null),
            with(header(&key), "jwk", json!({"kty": "oct", "k": "AAAA"})),
            with(header(&key), "alg", json!("none")),
            with(header(&key), "alg", json!("HS256")),
            with(header(&key), "crit", json!(["x"])),
        ] {
            assert_eq!(refused(&head, &claims()), ErrorCode::InvalidDpopProof, "{head}");
        }
        assert_eq!(check("garbage", None, false).unwrap_err().code(), ErrorCode::InvalidDpopProof);
        assert_eq!(single_header(["a", "b"]).unwrap_err().code(), ErrorCode::InvalidDpopProof);
        assert_eq!(single_header(["a"]), Ok(Some("a")));
        assert_eq!(single_header([]), Ok(None));
    }

    #[test]
    fn case_033_a_proof_is_for_one_token() {
        let key = key(Alg::ES256);
        // RFC 9449 §7.1.
        let token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
        let ath = "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo";
        let at_token = |claims: &Value| check(&sign_as_peer(&key, &header(&key), claims).unwrap(), Some(token), false);
        assert!(at_token(&with(claims(), "ath", json!(ath))).is_ok());
        assert_eq!(at_token(&claims()).unwrap_err().code(), ErrorCode::InvalidDpopProof);
        assert_eq!(at_token(&with(claims(), "ath", json!("x"))).unwrap_err().code(), ErrorCode::InvalidDpopProof);
    }

    #[test]
    fn case_033_the_same_proof_has_the_same_replay_key() {
        let (key, other) = (key(Alg::ES256), self::key(Alg::ES256));
        let of = |key: &SigningKey, claims: &Value| {
            check(&sign_as_peer(key, &header(key), claims).unwrap(), None, false).unwrap().replay().key.clone()
        };
        assert_eq!(of(&key, &claims()), of(&key, &with(claims(), "iat", json!(NOW - 5))));
        assert_ne!(of(&key, &claims()), of(&key, &with(claims(), "jti", json!("j2"))));
        assert_ne!(of(&key, &claims()), of(&other, &claims()), "a jti is its key's");
        assert_eq!(replayed().code(), ErrorCode::InvalidDpopProof);
    }

    #[test]
    fn nonces_replace_the_clock() {
        let key = key(Alg::ES256);
        let nonces = nonces();
        let ask = |nonce: Value, iat: i64, required| {
            let claims = with(with(claims(), "nonce", nonce), "iat", json!(iat));
            check(&sign_as_peer(&key, &header(&key), &claims).unwrap(), None, required).map_err(|e| e.code())
        };
        let good = ask(json!(nonces.current(NOW)), NOW - 50_000, true).unwrap();
        assert_eq!(good.replay().expires_at, NOW + 240, "remembered as long as the nonce is known");
        assert!(ask(json!(nonces.current(NOW - NONCE_WINDOW)), NOW, true).is_ok());
        for nonce in [
            json!(nonces.current(NOW - 2 * NONCE_WINDOW)),
            json!(nonces.current(NOW + NONCE_WINDOW)),
            json!(Nonces::new(&[8; 32]).current(NOW)),
            json!(""),
            json!(5),
        ] {
            assert_eq!(ask(nonce.clone(), NOW, false), Err(ErrorCode::UseDpopNonce), "{nonce}");
        }
        let bare = sign_as_peer(&key, &header(&key), &claims()).unwrap();
        assert_eq!(check(&bare, None, true).unwrap_err().code(), ErrorCode::UseDpopNonce);
        assert!(!format!("{nonces:?}").contains('7'));
    }

    #[test]
    fn case_033_keys_do_not_change() {
        let proof = |jkt: &str| Proof { jkt: jkt.into(), alg: Alg::ES256, replay: ReplayKey::new("", "", "", 0) };
        let (a, b) = (proof("a"), proof("b"));
        let bind = |proof, required, bound_to| Binding { proof, required, bound_to }.check().map_err(|e| e.code());
        assert_eq!(bind(None, false, None), Ok(None));
        assert_eq!(bind(Some(&a), false, None), Ok(Some("a".into())));
        assert_eq!(bind(Some(&a), true, Some("a")), Ok(Some("a".into())));
        assert_eq!(bind(None, true, None), Err(ErrorCode::InvalidDpopProof));
        assert_eq!(bind(None, false, Some("a")), Err(ErrorCode::InvalidDpopProof));
        assert_eq!(bind(Some(&b), false, Some("a")), Err(ErrorCode::InvalidGrant));
        assert_eq!(refresh_binding(true, None, Some("a")).as_deref(), Some("a"));
        assert_eq!(refresh_binding(true, Some("a"), Some("b")).as_deref(), Some("a"), "once bound it stays so");
        assert_eq!(refresh_binding(false, None, Some("a")), None);

        let thumb = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
        assert_eq!(code_binding(Some(thumb), None).unwrap().as_deref(), Some(thumb));
        assert_eq!(code_binding(Some(thumb), Some(&proof(thumb))).unwrap().as_deref(), Some(thumb));
        assert_eq!(code_binding(None, Some(&a)).unwrap().as_deref(), Some("a"));
        assert_eq!(code_binding(Some(thumb), Some(&a)).unwrap_err().code(), ErrorCode::InvalidDpopProof);
        assert_eq!(code_binding(Some("short"), None).unwrap_err().code(), ErrorCode::InvalidRequest);
    }

    #[test]
    fn case_033_bound_tokens_are_no_bearer_tokens() {
        let proof = Proof { jkt: "a".into(), alg: Alg::ES256, replay: ReplayKey::new("", "", "", 0) };
        let check = |scheme, bound, proof| check_presentation(scheme, bound, proof).is_ok();
        assert!(check(Scheme::Bearer, None, None));
        assert!(check(Scheme::Dpop, Some("a"), Some(&proof)));
        assert!(!check(Scheme::Bearer, Some("a"), None));
        assert!(!check(Scheme::Bearer, Some("a"), Some(&proof)));
        assert!(!check(Scheme::Dpop, Some("a"), None));
        assert!(!check(Scheme::Dpop, Some("b"), Some(&proof)));
        assert!(!check(Scheme::Dpop, None, Some(&proof)));
        assert_eq!((presented("dpop a.b"), presented("Bearer a.b"), presented("DPoP ")), (Some("a.b"), None, None));
        let error = check_presentation(Scheme::Bearer, Some("a"), None).unwrap_err();
        assert!(challenge(&error).starts_with("DPoP error=\"invalid_token\", error_description=\""));
        assert!(challenge(&use_nonce()).contains("algs=\"ES256 "));
    }
}
