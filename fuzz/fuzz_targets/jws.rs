//! Compact JWTs: whatever comes, nothing verifies under keys whose private part nobody here has.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pid_jose::{Alg, PeerKey, PeerKeys, PublicJwk, Received, Typ, VerifyingKey, check_signature};

/// RFC 8037 §A.2 and RFC 7515 §A.3.1. Their examples are no token of a kind that we accept.
const ED: &str = r#"{"kty":"OKP","kid":"k","use":"sig","alg":"EdDSA","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const EC: &str = r#"{"kty":"EC","kid":"k","use":"sig","alg":"ES256","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;

fuzz_target!(|token: &str| {
    for jwk in [ED, EC] {
        let public: PublicJwk = serde_json::from_str(jwk).expect("a JWK");
        let key = VerifyingKey::from_jwk(&public).expect("a key");
        for typ in [Typ::Jwt, Typ::AccessToken, Typ::Logout] {
            assert!(check_signature(token, typ, |_| Some(key.clone())).is_err());
        }
        let value = serde_json::from_str(jwk).expect("JSON");
        let keys: PeerKeys = [PeerKey::parse(&value).expect("a key")].into_iter().collect();
        if let Ok(received) = Received::parse(token) {
            let unsigned = received.is_unsigned();
            // The examples of the RFCs carry no JSON object or no kid, so they don't get here.
            assert!(received.verify(&keys, &Alg::ALL).is_err() || !unsigned);
        }
        if let Ok(received) = Received::parse(token) {
            let _ = received.verify_with_own_key(&Alg::ALL);
        }
    }
    let _ = PeerKeys::parse(token.as_bytes());
    let _ = PeerKeys::parse_registered(token.as_bytes());
});
