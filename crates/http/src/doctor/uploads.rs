//! Whether pictures can be kept where new ones go, and had from where they are.

use bytes::Bytes;
use pid_core::files::{Place, Placed, backend_name};
use pid_core::{Entropy, Timestamp};
use pid_flows::Error;
use pid_integrations::files::{Files, FilesError};
use pid_store::{ReadTx, files};

use super::{Finding, Level, Subject};
use crate::i18n::key;
use crate::state::seed;

/// So many are looked at on a page; the command line looks at all.
const SOME: usize = 30;

pub(super) async fn examine(subject: &Subject) -> Vec<Finding> {
    let (title, backend) = (key("doctor-uploads"), subject.files.backend());
    let read = subject.db.read(|tx: &ReadTx<'_>| files::places(tx).map_err(Error::from)).await;
    // That the database can't be read is said elsewhere.
    let Ok(places) = read else { return Vec::new() };
    let name = backend_name(backend);
    let mut out = Vec::new();
    if let Some(place) = backend
        && let Err(error) = try_out(&subject.files, place, subject.now).await
    {
        let finding = Finding::new(Level::Problem, title, key("doctor-uploads-failed"));
        out.push(finding.mend(key("doctor-uploads-failed-mend")).with("backend", name).with("reason", error));
    }
    out.extend(unread(subject).await);
    for (place, n) in places.iter().filter(|(place, _)| *place != name) {
        let finding = Finding::new(Level::Note, title, key("doctor-uploads-elsewhere"));
        out.push(
            finding.mend(key("doctor-uploads-elsewhere-mend")).with("n", n).with("place", place).with("backend", name),
        );
    }
    if out.is_empty() {
        let n: i64 = places.iter().map(|(_, n)| n).sum();
        out.push(Finding::new(Level::Good, title, key("doctor-uploads-good")).with("n", n).with("backend", name));
    }
    out
}

/// Keeps something that nobody needs, reads it and removes it.
async fn try_out(files: &Files, place: Place, now: Timestamp) -> Result<(), FilesError> {
    let name = files.key(place, "doctor", &format!("{}.txt", Entropy::new(seed()).uuid()));
    let placed = files.put(place, name, "text/plain", &Bytes::from(now.to_string())).await?;
    let read = files.read(&placed).await;
    files.remove(place, &placed.key).await?;
    read.map(drop)
}

/// Of those that are elsewhere, which can't be had.
async fn unread(subject: &Subject) -> Option<Finding> {
    let (mut looked, mut lost, mut first) = (0, 0, None);
    let most = if subject.deep { usize::MAX } else { SOME };
    'all: for place in [Place::Filesystem, Place::S3] {
        let mut last = String::new();
        loop {
            let after = last.clone();
            let page = subject
                .db
                .read(move |tx: &ReadTx<'_>| files::elsewhere(tx, place, &after, 200).map_err(Error::from))
                .await;
            let page: Vec<(String, Placed)> = page.ok()?;
            let Some((_, end)) = page.last() else { break };
            last.clone_from(&end.key);
            for (path, placed) in page {
                if looked >= most {
                    break 'all;
                }
                looked += 1;
                match subject.files.read(&placed).await {
                    Ok(_) => {}
                    // The server is away, so all are: once is enough.
                    Err(error @ (FilesError::Unreached(_) | FilesError::NoBucket | FilesError::Refused { .. })) => {
                        (lost, first) = (lost + 1, first.or_else(|| Some(format!("{path}: {error}"))));
                        break 'all;
                    }
                    Err(error) => (lost, first) = (lost + 1, first.or_else(|| Some(format!("{path}: {error}")))),
                }
            }
        }
    }
    let reason = first?;
    let finding = Finding::new(Level::Warning, key("doctor-uploads"), key("doctor-uploads-lost"));
    Some(finding.mend(key("doctor-uploads-lost-mend")).with("n", lost).with("looked", looked).with("reason", reason))
}
