//! Reading a directory into a plan.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use pid_core::Entropy;
use pid_core::ldap::{Directory, sibling};
use pid_flows::Error;
use pid_flows::ldap::{Known, Plan, Reading, Whereabouts, runs};
use pid_integrations::ldap::{self, PAGE, Presence, Search, Session};

use super::Stop;
use super::report::Reporter;
use crate::state::{App, seed};

/// How long reading may take.
const TIME: Duration = Duration::from_secs(20 * 60);
/// How long entries that a search did not find are looked for one by one. Whoever is left counts as present.
const LOOK_FOR: Duration = Duration::from_secs(5 * 60);
/// Names of entries that are read from the store at once.
const NAMES: usize = 500;

/// Reads people, then groups, and what is to be done about them.
pub(super) async fn read(
    app: &App,
    directory: &Directory,
    known: Known,
    reporter: &mut Reporter<'_>,
) -> Result<Plan, Stop> {
    let mut session = ldap::connect(app.fetcher(), &directory.server, TIME).await?;
    let mut reading = Reading::new(directory, known);
    people(directory, &mut session, &mut reading, reporter).await?;
    // Before groups: whoever is hidden stays in them.
    look_after(app, directory, &mut session, &mut reading, reporter, false).await?;
    groups(directory, &mut session, &mut reading, reporter).await?;
    look_after(app, directory, &mut session, &mut reading, reporter, true).await?;
    members(directory, &mut session, &mut reading, reporter).await?;
    Ok(reading.finish()?)
}

async fn people(
    directory: &Directory,
    session: &mut Session,
    reading: &mut Reading<'_>,
    reporter: &mut Reporter<'_>,
) -> Result<(), Stop> {
    let names = &directory.person;
    let wanted = [&names.id, &names.username, &names.email, &names.first_name, &names.last_name, &names.display_name];
    let attributes = wanted.into_iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
    let search = Search { base: &directory.base, filter: &directory.people_filter, attributes, page: PAGE };
    let mut pages = session.search(search);
    loop {
        let page = pages.next().await?;
        if page.is_empty() {
            pages.referrals().iter().for_each(|address| reading.referral(false, address));
            return Ok(());
        }
        for entry in &page {
            reading.person(entry)?;
        }
        reporter.read(reading.found()).await?;
    }
}

async fn groups(
    directory: &Directory,
    session: &mut Session,
    reading: &mut Reading<'_>,
    reporter: &mut Reporter<'_>,
) -> Result<(), Stop> {
    let Some(names) = &directory.group else { return Ok(()) };
    let wanted = [&names.id, &names.name, &names.member];
    let attributes = wanted.into_iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
    // Groups may be large.
    let search = Search { base: &directory.base, filter: &directory.group_filter, attributes, page: PAGE / 10 };
    let mut pages = session.search(search);
    loop {
        let page = pages.next().await?;
        if page.is_empty() {
            pages.referrals().iter().for_each(|address| reading.referral(true, address));
            return Ok(());
        }
        for entry in &page {
            reading.group(entry, names)?;
        }
        reporter.read(reading.found()).await?;
    }
}

/// Below which entries a server says the same of what is not there as of what is hidden.
type Silent = HashMap<String, bool>;

/// Asks for an entry by its name. Servers that say of everything that is not there what others say of what is hidden (as
/// LLDAP does) are found out by asking for an entry beside it that can't be.
async fn look_for(
    session: &mut Session,
    dn: &str,
    attributes: &[&str],
    silent: &mut Silent,
) -> Result<Whereabouts, Stop> {
    Ok(match session.read(dn, attributes).await? {
        Presence::There(entry) => Whereabouts::There(entry),
        Presence::Gone => Whereabouts::Gone,
        Presence::Untold => Whereabouts::Untold,
        Presence::Hidden => {
            let nobody = Entropy::new(seed()).uuid();
            let Some((beside, above)) = sibling(dn, &nobody) else { return Ok(Whereabouts::Hidden) };
            let says_nothing = match silent.get(&above) {
                Some(known) => *known,
                None => session.read(&beside, attributes).await? == Presence::Hidden,
            };
            silent.insert(above, says_nothing);
            if says_nothing { Whereabouts::Gone } else { Whereabouts::Hidden }
        }
    })
}

/// Asks for the entries of who, or of what, was here and was not found: who is hidden is not gone.
async fn look_after(
    app: &App,
    directory: &Directory,
    session: &mut Session,
    reading: &mut Reading<'_>,
    reporter: &mut Reporter<'_>,
    is_group: bool,
) -> Result<(), Stop> {
    let attribute = match &directory.group {
        Some(names) if is_group => &names.id,
        _ => &directory.person.id,
    };
    let (began, mut silent) = (Instant::now(), Silent::new());
    for part in reading.absent(is_group).chunks(NAMES) {
        let part = part.to_vec();
        let names: Result<_, Error> = app.db().read(move |tx| runs::names(tx, is_group, &part)).await;
        for (id, dn) in names? {
            let place = match &dn {
                Some(dn) if began.elapsed() < LOOK_FOR => look_for(session, dn, &[attribute], &mut silent).await?,
                _ => Whereabouts::Untold,
            };
            reading.looked_after(is_group, &id, dn.as_deref(), &place)?;
        }
        reporter.read(reading.found()).await?;
    }
    Ok(())
}

/// Asks for the entries of members that are known under no name.
async fn members(
    directory: &Directory,
    session: &mut Session,
    reading: &mut Reading<'_>,
    reporter: &mut Reporter<'_>,
) -> Result<(), Stop> {
    let (names, began, mut silent) = (&directory.person, Instant::now(), Silent::new());
    for (at, dn) in reading.lookups().into_iter().enumerate() {
        if began.elapsed() >= LOOK_FOR {
            break;
        }
        let place = look_for(session, &dn, &[&names.id, &names.username], &mut silent).await?;
        reading.looked_up(&dn, &place);
        if at % NAMES == 0 {
            reporter.read(reading.found()).await?;
        }
    }
    Ok(())
}
