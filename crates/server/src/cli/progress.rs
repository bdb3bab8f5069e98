//! What long work is at, on standard error, where somebody looks: a bar where it is known how much there is, a wheel where not.

use std::fmt::Write;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, Once, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use pid_core::progress::{Progress, Stage, Unit};

/// Between two pictures.
const TURN: Duration = Duration::from_millis(120);
/// What a shell says of a command that ended by SIGINT.
const INTERRUPTED: i32 = 130;

/// The line that is drawn now, for whoever ends the process in the middle of it.
static LINE: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// A line that moves until this is dropped, and leaves nothing behind. Nothing is drawn where standard error is no terminal.
pub(crate) struct Shown {
    progress: Progress,
    drawing: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Shown {
    /// Says what is done from now on, until the work says more.
    pub(crate) fn of(what: &'static str) -> Self {
        let progress = Progress::default();
        progress.begin(what);
        let target = ProgressDrawTarget::stderr();
        if target.is_hidden() {
            return Self { progress, drawing: None };
        }
        clear_when_interrupted();
        let line = ProgressBar::with_draw_target(None, target);
        *LINE.lock().unwrap_or_else(PoisonError::into_inner) = Some(line.clone());
        let (stop, stopped) = channel();
        let watched = progress.clone();
        let drawing = std::thread::spawn(move || {
            let mut seen = Stage::default();
            loop {
                let stage = watched.look();
                draw(&line, &seen, &stage);
                seen = stage;
                if stopped.recv_timeout(TURN) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
            // Whoever ends the process meanwhile clears it as well.
            let mut current = LINE.lock().unwrap_or_else(PoisonError::into_inner);
            line.finish_and_clear();
            *current = None;
        });
        Self { progress, drawing: Some((stop, drawing)) }
    }

    /// Where the work counts.
    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some((stop, drawing)) = self.drawing.take() {
            drop(stop);
            let _ = drawing.join();
        }
    }
}

/// Whether there is a bar: what is counted to its end and goes on is something that nobody can count.
fn has_bar(stage: &Stage) -> bool {
    stage.done < stage.all
}

fn draw(line: &ProgressBar, seen: &Stage, stage: &Stage) {
    let looks = |stage: &Stage| (stage.what, stage.unit, has_bar(stage));
    if looks(seen) != looks(stage) {
        line.set_style(style(stage));
    }
    line.update(|state| {
        state.set_len(stage.all);
        state.set_pos(stage.done);
    });
}

fn style(stage: &Stage) -> ProgressStyle {
    let template = match (has_bar(stage), stage.unit) {
        (false, _) => "{spinner} {what} … {seconds} s",
        (_, Unit::Steps) => "{what} [{wide_bar}] {percent:>3} %, {seconds} s",
        (_, Unit::Rows) => "{what} [{wide_bar}] {percent:>3} %, {human_pos} of {human_len} rows, {seconds} s",
        (_, Unit::Files) => "{what} [{wide_bar}] {percent:>3} %, {human_pos} of {human_len} files, {seconds} s",
        (_, Unit::Secrets) => "{what} [{wide_bar}] {percent:>3} %, {human_pos} of {human_len} secrets, {seconds} s",
        (_, Unit::Bytes) => "{what} [{wide_bar}] {percent:>3} %, {bytes} of {total_bytes}, {seconds} s",
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
    let what = stage.what;
    style
        .tick_chars("|/-\\|")
        .progress_chars("=> ")
        .with_key("what", move |_: &ProgressState, to: &mut dyn Write| {
            let _ = to.write_str(what);
        })
        .with_key("seconds", |state: &ProgressState, to: &mut dyn Write| {
            let _ = write!(to, "{}", state.elapsed().as_secs());
        })
}

/// Ctrl-C leaves no half drawn line. From here on it ends the process by this, whatever it is at.
fn clear_when_interrupted() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tokio::spawn(async {
            if tokio::signal::ctrl_c().await.is_ok() {
                let line = LINE.lock().unwrap_or_else(PoisonError::into_inner);
                line.iter().for_each(ProgressBar::finish_and_clear);
                std::process::exit(INTERRUPTED);
            }
        });
    });
}
