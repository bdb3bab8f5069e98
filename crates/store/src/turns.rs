//! How long transactions wait until it is their turn: behind others at SQLite's one writer, or for a connection to PostgreSQL.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The upper ends of the classes of waits, seconds.
const CLASSES: [f64; 8] = [0.0005, 0.002, 0.01, 0.05, 0.25, 1.0, 5.0, 10.0];

/// What is counted in this process.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    classes: [AtomicU64; CLASSES.len()],
    count: AtomicU64,
    micros: AtomicU64,
}

/// How long transactions have waited so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Waited {
    /// The upper end of each class, seconds, and how many waited at most so long.
    pub classes: [(f64, u64); CLASSES.len()],
    /// How many there were.
    pub count: u64,
    /// How long all of them waited together.
    pub seconds: f64,
}

/// A transaction that waits.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Arc<Turns>,
    since: Instant,
    has_come: AtomicBool,
}

impl Turn {
    pub(crate) fn asked(turns: &Arc<Turns>) -> Self {
        Self { turns: Arc::clone(turns), since: Instant::now(), has_come: AtomicBool::new(false) }
    }

    /// It is this transaction's turn. When it runs again it has not waited.
    pub(crate) fn comes(&self) {
        if !self.has_come.swap(true, Ordering::Relaxed) {
            self.turns.count(self.since.elapsed());
        }
    }
}

impl Turns {
    fn count(&self, after: Duration) {
        let seconds = after.as_secs_f64();
        if let Some(class) = CLASSES.iter().position(|end| seconds <= *end) {
            self.classes[class].fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(u64::try_from(after.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn waited(&self) -> Waited {
        let mut below = 0;
        let classes = std::array::from_fn(|class| {
            below += self.classes[class].load(Ordering::Relaxed);
            (CLASSES[class], below)
        });
        // Read after the classes: never fewer than they hold.
        let count = self.count.load(Ordering::Relaxed);
        Waited { classes, count, seconds: Duration::from_micros(self.micros.load(Ordering::Relaxed)).as_secs_f64() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_add_up() {
        let turns = Turns::default();
        for millis in [0, 2, 40, 60_000] {
            turns.count(Duration::from_millis(millis));
        }
        let waited = turns.waited();
        assert_eq!(waited.classes.map(|(_, below)| below), [1, 2, 2, 3, 3, 3, 3, 3]);
        assert_eq!((waited.count, waited.seconds), (4, 60.042));
    }
}
