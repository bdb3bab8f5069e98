//! Compresses pages on their way out.
//!
//! Only those that nobody else had a say in: compressed together with something secret, what an attacker puts into an address
//! betrays the secret by the length of the answer (BREACH). So an address with a query, and those that carry codes, are sent
//! as they are.

use std::io::Write as _;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderValue, Method, StatusCode, header};

use super::headers::is_sensitive;
use crate::assets::accepts;

/// What is shorter fits into a packet or two anyway.
const WORTHWHILE: usize = 2048;
const GZIP: HeaderValue = HeaderValue::from_static("gzip");
const VARY: HeaderValue = HeaderValue::from_static("accept-encoding");

/// Compresses a page (RFC 9110 §8.4) for who takes gzip.
pub async fn layer(request: Request, next: Next) -> Response {
    let uri = request.uri();
    let is_plain = uri.query().is_none() && !is_sensitive(uri.path());
    let wanted = request.method() == Method::GET && is_plain && accepts(request.headers(), "gzip");
    let response = next.run(request).await;
    let is_html =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if !wanted || !is_html || response.headers().contains_key(header::CONTENT_ENCODING) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(page) = to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    parts.headers.append(header::VARY, VARY);
    match (page.len() >= WORTHWHILE).then(|| gzip(&page)) {
        Some(Ok(small)) => {
            parts.headers.insert(header::CONTENT_ENCODING, GZIP);
            parts.headers.remove(header::CONTENT_LENGTH);
            Response::from_parts(parts, Body::from(small))
        }
        _ => Response::from_parts(parts, Body::from(page)),
    }
}

fn gzip(page: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(page.len() / 4), Compression::new(5));
    encoder.write_all(page)?;
    encoder.finish()
}
