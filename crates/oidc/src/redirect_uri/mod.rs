//! Which addresses an authorization response may be sent to.
//!
//! A client registers *entries*: literal addresses, or patterns with stars. A request names one address. The rules,
//! from strict to free:
//!
//! * An address that a browser and we could read differently is refused before anything is compared: control
//!   characters, blanks, backslashes, a fragment, dot segments (plain or encoded), percent-encoding in the host,
//!   odd spellings of IPv4, `https:host` without `//`; and schemes that run or read things in the browser
//!   (`javascript:`, `data:`, `file:` and so on). So is one whose query already has `code`, `state`, `iss` or
//!   `error`, because the client would see two.
//! * A string equal to an entry matches.
//! * Both sides are brought to the one form of the WHATWG URL standard: scheme and host in lower case, host in
//!   punycode, IPv6 compressed, the default port left out. A trailing dot makes another host. Paths are compared
//!   byte by byte, queries as lists of decoded pairs (order of names irrelevant).
//! * `*` stands for: within a host, characters of one label (a whole-label star is one label, never none); in the
//!   path, one or more characters of one segment; as port, any or none; as scheme, any harmless one; in user
//!   info or the value of a query parameter, any characters but `/`. `**` in a path stands for any characters,
//!   and `/**/` also for `/`. Nothing else is special. What a path star matches holds no encoded slash, no empty
//!   segment, no dots in disguise. An entry `*` alone matches every harmless address without user info.
//! * User info is refused unless the entry names it.
//! * An entry without a path means the root alone; on `localhost` and loopback addresses it means any path.
//! * Loopback ports are free for native apps (RFC 8252 §7.3): for `http` on a loopback IP literal always, on
//!   `localhost` when the entry has no port. `*.localhost` is not meant.
//! * An entry with the legacy mark, which only an import gives, has stars in its host that reach over dots.
//!
//! Matching takes time linear in the address.

mod glob;
mod host;
mod pattern;
mod target;
#[cfg(test)]
mod tests;

pub use pattern::{Pattern, PatternError};
pub use target::Target;

use std::fmt;

/// Longest entry and longest requested address, in bytes.
pub const MAX_LENGTH: usize = 16 * 1024;

/// Parameters that we add to the query of a redirect address; one that has them already is refused
/// (otherwise the client would find two and might take the wrong one).
const RESERVED_QUERY: [&str; 4] = ["code", "state", "iss", "error"];

/// Schemes that are never the address of a client: they run code, read local data or hide another address.
const FORBIDDEN_SCHEMES: [&str; 14] = [
    "about",
    "blob",
    "data",
    "file",
    "filesystem",
    "ftp",
    "intent",
    "jar",
    "javascript",
    "mailto",
    "vbscript",
    "view-source",
    "ws",
    "wss",
];

fn forbidden_scheme(scheme: &str) -> bool {
    FORBIDDEN_SCHEMES.iter().any(|forbidden| forbidden.eq_ignore_ascii_case(scheme))
}

/// What an address is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// `redirect_uri`: code and state are added to it.
    Redirect,
    /// `post_logout_redirect_uri`: only `state` is set in it, replacing one that is there.
    PostLogout,
}

/// An address that passed the check. Only matching makes one, so a redirect can't be built to anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectUri {
    raw: String,
    location: Option<String>,
}

impl RedirectUri {
    fn new(raw: &str, target: &Target) -> Self {
        // A header is ASCII. An address with other letters is sent in its canonical form, the same address.
        let location = (!raw.is_ascii()).then(|| target.canonical().to_owned());
        Self { raw: raw.to_owned(), location }
    }

    /// The address exactly as it was requested: what a token request is compared with (RFC 6749 §4.1.3).
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.raw
    }

    /// The address in ASCII, for a `Location` header or a form.
    #[must_use]
    pub fn location(&self) -> &str {
        self.location.as_deref().unwrap_or(&self.raw)
    }
}

/// A successful match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched {
    /// The address.
    pub uri: RedirectUri,
    /// Index of the entry that matched.
    pub entry: usize,
}

/// The first part in which an entry and an address differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// `https` against `http`, and so on.
    Scheme,
    /// Host name or address.
    Host,
    /// Port.
    Port,
    /// `user:password@`.
    UserInfo,
    /// Path.
    Path,
    /// Query.
    Query,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "scheme",
            Self::Host => "host",
            Self::Port => "port",
            Self::UserInfo => "user name or password",
            Self::Path => "path",
            Self::Query => "query",
        })
    }
}

/// Why an address did not match, in words for the admin of the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Longer than [`MAX_LENGTH`].
    #[error("the address is longer than 16 KiB")]
    TooLong,
    /// Empty, relative or opaque.
    #[error("it is not an absolute address")]
    NotAbsolute,
    /// A character that no address may have.
    #[error("it contains a blank, a control character or a backslash")]
    Character,
    /// A scheme of the forbidden list.
    #[error("the scheme '{0}' is never allowed")]
    Scheme(String),
    /// RFC 6749 §3.1.2.
    #[error("it has a fragment ('#')")]
    Fragment,
    /// The query has a parameter that the response adds.
    #[error("its query already has the parameter '{0}'")]
    ReservedQuery(&'static str),
    /// It can be read in two ways.
    #[error("it is ambiguous: {0}")]
    Ambiguous(&'static str),
    /// `http` to another machine where that is switched off.
    #[error("plain http is allowed only for this machine's own addresses (localhost)")]
    Insecure,
    /// Nothing is registered.
    #[error("no address is registered")]
    NoEntries,
    /// No entry fits. `entry` is the one that fits best, `part` where it differs.
    #[error("the nearest registered address differs in its {part}")]
    NoMatch {
        /// Index of the nearest entry.
        entry: usize,
        /// The first part that differs.
        part: Part,
    },
}

/// Checks a requested `redirect_uri` against the entries of a client. The first entry that fits wins.
///
/// With `allow_insecure` false, `http` is accepted only on `localhost`, `*.localhost` and loopback addresses.
///
/// # Errors
/// [`Mismatch`] with the reason. It is for our own pages: an unregistered address never learns anything.
pub fn matches(patterns: &[Pattern], requested: &str, allow_insecure: bool) -> Result<Matched, Mismatch> {
    matches_for(Purpose::Redirect, patterns, requested, allow_insecure)
}

/// The address of a client that has exactly one, without stars: what a request without `redirect_uri` means
/// (RFC 6749 §3.1.2.3).
#[must_use]
pub fn sole(patterns: &[Pattern], allow_insecure: bool) -> Option<RedirectUri> {
    match patterns {
        [only] if only.is_literal() => matches(patterns, only.as_str(), allow_insecure).ok().map(|found| found.uri),
        _ => None,
    }
}

/// As [`matches()`], for either purpose.
///
/// # Errors
/// As [`matches()`].
pub fn matches_for(
    purpose: Purpose,
    patterns: &[Pattern],
    requested: &str,
    allow_insecure: bool,
) -> Result<Matched, Mismatch> {
    let target = Target::parse(requested)?;
    if purpose == Purpose::Redirect
        && let Some(name) = target.reserved_query()
    {
        return Err(Mismatch::ReservedQuery(name));
    }
    if !allow_insecure && !target.is_secure() {
        return Err(Mismatch::Insecure);
    }
    let found = |entry| Ok(Matched { uri: RedirectUri::new(requested, &target), entry });
    if let Some(entry) = patterns.iter().position(|pattern| pattern.is_literal() && pattern.as_str() == requested) {
        return found(entry);
    }
    if let Some(why) = target.ambiguity() {
        return Err(Mismatch::Ambiguous(why));
    }
    let mut nearest: Option<(Part, usize)> = None;
    for (entry, pattern) in patterns.iter().enumerate() {
        match pattern.compare(&target) {
            Ok(()) => return found(entry),
            Err(part) if nearest.is_none_or(|(best, _)| part > best) => {
                nearest = Some((part, entry));
            }
            Err(_) => {}
        }
    }
    Err(nearest.map_or(Mismatch::NoEntries, |(part, entry)| Mismatch::NoMatch { entry, part }))
}

/// As [`matches()`], for entries that are still text. An entry that isn't valid is skipped.
///
/// # Errors
/// As [`matches()`].
pub fn matches_entries<S: AsRef<str>>(
    entries: &[S],
    requested: &str,
    allow_insecure: bool,
) -> Result<Matched, Mismatch> {
    let (indices, patterns): (Vec<usize>, Vec<Pattern>) = entries
        .iter()
        .enumerate()
        .filter_map(|(index, entry)| Pattern::parse(entry.as_ref()).ok().map(|pattern| (index, pattern)))
        .unzip();
    let original = |index: usize| indices.get(index).copied().unwrap_or(index);
    match matches(&patterns, requested, allow_insecure) {
        Ok(found) => Ok(Matched { entry: original(found.entry), ..found }),
        Err(Mismatch::NoMatch { entry, part }) => Err(Mismatch::NoMatch { entry: original(entry), part }),
        Err(other) => Err(other),
    }
}
