//! Progress of a run: a block of lines or one line that is redrawn on a terminal, plain lines elsewhere. Writes to
//! standard error only. Lines come from snapshots of the run, a block from its log.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use z6::{LiveSnapshot, Scenario};
use z6_scenario::{NS_PER_SECOND, Plan};

use crate::console;
use crate::watch::frame::{BLOCK_ROWS, State, frame};
use crate::watch::web::Server;
use crate::watch::{Shown, Watched};
use z6_metrics::report::units::{count, duration};

/// Without a terminal, runs up to this length print a line per second.
const SHORT_RUN_SECONDS: u64 = 30;
/// Seconds between the lines of a longer run.
const LONG_RUN_EVERY_SECONDS: u64 = 5;
/// Redraws of the live line, per second.
const REDRAWS_PER_SECOND: u8 = 10;

/// When progress is shown, as resolved from the arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProgressMode {
    /// A block of lines on a terminal, otherwise a plain line every 1 s or 5 s.
    Block,
    /// A live line on a terminal, otherwise a plain line every 1 s or 5 s.
    Line,
    /// A live line on a terminal, otherwise a plain line every second.
    EverySecond,
    /// A live line on a terminal, otherwise nothing.
    TerminalOnly,
    /// Never.
    Off,
}

/// Shows snapshots of a run.
#[derive(Debug)]
pub(crate) struct Progress {
    display: Display,
    /// None if nothing is shown of it.
    log: Option<Log>,
    has_vus: bool,
    length_seconds: Option<u64>,
    /// The last second for which a line was printed.
    shown: u64,
}

#[derive(Debug)]
enum Display {
    Nothing,
    /// One line, redrawn on a terminal.
    Live(ProgressBar),
    /// Several lines, redrawn on a terminal.
    Block(Box<Block>),
    /// Plain lines.
    Lines(Interval),
}

/// How often a plain line is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Interval {
    EverySecond,
    /// Depends on the length of the run or, if that is unknown, on how long it has been running.
    ByLength,
}

impl Progress {
    /// Creates the display for a run of `scenario` whose log is in the folder `results`. Its page is served by
    /// `web`, if there is one.
    pub(crate) fn new(
        mode: ProgressMode,
        scenario: &Scenario,
        results: &Path,
        web: Option<Server>,
    ) -> Progress {
        let display = match mode {
            ProgressMode::Off => Display::Nothing,
            ProgressMode::Block if std::io::stderr().is_terminal() => {
                Display::Block(Box::new(Block::new()))
            }
            ProgressMode::Line | ProgressMode::EverySecond | ProgressMode::TerminalOnly
                if std::io::stderr().is_terminal() =>
            {
                Display::Live(live_line())
            }
            ProgressMode::TerminalOnly => Display::Nothing,
            ProgressMode::EverySecond => Display::Lines(Interval::EverySecond),
            ProgressMode::Block | ProgressMode::Line => Display::Lines(Interval::ByLength),
        };
        let is_read = web.is_some() || matches!(display, Display::Block(_));
        let path = results.to_owned();
        let log = is_read.then(|| Log { path, state: LogState::Awaited, web });
        // The length does not depend on the seed.
        let length_ns = Plan::new(scenario, 0).end_ns();
        let length_seconds = length_ns.map(|ns| ns.div_ceil(NS_PER_SECOND));
        let has_vus = scenario.model().has_vus();
        Progress { display, log, has_vus, length_seconds, shown: 0 }
    }

    /// Shows `live` if a line is due.
    pub(crate) fn show(&mut self, live: &LiveSnapshot) {
        let line = self.line(live);
        let (watched, is_shown) = match &mut self.log {
            Some(log) => {
                let is_shown = log.is_shown();
                (log.poll(), is_shown)
            }
            None => (None, false),
        };
        match &self.display {
            Display::Nothing => {}
            Display::Block(block) => match watched {
                Some(watched) => block.show(watched),
                None if is_shown => {}
                None => block.bar.set_message(line),
            },
            Display::Live(bar) => bar.set_message(line),
            Display::Lines(interval) => {
                if is_due(*interval, self.length_seconds, self.shown, live.elapsed_seconds) {
                    self.shown = live.elapsed_seconds;
                    console::plain(&line);
                }
            }
        }
    }

    /// Prints a message without disturbing the live line.
    pub(crate) fn message(&self, text: &str) {
        match &self.display {
            Display::Live(bar) => bar.suspend(|| console::plain(text)),
            Display::Block(block) => block.bar.suspend(|| console::plain(text)),
            Display::Nothing | Display::Lines(_) => console::plain(text),
        }
    }

    /// Removes what is redrawn, and leaves browsers the time to take the last page.
    pub(crate) fn end(&self) {
        if let Some(web) = self.log.as_ref().and_then(|log| log.web.as_ref()) {
            web.linger();
        }
        match &self.display {
            Display::Live(bar) => bar.finish_and_clear(),
            Display::Block(block) => block.bar.finish_and_clear(),
            Display::Nothing | Display::Lines(_) => {}
        }
    }

    fn line(&self, live: &LiveSnapshot) -> String {
        let of = self.length_seconds.map(|length| format!(" of {length}")).unwrap_or_default();
        let quantile = |ns: Option<u64>| ns.map_or_else(|| "-".to_owned(), duration);
        let vus = match self.has_vus {
            true => format!("  VUs {}", count(live.active_vus)),
            false => String::new(),
        };
        format!(
            "{:>4}{of} s  {:>9} responses/s  p50 {:>7}  p99 {:>7}  failed {}  in flight {}{vus}",
            live.elapsed_seconds,
            count(live.last_completed),
            quantile(live.last_p50_ns),
            quantile(live.last_p99_ns),
            count(live.failed),
            count(live.in_flight),
        )
    }
}

/// The block: the overview of `z6 watch`.
#[derive(Debug)]
struct Block {
    bar: ProgressBar,
    shown: Shown,
}

impl Block {
    fn new() -> Block {
        Block { bar: live_lines(), shown: Shown::new(console::has_colors(&std::io::stderr())) }
    }

    fn show(&self, watched: &Watched) {
        let (columns, rows) = block_size(terminal_size::terminal_size_of(std::io::stderr()));
        let lines = frame(&watched.view(self.shown), columns, rows);
        self.bar.set_message(lines.join("\n"));
    }
}

/// The log of the run, for what is shown of it: the block and the page.
#[derive(Debug)]
struct Log {
    path: PathBuf,
    state: LogState,
    web: Option<Server>,
}

#[derive(Debug)]
enum LogState {
    /// In the first instants there is none yet.
    Awaited,
    Followed(Box<Watched>),
    /// It could not be read. The run tells what is wrong with it.
    Failed,
}

impl Log {
    /// Reads what there is; returns the figures if they are new.
    fn poll(&mut self) -> Option<&Watched> {
        let is_new = match &mut self.state {
            LogState::Failed => false,
            LogState::Awaited => match Watched::try_open(&self.path) {
                Ok(watched) => {
                    self.state = LogState::Followed(Box::new(watched));
                    true
                }
                Err(_) => false,
            },
            LogState::Followed(watched) => watched.poll().unwrap_or_else(|_| {
                self.state = LogState::Failed;
                false
            }),
        };
        let LogState::Followed(watched) = &self.state else { return None };
        if let Some(web) = self.web.as_ref().filter(|_| is_new) {
            web.show(watched.html(), watched.state() == State::Ended);
        }
        is_new.then_some(watched)
    }

    fn is_shown(&self) -> bool {
        matches!(self.state, LogState::Followed(_))
    }
}

/// Columns and rows of the block on a terminal of this size: a row less than it has, so that it stays in place.
fn block_size(terminal: Option<(terminal_size::Width, terminal_size::Height)>) -> (usize, usize) {
    let (columns, rows) = terminal.map_or((80, 24), |(columns, rows)| (columns.0, rows.0));
    (usize::from(columns.max(2)) - 1, usize::from(rows.max(2) - 1).min(BLOCK_ROWS))
}

/// Whether a line is due at second `now` if the last one was printed at second `shown`.
fn is_due(interval: Interval, length: Option<u64>, shown: u64, now: u64) -> bool {
    let is_long = match interval {
        Interval::EverySecond => false,
        Interval::ByLength => length.unwrap_or(now) > SHORT_RUN_SECONDS,
    };
    if is_long {
        now / LONG_RUN_EVERY_SECONDS > shown / LONG_RUN_EVERY_SECONDS
    } else {
        now > shown
    }
}

/// Cut at the width of the terminal.
fn live_line() -> ProgressBar {
    redrawn("{wide_msg}")
}

/// As many lines as the message has.
fn live_lines() -> ProgressBar {
    redrawn("{msg}")
}

fn redrawn(template: &str) -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND);
    let bar = ProgressBar::with_draw_target(None, target);
    ProgressStyle::with_template(template).map_or(bar.clone(), |style| bar.with_style(style))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seconds with a line, if the run is polled every second.
    fn shown(interval: Interval, length: Option<u64>, until: u64) -> Vec<u64> {
        let mut last = 0;
        let mut all = Vec::new();
        for now in 0..=until {
            if is_due(interval, length, last, now) {
                last = now;
                all.push(now);
            }
        }
        all
    }

    #[test]
    fn short_runs_print_a_line_per_second_and_long_ones_every_five() {
        assert_eq!(shown(Interval::ByLength, Some(5), 5), [1, 2, 3, 4, 5]);
        assert_eq!(shown(Interval::ByLength, Some(30), 30).len(), 30);
        assert_eq!(shown(Interval::ByLength, Some(31), 16), [5, 10, 15]);
        assert_eq!(shown(Interval::EverySecond, Some(3_600), 3), [1, 2, 3]);
    }

    #[test]
    fn a_run_of_unknown_length_is_short_until_it_is_long() {
        let lines = shown(Interval::ByLength, None, 41);
        assert_eq!(lines.len(), 32);
        assert_eq!(lines[29..], [30, 35, 40]);
    }

    #[test]
    fn a_missed_second_does_not_shift_later_lines() {
        assert!(is_due(Interval::ByLength, Some(60), 0, 6));
        assert!(!is_due(Interval::ByLength, Some(60), 6, 9));
        assert!(is_due(Interval::ByLength, Some(60), 6, 10));
    }
}
