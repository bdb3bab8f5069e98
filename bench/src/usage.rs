//! What a process uses, as Linux tells it under `/proc`.

use std::fs;

use crate::Result;

/// Memory, MiB.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Resident, with what is shared with others.
    pub rss: f64,
    /// Resident, shared pages divided among those who share them.
    pub pss: f64,
}

/// CPU time that a process has used, user and system, milliseconds. Linux counts in steps of 10 ms.
pub fn cpu_ms(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold anything; what follows is numbers (proc_pid_stat(5): utime is field 14).
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<u64>().ok()).ok_or("an unreadable /proc/PID/stat");
    Ok((ticks(11)? + ticks(12)?) as f64 * 10.0)
}

/// CPU time of the calling thread, milliseconds, precise to nanoseconds.
pub fn thread_cpu_ms() -> Result<f64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos: u64 = text.split_whitespace().next().ok_or("an empty /proc/thread-self/schedstat")?.parse()?;
    Ok(nanos as f64 / 1e6)
}

/// Bytes that a process has caused to be written to disk.
pub fn written(pid: u32) -> Result<u64> {
    number(&fs::read_to_string(format!("/proc/{pid}/io"))?, "write_bytes:")
}

/// Memory of a process.
pub fn memory(pid: u32) -> Result<Memory> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let mib = |name| number(&rollup, name).map(|kib| kib as f64 / 1024.0);
    Ok(Memory { rss: mib("Rss:")?, pss: mib("Pss:")? })
}

fn number(text: &str, name: &str) -> Result<u64> {
    let line = text.lines().find_map(|l| l.strip_prefix(name)).ok_or_else(|| format!("no {name} under /proc"))?;
    Ok(line.split_whitespace().next().unwrap_or_default().parse()?)
}
