//! What tokens and keys must withstand (security cases 25–31, 39), with RFC vectors and the `jsonwebtoken` crate as
//! oracles.

#![allow(clippy::unwrap_used, reason = "helpers of tests; clippy exempts only the tests themselves")]

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use pid_jose::{
    Alg, Expected, JoseError, KeySet, Member, PublicJwk, SigningKey, Typ, VerifyingKey, check_signature, half_hash,
    open, seal, sign,
};
use serde_json::{Value, json};

const NOW: i64 = 1_700_000_000;

fn key(alg: Alg) -> (SigningKey, VerifyingKey) {
    let (key, _) = SigningKey::generate(alg, "kid-1").unwrap();
    let verifying = VerifyingKey::from_jwk(key.public_jwk()).unwrap();
    (key, verifying)
}

fn claims() -> Value {
    json!({ "iss": "https://id.example", "aud": ["app"], "sub": "u", "iat": NOW, "exp": NOW + 60 })
}

fn expected() -> Expected<'static> {
    Expected { issuer: "https://id.example", audience: Some("app"), now: NOW, leeway: 60, ignore_expiry: false }
}

/// A token with any header and claims, signed by a key over exactly these bytes.
fn forged(header: &Value, claims: &Value, signature: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", B64.encode(header.to_string()), B64.encode(claims.to_string()));
    format!("{message}.{}", B64.encode(signature(message.as_bytes())))
}

#[test]
fn each_algorithm_signs_survives_storage_and_agrees_with_the_oracle() {
    for alg in Alg::ALL {
        let (key, pkcs8) = SigningKey::generate(alg, "k").unwrap();
        let key = {
            assert_eq!(key.alg(), alg);
            SigningKey::from_pkcs8(alg, "k", &pkcs8).unwrap()
        };
        let token = sign(&key, Typ::Jwt, &claims()).unwrap();
        let verifying = VerifyingKey::from_jwk(key.public_jwk()).unwrap();
        let signed = check_signature(&token, Typ::Jwt, |_| Some(verifying.clone())).unwrap();
        assert_eq!(signed.validate(&expected()).unwrap()["sub"], "u");
        // The oracle has no ES512.
        if alg != Alg::ES512 {
            let jwk: jsonwebtoken::jwk::Jwk =
                serde_json::from_value(serde_json::to_value(key.public_jwk()).unwrap()).unwrap();
            let oracle = jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap();
            let mut validation = jsonwebtoken::Validation::new(alg.as_str().parse().unwrap());
            validation.set_audience(&["app"]);
            validation.validate_exp = false;
            let data = jsonwebtoken::decode::<Value>(&token, &oracle, &validation).unwrap();
            assert_eq!(data.claims, claims());
            let private = match alg.as_str().as_bytes()[0] {
                // It wants PKCS#1, which PKCS#8 wraps in 26 bytes for keys of these sizes.
                b'R' | b'P' => jsonwebtoken::EncodingKey::from_rsa_der(&pkcs8[26..]),
                b'E' if alg != Alg::EdDSA => jsonwebtoken::EncodingKey::from_ec_der(&pkcs8),
                _ => jsonwebtoken::EncodingKey::from_ed_der(&pkcs8),
            };
            let mut header = jsonwebtoken::Header::new(alg.as_str().parse().unwrap());
            header.kid = Some("k".to_owned());
            let theirs = jsonwebtoken::encode(&header, &claims(), &private).unwrap();
            let signed = check_signature(&theirs, Typ::Jwt, |_| Some(verifying.clone())).unwrap();
            assert_eq!(signed.validate(&expected()).unwrap()["sub"], "u");
        }
    }
}

#[test]
fn case_025_none_and_empty_signatures_are_refused() {
    let (key, verifying) = key(Alg::ES256);
    for alg in ["none", "None", "NONE", ""] {
        let header = json!({ "alg": alg, "kid": "kid-1", "typ": "JWT" });
        let token = forged(&header, &claims(), |_| Vec::new());
        assert_eq!(
            check_signature(&token, Typ::Jwt, |_| Some(verifying.clone())).unwrap_err(),
            JoseError::WrongAlgorithm
        );
    }
    let good = sign(&key, Typ::Jwt, &claims()).unwrap();
    let stripped = format!("{}.", good.rsplit_once('.').unwrap().0);
    assert_eq!(check_signature(&stripped, Typ::Jwt, |_| Some(verifying.clone())).unwrap_err(), JoseError::BadSignature);
}

#[test]
fn case_026_algorithm_confusion_is_refused() {
    let (_, verifying) = key(Alg::RS256);
    for alg in ["HS256", "RS512", "ES256", "EdDSA", "rs256"] {
        let header = json!({ "alg": alg, "kid": "kid-1", "typ": "JWT" });
        let token = forged(&header, &claims(), |m| {
            let public = b"any bytes, the public key among them";
            let k = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, public);
            aws_lc_rs::hmac::sign(&k, m).as_ref().to_vec()
        });
        assert_eq!(
            check_signature(&token, Typ::Jwt, |_| Some(verifying.clone())).unwrap_err(),
            JoseError::WrongAlgorithm,
            "{alg}"
        );
    }
}

#[test]
fn case_027_hostile_key_ids_find_nothing() {
    let set = KeySet::default();
    for kid in ["../../etc/passwd", "' OR 1=1 --", "\0", "unknown"] {
        let token = forged(&json!({ "alg": "RS256", "kid": kid, "typ": "JWT" }), &claims(), |_| vec![1; 256]);
        assert_eq!(check_signature(&token, Typ::Jwt, |k| set.verifying(k)).unwrap_err(), JoseError::UnknownKey);
    }
    let long =
        forged(&json!({ "alg": "RS256", "kid": "x".repeat(1_000_000), "typ": "JWT" }), &claims(), |_| vec![1; 256]);
    assert_eq!(check_signature(&long, Typ::Jwt, |_| unreachable!()).unwrap_err(), JoseError::Malformed);
}

#[test]
fn case_028_header_keys_are_ignored_and_crit_is_refused() {
    let (key, verifying) = key(Alg::EdDSA);
    let attacker = SigningKey::generate(Alg::EdDSA, "evil").unwrap().0;
    let good = sign(&key, Typ::Jwt, &claims()).unwrap();
    let attacker_token = sign(&attacker, Typ::Jwt, &claims()).unwrap();
    let header = json!({ "alg": "EdDSA", "kid": "kid-1", "typ": "JWT", "jwk": attacker.public_jwk(), "jku": "https://evil.example/jwks", "x5u": "https://evil.example" });
    let signature = |_: &[u8]| B64.decode(attacker_token.rsplit_once('.').unwrap().1).unwrap();
    let token = forged(&header, &claims(), signature);
    assert_eq!(check_signature(&token, Typ::Jwt, |_| Some(verifying.clone())).unwrap_err(), JoseError::BadSignature);
    for crit in [json!(["exp"]), json!([]), Value::Null] {
        let header = json!({ "alg": "EdDSA", "kid": "kid-1", "typ": "JWT", "crit": crit });
        let token = forged(&header, &claims(), |_| vec![0; 64]);
        assert_eq!(
            check_signature(&token, Typ::Jwt, |_| Some(verifying.clone())).unwrap_err(),
            JoseError::UnsupportedHeader
        );
    }
    assert!(check_signature(&good, Typ::Jwt, |_| Some(verifying.clone())).is_ok());
}

#[test]
fn case_029_one_kind_of_token_is_not_another() {
    let (key, verifying) = key(Alg::ES256);
    let kinds = [Typ::Jwt, Typ::AccessToken, Typ::Logout];
    for made in kinds {
        let token = sign(&key, made, &claims()).unwrap();
        for asked in kinds {
            let outcome = check_signature(&token, asked, |_| Some(verifying.clone())).map(|_| ());
            assert_eq!(outcome, if made == asked { Ok(()) } else { Err(JoseError::WrongType) });
        }
    }
}

#[test]
fn case_030_claims_are_checked_strictly() {
    let (key, verifying) = key(Alg::ES256);
    let check = |edit: &dyn Fn(&mut Value)| {
        let mut c = claims();
        edit(&mut c);
        let token = sign(&key, Typ::Jwt, &c).unwrap();
        let signed = check_signature(&token, Typ::Jwt, |_| Some(verifying.clone()))?;
        signed.validate(&expected()).map(|_| ())
    };
    assert_eq!(check(&|_| {}), Ok(()));
    assert_eq!(check(&|c| c["iss"] = "https://evil.example".into()), Err(JoseError::WrongIssuer));
    assert_eq!(check(&|c| c["iss"] = "https://id.example/".into()), Err(JoseError::WrongIssuer));
    assert_eq!(check(&|c| c["aud"] = json!(["other"])), Err(JoseError::WrongAudience));
    assert_eq!(check(&|c| c["aud"] = json!("app")), Ok(()));
    assert_eq!(check(&|c| c["exp"] = json!((NOW + 60).to_string())), Err(JoseError::WrongClaim));
    assert_eq!(check(&|c| c["exp"] = json!(9_223_372_036_854_775_808_u64)), Err(JoseError::WrongClaim));
    assert_eq!(check(&|c| c["exp"] = json!(1e300)), Err(JoseError::WrongClaim));
    assert_eq!(check(&|c| c["exp"] = json!(NOW - 61)), Err(JoseError::Expired));
    assert_eq!(check(&|c| c["exp"] = json!(NOW - 59)), Ok(()));
    assert_eq!(check(&|c| c["nbf"] = json!(NOW + 59)), Ok(()));
    assert_eq!(check(&|c| c["nbf"] = json!(NOW + 61)), Err(JoseError::NotYetValid));
    for missing in ["iss", "aud", "exp", "iat"] {
        assert!(
            check(&|c| {
                c.as_object_mut().unwrap().remove(missing);
            })
            .is_err(),
            "{missing}"
        );
    }
}

#[test]
fn case_031_weak_keys_and_degenerate_signatures_are_refused() {
    let (key, verifying) = key(Alg::ES256);
    let header = json!({ "alg": "ES256", "kid": "kid-1", "typ": "JWT" });
    for signature in
        [vec![0; 64], [vec![0; 32], vec![1; 32]].concat(), [vec![1; 32], vec![0; 32]].concat(), vec![1; 63]]
    {
        let token = forged(&header, &claims(), |_| signature.clone());
        assert_eq!(
            check_signature(&token, Typ::Jwt, |_| Some(verifying.clone())).unwrap_err(),
            JoseError::BadSignature
        );
    }
    let refuse =
        |jwk: &PublicJwk| assert_eq!(VerifyingKey::from_jwk(jwk).unwrap_err(), JoseError::UnusableKey, "{jwk:?}");
    let off_curve = PublicJwk { y: Some(B64.encode([7; 32])), ..key.public_jwk().clone() };
    refuse(&off_curve);
    let (rsa, _) = SigningKey::generate(Alg::RS256, "r").unwrap();
    let n = B64.decode(rsa.public_jwk().n.as_deref().unwrap()).unwrap();
    let short = [&[n[0] >> 1][..], &n[1..]].concat();
    refuse(&PublicJwk { n: Some(B64.encode(short)), ..rsa.public_jwk().clone() });
    refuse(&PublicJwk { n: Some(B64.encode(&n[..128])), ..rsa.public_jwk().clone() });
    refuse(&PublicJwk { n: Some(B64.encode([&n[..], &n, &n, &n, &n].concat())), ..rsa.public_jwk().clone() });
    refuse(&PublicJwk { e: Some(B64.encode([1])), ..rsa.public_jwk().clone() });
    refuse(&PublicJwk { e: Some(B64.encode([2])), ..rsa.public_jwk().clone() });
    let (ed, _) = SigningKey::generate(Alg::EdDSA, "e").unwrap();
    refuse(&PublicJwk { x: Some(B64.encode([0; 32])), ..ed.public_jwk().clone() });
    let mut one = [0; 32];
    one[0] = 1;
    refuse(&PublicJwk { x: Some(B64.encode(one)), ..ed.public_jwk().clone() });
    // y = p + 3, not reduced.
    let mut unreduced = [0xff; 32];
    (unreduced[0], unreduced[31]) = (0xf0, 0x7f);
    refuse(&PublicJwk { x: Some(B64.encode(unreduced)), ..ed.public_jwk().clone() });
    refuse(&PublicJwk { alg: Alg::ES256, ..ed.public_jwk().clone() });
}

#[test]
fn case_039_the_jwks_has_no_private_member() {
    for alg in Alg::ALL {
        let (key, _) = SigningKey::generate(alg, "k").unwrap();
        let member = Member { jwk: key.public_jwk().clone(), signing: Some(key), published: true };
        let set = KeySet::new(vec![member]).unwrap();
        let doc: Value = serde_json::from_slice(set.jwks()).unwrap();
        for name in ["d", "p", "q", "dp", "dq", "qi", "k", "oth"] {
            assert!(doc["keys"][0].get(name).is_none(), "{alg} shows {name}");
        }
        assert_eq!(doc["keys"][0]["alg"], alg.as_str());
    }
}

#[test]
fn sealed_values_open_only_where_they_belong() {
    let key = pid_jose::derive(b"0123456789abcdef", "test").unwrap();
    let other = pid_jose::derive(b"0123456789abcdeg", "test").unwrap();
    let sealed = seal(&key, b"row-1", b"secret").unwrap();
    assert_eq!(open(&key, b"row-1", &sealed).unwrap().as_slice(), b"secret");
    assert!(open(&key, b"row-2", &sealed).is_err());
    assert!(open(&other, b"row-1", &sealed).is_err());
    assert!(open(&key, b"row-1", &sealed[..5]).is_err());
    assert_ne!(sealed, seal(&key, b"row-1", b"secret").unwrap());
}

#[test]
fn half_hashes_follow_the_algorithm() {
    // OpenID Connect Core §A.3's access token and at_hash.
    assert_eq!(half_hash(Alg::RS256, "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"), "77QmUPtjPfzWtF2AnpK9RQ");
    assert_eq!(B64.decode(half_hash(Alg::EdDSA, "x")).unwrap().len(), 32);
    assert_eq!(B64.decode(half_hash(Alg::ES384, "x")).unwrap().len(), 24);
}

proptest::proptest! {
    #[test]
    fn any_text_is_refused_without_a_panic(token in ".{0,400}") {
        let set = KeySet::default();
        proptest::prop_assert!(check_signature(&token, Typ::Jwt, |k| set.verifying(k)).is_err());
    }

    /// Whatever is done to one byte of a good token, it is refused or says the same.
    #[test]
    fn a_changed_token_is_refused(at in 0_usize..10_000, byte in 0x20_u8..0x7f) {
        static TOKEN: std::sync::LazyLock<(String, KeySet)> = std::sync::LazyLock::new(|| {
            let (key, _) = key(Alg::ES256);
            let token = sign(&key, Typ::Jwt, &claims()).unwrap();
            let member = Member { jwk: key.public_jwk().clone(), signing: Some(key), published: true };
            (token, KeySet::new(vec![member]).unwrap())
        });
        let (good, set) = &*TOKEN;
        let mut changed = good.clone().into_bytes();
        let at = at % changed.len();
        changed[at] = byte;
        let changed = String::from_utf8(changed).unwrap();
        let outcome = check_signature(&changed, Typ::Jwt, |k| set.verifying(k));
        proptest::prop_assert_eq!(outcome.is_ok(), changed == *good);
    }
}
