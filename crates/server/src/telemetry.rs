//! Log lines on standard output.

use tracing_subscriber::EnvFilter;

/// Installs the subscriber. A second call changes nothing.
pub fn init(level: &str, json: bool) {
    let filter = EnvFilter::new(format!("{level},hyper=warn,h2=warn,tokio_postgres=warn,refinery_core=warn"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    let _ = if json { builder.json().try_init() } else { builder.try_init() };
}
