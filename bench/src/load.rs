//! Driving one operation, bounded in time and count.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::Result;
use crate::actor::Actor;
use crate::operation::Operation;
use crate::server::Server;
use crate::usage::{cpu_ms, written};

/// Browsers that act at the same time, a connection each: the office at nine.
pub const CONNECTIONS: usize = 32;
/// Operations of one browser in one run, at most.
const MOST: usize = 100_000;
/// Before the measured time, so that caches and connections are as they will be.
const WARM_UP: Duration = Duration::from_millis(300);

/// What a run showed.
#[derive(Debug)]
pub struct Measured {
    /// Operations in a second.
    pub per_second: f64,
    /// The middle of all times, milliseconds.
    pub p50_ms: f64,
    /// Slower were one in a hundred, milliseconds.
    pub p99_ms: f64,
    /// CPU of the server for each, milliseconds.
    pub cpu_ms: f64,
    /// KiB written to disk for each.
    pub written_kib: f64,
}

/// Lets everybody do one thing again and again, at every replica.
pub async fn run(
    servers: &[Server],
    actors: Vec<Actor>,
    operation: Operation,
    time: Duration,
) -> Result<(Measured, Vec<Actor>)> {
    let (_, actors) = repeat(actors, operation, WARM_UP).await?;
    let (cpu, bytes, began) = (sum(servers, cpu_ms)?, sum(servers, written)?, Instant::now());
    let (mut times, actors) = repeat(actors, operation, time).await?;
    let seconds = began.elapsed().as_secs_f64();
    let cpu = sum(servers, cpu_ms)? - cpu;
    let bytes = sum(servers, written)? - bytes;
    times.sort_unstable();
    let count = times.len() as f64;
    let at = |share: f64| times.get((count * share) as usize).map_or(0.0, |t| t.as_secs_f64() * 1e3);
    let measured = Measured {
        per_second: count / seconds,
        p50_ms: at(0.5),
        p99_ms: at(0.99),
        cpu_ms: cpu / count,
        written_kib: bytes as f64 / 1024.0 / count,
    };
    Ok((measured, actors))
}

fn sum<T: std::iter::Sum>(servers: &[Server], what: impl Fn(u32) -> Result<T>) -> Result<T> {
    servers.iter().map(|server| what(server.id())).sum()
}

async fn repeat(actors: Vec<Actor>, operation: Operation, time: Duration) -> Result<(Vec<Duration>, Vec<Actor>)> {
    let end = Instant::now() + time;
    let mut tasks = JoinSet::new();
    for mut actor in actors {
        tasks.spawn(async move {
            // The server closes connections that have been quiet for some seconds.
            actor.reconnect().await?;
            let mut times = Vec::new();
            while times.len() < MOST {
                let began = Instant::now();
                if began >= end {
                    break;
                }
                actor.act(operation).await.map_err(|e| format!("{}: {e}", operation.name()))?;
                times.push(began.elapsed());
            }
            Result::Ok((times, actor))
        });
    }
    let (mut times, mut actors) = (Vec::new(), Vec::new());
    while let Some(done) = tasks.join_next().await {
        let (theirs, actor) = done??;
        times.extend(theirs);
        actors.push(actor);
    }
    Ok((times, actors))
}
