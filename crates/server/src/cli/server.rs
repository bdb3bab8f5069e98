//! `pocket-id server`.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use pid_core::progress::Progress;
use pid_http::state::Clock;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::{StartError, start};
use crate::config::Config;
use crate::declared::Wanted;
use crate::listener::notify;

/// How the server starts.
#[derive(Clone, Debug, Default, Args)]
pub struct Start {
    /// A file that declares settings, groups, people and clients; it is applied before the server listens.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// With --config: removes what was declared once and is no more.
    #[arg(long, requires = "config")]
    prune: bool,
}

impl Start {
    /// What is to be applied, if anything.
    #[must_use]
    pub fn declared(&self) -> Option<Wanted> {
        let file = self.config.clone()?;
        Some(Wanted {
            file,
            prune: self.prune,
            new_secrets: false,
            dry_run: false,
            leave_secrets: true,
            progress: Progress::default(),
        })
    }
}

/// Runs until SIGINT or SIGTERM; a second signal ends the process at once.
///
/// # Errors
/// [`StartError`].
pub async fn run(config: Config) -> Result<(), StartError> {
    let app_url = config.app_url.origin.clone();
    let running = start(config, Clock::default()).await?;
    // Before it says that it is ready: whoever waits for that may stop it at once, and in order.
    let mut signals = Signals::listen();
    let mut out = std::io::stdout();
    // Whoever starts it in a terminal wants the address, not a log line. A closed output is no reason to stop.
    let _ = writeln!(out, "Pocket ID is ready. Open {app_url} in your browser.");
    if running.waits_for_setup {
        let code = &running.setup_code;
        let _ = writeln!(
            out,
            "Nobody is set up yet. From another network, set-up asks for this code: {}-{}-{}",
            &code[..4],
            &code[4..8],
            &code[8..]
        );
    }
    let _ = out.flush();
    tracing::info!(address = %running.place, "listening");
    notify("READY=1");
    signals.next().await;
    tracing::info!("stopping");
    notify("STOPPING=1");
    tokio::spawn(async move {
        signals.next().await;
        std::process::exit(1);
    });
    running.stop().await;
    Ok(())
}

/// SIGTERM and SIGINT, from the moment of listening on: none that comes between two waits is lost.
struct Signals(Option<(Signal, Signal)>);

impl Signals {
    fn listen() -> Self {
        Self(signal(SignalKind::terminate()).and_then(|term| Ok((term, signal(SignalKind::interrupt())?))).ok())
    }

    async fn next(&mut self) {
        let Some((term, int)) = &mut self.0 else { return std::future::pending().await };
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    }
}
