//! Passkeys: registering, signing in, proving again, renaming, removing (api.md §22).
//!
//! A ceremony begins with a challenge row bound to kind and browser and ends with any attempt that names
//! it: the row is deleted first, whatever comes of the attempt. So an attempt's refusal is an outcome that
//! commits, not an error that would roll the deletion back.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use pid_core::audit::Event;
use pid_core::secret::{Secret, sha256};
use pid_core::sessions::{BeganBy, Session};
use pid_core::settings::Settings;
use pid_core::users::User;
use pid_core::validate::nfc;
use pid_core::{Ctx, Fields, PasskeyId, UserId};
use pid_store::passkeys::{self, Ceremony, Challenge, Passkey};
use pid_store::{ReadTx, StoreError, WriteTx, sessions, users};
use pid_webauthn::{assert, options, register};

use crate::access::{Admin, MayEnrol, SessionUser};
use crate::budget::{PASSKEY_LOGIN, REAUTHENTICATE, address_subject};
use crate::env::Env;
use crate::login_codes::SignInAt;
use crate::sessions::{NewSession, begin};
use crate::{Code, Error, audit};

/// How long a ceremony may take, seconds.
pub const CEREMONY_SECS: i64 = 5 * 60;
/// How long a re-authentication proof counts, seconds.
pub const REAUTHENTICATION_SECS: i64 = 3 * 60;

/// Creation options for a person (WebAuthn L3 §5.4), and the challenge row behind them.
pub fn register_start(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    settings: &Settings,
    who: &MayEnrol,
    browser: &Secret,
) -> Result<serde_json::Value, Error> {
    let entropy = ctx.entropy();
    let user = who.who().user();
    let existing = passkeys::by_user(tx, &user.id)?;
    let challenge = entropy.bytes::<32>();
    let row = Challenge {
        kind: Ceremony::Register,
        user_id: Some(user.id.clone()),
        expires_at: ctx.now.plus_secs(CEREMONY_SECS),
    };
    passkeys::insert_challenge(tx, &entropy.uuid(), &challenge, &sha256(browser.expose().as_bytes()), &row)?;
    let exclude: Vec<options::Descriptor> = existing
        .into_iter()
        .map(|p| options::Descriptor { id: p.credential_id, transports: p.transports })
        .collect();
    let attachment = match settings.authenticator_attachment() {
        "any" => None,
        other => Some(other),
    };
    Ok(options::creation(&options::Creation {
        rp_name: settings.app_name(),
        rp_id: &env.app_url.host,
        user_handle: user.id.as_str().as_bytes(),
        user_name: &user.username,
        user_display_name: &user.shown_name(),
        challenge: &challenge,
        timeout_secs: CEREMONY_SECS,
        exclude: &exclude,
        attachment,
    }))
}
