//! Addresses to return to that are not registered: in what they differ from the nearest one that is.

use percent_encoding::percent_decode_str;
use url::Url;

use super::{Code, Finding, Remedy};

/// Why an address was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No registered one fits.
    NotRegistered,
    /// Plain `http` to another machine.
    Insecure,
    /// It can be nobody's, for this reason.
    Unusable(String),
}

/// The facts of a refused callback address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback<'a> {
    /// `redirect_uri`.
    pub sent: &'a str,
    /// The registered addresses and patterns.
    pub registered: &'a [String],
    /// Why it was refused.
    pub refused: Refused,
}

/// In what two addresses differ, the smallest difference first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    Slash,
    Case,
    Encoding,
    IndexPhp,
    Query,
    Path,
    Port,
    Scheme,
    Host,
}

impl Difference {
    const fn code(self) -> Code {
        match self {
            Self::Slash => Code::CallbackSlash,
            Self::Case => Code::CallbackCase,
            Self::Encoding => Code::CallbackEncoding,
            Self::IndexPhp => Code::CallbackIndexPhp,
            Self::Query => Code::CallbackQuery,
            Self::Path => Code::CallbackPath,
            Self::Port => Code::CallbackPort,
            Self::Scheme => Code::CallbackScheme,
            Self::Host => Code::CallbackHost,
        }
    }

    /// Whether the address is one of the same site: then it may be registered by one click. Another host, or a weaker
    /// scheme, may be somebody's who tries to have a code sent to them.
    const fn is_of_same_site(self) -> bool {
        !matches!(self, Self::Scheme | Self::Host)
    }
}

/// Explains a callback address that was refused.
#[must_use]
pub fn callback(facts: &Callback<'_>) -> Finding {
    let sent = facts.sent;
    match &facts.refused {
        Refused::Insecure => return Finding::new(Code::CallbackInsecure).quote("sent", sent),
        Refused::Unusable(reason) => {
            return Finding::new(Code::CallbackUnusable).quote("sent", sent).quote("reason", reason);
        }
        Refused::NotRegistered => {}
    }
    match nearest(sent, facts.registered) {
        None => Finding::new(Code::CallbackNone).quote("sent", sent).remedy(Remedy::AddCallback(sent.to_owned())),
        Some((difference, expected)) => {
            let finding = Finding::new(difference.code()).quote("sent", sent).quote("expected", expected);
            if difference.is_of_same_site() { finding.remedy(Remedy::AddCallback(sent.to_owned())) } else { finding }
        }
    }
}

/// Explains an address to return to after a sign-out that is not registered.
#[must_use]
pub fn logout(sent: &str, registered: &[String], callbacks: &[String]) -> Finding {
    let of_same_site = |entries| nearest(sent, entries).is_some_and(|(difference, _)| difference.is_of_same_site());
    let finding = match nearest(sent, registered) {
        Some((_, expected)) => Finding::new(Code::LogoutAddress).quote("sent", sent).quote("expected", expected),
        None => Finding::new(Code::LogoutAddressNone).quote("sent", sent),
    };
    if of_same_site(registered) || of_same_site(callbacks) {
        finding.remedy(Remedy::AddLogoutCallback(sent.to_owned()))
    } else {
        finding
    }
}

/// The registered address that is most like it.
fn nearest<'a>(sent: &str, registered: &'a [String]) -> Option<(Difference, &'a str)> {
    let compared = registered.iter().map(|entry| (difference(sent, entry), entry.as_str()));
    compared.min_by_key(|(difference, entry)| (*difference, distance(sent, entry)))
}

struct Parts {
    scheme: String,
    host: String,
    port: Option<u16>,
    path: String,
}

fn parts(text: &str) -> Option<Parts> {
    // A star stands where an address can't have one: letters that can stand anywhere take its place.
    let url = Url::parse(&text.replace('*', "star")).ok()?;
    Some(Parts {
        scheme: url.scheme().to_owned(),
        host: url.host_str().unwrap_or_default().to_owned(),
        port: url.port_or_known_default(),
        path: text_path(text),
    })
}

/// The path as it was written: a parser would mend what is told here.
fn text_path(text: &str) -> String {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    rest.find('/').map_or_else(String::new, |at| rest[at..].to_owned())
}

fn difference(sent: &str, entry: &str) -> Difference {
    let (Some(theirs), Some(ours)) = (parts(sent), parts(entry)) else { return Difference::Host };
    if theirs.host != ours.host {
        return Difference::Host;
    }
    if theirs.scheme != ours.scheme {
        return Difference::Scheme;
    }
    if theirs.port != ours.port {
        return Difference::Port;
    }
    if theirs.path == ours.path {
        return Difference::Query;
    }
    let same = |change: fn(&str) -> String| change(&theirs.path) == change(&ours.path);
    if same(without_spare_slashes) {
        Difference::Slash
    } else if same(str::to_lowercase) {
        Difference::Case
    } else if same(decoded) {
        Difference::Encoding
    } else if same(without_index_php) {
        Difference::IndexPhp
    } else {
        Difference::Path
    }
}

fn without_spare_slashes(path: &str) -> String {
    path.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
}

fn without_index_php(path: &str) -> String {
    path.split('/').filter(|part| !part.is_empty() && *part != "index.php").collect::<Vec<_>>().join("/")
}

fn decoded(path: &str) -> String {
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}

/// How many characters have to be changed, taken out or put in to make one text of the other (Levenshtein), for texts of a
/// usual length; of longer ones the beginning counts.
#[must_use]
pub fn distance(one: &str, other: &str) -> usize {
    const MAX: usize = 256;
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().take(MAX).collect(), other.chars().take(MAX).collect());
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (corner + usize::from(a != b)).min(above + 1).min(row[j] + 1);
            corner = above;
        }
    }
    row[other.len()]
}
