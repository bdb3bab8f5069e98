//! What people are told by mail. A letter is put into the outbox with its cause, as what it says, not as text: the job
//! writes it in the reader's language and hands it to the server of then. Secrets in it are sealed until it is written.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use pid_core::secret::Secret;
use pid_core::settings::Settings;
use pid_core::users::User;
use pid_core::{ClientId, Ctx, Timestamp};
use pid_store::outbox::{self, Entry, State};
use pid_store::{WriteTx, audit};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::env::Env;

/// The entry of a letter in the outbox.
pub const MAIL: &str = "mail";

/// A secret on its way: a code or a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(String);

impl Sealed {
    /// Seals a secret for the outbox.
    pub fn new(env: &Env, secret: &Secret) -> Result<Self, Error> {
        let sealed = pid_jose::seal(&env.mail_key, b"mail", secret.expose().as_bytes()).map_err(Error::internal)?;
        Ok(Self(STANDARD_NO_PAD.encode(sealed)))
    }

    /// The secret again; empty if the encryption key has changed meanwhile.
    pub fn open(&self, env: &Env) -> String {
        let sealed = STANDARD_NO_PAD.decode(&self.0).unwrap_or_default();
        let opened = pid_jose::open(&env.mail_key, b"mail", &sealed).ok();
        opened.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()).unwrap_or_default()
    }
}

/// What a letter says (api.md §10.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Message {
    /// That letters arrive.
    Test,
    /// A login code.
    LoginCode {
        /// The code.
        code: Sealed,
        /// How long it lives, minutes.
        minutes: i64,
        /// Where the sign-in leads; a local path.
        redirect: Option<String>,
    },
    /// A link that proves the address.
    Verify {
        /// The proof.
        token: Sealed,
    },
    /// A sign-in from a device that was never seen.
    NewDevice {
        /// From where.
        ip_address: String,
        /// What is known of the place.
        country: String,
        /// What is known of the place.
        city: String,
        /// The browser's own words.
        user_agent: String,
        /// When.
        at: Timestamp,
    },
    /// An API key will expire.
    ApiKeyExpiring {
        /// Its name.
        key: String,
        /// When.
        at: Timestamp,
    },
    /// The account has another address now; goes to the one before.
    AddressChanged,
}

/// A letter in the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// The receiver's address.
    pub to: String,
    /// The receiver's name.
    pub name: String,
    /// The receiver's language, if they chose one.
    pub language: Option<String>,
    /// What it says.
    pub message: Message,
}

impl Mail {
    /// A letter to a person; `None` if they have no address.
    pub fn to(user: &User, message: Message) -> Option<Self> {
        Some(Self { to: user.email.clone()?, name: user.shown_name(), language: user.locale.clone(), message })
    }
}

/// Puts a letter into the outbox. Tells whether it could: not without a server, or without an address.
pub(crate) fn send(tx: &WriteTx<'_>, ctx: &Ctx, settings: &Settings, letter: Option<Mail>) -> Result<bool, Error> {
    send_as(tx, ctx, settings, "", letter)
}

/// As [`send`], with what tells the letter from others of the same transaction to the same person.
pub(crate) fn send_as(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    settings: &Settings,
    about: &str,
    letter: Option<Mail>,
) -> Result<bool, Error> {
    let Some(letter) = letter.filter(|_| settings.sends_mail()) else { return Ok(false) };
    let entry = Entry {
        id: ctx.stream(&format!("mail {} {about}", letter.to)).uuid(),
        kind: MAIL.to_owned(),
        subject: letter.to.clone(),
        client_id: ClientId::new(String::new()),
        payload: serde_json::to_string(&letter).map_err(Error::internal)?,
        state: State::Waiting,
        attempts: 0,
        created_at: ctx.now,
        attempted_at: None,
        due_at: Some(ctx.now),
        status: None,
        failure: None,
    };
    outbox::insert(tx, &entry)?;
    Ok(true)
}

/// Tells a person that somebody has signed in from a device that was never seen, if people shall be told. To be asked
/// before the sign-in is in the audit log, from which devices are known.
pub(crate) fn of_new_device(tx: &WriteTx<'_>, ctx: &Ctx, settings: &Settings, user: &User) -> Result<(), Error> {
    if !settings.tells_of_new_devices() || audit::knows_device(tx, &user.id, &ctx.ip_address, &ctx.user_agent)? {
        return Ok(());
    }
    let place = crate::audit::place(&ctx.ip_address);
    let message = Message::NewDevice {
        ip_address: ctx.ip_address.clone(),
        country: place.country,
        city: place.city,
        user_agent: ctx.user_agent.clone(),
        at: ctx.now,
    };
    send(tx, ctx, settings, Mail::to(user, message)).map(drop)
}
