//! A registered entry: read, checked and compiled when it is saved or loaded.

use super::glob::{Glob, Piece, Stars};
use super::host::{HostPattern, Text, parse_host, split_port};
use super::target::{Target, is_dots, is_loopback, is_loopback_ip, parse_query, reserved};
use super::{MAX_LENGTH, Part, Purpose, forbidden_scheme};
use crate::params::decode_bytes;
use url::Url;

/// Why an entry can't be registered, in a sentence for the person who types it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing, or too much.
    #[error("Enter an address of at most 16 KiB.")]
    Length,
    /// Blanks, control characters, backslashes.
    #[error("An address must not contain blanks, control characters or backslashes.")]
    Character,
    /// A character that a URI doesn't have.
    #[error(
        "The character '{0}' is not allowed here. Only '*' and '**' are special; other characters must be percent-encoded."
    )]
    Uri(char),
    /// RFC 6749 §3.1.2.
    #[error("An address must not have a fragment ('#').")]
    Fragment,
    /// No `scheme:`.
    #[error("Enter an absolute address, such as https://app.example.com/callback.")]
    Relative,
    /// A star inside a scheme.
    #[error("The scheme must be written out, or be a single '*'.")]
    SchemeStar,
    /// A scheme of the forbidden list.
    #[error("Addresses with the scheme '{0}' are not allowed.")]
    Scheme(String),
    /// `scheme:something` without a slash.
    #[error("The scheme must be followed by '/' or '//'.")]
    Opaque,
    /// Missing or malformed host.
    #[error("The host is missing or malformed.")]
    Host,
    /// `**` in a host.
    #[error("In a host, '*' stands for one label. Write '*.*.example.com' for two.")]
    HostDeep,
    /// Port that is neither a number nor has a star.
    #[error("The port must be a number from 1 to 65535, or '*'.")]
    Port,
    /// Malformed user info.
    #[error("The user name or password before '@' is malformed.")]
    UserInfo,
    /// `%` without two hexadecimal digits.
    #[error("A '%' must be followed by two hexadecimal digits.")]
    Encoding,
    /// Dot segments, empty segments beside stars.
    #[error("The path must not contain '.', '..', or empty segments next to wildcards.")]
    Path,
    /// Leftovers of regular expressions.
    #[error("Patterns are not regular expressions: only '*' and '**' are special.")]
    Regex,
    /// `code`, `state`, `iss` or `error` in the query.
    #[error("The query must not contain '{0}': the response adds it.")]
    ReservedQuery(&'static str),
}

/// An entry in the list of callback or logout addresses of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    entry: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// `*`
    All,
    Parts(Box<Parts>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts {
    /// `None` is `*`.
    scheme: Option<String>,
    user_info: Option<(Text, Option<Text>)>,
    host: HostPattern,
    port: Port,
    path: Path,
    /// Sorted by name.
    query: Vec<(Vec<u8>, Glob)>,
    literal: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Port {
    Default,
    Is(u16),
    Any,
    Like(Glob),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Path {
    /// The entry has no path: the root alone.
    Root,
    /// The entry has no path and a loopback host.
    Free,
    Text(Text),
}

impl Pattern {
    /// Reads an entry of the callback list.
    ///
    /// # Errors
    /// [`PatternError`] with a sentence for the form field.
    pub fn parse(entry: &str) -> Result<Self, PatternError> {
        Self::parse_for(Purpose::Redirect, entry)
    }

    /// Reads an entry of either list.
    ///
    /// # Errors
    /// As [`Pattern::parse`].
    pub fn parse_for(purpose: Purpose, entry: &str) -> Result<Self, PatternError> {
        Self::read(purpose, entry, false)
    }

    fn read(purpose: Purpose, entry: &str, legacy: bool) -> Result<Self, PatternError> {
        if entry.is_empty() || entry.len() > MAX_LENGTH {
            return Err(PatternError::Length);
        }
        if entry.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err(PatternError::Character);
        }
        let kind = if entry == "*" { Kind::All } else { Kind::Parts(Box::new(Parts::parse(entry, purpose, legacy)?)) };
        Ok(Self { entry: entry.to_owned(), kind })
    }

    /// Reads a stored list. What isn't valid (it may come from an import) is left out and returned beside.
    pub fn parse_list<S: AsRef<str>>(purpose: Purpose, entries: &[S]) -> (Vec<Self>, Vec<(usize, PatternError)>) {
        Self::parse_marked(purpose, entries, &[])
    }

    /// As [`Pattern::parse_list`], for a list with legacy marks, which came with an import: the stars in the hosts of
    /// marked entries reach over dots, as they do in the original program (oidc.md §7.2), so that
    /// `https://*.example.com/cb` is also `https://a.b.example.com/cb`.
    pub fn parse_marked<S: AsRef<str>>(
        purpose: Purpose,
        entries: &[S],
        legacy: &[String],
    ) -> (Vec<Self>, Vec<(usize, PatternError)>) {
        let (mut good, mut bad) = (Vec::with_capacity(entries.len()), Vec::new());
        for (index, entry) in entries.iter().enumerate() {
            let marked = legacy.iter().any(|marked| marked == entry.as_ref());
            match Self::read(purpose, entry.as_ref(), marked) {
                Ok(pattern) => good.push(pattern),
                Err(error) => bad.push((index, error)),
            }
        }
        (good, bad)
    }

    /// The entry as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.entry
    }

    /// True without any star: the entry is itself an address.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        matches!(&self.kind, Kind::Parts(parts) if parts.literal)
    }

    /// True if a star stands in its host that could reach over dots: with the legacy mark it does.
    #[must_use]
    pub fn has_host_star(&self) -> bool {
        matches!(&self.kind, Kind::Parts(parts) if parts.host.has_star())
    }

    /// True if addresses on hosts of anybody may match: every address, every scheme, or a host with less than two labels
    /// behind its last star.
    #[must_use]
    pub fn is_wide(&self) -> bool {
        match &self.kind {
            Kind::All => true,
            Kind::Parts(parts) => parts.scheme.is_none() || parts.host.written().is_some_and(|written| written < 2),
        }
    }

    /// True if it has no path, so that it means the root alone: the original program takes any path then.
    #[must_use]
    pub fn is_path_less(&self) -> bool {
        matches!(&self.kind, Kind::Parts(parts) if parts.path == Path::Root)
    }

    /// The first part that differs, or `Ok`.
    pub(super) fn compare(&self, target: &Target) -> Result<(), Part> {
        let url = target.url();
        match &self.kind {
            Kind::All if url.username().is_empty() && url.password().is_none() => Ok(()),
            Kind::All => Err(Part::UserInfo),
            Kind::Parts(parts) => parts.compare(target),
        }
    }
}

impl Parts {
    fn parse(entry: &str, purpose: Purpose, legacy: bool) -> Result<Self, PatternError> {
        if entry.contains('#') {
            return Err(PatternError::Fragment);
        }
        let (scheme, rest) = entry.split_once(':').ok_or(PatternError::Relative)?;
        let scheme = parse_scheme(scheme)?;
        let special = matches!(scheme.as_deref(), Some("http" | "https"));
        let (before_query, query) = match rest.split_once('?') {
            Some((_, "")) => return Err(PatternError::Regex),
            Some((before, query)) => (before, Some(query)),
            None => (rest, None),
        };
        let (authority, path) = match before_query.strip_prefix("//") {
            Some(after) => after.split_at(after.find('/').unwrap_or(after.len())),
            None if special || scheme.is_none() || !before_query.starts_with('/') => {
                return Err(PatternError::Opaque);
            }
            None => ("", before_query),
        };
        let (user_info, host_port) = match authority.rsplit_once('@') {
            Some((info, host_port)) => (Some(parse_user_info(info)?), host_port),
            None => (None, authority),
        };
        let (host, port) = split_port(host_port)?;
        let domain_rules = special || scheme.is_none();
        let host = parse_host(host, domain_rules, legacy)?;
        if host == HostPattern::Absent && (domain_rules || port.is_some() || user_info.is_some()) {
            return Err(PatternError::Host);
        }
        let port = parse_port(port, scheme.as_deref())?;
        let path = parse_path(path, &host)?;
        let query = query.map(parse_query_pattern).transpose()?.unwrap_or_default();
        if purpose == Purpose::Redirect
            && let Some(name) = reserved(query.iter().map(|(name, _)| name.as_slice()))
        {
            return Err(PatternError::ReservedQuery(name));
        }
        Ok(Self { scheme, user_info, host, port, path, query, literal: !entry.contains('*') })
    }

    fn compare(&self, target: &Target) -> Result<(), Part> {
        let url = target.url();
        if self.scheme.as_deref().is_some_and(|scheme| scheme != url.scheme()) {
            return Err(Part::Scheme);
        }
        let host = url.host_str().unwrap_or_default();
        if !self.host.fits(url, host) {
            return Err(Part::Host);
        }
        if !self.port_fits(url, host) {
            return Err(Part::Port);
        }
        let user_info_fits = match &self.user_info {
            None => url.username().is_empty() && url.password().is_none(),
            Some((user, password)) => {
                user.fits(url.username())
                    && match (password, url.password()) {
                        (None, None) => true,
                        (Some(pattern), given) => pattern.fits(given.unwrap_or_default()),
                        (None, Some(_)) => false,
                    }
            }
        };
        if !user_info_fits {
            return Err(Part::UserInfo);
        }
        let path = url.path();
        let path_fits = match &self.path {
            Path::Root => path.is_empty() || path == "/",
            Path::Free => target.path_ambiguity().is_none(),
            Path::Text(Text::Is(own)) => own == path,
            Path::Text(Text::Like(glob)) => {
                target.path_ambiguity().is_none() && glob.matches(if path.is_empty() { b"/" } else { path.as_bytes() })
            }
        };
        if !path_fits {
            return Err(Part::Path);
        }
        let given = target.query().ok_or(Part::Query)?;
        let query_fits = given.len() == self.query.len()
            && self.query.iter().zip(given).all(|((name, glob), (n, value))| name == n && glob.matches(value));
        if query_fits { Ok(()) } else { Err(Part::Query) }
    }

    fn port_fits(&self, url: &Url, host: &str) -> bool {
        let known = url.port_or_known_default();
        let same = match &self.port {
            Port::Any => true,
            Port::Default => url.port().is_none(),
            Port::Is(port) => known == Some(*port),
            Port::Like(glob) => known.is_some_and(|port| glob.matches(port.to_string().as_bytes())),
        };
        // RFC 8252 §7.3: the port of a loopback listener is chosen when the app starts.
        let free = url.scheme() == "http"
            && self.host.is_literal()
            && (is_loopback_ip(host) || (host == "localhost" && self.port == Port::Default));
        same || free
    }
}

fn parse_scheme(scheme: &str) -> Result<Option<String>, PatternError> {
    if scheme == "*" {
        return Ok(None);
    }
    if scheme.contains('*') {
        return Err(if scheme.contains('/') { PatternError::Relative } else { PatternError::SchemeStar });
    }
    let valid = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    if !valid {
        return Err(PatternError::Relative);
    }
    let scheme = scheme.to_ascii_lowercase();
    if forbidden_scheme(&scheme) { Err(PatternError::Scheme(scheme)) } else { Ok(Some(scheme)) }
}

/// The form that the URL parser gives to user info.
fn parse_user_info(info: &str) -> Result<(Text, Option<Text>), PatternError> {
    if info.contains('@') {
        return Err(PatternError::UserInfo);
    }
    let (user, password) = info.split_once(':').map_or((info, None), |(user, password)| (user, Some(password)));
    check_escapes(info)?;
    let mut url = Url::parse("http://h/").map_err(|_| PatternError::UserInfo)?;
    url.set_username(user).map_err(|()| PatternError::UserInfo)?;
    url.set_password(password).map_err(|()| PatternError::UserInfo)?;
    let text = |text: &str| Text::new(text.to_owned(), Stars::Plain);
    Ok((text(url.username()), password.map(|_| text(url.password().unwrap_or_default()))))
}

fn parse_port(port: Option<&str>, scheme: Option<&str>) -> Result<Port, PatternError> {
    let default = match scheme {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    };
    match port {
        None => Ok(Port::Default),
        Some(text) if !text.is_empty() && text.bytes().all(|b| b == b'*') => Ok(Port::Any),
        Some(text) if text.contains('*') && text.bytes().all(|b| b.is_ascii_digit() || b == b'*') => {
            Ok(Port::Like(Glob::new(text, Stars::Plain)))
        }
        Some(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => match text.parse::<u16>() {
            Ok(0) | Err(_) => Err(PatternError::Port),
            Ok(port) if Some(port) == default => Ok(Port::Default),
            Ok(port) => Ok(Port::Is(port)),
        },
        Some(_) => Err(PatternError::Port),
    }
}

fn parse_path(path: &str, host: &HostPattern) -> Result<Path, PatternError> {
    if path.is_empty() {
        let loopback = matches!(host, HostPattern::Is(host) if is_loopback(host));
        return Ok(if loopback { Path::Free } else { Path::Root });
    }
    let mut canonical = String::with_capacity(path.len());
    for c in path.chars() {
        match c {
            'A'..='Z' | 'a'..='z' | '0'..='9' | '/' | '%' | '*' => canonical.push(c),
            '-' | '.' | '_' | '~' | '!' | '$' | '&' | '\'' | '(' | ')' | '+' | ',' | ';' | '=' | ':' | '@' => {
                canonical.push(c);
            }
            c if c.is_ascii() => return Err(PatternError::Uri(c)),
            c => {
                canonical
                    .extend(percent_encoding::utf8_percent_encode(&c.to_string(), percent_encoding::NON_ALPHANUMERIC));
            }
        }
    }
    check_escapes(&canonical)?;
    let unbalanced = canonical.matches('(').count() != canonical.matches(')').count();
    if canonical.ends_with('+') || unbalanced {
        return Err(PatternError::Regex);
    }
    let stars = canonical.contains('*');
    if canonical.split('/').any(is_dots) || (stars && canonical.contains("//")) {
        return Err(PatternError::Path);
    }
    Ok(Path::Text(Text::new(canonical, Stars::Path)))
}

/// Stars are special in values only, and only those that are written as stars (not `%2A`).
fn parse_query_pattern(query: &str) -> Result<Vec<(Vec<u8>, Glob)>, PatternError> {
    if let Some(c) = query.chars().find(|c| matches!(c, '<' | '>' | '"' | '`' | '{' | '}' | '|' | '^')) {
        return Err(PatternError::Uri(c));
    }
    parse_query(Some(query)).ok_or(PatternError::Encoding)?;
    let mut pairs = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decode = |text: &str| decode_bytes(text.as_bytes()).map_err(|_| PatternError::Encoding);
        let literals = value.split('*').map(decode).collect::<Result<Vec<_>, _>>()?;
        let pieces = literals
            .iter()
            .enumerate()
            .flat_map(|(i, bytes)| (i > 0).then_some(Piece::Star).into_iter().chain([Piece::Literal(bytes)]));
        pairs.push((decode(name)?, Glob::from_pieces(pieces)));
    }
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(pairs)
}

fn check_escapes(text: &str) -> Result<(), PatternError> {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let digit = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_hexdigit());
        if byte == b'%' && !(digit(bytes.next()) && digit(bytes.next())) {
            return Err(PatternError::Encoding);
        }
    }
    Ok(())
}
