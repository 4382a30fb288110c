//! A run in progress: its figures so far, stopping it, waiting for its end.
//!
//! A separate thread coordinates the run, so that it continues and can be stopped whatever its owner does.
//! Only passes scenarios, reports and files on.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as TaskContext, Poll, Waker};
use std::thread::JoinHandle;
use std::time::Duration;

use z6_events::{LogDigest, LogHeader, StopReason, StoppedBy};
use z6_metrics::LiveSnapshot;
use z6_scenario::Scenario;
use z6_vu::log_file::LogError;
#[cfg(feature = "run")]
use z6_vu::reactor::{AttemptFailure, LostShard, RunReport, RunSpec, StartError};

#[cfg(feature = "builtin")]
use crate::builtin::Builtin;
use crate::error::Error;
use crate::finished::Finished;
use crate::observer::{CallsEnd, Live, Watcher, is_in_callback};
use crate::results::ResultsDir;
#[cfg(feature = "simulate")]
use crate::simulated::{Simulated, SimulationReport, StopRequest};
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
    #[cfg(feature = "builtin")]
    pub(crate) builtin: Option<Builtin>,
}

/// A run in progress. Dropping it stops the run at once, without a grace period, and waits for its end: that
/// takes milliseconds, also while a panic unwinds, but for a call of [`on_request`](crate::Run::on_request) that
/// is under way. The event log is complete, reports are not written.
#[derive(Debug)]
pub struct Running {
    /// None once it was waited for.
    coordinator: Option<Coordinator>,
    stops: Stops,
    /// Rings at the end.
    bell: Bell,
    header: LogHeader,
    live: Live,
    context: Option<Context>,
    results: Option<ResultsDir>,
}

/// Tells a task that waits for a run that the run's thread is about to end.
#[derive(Debug, Clone, Default)]
struct Bell(Arc<Mutex<Rung>>);

#[derive(Debug, Default)]
struct Rung {
    is_over: bool,
    waker: Option<Waker>,
}

impl Bell {
    fn state(&self) -> MutexGuard<'_, Rung> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it has rung; if not, it will wake the task.
    fn poll(&self, cx: &TaskContext<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.is_over {
            return Poll::Ready(());
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Rings when it is dropped, by whatever way a thread ends.
struct Ringer(Bell);

impl Drop for Ringer {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.is_over = true;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The end of a run, for async programs: see [`Running::wait_async`]. Dropping it stops the run at once.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct WaitAsync {
    /// None once the result was handed out.
    running: Option<Running>,
}

impl Future for WaitAsync {
    type Output = Result<Finished, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let bell = self.running.as_ref().map(|running| running.bell.clone());
        match bell.map(|bell| bell.poll(cx)) {
            Some(Poll::Pending) => Poll::Pending,
            Some(Poll::Ready(())) | None => match self.running.take() {
                Some(running) => Poll::Ready(running.wait()),
                None => panic!("polled after it was ready"),
            },
        }
    }
}

#[derive(Debug)]
struct Coordinator {
    thread: JoinHandle<ThreadEnd>,
    /// Disconnected once the thread has ended.
    ended: Receiver<Result<(Stops, LogHeader), Error>>,
}

/// How the thread of a run ends.
#[derive(Debug)]
enum ThreadEnd {
    /// The thread told its starter why.
    #[cfg(feature = "run")]
    NeverStarted,
    Report(Box<Report>),
    #[cfg(feature = "simulate")]
    Failed(Error),
}

impl ThreadEnd {
    /// The run has ended, whenever its owner asks for the report.
    fn over(mut report: Report) -> ThreadEnd {
        report.watcher.drop_callbacks();
        ThreadEnd::Report(Box::new(report))
    }
}

/// What a driver leaves behind.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) watcher: Watcher,
    pub(crate) header: LogHeader,
    pub(crate) stopped_by: StoppedBy,
    pub(crate) digest: Option<LogDigest>,
    pub(crate) log_bytes: u64,
    #[cfg(feature = "run")]
    pub(crate) no_target: Option<AttemptFailure>,
    pub(crate) log_error: Option<LogError>,
    pub(crate) panic: Option<String>,
    /// What all shards were told of an assertion that stops the run.
    pub(crate) shard_stop: Option<z6_events::ShardStop>,
    #[cfg(feature = "run")]
    pub(crate) lost_shards: Vec<LostShard>,
    /// What the footer says of the wall clock at tick 0, where that came after set-up.
    pub(crate) start_clock: Vec<(String, u64)>,
    #[cfg(feature = "run")]
    pub(crate) not_begun: Option<StartError>,
    /// The time limit that stopped it, if it was that.
    pub(crate) time_limit: Option<Duration>,
    #[cfg(feature = "simulate")]
    pub(crate) simulation: Option<SimulationReport>,
}

#[cfg(feature = "run")]
impl From<RunReport<Watcher>> for Report {
    fn from(report: RunReport<Watcher>) -> Report {
        Report {
            watcher: report.observer,
            header: report.header,
            stopped_by: report.stopped_by,
            digest: report.digest,
            log_bytes: report.log_bytes,
            no_target: report.no_target,
            log_error: report.log_error,
            panic: report.panic,
            shard_stop: report.shard_stop,
            lost_shards: report.lost_shards,
            start_clock: report.start_clock,
            not_begun: report.not_begun,
            time_limit: None,
            #[cfg(feature = "simulate")]
            simulation: None,
        }
    }
}

/// A run in progress, seen from anywhere: what it has measured so far, and the means to stop it. Once the run
/// has ended the figures stay and stopping does nothing.
///
/// ```
/// # #[cfg(feature = "builtin")] {
/// let run = z6::Run::from_toml(
///     "runtime = { duration_seconds = 600, vus = 2 }\ntarget.base_url = 'builtin'\n\
///      requests = [{ name = 'hello', path = '/hello' }]\n",
/// )?;
/// let running = run.start()?;
/// let handle = running.handle();
/// let watcher = std::thread::spawn(move || {
///     while handle.live().succeeded < 10 {
///         std::thread::yield_now();
///     }
///     handle.stop();
/// });
/// let finished = running.wait()?;
/// watcher.join().unwrap();
/// assert_eq!(finished.stopped_by, z6::StoppedBy::Requested);
/// # }
/// # Ok::<(), z6::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct RunHandle {
    stops: Stops,
    live: Live,
}

/// Stops a run from another thread.
#[derive(Debug, Clone)]
pub(crate) struct Stops {
    run: RunStops,
    /// Of the embedder's functions.
    calls: CallsEnd,
}

#[derive(Debug, Clone)]
enum RunStops {
    #[cfg(feature = "run")]
    Real(z6_vu::reactor::Stopper),
    #[cfg(feature = "simulate")]
    Simulated(StopRequest),
}

impl Stops {
    fn stop(&self, reason: StopReason) {
        match &self.run {
            #[cfg(feature = "run")]
            RunStops::Real(stopper) => stopper.stop(reason),
            #[cfg(feature = "simulate")]
            RunStops::Simulated(request) => request.set(reason),
        }
    }

    #[cfg(feature = "run")]
    fn lost_shards(&self) -> Vec<LostShard> {
        match &self.run {
            RunStops::Real(stopper) => stopper.lost_shards(),
            #[cfg(feature = "simulate")]
            RunStops::Simulated(_) => Vec::new(),
        }
    }

    /// Also ends the calls of the embedder's functions: what they have not seen by now could take long.
    pub(crate) fn stop_now(&self, reason: StopReason) {
        self.calls.set();
        match &self.run {
            #[cfg(feature = "run")]
            RunStops::Real(stopper) => stopper.stop_now(reason),
            #[cfg(feature = "simulate")]
            RunStops::Simulated(request) => request.set(reason),
        }
    }
}

/// Waits for the end of a run, which comes after `limit` at the latest.
#[cfg(feature = "run")]
fn wait_up_to(
    handle: z6_vu::reactor::RunHandle<Watcher>,
    stops: &Stops,
    limit: Option<Duration>,
) -> Report {
    let Some(limit) = limit else { return handle.wait().into() };
    let mut is_over = false;
    let report = handle.wait_with(limit, |now| {
        if !is_over && now.as_duration() >= limit {
            is_over = true;
            stops.stop_now(StopReason::Requested);
        }
    });
    // It may have ended by itself just then.
    let is_over = is_over && report.stopped_by == StoppedBy::Requested;
    Report { time_limit: is_over.then_some(limit), ..report.into() }
}

impl RunHandle {
    /// The figures so far. Counts are about 200 ms old; older while a function of
    /// [`on_request`](crate::Run::on_request) does not keep up. Response times, figures by name and doubts are
    /// renewed as often as half a percent of the log writer's time allows: about as often in a release build with
    /// few names, every few seconds with hundreds of names or in a debug build.
    #[must_use]
    pub fn live(&self) -> LiveSnapshot {
        self.live.read()
    }

    /// Shards that this one no longer hears, where all are judged together: see
    /// [`Finished::lost_shards`](crate::Finished::lost_shards).
    #[cfg(feature = "run")]
    #[must_use]
    pub fn lost_shards(&self) -> Vec<LostShard> {
        self.stops.lost_shards()
    }

    /// Asks the run to stop: nothing new is planned, and requests in flight may still be answered for the
    /// grace period (`graceful_stop_seconds`). A second call ends that period. The run says that it was
    /// [`Requested`](StoppedBy::Requested).
    pub fn stop(&self) {
        self.stops.stop(StopReason::Requested);
    }

    /// Asks the run to stop without a grace period. Its log is complete all the same; what the functions of
    /// [`on_request`](crate::Run::on_request) and [`on_event`](crate::Run::on_event) have not seen by now they
    /// do not see any more.
    pub fn stop_now(&self) {
        self.stops.stop_now(StopReason::Requested);
    }

    /// As [`stop`](RunHandle::stop), for a program that was interrupted (SIGINT): the run says so.
    pub fn interrupt(&self) {
        self.stops.stop(StopReason::Interrupt);
    }

    /// As [`stop`](RunHandle::stop), for a program that was asked to terminate (SIGTERM): the run says so.
    pub fn terminate(&self) {
        self.stops.stop(StopReason::Terminate);
    }
}

impl Running {
    /// Starts `spec` on a thread that stays with it.
    #[cfg(feature = "run")]
    pub(crate) fn start(
        spec: RunSpec,
        watcher: Watcher,
        context: Context,
        time_limit: Option<Duration>,
    ) -> Result<Running, Error> {
        let (live, halt, calls) = (watcher.live(), watcher.halt(), watcher.calls_end());
        let (started, ended) = mpsc::channel();
        let thread = std::thread::Builder::new().name("z6-run".to_owned());
        let bell = Bell::default();
        let ringer = Ringer(bell.clone());
        let thread = thread.spawn(move || match z6_vu::reactor::start(&spec, watcher) {
            Ok(handle) => {
                // Rings once everything below is done.
                let _ringer = ringer;
                // The starter waits for it; nothing else is sent until the end.
                let stops = Stops { run: RunStops::Real(handle.stopper()), calls };
                // It is set here only.
                let _ = halt.set(stops.clone());
                let _ = started.send(Ok((stops.clone(), handle.header().clone())));
                ThreadEnd::over(wait_up_to(handle, &stops, time_limit))
            }
            Err(error) => {
                let _ = started.send(Err(error.into()));
                ThreadEnd::NeverStarted
            }
        });
        let coordinator = Coordinator { thread: thread.map_err(Error::Thread)?, ended };
        match coordinator.ended.recv() {
            Ok(Ok((stops, header))) => Ok(Running {
                coordinator: Some(coordinator),
                stops,
                bell,
                header,
                live,
                context: Some(context),
                results: None,
            }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::Panicked { message: coordinator.panic_text() }),
        }
    }

    /// Starts `simulated` on its own thread.
    #[cfg(feature = "simulate")]
    pub(crate) fn simulate(
        simulated: Simulated,
        watcher: Watcher,
        context: Context,
    ) -> Result<Running, Error> {
        let live = watcher.live();
        let (header, request) = (simulated.header().clone(), simulated.stop_request());
        let stops = Stops { run: RunStops::Simulated(request), calls: watcher.calls_end() };
        // It is set here only.
        let _ = watcher.halt().set(stops.clone());
        let (started, ended) = mpsc::channel();
        let thread = std::thread::Builder::new().name("z6-simulation".to_owned());
        let bell = Bell::default();
        let ringer = Ringer(bell.clone());
        let thread = thread.spawn(move || {
            // Dropped, that is rung and disconnected, at the end.
            let (_started, _ringer) = (started, ringer);
            match simulated.run(watcher) {
                Ok(report) => ThreadEnd::over(report),
                Err(error) => ThreadEnd::Failed(error),
            }
        });
        Ok(Running {
            coordinator: Some(Coordinator { thread: thread.map_err(Error::Thread)?, ended }),
            stops,
            bell,
            header,
            live,
            context: Some(context),
            results: None,
        })
    }

    /// Has the reports written to `results`, and the scenario at once.
    pub(crate) fn keeping(mut self, results: Option<ResultsDir>) -> Running {
        self.results = results;
        if let (Some(results), Some(context)) = (&mut self.results, &self.context) {
            results.write_scenario(&context.scenario.text);
        }
        self
    }

    /// A handle that shows and stops the run from anywhere.
    #[must_use]
    pub fn handle(&self) -> RunHandle {
        RunHandle { stops: self.stops.clone(), live: self.live.clone() }
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

    /// The figures so far: see [`RunHandle::live`].
    #[must_use]
    pub fn live(&self) -> LiveSnapshot {
        self.live.read()
    }

    /// Waits for the end. Blocks the thread: in an async program call it by `spawn_blocking` or on a thread
    /// of its own, or the server that is tested may never get to respond.
    ///
    /// # Errors
    /// As [`wait_with`](Running::wait_with).
    pub fn wait(self) -> Result<Finished, Error> {
        self.wait_with(LONG, |_| {})
    }

    /// The end of the run, for async programs: of any runtime, without a thread that waits. What is done once
    /// the run has ended, writing the reports, takes a moment of the polling thread.
    ///
    /// ```
    /// # #[cfg(feature = "builtin")] {
    /// async fn smoke() -> Result<z6::Finished, z6::Error> {
    ///     let run = z6::Run::from_toml(
    ///         "runtime.iterations = 20\ntarget.base_url = 'builtin'\n\
    ///          requests = [{ name = 'hello', path = '/hello' }]\n",
    ///     )?;
    ///     run.start()?.wait_async().await
    /// }
    /// # use std::{future::Future, pin::pin, sync::Arc, task::{Context, Poll, Wake, Waker}, thread};
    /// # struct Unpark(thread::Thread);
    /// # impl Wake for Unpark { fn wake(self: Arc<Self>) { self.0.unpark() } }
    /// # let waker = Waker::from(Arc::new(Unpark(thread::current())));
    /// # let mut task = pin!(smoke());
    /// # let finished = loop {
    /// #     match task.as_mut().poll(&mut Context::from_waker(&waker)) {
    /// #         Poll::Ready(finished) => break finished.unwrap(),
    /// #         Poll::Pending => thread::park(),
    /// #     }
    /// # };
    /// # assert_eq!(finished.metrics.requests.succeeded, 20);
    /// # }
    /// ```
    pub fn wait_async(self) -> WaitAsync {
        WaitAsync { running: Some(self) }
    }

    /// Waits for the end, calling `each` every `every` with the figures so far, and again after
    /// the end. Then writes the reports, if results are kept.
    ///
    /// # Errors
    /// Bugs only: [`Error::Fold`], [`Error::Panicked`] and, simulated, [`Error::Simulation`]. A run that
    /// ended badly is a [`Finished`] that says so.
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
            self.stops.stop_now(StopReason::Requested);
            // To learn how it ended, wait for it instead. Within one of the embedder's functions it cannot be
            // waited for: the end comes after it.
            if !is_in_callback() {
                let _ = coordinator.join();
            }
        }
    }
}

impl Coordinator {
    fn join(self) -> Result<Report, Error> {
        match self.thread.join() {
            Ok(ThreadEnd::Report(report)) => Ok(*report),
            #[cfg(feature = "simulate")]
            Ok(ThreadEnd::Failed(error)) => Err(error),
            #[cfg(feature = "run")]
            Ok(ThreadEnd::NeverStarted) => {
                unreachable!("a run that never started was never handed out")
            }
            Err(payload) => Err(Error::Panicked { message: panic_text(payload.as_ref()) }),
        }
    }

    #[cfg(feature = "run")]
    fn panic_text(self) -> String {
        match self.thread.join() {
            Ok(_) => "the run's thread ended without a message".to_owned(),
            Err(payload) => panic_text(payload.as_ref()),
        }
    }
}

/// What a panic said.
pub(crate) fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}
