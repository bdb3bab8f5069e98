//! Our cookies (api.md §7). With https they are `Secure` and carry a name prefix that keeps other hosts
//! and plain http from setting them; with http they can be neither.

use cookie::{Cookie, SameSite, time::Duration};
use pid_core::secret::Secret;
use pid_flows::env::Env;

/// The session cookie's name.
pub fn session_name(env: &Env) -> &'static str {
    if env.app_url.https { "__Host-access_token" } else { "access_token" }
}

/// The name of the cookie that binds ceremonies and interactions to a browser.
pub fn browser_name(env: &Env) -> &'static str {
    if env.app_url.https { "__Host-session" } else { "session" }
}

/// The name of the cookie with a fresh passkey proof.
pub fn reauthentication_name(env: &Env) -> &'static str {
    if env.app_url.https { "__Secure-reauthentication_token" } else { "reauthentication_token" }
}

/// The name of the cookie that binds a mailed login code to the browser that asked for it.
pub fn device_name(env: &Env) -> &'static str {
    if env.app_url.https { "__Secure-device_token" } else { "device_token" }
}

/// Binds a mailed login code to this browser, for as long as it lives.
pub fn device(env: &Env, value: &Secret) -> Cookie<'static> {
    let mut cookie = cookie(env, device_name(env), value.expose().to_owned(), 900);
    cookie.set_path("/api/one-time-access-token");
    cookie
}

/// The name of the cookie of a browser that waits to be let in from another device.
pub fn device_login_name(env: &Env) -> &'static str {
    if env.app_url.https { "__Secure-device_login_token" } else { "device_login_token" }
}

fn cookie(env: &Env, name: &'static str, value: String, max_age_secs: i64) -> Cookie<'static> {
    Cookie::build((name, value))
        .path("/")
        .http_only(true)
        .secure(env.app_url.https)
        .same_site(SameSite::Lax)
        .max_age(Duration::seconds(max_age_secs))
        .build()
}

/// Sets the session cookie.
pub fn session(env: &Env, value: &Secret, max_age_secs: i64) -> Cookie<'static> {
    cookie(env, session_name(env), value.expose().to_owned(), max_age_secs)
}

/// Removes the session cookie.
pub fn no_session(env: &Env) -> Cookie<'static> {
    cookie(env, session_name(env), String::new(), 0)
}

/// Sets the browser-binding cookie: an hour, the life of an interaction.
pub fn browser(env: &Env, value: &Secret) -> Cookie<'static> {
    cookie(env, browser_name(env), value.expose().to_owned(), 3600)
}

/// Sets the passkey proof: three minutes.
pub fn reauthentication(env: &Env, value: &Secret) -> Cookie<'static> {
    cookie(env, reauthentication_name(env), value.expose().to_owned(), 180)
}

/// Sets the cookie of a browser that waits: it goes where that asks about this code and nowhere else.
pub fn device_login(env: &Env, code: &str, value: &Secret) -> Cookie<'static> {
    let mut cookie = cookie(env, device_login_name(env), value.expose().to_owned(), 900);
    cookie.set_path(format!("/api/device-login/requests/{code}/exchange"));
    cookie
}

/// Removes the passkey proof.
pub fn no_reauthentication(env: &Env) -> Cookie<'static> {
    cookie(env, reauthentication_name(env), String::new(), 0)
}
