//! gRPC as far as OTLP needs it: unary calls over the outbound client's HTTP/2, so that its guard holds for them, too. A call is a
//! POST whose body is the message with five bytes before it; how it went is said after the answer's body (gRPC over HTTP2).

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use opentelemetry_http::{Bytes, HttpError};
use pid_integrations::fetch::{Fetcher, Request};

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// Flag and length.
const HEAD: usize = 5;

/// The method that takes a signal, as a path.
pub(crate) fn path(signal: &str) -> String {
    let (package, service) = match signal {
        "TRACES" => ("trace", "Trace"),
        "METRICS" => ("metrics", "Metrics"),
        _ => ("logs", "Logs"),
    };
    format!("opentelemetry.proto.collector.{package}.v1.{service}Service/Export")
}

/// Calls, and answers what a collector that is spoken to by HTTP would: the exporters know that alone.
///
/// # Errors
/// There is no answer.
pub(super) async fn call(fetcher: &Fetcher, mut request: Request) -> Result<http::Response<Bytes>, HttpError> {
    let encoding = request.headers.remove(header::CONTENT_ENCODING);
    request.body = framed(&request.body, encoding.is_some());
    if let Some(encoding) = encoding {
        request.headers.insert(ENCODING, encoding);
    }
    request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    request.headers.insert(header::TE, HeaderValue::from_static("trailers"));
    let timeout = format!("{}m", request.limits.time.as_millis());
    request.headers.insert(TIMEOUT, HeaderValue::from_str(&timeout)?);
    let (answer, trailers) = fetcher.call(request).await?;
    let mut response = http::Response::new(Bytes::new());
    if !answer.status.is_success() {
        *response.status_mut() = answer.status;
        return Ok(response);
    }
    let code = code(&trailers).or_else(|| code(&answer.headers));
    response.headers_mut().extend(code.map(|code| (STATUS, HeaderValue::from(code))));
    *response.status_mut() = as_http(code);
    if code == Some(0) {
        *response.body_mut() = message(&answer.body);
    }
    Ok(response)
}

/// The code of an answer that [`call`] made of a refusal.
pub(super) fn code(headers: &HeaderMap) -> Option<u32> {
    headers.get(STATUS)?.to_str().ok()?.parse().ok()
}

/// Which codes may be tried again is OTLP's to say (OTLP/gRPC, Failures). One that is missing is an answer that was cut off.
fn as_http(code: Option<u32>) -> StatusCode {
    match code {
        Some(0) => StatusCode::OK,
        Some(1 | 4 | 10 | 11 | 14 | 15) | None => StatusCode::SERVICE_UNAVAILABLE,
        Some(_) => StatusCode::BAD_REQUEST,
    }
}

fn framed(message: &[u8], is_packed: bool) -> Bytes {
    let mut framed = Vec::with_capacity(HEAD + message.len());
    framed.push(u8::from(is_packed));
    framed.extend(u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    framed.extend_from_slice(message);
    framed.into()
}

/// The message of an answer; it says nothing that matters if it is packed, which was not asked for.
fn message(body: &Bytes) -> Bytes {
    match body.first() {
        Some(0) if body.len() >= HEAD => body.slice(HEAD..),
        _ => Bytes::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_a_head_and_a_code_a_meaning() {
        assert_eq!(framed(b"abc", false), &b"\0\0\0\0\x03abc"[..]);
        assert_eq!((message(&framed(b"abc", false)), message(&framed(b"abc", true))), ("abc".into(), Bytes::new()));
        assert_eq!([Some(0), Some(7), Some(14), None].map(|code| as_http(code).as_u16()), [200, 400, 503, 503]);
        assert_eq!(path("TRACES"), "opentelemetry.proto.collector.trace.v1.TraceService/Export");
    }
}
