//! `pocket-id doctor`: what is wrong with this installation, and how to mend it. The server may run or not.

use clap::Args;
use pid_core::settings::Settings;
use pid_http::doctor::{self, Finding, FindingDto, Level, Subject};
use pid_http::i18n::words;
use pid_http::middleware::client_ip::Proxies;
use pid_http::state::Clock;
use pid_integrations::fetch::Fetcher;
use pid_integrations::files::Files;
use pid_store::Db;

use super::open;
use crate::config::Config;
use crate::{app, encryption_key};

/// How to answer.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Answers in JSON: a list of findings.
    #[arg(long)]
    json: bool,
}

/// Examines, and gives what to print and whether there is no problem. Warnings are none.
pub async fn run(config: &Config, command: &Doctor) -> (String, bool) {
    let mut findings = match open(config).await {
        Ok(db) => {
            let findings = Box::pin(examine(config, &db)).await;
            db.close().await;
            findings
        }
        Err(error) => vec![doctor::unopened(error.trim_end_matches('.'))],
    };
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    let (english, healthy) = (words("en"), findings.iter().all(|finding| finding.level < Level::Problem));
    if command.json {
        let all: Vec<FindingDto> = findings.iter().map(|finding| FindingDto::new(finding, english)).collect();
        return (serde_json::to_string_pretty(&all).unwrap_or_default(), healthy);
    }
    let lines: Vec<String> = findings.iter().map(line).collect();
    (lines.join("\n"), healthy)
}

async fn examine(config: &Config, db: &Db) -> Vec<Finding> {
    let key = encryption_key::existing_key(config, db).await.err().map(|error| error.to_string());
    let settings = match &config.settings {
        Some(settings) => settings.clone(),
        None => {
            let stored = db.read(|tx| pid_store::settings::load(tx).map_err(pid_flows::Error::from)).await;
            stored.unwrap_or_else(|_| Settings::default())
        }
    };
    let fetcher = Fetcher::new(app::guard(config));
    let proxies = Proxies { trusted: config.trusted_proxies.clone(), platform_header: config.platform_header.clone() };
    let subject = Subject {
        db: db.clone(),
        app_url: config.app_url.clone(),
        settings,
        files: Files::new(config.files.clone(), fetcher.clone()),
        fetcher,
        proxies,
        limits: config.rate_limiting,
        tls: config.tls.is_some(),
        now: Clock::default().now(),
        deep: true,
        here: None,
    };
    let mut findings = doctor::examine(&subject).await;
    findings.push(doctor::encryption_key(key.as_deref()));
    findings
}

fn line(finding: &Finding) -> String {
    let english = words("en");
    let mark = match finding.level {
        Level::Good => "ok",
        Level::Note => "note",
        Level::Warning => "warning",
        Level::Problem => "PROBLEM",
    };
    let says = finding.says(english);
    let remedy = finding.remedy(english).map(|remedy| format!("\n{:11}{remedy}", "")).unwrap_or_default();
    format!("{:10} {}: {says}{remedy}", format!("[{mark}]"), english.get(&finding.title))
}
