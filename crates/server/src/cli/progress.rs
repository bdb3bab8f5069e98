//! What long work is at, on standard error, where somebody looks.

use std::io::{IsTerminal as _, Write as _};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two pictures.
const TURN: Duration = Duration::from_millis(120);
const WHEEL: [char; 4] = ['|', '/', '-', '\\'];

/// A line that moves until this is dropped, and leaves nothing behind.
pub(crate) struct Progress(Option<(Sender<()>, JoinHandle<()>)>);

impl Progress {
    /// Says what is done from now on.
    pub(crate) fn of(what: &'static str) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let (stop, stopped) = channel::<()>();
        let began = Instant::now();
        let turning = std::thread::spawn(move || {
            let mut out = std::io::stderr();
            for sign in WHEEL.iter().cycle() {
                let _ = write!(out, "\r{sign} {what} … {} s", began.elapsed().as_secs());
                let _ = out.flush();
                if stopped.recv_timeout(TURN) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
            let _ = write!(out, "\r\x1b[K");
            let _ = out.flush();
        });
        Self(Some((stop, turning)))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, turning)) = self.0.take() {
            drop(stop);
            let _ = turning.join();
        }
    }
}
