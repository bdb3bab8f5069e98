//! Log lines.

use std::io::IsTerminal as _;

use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::otlp::Exporters;

/// Where they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Standard output: the server's.
    Out,
    /// Standard error: of commands whose standard output is an answer.
    Err,
}

/// Installs the subscriber. A second call changes nothing.
pub fn init(level: &str, json: bool, output: Output, exporters: &Exporters) {
    // Plain targets: the filter that reads directives brings a compiler of regular expressions into memory.
    let loud = ["hyper", "h2", "tokio_postgres", "refinery_core"].map(|target| (target, LevelFilter::WARN));
    let filter = Targets::new().with_default(level.parse().unwrap_or(LevelFilter::INFO)).with_targets(loud);
    if exporters.are_none() {
        let _ = tracing_subscriber::registry().with(filter).with(lines(json, output)).try_init();
        return;
    }
    // Spans are made whatever is logged.
    let lines = lines(json, output).with_filter(filter.clone()).boxed();
    let layers: Vec<_> = [Some(lines), exporters.spans(), exporters.records(filter)].into_iter().flatten().collect();
    let _ = tracing_subscriber::registry().with(layers).try_init();
}

/// What writes lines.
fn lines<S>(json: bool, output: Output) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let (writer, colours) = match output {
        Output::Out => (BoxMakeWriter::new(std::io::stdout), std::io::stdout().is_terminal()),
        Output::Err => (BoxMakeWriter::new(std::io::stderr), std::io::stderr().is_terminal()),
    };
    let lines = tracing_subscriber::fmt::layer().with_target(false).with_writer(writer).with_ansi(colours);
    if json { lines.json().boxed() } else { lines.boxed() }
}
