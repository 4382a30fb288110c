//! From a scenario to threads that wait for tick 0: addresses, TLS, descriptors, channels and the log.
#![expect(clippy::disallowed_methods, reason = "waits for tick 0, reads /proc")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use mio::{Poll, Waker};
use z6_events::{
    Driver, LogHeader, NO_ARRIVAL_STAMPS, Phase, SealedBlock, Shard, StopReason, TargetAddresses,
    TargetId,
};
use z6_scenario::{Scenario, Scheme, Target};

use super::arrival::Stamping;
use super::beginning::{Beginning, Judged, LaterMeeting, Settled};
use super::clock::Clock;
use super::coordinator::RunHandle;
use super::crew::{Crew, Crews};
use super::error::StartError;
use super::meeting::Meeting;
use super::resolve::resolve;
use super::shared::{Notice, WorkerState};
use super::sink::ChannelSink;
use super::sys;
use super::tls_config;
use super::transport::Address;
use super::tunnel;
use super::wait::TOKEN_WAKER;
use super::worker::{Begin, Common, Http2Target, PhaseEnd, Worker};
use super::writer::{AttachedFile, LogWriter, WriterEnd, WriterParts};
use crate::engine::Engine;
use crate::log_file::LogTarget;
use crate::observer::Observer;
use crate::prepare::{Prepared, RunSetup};
use crate::recorder::Recorder;
use crate::run_end::TargetWatch;
use crate::session::{Given, RunValues};
use crate::templates::{http2_config, response_limits, response_limits2};

/// Descriptors a run needs besides its connections: standard streams, log, polls, timers, /proc.
const SPARE_DESCRIPTORS: u64 = 64;
/// Tick 0 lies this far ahead when the threads are let go, nanoseconds: time to write the header
/// and to wake them.
pub(super) const HEAD_START_NS: u64 = 5_000_000;
/// A worker has at least this many log buffers: one to fill, some on their way.
const BUFFERS_PER_WORKER_MIN: usize = 4;

/// A run to be started.
#[derive(Debug, Clone)]
pub struct RunSpec {
    /// What to run.
    pub scenario: Arc<Scenario>,
    /// The seed in force.
    pub seed: u64,
    /// Event loops; at least 1.
    pub workers: u16,
    /// Which part of the run this process has.
    pub shard: Shard,
    /// Where the built-in target listens, if the scenario uses it.
    pub builtin: Option<BuiltinTarget>,
    /// Where the log goes.
    pub log: LogTarget,
    /// Command-line overrides, for the header.
    pub overrides: Vec<(String, String)>,
    /// Files the scenario names, for the log.
    pub attached: Vec<AttachedFile>,
    /// Whether event loops spin before planned instants.
    pub spin: Spin,
    /// Where relative paths of certificates and keys start.
    pub folder: PathBuf,
    /// Secrets, and the key of digests.
    pub given: Given,
    /// When it begins, and with which others.
    pub meeting: Meeting,
    /// Whether it is recorded when responses had arrived: [`Stamping::of`] the scenario.
    pub stamping: Stamping,
}

/// Where the built-in target listens, and whom to trust there.
#[derive(Debug, Clone, Default)]
pub struct BuiltinTarget {
    /// In plain text.
    pub plain: Option<SocketAddr>,
    /// Over TLS.
    pub tls: Option<SocketAddr>,
    /// The certificate of the authority that signed its own, DER.
    pub authority: Option<Vec<u8>>,
}

/// Whether an event loop spins for the last tens of microseconds before a planned instant, instead
/// of sleeping up to it. Costs CPU, saves the time it takes to wake up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spin {
    /// Where this process may use more cores than it has event loops.
    #[default]
    Auto,
    /// Spin before every planned instant.
    On,
    /// Never.
    Off,
}

impl Spin {
    fn applies(self, workers: u16) -> bool {
        match self {
            Spin::Auto => cores() > workers,
            Spin::On => true,
            Spin::Off => false,
        }
    }
}

/// How many cores this process may use.
#[must_use]
pub fn cores() -> u16 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u16::try_from(cores).unwrap_or(u16::MAX)
}

/// Starts a run: `observer` sees every event on the writer's thread.
///
/// # Errors
/// [`StartError`] for whatever keeps it from starting; nothing was sent then.
pub fn start<O: Observer + 'static>(
    spec: &RunSpec,
    observer: O,
) -> Result<RunHandle<O>, StartError> {
    let addresses = addresses(&spec.scenario, spec.builtin.as_ref())?;
    let prepared = Prepared::new(&spec.scenario, setup(spec, &addresses))?;
    let engines = prepared.engines()?;
    let aside = [Phase::SetUp, Phase::TearDown].map(|phase| prepared.of_phase(phase));
    let [before, after] = aside;
    let (before, after) = (before?, after?);
    let others = spec.meeting.descriptors(spec.shard);
    let limit = check_descriptors(&spec.scenario, spec.shard, others)?;
    let header = header(spec, &prepared, limit);
    let counts = addresses.iter().map(Vec::len);
    let targets = TargetWatch::new(counts, spec.scenario.first_answer_ns());
    let mut threads = Threads::new(spec);
    let mut phases = Vec::with_capacity(3);
    let mut crew = |prepared: Prepared, engines| {
        let common = Arc::new(common(spec, prepared, addresses.clone())?);
        threads.crew(spec, &common, engines)
    };
    let main = crew(prepared, engines)?;
    for prepared in [before, after] {
        let engine = prepared.as_ref().map(Prepared::first_engine).transpose()?;
        let aside = prepared.zip(engine).map(|(prepared, engine)| crew(prepared, vec![engine]));
        phases.push(aside.transpose()?);
    }
    let [setup, teardown] = [0, 1].map(|place| phases[place].take());
    let crews = Crews { setup, main, teardown };
    threads.release(spec, crews, targets, header, observer)
}

/// Everything that would keep a run of `scenario` from starting on this machine, as far as it can be known
/// without the network: [`start`] finds the same. `folder` is where relative paths start. Reads the files
/// of certificates and keys, and opens nothing.
#[must_use]
pub fn check(scenario: &Arc<Scenario>, workers: u16, folder: &Path) -> Vec<StartError> {
    // No seed makes a run impossible.
    let setup = RunSetup::new(0, workers);
    let prepared = Prepared::new(scenario, setup).and_then(|prepared| prepared.engines());
    let mut found: Vec<StartError> = prepared.err().map(StartError::from).into_iter().collect();
    found.extend(tls_config::targets(scenario, folder, None).filter_map(Result::err));
    found.extend(check_descriptors(scenario, Shard::WHOLE, 0).err());
    found
}

/// What connections to a target ask a proxy for, if they do.
pub(super) fn tunnel_request(target: &Target) -> Result<Option<Arc<[u8]>>, StartError> {
    let wrong = |source| StartError::Tunnel { target: target.name.clone(), source };
    tunnel::request(target).map_err(wrong)
}

/// Where connections of each target go.
pub(super) fn addresses(
    scenario: &Scenario,
    builtin: Option<&BuiltinTarget>,
) -> Result<Vec<Vec<Address>>, StartError> {
    let builtin = builtin.cloned().unwrap_or_default();
    let mut all = Vec::with_capacity(scenario.targets.len());
    for target in &scenario.targets {
        let own = match target.base_url.scheme {
            Scheme::Http | Scheme::Https => {
                all.push(resolve(target)?);
                continue;
            }
            Scheme::Builtin => builtin.plain,
            Scheme::BuiltinTls => builtin.tls,
        };
        let Some(own) = own else {
            return Err(StartError::NoBuiltin { target: target.name.clone() });
        };
        all.push(vec![own.into()]);
    }
    Ok(all)
}

/// Whom connections to the built-in target trust.
pub(super) fn authority(builtin: Option<&BuiltinTarget>) -> Option<&[u8]> {
    builtin?.authority.as_deref()
}

/// The same in words.
pub(super) fn named(addresses: &[Vec<Address>]) -> Vec<TargetAddresses> {
    let of_target = |(i, all): (usize, &Vec<Address>)| TargetAddresses {
        target: TargetId(i as u16),
        addresses: all.iter().map(ToString::to_string).collect(),
    };
    addresses.iter().enumerate().map(of_target).collect()
}

fn setup(spec: &RunSpec, addresses: &[Vec<Address>]) -> RunSetup {
    let setup = RunSetup::new(spec.seed, spec.workers).for_shard(spec.shard);
    let arrival_stamps = spec.stamping.is_on();
    RunSetup { addresses: named(addresses), arrival_stamps, ..setup }
}

fn common(
    spec: &RunSpec,
    prepared: Prepared,
    addresses: Vec<Vec<Address>>,
) -> Result<Common, StartError> {
    let scenario = &spec.scenario;
    Ok(Common {
        announces: spec.scenario.has_phases(),
        prepared,
        given: spec.given.clone(),
        sources: scenario.targets.iter().map(|target| target.source_addresses.clone()).collect(),
        tls: tls_config::targets(scenario, &spec.folder, authority(spec.builtin.as_ref()))
            .collect::<Result<_, _>>()?,
        tunnels: scenario.targets.iter().map(tunnel_request).collect::<Result<_, _>>()?,
        limits: response_limits(&scenario.limits),
        http2: http2_targets(scenario),
        spin: spec.spin.applies(spec.workers),
        stamping: spec.stamping.clone(),
        addresses,
    })
}

fn http2_targets(scenario: &Scenario) -> Vec<Option<Http2Target>> {
    let limits = Arc::new(response_limits2(&scenario.limits));
    let of_target = |target: &Target| {
        target.may_speak_http2().then(|| Http2Target {
            config: http2_config(target),
            limits: Arc::clone(&limits),
            is_tls: target.is_tls(),
            is_negotiated: target.may_speak_http1(),
        })
    };
    scenario.targets.iter().map(of_target).collect()
}

/// Raises the limit of descriptors, compares it with what the run may need, and reserves room for them.
/// `others` are those for other shards. Returns the limit in force.
fn check_descriptors(scenario: &Scenario, shard: Shard, others: u64) -> Result<u64, StartError> {
    let limit = sys::raise_descriptor_limit().map_err(StartError::System)?;
    // The most of any shard.
    let own = |target: &Target| u64::from(target.max_connections).div_ceil(u64::from(shard.of()));
    let ends = |target: &Target| match target.base_url.scheme {
        Scheme::Http | Scheme::Https => own(target),
        // Both ends live in this process.
        Scheme::Builtin | Scheme::BuiltinTls => 2 * own(target),
    };
    let connections: u64 = scenario.targets.iter().map(ends).sum();
    let needed = connections + others + SPARE_DESCRIPTORS;
    if needed > limit {
        return Err(StartError::Descriptors { needed, limit });
    }
    // Where it fails, connections are opened nevertheless, some of them late.
    let _ = sys::reserve_descriptors(needed);
    Ok(limit)
}

fn header(spec: &RunSpec, prepared: &Prepared, descriptors: u64) -> LogHeader {
    let mut header = prepared.header(Driver::Reactor);
    header.overrides.clone_from(&spec.overrides);
    header.limits.push(("descriptors".to_owned(), descriptors));
    header.host = host_facts();
    if let Stamping::Unavailable(why) = &spec.stamping {
        header.host.push((NO_ARRIVAL_STAMPS.to_owned(), why.clone()));
    }
    header.build = build_facts();
    header
}

fn host_facts() -> Vec<(String, String)> {
    let line = |path: &str| {
        std::fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
    };
    vec![
        ("os".to_owned(), std::env::consts::OS.to_owned()),
        ("arch".to_owned(), std::env::consts::ARCH.to_owned()),
        ("kernel".to_owned(), line("/proc/sys/kernel/osrelease")),
        ("cores".to_owned(), cores().to_string()),
        ("ports".to_owned(), line("/proc/sys/net/ipv4/ip_local_port_range").replace('\t', "-")),
    ]
}

fn build_facts() -> Vec<(String, String)> {
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    vec![("profile".to_owned(), profile.to_owned())]
}

/// Workers that wait for tick 0, and the channels between them and the writer.
struct Threads {
    notices: (Sender<Notice>, Receiver<Notice>),
    full: (Sender<SealedBlock>, Receiver<SealedBlock>),
    /// Of the workers of the run itself, then of those of other phases.
    empty: Vec<Sender<Vec<u8>>>,
    /// Set by a worker that panicked.
    broken: Arc<AtomicBool>,
}

impl Threads {
    fn new(spec: &RunSpec) -> Threads {
        Threads {
            notices: unbounded(),
            full: bounded(spec.scenario.limits.max_log_queue as usize),
            empty: Vec::new(),
            broken: Arc::new(AtomicBool::new(false)),
        }
    }

    /// The workers of one phase. That of the run itself comes first.
    fn crew(
        &mut self,
        spec: &RunSpec,
        common: &Arc<Common>,
        engines: Vec<Engine>,
    ) -> Result<Crew, StartError> {
        let phase = common.prepared.phase();
        let queue = spec.scenario.limits.max_log_queue as usize;
        let buffers = match phase {
            Phase::Main => (queue / engines.len()).max(BUFFERS_PER_WORKER_MIN),
            _ => BUFFERS_PER_WORKER_MIN,
        };
        let mut crew = Crew { phase, ..Crew::default() };
        for engine in engines {
            let sink = self.sink(buffers);
            let recorder = Recorder::new(engine, sink)
                .with_arrival_stamps(spec.stamping.is_on())
                .in_phase(phase);
            self.spawn(&mut crew, common, recorder).map_err(StartError::System)?;
        }
        Ok(crew)
    }

    fn sink(&mut self, buffers: usize) -> ChannelSink {
        let (empty_sender, empty) = bounded(buffers);
        self.empty.push(empty_sender);
        ChannelSink::new(self.full.0.clone(), empty, buffers, Clock::from_start_ns(0))
    }

    fn spawn(
        &mut self,
        crew: &mut Crew,
        common: &Arc<Common>,
        recorder: Recorder<ChannelSink>,
    ) -> std::io::Result<()> {
        let poll = Poll::new()?;
        let id = recorder.engine().partition().worker();
        crew.wakers.push(Waker::new(poll.registry(), TOKEN_WAKER)?);
        let state = Arc::new(WorkerState::default());
        let notices = self.notices.0.clone();
        let worker =
            Worker::new(Arc::clone(common), Arc::clone(&state), notices.clone(), recorder, poll)?;
        let (clock_sender, clock) = mpsc::channel();
        let broken = Arc::clone(&self.broken);
        let thread = std::thread::Builder::new().name(match crew.phase {
            Phase::Main => format!("z6-worker-{id}"),
            Phase::SetUp => "z6-setup".to_owned(),
            Phase::TearDown | Phase::Unknown(_) => "z6-teardown".to_owned(),
        });
        crew.workers.push(thread.spawn(move || {
            let _notice = EndNotice { notices };
            // None comes if the start fails elsewhere, or this phase is left out: this worker just goes.
            let begin = clock.recv().ok()?;
            work(worker, begin, broken)
        })?);
        crew.clocks.push(clock_sender);
        crew.states.push(state);
        Ok(())
    }

    /// Begins the log and lets the workers go.
    fn release<O: Observer + 'static>(
        self,
        spec: &RunSpec,
        crews: Crews,
        targets: TargetWatch,
        mut header: LogHeader,
        observer: O,
    ) -> Result<RunHandle<O>, StartError> {
        let is_met_later = crews.setup.is_some() && spec.meeting.is_common();
        let mut judge = spec.meeting.judges.then(|| observer.judge(spec.shard.of())).flatten();
        let opening = match is_met_later {
            true => spec.meeting.at_once(HEAD_START_NS),
            false => spec.meeting.open(&header, HEAD_START_NS)?,
        };
        header.monotonic_epoch_ns = opening.clock.start_ns();
        header.wall_epoch_ns = opening.wall_epoch_ns;
        header.clock.clone_from(&opening.facts);
        let (start, judged) = (opening.clock, Arc::<OnceLock<Judged>>::default());
        let (beginning_sender, beginning) = bounded(1);
        let mut later = None;
        if is_met_later {
            let (meeting, header) = (spec.meeting.clone(), header.clone());
            later = Some(LaterMeeting { meeting, header, judge: judge.take() });
        } else {
            let settled = Settled::new(opening, self.notices.0.clone(), judge);
            let settled = settled.map_err(StartError::System)?;
            // It is empty, and there is room for one.
            let _ = beginning_sender.send(Beginning::Settled(settled.for_log));
            if let Some(of_all) = settled.judged {
                let _ = judged.set(of_all);
            }
        }
        let limits = &spec.scenario.limits;
        let parts = WriterParts {
            observer,
            full: self.full.1,
            empty: self.empty,
            notices: self.notices.0.clone(),
            limit_bytes: limits.max_event_log_bytes,
            has_teardown: crews.teardown.is_some(),
            beginning,
        };
        let attachments_max = limits.max_attachment_bytes;
        let writer = LogWriter::begin(&spec.log, &header, &spec.attached, attachments_max, parts)?;
        if !is_met_later {
            spec.meeting.wait_for(start)?;
        }
        let broken = Arc::clone(&self.broken);
        let notices = self.notices.0.clone();
        let writer = spawn_writer(writer, broken, notices).map_err(StartError::System)?;
        let (clock, epoch_ns) = (start, header.wall_epoch_ns);
        crews.first().begin(&Begin { clock, epoch_ns, values: RunValues::default() });
        Ok(RunHandle::new(super::coordinator::Parts {
            header,
            crews,
            writer,
            notices: self.notices,
            clock: start,
            broken: self.broken,
            targets,
            beginning: beginning_sender,
            judged,
            later,
        }))
    }
}

fn spawn_writer<O: Observer + 'static>(
    writer: LogWriter<O>,
    broken: Arc<AtomicBool>,
    notices: Sender<Notice>,
) -> std::io::Result<JoinHandle<WriterEnd<O>>> {
    let thread = std::thread::Builder::new().name("z6-log".to_owned());
    thread.spawn(move || {
        let guard = StopIfPanicking(notices);
        let end = writer.run(|| !broken.load(Ordering::Acquire));
        drop(guard);
        end
    })
}

/// Stops a run whose log writer (or observer) panicked.
struct StopIfPanicking(Sender<Notice>);

impl Drop for StopIfPanicking {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // A coordinator that is gone does not wait.
            let _ = self.0.send(Notice::Stop(StopReason::Error));
        }
    }
}

/// One worker's thread, from tick 0 to the end of its log.
fn work(mut worker: Worker, begin: Begin, broken: Arc<AtomicBool>) -> Option<PhaseEnd> {
    // If this thread panics, this goes before the worker: the log has not come to its end when that hangs up.
    let guard = BrokenUnlessDefused(broken);
    let ahead_ns = begin.clock.start_ns().saturating_sub(sys::monotonic_ns());
    std::thread::sleep(std::time::Duration::from_nanos(ahead_ns));
    if let Err(error) = worker.run(begin) {
        panic!("the kernel refuses to poll: {error}");
    }
    let end = worker.close();
    guard.defuse();
    end
}

/// Notifies the coordinator when a worker's thread ends, by whatever way.
struct EndNotice {
    notices: Sender<Notice>,
}

impl Drop for EndNotice {
    fn drop(&mut self) {
        // A coordinator that is gone does not wait.
        let _ = self.notices.send(Notice::WorkerEnded);
    }
}

/// Marks the run as broken unless its worker came to its end.
struct BrokenUnlessDefused(Arc<AtomicBool>);

impl BrokenUnlessDefused {
    fn defuse(self) {
        std::mem::forget(self);
    }
}

impl Drop for BrokenUnlessDefused {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}
