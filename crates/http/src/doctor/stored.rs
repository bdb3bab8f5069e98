//! What is wrong with the data: the database and where it lies, clocks, keys, backups, and sign-ins that failed.

use std::path::Path;
use std::time::{Duration, Instant};

use pid_core::{KeyState, Timestamp, UserId, diagnosis};
use pid_flows::{self as flows, Error};
use pid_integrations::file_system;
use pid_store::{ReadTx, doctor, instance, keys, passkeys, users};

use super::{Finding, Level, Subject, unopened};
use crate::i18n::key;

/// How long something may have been due for sending, seconds.
const LATE_SECS: i64 = 900;
/// Clocks may differ by as much, seconds.
const SKEW_SECS: i64 = 10;
/// What was written may be as much later than now, seconds: replicas' clocks differ, too.
const FUTURE_SECS: i64 = 60;
/// A backup by the clock is old then, hours: eight days, for those who make one a week.
const OLD_BACKUP_HOURS: i64 = 192;
/// A commit should not take longer.
const SLOW: Duration = Duration::from_millis(500);
/// Faults of sign-ins that are told.
const MOST_FAULTS: usize = 8;
/// What the store says, read in one transaction.
struct Stored {
    facts: doctor::Facts,
    damage: Option<String>,
    rp_id: Option<String>,
    owners: usize,
    has_person: bool,
    has_admin: bool,
    signs: bool,
    backup_at: Option<Timestamp>,
    /// Why sign-ins failed lately, with the names of the apps.
    faults: Vec<(Option<String>, diagnosis::Finding)>,
}

fn look(tx: &ReadTx<'_>, now: Timestamp, deep: bool) -> Result<Stored, Error> {
    let settings = pid_store::settings::load(tx)?;
    let nobody = UserId::new(String::new());
    Ok(Stored {
        facts: doctor::facts(tx, now.plus_secs(-LATE_SECS))?,
        damage: if deep { doctor::damage(tx)? } else { None },
        rp_id: instance::get(tx, "rp_id")?,
        owners: passkeys::owners(tx)?.len(),
        has_person: users::any_person(tx)?,
        has_admin: users::other_admin(tx, &nobody, &settings.passkey_policy().at_use())?,
        backup_at: instance::get(tx, "backup_done_at")?.and_then(|text| text.parse().ok()).map(Timestamp::from_millis),
        signs: keys::all(tx)?.iter().any(|key| key.state == KeyState::Active),
        faults: flows::diagnosis::lately(tx, now.plus_secs(-24 * 3600), MOST_FAULTS)?,
    })
}

pub(super) async fn database(subject: &Subject) -> Vec<Finding> {
    let (now, deep) = (subject.now, subject.deep);
    let began = Instant::now();
    let written = subject.db.write(move |tx| doctor::try_to_write(tx, now).map_err(Error::from)).await;
    let took = began.elapsed();
    let stored = match subject.db.read(move |tx| look(tx, now, deep)).await {
        Ok(stored) => stored,
        Err(error) => return vec![unopened(&error.message)],
    };
    let title = key("doctor-database");
    let size = stored.facts.bytes.unsigned_abs().div_ceil(1 << 20);
    let about = |finding: Finding| finding.with("size", size).with("millis", took.as_millis());
    let database = match (&written, &stored.damage) {
        (Err(error), _) => Finding::new(Level::Problem, title, key("doctor-database-read-only"))
            .mend(key("doctor-database-read-only-mend"))
            .with("reason", &error.message),
        (_, Some(damage)) => Finding::new(Level::Problem, title, key("doctor-database-damaged"))
            .mend(key("doctor-database-damaged-mend"))
            .with("reason", damage),
        _ if took > SLOW => about(
            Finding::new(Level::Warning, title, key("doctor-database-slow")).mend(key("doctor-database-slow-mend")),
        ),
        _ => about(Finding::new(Level::Good, title, key("doctor-database-good"))),
    };
    let mut out = vec![database, clock(&stored.facts, now), passkeys_of(subject, &stored)];
    if stored.has_person && !stored.has_admin {
        let title = key("doctor-admin");
        out.push(Finding::new(Level::Problem, title, key("doctor-admin-none")).mend(key("doctor-admin-none-mend")));
    }
    let title = key("doctor-signing");
    out.push(if stored.signs {
        Finding::new(Level::Good, title, key("doctor-signing-good"))
    } else {
        Finding::new(Level::Warning, title, key("doctor-signing-none")).mend(key("doctor-signing-none-mend"))
    });
    out.push(backup(stored.backup_at, now));
    if stored.faults.is_empty() {
        out.push(Finding::new(Level::Good, key("doctor-sign-ins"), key("doctor-sign-ins-good")));
    }
    out.extend(stored.faults.into_iter().map(|(name, found)| Finding::of_app(name, found)));
    if stored.facts.late > 0 {
        let finding = Finding::new(Level::Warning, key("doctor-outbox"), key("doctor-outbox-late"));
        out.push(finding.mend(key("doctor-outbox-late-mend")).with("n", stored.facts.late));
    }
    out
}

fn clock(facts: &doctor::Facts, now: Timestamp) -> Finding {
    let title = key("doctor-clock");
    let ahead = facts.newest.map_or(0, |newest| newest.secs() - now.secs());
    if ahead > FUTURE_SECS {
        let finding = Finding::new(Level::Problem, title, key("doctor-clock-behind"));
        return finding.mend(key("doctor-clock-mend")).with("seconds", ahead);
    }
    match facts.clock.map(|theirs| (theirs.secs() - now.secs()).abs()).filter(|skew| *skew > SKEW_SECS) {
        Some(skew) => Finding::new(Level::Warning, title, key("doctor-clock-differs"))
            .mend(key("doctor-clock-mend"))
            .with("seconds", skew),
        None => Finding::new(Level::Good, title, key("doctor-clock-good")),
    }
}

/// Somebody may make backups by other means, so none of ours is only worth a note.
fn backup(done: Option<Timestamp>, now: Timestamp) -> Finding {
    let title = key("doctor-backup");
    let hours = |at: Timestamp| (now.secs() - at.secs()) / 3600;
    match done.map(hours) {
        None => Finding::new(Level::Note, title, key("doctor-backup-none")).mend(key("doctor-backup-none-mend")),
        Some(hours) if hours >= OLD_BACKUP_HOURS => {
            let finding = Finding::new(Level::Warning, title, key("doctor-backup-old"));
            finding.mend(key("doctor-backup-old-mend")).with("hours", hours)
        }
        Some(hours) => Finding::new(Level::Good, title, key("doctor-backup-good")).with("hours", hours.max(0)),
    }
}

fn passkeys_of(subject: &Subject, stored: &Stored) -> Finding {
    let (title, host) = (key("doctor-passkeys"), subject.app_url.host.as_str());
    match stored.rp_id.as_deref().filter(|known| *known != host && stored.owners > 0) {
        Some(known) => Finding::new(Level::Problem, title, key("doctor-passkeys-other"))
            .mend(key("doctor-passkeys-other-mend"))
            .with("known", known)
            .with("host", host)
            .with("n", stored.owners),
        None => Finding::new(Level::Good, title, key("doctor-passkeys-good")).with("host", host),
    }
}

/// Where the file lies and who may read it.
pub(super) fn files(path: &Path) -> Option<Finding> {
    let title = key("doctor-files");
    let shown = path.display();
    if let Some(kind) = file_system::network_kind(path) {
        let finding = Finding::new(Level::Problem, title, key("doctor-files-network"));
        return Some(finding.mend(key("doctor-files-network-mend")).with("path", shown).with("kind", kind));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let open = |path: &Path| std::fs::metadata(path).is_ok_and(|m| m.permissions().mode() & 0o007 != 0);
        if open(path) && open(folder) {
            let finding = Finding::new(Level::Warning, title, key("doctor-files-open"));
            return Some(finding.mend(key("doctor-files-open-mend")).with("path", shown));
        }
    }
    Some(Finding::new(Level::Good, title, key("doctor-files-good")).with("path", shown))
}
