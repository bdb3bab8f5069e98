//! Cross-site requests (security case 63): tower-http's layer, with our envelope as the refusal. It stands
//! before the management API and interaction completion, never before `/authorize` or the protocol routes,
//! which are called cross-site by design.

use axum::response::{IntoResponse as _, Response};
use pid_flows::Code;
use pid_flows::env::AppUrl;
use tower_http::csrf::{CsrfLayer, ProtectionError};

use crate::error::ApiError;

/// The refusal as the API's envelope.
pub type Refusal = fn(ProtectionError) -> Response;

fn refuse(_: ProtectionError) -> Response {
    ApiError::from(Code::CrossSiteRequest).into_response()
}

/// The layer: requests of our own pages and of scripts pass, those of other sites don't.
pub fn layer(app_url: &AppUrl) -> CsrfLayer<Refusal> {
    let layer = CsrfLayer::new();
    let layer = match layer.clone().add_trusted_origin(&app_url.origin) {
        Ok(trusting) => trusting,
        // The origin was parsed at start-up; without it same-origin requests still pass.
        Err(_) => layer,
    };
    layer.with_rejection_response(refuse as Refusal)
}
