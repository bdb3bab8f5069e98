//! `/settings/admin/system`: what is wrong with this installation, and how to mend it.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use pid_flows::diagnosis;

use super::client_diagnoses::DiagnosisView;
use crate::doctor::{Finding, Here, Level, examine_app};
use crate::pages::{Layout, PageError, PageRequest, page};
use crate::state::App;

/// The page.
#[derive(Debug, Template)]
#[template(path = "admin/system.html")]
pub struct SystemPage {
    /// What every page needs.
    pub layout: Layout,
    /// What was found, the worst first.
    pub findings: Vec<Finding>,
    /// The id of a failed sign-in that somebody looks for; empty if nobody does.
    pub asked: String,
    /// What was found of it.
    pub faults: Vec<DiagnosisView>,
}

impl SystemPage {
    /// Class and icon of a level.
    fn looks(&self, finding: &Finding) -> (&'static str, &'static str) {
        match finding.level {
            Level::Good => ("badge-ok", "check"),
            Level::Note => ("", "info"),
            Level::Warning => ("badge-warn", "alert"),
            Level::Problem => ("badge-danger", "alert"),
        }
    }
}

/// `GET /settings/admin/system`: looks at everything anew.
pub async fn examine(State(app): State<App>, request: PageRequest, here: Here) -> Result<Response, PageError> {
    let asked: String = request.param("diagnosis").unwrap_or_default().chars().take(16).collect();
    let wanted = asked.clone();
    let read = request.read(&app, move |tx, credentials, ctx| {
        let who = credentials.reads_all(tx, ctx.now)?;
        if wanted.is_empty() { Ok(Vec::new()) } else { diagnosis::all(tx, &who, ctx.now, Some(&wanted)) }
    });
    let found = read.await?;
    let words = request.layout.words;
    let faults = found.into_iter().map(|seen| DiagnosisView::new(seen, words, None)).collect();
    let mut findings = Box::pin(examine_app(&app, here)).await;
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    Ok(page(StatusCode::OK, &SystemPage { layout: request.layout, findings, asked, faults }))
}
