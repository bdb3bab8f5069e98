//! What a run says while it is under way, and keeps for afterwards.

use std::collections::HashMap;
use std::time::Duration;

use pid_flows::ldap::runs::{self, Begun, End, Removal};
use pid_flows::ldap::{Action, Counts, Line, Plan};
use pid_flows::{Code, Error};
use tokio::time::Instant;

use crate::state::App;

/// How often a run says how far it is.
const OFTEN: Duration = Duration::from_secs(1);
/// Lines of one kind that are kept; the others are only counted.
const KEPT: usize = 1000;
/// Lines that are written at once.
const LINES: usize = 500;

/// A run that is this process's no more.
pub(super) fn lost() -> Error {
    Error::with(Code::Unavailable, "another process has taken over")
}

/// Writes down what a run does.
pub(super) struct Reporter<'a> {
    app: &'a App,
    run: Begun,
    /// Whether it only looks.
    dry: bool,
    phase: &'static str,
    counts: Counts,
    lines: Vec<Line>,
    written: usize,
    kept: HashMap<(bool, Action), usize>,
    told: Instant,
}

impl<'a> Reporter<'a> {
    pub(super) fn new(app: &'a App, run: Begun, dry: bool) -> Self {
        Self {
            app,
            run,
            dry,
            phase: "reading",
            counts: Counts::default(),
            lines: Vec::new(),
            written: 0,
            kept: HashMap::new(),
            told: Instant::now(),
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.run.id
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// What an administrator said may go.
    pub(super) fn allowed(&self) -> Option<&Removal> {
        self.run.allowed.as_ref()
    }

    /// What is done from now on.
    pub(super) fn phase(&mut self, phase: &'static str) {
        self.phase = phase;
    }

    /// Notes a line.
    pub(super) fn add(&mut self, line: Line) {
        self.counts.add(&line);
        let kept = self.kept.entry((line.is_group, line.action)).or_default();
        if *kept < KEPT {
            *kept += 1;
            self.lines.push(line);
        }
    }

    /// Notes pictures and memberships, which are counted beside the lines.
    pub(super) fn count(&mut self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts);
    }

    /// Notes what was read.
    pub(super) fn found(&mut self, plan: &Plan) {
        (self.counts.users.found, self.counts.groups.found) = plan.found;
        self.counts.groups.members_unknown = plan.unknown_members;
    }

    /// Says how much was read so far.
    pub(super) async fn read(&mut self, found: (u64, u64)) -> Result<(), Error> {
        (self.counts.users.found, self.counts.groups.found) = found;
        self.tell().await
    }

    /// Says how far the run is, if it is time. It is over when LDAP was switched off meanwhile.
    pub(super) async fn tell(&mut self) -> Result<(), Error> {
        if self.told.elapsed() < OFTEN && self.lines.len() < LINES {
            return Ok(());
        }
        if !self.dry && !self.app.settings().ldap_enabled() {
            return Err(Error::with(Code::LdapDisabled, "LDAP was disabled while the synchronisation was under way"));
        }
        self.write().await
    }

    async fn write(&mut self) -> Result<(), Error> {
        while !self.lines.is_empty() || self.told.elapsed() >= OFTEN {
            let part: Vec<Line> = self.lines.drain(..self.lines.len().min(LINES)).collect();
            let (now, run, counts) = (self.app.clock().now(), self.run.clone(), self.counts.clone());
            let (phase, first) = (self.phase, self.written);
            self.written += part.len();
            let told = self.app.db().write(move |tx| runs::progress(tx, now, &run, phase, &counts, first, &part));
            if !told.await? {
                return Err(lost());
            }
            self.told = Instant::now();
        }
        Ok(())
    }

    /// Writes down what is left, and how it ended.
    pub(super) async fn end(mut self, end: &End) -> Result<(), Error> {
        let lines = self.write().await;
        let (now, run, counts, end) = (self.app.clock().now(), self.run, self.counts, end.clone());
        self.app.db().write(move |tx| runs::end(tx, now, &run, &counts, &end)).await?;
        lines
    }
}
