//! Client authentication with a signed assertion (RFC 7523 §2.2, §3): `private_key_jwt` with keys that the client
//! registered (OpenID Connect Core §9), and federated credentials, where another issuer vouches for a workload
//! (oidc.md §14.3).
//!
//! Three steps: read the assertion, find out whose keys must have signed it, check it with those keys. The keys may have
//! to be fetched in between, so the second step names where they are and what the third will demand.

use crate::error::{ErrorCode, OAuthError};
use crate::replay::{MAX_JTI, ReplayKey};
use pid_core::clients::FederatedIdentity;
use pid_jose::{Alg, JoseError, PeerKeys, Received};

/// The algorithms of assertions, for metadata.
pub const ALGORITHMS: [Alg; 10] = Alg::ALL;
/// Those of clients of high security (FAPI 2.0 Security Profile §5.4).
pub const STRICT_ALGORITHMS: [Alg; 3] = [Alg::PS256, Alg::ES256, Alg::EdDSA];

/// Longest life of an assertion that a client made for us, seconds.
const MAX_LIFE: i64 = 300;
/// Seconds by which clocks may differ.
const LEEWAY: i64 = 30;
/// Longest `iss` and `sub` in bytes.
const MAX_NAME: usize = 2048;
/// Media types of tokens that were made for something else.
const OTHER_TYPES: [&str; 4] = ["at+jwt", "dpop+jwt", "logout+jwt", "oauth-authz-req+jwt"];

/// An assertion as it was sent.
#[derive(Debug)]
pub struct Assertion<'a> {
    received: Received<'a>,
    issuer: String,
    subject: String,
}

/// Where the keys are that must have signed an assertion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// The client's registered keys, in its record or at its address.
    Client,
    /// The JWK set of another issuer, at this address.
    Url(String),
}

/// What an assertion must be, found for one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// Whose keys.
    pub keys: KeySource,
    issuer: String,
    subject: String,
    audience: Audience,
    once: bool,
    strict: bool,
}

/// Who vouches: the same text for the same issuer and subject.
impl std::fmt::Display for Demand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.issuer, self.subject)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Audience {
    /// One of our own addresses, and none of others; from a strict client the issuer alone.
    Ours,
    /// This one among others.
    Named(String),
}

/// What is known of the client.
#[derive(Debug, Clone, Copy)]
pub struct AssertingClient<'a> {
    /// `client_id`.
    pub id: &'a str,
    /// It registered keys, or where they are.
    pub has_keys: bool,
    /// It is of high security: its own assertions are judged by the FAPI 2.0 Security Profile (§5.3.2.1, §5.4).
    pub strict: bool,
    /// The issuers that vouch for it.
    pub federated: &'a [FederatedIdentity],
}

/// Who we are, in assertions.
#[derive(Debug, Clone, Copy)]
pub struct Us<'a> {
    /// The issuer.
    pub issuer: &'a str,
    /// Our addresses that an assertion of a client may also name as `aud`: the token endpoint and the one that was called
    /// (RFC 7523 §3, RFC 9126 §2).
    pub endpoints: &'a [String],
}

/// An assertion that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// What the store must remember; if it does already, the assertion is a replay and [`replayed`] is the answer.
    /// `None` for a federated credential that may be used until it expires.
    pub replay: Option<ReplayKey>,
}

fn refuse(text: impl Into<std::borrow::Cow<'static, str>>) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidClient, text)
}

/// The answer to an assertion that was used before.
#[must_use]
pub fn replayed() -> OAuthError {
    refuse("The client assertion was used before.")
}

impl<'a> Assertion<'a> {
    /// Reads `client_assertion`.
    ///
    /// # Errors
    /// `invalid_client`: it can't be read, is another kind of token, or has no `iss` or `sub`.
    pub fn read(token: &'a str) -> Result<Self, OAuthError> {
        let received =
            Received::parse(token).map_err(|error| refuse(format!("The client assertion can't be read: {error}.")))?;
        if OTHER_TYPES.iter().any(|typ| received.typ_is(typ)) {
            return Err(refuse("The client assertion is another kind of token."));
        }
        let claims = received.unverified_claims();
        let name = |name: &str| match claims.text(name) {
            Ok(Some(value)) if (1..=MAX_NAME).contains(&value.len()) && !value.contains('\0') => Ok(value.to_owned()),
            _ => Err(refuse(format!("The client assertion has no '{name}'."))),
        };
        let (issuer, subject) = (name("iss")?, name("sub")?);
        Ok(Self { received, issuer, subject })
    }

    /// The client that the request is from: the one that its form names, else the assertion's subject (oidc.md §14.3).
    #[must_use]
    pub fn client_id<'b>(&'b self, form: Option<&'b str>) -> &'b str {
        form.unwrap_or(&self.subject)
    }

    /// Finds what the assertion must be to authenticate this client: a federated identity by issuer *and* subject, both
    /// equal to the letter, or the client's own keys.
    ///
    /// # Errors
    /// `invalid_client` if this client can't be authenticated by such an assertion.
    pub fn demand(&self, client: &AssertingClient<'_>) -> Result<Demand, OAuthError> {
        let found = client.federated.iter().find(|identity| {
            let subject = if identity.subject.is_empty() { client.id } else { &identity.subject };
            identity.issuer == self.issuer && subject == self.subject
        });
        if let Some(identity) = found {
            return Ok(Demand {
                keys: KeySource::Url(jwks_url(identity)),
                issuer: self.issuer.clone(),
                subject: self.subject.clone(),
                audience: match identity.audience.as_str() {
                    "" => Audience::Ours,
                    audience => Audience::Named(audience.to_owned()),
                },
                once: identity.replay_protection,
                strict: false,
            });
        }
        if client.has_keys && self.issuer == client.id {
            if self.subject != self.issuer {
                return Err(refuse("The 'sub' of the client assertion must be its 'iss', the client."));
            }
            return Ok(Demand {
                keys: KeySource::Client,
                issuer: client.id.to_owned(),
                subject: client.id.to_owned(),
                audience: Audience::Ours,
                once: true,
                strict: client.strict,
            });
        }
        Err(refuse("This client has neither keys nor a federated identity with the 'iss' and 'sub' of the assertion."))
    }

    /// Checks the assertion with the keys that [`Demand::keys`] names.
    ///
    /// # Errors
    /// `invalid_client`.
    pub fn check(self, demand: &Demand, keys: &PeerKeys, us: Us<'_>, now: i64) -> Result<Accepted, OAuthError> {
        let verified = self
            .received
            .verify(keys, if demand.strict { &STRICT_ALGORITHMS } else { &ALGORITHMS })
            .map_err(|error| refuse(format!("The client assertion was not accepted: {error}.")))?;
        let claims = verified.claims();
        let wrong = |_: JoseError| refuse("A claim of the client assertion has the wrong type.");
        // The signature is good: these are the same claims that the keys were chosen by.
        if self.issuer != demand.issuer || self.subject != demand.subject {
            return Err(refuse("The 'iss' or 'sub' of the client assertion is another's."));
        }
        let audiences = claims.audiences().map_err(wrong)?;
        let own_keys = demand.keys == KeySource::Client;
        let ours = |aud: &&str| *aud == us.issuer || us.endpoints.iter().any(|url| url == aud);
        let addressed = match &demand.audience {
            Audience::Named(name) => audiences.iter().any(|aud| aud == name),
            Audience::Ours if demand.strict => claims.text("aud").ok().flatten() == Some(us.issuer),
            // Made for us alone, so that nobody else whom it is also meant for can use it here.
            Audience::Ours if own_keys => !audiences.is_empty() && audiences.iter().all(ours),
            Audience::Ours => audiences.contains(&us.issuer),
        };
        if !addressed {
            return Err(refuse("The 'aud' of the client assertion must be this issuer."));
        }
        let exp = claims.date("exp").map_err(wrong)?.ok_or_else(|| refuse("The client assertion has no 'exp'."))?;
        let (iat, nbf) = (claims.date("iat").map_err(wrong)?, claims.date("nbf").map_err(wrong)?);
        if exp.saturating_add(LEEWAY) <= now {
            return Err(refuse("The client assertion is expired."));
        }
        if iat.max(nbf).is_some_and(|start| start > now.saturating_add(LEEWAY)) {
            return Err(refuse("The client assertion is not valid yet."));
        }
        let begin = iat.map_or(now, |iat| iat.min(now));
        if own_keys && exp.saturating_sub(begin) > MAX_LIFE + LEEWAY {
            return Err(refuse("The client assertion must not live longer than five minutes."));
        }
        if !demand.once {
            return Ok(Accepted { replay: None });
        }
        let jti = claims.text("jti").map_err(wrong)?.filter(|jti| (1..=MAX_JTI).contains(&jti.len()));
        let jti = jti.ok_or_else(|| refuse("The client assertion has no 'jti', or one that is too long."))?;
        let replay = ReplayKey::new("client_assertion", &demand.issuer, jti, exp.saturating_add(LEEWAY));
        Ok(Accepted { replay: Some(replay) })
    }
}

/// Where the keys of a federated issuer are: the address that was configured, else the usual one below the issuer.
fn jwks_url(identity: &FederatedIdentity) -> String {
    if identity.jwks.is_empty() {
        format!("{}/.well-known/jwks.json", identity.issuer.trim_end_matches('/'))
    } else {
        identity.jwks.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pid_jose::{PeerKey, SigningKey, sign_as_peer};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const ISSUER: &str = "https://id.example";
    const NOW: i64 = 1_700_000_000;

    fn key(kid: &str) -> (SigningKey, PeerKeys) {
        let (key, _) = SigningKey::generate(Alg::ES256, kid).unwrap();
        let jwk = serde_json::to_value(key.public_jwk()).unwrap();
        (key, [PeerKey::parse(&jwk).unwrap()].into_iter().collect())
    }

    fn claims() -> Value {
        json!({"iss": "app", "sub": "app", "aud": ISSUER, "iat": NOW, "exp": NOW + 60, "jti": "j1"})
    }

    fn with(mut claims: Value, name: &str, value: Value) -> Value {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value;
        }
        claims
    }

    fn federated(issuer: &str, subject: &str) -> FederatedIdentity {
        FederatedIdentity { issuer: issuer.into(), subject: subject.into(), ..FederatedIdentity::default() }
    }

    fn judge(
        client: &AssertingClient<'_>,
        key: &SigningKey,
        keys: &PeerKeys,
        claims: &Value,
    ) -> Result<Accepted, String> {
        let token = sign_as_peer(key, &json!({"kid": "k"}), claims).unwrap();
        let endpoints = [format!("{ISSUER}/api/oidc/token"), format!("{ISSUER}/api/oidc/par")];
        let assertion = Assertion::read(&token).map_err(|e| e.to_string())?;
        let demand = assertion.demand(client).map_err(|e| e.to_string())?;
        let checked = assertion.check(&demand, keys, Us { issuer: ISSUER, endpoints: &endpoints }, NOW);
        checked.map_err(|error| {
            assert_eq!((error.code(), error.status()), (ErrorCode::InvalidClient, 401));
            error.to_string()
        })
    }

    const OWN: AssertingClient<'static> = AssertingClient { id: "app", has_keys: true, strict: false, federated: &[] };

    #[test]
    fn a_client_signs_with_its_registered_key() {
        let (key, keys) = key("k");
        let good = |claims: Value| judge(&OWN, &key, &keys, &claims);
        assert_eq!(good(claims()).unwrap().replay.unwrap().expires_at, NOW + 90);
        for (name, value) in [
            ("aud", json!([ISSUER])),
            ("aud", json!(format!("{ISSUER}/api/oidc/token"))),
            ("aud", json!([ISSUER, format!("{ISSUER}/api/oidc/par")])),
            ("exp", json!(NOW + 300)),
            ("iat", Value::Null),
            ("iat", json!(NOW + 20)),
            ("exp", json!(NOW - 29)),
        ] {
            assert!(good(with(claims(), name, value.clone())).is_ok(), "{name} {value}");
        }
        let token = sign_as_peer(&key, &json!({"kid": "k"}), &claims()).unwrap();
        let assertion = Assertion::read(&token).unwrap();
        assert_eq!((assertion.client_id(None), assertion.client_id(Some("named"))), ("app", "named"));
    }

    #[test]
    fn a_strict_client_names_the_issuer_alone_and_signs_well() {
        let strict = AssertingClient { strict: true, ..OWN };
        let (key, keys) = key("k");
        assert!(judge(&strict, &key, &keys, &claims()).is_ok());
        for aud in [json!([ISSUER]), json!(format!("{ISSUER}/api/oidc/token")), json!(format!("{ISSUER}/api/oidc/par"))]
        {
            assert!(judge(&OWN, &key, &keys, &with(claims(), "aud", aud.clone())).is_ok(), "{aud}");
            assert!(judge(&strict, &key, &keys, &with(claims(), "aud", aud.clone())).is_err(), "{aud}");
        }
        let (key, _) = SigningKey::generate(Alg::RS256, "k").unwrap();
        let mut jwk = serde_json::to_value(key.public_jwk()).unwrap();
        jwk.as_object_mut().unwrap().remove("alg");
        let keys = [PeerKey::parse(&jwk).unwrap()].into_iter().collect();
        assert!(judge(&OWN, &key, &keys, &claims()).is_ok());
        assert!(judge(&strict, &key, &keys, &claims()).unwrap_err().contains("algorithm"));
    }

    #[test]
    fn case_032_assertions_that_are_refused() {
        let (key, keys) = key("k");
        for (name, value) in [
            ("aud", json!("https://other.example")),
            ("aud", json!([ISSUER, "https://other.example"])),
            ("aud", json!(format!("{ISSUER}/"))),
            ("aud", json!([])),
            ("aud", Value::Null),
            ("aud", json!(5)),
            ("sub", json!("other")),
            ("sub", Value::Null),
            ("iss", json!("other")),
            ("iss", Value::Null),
            ("exp", Value::Null),
            ("exp", json!(NOW - 30)),
            ("exp", json!(NOW + 3600)),
            ("exp", json!(i64::MAX)),
            ("exp", json!((NOW + 60).to_string())),
            ("iat", json!(NOW + 31)),
            ("iat", json!(NOW - 600)),
            ("nbf", json!(NOW + 31)),
            ("jti", Value::Null),
            ("jti", json!("")),
            ("jti", json!(7)),
            ("jti", json!("j".repeat(MAX_JTI + 1))),
        ] {
            assert!(judge(&OWN, &key, &keys, &with(claims(), name, value.clone())).is_err(), "{name} {value}");
        }
        let (other, _) = self::key("k");
        assert!(judge(&OWN, &other, &keys, &claims()).unwrap_err().contains("signature"), "another client's key");
        let keyless = AssertingClient { has_keys: false, ..OWN };
        assert!(judge(&keyless, &key, &keys, &claims()).is_err());
        let stranger = AssertingClient { id: "victim", ..OWN };
        assert!(judge(&stranger, &key, &keys, &claims()).is_err(), "its own assertion for another client");
        for typ in OTHER_TYPES {
            let token = sign_as_peer(&key, &json!({"kid": "k", "typ": typ}), &claims()).unwrap();
            assert!(Assertion::read(&token).is_err(), "{typ}");
        }
        assert!(Assertion::read("garbage").is_err());
    }

    #[test]
    fn case_032_an_assertion_is_used_once() {
        let (key, keys) = key("k");
        let replay = |claims: Value| judge(&OWN, &key, &keys, &claims).unwrap().replay.unwrap().key;
        assert_eq!(replay(claims()), replay(with(claims(), "exp", json!(NOW + 90))));
        assert_ne!(replay(claims()), replay(with(claims(), "jti", json!("j2"))));
        assert_eq!(replayed().code(), ErrorCode::InvalidClient);
    }

    #[test]
    fn another_issuer_vouches_by_issuer_and_subject() {
        let (key, keys) = key("k");
        let cluster = "https://cluster.example/";
        let mut entries =
            [federated(cluster, "job-a"), federated(cluster, "job-b"), federated("https://ci.example", "")];
        entries[1].audience = "urn:pocket".into();
        entries[1].replay_protection = true;
        entries[1].jwks = "https://keys.example/jwks".into();
        let client = AssertingClient { id: "app", has_keys: false, strict: false, federated: &entries };
        let vouch = |iss: &str, sub: &str, aud: Value| {
            let claims =
                json!({"iss": iss, "sub": sub, "aud": aud, "exp": NOW + 86_400, "iat": NOW - 86_400, "jti": "j"});
            judge(&client, &key, &keys, &claims)
        };
        // A workload's token is a file that is read again and again, and lives longer.
        assert_eq!(vouch(cluster, "job-a", json!([ISSUER, "other"])), Ok(Accepted { replay: None }));
        assert!(vouch(cluster, "job-b", json!("urn:pocket")).unwrap().replay.is_some());
        assert!(vouch(cluster, "job-b", json!(ISSUER)).is_err());
        assert_eq!(vouch("https://ci.example", "app", json!(ISSUER)), Ok(Accepted { replay: None }));
        let token = sign_as_peer(&key, &json!({}), &json!({"iss": cluster, "sub": "job-a"})).unwrap();
        let demand = Assertion::read(&token).unwrap().demand(&client).unwrap();
        assert_eq!(demand.keys, KeySource::Url("https://cluster.example/.well-known/jwks.json".into()));
        let token = sign_as_peer(&key, &json!({}), &json!({"iss": cluster, "sub": "job-b"})).unwrap();
        let demand = Assertion::read(&token).unwrap().demand(&client).unwrap();
        assert_eq!(demand.keys, KeySource::Url("https://keys.example/jwks".into()));
    }

    #[test]
    fn case_032_issuers_that_only_look_alike() {
        let (key, keys) = key("k");
        let entries = [federated("https://cluster.example", "job")];
        let client = AssertingClient { id: "app", has_keys: false, strict: false, federated: &entries };
        for iss in [
            "https://cluster.example/",
            "https://cluster.example.evil.example",
            "https://cluster.example/evil",
            "https://CLUSTER.example",
            "https://cluster.example@evil.example",
            "https://cluster.exampl",
            "",
        ] {
            let claims = json!({"iss": iss, "sub": "job", "aud": ISSUER, "exp": NOW + 60});
            assert!(judge(&client, &key, &keys, &claims).is_err(), "{iss}");
        }
        for sub in ["job2", "Job", "app"] {
            let claims = json!({"iss": "https://cluster.example", "sub": sub, "aud": ISSUER, "exp": NOW + 60});
            assert!(judge(&client, &key, &keys, &claims).is_err(), "{sub}");
        }
        // A jti counts for its issuer: two issuers may use the same.
        let mut both = [federated("https://a.example", "s"), federated("https://b.example", "s")];
        both.iter_mut().for_each(|entry| entry.replay_protection = true);
        let client = AssertingClient { federated: &both, ..client };
        let replay = |iss: &str| {
            let claims = json!({"iss": iss, "sub": "s", "aud": ISSUER, "exp": NOW + 60, "jti": "j"});
            judge(&client, &key, &keys, &claims).unwrap().replay.unwrap().key
        };
        assert_ne!(replay("https://a.example"), replay("https://b.example"));
    }

    proptest! {
        #[test]
        fn any_assertion_is_read_without_a_panic(token in "\\PC{0,200}|[A-Za-z0-9_.-]{0,200}") {
            let _ = Assertion::read(&token);
        }
    }
}
