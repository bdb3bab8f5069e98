//! The first run: the first person becomes the administrator (api.md §23.3).

use pid_core::audit::Event;
use pid_core::secret::{equal, sha256};
use pid_core::sessions::BeganBy;
use pid_core::settings::Settings;
use pid_core::users::User;
use pid_core::{Ctx, places};
use pid_store::{ReadTx, WriteTx, instance, users};
use schemars::JsonSchema;

use crate::budget::{SETUP_CODE, address_subject};
use crate::env::Env;
use crate::sessions::{NewSession, begin};
use crate::signup::Introduction;
use crate::{Code, Error, audit};

/// The fact in the store that closes set-up for good, even if all people are deleted later.
const COMPLETED: &str = "setup_completed_at";

/// What the first administrator typed.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["username"]))]
pub struct SetupInput {
    /// 1–50 characters, by the rules of users (api.md §13.3).
    pub username: String,
    /// Required unless the configuration says otherwise.
    pub email: Option<String>,
    /// At most 50 characters.
    pub first_name: String,
    /// At most 50 characters.
    pub last_name: String,
    /// The code that the start printed; asked for from public addresses only.
    pub setup_code: Option<String>,
    /// The language of the page that asks (BCP 47); not of the body.
    #[serde(skip)]
    pub locale: Option<String>,
}

/// What became of a set-up.
#[derive(Debug)]
pub enum Setup {
    /// The administrator exists and is signed in.
    Done(Box<(User, NewSession)>),
    /// The set-up code was wrong; the attempt is counted.
    WrongCode,
}

/// Whether set-up is open: nobody has ever been set up here.
pub fn is_open(tx: &ReadTx<'_>) -> Result<bool, Error> {
    Ok(!users::any_person(tx)? && instance::get(tx, COMPLETED)?.is_none())
}

/// Whether an address is neither loopback nor private. From such a one set-up needs the code that the start printed.
pub fn is_public(ip_address: &str) -> bool {
    ip_address.parse().ok().and_then(places::internal).is_none()
}

/// Creates the first administrator and signs them in. Of two parallel calls one wins (security case 69). Wrong codes
/// are counted per address: with sixty bits a code needs no more, and a stranger who types nonsense keeps nobody out.
pub fn complete(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    settings: &Settings,
    input: &SetupInput,
    needs_code: bool,
) -> Result<Setup, Error> {
    if !is_open(tx)? {
        return Err(Error::new(Code::SetupAlreadyCompleted));
    }
    if needs_code {
        let subject = address_subject(&ctx.ip_address);
        SETUP_CODE.check(tx, &subject, ctx.now)?;
        match input.setup_code.as_deref().map(normalise_code).filter(|c| !c.is_empty()) {
            None => return Err(Error::new(Code::SetupCodeRequired)),
            Some(code) if !equal(&sha256(code.as_bytes()), &env.setup_code) => {
                SETUP_CODE.fail(tx, &subject, ctx.now)?;
                let data = [("method", "setup_code"), ("reason", "the code is wrong")];
                audit::failed(tx, ctx, Event::SignInFailed, None, &data)?;
                return Ok(Setup::WrongCode);
            }
            Some(_) => {}
        }
    }
    // An empty field of the form is no address.
    let email = input.email.as_deref().filter(|e| !e.is_empty());
    let person = Introduction::check(settings, &[], &input.username, email, &input.first_name, &input.last_name)?;
    if !instance::put_new(tx, COMPLETED, &ctx.now.to_string())? {
        return Err(Error::new(Code::SetupAlreadyCompleted));
    }
    let entropy = ctx.entropy();
    let user = User { is_admin: true, locale: input.locale.clone(), ..person.account(ctx, settings, &entropy) };
    users::insert(tx, &user).map_err(crate::error::unique_user)?;
    crate::users::give_defaults(tx, ctx, settings, &user.id, &crate::roles::Joinable::of_signup(tx, settings, None)?)?;
    let session = begin(tx, ctx, &entropy, &user, BeganBy::Setup, None, None, settings.session_minutes())?;
    audit::record(tx, ctx, &entropy, Event::SetupCompleted, Some(&user.id), None, &[])?;
    Ok(Setup::Done(Box::new((user, session))))
}

/// Folds case and drops blanks and dashes: a code is read from one screen and typed on another.
pub fn normalise_code(code: &str) -> String {
    code.chars().filter(|c| !c.is_whitespace() && *c != '-').flat_map(char::to_uppercase).collect()
}
