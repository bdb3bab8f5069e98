//! Why a sign-in failed, in one sentence: what the app sent, what was expected, and how to mend it.
//!
//! [`Code`] is the table: a stable code for each fault, where it shows, which values its sentence quotes, how it is told
//! from the facts, and how it is mended. The sentences are in the catalogues under the code; `docs/guides/troubleshooting.md`
//! is made of both. The functions of the modules below take typed facts of one failed exchange and give a [`Finding`]:
//! they know nothing of stores or requests. Nothing secret is among the facts, so nothing secret can be in a finding.

pub mod address;
pub mod clients;
pub mod secrets;
mod table;
#[cfg(test)]
mod tests;
pub mod tokens;

pub use table::{Code, Place};

use crate::secret::sha256;

/// Characters of a quoted value, at most.
const MAX_VALUE: usize = 300;

/// What somebody can do about it with one click.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Register this callback address.
    AddCallback(String),
    /// Register this address to return to after a sign-out.
    AddLogoutCallback(String),
    /// Look at who may enter.
    Groups,
    /// Look at secrets and keys.
    Credentials,
}

impl Remedy {
    /// A stable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AddCallback(_) => "add-callback",
            Self::AddLogoutCallback(_) => "add-logout-callback",
            Self::Groups => "groups",
            Self::Credentials => "credentials",
        }
    }

    /// The address that it registers.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        match self {
            Self::AddCallback(address) | Self::AddLogoutCallback(address) => Some(address),
            Self::Groups | Self::Credentials => None,
        }
    }

    /// The remedy with this name.
    #[must_use]
    pub fn parse(name: &str, address: Option<String>) -> Option<Self> {
        match (name, address) {
            ("add-callback", Some(address)) => Some(Self::AddCallback(address)),
            ("add-logout-callback", Some(address)) => Some(Self::AddLogoutCallback(address)),
            ("groups", _) => Some(Self::Groups),
            ("credentials", _) => Some(Self::Credentials),
            _ => None,
        }
    }
}

/// A diagnosis with what it quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub code: Code,
    /// The values of its sentence by name: those of [`Code::values`].
    pub values: Vec<(&'static str, String)>,
    /// What can be done about it with one click.
    pub remedy: Option<Remedy>,
}

impl Finding {
    /// A diagnosis that quotes nothing yet.
    #[must_use]
    pub const fn new(code: Code) -> Self {
        Self { code, values: Vec::new(), remedy: None }
    }

    /// Quotes a value, shortened and without control characters.
    #[must_use]
    pub fn quote(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        self.values.push((name, shortened(value.as_ref())));
        self
    }

    /// With a remedy.
    #[must_use]
    pub fn remedy(mut self, remedy: Remedy) -> Self {
        self.remedy = Some(remedy);
        self
    }

    /// The value of this name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// What makes two findings the same fault: the code and what the app sent. What was expected may change meanwhile.
    #[must_use]
    pub fn identity(&self) -> String {
        let own = self.values.iter().filter(|(name, _)| !matches!(*name, "expected" | "seconds" | "count" | "bytes"));
        own.fold(self.code.as_str().to_owned(), |text, (_, value)| format!("{text}\n{value}"))
    }
}

/// A text that may be kept and shown: short, and without what could rearrange it.
#[must_use]
pub fn shortened(text: &str) -> String {
    let is_odd = |c: char| {
        c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let clean = |c: char| if is_odd(c) { '\u{fffd}' } else { c };
    let mut short: String = text.chars().take(MAX_VALUE).map(clean).collect();
    if text.chars().nth(MAX_VALUE).is_some() {
        short.push('…');
    }
    short
}

/// The letters of ids: none that people confuse.
const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// The id of a fault, as people read it to each other (`7K3M-Q2PX`): the same fault of the same client has the same one.
#[must_use]
pub fn id(parts: &[&str]) -> String {
    let mut text = Vec::new();
    for part in parts {
        text.extend_from_slice(&(part.len() as u64).to_be_bytes());
        text.extend_from_slice(part.as_bytes());
    }
    let hash = sha256(&text);
    let letter = |byte: &u8| char::from(LETTERS[usize::from(byte % 32)]);
    let (first, second): (String, String) =
        (hash[..4].iter().map(letter).collect(), hash[4..8].iter().map(letter).collect());
    format!("{first}-{second}")
}

/// An id as it was typed: letters in either case, with or without the dash.
#[must_use]
pub fn parse_id(text: &str) -> Option<String> {
    let letters: String =
        text.chars().filter(|c| !matches!(c, '-' | ' ')).map(|c| c.to_ascii_uppercase()).take(9).collect();
    let good = letters.len() == 8 && letters.bytes().all(|b| LETTERS.contains(&b));
    good.then(|| format!("{}-{}", &letters[..4], &letters[4..]))
}
