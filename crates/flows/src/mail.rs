//! What people are told by mail. A letter is put into the outbox with its cause, as what it says, not as text: the job
//! writes it in the reader's language and hands it to the server of then. Secrets in it are sealed until it is written.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use pid_core::notices::Notice;
use pid_core::secret::Secret;
use pid_core::sessions::Session;
use pid_core::settings::Settings;
use pid_core::users::User;
use pid_core::{Ctx, Timestamp};
use pid_store::{WriteTx, audit, interactions, outbox};
use serde::{Deserialize, Serialize};

use crate::env::Env;
use crate::{Error, notices};

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

/// From where and with what something was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct By {
    /// The address.
    pub ip_address: String,
    /// What is known of the place.
    pub country: String,
    /// What is known of the place.
    pub city: String,
    /// The browser's own words.
    pub user_agent: String,
    /// When.
    pub at: Timestamp,
}

impl By {
    /// Whoever sent a request.
    pub(crate) fn of(ctx: &Ctx) -> Self {
        let place = ctx.places.of(&ctx.ip_address);
        Self {
            ip_address: ctx.ip_address.clone(),
            country: place.country,
            city: place.city,
            user_agent: ctx.user_agent.clone(),
            at: ctx.now,
        }
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
        /// From where it was asked for; a letter that an older version wrote doesn't know.
        #[serde(default)]
        by: Option<By>,
    },
    /// A sign-in from a device that was never seen.
    NewDevice {
        /// From where.
        #[serde(flatten)]
        by: By,
        /// The session, which a link in the letter ends.
        #[serde(default)]
        session: String,
        /// The app that it was for, if any.
        #[serde(default)]
        app: String,
    },
    /// A login code was used.
    CodeUsed {
        /// From where.
        #[serde(flatten)]
        by: By,
        /// The session, which a link in the letter ends.
        session: String,
        /// The app that it was for, if any.
        app: String,
    },
    /// A login code was made, by an administrator or at the command line.
    CodeMade {
        /// When.
        at: Timestamp,
    },
    /// A passkey was added.
    PasskeyAdded {
        /// From where.
        #[serde(flatten)]
        by: By,
        /// Its name.
        passkey: String,
    },
    /// A passkey was removed.
    PasskeyRemoved {
        /// From where; `None`: by an administrator.
        by: Option<By>,
        /// Its name.
        passkey: String,
    },
    /// Somebody signed up and waits for approval; to administrators.
    AwaitsApproval {
        /// Their username.
        username: String,
        /// Their id.
        user: String,
    },
    /// An API key will expire.
    ApiKeyExpiring {
        /// Its name.
        key: String,
        /// When.
        at: Timestamp,
    },
    /// Letters about sign-ins were switched off.
    NoticesOff {
        /// From where.
        #[serde(flatten)]
        by: By,
    },
    /// The account has another address now; goes to the one before.
    AddressChanged,
}

/// A letter in the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// The receiver's address.
    pub to: String,
    /// The receiver's name; may be empty.
    pub name: String,
    /// The receiver's language, if they chose one.
    pub language: Option<String>,
    /// What it says.
    pub message: Message,
    /// When it says nothing true any more, so that it is not sent later; `None`: it stays true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
}

impl Mail {
    /// A letter to a person; `None` if they have no address.
    pub fn to(user: &User, message: Message) -> Option<Self> {
        let (to, name, language) = (user.email.clone()?, user.shown_name(), user.locale.clone());
        Some(Self { to, name, language, message, not_after: None })
    }

    /// A letter to an address that may be anybody's.
    #[must_use]
    pub(crate) fn nameless(self) -> Self {
        Self { name: String::new(), ..self }
    }

    /// The letter that a code is in: a day later it would only puzzle.
    #[must_use]
    pub(crate) fn until(self, not_after: Timestamp) -> Self {
        Self { not_after: Some(not_after), ..self }
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
    let id = ctx.stream(&format!("mail {} {about}", letter.to)).uuid();
    let entry = crate::outbox::entry(id, MAIL, letter.to.clone(), &letter, ctx.now)?;
    outbox::insert(tx, &entry)?;
    Ok(true)
}

/// Puts a notice into the outbox, if the person is to be told.
pub(crate) fn tell(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    settings: &Settings,
    user: &User,
    notice: Notice,
    message: Message,
) -> Result<(), Error> {
    if !notices::wants(tx, settings, user, notice)? {
        return Ok(());
    }
    // Several people may have one address.
    send_as(tx, ctx, settings, &format!("{} {}", notice.name(), user.id), Mail::to(user, message)).map(drop)
}

/// Tells a person that somebody has signed in from a device that was never seen. To be asked before the sign-in is in the
/// audit log, from which devices are known.
pub(crate) fn of_new_device(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    settings: &Settings,
    user: &User,
    session: &Session,
) -> Result<(), Error> {
    if !settings.tells(Notice::NewDevice) || audit::knows_device(tx, &user.id, &ctx.ip_address, &ctx.user_agent)? {
        return Ok(());
    }
    let (by, app) = (By::of(ctx), app(tx, session)?);
    let message = Message::NewDevice { by, app, session: session.id.to_string() };
    tell(tx, ctx, settings, user, Notice::NewDevice, message)
}

/// The name of the app that a sign-in was for; empty if it was for none.
pub(crate) fn app(tx: &WriteTx<'_>, session: &Session) -> Result<String, Error> {
    let Some(id) = &session.interaction_id else { return Ok(String::new()) };
    Ok(interactions::client_name(tx, id)?.unwrap_or_default())
}
