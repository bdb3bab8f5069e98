//! A requested address, taken apart once.

use super::{MAX_LENGTH, Mismatch, RESERVED_QUERY, forbidden_scheme};
use crate::params::decode_bytes;
use std::net::{Ipv4Addr, Ipv6Addr};
use url::{Host, Url};

/// An absolute address that is safe to look at. Whether it is safe to go to is what matching says.
#[derive(Debug, Clone)]
pub struct Target {
    url: Url,
    ambiguity: Option<&'static str>,
    path_ambiguity: Option<&'static str>,
    query: Option<Vec<(Vec<u8>, Vec<u8>)>>,
}

impl Target {
    /// Takes an address apart, refusing what no redirect may have.
    ///
    /// # Errors
    /// [`Mismatch`] for length, characters, fragment, scheme, and what isn't an absolute hierarchical address.
    pub fn parse(requested: &str) -> Result<Self, Mismatch> {
        if requested.len() > MAX_LENGTH {
            return Err(Mismatch::TooLong);
        }
        if requested.is_empty() {
            return Err(Mismatch::NotAbsolute);
        }
        if requested.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err(Mismatch::Character);
        }
        let (scheme, rest) = requested.split_once(':').ok_or(Mismatch::NotAbsolute)?;
        if forbidden_scheme(scheme) {
            return Err(Mismatch::Scheme(scheme.to_ascii_lowercase()));
        }
        if requested.contains('#') {
            return Err(Mismatch::Fragment);
        }
        let url = Url::parse(requested).map_err(|_| Mismatch::NotAbsolute)?;
        // What the parser read as scheme counts, whatever our own split found.
        if forbidden_scheme(url.scheme()) {
            return Err(Mismatch::Scheme(url.scheme().to_owned()));
        }
        if url.cannot_be_a_base() || (url.is_special() && url.host().is_none()) {
            return Err(Mismatch::NotAbsolute);
        }
        let query = parse_query(url.query());
        let ambiguity =
            ambiguity(&url, rest).or(query.is_none().then_some("its query has a malformed percent-encoding"));
        let path_ambiguity = path_ambiguity(url.path());
        Ok(Self { url, ambiguity, path_ambiguity, query })
    }

    /// The address in the one form of the WHATWG URL standard.
    #[must_use]
    pub fn canonical(&self) -> &str {
        self.url.as_str()
    }

    /// What two readers could read differently, if anything.
    pub(super) const fn ambiguity(&self) -> Option<&'static str> {
        self.ambiguity
    }

    /// What makes the path unfit to be matched by a star, if anything.
    pub(super) const fn path_ambiguity(&self) -> Option<&'static str> {
        self.path_ambiguity
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// The decoded query, sorted by name, values of one name in their order. `None` if it can't be decoded.
    pub(super) fn query(&self) -> Option<&[(Vec<u8>, Vec<u8>)]> {
        self.query.as_deref()
    }

    pub(super) fn reserved_query(&self) -> Option<&'static str> {
        reserved(self.query.as_deref()?.iter().map(|(name, _)| name.as_slice()))
    }

    /// True unless the address is plain `http` to another machine.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.url.scheme() != "http"
            || self.url.host_str().is_some_and(|host| is_loopback(host) || host.ends_with(".localhost"))
    }
}

/// `localhost`, 127.0.0.0/8 and `[::1]`, in canonical form.
pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost" || is_loopback_ip(host)
}

/// 127.0.0.0/8 and `[::1]`, in canonical form.
pub(super) fn is_loopback_ip(host: &str) -> bool {
    host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        || host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .and_then(|host| host.parse::<Ipv6Addr>().ok())
            .is_some_and(|ip| ip.is_loopback())
}

pub(super) fn reserved<'a>(names: impl IntoIterator<Item = &'a [u8]>) -> Option<&'static str> {
    names.into_iter().find_map(|name| RESERVED_QUERY.into_iter().find(|reserved| reserved.as_bytes() == name))
}

/// `rest` is what follows the scheme's colon, as it was sent.
fn ambiguity(url: &Url, rest: &str) -> Option<&'static str> {
    let end = rest.find('?').unwrap_or(rest.len());
    let before_query = &rest[..end];
    let (authority, path) = match before_query.strip_prefix("//") {
        Some(after) => after.split_at(after.find('/').unwrap_or(after.len())),
        None if url.is_special() => return Some("the scheme is not followed by '//'"),
        None => ("", before_query),
    };
    if url.is_special() && authority.is_empty() {
        return Some("the scheme is not followed by '//' and a host");
    }
    if authority.matches('@').count() > 1 {
        return Some("it has more than one '@' before the path");
    }
    if authority.contains('@') && url.username().is_empty() && url.password().unwrap_or_default().is_empty() {
        return Some("it has an '@' without a user name");
    }
    let host_port = authority.rsplit('@').next().unwrap_or_default();
    if host_port.contains('%') {
        return Some("its host has a percent-encoding");
    }
    if host_port.contains('*') {
        return Some("its host has a star");
    }
    match url.host() {
        Some(Host::Ipv4(ip)) => {
            let host = host_port.split(':').next().unwrap_or_default();
            if host != ip.to_string() {
                return Some("its IPv4 address is not written as four decimal numbers");
            }
        }
        Some(Host::Domain(domain)) if url.is_special() && domain.split('.').any(str::is_empty) => {
            return Some("its host has an empty label or a trailing dot");
        }
        _ => {}
    }
    path.split('/').any(is_dots).then_some("its path has a dot segment")
}

/// `.` and `..`, with dots plain or encoded, with or without `;parameters`.
pub(super) fn is_dots(segment: &str) -> bool {
    let name = segment.split(';').next().unwrap_or_default().to_ascii_lowercase().replace("%2e", ".");
    name == "." || name == ".."
}

/// What a star in a path must not swallow. Applied to the whole path: somebody downstream may decode or normalise it.
fn path_ambiguity(path: &str) -> Option<&'static str> {
    let inner = path.strip_prefix('/').unwrap_or(path);
    let mut segments = inner.split('/').peekable();
    while let Some(segment) = segments.next() {
        // The last one may be empty: a trailing slash.
        if segment.is_empty() && segments.peek().is_some() {
            return Some("its path has an empty segment");
        }
        if !segment.contains('%') {
            continue;
        }
        let Ok(decoded) = decode_bytes(segment.replace('+', "%2B").as_bytes()) else {
            return Some("its path has a malformed percent-encoding");
        };
        if decoded.iter().any(|b| matches!(b, b'/' | b'\\' | 0..=0x1f | 0x7f)) {
            return Some("its path has an encoded slash, backslash or control character");
        }
        if decoded.split(|b| *b == b';').next().is_some_and(|name| name == b"." || name == b"..") {
            return Some("its path has a dot segment");
        }
        if decoded.windows(3).any(|w| w[0] == b'%' && w[1].is_ascii_hexdigit() && w[2].is_ascii_hexdigit()) {
            return Some("its path is percent-encoded twice");
        }
    }
    None
}

/// Decoded pairs sorted by name, stable. `None` for a malformed percent-encoding.
pub(super) fn parse_query(query: Option<&str>) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut pairs = Vec::new();
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        pairs.push((decode_bytes(name.as_bytes()).ok()?, decode_bytes(value.as_bytes()).ok()?));
    }
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    Some(pairs)
}
