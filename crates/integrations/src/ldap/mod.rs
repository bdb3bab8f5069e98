//! A directory over LDAP (RFC 4511): connect, bind, search page by page. The server is somebody else's: the address is
//! judged as every outbound target is, the connection goes to the address that was judged, and what the server sends is
//! bounded in size, depth and time before anything reads it (`wire.rs`).

mod connect;
mod wire;

use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ldap3::controls::{Control, PagedResults, RawControl};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, ResultEntry, Scope, StdStream};
use pid_core::ldap::{Directory, Entry, Server};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::fetch::Fetcher;

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(60);
/// Entries that are asked for at once.
pub const PAGE: i32 = 500;
/// The same for entries with pictures.
pub const PICTURE_PAGE: i32 = 20;
/// The control of paged searches (RFC 2696).
const PAGED: &str = "1.2.840.113556.1.4.319";
/// Values of one attribute that are gathered piece by piece.
const MOST_VALUES: usize = 1_000_000;
/// Results that say that there is no such entry here (RFC 4511 §4.1.9): noSuchObject, invalidDNSyntax.
const NOBODY: [u32; 2] = [32, 34];
/// Addresses of other servers that are told of one search.
const MOST_REFERRALS: usize = 20;
/// How long the words of a server may be, characters.
const WORDS: usize = 300;

/// Why a directory could not be read. The texts are for administrators; the server's own words are in them, what we sent
/// is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LdapError {
    /// The server must not be called, has no address, or nobody answers there.
    #[error("{0}")]
    Target(String),
    /// TLS could not be agreed on.
    #[error("{0}")]
    Tls(String),
    /// The server refused what we asked for.
    #[error("the server refused {what}: {words}")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// Its words.
        words: String,
    },
    /// The answer is none, is too large, or ended in the middle.
    #[error("{0}")]
    Broken(String),
    /// It took too long.
    #[error("there was no complete answer in time")]
    Timeout,
}

impl LdapError {
    /// A stable word for the kind of failure.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Target(_) => "not_reached",
            Self::Tls(_) => "tls_failed",
            Self::Refused { .. } => "refused",
            Self::Broken(_) => "bad_answer",
            Self::Timeout => "timeout",
        }
    }
}

/// Words of a server as they may be shown: one line, not too long.
fn words(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS).collect();
    plain.trim().to_owned()
}

/// A connection to a directory, bound.
pub struct Session {
    ldap: Ldap,
    deadline: Instant,
    /// Why our side ended the connection.
    ended: Arc<OnceLock<String>>,
    _tasks: JoinSet<()>,
}

/// What a server says of one entry by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is there, as far as we may read it.
    There(Entry),
    /// It is there, but we may not read it.
    Hidden,
    /// There is no such entry, or none that we may know of.
    Gone,
    /// The server doesn't say: another one would have to be asked, or it can't at the moment.
    Untold,
}

/// A search below an entry.
#[derive(Clone, Debug)]
pub struct Search<'a> {
    /// Where it begins.
    pub base: &'a str,
    /// What is looked for.
    pub filter: &'a str,
    /// The attributes that are read.
    pub attributes: Vec<&'a str>,
    /// Entries that are asked for at once.
    pub page: i32,
}

/// Connects to a directory and binds. Everything that is done with it must be done `within` this time.
///
/// # Errors
/// [`LdapError`].
pub async fn connect(fetcher: &Fetcher, server: &Server, within: Duration) -> Result<Session, LdapError> {
    let deadline = Instant::now() + within;
    let stream = connect::open(fetcher, server).await?;
    let (ours, theirs) = StdUnixStream::pair().map_err(|error| LdapError::Target(error.to_string()))?;
    let ended = Arc::new(OnceLock::new());
    let mut tasks = JoinSet::new();
    wire::guard(stream, ours, Arc::clone(&ended), &mut tasks)?;
    let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(theirs));
    let opened = LdapConnAsync::with_settings(settings, "ldapi://guarded").await;
    let (connection, ldap) = opened.map_err(|error| LdapError::Broken(error.to_string()))?;
    tasks.spawn(async move {
        let _ = connection.drive().await;
    });
    let mut session = Session { ldap, deadline, ended, _tasks: tasks };
    if let Some((name, password)) = &server.bind {
        session.bind(name, password).await?;
    }
    Ok(session)
}

impl Session {
    async fn bind(&mut self, name: &str, password: &str) -> Result<(), LdapError> {
        self.ldap.with_timeout(ANSWER);
        let bound = timeout_at(self.deadline, self.ldap.simple_bind(name, password)).await;
        let result = bound.map_err(|_| LdapError::Timeout)?.map_err(|error| self.failed(&error))?;
        refused("the bind", &result)
    }

    /// What an error of the library means, as far as we don't know better why the connection ended.
    fn failed(&self, error: &ldap3::LdapError) -> LdapError {
        match (self.ended.get(), error) {
            (Some(why), _) => LdapError::Broken(why.clone()),
            (None, ldap3::LdapError::Timeout { .. }) => LdapError::Timeout,
            (None, ldap3::LdapError::FilterParsing) => LdapError::Broken("the search filter can't be read".to_owned()),
            (None, _) => LdapError::Broken("the connection broke".to_owned()),
        }
    }

    /// Begins a search; [`Pages::next`] gives its entries.
    pub fn search<'a>(&'a mut self, search: Search<'a>) -> Pages<'a> {
        Pages { session: self, search, cookie: Vec::new(), begun: false, done: false, referrals: Vec::new() }
    }

    /// Reads one entry by its name. What the server refuses about it holds up nobody else.
    ///
    /// # Errors
    /// [`LdapError`], if the connection is of no more use.
    pub async fn read(&mut self, dn: &str, attributes: &[&str]) -> Result<Presence, LdapError> {
        self.ldap.with_timeout(ANSWER);
        let asked = self.ldap.streaming_search(dn, Scope::Base, "(objectClass=*)", attributes.to_vec());
        let asked = timeout_at(self.deadline, asked).await.map_err(|_| LdapError::Timeout)?;
        let mut stream = asked.map_err(|error| self.failed(&error))?;
        let (mut found, mut is_elsewhere) = (None, false);
        loop {
            let next = timeout_at(self.deadline, stream.next()).await.map_err(|_| LdapError::Timeout)?;
            match next.map_err(|error| self.failed(&error))? {
                Some(entry) if entry.is_ref() => is_elsewhere = true,
                Some(entry) if found.is_none() && !entry.is_intermediate() => found = Some(entry_of(entry)),
                Some(_) => {}
                None => break,
            }
        }
        let result = stream.finish().await;
        Ok(match (result.rc, found) {
            (0, Some(entry)) => Presence::There(entry),
            (0, None) if is_elsewhere => Presence::Untold,
            // Every entry has an object class: one that has none has one that we may not know. 50: insufficientAccessRights.
            (0, None) | (50, _) => Presence::Hidden,
            (code, _) if NOBODY.contains(&code) => Presence::Gone,
            _ => Presence::Untold,
        })
    }

    /// Reads an entry that came cut, by itself and then attribute by attribute. What is too large even so stays cut.
    async fn piecewise(&mut self, cut: &Entry, attributes: &[&str]) -> Result<Entry, LdapError> {
        let mut whole = Entry { dn: cut.dn.clone(), ..Entry::default() };
        match self.read(&cut.dn, attributes).await? {
            Presence::There(entry) if !entry.is_cut => return Ok(entry),
            Presence::There(_) => {}
            _ => return Ok(cut.clone()),
        }
        for name in attributes {
            match self.read(&cut.dn, &[name]).await? {
                Presence::There(entry) => {
                    whole.is_cut |= entry.is_cut;
                    whole.attributes.extend(entry.attributes);
                }
                _ => whole.is_cut = true,
            }
        }
        Ok(whole)
    }

    /// Fetches the rest of an attribute of which the server gave a part, as Active Directory does with large groups.
    async fn complete(&mut self, entry: &mut Entry) -> Result<(), LdapError> {
        while let Some(at) = entry.attributes.iter().position(|(name, _)| next_range(name).is_some()) {
            let Some((name, from)) = next_range(&entry.attributes[at].0) else { break };
            let wanted = format!("{name};range={from}-*");
            let mut more = match self.read(&entry.dn, &[&wanted]).await? {
                Presence::There(more) => more,
                _ => Entry::default(),
            };
            let part = more.attributes.iter().position(|(found, values)| {
                !values.is_empty() && found.split(';').next().is_some_and(|base| base.eq_ignore_ascii_case(&name))
            });
            // Without the rest, or without an end, this entry is not known wholly. Others are.
            let Some(part) = part.map(|part| more.attributes.swap_remove(part)) else {
                entry.is_cut = true;
                entry.attributes[at].0 = name;
                continue;
            };
            let moved = next_range(&part.0).is_none_or(|(_, next)| next > from);
            entry.attributes[at].1.extend(part.1);
            if !moved || entry.attributes[at].1.len() > MOST_VALUES {
                entry.is_cut = true;
                entry.attributes[at].0 = name;
                continue;
            }
            entry.attributes[at].0 = part.0;
        }
        Ok(())
    }
}

/// Of an attribute like `member;range=0-1499` its name and the place after it; `None` if that was all.
fn next_range(name: &str) -> Option<(String, usize)> {
    let (base, options) = name.split_once(';')?;
    let range = options.split(';').find_map(|option| {
        let (key, value) = option.split_once('=')?;
        key.eq_ignore_ascii_case("range").then_some(value)
    })?;
    let (_, to) = range.split_once('-')?;
    Some((base.to_owned(), to.parse::<usize>().ok()?.checked_add(1)?))
}

/// The pages of a search.
pub struct Pages<'a> {
    session: &'a mut Session,
    search: Search<'a>,
    cookie: Vec<u8>,
    begun: bool,
    done: bool,
    referrals: Vec<String>,
}

impl Pages<'_> {
    /// Addresses of other servers that have a part of what was searched, the first of them.
    pub fn referrals(&self) -> &[String] {
        &self.referrals
    }

    /// The next entries; empty at the end. None is left out: of what can't be read there is the name at least, as far as
    /// that can be.
    ///
    /// # Errors
    /// [`LdapError`].
    pub async fn next(&mut self) -> Result<Vec<Entry>, LdapError> {
        while !self.done {
            let entries = self.page().await?;
            if !entries.is_empty() {
                return Ok(entries);
            }
        }
        Ok(Vec::new())
    }

    async fn page(&mut self) -> Result<Vec<Entry>, LdapError> {
        let (session, search) = (&mut *self.session, &self.search);
        let paging = || LdapError::Broken("the server's paging can't be followed, so there may be more".to_owned());
        let control = PagedResults { size: search.page, cookie: std::mem::take(&mut self.cookie) };
        let before = control.cookie.clone();
        session.ldap.with_timeout(ANSWER).with_controls(RawControl::from(control));
        let asked =
            session.ldap.streaming_search(search.base, Scope::Subtree, search.filter, search.attributes.clone());
        let asked = timeout_at(session.deadline, asked).await.map_err(|_| LdapError::Timeout)?;
        let mut stream = asked.map_err(|error| session.failed(&error))?;
        let mut entries = Vec::new();
        loop {
            let next = timeout_at(session.deadline, stream.next()).await.map_err(|_| LdapError::Timeout)?;
            match next.map_err(|error| session.failed(&error))? {
                // Other servers are not asked: whoever may be asked is what the administrator named.
                Some(entry) if entry.is_ref() => {
                    if self.referrals.len() < MOST_REFERRALS {
                        self.referrals.push(referral_of(entry));
                    }
                }
                Some(entry) if entry.is_intermediate() => {}
                Some(entry) => entries.push(entry_of(entry)),
                None => break,
            }
        }
        let result = stream.finish().await;
        refused("the search", &result)?;
        // What can't be read is not the end, nor is a page after the first that says nothing of others.
        self.cookie = match result.ctrls.iter().find(|control| control.1.ctype == PAGED) {
            Some(control) => cookie_of(control).ok_or_else(paging)?,
            None if self.begun => return Err(paging()),
            None => Vec::new(),
        };
        self.done = self.cookie.is_empty();
        if self.begun && !self.done && self.cookie == before && entries.is_empty() {
            return Err(LdapError::Broken("the server gives empty pages without end".to_owned()));
        }
        self.begun = true;
        for entry in &mut entries {
            if entry.is_cut && !entry.dn.is_empty() {
                *entry = session.piecewise(entry, &search.attributes).await?;
            }
            session.complete(entry).await?;
        }
        Ok(entries)
    }
}

/// The place at which a search goes on (RFC 2696 §2): `SEQUENCE { INTEGER, OCTET STRING }`.
fn cookie_of(control: &Control) -> Option<Vec<u8>> {
    let value = control.1.val.as_ref().filter(|_| control.1.ctype == PAGED)?;
    let (outer, _) = wire::element(value)?;
    let (_, rest) = wire::element(outer.content)?;
    wire::element(rest).map(|(cookie, _)| cookie.content.to_vec())
}

/// Reads an entry. What of it can't be read is left out, and the entry counts as cut.
fn entry_of(found: ResultEntry) -> Entry {
    let mut entry = Entry::default();
    entry.is_cut = read_into(found, &mut entry).is_none();
    entry
}

/// Reads what can be read; `None`: not everything.
fn read_into(found: ResultEntry, entry: &mut Entry) -> Option<()> {
    let mut parts = found.0.match_id(4)?.expect_constructed()?.into_iter();
    entry.dn = String::from_utf8(parts.next()?.expect_primitive()?).ok()?;
    let mut is_whole = true;
    for attribute in parts.next()?.expect_constructed()? {
        let read = || {
            let mut parts = attribute.expect_constructed()?.into_iter();
            let name = String::from_utf8(parts.next()?.expect_primitive()?).ok()?;
            let values: Option<Vec<Vec<u8>>> =
                parts.next()?.expect_constructed()?.into_iter().map(|value| value.expect_primitive()).collect();
            Some((name, values?))
        };
        match read() {
            Some((name, _)) if name == wire::CUT => is_whole = false,
            Some(attribute) => entry.attributes.push(attribute),
            None => is_whole = false,
        }
    }
    is_whole.then_some(())
}

/// The address of another server that a search would have to go on at (RFC 4511 §4.5.3).
fn referral_of(found: ResultEntry) -> String {
    let urls = found.0.match_id(19).and_then(|tag| tag.expect_constructed()).unwrap_or_default();
    let first = urls.into_iter().next().and_then(|url| url.expect_primitive());
    words(&String::from_utf8_lossy(&first.unwrap_or_default()))
}

fn refused(what: &'static str, result: &ldap3::LdapResult) -> Result<(), LdapError> {
    if result.rc == 0 {
        return Ok(());
    }
    let full = result.to_string();
    let name = full.split(['(', ')']).nth(1).unwrap_or("unknown");
    let text = words(&result.text);
    let said = if text.is_empty() {
        format!("{name} ({})", result.rc)
    } else {
        format!("{name} ({}), “{text}”", result.rc)
    };
    Err(LdapError::Refused { what, words: said })
}

/// What a connection test found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// The name of a person's entry, if there is any.
    pub person: Option<String>,
    /// The name of a group's entry, if there is any.
    pub group: Option<String>,
}

/// Tries a directory out: connection, certificate, bind, and both searches.
///
/// # Errors
/// [`LdapError`].
pub async fn check(fetcher: &Fetcher, directory: &Directory) -> Result<Checked, LdapError> {
    let mut session = connect(fetcher, &directory.server, ANSWER).await?;
    let mut first = async |filter: &str, name: &str| -> Result<Option<String>, LdapError> {
        let search = Search { base: &directory.base, filter, attributes: vec![name], page: 1 };
        Ok(session.search(search).next().await?.into_iter().next().map(|entry| words(&entry.dn)))
    };
    let person = first(&directory.people_filter, &directory.person.id).await?;
    let group = match &directory.group {
        Some(names) => first(&directory.group_filter, &names.id).await?,
        None => None,
    };
    Ok(Checked { person, group })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_values_go_on_where_they_end() {
        assert_eq!(next_range("member;range=0-1499"), Some(("member".into(), 1500)));
        assert_eq!(next_range("member;binary;Range=1500-2999"), Some(("member".into(), 3000)));
        for whole in ["member", "member;range=1500-*", "member;binary", "member;range=x"] {
            assert_eq!(next_range(whole), None, "{whole}");
        }
        assert_eq!(next_range(&format!("member;range=0-{}", usize::MAX)), None);
    }

    #[test]
    fn case_083_cookies_are_read_or_not() {
        let control = |val: Option<&[u8]>| {
            Control(None, RawControl { ctype: PAGED.into(), crit: false, val: val.map(<[u8]>::to_vec) })
        };
        assert_eq!(cookie_of(&control(Some(&[0x30, 6, 2, 1, 0, 4, 1, 7]))), Some(vec![7]));
        assert_eq!(cookie_of(&control(Some(&[0x30, 5, 2, 1, 0, 4, 0]))), Some(vec![]));
        for junk in [None, Some(&b""[..]), Some(&[0x30, 3, 2, 1, 0]), Some(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff])] {
            assert_eq!(cookie_of(&control(junk)), None);
        }
    }

    #[test]
    fn case_098_words_of_a_server_are_one_line() {
        assert_eq!(words(" a\r\nb\u{1b}[31m "), "a  b [31m");
        assert_eq!(words(&"x".repeat(1000)).len(), 300);
    }
}
