//! What a proxy says was asked for: method, host and path in one canonical form (security case 92).
//!
//! Proxies tell it in headers of their own, and most let those of the client through beside them. So whatever is said must be
//! said once and alike: a contradiction is refused, however it came about.

use super::origin::canonical_host;

/// How a proxy tells what was asked for.
#[derive(Clone, Copy, Debug)]
pub enum Dialect<'a> {
    /// In headers: `X-Forwarded-Method`, `-Host` and `-Uri` (Caddy, Traefik, HAProxy), or `X-Original-Method` and
    /// `X-Original-URL` (nginx).
    Headers,
    /// By the request itself, its path behind a prefix (Envoy's `ext_authz` over HTTP). The headers say nothing.
    Direct {
        /// The request's method.
        method: &'a str,
        /// Its `Host`.
        host: &'a [u8],
        /// Path and query, without the prefix.
        uri: &'a str,
    },
}

/// The headers of a sub-request.
pub trait Headers {
    /// The values of a header by its name in lower case.
    fn values<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]>;
}

/// Why nothing can be decided. The words are for whoever set the proxy up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A header that must be there is not.
    #[error("the proxy doesn't send {0}")]
    Missing(&'static str),
    /// A header came twice.
    #[error("{0} came more than once")]
    Twice(&'static str),
    /// Two headers say different things.
    #[error("{0} says something else than another header of the proxy")]
    Contradiction(&'static str),
    /// No host, or one that could be taken for another.
    #[error("the host is not written as browsers write it")]
    Host,
    /// No method.
    #[error("the method is none")]
    Method,
    /// No path, or characters that no browser sends.
    #[error("the address is not written as browsers write it")]
    Address,
}

/// What makes a path one thing to this server and perhaps another to that. It matters only where rules look at paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ambiguity {
    /// `.` or `..` as a segment.
    #[error("it has a dot segment")]
    DotSegment,
    /// An empty segment.
    #[error("it has a double slash")]
    DoubleSlash,
    /// A `;`, behind which some servers see parameters.
    #[error("it has a semicolon")]
    Parameter,
    /// An encoded character that would mean something if it were not: a slash, a backslash, `?`, `#`.
    #[error("it has an encoded delimiter")]
    EncodedDelimiter,
    /// What is encoded twice.
    #[error("it is encoded twice")]
    EncodedTwice,
    /// A `%` without two hexadecimal digits.
    #[error("it has a stray percent sign")]
    StrayPercent,
    /// Encoded bytes that are no text, such as overlong forms.
    #[error("it is not UTF-8")]
    NotText,
}

/// A path in its canonical form: what may be unencoded is, everything else is encoded with upper-case digits
/// (RFC 3986 §6.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The canonical form.
    pub text: String,
    /// Why it can't be held against rules, if it can't.
    pub ambiguity: Option<Ambiguity>,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// As it was sent.
    pub method: String,
    /// The host's key, see [`super::Origin::key`].
    pub host: String,
    /// The path.
    pub path: Path,
    /// Path and query as they were sent: where somebody comes back to.
    pub uri: String,
}

const METHODS: [&str; 2] = ["x-forwarded-method", "x-original-method"];
const HOSTS: [&str; 2] = ["x-forwarded-host", "x-original-host"];
const URIS: [&str; 2] = ["x-forwarded-uri", "x-original-uri"];
const URL: &str = "x-original-url";

impl Target {
    /// Reads what was asked for.
    ///
    /// # Errors
    /// [`Refusal`] for what is not there, was said twice or could be read in two ways.
    pub fn read(dialect: Dialect<'_>, headers: &impl Headers) -> Result<Self, Refusal> {
        let (method, host, uri) = match dialect {
            Dialect::Direct { method, host, uri } => (method.as_bytes(), host, uri.as_bytes()),
            Dialect::Headers => {
                let url = single(headers, URL)?.map(split_url).transpose()?;
                let (host, uri) = url.unzip();
                (
                    agreed(headers, &METHODS, None)?.ok_or(Refusal::Missing("X-Forwarded-Method"))?,
                    agreed(headers, &HOSTS, host)?.ok_or(Refusal::Missing("X-Forwarded-Host"))?,
                    agreed(headers, &URIS, uri)?.ok_or(Refusal::Missing("X-Forwarded-Uri"))?,
                )
            }
        };
        let method =
            text(method).filter(|m| (1..=20).contains(&m.len()) && m.bytes().all(is_token)).ok_or(Refusal::Method)?;
        let host = text(host).and_then(canonical_host).ok_or(Refusal::Host)?;
        let uri = text(uri).filter(|uri| uri.len() <= 16 * 1024 && uri.bytes().all(|b| b.is_ascii_graphic()));
        let uri = uri.ok_or(Refusal::Address)?;
        if uri.contains('#') {
            return Err(Refusal::Address);
        }
        let path = Path::parse(uri.split('?').next().unwrap_or_default()).ok_or(Refusal::Address)?;
        Ok(Self { method: method.to_owned(), host, path, uri: uri.to_owned() })
    }

    /// The part of the address behind the first `?`.
    pub fn query(&self) -> &str {
        self.uri.split_once('?').map_or("", |(_, query)| query)
    }

    /// Whether the request only reads, so that it can be made again after a sign-in.
    pub fn only_reads(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD")
    }
}

fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'-' || b == b'_'
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn single<'a>(headers: &'a impl Headers, name: &'static str) -> Result<Option<&'a [u8]>, Refusal> {
    let mut values = headers.values(name);
    let first = values.next();
    if values.next().is_some() { Err(Refusal::Twice(name)) } else { Ok(first) }
}

/// What these headers say, and `known` from elsewhere: all of them the same.
fn agreed<'a>(
    headers: &'a impl Headers,
    names: &[&'static str],
    known: Option<&'a [u8]>,
) -> Result<Option<&'a [u8]>, Refusal> {
    let mut found = known;
    for name in names {
        match (single(headers, name)?, found) {
            (Some(said), Some(before)) if said != before => return Err(Refusal::Contradiction(name)),
            (Some(said), _) => found = Some(said),
            (None, _) => {}
        }
    }
    Ok(found)
}

/// Host and path of `https://host/path?query`.
fn split_url(url: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    let rest = [&b"https://"[..], b"http://", b"wss://", b"ws://"].iter().find_map(|scheme| url.strip_prefix(*scheme));
    let rest = rest.ok_or(Refusal::Address)?;
    let at = rest.iter().position(|b| *b == b'/').ok_or(Refusal::Address)?;
    Ok(rest.split_at(at))
}

impl Path {
    /// Reads a path. `None` for what no browser sends, and what nobody may mean: controls, blanks, backslashes, encoded
    /// control characters.
    pub fn parse(raw: &str) -> Option<Self> {
        if !raw.starts_with('/') || !raw.bytes().all(|b| b.is_ascii_graphic() && !b"\\#?".contains(&b)) {
            return None;
        }
        let bytes = raw.as_bytes();
        let mut text = String::with_capacity(raw.len() + 16);
        let mut decoded = Vec::with_capacity(raw.len());
        let mut ambiguity = None;
        let mut note = |found: Ambiguity| ambiguity = ambiguity.or(Some(found));
        let mut at = 0;
        while at < bytes.len() {
            let (byte, encoded, length) = match (bytes[at], hex(bytes, at + 1)) {
                (b'%', Some(byte)) => (byte, true, 3),
                (b'%', None) => {
                    note(Ambiguity::StrayPercent);
                    (b'%', false, 1)
                }
                (byte, _) => (byte, false, 1),
            };
            if encoded {
                match byte {
                    0..=0x1f | 0x7f => return None,
                    b'/' | b'\\' | b'?' | b'#' => note(Ambiguity::EncodedDelimiter),
                    _ => {}
                }
            }
            if byte == b';' {
                note(Ambiguity::Parameter);
            }
            if (is_bare(byte) && byte != b';') || (!encoded && matches!(byte, b'/' | b';')) {
                text.push(char::from(byte));
            } else {
                text.push('%');
                text.push(char::from(HEX[usize::from(byte >> 4)]));
                text.push(char::from(HEX[usize::from(byte & 15)]));
            }
            decoded.push(byte);
            at += length;
        }
        let mut segments = text[1..].split('/').peekable();
        while let Some(segment) = segments.next() {
            match segment {
                "." | ".." => note(Ambiguity::DotSegment),
                // A slash at the end is none that was doubled.
                "" if segments.peek().is_some() => note(Ambiguity::DoubleSlash),
                _ => {}
            }
        }
        // Whatever its digits were: themselves encoded, say.
        if decoded.windows(3).any(|three| three[0] == b'%' && hex(three, 1).is_some()) {
            note(Ambiguity::EncodedTwice);
        }
        if std::str::from_utf8(&decoded).is_err() {
            note(Ambiguity::NotText);
        }
        Some(Self { text, ambiguity })
    }

    /// Whether it is one of those that we answer ourselves.
    pub fn is_own(&self) -> bool {
        let is_below =
            |base: &str| self.text.get(base.len()..).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let head = self.text.get(..super::OWN_PATH.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(super::OWN_PATH)) && is_below(super::OWN_PATH)
    }
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// What a path may have as it is: unreserved characters and most delimiters (RFC 3986 §3.3).
fn is_bare(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte)
}

fn hex(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16));
    let (high, low) = (digit(at)?, digit(at + 1)?);
    u8::try_from(high * 16 + low).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Sent<'a>(&'a [(&'a str, &'a str)]);

    impl Headers for Sent<'_> {
        fn values<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
            self.0.iter().filter(move |(known, _)| *known == name).map(|(_, value)| value.as_bytes())
        }
    }

    fn read(headers: &[(&str, &str)]) -> Result<Target, Refusal> {
        Target::read(Dialect::Headers, &Sent(headers))
    }

    const CADDY: [(&str, &str); 3] =
        [("x-forwarded-method", "GET"), ("x-forwarded-host", "App.example.com"), ("x-forwarded-uri", "/a?b=1")];

    #[test]
    fn every_dialect_says_the_same() {
        let caddy = read(&CADDY).unwrap();
        assert_eq!((caddy.method.as_str(), caddy.host.as_str()), ("GET", "app.example.com"));
        assert_eq!((caddy.path.text.as_str(), caddy.uri.as_str(), caddy.query()), ("/a", "/a?b=1", "b=1"));
        let nginx = [("x-original-method", "GET"), ("x-original-url", "https://App.example.com/a?b=1")];
        assert_eq!(read(&nginx).unwrap(), caddy);
        let parts =
            [("x-original-method", "GET"), ("x-original-host", "App.example.com"), ("x-original-uri", "/a?b=1")];
        assert_eq!(read(&parts).unwrap(), caddy);
        let envoy = Dialect::Direct { method: "GET", host: b"App.example.com", uri: "/a?b=1" };
        // What a client says in headers is nothing there.
        assert_eq!(Target::read(envoy, &Sent(&[("x-forwarded-uri", "/evil")])).unwrap(), caddy);
    }

    #[test]
    fn case_092_contradictions_are_refused() {
        let with = |more: &[(&'static str, &'static str)]| read(&[&CADDY, more].concat());
        assert!(with(&[("x-original-url", "https://App.example.com/a?b=1")]).is_ok());
        for (more, why) in [
            (("x-original-url", "https://app.example.com/public"), Refusal::Contradiction("x-forwarded-host")),
            (("x-original-url", "https://App.example.com/public"), Refusal::Contradiction("x-forwarded-uri")),
            (("x-original-uri", "/public"), Refusal::Contradiction("x-original-uri")),
            (("x-original-host", "other.example.com"), Refusal::Contradiction("x-original-host")),
            (("x-original-method", "OPTIONS"), Refusal::Contradiction("x-original-method")),
            (("x-forwarded-uri", "/a?b=1"), Refusal::Twice("x-forwarded-uri")),
            (("x-forwarded-host", "App.example.com"), Refusal::Twice("x-forwarded-host")),
            (("x-original-url", "ftp://App.example.com/a"), Refusal::Address),
            (("x-original-url", "https://App.example.com"), Refusal::Address),
        ] {
            assert_eq!(with(&[more]), Err(why), "{more:?}");
        }
        // Headers that name another method are of the app's own making: they are neither read nor believed.
        assert_eq!(with(&[("x-http-method-override", "DELETE")]).unwrap().method, "GET");
        for missing in 0..3 {
            let rest: Vec<_> = CADDY.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, h)| *h).collect();
            assert!(matches!(read(&rest), Err(Refusal::Missing(_))));
        }
        for (host, uri) in [
            ("app.example.com.", "/"),
            ("app.example.com, evil", "/"),
            ("", "/"),
            ("app", ""),
            ("app", "a"),
            ("app", "http://app/"),
            ("app", "*"),
            ("app", "/a b"),
            ("app", "/a\\b"),
            ("app", "/a#b"),
            ("app", "/a?b#c"),
            ("app", "/é"),
            ("app", "/a%00"),
            ("app", "/a%0d%0aSet-Cookie:x"),
            ("app", "/%7f"),
        ] {
            let sent = [("x-forwarded-method", "GET"), ("x-forwarded-host", host), ("x-forwarded-uri", uri)];
            assert!(read(&sent).is_err(), "{host} {uri}");
        }
        let method = |m| read(&[("x-forwarded-method", m), CADDY[1], CADDY[2]]);
        assert!(method("PROPFIND").is_ok() && method("M-SEARCH").is_ok());
        for bad in ["", "GET /", "GET,POST", "a\u{0}"] {
            assert_eq!(method(bad), Err(Refusal::Method), "{bad:?}");
        }
    }

    #[test]
    fn case_092_paths_have_one_form_and_say_what_is_ambiguous() {
        let read = |raw: &str| Path::parse(raw).map(|path| (path.text, path.ambiguity));
        for (raw, text, ambiguity) in [
            ("/", "/", None),
            ("/a/", "/a/", None),
            ("/%61dmin/%7Euser", "/admin/~user", None),
            ("/a%20b", "/a%20b", None),
            ("/%e4%bd%a0", "/%E4%BD%A0", None),
            ("/a%40b:c", "/a@b:c", None),
            ("/100%25", "/100%25", None),
            ("/a|b", "/a%7Cb", None),
            ("/a/../b", "/a/../b", Some(Ambiguity::DotSegment)),
            ("/a/%2e%2E/b", "/a/../b", Some(Ambiguity::DotSegment)),
            ("/./a", "/./a", Some(Ambiguity::DotSegment)),
            ("//a", "//a", Some(Ambiguity::DoubleSlash)),
            ("/a//b", "/a//b", Some(Ambiguity::DoubleSlash)),
            ("/a;x/b", "/a;x/b", Some(Ambiguity::Parameter)),
            ("/a%3bx", "/a%3Bx", Some(Ambiguity::Parameter)),
            ("/..;/a", "/..;/a", Some(Ambiguity::Parameter)),
            ("/a%2fb", "/a%2Fb", Some(Ambiguity::EncodedDelimiter)),
            ("/a%5cb", "/a%5Cb", Some(Ambiguity::EncodedDelimiter)),
            ("/a%3fb", "/a%3Fb", Some(Ambiguity::EncodedDelimiter)),
            ("/a%23b", "/a%23b", Some(Ambiguity::EncodedDelimiter)),
            ("/%2561", "/%2561", Some(Ambiguity::EncodedTwice)),
            ("/%252e%252e", "/%252e%252e", Some(Ambiguity::EncodedTwice)),
            ("/%25%61%61", "/%25aa", Some(Ambiguity::EncodedTwice)),
            ("/a%", "/a%25", Some(Ambiguity::StrayPercent)),
            ("/%zz", "/%25zz", Some(Ambiguity::StrayPercent)),
            ("/%c0%af", "/%C0%AF", Some(Ambiguity::NotText)),
            ("/%ff", "/%FF", Some(Ambiguity::NotText)),
        ] {
            assert_eq!(read(raw), Some((text.to_owned(), ambiguity)), "{raw}");
        }
        assert_eq!(read("a"), None);
        assert_eq!(read(""), None);
        assert_eq!(read("/a%0ab"), None);
    }

    #[test]
    fn our_own_paths_are_known_in_every_writing() {
        for own in ["/.pocket-id", "/.pocket-id/", "/.pocket-id/callback", "/%2Epocket-id/x", "/.POCKET-ID/callback"] {
            assert!(Path::parse(own).unwrap().is_own(), "{own}");
        }
        for other in ["/", "/.pocket-idx", "/a/.pocket-id", "/.pocket"] {
            assert!(!Path::parse(other).unwrap().is_own(), "{other}");
        }
    }

    /// As a server does that decodes once and shrugs at what can't be decoded.
    fn decoded(path: &str) -> String {
        let (bytes, mut out, mut at) = (path.as_bytes(), Vec::new(), 0);
        while at < bytes.len() {
            let byte = hex(bytes, at + 1).filter(|_| bytes[at] == b'%');
            out.push(byte.unwrap_or(bytes[at]));
            at += if byte.is_some() { 3 } else { 1 };
        }
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// What is canonical stays as it is.
        #[test]
        fn canonical_is_canonical(raw in "/[a-zA-Z0-9%/.;?~|é\\\\_ -]{0,40}") {
            if let Some(path) = Path::parse(&raw) {
                let again = Path::parse(&path.text).expect("a canonical path can be read");
                prop_assert_eq!(&again.text, &path.text);
                if path.ambiguity.is_none() {
                    prop_assert_eq!(again.ambiguity, None);
                }
            }
        }

        /// A browser, a server that decodes and one that resolves dots all see the same segments in an unambiguous path.
        #[test]
        fn an_unambiguous_path_is_the_same_to_everybody(raw in "/([a-c./%25;]|%2e|%2F|%25|%61|%62|%5C){0,12}") {
            if let Some(Path { text, ambiguity: None }) = Path::parse(&raw) {
                let url = url::Url::parse("https://app.example.com").unwrap().join(&text).unwrap();
                prop_assert_eq!(url.path(), &text);
                let segments = |path: &str| decoded(path).split('/').map(str::to_owned).collect::<Vec<_>>();
                prop_assert_eq!(segments(&raw), segments(&text));
                prop_assert_eq!(segments(&text).len(), text.split('/').count());
                prop_assert!(segments(&text).iter().all(|s| s != "." && s != ".." && !s.contains(['\\', ';'])));
                prop_assert_eq!(decoded(&decoded(&text)), decoded(&text));
            }
        }

        /// Nothing panics, whatever is sent, and hosts stay hosts.
        #[test]
        fn anything_can_be_read(host in any::<Vec<u8>>(), uri in ".{0,60}") {
            if let Ok(target) = Target::read(Dialect::Direct { method: "GET", host: &host, uri: &uri }, &Sent(&[])) {
                prop_assert_eq!(canonical_host(&target.host), Some(target.host.clone()));
                prop_assert!(target.path.text.bytes().all(|b| b.is_ascii_graphic()));
            }
        }
    }
}
