//! A run under way: how it stands, stopping it, waiting for its end.
//!
//! A thread of its own coordinates the run, so that it goes on, and can be stopped, whatever its
//! owner does. Knows nothing of scenarios, reports or files but to hand them on.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use z6_events::{LogHeader, StopReason};
use z6_metrics::LiveSnapshot;
use z6_scenario::Scenario;
use z6_vu::reactor::{RunReport, RunSpec, StartError, Stopper};

use crate::builtin::Builtin;
use crate::error::Error;
use crate::finished::Finished;
use crate::observer::{Live, Watcher};
use crate::results::ResultsDir;
use crate::source::ScenarioSource;

/// How long [`Running::wait`] sleeps at most between two looks at nothing.
const LONG: Duration = Duration::from_secs(3_600);

/// What is needed again at the end.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) source: ScenarioSource,
    pub(crate) seed_drawn: bool,
    pub(crate) log: Option<PathBuf>,
    pub(crate) builtin: Option<Builtin>,
}

/// A run under way. Dropping it stops the run and waits for its end.
#[derive(Debug)]
pub struct Running {
    /// None once it was waited for.
    coordinator: Option<Coordinator>,
    stopper: Stopper,
    header: LogHeader,
    live: Live,
    context: Option<Context>,
    results: Option<ResultsDir>,
}

#[derive(Debug)]
struct Coordinator {
    thread: JoinHandle<Result<RunReport<Watcher>, NeverStarted>>,
    /// Disconnected once the thread has ended.
    ended: Receiver<Result<(Stopper, LogHeader), StartError>>,
}

/// The thread told its starter why.
#[derive(Debug)]
struct NeverStarted;

impl Running {
    /// Starts `spec` on a thread that stays with it.
    pub(crate) fn start(
        spec: RunSpec,
        watcher: Watcher,
        context: Context,
    ) -> Result<Running, Error> {
        let live = watcher.live();
        let (started, ended) = mpsc::channel();
        let thread = std::thread::Builder::new().name("z6-run".to_owned());
        let thread = thread.spawn(move || match z6_vu::reactor::start(&spec, watcher) {
            Ok(handle) => {
                // The starter waits for it; nobody else is told anything until the end.
                let _ = started.send(Ok((handle.stopper(), handle.header().clone())));
                Ok(handle.wait())
            }
            Err(error) => {
                let _ = started.send(Err(error));
                Err(NeverStarted)
            }
        });
        let coordinator = Coordinator { thread: thread.map_err(Error::Thread)?, ended };
        match coordinator.ended.recv() {
            Ok(Ok((stopper, header))) => Ok(Running {
                coordinator: Some(coordinator),
                stopper,
                header,
                live,
                context: Some(context),
                results: None,
            }),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(Error::Panicked { message: coordinator.panic_text() }),
        }
    }

    /// Has the reports written to `results`, and the scenario at once.
    pub(crate) fn keeping(mut self, results: Option<ResultsDir>) -> Running {
        self.results = results;
        if let (Some(results), Some(context)) = (&mut self.results, &self.context) {
            results.write_scenario(context.source.text());
        }
        self
    }

    /// A handle that stops the run from anywhere.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// The log's header: seed, plan digest, addresses, start.
    #[must_use]
    pub fn header(&self) -> &LogHeader {
        &self.header
    }

    /// The directory that log and reports go to, if any.
    #[must_use]
    pub fn results_dir(&self) -> Option<&std::path::Path> {
        self.results.as_ref().map(ResultsDir::path)
    }

    /// How the run stands: at most about 200 ms behind.
    #[must_use]
    pub fn live(&self) -> LiveSnapshot {
        self.live.read()
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// As [`wait_with`](Running::wait_with).
    pub fn wait(self) -> Result<Finished, Error> {
        self.wait_with(LONG, |_| {})
    }

    /// Waits for the end, calling `each` every `every` with how the run stands, and once more after
    /// the end. Then writes the reports, where results are kept.
    ///
    /// # Errors
    /// Bugs only: [`Error::Fold`] and [`Error::Panicked`]. A run that ended badly is a [`Finished`]
    /// that says so.
    pub fn wait_with(
        mut self,
        every: Duration,
        mut each: impl FnMut(&LiveSnapshot),
    ) -> Result<Finished, Error> {
        let (Some(coordinator), Some(context)) = (self.coordinator.take(), self.context.take())
        else {
            unreachable!("only waiting and dropping take them, and both own the run")
        };
        // Nothing is sent any more: it is disconnected at the end.
        while let Err(RecvTimeoutError::Timeout) = coordinator.ended.recv_timeout(every) {
            each(&self.live());
        }
        let report = coordinator.join()?;
        let finished = Finished::new(report, context, self.results.take())?;
        each(&self.live());
        Ok(finished)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(coordinator) = self.coordinator.take() {
            self.stopper.stop(StopReason::Interrupt);
            // Whoever wants to know how it ended waits for it.
            let _ = coordinator.join();
        }
    }
}

impl Coordinator {
    fn join(self) -> Result<RunReport<Watcher>, Error> {
        match self.thread.join() {
            Ok(Ok(report)) => Ok(report),
            Ok(Err(NeverStarted)) => unreachable!("a run that never started was never handed out"),
            Err(payload) => Err(Error::Panicked { message: panic_text(payload.as_ref()) }),
        }
    }

    fn panic_text(self) -> String {
        match self.thread.join() {
            Ok(_) => "the run's thread ended without a word".to_owned(),
            Err(payload) => panic_text(payload.as_ref()),
        }
    }
}

/// What a panic said.
fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}
