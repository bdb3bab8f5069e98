//! Keys and tokens of others (security cases 25–28, 31), with the vectors of RFC 7638 and RFC 9449.

#![allow(clippy::unwrap_used, reason = "helpers of tests; clippy exempts only the tests themselves")]

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use pid_jose::{Alg, JoseError, PeerKey, PeerKeys, Received, SigningKey, sign_as_peer, thumbprint};
use serde_json::{Value, json};

fn jwk(key: &SigningKey) -> Value {
    serde_json::to_value(key.public_jwk()).unwrap()
}

fn without(mut jwk: Value, members: &[&str]) -> Value {
    for member in members {
        jwk.as_object_mut().unwrap().remove(*member);
    }
    jwk
}

fn keys(list: &[Value]) -> PeerKeys {
    PeerKeys::parse(json!({ "keys": list }).to_string().as_bytes()).unwrap()
}

#[test]
fn thumbprints_of_the_rfcs() {
    // RFC 7638 §3.1.
    let rsa = json!({"kty": "RSA", "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"});
    assert_eq!(PeerKey::parse(&rsa).unwrap().thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    // RFC 9449 §4.1 and §6.1.
    let ec = json!({"kty": "EC", "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA", "crv": "P-256"});
    assert_eq!(PeerKey::parse(&ec).unwrap().thumbprint(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    // RFC 8037 §A.3.
    let ed = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    assert_eq!(PeerKey::parse(&ed).unwrap().thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let (key, _) = SigningKey::generate(Alg::ES384, "k").unwrap();
    assert_eq!(thumbprint(key.public_jwk()), PeerKey::parse(&jwk(&key)).unwrap().thumbprint());
}

#[test]
fn each_algorithm_is_verified_by_a_key_that_names_it_or_none() {
    for alg in Alg::ALL {
        let (key, _) = SigningKey::generate(alg, "k").unwrap();
        let token = sign_as_peer(&key, &json!({"kid": "k"}), &json!({"iss": "me"})).unwrap();
        for jwk in [jwk(&key), without(jwk(&key), &["alg", "use"])] {
            let verified = Received::parse(&token).unwrap().verify(&keys(&[jwk]), &Alg::ALL).unwrap();
            assert_eq!((verified.alg(), verified.claims().text("iss").unwrap()), (alg, Some("me")));
        }
        let others: Vec<Alg> = Alg::ALL.into_iter().filter(|other| *other != alg).collect();
        let refused = Received::parse(&token).unwrap().verify(&keys(&[jwk(&key)]), &others);
        assert_eq!(refused.unwrap_err(), JoseError::WrongAlgorithm);
    }
}

#[test]
fn a_key_of_one_algorithm_verifies_no_other() {
    let (key, _) = SigningKey::generate(Alg::RS256, "k").unwrap();
    let token = sign_as_peer(&key, &json!({"kid": "k", "alg": "PS256"}), &json!({})).unwrap();
    let refused = |jwk: Value| Received::parse(&token).unwrap().verify(&keys(&[jwk]), &Alg::ALL).unwrap_err();
    assert_eq!(refused(jwk(&key)), JoseError::UnknownKey);
    assert_eq!(refused(without(jwk(&key), &["alg"])), JoseError::BadSignature);
    let (ed, _) = SigningKey::generate(Alg::EdDSA, "k").unwrap();
    let token = sign_as_peer(&ed, &json!({"kid": "k", "alg": "Ed25519"}), &json!({})).unwrap();
    assert!(Received::parse(&token).unwrap().verify(&keys(&[jwk(&ed)]), &[Alg::EdDSA]).is_ok(), "RFC 9864");
}

#[test]
fn keys_are_found_by_id_or_alone() {
    let (a, _) = SigningKey::generate(Alg::ES256, "a").unwrap();
    let (b, _) = SigningKey::generate(Alg::ES256, "b").unwrap();
    let (rsa, _) = SigningKey::generate(Alg::RS256, "c").unwrap();
    let verify = |header: Value, list: &[Value]| {
        let token = sign_as_peer(&a, &header, &json!({})).unwrap();
        Received::parse(&token).unwrap().verify(&keys(list), &Alg::ALL).map(|_| ())
    };
    assert_eq!(verify(json!({"kid": "a"}), &[jwk(&b), jwk(&a)]), Ok(()));
    assert_eq!(verify(json!({"kid": "b"}), &[jwk(&b), jwk(&a)]), Err(JoseError::BadSignature));
    assert_eq!(verify(json!({"kid": "x"}), &[jwk(&a)]), Err(JoseError::UnknownKey));
    assert_eq!(verify(json!({}), &[jwk(&rsa), jwk(&a)]), Ok(()), "the only one of its algorithm");
    assert_eq!(verify(json!({}), &[jwk(&b), jwk(&a)]), Err(JoseError::UnknownKey), "which one is a guess");
    assert_eq!(verify(json!({"kid": "a"}), &[]), Err(JoseError::UnknownKey));
}

#[test]
fn case_025_unsigned_tokens_are_never_verified() {
    let (key, _) = SigningKey::generate(Alg::ES256, "k").unwrap();
    for alg in ["none", "None", "NONE", "", "HS256"] {
        let token = format!("{}.{}.", B64.encode(json!({"alg": alg, "kid": "k"}).to_string()), B64.encode("{}"));
        let received = Received::parse(&token).unwrap();
        assert_eq!(received.is_unsigned(), alg == "none");
        assert_eq!(received.verify(&keys(&[jwk(&key)]), &Alg::ALL).unwrap_err(), JoseError::WrongAlgorithm);
    }
    let signed = format!("{}.{}.AAAA", B64.encode(r#"{"alg":"none"}"#), B64.encode("{}"));
    assert!(!Received::parse(&signed).unwrap().is_unsigned());
}

#[test]
fn case_028_headers_that_name_keys_change_nothing() {
    let (key, _) = SigningKey::generate(Alg::ES256, "k").unwrap();
    let (evil, _) = SigningKey::generate(Alg::ES256, "k").unwrap();
    let header = json!({"kid": "k", "jwk": jwk(&evil), "jku": "https://evil.example", "x5u": "https://evil.example", "x5c": ["AA"]});
    let token = sign_as_peer(&evil, &header, &json!({})).unwrap();
    let refused = Received::parse(&token).unwrap().verify(&keys(&[jwk(&key)]), &Alg::ALL);
    assert_eq!(refused.unwrap_err(), JoseError::BadSignature);
    for extension in [json!({"crit": ["exp"]}), json!({"crit": null}), json!({"b64": false})] {
        let token = sign_as_peer(&key, &extension, &json!({})).unwrap();
        assert_eq!(Received::parse(&token).unwrap_err(), JoseError::UnsupportedHeader, "{extension}");
    }
}

#[test]
fn case_031_keys_that_cannot_be_trusted() {
    let (rsa, _) = SigningKey::generate(Alg::RS256, "k").unwrap();
    let (ec, _) = SigningKey::generate(Alg::ES256, "k").unwrap();
    let with = |mut jwk: Value, name: &str, value: Value| {
        jwk[name] = value;
        jwk
    };
    let refused = |jwk: Value| PeerKey::parse(&jwk).unwrap_err();
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        assert_eq!(refused(with(jwk(&rsa), member, Value::Null)), JoseError::PrivateKey, "{member}");
    }
    let modulus = jwk(&rsa)["n"].as_str().unwrap().to_owned();
    for unusable in [
        with(jwk(&rsa), "e", json!("AQ")),
        with(jwk(&rsa), "e", json!("AAEAAQ")),
        with(jwk(&rsa), "n", json!(B64.encode([0xff; 128]))),
        with(jwk(&rsa), "n", json!(B64.encode([&[0][..], &B64.decode(&modulus).unwrap()].concat()))),
        with(jwk(&rsa), "crv", json!("P-256")),
        with(jwk(&ec), "y", jwk(&ec)["x"].clone()),
        with(jwk(&ec), "crv", json!("P-384")),
        with(jwk(&ec), "crv", json!("secp256k1")),
        with(jwk(&ec), "alg", json!("RS256")),
        with(jwk(&ec), "alg", json!("none")),
        with(jwk(&ec), "use", json!("enc")),
        with(jwk(&ec), "key_ops", json!(["sign"])),
        with(jwk(&ec), "kid", json!("k".repeat(300))),
        with(jwk(&ec), "kty", json!("oct")),
        json!({"kty": "OKP", "crv": "Ed25519", "x": B64.encode([0; 32])}),
        json!({"kty": "OKP", "crv": "X25519", "x": B64.encode([9; 32])}),
        json!([]),
        json!("key"),
    ] {
        assert_eq!(refused(unusable.clone()), JoseError::UnusableKey, "{unusable}");
    }
}

#[test]
fn sets_are_read_leniently_and_registered_strictly() {
    let (ec, _) = SigningKey::generate(Alg::ES256, "k").unwrap();
    let (rsa, _) = SigningKey::generate(Alg::RS256, "k").unwrap();
    let unusable = json!({"kty": "oct", "k": "AAAA"});
    let text = |list: &[&Value]| json!({ "keys": list }).to_string().into_bytes();
    let mixed = text(&[&unusable, &jwk(&ec), &json!(7)]);
    assert_eq!(PeerKeys::parse(&mixed).unwrap().iter().count(), 1);
    assert_eq!(PeerKeys::parse_registered(&mixed).unwrap_err(), JoseError::PrivateKey);
    assert_eq!(PeerKeys::parse_registered(&text(&[&jwk(&ec), &jwk(&rsa)])).unwrap().iter().count(), 2);
    assert_eq!(PeerKeys::parse_registered(&text(&[&jwk(&ec), &jwk(&ec)])).unwrap_err(), JoseError::Malformed);
    assert_eq!(PeerKeys::parse_registered(&text(&[])).unwrap_err(), JoseError::Malformed);
    for bad in ["", "[]", "{}", r#"{"keys":{}}"#, "null"] {
        assert_eq!(PeerKeys::parse(bad.as_bytes()).unwrap_err(), JoseError::Malformed, "{bad}");
    }
    let many: Vec<Value> = (0..101).map(|_| unusable.clone()).collect();
    assert_eq!(PeerKeys::parse(json!({ "keys": many }).to_string().as_bytes()).unwrap_err(), JoseError::Malformed);
}

#[test]
fn a_proof_verifies_with_the_key_that_it_carries() {
    let (key, _) = SigningKey::generate(Alg::ES256, "k").unwrap();
    let (other, _) = SigningKey::generate(Alg::ES256, "k").unwrap();
    let verify = |header: Value| {
        let token = sign_as_peer(&key, &header, &json!({"jti": "1"})).unwrap();
        Received::parse(&token).unwrap().verify_with_own_key(&Alg::ALL).map(|(_, key)| key.thumbprint())
    };
    assert_eq!(verify(json!({"jwk": jwk(&key)})), Ok(thumbprint(key.public_jwk())));
    assert_eq!(verify(json!({"jwk": jwk(&other)})), Err(JoseError::BadSignature));
    assert_eq!(verify(json!({})), Err(JoseError::UnknownKey));
    let mut private = jwk(&key);
    private["d"] = json!("AAAA");
    assert_eq!(verify(json!({"jwk": private})), Err(JoseError::PrivateKey));
}

#[test]
fn case_030_claims_are_read_by_type() {
    let claims = |value: Value| pid_jose::Claims::new(value.as_object().unwrap().clone());
    let dates =
        claims(json!({"a": 5, "b": 5.9, "c": "5", "d": -1, "e": 1e300, "f": 9_007_199_254_740_993_i64, "g": null}));
    assert_eq!((dates.date("a"), dates.date("b"), dates.date("x")), (Ok(Some(5)), Ok(Some(5)), Ok(None)));
    for name in ["c", "d", "e", "f", "g"] {
        assert_eq!(dates.date(name), Err(JoseError::WrongClaim), "{name}");
    }
    assert_eq!(dates.text("a"), Err(JoseError::WrongClaim));
    for (aud, list) in [
        (json!("x"), Ok(vec!["x"])),
        (json!(["x", "y"]), Ok(vec!["x", "y"])),
        (json!(["x", 1]), Err(JoseError::WrongClaim)),
        (json!({}), Err(JoseError::WrongClaim)),
    ] {
        assert_eq!(claims(json!({ "aud": aud })).audiences(), list);
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(token in ".{0,400}", json in "[\\[\\]{}\",:a-z0-9]{0,60}") {
        let _ = Received::parse(&token);
        let _ = PeerKeys::parse(json.as_bytes());
        let forged = format!("{}.{}.", B64.encode(&json), B64.encode(&json));
        let _ = Received::parse(&forged);
    }
}
