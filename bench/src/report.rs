//! The table.

use std::fmt;

use serde::Serialize;

use crate::limits::Limits;
use crate::load::Measured;
use crate::operation::Operation;
use crate::page::Weight;

/// Everything that a run showed.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The operations.
    pub rows: Vec<Row>,
    /// Figures that belong to no operation.
    pub facts: Vec<Fact>,
    /// What pages weigh.
    pub pages: Vec<Weight>,
    /// What the parts cost.
    pub limits: Limits,
}

/// An operation. Times are milliseconds.
#[derive(Debug, Serialize)]
pub struct Row {
    name: String,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    cpu_ms: f64,
    limit_ms: f64,
    goal_ms: f64,
    /// KiB; nothing on PostgreSQL, whose server does the writing.
    written_kib: Option<f64>,
    written_goal_kib: f64,
}

impl Row {
    /// A row.
    pub fn new(operation: Operation, measured: &Measured, limits: &Limits, elsewhere: bool) -> Self {
        Self {
            name: operation.name(),
            per_second: measured.per_second,
            p50_ms: measured.p50_ms,
            p99_ms: measured.p99_ms,
            cpu_ms: measured.cpu_ms,
            limit_ms: operation.limit(limits),
            goal_ms: operation.goal(),
            written_kib: (!elsewhere).then_some(measured.written_kib),
            written_goal_kib: operation.written_goal(),
        }
    }
}

/// A single figure.
#[derive(Debug, Serialize)]
pub struct Fact {
    name: String,
    value: f64,
    unit: &'static str,
    goal: Option<f64>,
}

impl Fact {
    /// A figure with its goal, which is the most that it may be.
    pub fn new(name: impl Into<String>, value: f64, unit: &'static str, goal: Option<f64>) -> Self {
        Self { name: name.into(), value, unit, goal }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.rows.is_empty() {
            writeln!(
                f,
                "\n| operation | per second | p50 ms | p99 ms | CPU ms | limit ms | × limit | goal ms | × goal | KiB written |"
            )?;
            writeln!(f, "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")?;
            for r in &self.rows {
                write!(f, "| {} | {:.0} | {:.2} | {:.2} | {:.4} ", r.name, r.per_second, r.p50_ms, r.p99_ms, r.cpu_ms)?;
                write!(f, "| {:.4} | {:.2} | {} ", r.limit_ms, r.cpu_ms / r.limit_ms, r.goal_ms)?;
                let written = r.written_kib.map_or("–".to_owned(), |kib| format!("{kib:.1}"));
                writeln!(f, "| {:.2} | {written} |", r.cpu_ms / r.goal_ms)?;
            }
        }
        if !self.facts.is_empty() {
            writeln!(f, "\n| figure | value | goal |\n|---|---:|---:|")?;
        }
        for fact in &self.facts {
            let goal = fact.goal.map_or("–".to_owned(), |goal| format!("≤ {goal}"));
            writeln!(f, "| {} | {} {} | {goal} |", fact.name, round(fact.value), fact.unit)?;
        }
        if !self.pages.is_empty() {
            writeln!(f, "\n| page, cold | KiB | goal KiB | requests | server ms | Pocket ID: scripts KB | requests |")?;
            writeln!(f, "|---|---:|---:|---:|---:|---:|---:|")?;
        }
        for p in &self.pages {
            write!(f, "| {} | {:.1} | ≤ {} | {} | {:.2} ", p.page, p.kib, p.goal_kib, p.requests, p.server_ms)?;
            let (kb, requests) = p.theirs.unzip();
            let text = |number: Option<String>| number.unwrap_or_else(|| "–".to_owned());
            let (kb, requests) = (text(kb.map(|n| n.to_string())), text(requests.flatten().map(|n| n.to_string())));
            writeln!(f, "| {kb} | {requests} |")?;
        }
        // Not measured where only pages were weighed.
        if self.rows.is_empty() {
            return Ok(());
        }
        let l = &self.limits;
        if l.hello == 0.0 {
            return Ok(());
        }
        writeln!(f, "\n| part, alone on one core | CPU ms | per second |\n|---|---:|---:|")?;
        for (name, ms) in [
            ("RS256 signature", l.sign_rs256),
            ("ES256 signature", l.sign_es256),
            ("EdDSA signature", l.sign_eddsa),
            ("RS256 verification", l.verify_rs256),
            ("ES256 verification", l.verify_es256),
            ("point select", l.select),
            ("write: a select and two inserts, grouped", l.write),
            ("hyper's \"hello\"", l.hello),
        ] {
            writeln!(f, "| {name} | {ms:.4} | {:.0} |", 1000.0 / ms)?;
        }
        Ok(())
    }
}

fn round(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value}") } else { format!("{value:.1}") }
}
