//! Log lines.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

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
    let filter = EnvFilter::new(format!("{level},hyper=warn,h2=warn,tokio_postgres=warn,refinery_core=warn"));
    let (writer, colours) = match output {
        Output::Out => (BoxMakeWriter::new(std::io::stdout), std::io::stdout().is_terminal()),
        Output::Err => (BoxMakeWriter::new(std::io::stderr), std::io::stderr().is_terminal()),
    };
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(writer).with_ansi(colours);
    let _ = if json { builder.json().try_init() } else { builder.try_init() };
}
