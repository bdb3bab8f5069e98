//! Synchronising with a directory, from reading it to the report: for the API and the job. What is read comes page by
//! page, what is written goes in small transactions, and in between a run says how far it is.

mod guard;
mod pictures;
mod read;
mod report;
mod write;

use std::sync::Arc;
use std::time::Duration;

use pid_core::ldap::Directory;
use pid_flows::access::Credentials;
use pid_flows::ldap::Known;
use pid_flows::ldap::runs::{self, Begun, Cause, End, Removal};
use pid_flows::{Code, Error};
use pid_integrations::ldap::LdapError;

use crate::state::App;
use report::Reporter;
use write::Hand;

/// Rows of one transaction.
const BATCH: usize = 100;
/// Between two signs of life of a run, which may wait for a directory meanwhile.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// Why a run ended early.
#[derive(Debug)]
enum Stop {
    /// The directory.
    Directory(LdapError),
    /// It has more than is taken over.
    TooMuch(pid_flows::ldap::TooMuch),
    /// More would go than may.
    Removal(Removal),
    /// The store, or another replica took over.
    Store(Error),
}

impl From<LdapError> for Stop {
    fn from(error: LdapError) -> Self {
        Self::Directory(error)
    }
}

impl From<pid_flows::ldap::TooMuch> for Stop {
    fn from(error: pid_flows::ldap::TooMuch) -> Self {
        Self::TooMuch(error)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// A run by id, and how it ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its id.
    pub run: String,
    /// How.
    pub end: End,
}

impl Ended {
    /// The refusal that a run is which did not do what it should.
    ///
    /// # Errors
    /// `ldap_sync_stopped`, `ldap_failed`.
    pub fn check(self) -> Result<Self, Error> {
        match &self.end {
            End::Done => Ok(self),
            End::Failed(why) => Err(failed(why)),
            End::Stopped(removal) => Err(Error::new(Code::LdapSyncStopped)
                .detail("run", self.run.clone())
                .detail("users", removal.users.to_string())
                .detail("groups", removal.groups.to_string())
                .detail("members", removal.members.to_string())
                .detail("admins", removal.admins.to_string())),
        }
    }
}

/// What a directory or its trouble says, as a refusal.
pub fn failed(why: &str) -> Error {
    Error::with(Code::LdapFailed, format!("The directory could not be read: {why}"))
}

/// The directory that the settings name.
///
/// # Errors
/// `ldap_disabled`, `validation_failed`.
pub fn directory(app: &App) -> Result<Directory, Error> {
    let settings = app.settings();
    if !settings.ldap_enabled() {
        return Err(Error::new(Code::LdapDisabled));
    }
    Ok(Directory::from_settings(&settings)?)
}

/// Makes a run, to its end even if nobody waits for it any more. `creds` are those of the administrator who asks.
///
/// # Errors
/// When it can't begin.
pub async fn run(app: &App, directory: Directory, cause: Cause, creds: Option<Credentials>) -> Result<Ended, Error> {
    let (ctx, asked) = (app.ctx("LDAP"), cause.clone());
    let begun = app
        .db()
        .write(move |tx| {
            let admin = creds.as_ref().map(|creds| creds.admin(tx, ctx.now)).transpose()?;
            runs::begin(tx, &ctx, &asked, admin.as_ref())
        })
        .await?;
    let app = app.clone();
    let done = tokio::spawn(async move { to_the_end(&app, directory, &cause, begun).await });
    done.await.map_err(Error::internal)
}

async fn to_the_end(app: &App, directory: Directory, cause: &Cause, begun: Begun) -> Ended {
    let dry = *cause == Cause::DryRun;
    let mut reporter = Reporter::new(app, begun.clone(), dry);
    let done = tokio::select! {
        done = Box::pin(synchronise(app, &directory, dry, &mut reporter)) => done,
        () = lost(app, &begun) => Err(report::lost().into()),
        () = app.waits().ended() => Err(Error::with(Code::Unavailable, "the server stopped meanwhile").into()),
    };
    let end = match done {
        Ok(()) => End::Done,
        Err(Stop::Removal(removal)) => End::Stopped(removal),
        Err(Stop::Directory(error)) => End::Failed(error.to_string()),
        Err(Stop::TooMuch(error)) => End::Failed(error.to_string()),
        Err(Stop::Store(error)) => End::Failed(error.message),
    };
    let run = reporter.id().to_owned();
    match &end {
        End::Done => {
            tracing::info!(run, dry, counts = ?reporter.counts(), "LDAP: synchronised");
        }
        End::Stopped(removal) => tracing::warn!(run, ?removal, "LDAP: stopped, since more would go than may unasked"),
        End::Failed(why) => tracing::warn!(run, why, "LDAP: the synchronisation failed"),
    }
    if let Err(error) = reporter.end(&end).await {
        tracing::warn!(run, %error, "LDAP: the end of the synchronisation could not be written");
    }
    Ended { run, end }
}

async fn synchronise(app: &App, directory: &Directory, dry: bool, reporter: &mut Reporter<'_>) -> Result<(), Stop> {
    let known = load(app).await?;
    let plan = Arc::new(read::read(app, directory, known, reporter).await?);
    reporter.found(&plan);
    for line in &plan.skipped {
        reporter.add(line.clone());
    }
    let differences = write::compare(app, &plan).await?;
    // A group that is gone takes its memberships with it.
    let with_groups = write::members_of_gone(app, &plan).await?;
    let removal = guard::removal(directory, &plan, &differences, with_groups);
    let is_allowed = reporter.allowed() == Some(&removal);
    let stops = !guard::lets_go(directory, &plan, &differences, &removal, with_groups) && !is_allowed;
    // What would have been done is in the report of a stopped run too.
    let hand = if dry || stops { Hand::imagining(app).await? } else { Hand::Doing };
    write::apply(app, &hand, directory, &plan, differences, reporter).await?;
    if !directory.person.picture.is_empty() {
        pictures::take_over(app, &hand, directory, reporter).await?;
    }
    if stops { Err(Stop::Removal(removal)) } else { Ok(()) }
}

/// Holds on to a run; returns when another process has taken over.
async fn lost(app: &App, begun: &Begun) {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        let (now, run) = (app.clock().now(), begun.clone());
        if let Ok(false) = app.db().write(move |tx| runs::beat(tx, now, &run)).await {
            return;
        }
    }
}

/// What is here of the directory, in steps that hold up nobody.
async fn load(app: &App) -> Result<Known, Error> {
    let (mut known, mut last) = (Known::default(), (String::new(), String::new()));
    loop {
        let after = last.clone();
        let step = app.db().read(move |tx| {
            let (mut known, mut last) = (Known::default(), after.clone());
            let more = runs::load(tx, &mut known, &mut last)?;
            Ok::<_, Error>((known, last, more))
        });
        let (more_known, here, more) = step.await?;
        known.people.extend(more_known.people);
        known.groups.extend(more_known.groups);
        last = here;
        if !more {
            return Ok(known);
        }
        tokio::task::yield_now().await;
    }
}
