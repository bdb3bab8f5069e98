//! The table of contents: every route once.

use axum::extract::{DefaultBodyLimit, FromRequestParts as _, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post, put};
use axum::{Json, Router};
use http::request::Parts;
use http::{Method, StatusCode, header};
use pid_flows::env::AppUrl;
use serde_json::json;

use crate::middleware::{client_ip, csrf, headers, limit};
use crate::pages::PageRequest;
use crate::state::App;
use crate::{api, assets, health, oidc, pages, seen};

/// All routes with their layers.
pub fn router(app: App) -> Router {
    let management = management()
        .route_layer(from_fn_with_state(app.clone(), seen::layer))
        .route_layer(csrf::layer(&app.env().app_url));
    Router::new()
        .merge(management)
        .merge(protocol(&app))
        .route_layer(from_fn_with_state(app.clone(), limit::layer))
        .merge(pages(&app.env().app_url))
        .route("/healthz", get(health::health))
        .route("/readyz", get(health::ready))
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .layer(from_fn(trailing_slash))
        .layer(from_fn_with_state(app.clone(), client_ip::layer))
        .layer(from_fn_with_state(app.clone(), headers::layer))
        .with_state(app)
}

/// The management API (api.md §12): cookie-authenticated, so protected against cross-site requests.
fn management() -> Router<App> {
    use api::{
        application_configuration as configuration, application_images as images, backchannel_logout, custom_claims,
        oidc_clients, profile_pictures, sessions, user_groups, users,
    };
    let images = Router::new()
        .route("/api/application-images/logo", get(images::get).put(images::set).delete(images::delete))
        .route("/api/application-images/email", get(images::get).put(images::set).delete(images::delete))
        .route("/api/application-images/favicon", get(images::get).put(images::set).delete(images::delete))
        .route("/api/application-images/background", get(images::get).put(images::set).delete(images::delete))
        .route(
            "/api/application-images/default-profile-picture",
            get(images::get).put(images::set).delete(images::delete),
        )
        .layer(DefaultBodyLimit::max(pid_integrations::images::MAX_PHOTO_UPLOAD));
    Router::new()
        .merge(images)
        .route("/api/users", get(users::list).post(users::create))
        .route("/api/users/me", get(users::me).put(users::replace_me).patch(users::patch_me))
        .route("/api/users/{id}", get(users::get).put(users::replace).patch(users::patch).delete(users::delete))
        .route("/api/users/{id}/groups", get(users::groups))
        .route("/api/users/{id}/user-groups", put(users::set_groups))
        .route("/api/users/{id}/profile-picture.png", get(profile_pictures::get))
        .route(
            "/api/users/{id}/profile-picture",
            put(profile_pictures::set)
                .delete(profile_pictures::delete)
                .layer(DefaultBodyLimit::max(pid_integrations::images::MAX_PHOTO_UPLOAD)),
        )
        .route(
            "/api/users/me/profile-picture",
            put(profile_pictures::set_own)
                .delete(profile_pictures::delete_own)
                .layer(DefaultBodyLimit::max(pid_integrations::images::MAX_PHOTO_UPLOAD)),
        )
        .route("/api/user-groups", get(user_groups::list).post(user_groups::create))
        .route(
            "/api/user-groups/{id}",
            get(user_groups::get).put(user_groups::replace).patch(user_groups::patch).delete(user_groups::delete),
        )
        .route("/api/user-groups/{id}/users", put(user_groups::set_members))
        .route("/api/user-groups/{id}/allowed-oidc-clients", put(user_groups::set_clients))
        .route("/api/custom-claims/suggestions", get(custom_claims::suggestions))
        .route("/api/custom-claims/user/{id}", put(custom_claims::set_of_user))
        .route("/api/custom-claims/user-group/{id}", put(custom_claims::set_of_group))
        .route("/api/oidc/clients", get(oidc_clients::list).post(oidc_clients::create))
        .route(
            "/api/oidc/clients/{id}",
            get(oidc_clients::get).put(oidc_clients::replace).patch(oidc_clients::patch).delete(oidc_clients::delete),
        )
        .route("/api/oidc/clients/{id}/refresh", post(oidc_clients::refresh))
        .route("/api/oidc/clients/{id}/meta", get(oidc_clients::meta))
        .route("/api/oidc/clients/{id}/allowed-user-groups", put(oidc_clients::set_groups))
        .route("/api/oidc/clients/{id}/secrets", get(oidc_clients::secrets).post(oidc_clients::add_secret))
        .route("/api/oidc/clients/{id}/secrets/{secret}", delete(oidc_clients::delete_secret))
        .route("/api/oidc/clients/{id}/secret", post(oidc_clients::replace_secret))
        .route(
            "/api/oidc/clients/{id}/logo",
            get(oidc_clients::logo)
                .post(oidc_clients::set_logo)
                .delete(oidc_clients::delete_logo)
                .layer(DefaultBodyLimit::max(pid_integrations::images::MAX_UPLOAD)),
        )
        .route(
            "/api/application-configuration",
            get(configuration::public).put(configuration::replace).patch(configuration::patch),
        )
        .route("/api/application-configuration/all", get(configuration::get))
        .route("/api/api-keys", get(api::api_keys::list).post(api::api_keys::create))
        .route("/api/api-keys/{id}", delete(api::api_keys::delete))
        .route("/api/api-keys/{id}/renew", post(api::api_keys::renew))
        .route("/api/oidc/clients/{id}/preview/{user}", get(api::authorized_clients::preview_claims))
        .route("/api/oidc/users/me/clients", get(api::authorized_clients::usable))
        .route("/api/oidc/users/me/authorized-clients", get(api::authorized_clients::own))
        .route("/api/oidc/users/me/authorized-clients/{client}", delete(api::authorized_clients::withdraw))
        .route("/api/oidc/users/{id}/authorized-clients", get(api::authorized_clients::of))
        .route("/api/apis", get(api::apis::list).post(api::apis::create))
        .route(
            "/api/apis/{id}",
            get(api::apis::get).put(api::apis::replace).patch(api::apis::patch).delete(api::apis::delete),
        )
        .route("/api/apis/{id}/permissions", put(api::apis::set_permissions))
        .route("/api/apis/{id}/cimd-access", put(api::apis::set_cimd_access))
        .route("/api/apis/{id}/clients", get(api::apis::clients))
        .route("/api/apis/{id}/assignable-clients", get(api::apis::assignable_clients))
        .route("/api/apis/{id}/clients/{client}", put(api::apis::set_access).delete(api::apis::remove_access))
        .route("/api/api-access/{client}/apis", get(api::apis::of_client))
        .route("/api/api-access/{client}/assignable-apis", get(api::apis::assignable))
        .route("/api/audit-logs", get(api::audit_logs::list_own))
        .route("/api/audit-logs/all", get(api::audit_logs::list_all))
        .route("/api/audit-logs/export", get(api::audit_logs::export))
        .route("/api/audit-logs/filters/client-names", get(api::audit_logs::client_names))
        .route("/api/audit-logs/filters/users", get(api::audit_logs::users))
        .route("/api/signing-keys", get(api::signing_keys::list))
        .route("/api/signing-keys/rotate", post(api::signing_keys::rotate))
        .route("/api/signing-keys/{kid}", delete(api::signing_keys::revoke))
        .route("/api/version/current", get(api::version::current))
        .route("/api/version/latest", get(api::version::latest))
        .route("/api/signup/setup", get(api::signup::setup_state).post(api::signup::setup))
        .route("/api/users/me/one-time-access-token", post(api::one_time_access::create_own))
        .route("/api/users/{id}/one-time-access-token", post(api::one_time_access::create))
        .route("/api/one-time-access-token/{token}", post(api::one_time_access::exchange))
        .route("/api/webauthn/register/start", get(api::webauthn::register_start))
        .route("/api/webauthn/register/finish", post(api::webauthn::register_finish))
        .route("/api/webauthn/login/start", get(api::webauthn::login_start))
        .route("/api/webauthn/login/finish", post(api::webauthn::login_finish))
        .route("/api/webauthn/reauthenticate", post(api::webauthn::reauthenticate))
        .route("/api/webauthn/logout", post(api::webauthn::logout))
        .route("/api/webauthn/credentials", get(api::webauthn::list_own))
        .route("/api/webauthn/credentials/{id}", patch(api::webauthn::rename).delete(api::webauthn::delete_own))
        .route("/api/users/{id}/webauthn-credentials", get(api::webauthn::list_of))
        .route("/api/users/{id}/webauthn-credentials/{credential}", delete(api::webauthn::delete_of))
        .route("/api/sessions", get(sessions::list_own).delete(sessions::remove_others))
        .route("/api/sessions/{id}", delete(sessions::remove_own))
        .route("/api/users/{id}/sessions", get(sessions::list_of).delete(sessions::remove_all_of))
        .route("/api/users/{id}/sessions/{session}", delete(sessions::remove_of))
        .route("/api/oidc/clients/{id}/backchannel-logout/test", post(backchannel_logout::test))
        .route("/api/oidc/clients/{id}/backchannel-logout/deliveries", get(backchannel_logout::deliveries))
        .route("/api/oidc/device/info", get(oidc::device::info))
        .route("/api/oidc/device/verify", post(oidc::device::verify))
        .route("/api/oidc/device/deny", post(oidc::device::deny))
        .route("/api/oidc/interactions/{id}", get(oidc::interactions::get))
        .route("/api/oidc/interactions/{id}/complete", post(oidc::interactions::complete))
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

/// The answer to a preflight; the CORS layer adds the rest.
async fn no_content() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Pages (ui.md §1.2) and their assets.
fn pages(app_url: &AppUrl) -> Router<App> {
    use pages::{login, logout, setup};
    Router::new()
        .route("/", get(pages::home::root))
        .route("/login", get(login::login))
        .route("/login/alternative", get(login::alternative))
        .route("/login/alternative/code", get(login::code))
        .route("/login/setup", get(setup::alias))
        .route("/lc", get(login::code_alias))
        .route("/lc/{code}", get(login::code_link))
        .route("/setup", get(setup::alias))
        .route("/signup/setup", get(setup::first_run))
        .route("/signup/add-passkey", get(setup::add_passkey))
        .route("/interaction", get(pages::interaction::interact))
        .route("/interaction/error", get(pages::interaction::error))
        .route("/device", get(pages::device::device))
        .route("/logout", post(logout::end).layer(csrf::layer(app_url)).get(logout::logout))
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
        .route("/favicon.ico", get(api::application_images::get))
        .route("/form-post.js", get(oidc::form_post::script))
        .merge(assets::routes())
}

/// Unknown paths and wrong methods: the contract's 404, as a page outside the API.
async fn unknown(State(app): State<App>, mut parts: Parts) -> Response {
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
    if path.len() > 1 && path.ends_with('/') && !path.starts_with("//") {
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
