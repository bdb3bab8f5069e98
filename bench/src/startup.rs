//! How long a start takes, and what is delivered.

use std::path::Path;

use crate::Result;
use crate::options::Options;
use crate::report::Fact;
use crate::server::{Home, Server, cargo};

/// Starts from nothing and again.
const STARTS: usize = 5;

/// Times to healthy, from an empty folder and warm; the size of the binary and the number of its packages.
pub fn measure(binary: &Path, options: &Options) -> Result<Vec<Fact>> {
    let (mut empty, mut ready, mut warm) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let home = Home::new(options)?;
        let server = Server::start(binary, &home)?;
        empty.push(server.healthy_after.as_secs_f64() * 1e3);
        ready.push(server.ready_after.as_secs_f64() * 1e3);
        server.stop();
        warm.push(Server::start(binary, &home)?.healthy_after.as_secs_f64() * 1e3);
    }
    let mut facts = vec![
        Fact::new("healthy from an empty folder, median", median(&mut empty), "ms", Some(300.0)),
        Fact::new("signing key ready from an empty folder, median", median(&mut ready), "ms", None),
        Fact::new("healthy warm, median", median(&mut warm), "ms", Some(100.0)),
        Fact::new("size of the binary", std::fs::metadata(binary)?.len() as f64 / 1e6, "MB", Some(25.0)),
    ];
    if let Some(packages) = packages() {
        facts.push(Fact::new("packages in the binary", packages as f64, "", Some(450.0)));
    }
    Ok(facts)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// How many crates the server is compiled from, our own and those of build scripts included.
fn packages() -> Option<usize> {
    let mut cargo = cargo("tree");
    cargo.args(["-p", "pocket-id", "-e", "normal,build", "--prefix", "none", "-f", "{p}"]);
    let out = cargo.output().ok().filter(|o| o.status.success())?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let mut names: Vec<&str> = text.lines().map(|l| l.trim_end_matches(" (*)")).collect();
    names.sort_unstable();
    names.dedup();
    Some(names.len())
}
