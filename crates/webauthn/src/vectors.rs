//! The test vectors of WebAuthn L3 §16, each from registration to authentication.
//!
//! Most of them show a user who was not verified, which we refuse; so their keys and signatures are checked apart from the
//! ceremonies, and each ceremony has its expected end. §16.12 (Ed448) is of an algorithm that we don't offer, and what
//! distinguishes the later ones is an attestation that we don't ask for. `tests/vectors.json` was computed by the rule that
//! §16 states and compared with its text, save §16.8's signature and §16.9, which were computed only.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::assert::{AssertError, StoredCredential};
use crate::auth_data::AuthData;
use crate::cose::CoseKey;
use crate::register::RegisterError;
use crate::wire::b64;
use crate::{
    AssertionResponse, AuthDataError, ClientDataError, RegistrationResponse, RelyingParty, assert, cbor, register,
};

#[derive(Deserialize)]
struct Vector {
    section: String,
    alg: i64,
    registration: Registration,
    authentication: Authentication,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Registration {
    challenge: String,
    credential_id: String,
    aaguid: String,
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    attestation_object: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Authentication {
    challenge: String,
    authenticator_data: String,
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    signature: String,
}

/// §16.1.
const RP: RelyingParty<'static> =
    RelyingParty { id: "example.org", origins: &["https://example.org"], user_verification: true };
/// The vectors have no user handle; our credentials always do.
const USER: &[u8] = b"somebody";

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../tests/vectors.json")).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn posted(id: &[u8], response: &Value) -> Vec<u8> {
    json!({ "id": b64(id), "rawId": b64(id), "type": "public-key", "response": response }).to_string().into_bytes()
}

fn register(v: &Registration, client_data: &[u8], object: &[u8]) -> Result<register::Registered, RegisterError> {
    let response = json!({ "clientDataJSON": b64(client_data), "attestationObject": b64(object) });
    let response = RegistrationResponse::parse(&posted(&hex(&v.credential_id), &response)).unwrap();
    register::verify(&RP, &hex(&v.challenge), &response)
}

fn authenticate(
    v: &Vector,
    data: &AuthData,
    client_data: &[u8],
    authenticator_data: &[u8],
    signature: &[u8],
) -> Result<assert::Verified, AssertError> {
    let attested = data.attested.as_ref().unwrap();
    let response = json!({
        "clientDataJSON": b64(client_data), "authenticatorData": b64(authenticator_data), "signature": b64(signature),
        "userHandle": b64(USER),
    });
    let response = AssertionResponse::parse(&posted(&attested.credential_id, &response)).unwrap();
    let stored = StoredCredential {
        credential_id: &attested.credential_id,
        public_key: &attested.public_key,
        sign_count: data.sign_count,
        backup_eligible: data.backup_eligible(),
        user_handle: USER,
    };
    assert::verify(&RP, &hex(&v.authentication.challenge), &stored, &response)
}

fn auth_data(v: &Registration) -> Vec<u8> {
    let object = cbor::read_all(&hex(&v.attestation_object)).unwrap();
    object.named("authData").unwrap().bytes().unwrap().to_vec()
}

#[test]
fn every_vector_is_read_and_its_signatures_verify() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 10);
    for v in vectors {
        let (r, a) = (&v.registration, &v.authentication);
        let raw = auth_data(r);
        let data = AuthData::parse(&raw).unwrap();
        let attested = data.attested.as_ref().unwrap();
        assert_eq!(
            (attested.credential_id.as_slice(), attested.aaguid.as_slice()),
            (&*hex(&r.credential_id), &*hex(&r.aaguid))
        );
        let key = CoseKey::parse(&attested.public_key).unwrap();
        assert_eq!(key.alg(), v.alg, "{}", v.section);
        let signed = |data: &[u8], client_data: &str| {
            let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &hex(client_data));
            [data, hash.as_ref()].concat()
        };
        let message = signed(&hex(&a.authenticator_data), &a.client_data);
        key.verify(&message, &hex(&a.signature)).unwrap_or_else(|e| panic!("{}: {e}", v.section));
        // A signature is of its message alone.
        assert!(key.verify(&message[1..], &hex(&a.signature)).is_err());
        let object = cbor::read_all(&hex(&r.attestation_object)).unwrap();
        let statement = object.named("attStmt").unwrap();
        if let (Some(signature), None) = (statement.named("sig"), statement.named("x5c")) {
            key.verify(&signed(&raw, &r.client_data), signature.bytes().unwrap()).unwrap();
        }
    }
}

#[test]
fn every_ceremony_ends_as_it_should() {
    let unverified = AuthDataError::UserVerified;
    let framed = ClientDataError::CrossOrigin;
    type Ends = (&'static str, Result<&'static str, RegisterError>, Result<(), AssertError>);
    let expected: [Ends; 10] = [
        ("16.2", Err(unverified.into()), Err(unverified.into())),
        ("16.3", Ok("packed"), Err(unverified.into())),
        ("16.4", Err(framed.into()), Err(framed.into())),
        ("16.5", Err(framed.into()), Err(framed.into())),
        ("16.6", Err(unverified.into()), Ok(())),
        ("16.7", Ok("packed"), Ok(())),
        ("16.8", Err(unverified.into()), Ok(())),
        ("16.9", Ok("packed"), Err(unverified.into())),
        ("16.10", Ok("packed"), Err(unverified.into())),
        ("16.11", Err(unverified.into()), Err(unverified.into())),
    ];
    for (v, (section, registered, verified)) in vectors().iter().zip(expected) {
        assert_eq!(v.section, section);
        let made =
            register(&v.registration, &hex(&v.registration.client_data), &hex(&v.registration.attestation_object));
        assert_eq!(
            made.as_ref().map(register::Registered::attestation_format),
            registered.as_ref().copied(),
            "{section}"
        );
        if let Ok(made) = made {
            assert_eq!((made.alg(), made.credential_id()), (v.alg, &*hex(&v.registration.credential_id)));
            assert_eq!(made.aaguid().replace('-', ""), v.registration.aaguid);
        }
        let (a, raw) = (&v.authentication, auth_data(&v.registration));
        let data = AuthData::parse(&raw).unwrap();
        let seen = authenticate(v, &data, &hex(&a.client_data), &hex(&a.authenticator_data), &hex(&a.signature));
        assert_eq!(seen.map(|_| ()), verified, "{section}");
    }
}

#[test]
fn a_changed_bit_anywhere_ends_the_ceremony() {
    let flip = |bytes: &[u8], bit: usize| {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    };
    for v in vectors().iter().filter(|v| ["16.6", "16.7", "16.8"].contains(&v.section.as_str())) {
        let (a, raw) = (&v.authentication, auth_data(&v.registration));
        let data = AuthData::parse(&raw).unwrap();
        let (client, auth, signature) = (hex(&a.client_data), hex(&a.authenticator_data), hex(&a.signature));
        for bit in 0..client.len() * 8 {
            assert!(authenticate(v, &data, &flip(&client, bit), &auth, &signature).is_err(), "client data, {bit}");
        }
        for bit in 0..auth.len() * 8 {
            assert!(
                authenticate(v, &data, &client, &flip(&auth, bit), &signature).is_err(),
                "authenticator data, {bit}"
            );
        }
        for bit in 0..signature.len() * 8 {
            assert!(authenticate(v, &data, &client, &auth, &flip(&signature, bit)).is_err(), "signature, {bit}");
        }
    }
    // A key that signs itself protects its registration, too.
    let v = vectors().into_iter().find(|v| v.section == "16.3").unwrap();
    let (client, object) = (hex(&v.registration.client_data), hex(&v.registration.attestation_object));
    for bit in 0..client.len() * 8 {
        assert!(register(&v.registration, &flip(&client, bit), &object).is_err(), "client data, {bit}");
    }
    for bit in 0..object.len() * 8 {
        let made = register(&v.registration, &client, &flip(&object, bit));
        // But for the name of the format, which is no part of what is signed: then nothing is proven, and nothing claimed.
        assert!(
            made.as_ref().map_or(true, |m| m.attestation_format() != "packed"),
            "attestation object, {bit}: {made:?}"
        );
    }
}
