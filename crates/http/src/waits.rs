//! Requests that wait for something to happen (long polls): woken at once by what happens in this process, while what
//! happens in another is found by looking again.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// Who waits, and for what.
pub struct Waits {
    /// Between two looks, for what other replicas do.
    look_each: Duration,
    /// How long an answer is held back.
    hold: Duration,
    /// So many may wait at once, and so many from one address; who comes then is answered at once and asks again.
    most: usize,
    most_of_one: usize,
    crowd: Mutex<Crowd>,
    ending: Notify,
}

#[derive(Default)]
struct Crowd {
    /// By what is waited for: how to wake them, and how many they are.
    by_key: HashMap<String, (Arc<Notify>, usize)>,
    by_address: HashMap<String, usize>,
    waiting: usize,
    ended: bool,
}

/// One who waits, until it is dropped.
struct Slot<'a> {
    waits: &'a Waits,
    key: &'a str,
    address: &'a str,
    happened: Arc<Notify>,
}

impl Default for Waits {
    fn default() -> Self {
        Self::new(Duration::from_secs(2), Duration::from_secs(25), 1000, 100)
    }
}

impl Waits {
    fn new(look_each: Duration, hold: Duration, most: usize, most_of_one: usize) -> Self {
        Self { look_each, hold, most, most_of_one, crowd: Mutex::default(), ending: Notify::new() }
    }

    fn crowd(&self) -> MutexGuard<'_, Crowd> {
        self.crowd.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot<'a>(&'a self, key: &'a str, address: &'a str) -> Option<Slot<'a>> {
        let mut crowd = self.crowd();
        let of_one = crowd.by_address.get(address).copied().unwrap_or(0);
        if crowd.ended || crowd.waiting >= self.most || of_one >= self.most_of_one {
            return None;
        }
        crowd.waiting += 1;
        *crowd.by_address.entry(address.to_owned()).or_default() += 1;
        let (happened, waiting) = crowd.by_key.entry(key.to_owned()).or_default();
        *waiting += 1;
        Some(Slot { waits: self, key, address, happened: Arc::clone(happened) })
    }

    /// Looks until `look` finds that it is so, for a while; at once when [`Waits::wake`] names the same key. `address` is
    /// whose slots are counted together. Tells whether it is so. A request that is dropped looks no more.
    ///
    /// # Errors
    /// Those of `look`.
    pub async fn until<E, F>(&self, key: &str, address: &str, look: impl Fn() -> F) -> Result<bool, E>
    where
        F: Future<Output = Result<bool, E>>,
    {
        let Some(slot) = self.slot(key, address) else { return look().await };
        let waiting = async {
            loop {
                // From before the look on, so that nothing falls between.
                let mut happened = std::pin::pin!(slot.happened.notified());
                happened.as_mut().enable();
                if look().await? {
                    return Ok(true);
                }
                if self.crowd().ended {
                    return Ok(false);
                }
                let _ = tokio::time::timeout(self.look_each, happened).await;
            }
        };
        tokio::time::timeout(self.hold, waiting).await.unwrap_or(Ok(false))
    }

    /// What is waited for under this key happened in this process.
    pub fn wake(&self, key: &str) {
        if let Some((happened, _)) = self.crowd().by_key.get(key) {
            happened.notify_waiters();
        }
    }

    /// Answers everybody, now and from now on: the server stops.
    pub fn end(&self) {
        let mut crowd = self.crowd();
        crowd.ended = true;
        crowd.by_key.values().for_each(|(happened, _)| happened.notify_waiters());
        self.ending.notify_waiters();
    }

    /// Whether the server stops.
    pub fn has_ended(&self) -> bool {
        self.crowd().ended
    }

    /// Returns when the server stops: who is in the middle of something long gives it back.
    pub async fn ended(&self) {
        let mut ending = std::pin::pin!(self.ending.notified());
        ending.as_mut().enable();
        if !self.has_ended() {
            ending.await;
        }
    }

    /// How many wait.
    pub fn count(&self) -> usize {
        self.crowd().waiting
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut crowd = self.waits.crowd();
        crowd.waiting -= 1;
        if let Some((_, waiting)) = crowd.by_key.get_mut(self.key) {
            *waiting -= 1;
        }
        if let Some(waiting) = crowd.by_address.get_mut(self.address) {
            *waiting -= 1;
        }
        leave(&mut crowd.by_key, self.key, |(_, waiting)| *waiting == 0);
        leave(&mut crowd.by_address, self.address, |waiting| *waiting == 0);
    }
}

/// Keeps nothing of who has gone.
fn leave<K: std::borrow::Borrow<str> + Eq + Hash, V>(
    map: &mut HashMap<K, V>,
    key: &str,
    is_empty: impl Fn(&V) -> bool,
) {
    if map.get(key).is_some_and(is_empty) {
        map.remove(key);
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
        let waits = Waits::new(LONG, LONG, 10, 10);
        let (found, ()) = tokio::join!(waits.until("a", "here", at_last(2)), async {
            assert_eq!(waits.count(), 1);
            waits.wake("a");
        });
        assert_eq!(found, Ok(true));
        let looks_again = Waits::new(Duration::from_millis(10), LONG, 10, 10);
        assert_eq!(looks_again.until("a", "here", at_last(3)).await, Ok(true));
    }

    #[tokio::test]
    async fn nobody_is_woken_for_another() {
        let waits = Waits::new(LONG, Duration::from_millis(50), 10, 10);
        let looks = AtomicUsize::new(0);
        let look = || {
            looks.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Ok::<_, Infallible>(false))
        };
        let (mine, ()) = tokio::join!(waits.until("mine", "here", look), async {
            waits.wake("another");
            waits.wake("nobody's");
        });
        assert_eq!((mine, looks.load(Ordering::Relaxed)), (Ok(false), 1));
        let crowd = waits.crowd();
        assert!(crowd.by_key.is_empty() && crowd.by_address.is_empty(), "nothing is kept of who has gone");
    }

    #[tokio::test]
    async fn one_address_takes_no_more_than_its_part() {
        let waits = Waits::new(LONG, LONG, 10, 1);
        let (first, other, ()) =
            tokio::join!(waits.until("a", "here", at_last(2)), waits.until("b", "there", at_last(2)), async {
                assert_eq!(waits.until("c", "here", at_last(usize::MAX)).await, Ok(false), "answered at once");
                assert_eq!(waits.count(), 2);
                waits.wake("a");
                waits.wake("b");
            });
        assert_eq!((first, other), (Ok(true), Ok(true)));
    }

    #[tokio::test]
    async fn nobody_waits_for_ever_beyond_the_end_or_in_a_crowd() {
        let hold = Duration::from_millis(30);
        let waits = Waits::new(LONG, hold, 10, 10);
        let begin = Instant::now();
        assert_eq!(waits.until("a", "here", at_last(usize::MAX)).await, Ok(false));
        assert!(begin.elapsed() >= hold);

        let crowded = Waits::new(LONG, LONG, 1, 1);
        let (first, ()) = tokio::join!(crowded.until("a", "here", at_last(usize::MAX)), async {
            assert_eq!(crowded.until("a", "here", at_last(usize::MAX)).await, Ok(false), "answered at once");
            crowded.end();
        });
        assert_eq!(first, Ok(false));
        assert_eq!(
            crowded.until("a", "here", at_last(usize::MAX)).await,
            Ok(false),
            "who comes late is answered at once"
        );
    }

    #[tokio::test]
    async fn a_dropped_request_looks_no_more() {
        let waits = Waits::new(LONG, LONG, 10, 10);
        let gone = tokio::time::timeout(Duration::from_millis(10), waits.until("a", "here", at_last(usize::MAX))).await;
        assert!(gone.is_err());
        assert_eq!(waits.count(), 0);
    }
}
