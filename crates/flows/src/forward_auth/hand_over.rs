//! How somebody comes from `/authorize` to a session on the host of an app, which may be of quite another domain.
//!
//! The browser keeps one random secret per host. Each sign-in has a state that holds where it leads back to; the verifier of
//! its code (RFC 7636) is made of both. So a code is worth something in the browser, on the host and with the state for which
//! it was asked, once, for half a minute, and nothing need be stored until it comes back.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use pid_core::forward_auth::{CALLBACK_PATH, Target};
use pid_core::secret::{Secret, sha256};
use pid_core::{Ctx, Entropy, handle};
use pid_oidc::pkce::{self, Challenge};
use pid_oidc::token::{CodeRequest, CodeView, check_code};
use pid_store::forward_auth::{self, ProxiedApp};
use pid_store::grants::{self, RevokedBy};
use pid_store::{WriteTx, protocol, users};

use super::{Cookies, browser_cookie};
use crate::Error;
use crate::env::Env;
use crate::protocol::{client_view, user_view};
use crate::token::kill;

/// How long the secret of a browser is kept, seconds: as long as an interaction.
pub const BROWSER_SECS: i64 = crate::authorize::INTERACTION_SECS;
/// Addresses that are longer than this are not come back to.
const MAX_BACK: usize = 2000;
const SCOPES: &str = "openid profile email groups";

/// A sign-in that begins.
#[derive(Clone, Debug)]
pub struct Beginning {
    /// Where the browser goes.
    pub location: String,
    /// The secret that the browser keeps meanwhile.
    pub browser: Secret,
}

/// Sends somebody to sign in, and back to what they asked for.
pub fn begin(env: &Env, app: &ProxiedApp, target: &Target, cookies: &Cookies, entropy: &Entropy) -> Beginning {
    let kept = cookies.get(&browser_cookie(&app.origin)).filter(|value| is_secret(value));
    let browser = kept.map_or_else(|| URL_SAFE_NO_PAD.encode(entropy.bytes::<32>()), str::to_owned);
    let back = if target.uri.len() <= MAX_BACK { target.uri.as_str() } else { "/" };
    let state = format!("{}.{}", URL_SAFE_NO_PAD.encode(entropy.bytes::<16>()), URL_SAFE_NO_PAD.encode(back));
    let challenge = URL_SAFE_NO_PAD.encode(sha256(verifier(&browser, &state).as_bytes()));
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", app.client_id.as_str())
        .append_pair("response_type", "code")
        .append_pair("redirect_uri", &redirect_uri(app))
        .append_pair("scope", SCOPES)
        .append_pair("state", &state)
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256")
        .finish();
    Beginning { location: format!("{}/authorize?{query}", env.app_url.origin), browser: Secret::new(browser) }
}

fn redirect_uri(app: &ProxiedApp) -> String {
    format!("{}{CALLBACK_PATH}", app.origin.as_str())
}

fn is_secret(text: &str) -> bool {
    text.len() == 43 && URL_SAFE_NO_PAD.decode(text).is_ok()
}

fn verifier(browser: &str, state: &str) -> String {
    URL_SAFE_NO_PAD.encode(sha256(format!("hand-over\n{browser}\n{state}").as_bytes()))
}

/// What came back from `/authorize` (RFC 6749 §4.1.2, RFC 9207 §2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// `code`.
    pub code: Option<String>,
    /// `state`.
    pub state: Option<String>,
    /// `iss`.
    pub iss: Option<String>,
    /// `error`.
    pub error: Option<String>,
}

impl Arrival {
    /// Reads the query. `None` if a parameter came twice.
    pub fn read(query: &str) -> Option<Self> {
        let mut arrival = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let place = match &*name {
                "code" => &mut arrival.code,
                "state" => &mut arrival.state,
                "iss" => &mut arrival.iss,
                "error" => &mut arrival.error,
                _ => continue,
            };
            if place.replace(value.into_owned()).is_some() {
                return None;
            }
        }
        Some(arrival)
    }

    /// Where the sign-in leads back to: path and query on the host.
    fn path(&self) -> Option<String> {
        let (_, back) = self.state.as_deref()?.split_once('.')?;
        let back = String::from_utf8(URL_SAFE_NO_PAD.decode(back).ok()?).ok()?;
        let plain = back.starts_with('/') && back.len() <= MAX_BACK && back.bytes().all(|b| b.is_ascii_graphic());
        plain.then_some(back)
    }
}

/// What became of a hand-over.
#[derive(Clone, Debug)]
pub enum HandedOver {
    /// A session on the host.
    In {
        /// Its cookie.
        cookie: Secret,
        /// How long it lasts, seconds.
        max_age_secs: i64,
        /// Where they wanted to go, a whole address.
        to: String,
    },
    /// It was done before in this browser: somebody went back or loaded the address again.
    Again {
        /// Where they wanted to go, a whole address.
        to: String,
    },
    /// It can't be done; they may begin again there.
    Lost {
        /// The person cancelled.
        cancelled: bool,
        /// Where to begin again, a whole address.
        to: String,
    },
}

/// Redeems a code for a session on the host, once.
pub fn redeem(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    host: &str,
    cookies: &Cookies,
    arrival: &Arrival,
) -> Result<HandedOver, Error> {
    let Some(app) = forward_auth::app(tx, host)? else { return Err(Error::not_found("Host")) };
    let at = |path: Option<String>| format!("{}{}", app.origin.as_str(), path.as_deref().unwrap_or("/"));
    let lost =
        || HandedOver::Lost { cancelled: arrival.error.as_deref() == Some("access_denied"), to: at(arrival.path()) };
    let browser = cookies.get(&browser_cookie(&app.origin));
    let (Some(sent), Some(state), Some(browser)) = (&arrival.code, &arrival.state, browser) else { return Ok(lost()) };
    if arrival.error.is_some() || arrival.iss.as_ref().is_some_and(|iss| *iss != env.app_url.origin) {
        return Ok(lost());
    }
    let Some((code, grant)) = grants::code(tx, sent)? else { return Ok(lost()) };
    let Some(client) = protocol::client(tx, &app.client_id)? else { return Ok(lost()) };
    let seen = CodeView {
        client_id: grant.client_id.to_string(),
        redirect_uri: code.redirect_uri.clone(),
        redirect_uri_sent: code.redirect_uri_sent,
        challenge: code.challenge.clone().and_then(|(value, method)| Challenge::from_stored(&method, value)),
        expires_at: code.expires_at.secs(),
        used: code.used_at.is_some(),
    };
    let request = CodeRequest {
        code: sent.clone(),
        redirect_uri: Some(redirect_uri(&app)),
        code_verifier: Some(verifier(browser, state)),
        resource: None,
    };
    if let Err(refusal) = check_code(&seen, app.client_id.as_str(), &request, ctx.now.secs()) {
        if refusal.kills_family() {
            // The very browser again is no thief; anybody else is.
            let same = pkce::verify(seen.challenge.as_ref(), request.code_verifier.as_deref()).is_ok();
            if same && seen.redirect_uri == redirect_uri(&app) {
                return Ok(HandedOver::Again { to: at(arrival.path()) });
            }
            kill(tx, ctx, &client, &grant, RevokedBy::CodeReuse)?;
        }
        return Ok(lost());
    }
    let user = users::by_id(tx, &grant.user_id)?;
    let view = client_view(&client);
    let seen = user.as_ref().map(|user| user_view(tx, user, &view)).transpose()?;
    if grant.revoked_at.is_some()
        || view.check_grant_user(seen.as_ref()).is_err()
        || !grants::take_code(tx, &grant.id, ctx.now)?
    {
        return Ok(lost());
    }
    let expires_at = ctx.now.plus_minutes(app.settings.session_minutes);
    let cookie = handle::make(grant.id.as_str(), 0, &ctx.entropy().bytes());
    forward_auth::insert_session(tx, &grant.id, &sha256(cookie.as_bytes()), app.origin.key(), expires_at)?;
    grants::extend(tx, &grant.id, expires_at, grant.dpop_jkt.as_deref())?;
    let max_age_secs = app.settings.session_minutes * 60;
    Ok(HandedOver::In { cookie: Secret::new(cookie), max_age_secs, to: at(arrival.path()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_is_read_once() {
        let read = Arrival::read("code=a&state=x.L2E_Yg&iss=https%3A%2F%2Fid&other=1&other=2").unwrap();
        assert_eq!((read.code.as_deref(), read.iss.as_deref()), (Some("a"), Some("https://id")));
        assert_eq!(read.path().as_deref(), Some("/a?b"));
        assert_eq!(Arrival::read("code=a&code=a"), None);
        assert_eq!(Arrival::read("state=a&state=b"), None);
        for state in ["", "x", "x.", "x.!!", "x.aHR0cHM6Ly9ldmls", "x.L2ENCg"] {
            let arrival = Arrival { state: Some(state.to_owned()), ..Arrival::default() };
            assert_eq!(arrival.path(), None, "{state}");
        }
    }

    #[test]
    fn a_verifier_is_of_its_browser_and_its_state() {
        let one = verifier("b", "s");
        assert_eq!(one.len(), 43);
        assert!(one != verifier("c", "s") && one != verifier("b", "t"));
        assert!(is_secret(&one) && !is_secret("x") && !is_secret(&"!".repeat(43)));
    }
}
