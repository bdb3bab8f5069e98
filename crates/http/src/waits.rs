//! Requests that wait for something to happen (long polls): woken at once by what happens in this process, while what
//! happens in another is found by looking again.

use std::time::Duration;

use tokio::sync::{Notify, Semaphore};

/// Who waits.
pub struct Waits {
    /// Between two looks, for what other replicas do.
    look_each: Duration,
    /// How long an answer is held back.
    hold: Duration,
    /// So many may wait at once; who comes then is answered at once and asks again.
    most: usize,
    happened: Notify,
    slots: Semaphore,
}

impl Default for Waits {
    fn default() -> Self {
        Self::new(Duration::from_secs(2), Duration::from_secs(25), 1000)
    }
}

impl Waits {
    fn new(look_each: Duration, hold: Duration, most: usize) -> Self {
        Self { look_each, hold, most, happened: Notify::new(), slots: Semaphore::new(most) }
    }

    /// Looks until `look` finds that it is so, for a while. Tells whether it is. A request that is dropped looks no more.
    ///
    /// # Errors
    /// Those of `look`.
    pub async fn until<E, F>(&self, look: impl Fn() -> F) -> Result<bool, E>
    where
        F: Future<Output = Result<bool, E>>,
    {
        let slot = self.slots.try_acquire();
        let waiting = async {
            loop {
                // From before the look on, so that nothing falls between.
                let mut happened = std::pin::pin!(self.happened.notified());
                happened.as_mut().enable();
                if look().await? {
                    return Ok(true);
                }
                if slot.is_err() || self.slots.is_closed() {
                    return Ok(false);
                }
                let _ = tokio::time::timeout(self.look_each, happened).await;
            }
        };
        tokio::time::timeout(self.hold, waiting).await.unwrap_or(Ok(false))
    }

    /// Something happened in this process.
    pub fn wake(&self) {
        self.happened.notify_waiters();
    }

    /// Answers everybody, now and from now on: the server stops.
    pub fn end(&self) {
        self.slots.close();
        self.wake();
    }

    /// How many wait.
    pub fn count(&self) -> usize {
        self.most - self.slots.available_permits()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::Instant;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    /// Looks that find it so at the n-th time.
    fn at_last(n: usize) -> impl Fn() -> std::future::Ready<Result<bool, Infallible>> {
        let looks = AtomicUsize::new(0);
        move || std::future::ready(Ok(looks.fetch_add(1, Ordering::Relaxed) + 1 >= n))
    }

    #[tokio::test]
    async fn what_happens_here_wakes_and_what_happens_elsewhere_is_found() {
        let waits = Waits::new(LONG, LONG, 10);
        let (found, ()) = tokio::join!(waits.until(at_last(2)), async {
            assert_eq!(waits.count(), 1);
            waits.wake();
        });
        assert_eq!(found, Ok(true));
        let looks_again = Waits::new(Duration::from_millis(10), LONG, 10);
        assert_eq!(looks_again.until(at_last(3)).await, Ok(true));
    }

    #[tokio::test]
    async fn nobody_waits_for_ever_beyond_the_end_or_in_a_crowd() {
        let hold = Duration::from_millis(30);
        let waits = Waits::new(LONG, hold, 10);
        let begin = Instant::now();
        assert_eq!(waits.until(at_last(usize::MAX)).await, Ok(false));
        assert!(begin.elapsed() >= hold);

        let crowded = Waits::new(LONG, LONG, 1);
        let (first, ()) = tokio::join!(crowded.until(at_last(usize::MAX)), async {
            assert_eq!(crowded.until(at_last(usize::MAX)).await, Ok(false), "answered at once");
            crowded.end();
        });
        assert_eq!(first, Ok(false));
        assert_eq!(crowded.until(at_last(usize::MAX)).await, Ok(false), "who comes late is answered at once");
    }

    #[tokio::test]
    async fn a_dropped_request_looks_no_more() {
        let waits = Waits::new(LONG, LONG, 10);
        let gone = tokio::time::timeout(Duration::from_millis(10), waits.until(at_last(usize::MAX))).await;
        assert!(gone.is_err());
        assert_eq!(waits.count(), 0);
    }
}
