//! How far a long piece of work is: whoever does it counts, whoever wants to know looks.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// Steps that mean nothing by themselves.
    #[default]
    Steps,
    /// Rows of a database.
    Rows,
    /// Files.
    Files,
    /// Sealed values.
    Secrets,
    /// Bytes.
    Bytes,
}

/// What is being done, and how much of it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stage {
    /// In words, without a point; empty before the work begins.
    pub what: &'static str,
    /// What is counted.
    pub unit: Unit,
    /// How much is done, never more than all.
    pub done: u64,
    /// How much there is to do; 0 if nobody knows.
    pub all: u64,
}

/// A handle that the work and its watcher share. Work that nobody watches gets one of its own.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Mutex<Stage>>);

impl Progress {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something begins of which nobody knows how much it is.
    pub fn begin(&self, what: &'static str) {
        *self.stage() = Stage { what, ..Stage::default() };
    }

    /// Something begins of which it is known how much it is. What is done again begins anew.
    pub fn count(&self, what: &'static str, unit: Unit, all: u64) {
        *self.stage() = Stage { what, unit, done: 0, all };
    }

    /// So much more of it is done.
    pub fn add(&self, n: u64) {
        let mut stage = self.stage();
        stage.done = stage.done.saturating_add(n).min(stage.all);
    }

    /// So much of it is done.
    pub fn reach(&self, done: u64) {
        let mut stage = self.stage();
        stage.done = done.min(stage.all);
    }

    /// How far it is.
    #[must_use]
    pub fn look(&self) -> Stage {
        *self.stage()
    }

    /// Things one after the other; each counts.
    pub fn each<I: IntoIterator>(&self, items: I) -> impl Iterator<Item = I::Item> {
        items.into_iter().inspect(|_| self.add(1))
    }

    /// A source whose bytes count as they are read.
    pub fn reading<R>(&self, from: R) -> Reading<R> {
        Reading { from, progress: self.clone() }
    }
}

/// See [`Progress::reading`].
#[derive(Debug)]
pub struct Reading<R> {
    from: R,
    progress: Progress,
}

impl<R: Read> Read for Reading<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(to)?;
        self.progress.add(n as u64);
        Ok(n)
    }
}

impl<R: Seek> Seek for Reading<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.from.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_is_counted_and_never_more_than_all() {
        let progress = Progress::default();
        progress.begin("Looking");
        progress.add(5);
        assert_eq!(progress.look(), Stage { what: "Looking", ..Stage::default() });
        progress.count("Copying", Unit::Rows, 3);
        let mut seen = Vec::new();
        progress.each([1, 2, 3]).for_each(|_| seen.push(progress.look().done));
        assert_eq!(seen, [1, 2, 3]);
        progress.add(7);
        assert_eq!(progress.look().done, 3);
        progress.count("Reading", Unit::Bytes, 4);
        let mut read = Vec::new();
        progress.reading(&b"abc"[..]).read_to_end(&mut read).unwrap();
        assert_eq!((read.as_slice(), progress.look().done), (&b"abc"[..], 3));
    }
}
