//! The examples of the RFCs, as oracles: what they sign we verify, and where signing has one answer we give theirs.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::KeyPairComponents;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{Alg, JoseError, KeySet, Member, SigningKey, Typ, VerifyingKey, check_signature, low_s, sign};

/// RFC 7515 §A.2.1, with a `kid`.
const A2_KEY: &str = r#"{
  "kty": "RSA",
  "kid": "a2",
  "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
  "e": "AQAB",
  "d": "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ",
  "p": "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc",
  "q": "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc",
  "dp": "BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6HsJeDCjn12Sk3vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0",
  "dq": "h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaHF-NKJnwgjMd2w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU",
  "qi": "IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U"
}"#;
const PAYLOAD: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const A2_SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

/// RFC 7515 §A.3.1.
const A3_KEY: &str = r#"{"kty":"EC","kid":"a3","crv":"P-256",
"x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
"y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
"d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;
const A3_SIGNATURE: &str = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

/// RFC 7515 §A.4.1.
const A4_KEY: &str = r#"{"kty":"EC","kid":"a4","crv":"P-521",
"x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
"y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
"d":"AY5pb7A0UFiB3RELSD64fTLOSV_jazdF7fLYyuTw8lOfRhWg6Y6rUrPAxerEzgdRhajnu0ferB0d53vM9mE15j2C"}"#;
const A4_SIGNATURE: &str = "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";

/// A key made for these tests.
const P384_KEY: &str = r#"{"kty":"EC","kid":"p384","crv":"P-384",
"x":"UwAAzo8g_CefRJB4e7glSUqIZxMkdHhfI3oxz_jP-w9-RodtbFzmzEOHza7tWbPC",
"y":"S2wz-0xxdO-KLvw56g4DOAXP78L2OMoaemwzPE1-jXbvrpe2fJvMgNb-J7AQLKj9",
"d":"FAgQBmoOf1FBnUfp1OcSSH3v7KiQF7HmyVyFSov-RyIbtiryCsuHkUnIyMlWJhnD"}"#;

/// RFC 8037 §A.1.
const ED_KEY: &str = r#"{"kty":"OKP","kid":"ed","crv":"Ed25519",
"d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

/// One of the private keys above, through PKCS#8.
fn key(alg: Alg, jwk: &str) -> SigningKey {
    let jwk: Value = serde_json::from_str(jwk).unwrap();
    let member = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let ec = |algorithm: &'static EcdsaSigningAlgorithm| {
        let point = [vec![4], member("x"), member("y")].concat();
        let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, &member("d"), &point).unwrap();
        pair.to_pkcs8v1().unwrap().as_ref().to_vec()
    };
    let pkcs8 = match alg {
        Alg::ES256 => ec(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
        Alg::ES384 => ec(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
        Alg::ES512 => ec(&signature::ECDSA_P521_SHA512_FIXED_SIGNING),
        Alg::EdDSA => {
            let pair = Ed25519KeyPair::from_seed_and_public_key(&member("d"), &member("x")).unwrap();
            pair.to_pkcs8v1().unwrap().as_ref().to_vec()
        }
        Alg::RS256 | Alg::RS384 | Alg::RS512 | Alg::PS256 | Alg::PS384 | Alg::PS512 => {
            let components = KeyPairComponents {
                public_key: RsaPublicKeyComponents { n: member("n"), e: member("e") },
                d: member("d"),
                p: member("p"),
                q: member("q"),
                dP: member("dp"),
                dQ: member("dq"),
                qInv: member("qi"),
            };
            let pair = RsaKeyPair::from_components(&components).unwrap();
            pair.as_der().unwrap().as_ref().to_vec()
        }
    };
    let key = SigningKey::from_pkcs8(alg, jwk["kid"].as_str().unwrap(), &pkcs8).unwrap();
    // The public members come out as they stand in the RFC.
    let public = serde_json::to_value(key.public_jwk()).unwrap();
    for name in ["kty", "kid", "crv", "n", "e", "x", "y"] {
        assert_eq!(public.get(name), jwk.get(name), "{name}");
    }
    key
}

fn verifying(key: &SigningKey) -> VerifyingKey {
    VerifyingKey::from_jwk(key.public_jwk()).unwrap()
}

fn verifies(key: &SigningKey, message: &str, signature: &str) -> bool {
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let altered = format!("{message}A");
    assert_eq!(verifying(key).verify(altered.as_bytes(), &signature), Err(JoseError::BadSignature));
    verifying(key).verify(message.as_bytes(), &signature).is_ok()
}

#[test]
fn rfc_7515_a_2_rs256_is_signed_to_the_byte_and_verified() {
    let key = key(Alg::RS256, A2_KEY);
    let message = format!("eyJhbGciOiJSUzI1NiJ9.{PAYLOAD}");
    assert_eq!(URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()).unwrap()), A2_SIGNATURE);
    assert!(verifies(&key, &message, A2_SIGNATURE));
}

#[test]
fn rfc_7515_a_3_es256_is_verified() {
    assert!(verifies(&key(Alg::ES256, A3_KEY), &format!("eyJhbGciOiJFUzI1NiJ9.{PAYLOAD}"), A3_SIGNATURE));
}

#[test]
fn rfc_7515_a_4_es512_is_verified() {
    assert!(verifies(&key(Alg::ES512, A4_KEY), "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA", A4_SIGNATURE));
}

#[test]
fn rfc_8037_a_4_eddsa_is_signed_to_the_byte_and_verified() {
    let key = key(Alg::EdDSA, ED_KEY);
    let message = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let expected = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert_eq!(URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()).unwrap()), expected);
    assert!(verifies(&key, message, expected));
}

/// `(r, s)` and `(r, n − s)` are both valid in themselves, which proves the orders of the curves; as a token of ours
/// only the smaller is.
#[test]
fn case_031_a_token_with_the_other_s_is_refused() {
    for (alg, jwk) in [(Alg::ES256, A3_KEY), (Alg::ES384, P384_KEY), (Alg::ES512, A4_KEY)] {
        let key = key(alg, jwk);
        let member = Member { jwk: key.public_jwk().clone(), signing: Some(key.clone()), published: true };
        let set = KeySet::new(vec![member]).unwrap();
        // Half of all raw signatures have the larger s: each of these has to come out small.
        for n in 0..16 {
            let token = sign(&key, Typ::Jwt, &json!({ "n": n })).unwrap();
            let (message, signature) = token.rsplit_once('.').unwrap();
            let small = URL_SAFE_NO_PAD.decode(signature).unwrap();
            let large = low_s::other_s(alg, &small);
            assert!(low_s::is_low(alg, &small) && !low_s::is_low(alg, &large));
            assert!(verifying(&key).verify(message.as_bytes(), &large).is_ok(), "{alg}");
            assert!(check_signature(&token, Typ::Jwt, |kid| set.verifying(kid)).is_ok());
            let altered = format!("{message}.{}", URL_SAFE_NO_PAD.encode(&large));
            let refusal = check_signature(&altered, Typ::Jwt, |kid| set.verifying(kid)).unwrap_err();
            assert_eq!(refusal, JoseError::BadSignature);
        }
    }
}
