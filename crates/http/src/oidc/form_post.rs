//! The page of `response_mode=form_post` (OAuth 2.0 Form Post Response Mode §2): a form that a static script submits, with
//! a button for browsers without scripts. Its policy allows the form to leave, and nothing else.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, header};

#[derive(Template)]
#[template(path = "form_post.html")]
struct FormPost<'a> {
    action: &'a str,
    fields: &'a [(&'static str, String)],
}

/// The script, the same for every answer.
pub async fn script() -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=86400")];
    (headers, "document.forms[0].submit();\n").into_response()
}

/// The page.
pub fn page(action: &str, fields: &[(&'static str, String)]) -> Response {
    let Ok(body) = (FormPost { action, fields }).render() else {
        return http::StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    // Only the origin goes into the policy; a custom scheme has none, then the scheme stands for it.
    let target = match url::Url::parse(action) {
        Ok(url) if url.origin().is_tuple() => url.origin().ascii_serialization(),
        Ok(url) => format!("{}:", url.scheme()),
        Err(_) => "'none'".to_owned(),
    };
    let policy =
        format!("default-src 'none'; script-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action {target}");
    let mut response = Html(body).into_response();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}
