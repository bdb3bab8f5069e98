//! The stream of the audit log: every entry goes to a webhook or a syslog server as well, where an administrator wants
//! it. What is to be delivered is written with the entry; a job delivers it in batches, one at a time and the oldest
//! first, until it is taken.

use pid_core::Timestamp;
use pid_core::audit::Entry;
use pid_core::settings::Settings;
use pid_store::{ReadTx, WriteTx, audit_stream, instance, settings};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::Error;
use crate::outbox::{Answer, failure};
use crate::roles::ReadsAll;

/// The setting that says where to.
pub const URL: &str = "auditStreamUrl";
/// The setting with which webhooks are signed.
pub const SECRET: &str = "auditStreamSecret";

/// Entries that are sent at once.
const BATCH: i64 = 100;
/// The fact in the store that says how it goes.
const STATUS: &str = "audit_stream";
/// The pauses after failures, seconds; the last is kept. It is never given up.
const PAUSES: [i64; 8] = [1, 5, 20, 60, 300, 900, 1800, 3600];
/// A delivery that has said nothing after this long is lost, seconds. Longer than any takes.
const LOST_SECS: i64 = 60;

/// Where the stream goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To whoever answers at this address.
    Webhook(String),
    /// To a syslog server (RFC 5424).
    Syslog {
        /// Over a connection (RFC 6587 §3.4.1), or else in datagrams (RFC 5426).
        tcp: bool,
        /// Its name or address.
        host: String,
        /// Its port.
        port: u16,
    },
}

impl Target {
    /// Reads `https://…`, `http://…`, `udp://host:port` or `tcp://host:port`. The error follows the name of the setting.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const WRONG: &str = "must be an address like https://example.com/hook, udp://host:514 or tcp://host:601";
        let url = Url::parse(text).map_err(|_| WRONG)?;
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err("must have neither a user name nor a fragment");
        }
        let host = match url.host().ok_or(WRONG)? {
            Host::Domain("") => return Err(WRONG),
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(ip) => ip.to_string(),
            Host::Ipv6(ip) => ip.to_string(),
        };
        match (url.scheme(), url.port()) {
            ("http" | "https", _) => Ok(Self::Webhook(url.into())),
            ("udp" | "tcp", Some(port)) if port != 0 && matches!(url.path(), "" | "/") && url.query().is_none() => {
                Ok(Self::Syslog { tcp: url.scheme() == "tcp", host, port })
            }
            _ => Err(WRONG),
        }
    }

    /// Whether what is sent there is signed.
    pub fn is_signed(&self) -> bool {
        matches!(self, Self::Webhook(_))
    }
}

/// How the stream goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// Failures in a row.
    pub failures: i64,
    /// When the next attempt may begin.
    pub due_at: Option<Timestamp>,
    /// When entries were last taken.
    pub delivered_at: Option<Timestamp>,
    /// When that last failed.
    pub failed_at: Option<Timestamp>,
    /// The kind of the last failure; never what the other side said.
    pub failure: Option<String>,
}

fn status(tx: &ReadTx<'_>) -> Result<Status, Error> {
    let stored = instance::get(tx, STATUS)?;
    Ok(stored.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default())
}

fn set_status(tx: &WriteTx<'_>, status: &Status) -> Result<(), Error> {
    let json = serde_json::to_string(status).map_err(Error::internal)?;
    Ok(instance::put(tx, STATUS, &json)?)
}

/// How the stream goes, and how many entries wait.
pub fn look(tx: &ReadTx<'_>, _: &ReadsAll) -> Result<(Status, i64), Error> {
    Ok((status(tx)?, audit_stream::waiting(tx)?))
}

/// The address has changed: what waits goes to the new one, at once, or nowhere.
pub(crate) fn retarget(tx: &WriteTx<'_>, settings: &Settings) -> Result<(), Error> {
    if settings.get(URL).is_empty() {
        audit_stream::forget(tx)?;
    }
    set_status(tx, &Status::default())
}

/// Whether a delivery is due.
pub fn is_due(tx: &ReadTx<'_>, now: Timestamp) -> Result<bool, Error> {
    Ok(audit_stream::any(tx)? && status(tx)?.due_at.is_none_or(|due| due <= now))
}

/// Begins a delivery, if one is due: no other replica begins one meanwhile.
pub fn begin(tx: &WriteTx<'_>, now: Timestamp) -> Result<bool, Error> {
    if !is_due(tx, now)? {
        return Ok(false);
    }
    set_status(tx, &Status { due_at: Some(now.plus_secs(LOST_SECS)), ..status(tx)? })?;
    Ok(true)
}

/// Entries on their way.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The setting as it was when they were sent.
    url: String,
    /// Where to.
    pub target: Target,
    /// What a webhook is signed with.
    pub secret: String,
    /// The entries, the oldest first.
    pub entries: Vec<Entry>,
}

/// What is to be delivered; `None` if nothing waits any more, or nobody waits for it.
pub fn next(tx: &ReadTx<'_>) -> Result<Option<Delivery>, Error> {
    let settings = settings::load(tx)?;
    let entries = audit_stream::next(tx, BATCH)?;
    let Ok(target) = Target::parse(settings.get(URL)) else { return Ok(None) };
    let delivery =
        Delivery { url: settings.get(URL).to_owned(), target, secret: settings.get(SECRET).to_owned(), entries };
    Ok(Some(delivery).filter(|delivery| !delivery.entries.is_empty()))
}

/// Notes how a delivery ended.
pub fn record(tx: &WriteTx<'_>, now: Timestamp, delivery: &Delivery, answer: &Answer) -> Result<(), Error> {
    let before = status(tx)?;
    let after = match failure(answer) {
        None => {
            delivery.entries.iter().try_for_each(|entry| audit_stream::taken(tx, entry))?;
            Status { failures: 0, due_at: None, delivered_at: Some(now), ..before }
        }
        Some(kind) => {
            let pause = usize::try_from(before.failures).ok().and_then(|n| PAUSES.get(n)).unwrap_or(&3600);
            let kind = match answer {
                Answer::Status(status) => format!("{kind} {status}"),
                _ => kind.to_owned(),
            };
            Status {
                failures: before.failures + 1,
                due_at: Some(now.plus_secs(*pause)),
                failed_at: Some(now),
                failure: Some(kind),
                ..before
            }
        }
    };
    // What became of the old address says nothing of a new one.
    if settings::load(tx)?.get(URL) == delivery.url { set_status(tx, &after) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_webhooks_or_syslog_servers() {
        let syslog = |tcp, host: &str, port| Ok(Target::Syslog { tcp, host: host.to_owned(), port });
        for (text, want) in [
            ("https://siem.example/hook?x=1", Ok(Target::Webhook("https://siem.example/hook?x=1".to_owned()))),
            ("http://10.0.0.9:8080/", Ok(Target::Webhook("http://10.0.0.9:8080/".to_owned()))),
            ("udp://logs.lan:514", syslog(false, "logs.lan", 514)),
            ("tcp://192.168.1.4:601/", syslog(true, "192.168.1.4", 601)),
            ("tcp://[fd00::5]:601", syslog(true, "fd00::5", 601)),
        ] {
            assert_eq!(Target::parse(text), want, "{text}");
        }
        for bad in [
            "logs.lan:514",
            "udp://logs.lan",
            "udp://logs.lan:0",
            "tcp://logs.lan:601/path",
            "udp://:514",
            "tls://logs.lan:6514",
            "file:///etc/passwd",
            "https://me:secret@siem.example/",
            "https://siem.example/#part",
            "javascript:alert(1)",
            "",
        ] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }
}
