//! A directory for tests: a real OpenLDAP server, what makes a server use it, and a line to it that can be cut.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pid_testkit::slapd::{BASE, MANAGER, PASSWORD, Slapd};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::{Reply, TestApp};

const CONFIGURATION: &str = "/api/application-configuration";

/// The settings that make a server use a directory at this address.
#[must_use]
pub fn settings(url: &str) -> Value {
    json!({
        "ldapEnabled": "true", "ldapUrl": url, "ldapBase": BASE, "ldapBindDn": MANAGER, "ldapBindPassword": PASSWORD,
        "ldapUserSearchFilter": "(objectClass=inetOrgPerson)",
        "ldapUserGroupSearchFilter": "(|(objectClass=groupOfNames)(objectClass=posixGroup))",
        "ldapAttributeUserUniqueIdentifier": "entryUUID", "ldapAttributeUserUsername": "uid",
        "ldapAttributeUserEmail": "mail", "ldapAttributeUserFirstName": "givenName", "ldapAttributeUserLastName": "sn",
        "ldapAttributeGroupUniqueIdentifier": "entryUUID", "ldapAttributeGroupName": "cn",
        "ldapAdminGroupName": "admins",
    })
}

/// Starts a directory with these entries.
///
/// # Panics
/// When it does not start.
#[must_use]
pub fn start(entries: &str) -> Slapd {
    tokio::task::block_in_place(|| Slapd::start(entries)).unwrap_or_else(|e| panic!("{e}"))
}

impl TestApp {
    /// Makes this server use a directory, with more settings.
    pub async fn use_directory(&self, url: &str, more: Value) {
        let mut all = settings(url);
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.script().patch(CONFIGURATION, &all, None).await.expect(200);
    }

    /// Synchronises, after whatever the server does by itself.
    pub async fn sync(&self) -> Reply {
        for _ in 0..600 {
            let reply = self.script().post(&format!("{CONFIGURATION}/sync-ldap"), &json!({})).await;
            if reply.status != 409 || reply.json()["code"] != "ldap_sync_running" {
                return reply;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("another synchronisation does not end");
    }

    /// The latest run, over.
    pub async fn latest_run(&self) -> Value {
        for _ in 0..600 {
            let run = self.script().get(&format!("{CONFIGURATION}/ldap/runs")).await.expect(200).json()[0].clone();
            if run["state"] != "running" {
                return run;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the synchronisation does not end");
    }

    /// What a run did, as `action name detail`, sorted.
    pub async fn entries_of(&self, run: &Value) -> Vec<String> {
        let path = format!("{CONFIGURATION}/ldap/runs/{}/entries?pagination[limit]=100", run["id"].as_str().unwrap());
        let page = self.script().get(&path).await.expect(200).json();
        let word = |e: &Value, name: &str| e[name].as_str().unwrap().to_owned();
        let entries = page["data"].as_array().unwrap().iter();
        let line =
            |e: &Value| format!("{} {} {}", word(e, "action"), word(e, "name"), word(e, "detail")).trim().to_owned();
        let mut all: Vec<String> = entries.map(line).collect();
        all.sort();
        all
    }

    /// What the latest run did.
    pub async fn done(&self) -> Vec<String> {
        let run = self.latest_run().await;
        self.entries_of(&run).await
    }

    /// An account by its username.
    ///
    /// # Panics
    /// When there is none.
    pub async fn account(&self, username: &str) -> Value {
        self.find_account(username).await.unwrap_or_else(|| panic!("no {username}"))
    }

    /// An account by its username, if there is one.
    pub async fn find_account(&self, username: &str) -> Option<Value> {
        let page = self.script().get(&format!("/api/users?search={username}&pagination[limit]=100")).await.expect(200);
        page.json()["data"].as_array().unwrap().iter().find(|user| user["username"] == username).cloned()
    }

    /// The usernames of a group's members by its name, sorted; `None`: there is no such group.
    pub async fn members_of(&self, group: &str) -> Option<Vec<String>> {
        let script = self.script();
        let page =
            script.get(&format!("/api/user-groups?search={group}&pagination[limit]=100")).await.expect(200).json();
        let found = page["data"].as_array().unwrap().iter().find(|g| g["name"] == group)?.clone();
        let details =
            script.get(&format!("/api/user-groups/{}", found["id"].as_str().unwrap())).await.expect(200).json();
        let names = details["users"].as_array().unwrap().iter();
        let mut names: Vec<String> = names.map(|user| user["username"].as_str().unwrap().to_owned()).collect();
        names.sort();
        Some(names)
    }
}

/// A line to a directory, or to anything else.
pub struct Line {
    address: SocketAddr,
    passed: Arc<AtomicUsize>,
    cut_after: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Line {
    /// A line to a port of this machine.
    ///
    /// # Panics
    /// Without a free port.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (passed, cut_after) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(usize::MAX)));
        let (count, limit) = (Arc::clone(&passed), Arc::clone(&cut_after));
        let task = tokio::spawn(async move {
            while let Ok((ours, _)) = listener.accept().await {
                let (count, limit) = (Arc::clone(&count), Arc::clone(&limit));
                tokio::spawn(async move {
                    let Ok(theirs) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { return };
                    pass(ours, theirs, &count, &limit).await;
                });
            }
        });
        Self { address, passed, cut_after, task }
    }

    /// `ldap://…`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ldap://{}", self.address)
    }

    /// Bytes that came from the other side since this was asked last.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.passed.swap(0, Ordering::SeqCst)
    }

    /// Cuts the line in the middle of what comes, after so many bytes more.
    pub fn cut_after(&self, bytes: usize) {
        self.passed.store(0, Ordering::SeqCst);
        self.cut_after.store(bytes, Ordering::SeqCst);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(ours: TcpStream, theirs: TcpStream, count: &AtomicUsize, limit: &AtomicUsize) {
    let (mut from_us, mut to_us) = ours.into_split();
    let (mut from_them, mut to_them) = theirs.into_split();
    let out = tokio::io::copy(&mut from_us, &mut to_them);
    let back = async {
        let mut buffer = [0; 1024];
        while let Ok(n @ 1..) = from_them.read(&mut buffer).await {
            let before = count.fetch_add(n, Ordering::SeqCst);
            let left = limit.load(Ordering::SeqCst).saturating_sub(before);
            if to_us.write_all(&buffer[..n.min(left)]).await.is_err() || left < n {
                return;
            }
        }
    };
    tokio::select! {
        _ = out => {}
        () = back => {}
    }
}

/// An element of BER (X.690 §8.1).
///
/// # Panics
/// Beyond four gigabytes.
#[must_use]
pub fn ber(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length = u32::try_from(parts.iter().map(|part| part.len()).sum::<usize>()).expect("a length");
    [&[tag, 0x84][..], &length.to_be_bytes(), &parts.concat()].concat()
}

/// What a directory of our own writing is asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Below which entry, or for which.
    pub base: String,
    /// Whether it is about that entry alone.
    pub is_one: bool,
    /// Whether it goes on where a page ended.
    pub goes_on: bool,
    /// The names of the attributes.
    pub attributes: Vec<String>,
}

/// A part of an answer to a search.
#[derive(Clone, Debug)]
pub enum Told {
    /// An entry: its name, its attributes.
    Entry(String, Vec<(&'static str, Vec<Vec<u8>>)>),
    /// An operation, as it is.
    Raw(Vec<u8>),
    /// The end: a code, and what stands for the paging control's value, if there is one.
    End(u8, Option<Vec<u8>>),
}

/// The value of the paging control (RFC 2696) with a cookie.
#[must_use]
pub fn paging(cookie: &[u8]) -> Vec<u8> {
    ber(0x30, &[&[0x02, 1, 0], &ber(0x04, &[cookie])])
}

/// A directory that answers searches as it is told; a bind always succeeds. Gives its address.
///
/// # Panics
/// Without a free port.
pub async fn scripted(answer: impl Fn(&Asked) -> Vec<Told> + Send + Sync + 'static) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let url = format!("ldap://{}", listener.local_addr().expect("an address"));
    let answer = Arc::new(answer);
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let mut input = Vec::new();
                loop {
                    while let Some((message, rest)) = tlv(&input).filter(|(_, rest)| rest.is_some()) {
                        let out = respond(message.1, &*answer);
                        input = rest.unwrap_or_default().to_vec();
                        if stream.write_all(&out).await.is_err() {
                            return;
                        }
                    }
                    if !matches!(stream.read_buf(&mut input).await, Ok(1..)) {
                        return;
                    }
                }
            });
        }
    });
    (url, task)
}

/// An element: its tag and its content.
type Element<'a> = (u8, &'a [u8]);

/// The first element, and what comes after it, if it is there wholly.
fn tlv(bytes: &[u8]) -> Option<(Element<'_>, Option<&[u8]>)> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
    };
    let whole = rest.split_at_checked(length);
    Some(((tag, whole.map_or(rest, |(content, _)| content)), whole.map(|(_, rest)| rest)))
}

/// The elements of a constructed one.
fn parts(mut content: &[u8]) -> Vec<(u8, &[u8])> {
    let mut all = Vec::new();
    while let Some((one, Some(rest))) = tlv(content) {
        all.push(one);
        content = rest;
    }
    all
}

fn respond(message: &[u8], answer: &(dyn Fn(&Asked) -> Vec<Told> + Send + Sync)) -> Vec<u8> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let all = parts(message);
    let (id, (tag, content)) = (ber(0x02, &[all[0].1]), all[1]);
    let result = |tag: u8, code: u8| ber(tag, &[&[0x0a, 1, code, 0x04, 0, 0x04, 0]]);
    match tag {
        0x60 => return ber(0x30, &[&id, &result(0x61, 0)]),
        0x63 => {}
        _ => return Vec::new(),
    }
    let asked = parts(content);
    // The cookie is the last octet string of the control's value.
    let controls = all.get(2).map(|(_, controls)| parts(controls)).unwrap_or_default();
    let value = controls.first().and_then(|(_, control)| parts(control).last().copied());
    let cookie = value.and_then(|(_, value)| parts(parts(value).first()?.1).last().copied());
    let asked = Asked {
        base: text(asked[0].1),
        is_one: asked[1].1 == [0],
        goes_on: cookie.is_some_and(|(_, cookie)| !cookie.is_empty()),
        attributes: asked
            .last()
            .map(|(_, names)| parts(names).iter().map(|(_, name)| text(name)).collect())
            .unwrap_or_default(),
    };
    let mut out = Vec::new();
    for told in answer(&asked) {
        let operation = match told {
            Told::Entry(dn, attributes) => {
                let attributes = attributes.iter().map(|(name, values)| {
                    let values: Vec<Vec<u8>> = values.iter().map(|value| ber(0x04, &[value])).collect();
                    let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
                    ber(0x30, &[&ber(0x04, &[name.as_bytes()]), &ber(0x31, &values)])
                });
                let attributes: Vec<Vec<u8>> = attributes.collect();
                let attributes: Vec<&[u8]> = attributes.iter().map(Vec::as_slice).collect();
                ber(0x64, &[&ber(0x04, &[dn.as_bytes()]), &ber(0x30, &attributes)])
            }
            Told::Raw(operation) => operation,
            Told::End(code, None) => result(0x65, code),
            Told::End(code, Some(value)) => {
                let control = ber(0x30, &[&ber(0x04, &[b"1.2.840.113556.1.4.319"]), &ber(0x04, &[&value])]);
                out.extend(ber(0x30, &[&id, &result(0x65, code), &ber(0xa0, &[&control])]));
                continue;
            }
        };
        out.extend(ber(0x30, &[&id, &operation]));
    }
    out
}

/// A server that answers whatever it is asked with these bytes.
///
/// # Panics
/// Without a free port.
pub async fn babbler(answer: Vec<u8>) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let url = format!("ldap://{}", listener.local_addr().expect("an address"));
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                if stream.read(&mut request).await.is_ok() {
                    let _ = stream.write_all(&answer).await;
                }
                // Nobody hangs up here.
                while let Ok(1..) = stream.read(&mut request).await {}
            });
        }
    });
    (url, task)
}
