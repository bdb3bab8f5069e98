//! A software authenticator and the browser in front of it: options in, the JSON that a page would post out.
//!
//! It shares no code with the relying party that it tests. Everything that an honest authenticator says can be set
//! (flags, counter, AAGUID, attestation), and a hook edits client data and authenticator data **before** they are signed,
//! so dishonest ones can be made too. What needs no signature is edited in the returned JSON.
//!
//! ```
//! # use pid_testkit::authenticator::SoftAuthenticator;
//! # use serde_json::json;
//! let mut passkey = SoftAuthenticator::new(-7);
//! let options = json!({
//!     "rp": { "name": "Example", "id": "example.org" },
//!     "user": { "name": "tim", "displayName": "Tim", "id": "dGlt" },
//!     "challenge": "AAECAwQFBgcICQoLDA0ODw",
//!     "pubKeyCredParams": [{ "type": "public-key", "alg": -7 }],
//! });
//! let posted = passkey.register(&options, "https://example.org");
//! assert_eq!(posted["type"], "public-key");
//! ```

#![allow(clippy::expect_used, reason = "a test's tool: a fault of the test ends it")]

use std::sync::{Arc, OnceLock};

use aws_lc_rs::{
    digest,
    rand::{SecureRandom, SystemRandom},
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ciborium::Value as Cbor;
use serde_json::{Value, json};

/// The COSE algorithms that a [`SoftAuthenticator`] can be made for: ES256, ES384, ES512, RS256, RS384, RS512, PS256,
/// PS384, PS512, EdDSA.
pub const ALGORITHMS: [i64; 10] = [-7, -35, -36, -257, -258, -259, -37, -38, -39, -8];

/// Flags of authenticator data (WebAuthn L3 §6.1).
pub mod flags {
    /// User present.
    pub const UP: u8 = 0x01;
    /// User verified.
    pub const UV: u8 = 0x04;
    /// Backup eligible.
    pub const BE: u8 = 0x08;
    /// Backup state.
    pub const BS: u8 = 0x10;
    /// Attested credential data included.
    pub const AT: u8 = 0x40;
    /// Extension data included.
    pub const ED: u8 = 0x80;
}

/// How a new credential is attested.
#[derive(Clone, Debug, PartialEq)]
pub enum Attestation {
    /// Format `none`.
    None,
    /// Format `packed`, signed with the credential's own key.
    PackedSelf,
    /// Another format with a statement of one's own making.
    Other(String, Cbor),
}

/// What is about to be signed; a hook may change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// clientDataJSON, bytes.
    pub client_data: Vec<u8>,
    /// Authenticator data, bytes.
    pub auth_data: Vec<u8>,
}

impl Draft {
    /// Edits the client data as JSON.
    pub fn client_data_json(&mut self, edit: impl FnOnce(&mut Value)) {
        let mut json = serde_json::from_slice(&self.client_data).expect("client data is JSON");
        edit(&mut json);
        self.client_data = json.to_string().into_bytes();
    }

    /// Where the flags are in [`Draft::auth_data`].
    pub const FLAGS: usize = 32;
}

/// Why a browser would give an error instead of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `InvalidStateError`: one of `excludeCredentials` is here.
    Excluded,
    /// `NotSupportedError`: our algorithm was not offered.
    NoAlgorithm,
    /// `NotAllowedError`: no credential for this relying party, or none of `allowCredentials`.
    NoCredential,
}

#[derive(Clone)]
enum Key {
    Ecdsa(Arc<EcdsaKeyPair>),
    Ed25519(Arc<Ed25519KeyPair>),
    Rsa(Arc<RsaKeyPair>),
}

/// A credential in the authenticator.
#[derive(Clone)]
struct Credential {
    id: Vec<u8>,
    rp_id: String,
    user_handle: Vec<u8>,
    key: Key,
}

type Hook = Box<dyn FnMut(&mut Draft) + Send>;

/// An authenticator with discoverable credentials, and its browser.
pub struct SoftAuthenticator {
    alg: i64,
    credentials: Vec<Credential>,
    aaguid: [u8; 16],
    flags: u8,
    counter: u32,
    counts: bool,
    attestation: Attestation,
    transports: Vec<String>,
    credential_id_len: usize,
    cose_key: Option<Vec<u8>>,
    cross_origin: Option<String>,
    hook: Option<Hook>,
}

impl SoftAuthenticator {
    /// One for a COSE algorithm of [`ALGORITHMS`]: user present and verified, backed up (as synced passkeys are), counter
    /// always 0, AAGUID all zero, no attestation.
    ///
    /// # Panics
    /// For another algorithm.
    pub fn new(alg: i64) -> Self {
        assert!(ALGORITHMS.contains(&alg), "no such algorithm: {alg}");
        Self {
            alg,
            credentials: Vec::new(),
            aaguid: [0; 16],
            flags: flags::UP | flags::UV | flags::BE | flags::BS,
            counter: 0,
            counts: false,
            attestation: Attestation::None,
            transports: vec!["internal".into(), "hybrid".into()],
            credential_id_len: 32,
            cose_key: None,
            cross_origin: None,
            hook: None,
        }
    }

    /// The AAGUID of new credentials.
    pub fn aaguid(&mut self, aaguid: [u8; 16]) -> &mut Self {
        self.aaguid = aaguid;
        self
    }

    /// Sets or clears one of [`flags`] for the next ceremonies.
    pub fn flag(&mut self, flag: u8, on: bool) -> &mut Self {
        if on {
            self.flags |= flag;
        } else {
            self.flags &= !flag;
        }
        self
    }

    /// UP.
    pub fn user_present(&mut self, on: bool) -> &mut Self {
        self.flag(flags::UP, on)
    }

    /// UV.
    pub fn user_verified(&mut self, on: bool) -> &mut Self {
        self.flag(flags::UV, on)
    }

    /// BE.
    pub fn backup_eligible(&mut self, on: bool) -> &mut Self {
        self.flag(flags::BE, on)
    }

    /// BS.
    pub fn backup_state(&mut self, on: bool) -> &mut Self {
        self.flag(flags::BS, on)
    }

    /// The counter that the next ceremony shows; it grows by one with each from here on.
    pub fn counter(&mut self, next: u32) -> &mut Self {
        self.counter = next;
        self.counts = true;
        self
    }

    /// How new credentials are attested.
    pub fn attestation(&mut self, attestation: Attestation) -> &mut Self {
        self.attestation = attestation;
        self
    }

    /// What the browser says about reaching the authenticator.
    pub fn transports(&mut self, transports: &[&str]) -> &mut Self {
        self.transports = transports.iter().map(|t| (*t).to_owned()).collect();
        self
    }

    /// The length of new credential ids, bytes.
    pub fn credential_id_len(&mut self, len: usize) -> &mut Self {
        self.credential_id_len = len;
        self
    }

    /// Bytes to show as the public key of new credentials instead of the true one.
    pub fn cose_key(&mut self, bytes: Option<Vec<u8>>) -> &mut Self {
        self.cose_key = bytes;
        self
    }

    /// The page is in a frame of another site: `crossOrigin` is true and `topOrigin` is given.
    pub fn framed_by(&mut self, top_origin: Option<&str>) -> &mut Self {
        self.cross_origin = top_origin.map(str::to_owned);
        self
    }

    /// Edits what is signed, in every ceremony until [`SoftAuthenticator::honest`].
    pub fn before_signing(&mut self, hook: impl FnMut(&mut Draft) + Send + 'static) -> &mut Self {
        self.hook = Some(Box::new(hook));
        self
    }

    /// Edits nothing any more.
    pub fn honest(&mut self) -> &mut Self {
        self.hook = None;
        self
    }

    /// The ids of the credentials, oldest first.
    pub fn credential_ids(&self) -> Vec<Vec<u8>> {
        self.credentials.iter().map(|c| c.id.clone()).collect()
    }

    /// Forgets a credential.
    pub fn forget(&mut self, id: &[u8]) {
        self.credentials.retain(|c| c.id != id);
    }

    /// `navigator.credentials.create()` on a page of `origin`, as `toJSON()` gives it. Options may be wrapped in
    /// `publicKey` or not.
    ///
    /// # Panics
    /// Where [`SoftAuthenticator::try_register`] refuses.
    pub fn register(&mut self, options: &Value, origin: &str) -> Value {
        self.try_register(options, origin).expect("the authenticator makes a credential")
    }

    /// Like [`SoftAuthenticator::register`].
    ///
    /// # Errors
    /// [`Refusal`], as a browser would.
    ///
    /// # Panics
    /// If the options are not of their form.
    pub fn try_register(&mut self, options: &Value, origin: &str) -> Result<Value, Refusal> {
        let options = options.get("publicKey").unwrap_or(options);
        let params = options["pubKeyCredParams"].as_array().expect("pubKeyCredParams");
        if !params.iter().any(|p| p["alg"] == self.alg && p["type"] == "public-key") {
            return Err(Refusal::NoAlgorithm);
        }
        let rp_id = options["rp"]["id"].as_str().expect("rp.id").to_owned();
        let excluded = options["excludeCredentials"].as_array().map(Vec::as_slice).unwrap_or_default();
        let here = |d: &Value| self.credentials.iter().any(|c| c.rp_id == rp_id && d["id"] == b64(&c.id));
        if excluded.iter().any(here) {
            return Err(Refusal::Excluded);
        }
        let key = Key::generate(self.alg);
        let credential = Credential {
            id: random(self.credential_id_len),
            user_handle: unb64(&options["user"]["id"]),
            rp_id,
            key: key.clone(),
        };

        let mut auth_data = self.auth_data(&credential.rp_id, flags::AT);
        auth_data.extend(self.aaguid);
        auth_data.extend(u16::try_from(credential.id.len()).expect("an id of less than 64 KiB").to_be_bytes());
        auth_data.extend(&credential.id);
        auth_data.extend(self.cose_key.clone().unwrap_or_else(|| key.cose(self.alg)));
        let draft = self.draft("webauthn.create", &options["challenge"], origin, auth_data);

        let (format, statement) = match &self.attestation {
            Attestation::None => ("none", Cbor::Map(vec![])),
            Attestation::PackedSelf => {
                let sig = key.sign(self.alg, &draft);
                let entries = vec![("alg".into(), self.alg.into()), ("sig".into(), Cbor::Bytes(sig))];
                ("packed", Cbor::Map(entries))
            }
            Attestation::Other(format, statement) => (format.as_str(), statement.clone()),
        };
        let object = cbor(&Cbor::Map(vec![
            ("fmt".into(), format.into()),
            ("attStmt".into(), statement),
            ("authData".into(), Cbor::Bytes(draft.auth_data.clone())),
        ]));
        let id = b64(&credential.id);
        self.credentials.push(credential);
        let mut extensions = json!({});
        if options["extensions"]["credProps"] == true {
            extensions["credProps"] = json!({ "rk": true });
        }
        Ok(json!({
            "id": id,
            "rawId": id,
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": extensions,
            "response": {
                "clientDataJSON": b64(&draft.client_data),
                "attestationObject": b64(&object),
                "authenticatorData": b64(&draft.auth_data),
                "publicKeyAlgorithm": self.alg,
                "transports": self.transports,
            },
        }))
    }

    /// `navigator.credentials.get()` on a page of `origin`, as `toJSON()` gives it: with the newest credential of the
    /// relying party that is allowed. Options may be wrapped in `publicKey` or not.
    ///
    /// # Panics
    /// Where [`SoftAuthenticator::try_authenticate`] refuses.
    pub fn authenticate(&mut self, options: &Value, origin: &str) -> Value {
        self.try_authenticate(options, origin).expect("the authenticator has a credential")
    }

    /// Like [`SoftAuthenticator::authenticate`].
    ///
    /// # Errors
    /// [`Refusal::NoCredential`], as a browser would.
    ///
    /// # Panics
    /// If the options are not of their form.
    pub fn try_authenticate(&mut self, options: &Value, origin: &str) -> Result<Value, Refusal> {
        let options = options.get("publicKey").unwrap_or(options);
        let rp_id = options["rpId"].as_str().expect("rpId");
        let allowed = options["allowCredentials"].as_array().filter(|list| !list.is_empty());
        let may =
            |c: &&Credential| c.rp_id == rp_id && allowed.is_none_or(|list| list.iter().any(|d| d["id"] == b64(&c.id)));
        let credential = self.credentials.iter().rev().find(may).cloned().ok_or(Refusal::NoCredential)?;
        let auth_data = self.auth_data(rp_id, 0);
        let draft = self.draft("webauthn.get", &options["challenge"], origin, auth_data);
        let signature = credential.key.sign(self.alg, &draft);
        let id = b64(&credential.id);
        Ok(json!({
            "id": id,
            "rawId": id,
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": b64(&draft.client_data),
                "authenticatorData": b64(&draft.auth_data),
                "signature": b64(&signature),
                "userHandle": b64(&credential.user_handle),
            },
        }))
    }

    fn auth_data(&mut self, rp_id: &str, more: u8) -> Vec<u8> {
        let mut out = digest::digest(&digest::SHA256, rp_id.as_bytes()).as_ref().to_vec();
        out.push(self.flags | more);
        out.extend(self.counter.to_be_bytes());
        if self.counts {
            self.counter = self.counter.wrapping_add(1);
        }
        out
    }

    fn draft(&mut self, ceremony: &str, challenge: &Value, origin: &str, auth_data: Vec<u8>) -> Draft {
        let mut client_data = json!({
            "type": ceremony,
            "challenge": challenge.as_str().expect("challenge"),
            "origin": origin,
            "crossOrigin": self.cross_origin.is_some(),
        });
        if let Some(top) = &self.cross_origin {
            client_data["topOrigin"] = json!(top);
        }
        let mut draft = Draft { client_data: client_data.to_string().into_bytes(), auth_data };
        if let Some(hook) = &mut self.hook {
            hook(&mut draft);
        }
        draft
    }
}

impl Key {
    fn generate(alg: i64) -> Self {
        let ecdsa = |algorithm| Key::Ecdsa(Arc::new(EcdsaKeyPair::generate(algorithm).expect("an ECDSA key")));
        match alg {
            -7 => ecdsa(&signature::ECDSA_P256_SHA256_ASN1_SIGNING),
            -35 => ecdsa(&signature::ECDSA_P384_SHA384_ASN1_SIGNING),
            -36 => ecdsa(&signature::ECDSA_P521_SHA512_ASN1_SIGNING),
            -8 => Key::Ed25519(Arc::new(Ed25519KeyPair::generate().expect("an Ed25519 key"))),
            _ => {
                // Slow to make, so one for the whole process.
                static RSA: OnceLock<Arc<RsaKeyPair>> = OnceLock::new();
                let make = || Arc::new(RsaKeyPair::generate(KeySize::Rsa2048).expect("an RSA key"));
                Key::Rsa(RSA.get_or_init(make).clone())
            }
        }
    }

    /// COSE_Key in canonical order (RFC 9052 §7, RFC 8230 §4).
    fn cose(&self, alg: i64) -> Vec<u8> {
        let int = |n: i64| Cbor::from(n);
        let mut map = vec![(int(3), int(alg))];
        match self {
            Key::Ecdsa(pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let crv = match alg {
                    -7 => 1,
                    -35 => 2,
                    _ => 3,
                };
                map.insert(0, (int(1), int(2)));
                map.extend([(int(-1), int(crv)), (int(-2), Cbor::Bytes(x.into())), (int(-3), Cbor::Bytes(y.into()))]);
            }
            Key::Ed25519(pair) => {
                map.insert(0, (int(1), int(1)));
                map.extend([(int(-1), int(6)), (int(-2), Cbor::Bytes(pair.public_key().as_ref().into()))]);
            }
            Key::Rsa(pair) => {
                let [n, e] = rsa_numbers(pair.public_key().as_ref());
                map.insert(0, (int(1), int(3)));
                map.extend([(int(-1), Cbor::Bytes(n)), (int(-2), Cbor::Bytes(e))]);
            }
        }
        cbor(&Cbor::Map(map))
    }

    /// Signs authenticator data and the hash of client data (WebAuthn L3 §6.3.3).
    fn sign(&self, alg: i64, draft: &Draft) -> Vec<u8> {
        let hash = digest::digest(&digest::SHA256, &draft.client_data);
        let message = [&draft.auth_data[..], hash.as_ref()].concat();
        let random = SystemRandom::new();
        match self {
            Key::Ecdsa(pair) => pair.sign(&random, &message).expect("a signature").as_ref().to_vec(),
            Key::Ed25519(pair) => pair.sign(&message).as_ref().to_vec(),
            Key::Rsa(pair) => {
                let padding: &'static dyn signature::RsaEncoding = match alg {
                    -257 => &signature::RSA_PKCS1_SHA256,
                    -258 => &signature::RSA_PKCS1_SHA384,
                    -259 => &signature::RSA_PKCS1_SHA512,
                    -37 => &signature::RSA_PSS_SHA256,
                    -38 => &signature::RSA_PSS_SHA384,
                    _ => &signature::RSA_PSS_SHA512,
                };
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, &message, &mut out).expect("a signature");
                out
            }
        }
    }
}

/// `n` and `e` of an `RSAPublicKey` in DER (RFC 8017 §A.1.1): a sequence of two unsigned integers.
fn rsa_numbers(der: &[u8]) -> [Vec<u8>; 2] {
    fn element<'a>(tag: u8, input: &mut &'a [u8]) -> &'a [u8] {
        assert_eq!(input[0], tag, "DER tag");
        let (len, head) = match input[1] {
            len @ 0..=0x7f => (usize::from(len), 2),
            0x81 => (usize::from(input[2]), 3),
            _ => (usize::from(u16::from_be_bytes([input[2], input[3]])), 4),
        };
        let (value, rest) = input[head..].split_at(len);
        *input = rest;
        value
    }
    let mut body = element(0x30, &mut &*der);
    [(); 2].map(|()| {
        let integer = element(0x02, &mut body);
        integer.strip_prefix(&[0]).unwrap_or(integer).to_vec()
    })
}

fn random(len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    SystemRandom::new().fill(&mut out).expect("random bytes");
    out
}

fn cbor(value: &Cbor) -> Vec<u8> {
    let mut out = Vec::new();
    ciborium::into_writer(value, &mut out).expect("CBOR to memory");
    out
}

fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn unb64(text: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text.as_str().expect("base64url text")).expect("base64url")
}
