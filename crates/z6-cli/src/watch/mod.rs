//! Runs in progress, seen through their logs: what is shown ([`frame`]), on a terminal ([`screen`]) or as a page
//! ([`web`]). A run does not notice that it is watched.

pub(crate) mod frame;
pub(crate) mod screen;
pub(crate) mod web;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use z6::{Followed, Follower, ReadError};
use z6_events::LogError;
use z6_metrics::Metrics;
use z6_metrics::report::openmetrics::{Edges, openmetrics_now};
use z6_scenario::{NS_PER_SECOND, Plan};

use self::frame::{Latency, Page, State, View};
use crate::console;
use crate::signals::Interrupts;

/// How long the first bytes of a log are waited for.
const FIRST_BYTES: Duration = Duration::from_secs(5);
/// How long they are waited for without a word.
const SILENT: Duration = Duration::from_secs(1);
/// Between two looks for them.
const LOOK: Duration = Duration::from_millis(50);
/// How long one look at a log takes at most, as far as reading goes.
const READING: Duration = Duration::from_millis(200);
/// A log without a new block for this long is no longer being written: each worker writes one a second.
const SILENCE: Duration = Duration::from_secs(5);
/// Between two pictures of the figures.
const REFRESH: Duration = Duration::from_millis(500);
/// Seconds that quantiles are of, to begin with.
const WINDOW_SECONDS: u64 = 10;
/// At most.
const WINDOW_SECONDS_MAX: u64 = 3_600;

/// A log that is followed, and its figures as last read.
#[derive(Debug)]
pub(crate) struct Watched {
    follower: Follower,
    metrics: Metrics,
    length_seconds: Option<u64>,
    has_ended: bool,
    /// When the figures were read.
    read: Instant,
    /// By log: blocks there were, none once it has ended, and since when.
    blocks: Vec<(Option<u64>, Instant)>,
}

impl Watched {
    /// Opens the logs at `paths`, each of which may be a results directory: one, or those of shards. The first
    /// bytes of a run are waited for. None after a signal.
    ///
    /// # Errors
    /// There is no log, or it cannot be read.
    pub(crate) fn open(
        paths: &[PathBuf],
        interrupts: &Interrupts,
    ) -> Result<Option<Watched>, ReadError> {
        let since = Instant::now();
        let mut is_told = false;
        loop {
            match Follower::open_all(paths).and_then(Watched::of) {
                Err(error) if since.elapsed() < FIRST_BYTES && is_early(&error) => {
                    if !is_told && since.elapsed() >= SILENT {
                        is_told = true;
                        console::plain("waiting for the first bytes of the log");
                    }
                    if interrupts.wait(LOOK).is_some() {
                        return Ok(None);
                    }
                }
                opened => return opened.map(Some),
            }
        }
    }

    /// The same without waiting.
    ///
    /// # Errors
    /// As [`open`](Self::open), also in the first instants of a run.
    pub(crate) fn try_open(path: &Path) -> Result<Watched, ReadError> {
        Watched::of(Follower::open(path)?)
    }

    fn of(mut follower: Follower) -> Result<Watched, ReadError> {
        let length_ns = Plan::new(follower.scenario(), 0).end_ns();
        let has_ended = read(&mut follower)? == Followed::Ended;
        let now = Instant::now();
        Ok(Watched {
            metrics: follower.metrics()?,
            length_seconds: length_ns.map(|ns| ns.div_ceil(NS_PER_SECOND)),
            has_ended,
            read: now,
            blocks: follower.blocks_by_shard().map(|(_, blocks)| (blocks, now)).collect(),
            follower,
        })
    }

    /// Reads what has been written; returns whether there are new figures.
    ///
    /// # Errors
    /// The log cannot be read.
    pub(crate) fn poll(&mut self) -> Result<bool, ReadError> {
        if self.has_ended {
            return Ok(false);
        }
        self.has_ended = read(&mut self.follower)? == Followed::Ended;
        let now = Instant::now();
        for (known, (_, blocks)) in self.blocks.iter_mut().zip(self.follower.blocks_by_shard()) {
            if known.0 != blocks {
                *known = (blocks, now);
            }
        }
        let is_due = self.has_ended || now.duration_since(self.read) >= REFRESH;
        if is_due {
            self.metrics = self.follower.metrics()?;
            self.read = now;
        }
        Ok(is_due)
    }

    /// How the log stands.
    pub(crate) fn state(&self) -> State {
        if self.has_ended {
            return State::Ended;
        }
        let written = self.blocks.iter().filter(|(blocks, _)| blocks.is_some());
        let silent = written.map(|(_, since)| since.elapsed()).min().unwrap_or_default();
        if silent >= SILENCE { State::Silent(silent.as_secs()) } else { State::Running }
    }

    /// Of several shards, the first that has not been written for too long, while others are written, and for how
    /// many seconds.
    fn silent_shard(&self) -> Option<(u16, u64)> {
        if self.has_ended || self.blocks.len() < 2 {
            return None;
        }
        let shards = self.follower.blocks_by_shard().map(|(shard, _)| shard);
        let mut silent = shards
            .zip(&self.blocks)
            .filter(|(_, (blocks, since))| blocks.is_some() && since.elapsed() >= SILENCE);
        silent.next().map(|(shard, (_, since))| (shard, since.elapsed().as_secs()))
    }

    /// What is watched, as it was given.
    pub(crate) fn label(&self) -> String {
        self.follower.label()
    }

    /// The figures, to be shown as `shown` says.
    pub(crate) fn view(&self, shown: Shown) -> View<'_> {
        View {
            metrics: &self.metrics,
            length_seconds: self.length_seconds,
            silent_shard: self.silent_shard(),
            state: if shown.is_frozen { State::Frozen } else { self.state() },
            page: shown.page,
            latency: shown.latency,
            window_seconds: shown.window_seconds,
            is_utf8: shown.is_utf8,
            style: shown.style,
        }
    }

    /// The figures for Prometheus.
    pub(crate) fn openmetrics(&self, edges: &Edges) -> String {
        openmetrics_now(&self.metrics, edges)
    }

    /// The report page of the figures.
    pub(crate) fn html(&self) -> String {
        let page = if self.has_ended { z6_report::run_page } else { z6_report::live_page };
        page(&self.metrics, &self.follower.page_facts())
    }
}

/// Reads for a bounded time.
fn read(follower: &mut Follower) -> Result<Followed, ReadError> {
    let since = Instant::now();
    loop {
        match follower.poll()? {
            Followed::Behind if since.elapsed() < READING => {}
            followed => return Ok(followed),
        }
    }
}

/// Whether a log may still get what it lacks.
fn is_early(error: &ReadError) -> bool {
    match error {
        ReadError::Log { source, .. } => !matches!(source, LogError::NotALog),
        ReadError::NoLog { .. } | ReadError::Replay { .. } | ReadError::Open { .. } => true,
        _ => false,
    }
}

/// What the keys choose, and what the terminal can do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    page: Page,
    latency: Latency,
    window_seconds: u64,
    is_frozen: bool,
    is_utf8: bool,
    style: z6_metrics::Style,
}

impl Shown {
    /// What is shown at first, on a terminal with or without colors.
    pub(crate) fn new(has_colors: bool) -> Shown {
        use z6_metrics::Style;
        Shown {
            page: Page::Requests,
            latency: Latency::Response,
            window_seconds: WINDOW_SECONDS,
            is_frozen: false,
            is_utf8: is_utf8(|name| std::env::var(name).ok()),
            style: if has_colors { Style::colored() } else { Style::plain() },
        }
    }

    /// Whether the screen stands still.
    pub(crate) const fn is_frozen(&self) -> bool {
        self.is_frozen
    }

    /// A key was pressed; returns whether it was one to leave with.
    pub(crate) fn press(&mut self, key: char) -> bool {
        match key {
            'q' => return true,
            'r' => self.page = Page::Requests,
            'e' => self.page = Page::Errors,
            'g' => self.page = Page::Generator,
            '?' => self.page = Page::Help,
            's' => {
                self.latency = match self.latency {
                    Latency::Response => Latency::Service,
                    Latency::Service => Latency::Response,
                }
            }
            '+' => self.window_seconds = (self.window_seconds * 2).min(WINDOW_SECONDS_MAX),
            '-' => self.window_seconds = (self.window_seconds / 2).max(1),
            ' ' => self.is_frozen = !self.is_frozen,
            _ => {}
        }
        false
    }
}

/// Whether the locale says that the terminal takes UTF-8: the first variable that is set and not empty counts
/// (POSIX, section 8.2). Without any it does.
fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable);
    let locale = set.map(|value| value.to_lowercase()).find(|value| !value.is_empty());
    locale.is_none_or(|locale| locale.contains("utf-8") || locale.contains("utf8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_of_the_locale_counts() {
        let with = |pairs: &'static [(&str, &str)]| {
            is_utf8(move |name| {
                let found = pairs.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert!(with(&[]));
        assert!(with(&[("LANG", "en_US.UTF-8")]));
        assert!(with(&[("LC_ALL", ""), ("LANG", "C.utf8")]));
        assert!(!with(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]));
        assert!(!with(&[("LC_CTYPE", "POSIX")]));
    }

    #[test]
    fn keys_choose_what_is_shown_and_one_leaves() {
        let mut shown = Shown::new(false);
        for (key, page) in [
            ('e', Page::Errors),
            ('g', Page::Generator),
            ('?', Page::Help),
            ('x', Page::Help),
            ('r', Page::Requests),
        ] {
            assert!(!shown.press(key));
            assert_eq!(shown.page, page, "{key}");
        }
        shown.press('s');
        assert_eq!(shown.latency, Latency::Service);
        shown.press('s');
        assert_eq!(shown.latency, Latency::Response);
        for (key, seconds) in [('+', 20), ('-', 10), ('-', 5), ('-', 2), ('-', 1), ('-', 1)] {
            shown.press(key);
            assert_eq!(shown.window_seconds, seconds, "{key}");
        }
        for _ in 0..70 {
            shown.press('+');
        }
        assert_eq!(shown.window_seconds, WINDOW_SECONDS_MAX);
        shown.press(' ');
        assert!(shown.is_frozen);
        shown.press(' ');
        assert!(!shown.is_frozen && shown.press('q'));
    }
}
