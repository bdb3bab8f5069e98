//! Another encryption key (ops.md §2): everything that is sealed is opened with the old one and sealed with the new one, in
//! one transaction. What is only derived from the key, such as links in mails that are open, ends.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use pid_core::progress::{Progress, Unit};
use pid_jose::{JoseError, Zeroizing, derive};
use pid_store::{WriteTx, export, instance, keys as store_keys, outbox, scim, signup_tokens as store_signup_tokens};
use serde_json::Value;

use crate::Error;
use crate::import::tokens::{SECRET_FACT, seal_context};

/// The keys, derived from one encryption key, under which something is stored.
pub struct Ring {
    signing_keys: Zeroizing<[u8; 32]>,
    signup_tokens: Zeroizing<[u8; 32]>,
    mail: Zeroizing<[u8; 32]>,
    imported_tokens: Zeroizing<[u8; 32]>,
    scim_tokens: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ring(..)")
    }
}

impl Ring {
    /// Derives them. A purpose that seals something new has to come here, too; a test looks for those that don't.
    pub fn new(encryption_key: &[u8]) -> Result<Self, Error> {
        let of = |purpose| derive(encryption_key, purpose).map_err(Error::internal);
        Ok(Self {
            signing_keys: of("signing-keys")?,
            signup_tokens: of("signup-tokens")?,
            mail: of("mail")?,
            imported_tokens: of("imported-tokens")?,
            scim_tokens: of("scim-tokens")?,
        })
    }
}

/// What was sealed anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Signing keys.
    pub signing_keys: usize,
    /// Sign-up tokens.
    pub signup_tokens: usize,
    /// Tokens of SCIM providers.
    pub scim_tokens: usize,
    /// Secrets in letters that wait.
    pub letters: usize,
    /// What could not be opened before either, and stays so.
    pub lost: usize,
}

fn turn(from: &[u8; 32], to: &[u8; 32], context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, JoseError> {
    pid_jose::seal(to, context, &pid_jose::open(from, context, sealed)?)
}

/// Seals everything anew. A signing key that can't be opened refuses the whole: it would be lost.
pub fn reseal(tx: &WriteTx<'_>, from: &Ring, to: &Ring, progress: &Progress) -> Result<Resealed, Error> {
    let mut done = Resealed::default();
    let (keys, signup_tokens) = (store_keys::all(tx)?, export::signup_tokens(tx)?);
    let (providers, letters) = (scim::all(tx)?, outbox::waiting(tx)?);
    let all = keys.len() + signup_tokens.len() + providers.len() + letters.len();
    progress.count("Sealing everything anew", Unit::Secrets, all as u64);
    for key in progress.each(keys) {
        let sealed = turn(&from.signing_keys, &to.signing_keys, key.kid.as_bytes(), &key.sealed_private);
        store_keys::reseal(tx, &key.kid, sealed.map_err(Error::internal)?)?;
        done.signing_keys += 1;
    }
    for token in progress.each(signup_tokens) {
        match turn(&from.signup_tokens, &to.signup_tokens, token.id.as_str().as_bytes(), &token.sealed) {
            Ok(sealed) => {
                store_signup_tokens::reseal(tx, &token.id, sealed)?;
                done.signup_tokens += 1;
            }
            Err(_) => done.lost += 1,
        }
    }
    for provider in progress.each(providers) {
        let Some(sealed) = &provider.sealed_token else { continue };
        match turn(&from.scim_tokens, &to.scim_tokens, provider.id.as_bytes(), sealed) {
            Ok(sealed) => {
                scim::reseal(tx, &provider.id, sealed)?;
                done.scim_tokens += 1;
            }
            Err(_) => done.lost += 1,
        }
    }
    for (id, payload) in progress.each(letters) {
        let mut payload: Value = serde_json::from_str(&payload).map_err(Error::internal)?;
        let turned = letter(&mut payload, from, to);
        if turned > 0 {
            outbox::rewrite(tx, &id, &payload.to_string())?;
            done.letters += turned;
        }
    }
    if let Some(text) = instance::get(tx, SECRET_FACT)? {
        let sealed: Option<Vec<u8>> =
            (0..text.len() / 2).map(|i| u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()).collect();
        let sealed = sealed.unwrap_or_default();
        match turn(&from.imported_tokens, &to.imported_tokens, seal_context(), &sealed) {
            Ok(sealed) => {
                let text: String = sealed.iter().map(|b| format!("{b:02x}")).collect();
                instance::put(tx, SECRET_FACT, &text)?;
            }
            Err(_) => done.lost += 1,
        }
    }
    Ok(done)
}

/// Seals the secrets in a letter anew, wherever it has them: nothing else can be opened.
fn letter(value: &mut Value, from: &Ring, to: &Ring) -> usize {
    match value {
        Value::String(text) => {
            let sealed = STANDARD_NO_PAD.decode(text.as_bytes()).unwrap_or_default();
            let Ok(turned) = turn(&from.mail, &to.mail, b"mail", &sealed) else { return 0 };
            *text = STANDARD_NO_PAD.encode(turned);
            1
        }
        Value::Array(items) => items.iter_mut().map(|item| letter(item, from, to)).sum(),
        Value::Object(members) => members.values_mut().map(|member| letter(member, from, to)).sum(),
        _ => 0,
    }
}
