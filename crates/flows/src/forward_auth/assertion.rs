//! What an app is told of a visitor by a signed JWT, for apps that can check one.

use pid_core::Timestamp;
use pid_jose::{Alg, KeySet, SigningKey, Typ, sign};
use pid_store::forward_auth::ProxiedApp;
use serde_json::{Map, Value, json};

use super::Visitor;
use crate::Error;
use crate::env::Env;

/// How long an assertion is good, seconds: a request takes no longer, and clocks differ.
pub const LIFE_SECS: i64 = 300;

/// The claims that don't change from one request to the next while the person doesn't.
pub fn claims(env: &Env, app: &ProxiedApp, visitor: &Visitor) -> Map<String, Value> {
    let user = &visitor.user;
    let mut claims = Map::new();
    let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    put("iss", json!(env.app_url.origin));
    put("aud", json!(app.client_id.as_str()));
    put("sub", json!(user.id.as_str()));
    put("preferred_username", json!(user.username));
    put("name", json!(user.shown_name()));
    if let Some(email) = &user.email {
        put("email", json!(email));
        put("email_verified", json!(user.email_verified));
    }
    put("groups", json!(visitor.group_names().collect::<Vec<_>>()));
    if let Some(session) = &visitor.session {
        put("sid", json!(session.as_str()));
    }
    claims
}

/// The key that signs for an app.
pub fn key<'a>(keys: &'a KeySet, app: &ProxiedApp) -> Option<&'a SigningKey> {
    keys.signing(app.signing_alg.as_deref().and_then(Alg::parse)).or_else(|| keys.signing(None))
}

/// Signs the claims as of a moment.
pub fn signed(key: &SigningKey, mut claims: Map<String, Value>, now: Timestamp) -> Result<String, Error> {
    claims.insert("iat".to_owned(), json!(now.secs()));
    claims.insert("exp".to_owned(), json!(now.secs() + LIFE_SECS));
    sign(key, Typ::ForwardAuth, &claims).map_err(Error::internal)
}
