//! Places of public addresses, from a database in MaxMind's format (ops.md §7.3): a file that an operator supplies, or
//! one that is downloaded. It is held in memory, so a look waits for nothing, and replaced as a whole.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use flate2::read::GzDecoder;
use ipnet::Ipv6Net;
use maxminddb::{PathElement, Reader};
use pid_core::places::{Place, Places};

use crate::fetch::{FetchError, Fetcher, Limits, NamedBy, Request};

/// The largest file, bytes.
const MOST: u64 = 300 * 1024 * 1024;
/// What a download may cost: ten minutes, and redirects to where the file lies.
const LIMITS: Limits = Limits { time: Duration::from_secs(600), body: Some(300 * 1024 * 1024), redirects: 3 };
/// The names are read in the language of the audit log.
const COUNTRY: [PathElement<'_>; 3] = [PathElement::Key("country"), PathElement::Key("names"), PathElement::Key("en")];
const CITY: [PathElement<'_>; 3] = [PathElement::Key("city"), PathElement::Key("names"), PathElement::Key("en")];

/// Where the database is, and where it is downloaded from, if it is.
#[derive(Clone)]
pub struct Source {
    /// `GEOLITE_DB_PATH`.
    pub path: PathBuf,
    /// `GEOLITE_DB_URL` with the licence key in it, which makes it a secret.
    pub url: Option<String>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("path", &self.path).field("downloads", &self.url.is_some()).finish()
    }
}

/// Why there is no new database. The texts are for operators and name no address, since a licence key is in it.
#[derive(Debug, thiserror::Error)]
pub enum GeoError {
    /// The file can't be read or written.
    #[error("the file can't be used: {0}")]
    File(#[from] io::Error),
    /// It is no database, or a damaged one.
    #[error("it is no good database: {0}")]
    Database(String),
    /// The download failed.
    #[error("the download failed: {0}")]
    Fetch(#[from] FetchError),
    /// The server refused.
    #[error("the server answered {0}")]
    Status(u16),
}

/// By what a file is known to be another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// When it was written.
    pub modified: SystemTime,
    len: u64,
}

impl Stamp {
    /// That of a file, if there is one.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        Some(Self { modified: found.modified().ok()?, len: found.len() })
    }
}

/// The database in use.
#[derive(Default)]
pub struct Atlas {
    reader: ArcSwapOption<Reader<Vec<u8>>>,
    /// `LOCAL_IPV6_RANGES`: public addresses of the operator's own network.
    local: Vec<Ipv6Net>,
}

impl Atlas {
    /// One without a database; these networks count as our own.
    #[must_use]
    pub fn new(local: Vec<Ipv6Net>) -> Self {
        Self { reader: ArcSwapOption::empty(), local }
    }

    /// What it knows, for rules.
    #[must_use]
    pub fn places(self: &Arc<Self>) -> Places {
        let atlas = Arc::clone(self);
        Places::new(move |address| atlas.place(address))
    }

    fn place(&self, address: IpAddr) -> Place {
        if let IpAddr::V6(v6) = address
            && self.local.iter().any(|net| net.contains(&v6))
        {
            return Place::internal("LAN");
        }
        let reader = self.reader.load();
        let Some(found) = reader.as_ref().and_then(|reader| reader.lookup(address).ok()) else {
            return Place::default();
        };
        // A database of countries knows no cities.
        let name = |path: &[PathElement<'_>]| found.decode_path::<&str>(path).ok().flatten().unwrap_or_default();
        Place { country: short(name(&COUNTRY)), city: short(name(&CITY)) }
    }

    /// Reads a file and uses it from now on. With an error the one before stays in use. Takes a moment.
    ///
    /// # Errors
    /// [`GeoError`].
    pub fn load(&self, path: &Path) -> Result<(), GeoError> {
        self.reader.store(Some(Arc::new(read(path)?)));
        Ok(())
    }

    /// Uses no database any more: its file is gone.
    pub fn forget(&self) {
        self.reader.store(None);
    }
}

/// Names come from a file of others: no longer than they need to be.
fn short(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(100).collect()
}

fn read(path: &Path) -> Result<Reader<Vec<u8>>, GeoError> {
    let file = File::open(path)?;
    if file.metadata()?.len() > MOST {
        return Err(GeoError::Database("it is larger than 300 MB".to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes)?;
    let damaged = |error: maxminddb::MaxMindDbError| GeoError::Database(error.to_string());
    let reader = Reader::from_source(bytes).map_err(damaged)?;
    // A damaged tree would know no place at all, and say nothing.
    reader.verify().map_err(damaged)?;
    Ok(reader)
}

/// Downloads the database and puts it in the place of the one before, which stays if anything is wrong with the new one.
/// `tag` tells the unfinished file from those of other processes.
///
/// # Errors
/// [`GeoError`].
pub async fn download(fetcher: &Fetcher, url: &str, path: &Path, tag: &str) -> Result<(), GeoError> {
    let answer = fetcher.send(Request::get(url, NamedBy::Admin, LIMITS)).await?;
    if !answer.status.is_success() {
        return Err(GeoError::Status(answer.status.as_u16()));
    }
    let unfinished = path.with_file_name(format!("geolite.{tag}.mmdb.tmp"));
    let path = path.to_owned();
    let put = tokio::task::spawn_blocking(move || {
        let done = put(answer.body, &unfinished, &path);
        if done.is_err() {
            let _ = std::fs::remove_file(&unfinished);
        }
        done
    });
    put.await.map_err(|error| io::Error::other(error.to_string()))?
}

fn put(body: Bytes, unfinished: &Path, path: &Path) -> Result<(), GeoError> {
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        std::fs::create_dir_all(dir)?;
    }
    let mut file = File::create(unfinished)?;
    unpack(&body, &mut file)?;
    file.sync_all()?;
    drop((file, body));
    read(unfinished)?;
    Ok(std::fs::rename(unfinished, path)?)
}

/// Writes the database that a download holds: itself, or in a compressed archive.
fn unpack(body: &[u8], file: &mut File) -> Result<(), GeoError> {
    let write = |mut from: &mut dyn Read, file: &mut File| -> Result<(), GeoError> {
        let written = io::copy(&mut (&mut from).take(MOST + 1), file)?;
        if written > MOST { Err(GeoError::Database("it is larger than 300 MB".to_owned())) } else { Ok(()) }
    };
    if !body.starts_with(&[0x1f, 0x8b]) {
        return write(&mut &*body, file);
    }
    // What is unpacked is bounded, also where it is passed over.
    let mut archive = tar::Archive::new(GzDecoder::new(body).take(2 * MOST));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let is_database = entry.path()?.extension() == Some(OsStr::new("mmdb"));
        if is_database && entry.header().entry_type().is_file() {
            return write(&mut entry, file);
        }
    }
    Err(GeoError::Database("there is no .mmdb file in the archive".to_owned()))
}
