//! The management API's error face (api.md §5).
//!
//! A handler returns [`ApiError`]; its response carries the error as an extension, and the outermost
//! middleware, which knows the request's id, writes the envelope. So the id in body and header can't
//! differ, and a page or an OAuth handler can't write an envelope by mistake.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use pid_flows::{Code, Error};
use pid_store::StoreError;
use serde::Serialize;

/// A refusal on its way to the envelope.
#[derive(Clone, Debug)]
pub struct ApiError(pub Error);

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<Code> for ApiError {
    fn from(code: Code) -> Self {
        Self(Error::new(code))
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        if let Some(secs) = self.0.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    details: serde_json::Map<String, serde_json::Value>,
    request_id: &'a str,
}

/// The envelope's bytes.
pub fn envelope(error: &Error, request_id: &str) -> Vec<u8> {
    let mut details = serde_json::Map::new();
    for (name, value) in &error.details {
        details.insert((*name).to_owned(), value.clone().into());
    }
    if !error.fields.is_empty() {
        details.insert("fields".to_owned(), serde_json::to_value(&error.fields).unwrap_or_default());
    }
    let body = Envelope { error: &error.message, code: error.code.as_str(), details, request_id };
    serde_json::to_vec(&body).unwrap_or_default()
}
