//! The table of contents: every route once.

use axum::extract::{DefaultBodyLimit, FromRequestParts as _, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use http::request::Parts;
use http::{Method, StatusCode, header};
use pid_flows::env::AppUrl;
use serde_json::json;

use crate::middleware::{client_ip, compress, csrf, headers, limit};
use crate::openapi::{self, Routes};
use crate::pages::PageRequest;
use crate::state::App;
use crate::{api, assets, health, metrics, oidc, pages, seen, well_known};

/// All routes with their layers.
pub fn router(app: App) -> Router {
    let management = management()
        .into_router()
        .route_layer(from_fn_with_state(app.clone(), seen::layer))
        .route_layer(csrf::layer(&app.env().app_url));
    Router::new()
        .merge(management)
        .merge(protocol(&app))
        .route_layer(from_fn_with_state(app.clone(), limit::layer))
        .merge(forward_auth())
        .merge(pages(&app.env().app_url).layer(from_fn(compress::layer)))
        .route("/healthz", get(health::health))
        .route("/health", get(health::health))
        .route("/readyz", get(health::ready))
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .layer(from_fn(trailing_slash))
        .layer(from_fn_with_state(app.clone(), metrics::layer))
        .layer(from_fn_with_state(app.clone(), client_ip::layer))
        .layer(from_fn_with_state(app.clone(), headers::layer))
        .with_state(app)
}

/// The management API (api.md §12): each route with the function that describes it.
pub fn management() -> Routes {
    use api::{
        api_keys, apis, app_passwords, application_configuration, audit_logs, authorized_clients, backchannel_logout,
        custom_claims, device_login, diagnoses, disown, docs, email_verification, ldap, notices, oidc_clients,
        one_time_access, profile_pictures, scim, sessions, sign_in_test, signing_keys, signup, signup_tokens,
        user_groups, users, version, webauthn,
    };
    use api::{application_images as images, docs::application_images as shown};
    use pid_integrations::images::{MAX_PHOTO_UPLOAD, MAX_UPLOAD};

    let photos = Routes::default()
        .get("/api/application-images/logo", images::get, shown::logo::get)
        .put("/api/application-images/logo", images::set, shown::logo::set)
        .delete("/api/application-images/logo", images::delete, shown::logo::delete)
        .get("/api/application-images/email", images::get, shown::email::get)
        .put("/api/application-images/email", images::set, shown::email::set)
        .delete("/api/application-images/email", images::delete, shown::email::delete)
        .get("/api/application-images/favicon", images::get, shown::favicon::get)
        .put("/api/application-images/favicon", images::set, shown::favicon::set)
        .delete("/api/application-images/favicon", images::delete, shown::favicon::delete)
        .get("/api/application-images/background", images::get, shown::background::get)
        .put("/api/application-images/background", images::set, shown::background::set)
        .delete("/api/application-images/background", images::delete, shown::background::delete)
        .get("/api/application-images/default-profile-picture", images::get, shown::default_profile_picture::get)
        .put("/api/application-images/default-profile-picture", images::set, shown::default_profile_picture::set)
        .delete(
            "/api/application-images/default-profile-picture",
            images::delete,
            shown::default_profile_picture::delete,
        )
        .put("/api/users/{id}/profile-picture", profile_pictures::set, docs::profile_pictures::set)
        .delete("/api/users/{id}/profile-picture", profile_pictures::delete, docs::profile_pictures::delete)
        .put("/api/users/me/profile-picture", profile_pictures::set_own, docs::profile_pictures::set_own)
        .delete("/api/users/me/profile-picture", profile_pictures::delete_own, docs::profile_pictures::delete_own)
        .layer(DefaultBodyLimit::max(MAX_PHOTO_UPLOAD));
    let logos = Routes::default()
        .get("/api/oidc/clients/{id}/logo", oidc_clients::logo, docs::oidc_clients::logo)
        .post("/api/oidc/clients/{id}/logo", oidc_clients::set_logo, docs::oidc_clients::set_logo)
        .delete("/api/oidc/clients/{id}/logo", oidc_clients::delete_logo, docs::oidc_clients::delete_logo)
        .layer(DefaultBodyLimit::max(MAX_UPLOAD));
    Routes::default()
        .merge(photos)
        .merge(logos)
        .get("/api/users", users::list, docs::users::list)
        .post("/api/users", users::create, docs::users::create)
        .get("/api/users/me", users::me, docs::users::me)
        .put("/api/users/me", users::replace_me, docs::users::replace_me)
        .patch("/api/users/me", users::patch_me, docs::users::patch_me)
        .get("/api/users/{id}", users::get, docs::users::get)
        .put("/api/users/{id}", users::replace, docs::users::replace)
        .patch("/api/users/{id}", users::patch, docs::users::patch)
        .delete("/api/users/{id}", users::delete, docs::users::delete)
        .get("/api/users/{id}/groups", users::groups, docs::users::groups)
        .put("/api/users/{id}/user-groups", users::set_groups, docs::users::set_groups)
        .get("/api/users/{id}/profile-picture.png", profile_pictures::get, docs::profile_pictures::get)
        .get("/api/user-groups", user_groups::list, docs::user_groups::list)
        .post("/api/user-groups", user_groups::create, docs::user_groups::create)
        .get("/api/user-groups/{id}", user_groups::get, docs::user_groups::get)
        .put("/api/user-groups/{id}", user_groups::replace, docs::user_groups::replace)
        .patch("/api/user-groups/{id}", user_groups::patch, docs::user_groups::patch)
        .delete("/api/user-groups/{id}", user_groups::delete, docs::user_groups::delete)
        .put("/api/user-groups/{id}/users", user_groups::set_members, docs::user_groups::set_members)
        .put("/api/user-groups/{id}/allowed-oidc-clients", user_groups::set_clients, docs::user_groups::set_clients)
        .get("/api/custom-claims/suggestions", custom_claims::suggestions, docs::custom_claims::suggestions)
        .put("/api/custom-claims/user/{id}", custom_claims::set_of_user, docs::custom_claims::set_of_user)
        .put("/api/custom-claims/user-group/{id}", custom_claims::set_of_group, docs::custom_claims::set_of_group)
        .get("/api/oidc/clients", oidc_clients::list, docs::oidc_clients::list)
        .post("/api/oidc/clients", oidc_clients::create, docs::oidc_clients::create)
        .get("/api/oidc/clients/{id}", oidc_clients::get, docs::oidc_clients::get)
        .put("/api/oidc/clients/{id}", oidc_clients::replace, docs::oidc_clients::replace)
        .patch("/api/oidc/clients/{id}", oidc_clients::patch, docs::oidc_clients::patch)
        .delete("/api/oidc/clients/{id}", oidc_clients::delete, docs::oidc_clients::delete)
        .post("/api/oidc/clients/{id}/refresh", oidc_clients::refresh, docs::oidc_clients::refresh)
        .get("/api/oidc/clients/{id}/meta", oidc_clients::meta, docs::oidc_clients::meta)
        .put("/api/oidc/clients/{id}/allowed-user-groups", oidc_clients::set_groups, docs::oidc_clients::set_groups)
        .get("/api/oidc/clients/{id}/secrets", oidc_clients::secrets, docs::oidc_clients::secrets)
        .post("/api/oidc/clients/{id}/secrets", oidc_clients::add_secret, docs::oidc_clients::add_secret)
        .delete(
            "/api/oidc/clients/{id}/secrets/{secret}",
            oidc_clients::delete_secret,
            docs::oidc_clients::delete_secret,
        )
        .post("/api/oidc/clients/{id}/secret", oidc_clients::replace_secret, docs::oidc_clients::replace_secret)
        .get(
            "/api/application-configuration",
            application_configuration::public,
            docs::application_configuration::public,
        )
        .put(
            "/api/application-configuration",
            application_configuration::replace,
            docs::application_configuration::replace,
        )
        .patch(
            "/api/application-configuration",
            application_configuration::patch,
            docs::application_configuration::patch,
        )
        .get("/api/application-configuration/all", application_configuration::get, docs::application_configuration::get)
        .get("/api/api-keys", api_keys::list, docs::api_keys::list)
        .post("/api/api-keys", api_keys::create, docs::api_keys::create)
        .get("/api/api-keys/{id}", api_keys::get, docs::api_keys::get)
        .patch("/api/api-keys/{id}", api_keys::patch, docs::api_keys::patch)
        .delete("/api/api-keys/{id}", api_keys::delete, docs::api_keys::delete)
        .post("/api/api-keys/{id}/renew", api_keys::renew, docs::api_keys::renew)
        .get(
            "/api/oidc/clients/{id}/preview/{user}",
            authorized_clients::preview_claims,
            docs::authorized_clients::preview_claims,
        )
        .get("/api/oidc/clients/{id}/test-sign-in/{user}", sign_in_test::test, docs::sign_in_test::test)
        .get("/api/oidc/users/me/clients", authorized_clients::usable, docs::authorized_clients::usable)
        .get("/api/oidc/users/me/authorized-clients", authorized_clients::own, docs::authorized_clients::own)
        .delete(
            "/api/oidc/users/me/authorized-clients/{client}",
            authorized_clients::withdraw,
            docs::authorized_clients::withdraw,
        )
        .get("/api/oidc/users/{id}/authorized-clients", authorized_clients::of, docs::authorized_clients::of)
        .get("/api/app-passwords", app_passwords::list, docs::app_passwords::list)
        .post("/api/app-passwords", app_passwords::create, docs::app_passwords::create)
        .delete("/api/app-passwords/{id}", app_passwords::delete, docs::app_passwords::delete)
        .get("/api/apis", apis::list, docs::apis::list)
        .post("/api/apis", apis::create, docs::apis::create)
        .get("/api/apis/{id}", apis::get, docs::apis::get)
        .put("/api/apis/{id}", apis::replace, docs::apis::replace)
        .patch("/api/apis/{id}", apis::patch, docs::apis::patch)
        .delete("/api/apis/{id}", apis::delete, docs::apis::delete)
        .put("/api/apis/{id}/permissions", apis::set_permissions, docs::apis::set_permissions)
        .get("/api/apis/{id}/cimd-access", apis::cimd_access, docs::apis::cimd_access)
        .put("/api/apis/{id}/cimd-access", apis::set_cimd_access, docs::apis::set_cimd_access)
        .get("/api/apis/{id}/clients", apis::clients, docs::apis::clients)
        .get("/api/apis/{id}/assignable-clients", apis::assignable_clients, docs::apis::assignable_clients)
        .get("/api/apis/{id}/clients/{client}", apis::access, docs::apis::access)
        .put("/api/apis/{id}/clients/{client}", apis::set_access, docs::apis::set_access)
        .delete("/api/apis/{id}/clients/{client}", apis::remove_access, docs::apis::remove_access)
        .get("/api/api-access/{client}/apis", apis::of_client, docs::apis::of_client)
        .get("/api/api-access/{client}/assignable-apis", apis::assignable, docs::apis::assignable)
        .get("/api/audit-logs", audit_logs::list_own, docs::audit_logs::list_own)
        .get("/api/audit-logs/all", audit_logs::list_all, docs::audit_logs::list_all)
        .get("/api/audit-logs/export", audit_logs::export, docs::audit_logs::export)
        .get("/api/audit-logs/stream", audit_logs::stream_status, docs::audit_logs::stream_status)
        .get("/api/audit-logs/filters/client-names", audit_logs::client_names, docs::audit_logs::client_names)
        .get("/api/audit-logs/filters/users", audit_logs::users, docs::audit_logs::users)
        .get("/api/signing-keys", signing_keys::list, docs::signing_keys::list)
        .post("/api/signing-keys/rotate", signing_keys::rotate, docs::signing_keys::rotate)
        .delete("/api/signing-keys/{kid}", signing_keys::revoke, docs::signing_keys::revoke)
        .get("/api/version/current", version::current, docs::server::current)
        .get("/api/version/latest", version::latest, docs::server::latest)
        .get("/api/signup/setup", signup::setup_state, docs::signup::setup_state)
        .post("/api/signup/setup", signup::setup, docs::signup::setup)
        .post("/api/signup", signup::sign_up, docs::signup::sign_up)
        .get("/api/signup-tokens", signup_tokens::list, docs::signup_tokens::list)
        .post("/api/signup-tokens", signup_tokens::create, docs::signup_tokens::create)
        .delete("/api/signup-tokens/{id}", signup_tokens::delete, docs::signup_tokens::delete)
        .post("/api/device-login/requests", device_login::create, docs::device_login::create)
        .post("/api/device-login/requests/{id}/exchange", device_login::exchange, docs::device_login::exchange)
        .post("/api/device-login/verification", device_login::verification, docs::device_login::verification)
        .post("/api/device-login/verification/decision", device_login::decision, docs::device_login::decision)
        .post("/api/users/me/one-time-access-token", one_time_access::create_own, docs::one_time_access::create_own)
        .post("/api/users/{id}/one-time-access-token", one_time_access::create, docs::one_time_access::create)
        .post("/api/one-time-access-token/{token}", one_time_access::exchange, docs::one_time_access::exchange)
        .get("/api/webauthn/register/start", webauthn::register_start, docs::webauthn::register_start)
        .post("/api/webauthn/register/finish", webauthn::register_finish, docs::webauthn::register_finish)
        .get("/api/webauthn/login/start", webauthn::login_start, docs::webauthn::login_start)
        .post("/api/webauthn/login/finish", webauthn::login_finish, docs::webauthn::login_finish)
        .post("/api/webauthn/reauthenticate", webauthn::reauthenticate, docs::webauthn::reauthenticate)
        .post("/api/webauthn/logout", webauthn::logout, docs::webauthn::logout)
        .get("/api/webauthn/credentials", webauthn::list_own, docs::webauthn::list_own)
        .get("/api/webauthn/credentials/{id}", webauthn::get_own, docs::webauthn::get_own)
        .patch("/api/webauthn/credentials/{id}", webauthn::rename, docs::webauthn::rename)
        .delete("/api/webauthn/credentials/{id}", webauthn::delete_own, docs::webauthn::delete_own)
        .get("/api/users/{id}/webauthn-credentials", webauthn::list_of, docs::webauthn::list_of)
        .delete("/api/users/{id}/webauthn-credentials/{credential}", webauthn::delete_of, docs::webauthn::delete_of)
        .get("/api/sessions", sessions::list_own, docs::sessions::list_own)
        .delete("/api/sessions", sessions::remove_others, docs::sessions::remove_others)
        .delete("/api/sessions/{id}", sessions::remove_own, docs::sessions::remove_own)
        .get("/api/users/{id}/sessions", sessions::list_of, docs::sessions::list_of)
        .delete("/api/users/{id}/sessions", sessions::remove_all_of, docs::sessions::remove_all_of)
        .delete("/api/users/{id}/sessions/{session}", sessions::remove_of, docs::sessions::remove_of)
        .post(
            "/api/oidc/clients/{id}/backchannel-logout/test",
            backchannel_logout::test,
            docs::backchannel_logout::test,
        )
        .get(
            "/api/oidc/clients/{id}/backchannel-logout/deliveries",
            backchannel_logout::deliveries,
            docs::backchannel_logout::deliveries,
        )
        .get("/api/oidc/device/info", oidc::device::info, docs::device::info)
        .post("/api/oidc/device/verify", oidc::device::verify, docs::device::verify)
        .post("/api/oidc/device/deny", oidc::device::deny, docs::device::deny)
        .get("/api/oidc/interactions/{id}", oidc::interactions::get, docs::interactions::get)
        .post("/api/oidc/interactions/{id}/complete", oidc::interactions::complete, docs::interactions::complete)
        .post("/api/users/{id}/one-time-access-email", one_time_access::mail, docs::one_time_access::mail)
        .post("/api/one-time-access-email", one_time_access::mail_on_request, docs::one_time_access::mail_on_request)
        .post("/api/users/me/send-email-verification", email_verification::request, docs::email_verification::request)
        .post("/api/users/me/verify-email", email_verification::verify, docs::email_verification::verify)
        .get("/api/users/me/notices", notices::get, docs::notices::get)
        .patch("/api/users/me/notices", notices::patch, docs::notices::patch)
        .post("/api/users/me/notices/seen", notices::seen, docs::notices::seen)
        .post("/api/sessions/disown", disown::disown, docs::disown::disown)
        .post(
            "/api/signup/verify-email",
            email_verification::verify_newcomer,
            docs::email_verification::verify_newcomer,
        )
        .post("/api/signup/disown", email_verification::disown, docs::email_verification::disown)
        .post(
            "/api/application-configuration/passkey-policy/dry-run",
            application_configuration::dry_run,
            docs::application_configuration::dry_run,
        )
        .post(
            "/api/application-configuration/test-email",
            application_configuration::test_email,
            docs::application_configuration::test_email,
        )
        .post("/api/application-configuration/sync-ldap", ldap::sync, docs::ldap::sync)
        .post("/api/application-configuration/ldap/test", ldap::test, docs::ldap::test)
        .post("/api/application-configuration/ldap/dry-run", ldap::dry_run, docs::ldap::dry_run)
        .get("/api/application-configuration/ldap/runs", ldap::list, docs::ldap::list)
        .get("/api/application-configuration/ldap/runs/{id}", ldap::get, docs::ldap::get)
        .get("/api/application-configuration/ldap/runs/{id}/entries", ldap::entries, docs::ldap::entries)
        .post("/api/application-configuration/ldap/runs/{id}/confirm", ldap::confirm, docs::ldap::confirm)
        .get("/api/oidc/clients/{id}/scim-service-provider", scim::of_client, docs::scim::of_client)
        .post("/api/scim/service-provider", scim::create, docs::scim::create)
        .put("/api/scim/service-provider/{id}", scim::replace, docs::scim::replace)
        .patch("/api/scim/service-provider/{id}", scim::patch, docs::scim::patch)
        .delete("/api/scim/service-provider/{id}", scim::delete, docs::scim::delete)
        .post("/api/scim/service-provider/{id}/sync", scim::sync, docs::scim::sync)
        .get("/api/oidc/clients/{id}/diagnoses", diagnoses::of_client, docs::diagnoses::of_client)
        .delete("/api/oidc/clients/{id}/diagnoses", diagnoses::clear, docs::diagnoses::clear)
        .get("/api/oidc/diagnoses", diagnoses::all, docs::diagnoses::all)
        .get("/api/doctor", api::doctor::examine, docs::server::examine)
        .get("/api/openapi.json", openapi::serve, docs::server::document)
}

/// OAuth 2.0 and OpenID Connect (oidc.md §1).
fn protocol(app: &App) -> Router<App> {
    let of_clients = Router::new()
        .route("/api/oidc/token", post(oidc::token::token).options(no_content))
        .route("/api/oidc/par", post(oidc::par::par).options(no_content))
        .route("/api/oidc/device/authorize", post(oidc::device::authorize).options(no_content))
        .route("/api/oidc/revoke", post(oidc::revoke::revoke).options(no_content))
        .route("/api/oidc/introspect", post(oidc::introspect::introspect).options(no_content))
        .route("/api/oidc/userinfo", get(oidc::userinfo::userinfo).post(oidc::userinfo::userinfo).options(no_content))
        .route_layer(from_fn_with_state(app.clone(), oidc::dpop_nonce));
    let cross_origin = Router::new()
        .route("/.well-known/openid-configuration", get(oidc::metadata::discovery).options(no_content))
        .route("/.well-known/oauth-authorization-server", get(oidc::metadata::discovery).options(no_content))
        .route("/.well-known/jwks.json", get(oidc::metadata::jwks).options(no_content))
        .route("/.well-known/webauthn", get(well_known::related_origins).options(no_content))
        .route("/.well-known/passkey-endpoints", get(well_known::passkey_endpoints).options(no_content))
        .route(
            "/api/oidc/end-session",
            // HEAD must change nothing (RFC 9110 §9.2.1), so where GET does there is none.
            get(oidc::end_session::end_session).post(oidc::end_session::end_session).head(unknown).options(no_content),
        )
        .merge(of_clients)
        .route_layer(from_fn(oidc::cors));
    Router::new()
        .route("/authorize", get(oidc::authorize::authorize).post(oidc::authorize::authorize).head(unknown))
        .route("/interaction/cancel", get(oidc::authorize::cancel).head(unknown))
        .merge(cross_origin)
}

/// Verdicts for reverse proxies. Not limited: whoever has a session at an app loads a hundred pictures at once.
fn forward_auth() -> Router<App> {
    use api::forward_auth::{ask, ask_envoy, ask_nginx};
    Router::new()
        .route("/api/forward-auth", any(ask))
        .route("/api/forward-auth/nginx", any(ask_nginx))
        .route("/api/forward-auth/envoy/", any(ask_envoy))
        .route("/api/forward-auth/envoy/{*path}", any(ask_envoy))
}

/// The answer to a preflight; the CORS layer adds the rest.
async fn no_content() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Pages (ui.md §1.2) and their assets.
fn pages(app_url: &AppUrl) -> Router<App> {
    use pages::{login, logout, setup, signup};
    Router::new()
        .route("/", get(pages::home::root))
        .route("/login", get(login::login))
        .route("/login/alternative", get(login::alternative))
        .route("/login/alternative/code", get(login::code))
        .route("/login/alternative/device", get(login::device))
        .route("/login/alternative/email", get(login::email))
        .route("/verify-email", get(login::verify_email))
        .route("/passkey-check", get(pages::passkey_check::check))
        .route("/not-me", get(pages::disown::disown))
        .route("/login/email", get(login::email_alias))
        .route("/login/{token}", get(login::older_link))
        .route("/login/setup", get(setup::alias))
        .route("/lc", get(login::code_alias))
        .route("/lc/{code}", get(login::code_link))
        .route("/setup", get(setup::alias))
        .route("/signup", get(signup::sign_up))
        .route("/st/{token}", get(signup::token_link))
        .route("/signup/waiting", get(signup::waiting))
        .route("/signup/verified", get(signup::verified))
        .route("/signup/setup", get(setup::first_run))
        .route("/signup/add-passkey", get(setup::add_passkey))
        .route("/interaction", get(pages::interaction::interact))
        .route("/interaction/error", get(pages::interaction::error))
        .route("/device", get(pages::device::device))
        .route("/logout", post(logout::end).layer(csrf::layer(app_url)).get(logout::logout))
        .route("/docs/api", get(pages::api_docs::overview))
        .route("/docs/api/{resource}", get(pages::api_docs::resource))
        .route("/settings", get(pages::home::settings))
        .route("/settings/account", get(pages::account::account))
        .route("/settings/apps", get(pages::apps::apps))
        .route("/settings/audit-log", get(pages::audit_logs::own))
        .route("/settings/audit-log/global", get(pages::audit_logs::global))
        .route("/settings/admin/users", get(pages::admin::users::list))
        .route("/settings/admin/users/{id}", get(pages::admin::users::details))
        .route("/settings/admin/user-groups", get(pages::admin::user_groups::list))
        .route("/settings/admin/user-groups/{id}", get(pages::admin::user_groups::details))
        .route("/settings/admin/oidc-clients", get(pages::admin::oidc_clients::list))
        .route("/settings/admin/oidc-clients/{id}", get(pages::admin::oidc_clients::details))
        .route("/settings/admin/apis", get(pages::admin::apis::list))
        .route("/settings/admin/apis/{id}", get(pages::admin::apis::details))
        .route("/settings/admin/api-keys", get(pages::admin::api_keys::list))
        .route("/settings/admin/application-configuration", get(pages::admin::application_configuration::configuration))
        .route("/settings/admin/system", get(pages::admin::system::examine))
        .route("/app.webmanifest", get(pages::manifest::manifest))
        .route("/settings/admin/ldap-runs/{id}", get(pages::admin::ldap::details))
        .route("/favicon.ico", get(api::application_images::get))
        .route("/form-post.js", get(oidc::form_post::script))
        .merge(assets::routes())
}

/// Unknown paths and wrong methods: the contract's 404, as a page outside the API.
async fn unknown(State(app): State<App>, mut parts: Parts) -> Response {
    if parts.uri.path().starts_with("//.well-known/") {
        oidc::metadata::asked_below_slash(&app, parts.extensions.get::<client_ip::ClientIp>().copied());
    }
    let path = parts.uri.path();
    if path.starts_with("/api/") || path == "/api" || path.starts_with("/.well-known/") {
        return (StatusCode::NOT_FOUND, Json(json!({ "error": "API endpoint not found" }))).into_response();
    }
    match PageRequest::from_request_parts(&mut parts, &app).await {
        Ok(request) => request.unknown().into_response(),
        Err(fault) => fault,
    }
}

/// A known route plus `/` is redirected to the route: 301 for GET and HEAD, 307 otherwise (api.md §1).
async fn trailing_slash(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    // There the path is another server's.
    let is_told = path.starts_with("/api/forward-auth/envoy/");
    if path.len() > 1 && path.ends_with('/') && !path.starts_with("//") && !is_told {
        let bare = path.trim_end_matches('/');
        let target = match request.uri().query() {
            Some(query) => format!("{bare}?{query}"),
            None => bare.to_owned(),
        };
        if !bare.is_empty() && !bare.contains("//") && !bare.contains('\\') {
            let status = match *request.method() {
                Method::GET | Method::HEAD => StatusCode::MOVED_PERMANENTLY,
                _ => StatusCode::TEMPORARY_REDIRECT,
            };
            return (status, [(header::LOCATION, target)]).into_response();
        }
    }
    next.run(request).await
}
