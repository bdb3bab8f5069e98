//! Log lines.

use std::io::IsTerminal as _;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Where they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Standard output: the server's.
    Out,
    /// Standard error: of commands whose standard output is an answer.
    Err,
}

/// Installs the subscriber. A second call changes nothing.
pub fn init(level: &str, json: bool, output: Output) {
    // Plain targets: the filter that reads directives brings a compiler of regular expressions into memory.
    let loud = ["hyper", "h2", "tokio_postgres", "refinery_core"].map(|target| (target, LevelFilter::WARN));
    let filter = Targets::new().with_default(level.parse().unwrap_or(LevelFilter::INFO)).with_targets(loud);
    let (writer, colours) = match output {
        Output::Out => (BoxMakeWriter::new(std::io::stdout), std::io::stdout().is_terminal()),
        Output::Err => (BoxMakeWriter::new(std::io::stderr), std::io::stderr().is_terminal()),
    };
    let lines = tracing_subscriber::fmt::layer().with_target(false).with_writer(writer).with_ansi(colours);
    let registry = tracing_subscriber::registry().with(filter);
    let _ = if json { registry.with(lines.json()).try_init() } else { registry.with(lines).try_init() };
}
