//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::operation::Operation;

/// Drives a Pocket ID server and prints what it costs.
#[derive(Debug, Parser)]
pub struct Options {
    /// The store of the server.
    #[arg(long, value_enum, default_value_t = Engine::Sqlite)]
    pub engine: Engine,
    /// With `--engine postgres`: a server and a role that may create databases.
    #[arg(long, required_if_eq("engine", "postgres"))]
    pub url: Option<String>,
    /// With `--engine postgres`: so many servers on one database share the load.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub replicas: u8,
    /// How long each operation is driven.
    #[arg(long, default_value_t = 5.0, value_parser = seconds)]
    pub seconds: f64,
    /// How long the server is watched at rest.
    #[arg(long, default_value_t = 10.0, value_parser = seconds)]
    pub idle: f64,
    /// Only operations with this in their name; can be given several times.
    #[arg(long)]
    pub only: Vec<String>,
    /// Drives this server instead of building one, to compare.
    #[arg(long)]
    pub binary: Option<PathBuf>,
    /// Also writes the report to this file.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Instead of driving operations, fills a SQLite store with 100,000 people, 1,000 groups, 1,000 clients and a million
    /// audit entries, and reads its lists.
    #[arg(long)]
    pub lists: bool,
    /// With `--lists`: keeps the filled store in this file, or takes it from there.
    #[arg(long, requires = "lists")]
    pub filled: Option<PathBuf>,
    /// Instead of driving operations, fills a directory (LDAP) with so many people and synchronises it while somebody signs
    /// in.
    #[arg(long, value_name = "PEOPLE", conflicts_with = "lists")]
    pub ldap: Option<usize>,
    /// Only weighs the pages.
    #[arg(long, conflicts_with = "lists")]
    pub pages: bool,
    /// Instead of driving operations, makes so many people and provisions them by SCIM.
    #[arg(long, conflicts_with = "lists")]
    pub scim: Option<usize>,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Where the server keeps its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// A file.
    Sqlite,
    /// A database on a server.
    Postgres,
}

/// What the bench starts itself.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answers every request with "hello": the yardstick for plain pages.
    #[command(hide = true)]
    Hello {
        /// Where to listen, on 127.0.0.1.
        port: u16,
    },
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.2..=120.0).contains(&seconds) => Ok(seconds),
        _ => Err("must be from 0.2 to 120".to_owned()),
    }
}

impl Options {
    /// Whether the server runs on PostgreSQL.
    pub fn is_postgres(&self) -> bool {
        self.engine == Engine::Postgres
    }

    /// Whether an operation is to be driven.
    pub fn wants(&self, operation: Operation) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| operation.name().contains(part.as_str()))
    }
}
