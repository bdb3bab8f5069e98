//! An installation of Pocket ID 2.14 with something in each of its tables.

use aws_lc_rs::digest::{SHA256, digest};
use pid_jose::Alg;
use pid_testkit::authenticator::SoftAuthenticator;
use serde_json::{Value, json};

use super::{Upstream, column, refresh_token, sealed_key, soft_passkey};
use crate::PNG;

/// Its `ENCRYPTION_KEY`.
pub const KEY: &str = "test-encryption-key";
/// Its administrator.
pub const ANN: &str = "b2a0c7f2-0d0e-4b6c-9e44-0f6ad7a3f001";
/// Somebody else.
pub const BOB: &str = "b2a0c7f2-0d0e-4b6c-9e44-0f6ad7a3f002";
/// Their group.
pub const TEAM: &str = "b2a0c7f2-0d0e-4b6c-9e44-0f6ad7a3f003";
/// When everything was made.
pub const LONG_AGO: &str = "2026-01-02T03:04:05Z";
/// When everything ends.
pub const FAR_AWAY: &str = "2099-01-01T00:00:00Z";

/// SHA-256 as that program writes it.
#[must_use]
pub fn sha256_hex(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

/// A client's row.
#[must_use]
pub fn client(id: &str, callbacks: &[&str], secrets: &Value) -> Value {
    json!({
        "id": id, "created_at": LONG_AGO, "name": format!("App {id}"), "callback_urls": column(&json!(callbacks)),
        "image_type": "png", "created_by_id": ANN, "is_public": false, "pkce_enabled": false,
        "logout_callback_urls": column(&Value::Null), "credentials": column(&json!({ "secrets": secrets })),
        "launch_url": null, "requires_reauthentication": false, "dark_image_type": null, "is_group_restricted": false,
        "requires_pushed_authorization_requests": false, "skip_consent": false, "pkce_supported": false,
        "description": "An app", "client_type": "standard", "metadata_expires_at": null,
        "metadata_grant_types": column(&Value::Null), "access_token_duration_minutes": 60,
        "refresh_token_duration_minutes": 43200
    })
}

/// A person's row.
#[must_use]
pub fn user(id: &str, username: &str, is_admin: bool) -> Value {
    json!({
        "id": id, "created_at": LONG_AGO, "updated_at": null, "username": username, "email": format!("{username}@example.com"),
        "first_name": username, "last_name": "There", "display_name": "", "is_admin": is_admin, "ldap_id": null,
        "locale": null, "disabled": false, "email_verified": true
    })
}

/// What an installation of 2.14 has, and the passkey of its administrator.
#[must_use]
pub fn installation(app_url: &str) -> (Upstream, SoftAuthenticator) {
    let (passkey, credential) = soft_passkey(ANN, "b2a0c7f2-0d0e-4b6c-9e44-0f6ad7a3f004", app_url);
    let bcrypt = bcrypt::hash("an old secret of old times", 4).expect("a hash");
    let secrets = json!([
        { "id": "b2a0c7f2-0d0e-4b6c-9e44-0f6ad7a3f010", "alg": "sha256", "hash": sha256_hex("a-secret-of-two-dozen-bytes"), "prefix": "a-se", "createdAt": LONG_AGO },
        { "id": "b2a0c7f2-0d0e-4b6c-9e44-0f6ad7a3f011", "alg": "bcrypt", "hash": bcrypt, "createdAt": LONG_AGO },
    ]);
    let (_, old_signature) = refresh_token(KEY, [1; 32]);
    let (_, signature) = refresh_token(KEY, [2; 32]);
    let session = |key: &str, id: &str, active: bool, created: &str| {
        json!({
            "id": id, "created_at": created, "kind": "refresh_token", "key": key, "request_id": "family-1", "client_id": "app",
            "access_token_signature": "", "active": active, "expires_at": FAR_AWAY,
            "request_data": column(&json!({
                "id": "family-1", "client_id": "app", "requested_at": LONG_AGO, "granted_scope": ["openid", "profile"],
                "granted_audience": [], "session": {
                    "subject": ANN, "authentication_method": "phr",
                    "id_token_claims": { "iss": app_url, "auth_time": LONG_AGO, "rat": LONG_AGO, "amr": ["phr"] },
                },
            })),
        })
    };
    let upstream = Upstream::default()
        .row("users", user(ANN, "ann", true))
        .row("users", user(BOB, "Bob", false))
        .row("user_groups", json!({ "id": TEAM, "created_at": LONG_AGO, "friendly_name": "The Team", "name": "team", "ldap_id": null, "updated_at": null }))
        .row("user_groups_users", json!({ "user_id": ANN, "user_group_id": TEAM }))
        .row("user_groups_users", json!({ "user_id": "nobody", "user_group_id": TEAM }))
        .row("custom_claims", json!({ "id": "c1", "created_at": LONG_AGO, "key": "dept", "value": "eng", "user_id": ANN, "user_group_id": null }))
        .row("custom_claims", json!({ "id": "c2", "created_at": LONG_AGO, "key": "floor", "value": "[3]", "user_id": null, "user_group_id": TEAM }))
        .row("webauthn_credentials", credential)
        .row("oidc_clients", client("app", &["https://app.example", "https://*.apps.example/cb"], &secrets))
        .row("oidc_clients_allowed_user_groups", json!({ "oidc_client_id": "app", "user_group_id": TEAM }))
        .row("user_authorized_oidc_clients", json!({ "scope": column(&json!(["openid", "profile"])), "user_id": ANN, "client_id": "app", "last_used_at": LONG_AGO }))
        .row("apis", json!({ "id": "b2a0c7f2-0d0e-4b6c-9e44-0f6ad7a3f020", "created_at": LONG_AGO, "updated_at": null, "name": "Orders", "audience": "https://orders.example/", "allow_cimd_clients": false }))
        .row("api_permissions", json!({ "id": "b2a0c7f2-0d0e-4b6c-9e44-0f6ad7a3f021", "created_at": LONG_AGO, "api_id": "b2a0c7f2-0d0e-4b6c-9e44-0f6ad7a3f020", "key": "read:orders", "name": "Read", "description": null, "allowed_for_cimd_clients": false }))
        .row("oidc_clients_allowed_api_permissions", json!({ "oidc_client_id": "app", "api_permission_id": "b2a0c7f2-0d0e-4b6c-9e44-0f6ad7a3f021", "subject_type": "client" }))
        .row("api_keys", json!({ "id": "b2a0c7f2-0d0e-4b6c-9e44-0f6ad7a3f030", "name": "script", "key": sha256_hex("an-api-key-of-32-characters-long"), "description": null, "expires_at": FAR_AWAY, "last_used_at": null, "created_at": LONG_AGO, "user_id": ANN, "expiration_email_sent": false }))
        .row("audit_logs", json!({ "id": "b2a0c7f2-0d0e-4b6c-9e44-0f6ad7a3f040", "created_at": "2099-01-01T00:00:00Z", "event": "SIGN_IN", "ip_address": "192.0.2.7", "user_agent": "Firefox", "data": column(&json!({ "clientName": "App app" })), "user_id": ANN, "country": "Norway", "city": "Oslo" }))
        .row("kv", json!({ "key": "instance_id", "value": "instance-1" }))
        .row("kv", json!({ "key": "jwt_private_key.json", "value": sealed_key(KEY, "instance-1", Alg::RS256, "old-key-1") }))
        .row("oauth2_sessions", session(&old_signature, "b2a0c7f2-0d0e-4b6c-9e44-0f6ad7a3f050", false, LONG_AGO))
        .row("oauth2_sessions", session(&signature, "b2a0c7f2-0d0e-4b6c-9e44-0f6ad7a3f051", true, "2026-02-02T03:04:05Z"))
        .row("scim_service_providers", json!({ "id": "s1", "created_at": LONG_AGO, "endpoint": "https://scim.example", "token": pid_upstream::keys::seal_string(KEY.as_bytes(), "scim-bearer").unwrap(), "last_synced_at": null, "oidc_client_id": "app" }))
        .actor("AppConfig", "singleton", json!({ "AppName": "Moved", "HomePageURL": "/settings/apps", "SmtpTls": "nonsense", "SmtpPassword": "mail-pass" }))
        .actor("SignupToken", "AbCdEfGhIjKlMnOp", json!({ "ID": "b2a0c7f2-0d0e-4b6c-9e44-0f6ad7a3f060", "UsageLimit": 3, "UsageCount": 1, "UserGroupIDs": [TEAM], "CreatedAt": LONG_AGO, "ExpiresAt": FAR_AWAY }))
        .actor("OneTimeAccessToken", "AbC123", json!({ "UserID": BOB, "DeviceToken": null, "ExpiresAt": FAR_AWAY }))
        .upload("oidc-client-images/app.png", PNG)
        .upload(&format!("profile-pictures/{BOB}.png"), PNG)
        .upload("profile-pictures/defaults/AT.png", PNG)
        .upload("application-images/logoLight.png", PNG)
        .upload("application-images/.deleted/background", b"");
    (upstream, passkey)
}
