//! Signing in with another device (api.md §23.2): a browser waits with a code and a number, a person who is signed in
//! elsewhere looks at it and decides with their passkey, and the browser is in.
//!
//! The code is public: it stands on a screen and in a QR code. What signs in is the cookie of the browser that waits, so a
//! code that was seen or guessed is worth nothing. Who was sent a code by somebody else (security case 45) doesn't know the
//! number that their browser shows.

use pid_core::audit::Event;
use pid_core::entropy::{ALPHANUMERIC, LOGIN_CODE};
use pid_core::places::Place;
use pid_core::secret::{Secret, sha256};
use pid_core::sessions::BeganBy;
use pid_core::users::User;
use pid_core::{Ctx, Timestamp};
use pid_store::device_logins::{self, NewDeviceLogin, Pending, State};
use pid_store::{ReadTx, WriteTx, sessions, settings, users};

use crate::access::SessionUser;
use crate::budget::{DEVICE_LOGIN_CREATE, DEVICE_LOGIN_EXCHANGE, address_subject};
use crate::device::{check_budget, count_failure};
use crate::login_codes::SignInAt;
use crate::sessions::{NewSession, begin};
use crate::{Code, Error, Saying, audit, mail, signup};

/// How long a browser may wait, seconds.
pub const LIFETIME_SECS: i64 = 5 * 60;
/// Seconds between two questions of a browser that waits, unless an answer lets it wait.
pub const INTERVAL_SECS: i64 = 3;
/// A passkey proof counts for this long, seconds.
const PROOF_SECS: i64 = 60;
/// So many wrong numbers end a request.
const WRONG_NUMBERS: i64 = 3;
/// The first character of a code, by which one entry page tells several kinds apart.
const MARK: char = 'P';
/// How many random characters follow.
const RANDOM_LENGTH: usize = 7;

/// A code in its one form: `P` and seven characters (api.md §4.6).
#[derive(Clone, PartialEq, Eq)]
pub struct LoginCode(String);

impl LoginCode {
    /// Reads what a person typed: blanks and hyphens don't count, nor does the case, and letters that look like a digit are
    /// that digit. `None` if it can't be a code of this kind.
    #[must_use]
    pub fn parse(typed: &str) -> Option<Self> {
        let code = pid_core::codes::folded(typed);
        let rest = code.strip_prefix(MARK)?;
        let fits = rest.len() == RANDOM_LENGTH && rest.bytes().all(|b| LOGIN_CODE.contains(&b));
        fits.then_some(Self(code))
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The code in two halves, as people read it.
    #[must_use]
    pub fn halves(&self) -> (&str, &str) {
        self.0.split_at(self.0.len() / 2)
    }

    fn hash(&self) -> [u8; 32] {
        sha256(self.0.as_bytes())
    }
}

/// A request of a browser to be let in.
pub struct Request {
    /// For people, who type or scan it.
    pub code: LoginCode,
    /// For the browser's cookie.
    pub token: Secret,
    /// Two digits, shown by the browser alone.
    pub number: i64,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Begins to wait.
pub fn create(tx: &WriteTx<'_>, ctx: &Ctx, limited: bool) -> Result<Request, Error> {
    if limited {
        let subject = address_subject(&ctx.ip_address);
        DEVICE_LOGIN_CREATE.check(tx, &subject, ctx.now)?;
        DEVICE_LOGIN_CREATE.fail(tx, &subject, ctx.now)?;
    }
    let entropy = ctx.entropy();
    let code = loop {
        let code = LoginCode(format!("{MARK}{}", entropy.text(LOGIN_CODE, RANDOM_LENGTH)));
        if !device_logins::exists(tx, &code.hash())? {
            break code;
        }
    };
    let token = entropy.text(ALPHANUMERIC, 32);
    // Both digits are seen, so none is a zero that people leave out.
    let number = entropy.text(b"123456789", 2).parse().map_err(Error::internal)?;
    let expires_at = ctx.now.plus_secs(LIFETIME_SECS);
    let new = NewDeviceLogin {
        code_hash: code.hash(),
        token_hash: sha256(token.as_bytes()),
        number,
        ip_address: &ctx.ip_address,
        user_agent: &ctx.user_agent,
        created_at: ctx.now,
        expires_at,
    };
    device_logins::insert(tx, &new)?;
    Ok(Request { code, token: Secret::new(token), number, expires_at })
}

/// A browser that waits, as the person sees it who decides. Its number they have to know.
pub struct Waiting {
    /// The code.
    pub code: LoginCode,
    /// What it is.
    pub user_agent: String,
    /// Where it is.
    pub ip_address: String,
    /// Where that is, in words.
    pub place: Place,
    /// Until when it waits.
    pub expires_at: Timestamp,
}

fn over() -> Error {
    Error::new(Code::DeviceLoginExpired)
}

/// Whether a refusal counts as a guess of a code.
pub fn is_guess(error: &Error) -> bool {
    error.code == Code::DeviceLoginExpired
}

/// Who waits under a code. A refusal that [`is_guess`] must be counted ([`count_failure`]).
pub fn look(tx: &ReadTx<'_>, ctx: &Ctx, who: &SessionUser, typed: &str, limited: bool) -> Result<Waiting, Error> {
    if limited {
        check_budget(tx, ctx, who)?;
    }
    let code = LoginCode::parse(typed).ok_or_else(over)?;
    let found = device_logins::pending(tx, &code.hash(), ctx.now)?.ok_or_else(over)?;
    Ok(Waiting {
        code,
        place: ctx.places.of(&found.ip_address),
        user_agent: found.user_agent,
        ip_address: found.ip_address,
        expires_at: found.expires_at,
    })
}

/// What a person decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The browser may come in as them. Our pages always send the number that it shows. Who sends none gets what the
    /// contract says, a session; but one that may not add passkeys, for a number proves that they see the browser.
    Approve {
        /// The number that it shows.
        number: Option<i64>,
    },
    /// It may not.
    Deny,
}

/// Carries out what a person decided. `Err` inside leaves a trace: a guess was counted, a number or a proof used up.
pub fn decide(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    who: &SessionUser,
    typed: &str,
    decision: Decision,
    proof: Option<&Secret>,
    limited: bool,
) -> Result<Result<(), Error>, Error> {
    if limited {
        check_budget(tx, ctx, who)?;
    }
    if let Decision::Approve { .. } = decision {
        // Used up whatever comes next (api.md §23.2).
        let proven_at = match proof {
            Some(cookie) => {
                sessions::take_reauthentication(tx, &sha256(cookie.expose().as_bytes()), who.session(), ctx.now)?
            }
            None => None,
        };
        if proven_at.is_none_or(|at| ctx.now.secs_since(at) > PROOF_SECS) {
            return Ok(Err(Error::new(Code::ReauthenticationRequired)));
        }
    }
    let found = match LoginCode::parse(typed) {
        Some(code) => device_logins::pending(tx, &code.hash(), ctx.now)?.map(|found| (code, found)),
        None => None,
    };
    let Some((code, found)) = found else {
        if limited {
            count_failure(tx, ctx, who)?;
        }
        return Ok(Err(over()));
    };
    let (user, session) = (&who.user().id, &who.session().id);
    let first = match decision {
        Decision::Deny => {
            denied(tx, ctx, who, &found, "the person refused")?;
            device_logins::deny(tx, &code.hash(), ctx.now)?
        }
        Decision::Approve { number: Some(number) } if number != found.number => {
            device_logins::wrong_number(tx, &code.hash())?;
            if found.wrong_numbers + 1 < WRONG_NUMBERS {
                return Ok(Err(Error::new(Code::DeviceLoginNumberMismatch)));
            }
            denied(tx, ctx, who, &found, "three wrong numbers")?;
            device_logins::deny(tx, &code.hash(), ctx.now)?;
            return Ok(Err(Error::say(Saying::ThirdWrongNumber, &[])));
        }
        Decision::Approve { number } => {
            device_logins::approve(tx, &code.hash(), user, session, number.is_some(), ctx.now)?
        }
    };
    if first { Ok(Ok(())) } else { Err(over()) }
}

fn denied(tx: &WriteTx<'_>, ctx: &Ctx, who: &SessionUser, browser: &Pending, reason: &str) -> Result<(), Error> {
    let data = [("browserAddress", browser.ip_address.as_str()), ("reason", reason)];
    audit::record(tx, ctx, &ctx.stream("audit"), Event::RemoteSignInDenied, Some(&who.user().id), None, &data)
}

/// The hash of the code that names a request, if it can be one.
fn named(id: &str) -> Option<[u8; 32]> {
    LoginCode::parse(id).map(|code| code.hash())
}

/// Whether nobody has decided yet about the request of this browser.
pub fn is_pending(tx: &ReadTx<'_>, ctx: &Ctx, id: &str, token: &Secret, limited: bool) -> Result<bool, Error> {
    if limited {
        DEVICE_LOGIN_EXCHANGE.check(tx, &address_subject(&ctx.ip_address), ctx.now)?;
    }
    let Some(code) = named(id) else { return Ok(false) };
    let state = device_logins::state(tx, &code, &sha256(token.expose().as_bytes()), ctx.now)?;
    Ok(state == Some(State::Pending))
}

/// What a browser gets that waited.
#[derive(Debug)]
pub enum Exchange {
    /// It is in.
    SignedIn(Box<(User, NewSession)>),
    /// It has to wait on.
    Pending,
    /// It may not come in, or there is nothing to come in by; the latter is counted.
    Refused(Error),
}

/// Lets the browser in that somebody let in: once. A disabled person's approval is kept: the refusal rolls back.
pub fn exchange(tx: &WriteTx<'_>, ctx: &Ctx, at: &SignInAt, id: &str, token: &Secret) -> Result<Exchange, Error> {
    let token = sha256(token.expose().as_bytes());
    let taken = match named(id) {
        Some(code) => match device_logins::state(tx, &code, &token, ctx.now)? {
            Some(State::Pending) => return Ok(Exchange::Pending),
            Some(State::Denied) => return Ok(Exchange::Refused(Error::new(Code::DeviceLoginDenied))),
            Some(State::Approved) => device_logins::take(tx, &code, &token, ctx.now)?,
            Some(State::Used) | None => None,
        },
        None => None,
    };
    let Some((user_id, matched)) = taken else {
        if at.limited {
            DEVICE_LOGIN_EXCHANGE.fail(tx, &address_subject(&ctx.ip_address), ctx.now)?;
        }
        return Ok(Exchange::Refused(over()));
    };
    let user = users::by_id(tx, &user_id)?.ok_or_else(over)?;
    if user.disabled {
        return Err(signup::refusal(tx, &user.id)?);
    }
    let entropy = ctx.entropy();
    let began_by = if matched { BeganBy::Device } else { BeganBy::DeviceWithoutNumber };
    let interaction = at.interaction_id.clone();
    let session = begin(tx, ctx, &entropy, &user, began_by, interaction, at.previous.as_ref(), at.session_minutes)?;
    mail::of_new_device(tx, ctx, &settings::load(tx)?, &user, &session.session)?;
    audit::record(tx, ctx, &entropy, Event::RemoteSignIn, Some(&user.id), None, &[])?;
    Ok(Exchange::SignedIn(Box::new((user, session))))
}

#[cfg(test)]
mod tests {
    use super::LoginCode;

    #[test]
    fn typing_is_forgiven_and_other_codes_are_not_ours() {
        let code = LoginCode::parse(" pab1-oi l2").unwrap();
        assert_eq!((code.as_str(), code.halves()), ("PAB10112", ("PAB1", "0112")));
        for other in ["", "P", "EAB10112", "PAB1011", "PAB101122", "PAB1011é", &"P".repeat(10_000)] {
            assert!(LoginCode::parse(other).is_none(), "{other}");
        }
    }
}
