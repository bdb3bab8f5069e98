//! Signing up: by oneself or with an administrator's token (api.md §23.4), perhaps waiting for approval.
//!
//! Every rule of the configuration holds for every sign-up; a token only opens the door. Who may not sign up learns nothing
//! about who else has an account (security case 103), and who may is slowed down.

use pid_core::audit::Event;
use pid_core::secret::Secret;
use pid_core::sessions::BeganBy;
use pid_core::settings::{Settings, Signups};
use pid_core::users::User;
use pid_core::validate::{key, nfc};
use pid_core::{Ctx, Entropy, FieldCode, Fields, UserId};
use pid_store::{ReadTx, WriteTx, groups, settings, signup_approvals, signup_tokens, users};
use schemars::JsonSchema;

use crate::budget::{SIGNUP, address_subject};
use crate::error::unique_user;
use crate::sessions::{NewSession, begin};
use crate::signup_tokens::{short, usable};
use crate::users::{UserDetails, give_defaults};
use crate::{Code, Error, audit};

/// What somebody who signs up typed. Anything else that they send is passed over.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["username"]))]
pub struct SignupInput {
    /// 1–50 characters, by the rules of users (api.md §13.3).
    pub username: String,
    /// Required if the configuration says so, or if it limits the domains.
    pub email: Option<String>,
    /// At most 50 characters.
    pub first_name: String,
    /// At most 50 characters.
    pub last_name: String,
    /// An administrator's invitation.
    pub token: String,
}

/// What became of a sign-up.
#[derive(Debug)]
pub enum Signup {
    /// The account exists. Its session is good for the first passkey alone while it waits for approval.
    Done(Box<(UserDetails, NewSession)>),
    /// Nothing was made; the attempt is counted.
    Refused(Error),
}

/// What a person says of themselves, read and checked: at set-up and at sign-up.
pub(crate) struct Introduction {
    username: String,
    email: Option<String>,
    first_name: String,
    last_name: String,
}

impl Introduction {
    /// Reads it. `domains`: those whose addresses are taken; empty: all.
    pub(crate) fn check(
        settings: &Settings,
        domains: &[String],
        username: &str,
        email: Option<&str>,
        first_name: &str,
        last_name: &str,
    ) -> Result<Self, Error> {
        let email = email.map(nfc);
        let (first_name, last_name) = (nfc(first_name.trim()), nfc(last_name.trim()));
        let mut fields = Fields::new();
        fields.username("username", username);
        fields.length("firstName", &first_name, 0, 50);
        fields.length("lastName", &last_name, 0, 50);
        match &email {
            Some(email) => {
                fields.email("email", email);
                if !domains.is_empty() && !is_of(email, domains) {
                    fields.refuse("email", FieldCode::InvalidValue, "must be an address of a domain that may sign up");
                }
            }
            None if settings.require_user_email() || !domains.is_empty() => {
                fields.refuse("email", FieldCode::Required, "must not be empty");
            }
            None => {}
        }
        fields.finish()?;
        Ok(Self { username: nfc(username), email, first_name, last_name })
    }

    /// The account.
    pub(crate) fn account(self, ctx: &Ctx, settings: &Settings, entropy: &Entropy) -> User {
        let mut user = User {
            id: UserId::generate(entropy),
            username: self.username,
            email: self.email,
            email_verified: settings.emails_verified(),
            first_name: self.first_name,
            last_name: self.last_name,
            display_name: String::new(),
            is_admin: false,
            disabled: false,
            locale: None,
            ldap_id: None,
            created_at: ctx.now,
            updated_at: ctx.now,
            version: 1,
        };
        user.display_name = user.full_name();
        user
    }
}

fn is_of(email: &str, domains: &[String]) -> bool {
    let domain = email.rsplit_once('@').map(|(_, domain)| key(domain));
    domain.is_some_and(|domain| domains.iter().any(|allowed| key(allowed) == domain))
}

/// Signs somebody up and in. `limited`: whether attempts are counted.
pub fn sign_up(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    input: &SignupInput,
    previous: Option<&Secret>,
    limited: bool,
) -> Result<Signup, Error> {
    let subject = address_subject(&ctx.ip_address);
    if limited {
        SIGNUP.check(tx, &subject, ctx.now)?;
    }
    let settings = settings::load(tx)?;
    if input.token.is_empty() && settings.signups() != Signups::Open {
        return Err(Error::new(Code::OpenSignupDisabled));
    }
    let (username, email) = (input.username.as_str(), input.email.as_deref());
    let domains = settings.signup_domains();
    let person = Introduction::check(&settings, &domains, username, email, &input.first_name, &input.last_name)?;
    // From here on an answer tells something about tokens or accounts, so it costs.
    if limited {
        SIGNUP.fail(tx, &subject, ctx.now)?;
    }
    let invitation = match input.token.as_str() {
        "" => None,
        token => match usable(tx, token, ctx.now)? {
            Some(found) => Some(found),
            None => return Ok(Signup::Refused(unusable())),
        },
    };
    if let Some(taken) = taken(tx, &person)? {
        return Ok(Signup::Refused(taken));
    }
    let groups = match &invitation {
        // Counted last and in this transaction: a sign-up that fails costs no use, and of many at once none goes over.
        Some(token) if !signup_tokens::take(tx, &token.id, ctx.now)? => return Ok(Signup::Refused(unusable())),
        Some(token) => groups::of_signup_token(tx, &token.id)?.into_iter().map(|g| g.id.into_string()).collect(),
        None => Vec::new(),
    };
    let entropy = ctx.entropy();
    let mut user = person.account(ctx, &settings, &entropy);
    user.disabled = settings.signup_needs_approval();
    users::insert(tx, &user).map_err(unique_user)?;
    if user.disabled {
        signup_approvals::insert(tx, &user.id, ctx.now)?;
    }
    give_defaults(tx, ctx, &settings, &user.id, &groups)?;
    let minutes = settings.session_minutes();
    let session = begin(tx, ctx, &entropy, &user, BeganBy::Signup, None, previous, minutes)?;
    let token = short(&input.token);
    let how = if invitation.is_some() { ("signupToken", token.as_str()) } else { ("method", "open_signup") };
    audit::record(tx, ctx, &entropy, Event::AccountCreated, Some(&user.id), None, &[how])?;
    Ok(Signup::Done(Box::new((crate::users::details(tx, user)?, session))))
}

fn unusable() -> Error {
    Error::with(Code::TokenInvalidOrExpired, "Token is invalid or expired")
}

/// Which of address and name is taken, the address first (api.md §13.3).
fn taken(tx: &ReadTx<'_>, person: &Introduction) -> Result<Option<Error>, Error> {
    if let Some(email) = &person.email
        && users::by_email(tx, email)?.is_some()
    {
        return Ok(Some(Error::already_in_use("email")));
    }
    let name_is_taken = users::by_username(tx, &person.username)?.is_some();
    Ok(name_is_taken.then(|| Error::already_in_use("username")))
}

/// Why somebody who is disabled is refused: they wait for approval, or an administrator disabled them.
pub(crate) fn refusal(tx: &ReadTx<'_>, user: &UserId) -> Result<Error, Error> {
    Ok(if signup_approvals::waits(tx, user)? {
        let message = "Your account waits for an administrator's approval. Until then you can't sign in";
        Error::with(Code::UserDisabled, message).detail("reason", "awaiting_approval")
    } else {
        Error::new(Code::UserDisabled)
    })
}
