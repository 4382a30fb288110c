//! One event loop: polls, reads, writes, keeps time, and carries out what its engine decides.
//!
//! Owns the order of a pass: events first, each with the commands it leads to (a request is written
//! right after the read that freed its VU), then timers, then the log. Knows nothing of what is decided,
//! and of connections only that events concern them.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use crossbeam_channel::Sender;
use mio::event::Event as IoEvent;
use mio::{Events, Poll};
use z6_events::{Actor, Phase, PhaseTally, Tick, WorkerId};

use super::arrival::Stamping;
use super::clock::Clock;
use super::connections::Connections;
use super::engine_handle::EngineHandle;
use super::sampler::Sampler;
use super::shared::{Notice, Reports, WorkerState};
use super::sink::ChannelSink;
use super::sys;
use super::tls_config::TlsTarget;
use super::transport::Address;
use super::wait::{TOKEN_TIMER, TOKEN_WAKER, Until, Wait};
use crate::engine::Input;
use crate::prepare::Prepared;
use crate::recorder::Recorder;
use crate::session::{Given, RunValues};

/// Events taken from the kernel at once.
const EVENTS_PER_POLL: usize = 1024;
/// A worker logs its condition this often, nanoseconds.
const SAMPLE_EVERY_NS: u64 = 1_000_000_000;

/// What all workers of a run use and none changes.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) prepared: Prepared,
    /// The run has more phases than one.
    pub(super) announces: bool,
    /// What is given from outside to values.
    pub(super) given: Given,
    /// Resolved addresses by target.
    pub(super) addresses: Vec<Vec<Address>>,
    /// Local addresses to connect from, by target; empty = the kernel's choice.
    pub(super) sources: Vec<Vec<IpAddr>>,
    /// What connections over TLS begin with, by target; none for plain ones.
    pub(super) tls: Vec<Option<TlsTarget>>,
    /// What is asked of a proxy before that, by target; none where no tunnel is needed.
    pub(super) tunnels: Vec<Option<Arc<[u8]>>>,
    pub(super) limits: z6_proto_http1::Limits,
    /// What connections over HTTP/2 begin with, by target; none where none may speak it.
    pub(super) http2: Vec<Option<Http2Target>>,
    /// Whether loops spin before planned instants.
    pub(super) spin: bool,
    /// Whether it is recorded when responses had arrived.
    pub(super) stamping: Stamping,
}

/// What connections to one target begin with if they speak HTTP/2.
#[derive(Debug, Clone)]
pub(super) struct Http2Target {
    pub(super) config: z6_proto_http2::Config,
    pub(super) limits: Arc<z6_proto_http2::Limits>,
    pub(super) is_tls: bool,
    /// A connection over TLS may speak HTTP/1.1 as well.
    pub(super) is_negotiated: bool,
}

/// One event loop.
pub(super) struct Worker {
    engine: EngineHandle,
    connections: Connections,
    wait: Wait,
    state: Arc<WorkerState>,
    clock: Clock,
    sampler: Sampler,
    next_sample: Tick,
    passes: u64,
    /// The run has more phases than one, and this worker's first event says when this one began.
    announces: bool,
    /// The actor of set-up or tear-down.
    actor: Actor,
}

/// When a worker begins, and with what.
#[derive(Debug, Clone)]
pub(super) struct Begin {
    /// Tick 0.
    pub(super) clock: Clock,
    /// The same on the wall clock, nanoseconds since 1970-01-01 UTC.
    pub(super) epoch_ns: u64,
    /// What set-up has left.
    pub(super) values: RunValues,
}

/// What set-up or tear-down came to.
#[derive(Debug)]
pub(super) struct PhaseEnd {
    pub(super) is_complete: bool,
    /// What set-up leaves.
    pub(super) values: RunValues,
}

impl Worker {
    /// A worker that is ready except for the start of time.
    ///
    /// # Errors
    /// If the process has no descriptor left.
    pub(super) fn new(
        common: Arc<Common>,
        state: Arc<WorkerState>,
        notices: Sender<Notice>,
        recorder: Recorder<ChannelSink>,
        poll: Poll,
    ) -> io::Result<Worker> {
        let wait = Wait::new(poll, common.spin)?;
        let (phase, actor) = (common.prepared.phase(), common.prepared.actor_of_phase());
        let announces = common.announces && recorder.engine().partition().worker() == WorkerId(0);
        let reports = Reports::new(notices, common.addresses.iter().map(Vec::len));
        let connections = Connections::new(common, wait.registry()?, reports);
        let engine = EngineHandle::new(recorder);
        Ok(Worker {
            engine: if phase == Phase::Main { engine } else { engine.tallied() },
            announces,
            actor,
            connections,
            wait,
            state,
            clock: Clock::start(),
            sampler: Sampler::new(),
            next_sample: Tick(SAMPLE_EVERY_NS),
            passes: 0,
        })
    }

    /// Runs from tick 0 until the engine has nothing left to do.
    ///
    /// # Errors
    /// If the kernel refuses to poll: nothing can continue then.
    pub(super) fn run(&mut self, begin: Begin) -> io::Result<()> {
        let Begin { clock, epoch_ns, values } = begin;
        self.connections.begin(epoch_ns, values);
        // Without sharper timers the run continues; lateness shows what it costs.
        let _ = sys::sharpen_timers();
        self.clock = clock;
        self.engine.start_clock(clock);
        self.connections.start_clock(clock);
        self.sampler.begin();
        if self.announces {
            self.engine.phase_started(epoch_ns);
        }
        let mut events = Events::with_capacity(EVENTS_PER_POLL);
        let mut now = self.clock.now();
        self.engine.step(now, Input::Wake);
        self.connections.settle(&mut self.engine);
        while !self.engine.is_finished() {
            self.poll(now, &mut events)?;
            self.passes += 1;
            self.connections.begin_pass();
            let began = self.clock.now();
            for event in &events {
                self.handle(event);
            }
            self.connections.read_on(&mut self.engine);
            now = self.keep_time();
            self.sampler.pass_took(now.since(began));
        }
        self.sample();
        self.connections.end_sessions();
        Ok(())
    }

    /// Waits for the kernel until the next thing is due.
    fn poll(&mut self, now: Tick, events: &mut Events) -> io::Result<()> {
        let until = Until {
            engine: self.engine.deadline(),
            other: self.engine.block_deadline().min(self.next_sample),
            at_once: self.connections.have_turns(),
        };
        let spun_ns = self.wait.wait(self.clock, now, until, events)?;
        self.sampler.spun(spun_ns);
        Ok(())
    }

    #[inline]
    fn handle(&mut self, event: &IoEvent) {
        match event.token() {
            TOKEN_TIMER => self.wait.timer_fired(),
            TOKEN_WAKER => {
                if let Some((reason, at_once)) = self.state.take_stop() {
                    // The second one ends the grace period that the first begins.
                    for _ in 0..=u8::from(at_once) {
                        let now = self.clock.now();
                        self.engine.step(now, Input::Stop { reason });
                        self.connections.settle(&mut self.engine);
                    }
                }
            }
            token => self.connections.handle(&mut self.engine, token, event),
        }
    }

    /// Timers, the sample of the second, the age of the block. Returns the current tick.
    fn keep_time(&mut self) -> Tick {
        let mut now = self.clock.now();
        if self.engine.is_overdue(now) {
            self.engine.step(now, Input::Wake);
            self.connections.settle(&mut self.engine);
            now = self.clock.now();
        }
        if let Some(reason) = self.engine.take_stop_run() {
            // It comes back to all workers, this one included.
            self.connections.ask_to_stop(reason);
        }
        if self.next_sample <= now && !self.engine.is_finished() {
            self.next_sample = Tick(now.0 - now.0 % SAMPLE_EVERY_NS).plus_ns(SAMPLE_EVERY_NS);
            self.sample();
            now = self.clock.now();
        }
        self.engine.maintain_log(now)
    }

    fn sample(&mut self) {
        let (queued, waited_ns) = self.engine.log_queue();
        let sample = self.sampler.take(queued, waited_ns, self.passes);
        self.engine.sample(sample);
        if let Some(sample) = self.connections.http2_sample(self.clock.now()) {
            self.engine.http2_sample(sample);
        }
    }

    /// Closes the log of this worker. What it came to, in set-up and tear-down.
    pub(super) fn close(mut self) -> Option<PhaseEnd> {
        let is_complete = self.engine.tally().map(PhaseTally::is_complete);
        self.engine.close_log();
        let is_complete = is_complete?;
        Some(PhaseEnd { is_complete, values: self.connections.leave(self.actor) })
    }
}
