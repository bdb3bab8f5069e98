//! Style sheet, scripts and pictures of the pages: embedded, compressed at build time, named by their content.
//!
//! A name with a hash can be cached for ever, so answers say `immutable`. What is asked for is compared with the
//! embedded names and nothing else: no path is ever opened, so `..`, `%2e%2e`, NUL or `\` find nothing (case 87).

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// One embedded file.
pub(crate) struct File {
    /// Its name with the hash, as in the URL after `/assets/`.
    name: &'static str,
    /// A strong entity tag, quotes included.
    etag: &'static str,
    content_type: &'static str,
    raw: &'static [u8],
    br: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

/// The URL of a static file by its name in the tree, for example `app.css`; scripts are named by entry and
/// language, for example `auth-en.js`. An unknown name gives a URL that answers 404.
#[must_use]
pub fn asset(name: &str) -> &'static str {
    url_of(name).unwrap_or("/assets/missing")
}

/// The bytes of a static file by its name in the tree.
#[must_use]
pub fn bytes_of(name: &str) -> Option<&'static [u8]> {
    let url = url_of(name)?;
    find(url.strip_prefix("/assets/")?).map(|file| file.raw)
}

/// Every embedded file: its URL, its content, and its length in bytes when sent with Brotli.
pub fn all() -> impl Iterator<Item = (String, &'static [u8], usize)> {
    FILES.iter().map(|file| (format!("/assets/{}", file.name), file.raw, file.br.unwrap_or(file.raw).len()))
}

/// The routes below `/assets/`. An unknown name is answered 404 without a body that would need a page.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/assets/accent.css", get(accent))
        .route("/assets/{*name}", get(serve))
        .route(
            "/img/static-logo-512.png",
            get(|headers: HeaderMap| async move { named("logo-512.png", &headers, DAY) }),
        )
        .route(
            "/apple-touch-icon.png",
            get(|headers: HeaderMap| async move { named("apple-touch-icon.png", &headers, DAY) }),
        )
        .route("/robots.txt", get(|headers: HeaderMap| async move { named("robots.txt", &headers, DAY) }))
}

const DAY: HeaderValue = HeaderValue::from_static("public, max-age=86400");
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// A file by its name in the tree, at an address of its own.
pub(crate) fn named(name: &str, request: &HeaderMap, caching: HeaderValue) -> Response {
    asset(name)
        .strip_prefix("/assets/")
        .and_then(find)
        .map_or_else(|| StatusCode::NOT_FOUND.into_response(), |file| respond(file, request, caching))
}

async fn serve(request: Request) -> Response {
    // The raw path: what is percent-encoded is none of our names.
    request
        .uri()
        .path()
        .strip_prefix("/assets/")
        .and_then(find)
        .map_or_else(|| StatusCode::NOT_FOUND.into_response(), |file| respond(file, request.headers(), FOR_EVER))
}

fn find(name: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.name == name)
}

fn respond(file: &'static File, request: &HeaderMap, caching: HeaderValue) -> Response {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, caching);
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::ETAG, HeaderValue::from_static(file.etag));
    if names_etag(request, file.etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.content_type));
    let body = match (file.br, file.gzip) {
        (Some(br), _) if accepts(request, "br") => {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
            br
        }
        (_, Some(gzip)) if accepts(request, "gzip") => {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            gzip
        }
        _ => file.raw,
    };
    *response.body_mut() = Body::from(Bytes::from_static(body));
    response
}

/// RFC 9110 §13.1.2: weak comparison against each listed tag.
pub(crate) fn names_etag(request: &HeaderMap, etag: &str) -> bool {
    request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
    })
}

/// RFC 9110 §12.5.3: whether a coding is named with a weight other than zero.
pub(crate) fn accepts(request: &HeaderMap, coding: &str) -> bool {
    request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').any(|item| {
            let mut parts = item.split(';').map(str::trim);
            let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
            let refused =
                parts.any(|part| part.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()).is_some_and(|q| q <= 0.0));
            named && !refused
        })
    })
}

/// A configured accent colour: a checked CSS colour that may stand in a style sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accent(String);

impl Accent {
    /// Checks a colour: a name (`teal`), a hexadecimal colour (`#0a7`), or a colour function with plain numbers
    /// (`oklch(0.6 0.1 180)`). `None` for anything else and for `default`, which means our own colour.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() || text.len() > 64 || text.eq_ignore_ascii_case("default") {
            return None;
        }
        let plain = |c: char| c.is_ascii_alphanumeric();
        let fine = if let Some(hex) = text.strip_prefix('#') {
            matches!(hex.len(), 3 | 4 | 6 | 8) && hex.chars().all(|c| c.is_ascii_hexdigit())
        } else if let Some((name, rest)) = text.split_once('(') {
            matches!(name, "rgb" | "rgba" | "hsl" | "hsla" | "hwb" | "lab" | "lch" | "oklab" | "oklch")
                && rest.strip_suffix(')').is_some_and(|inner| {
                    inner.chars().all(|c| plain(c) || matches!(c, ' ' | '.' | ',' | '%' | '/' | '-' | '+'))
                })
        } else {
            text.chars().all(|c| c.is_ascii_alphabetic())
        };
        fine.then(|| Self(text.to_owned()))
    }

    /// Where the page finds the style sheet that sets this colour.
    #[must_use]
    pub fn url(&self) -> String {
        let colour = percent_encoding::utf8_percent_encode(&self.0, percent_encoding::NON_ALPHANUMERIC);
        format!("/assets/accent.css?c={colour}")
    }
}

/// `/assets/accent.css?c=COLOUR`: the accent as a style sheet, since pages may not carry inline styles.
async fn accent(request: Request) -> Response {
    let colour = request
        .uri()
        .query()
        .and_then(|query| query.strip_prefix("c="))
        .and_then(|value| percent_encoding::percent_decode_str(value).decode_utf8().ok())
        .and_then(|value| Accent::parse(&value));
    let Some(Accent(colour)) = colour else {
        return StatusCode::NOT_FOUND.into_response();
    };
    (
        [
            (header::CONTENT_TYPE, "text/css; charset=utf-8"),
            (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        ],
        // Black or white on it, whichever can be read.
        format!(":root{{--accent:{colour};--on-accent:oklch(from {colour} clamp(0,(.68 - l)*1000,1) 0 0)}}"),
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower::ServiceExt as _;

    async fn get(path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = http::Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        routes::<()>().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn serves_for_ever_in_the_best_coding() {
        let url = asset("app.css");
        let response = get(url, &[("accept-encoding", "gzip, deflate, br")]).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-encoding"], "br");
        assert_eq!(response.headers()["content-type"], "text/css; charset=utf-8");
        assert!(response.headers()["cache-control"].to_str().unwrap().contains("immutable"));
        let etag = response.headers()["etag"].to_str().unwrap().to_owned();
        assert_eq!(get(url, &[("if-none-match", &etag)]).await.status(), 304);
        assert_eq!(get(url, &[("if-none-match", "\"other\"")]).await.status(), 200);
        let response = get(url, &[("accept-encoding", "gzip, br;q=0")]).await;
        assert_eq!(response.headers()["content-encoding"], "gzip");
        assert!(!get(url, &[]).await.headers().contains_key("content-encoding"));
    }

    #[tokio::test]
    async fn case_87_odd_paths_find_nothing() {
        let name = asset("app.css").strip_prefix("/assets/").unwrap();
        for path in [
            format!("/assets/%2e%2e/assets/{name}"),
            format!("/assets/../assets/{name}"),
            format!("/assets/{name}%00"),
            format!("/assets/..%5c{name}"),
            format!("/assets/%2f{name}"),
            "/assets/%2e%2e%2f%2e%2e%2fetc%2fpasswd".to_owned(),
            "/assets/%ff".to_owned(),
            "/assets/app.css".to_owned(),
            "/assets/build.rs".to_owned(),
            "/assets/accent.css".to_owned(),
            "/assets/accent.css?c=red%7Dbody%7Bdisplay%3Anone".to_owned(),
        ] {
            assert_eq!(get(&path, &[]).await.status(), 404, "{path}");
        }
    }

    #[tokio::test]
    async fn an_accent_is_a_colour_and_nothing_else() {
        for fine in ["#0a7", "teal", "oklch(0.6 0.1 180)", "rgb(10, 20, 30)"] {
            let url = Accent::parse(fine).unwrap().url();
            assert_eq!(get(&url, &[]).await.status(), 200, "{url}");
        }
        for foul in ["", "default", "#12", "red;}", "url(x)", "var(--x)", "rgb(1,2,3", "a b", "oklch(from red l c h)("]
        {
            assert_eq!(Accent::parse(foul), None, "{foul}");
        }
    }
}
