//! The load driver: `cargo run --release -p bench`. It starts the real server as a process of its own on data of its
//! own, drives it from loopback, measures the limits of this machine in the same run, and prints a table.
//! `docs/performance.md` says how to read it.
#![allow(clippy::print_stdout, reason = "a command-line tool")]

mod actor;
mod hello;
mod ldap;
mod limits;
mod lists;
mod load;
mod operation;
mod options;
mod page;
mod proof;
mod report;
mod scim;
mod server;
mod sign_out;
mod startup;
mod usage;
mod wire;
mod world;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use operation::Operation;
use options::{Command, Options};
use report::{Fact, Report, Row};
use server::{Home, Server};

/// What goes wrong ends the run with a sentence.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match options.command {
        Some(Command::Hello { port }) => hello::serve(port),
        None => runtime().and_then(|runtime| runtime.block_on(run(&options))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One thread: the driver shares the cores with what it measures.
fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

async fn run(options: &Options) -> Result<()> {
    let binary = match &options.binary {
        Some(binary) => std::path::absolute(binary)?,
        None => server::build()?,
    };
    if let Some(people) = options.scim {
        return scim::run(&binary, options, people).await;
    }
    if options.lists {
        return lists::run(&binary, options).await;
    }
    if let Some(people) = options.ldap {
        return ldap::run(&binary, options, people).await;
    }
    if options.replicas > 1 && !options.is_postgres() {
        return Err("several servers need --engine postgres".into());
    }
    let operations: Vec<Operation> = Operation::ALL.into_iter().filter(|o| options.wants(*o)).collect();
    if operations.is_empty() {
        return Err(format!("no operation has \"{}\" in its name", options.only.join("\", \"")).into());
    }
    let mut report = Report::default();
    if options.only.is_empty() && !options.pages {
        println!("Starting from nothing and again …");
        report.facts.extend(startup::measure(&binary, options)?);
    }

    println!("Setting up ten people and ten clients …");
    let home = Home::new(options)?;
    let server = Server::start(&binary, &home)?;
    let mut actors = world::set_up(&server).await?;
    drop(server);

    // Started again, so that what set-up left in memory is not counted.
    let mut servers = vec![Server::start(&binary, &home)?];
    for _ in 1..options.replicas {
        servers.push(Server::start_replica(&binary, &home)?);
    }
    // Each browser stays at one; the next one beside it is at another.
    for (actor, server) in actors.iter_mut().zip(servers.iter().cycle()) {
        actor.move_to(server.address);
        actor.reconnect().await?;
    }
    if options.only.is_empty() && !options.pages {
        println!("Looking at the server at rest …");
        report.facts.extend(at_rest(&servers[0], options.idle).await?);
    }

    if options.only.is_empty() || options.pages {
        println!("Weighing the pages …");
        report.pages = page::weigh(&mut actors[0]).await?;
    }
    if options.pages {
        println!("{report}");
        return Ok(());
    }

    println!("Measuring the limits of this machine …");
    let limits = limits::measure(&home).await?;
    for operation in operations {
        println!("Running: {} …", operation.name());
        let measured;
        (measured, actors) = load::run(&servers, actors, operation, Duration::from_secs_f64(options.seconds)).await?;
        report.rows.push(Row::new(operation, &measured, &limits, options.is_postgres()));
    }
    let memory = usage::memory(servers[0].id())?;
    report.facts.push(Fact::new("memory after the load, RSS", memory.rss, "MiB", None));
    report.facts.push(Fact::new("memory after the load, PSS", memory.pss, "MiB", None));
    if options.only.is_empty() {
        println!("Signing out of a hundred clients …");
        report.facts.extend(sign_out::measure(&servers[0]).await?);
    }
    report.limits = limits;
    drop(servers);

    println!("{report}");
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_vec_pretty(&report)?)?;
    }
    Ok(())
}

/// Memory and writes of a server that nobody asks anything.
async fn at_rest(server: &Server, idle: f64) -> Result<Vec<Fact>> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (written, cpu) = (usage::written(server.id())?, usage::cpu_ms(server.id())?);
    tokio::time::sleep(Duration::from_secs_f64(idle)).await;
    let memory = usage::memory(server.id())?;
    let written = usage::written(server.id())? - written;
    let cpu = usage::cpu_ms(server.id())? - cpu;
    Ok(vec![
        Fact::new("memory at rest, RSS", memory.rss, "MiB", Some(20.0)),
        Fact::new("memory at rest, PSS", memory.pss, "MiB", None),
        Fact::new(format!("written to disk at rest in {idle} s"), written as f64, "bytes", Some(0.0)),
        Fact::new("CPU at rest", cpu / idle, "ms/s", None),
    ])
}
