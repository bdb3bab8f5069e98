//! The management API's error face (api.md §5).
//!
//! A handler returns [`ApiError`]; its response carries the error as an extension, and the outermost
//! middleware, which knows the request's id, writes the envelope. So the id in body and header can't
//! differ, and a page or an OAuth handler can't write an envelope by mistake.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use pid_core::FieldError;
use pid_flows::{Code, Error};
use pid_store::StoreError;
use schemars::JsonSchema;
use serde::Serialize;

use crate::i18n::Words;

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

/// The envelope (api.md §5.1).
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Error")]
pub struct ErrorDto<'a> {
    /// For people.
    error: &'a str,
    /// For programs.
    code: &'a str,
    /// Texts by name, and refused fields as `fields`.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    #[schemars(with = "Option<DetailsDto>")]
    details: serde_json::Map<String, serde_json::Value>,
    /// As the header `X-Request-ID`.
    request_id: &'a str,
}

/// What else an error says; this type is for the document alone.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ErrorDetails")]
struct DetailsDto {
    /// Refused fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<FieldError>,
    #[serde(flatten)]
    others: std::collections::BTreeMap<String, String>,
}

/// The envelope's bytes, with the sentence in these words.
pub fn envelope(error: &Error, words: &Words, request_id: &str) -> Vec<u8> {
    let mut details = serde_json::Map::new();
    for (name, value) in &error.details {
        details.insert((*name).to_owned(), value.clone().into());
    }
    if !error.fields.is_empty() {
        details.insert("fields".to_owned(), serde_json::to_value(words.fields(error)).unwrap_or_default());
    }
    let sentence = words.refusal(error);
    let body = ErrorDto { error: &sentence, code: error.code.as_str(), details, request_id };
    serde_json::to_vec(&body).unwrap_or_default()
}
