//! One event loop: polls, reads, writes, keeps time, and carries out what its engine decides.
//!
//! Owns the order of a pass: events first, then commands as they come (a request is written right
//! after the read that freed its VU), then timers, then the log. Knows nothing of what is decided.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Sender;
use mio::event::Event as IoEvent;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::os::fd::AsRawFd;
use z6_events::{Event, ExchangeSlot, Tick};

use super::clock::Clock;
use super::sampler::Sampler;
use super::shared::{Notice, WorkerState};
use super::sink::ChannelSink;
use super::sys::{self, TimerFd};
use super::table::{Links, TOKEN_TIMER, TOKEN_WAKER};
use super::tls::HELD_BACK_MAX;
use super::tls_config::TlsTarget;
use super::transport::Address;
use crate::engine::{Command, Input};
use crate::recorder::Recorder;
use crate::redirect::{Hop, Redirects};
use crate::templates::Templates;

/// Events taken from the kernel at once.
const EVENTS_PER_POLL: usize = 1024;
/// Bytes read at once; one buffer per worker.
pub(super) const READ_BUFFER_BYTES: usize = 64 << 10;
/// A loop that spins begins this long before the instant, nanoseconds.
const SPIN_NS: u64 = 60_000;
/// A worker logs its condition this often, nanoseconds.
const SAMPLE_EVERY_NS: u64 = 1_000_000_000;

/// What all workers of a run use and none changes.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) templates: Templates,
    /// Resolved addresses by target.
    pub(super) addresses: Vec<Vec<Address>>,
    /// Local addresses to connect from, by target; empty = the kernel's choice.
    pub(super) sources: Vec<Vec<IpAddr>>,
    /// What connections over TLS begin with, by target; none for plain ones.
    pub(super) tls: Vec<Option<TlsTarget>>,
    pub(super) limits: z6_proto_http1::Limits,
    /// None where no request follows redirects.
    pub(super) redirects: Option<Redirects>,
    /// Whether loops spin before planned instants.
    pub(super) spin: bool,
}

/// One event loop.
pub(super) struct Worker {
    pub(super) common: Arc<Common>,
    pub(super) state: Arc<WorkerState>,
    pub(super) notices: Sender<Notice>,
    pub(super) recorder: Recorder<ChannelSink>,
    pub(super) clock: Clock,
    pub(super) links: Links,
    pub(super) read_buffer: Box<[u8]>,
    /// What came over TLS, opened; empty where no target has TLS.
    pub(super) plain_buffer: Box<[u8]>,
    /// [`Common::tls`] with sessions of this worker.
    pub(super) tls: Vec<Option<TlsTarget>>,
    pub(super) commands: VecDeque<Command>,
    /// Connections whose fairness budget was used up before they were drained.
    pub(super) unfinished: Vec<Token>,
    /// Those of them whose turn it is.
    turn: Vec<Token>,
    pub(super) next_source: usize,
    /// What redirected exchanges send next, or sent last.
    pub(super) hops: BTreeMap<ExchangeSlot, Hop>,
    poll: Poll,
    timer: TimerFd,
    /// The instant the timer is armed for; [`Tick::MAX`] when it is not.
    armed: Tick,
    sampler: Sampler,
    next_sample: Tick,
    passes: u64,
}

impl Worker {
    /// A worker that stands ready, but for the start of time.
    pub(super) fn new(
        common: Arc<Common>,
        state: Arc<WorkerState>,
        notices: Sender<Notice>,
        recorder: Recorder<ChannelSink>,
        poll: Poll,
    ) -> io::Result<Worker> {
        let timer = TimerFd::new()?;
        let fd = timer.as_raw_fd();
        poll.registry().register(&mut SourceFd(&fd), TOKEN_TIMER, Interest::READABLE)?;
        let links = Links::new(common.limits);
        let tls: Vec<_> =
            common.tls.iter().map(|target| target.as_ref().map(TlsTarget::of_worker)).collect();
        let has_tls = tls.iter().any(Option::is_some);
        let plain_bytes = if has_tls { READ_BUFFER_BYTES + HELD_BACK_MAX } else { 0 };
        Ok(Worker {
            common,
            state,
            notices,
            recorder,
            clock: Clock::start(),
            links,
            read_buffer: vec![0; READ_BUFFER_BYTES].into_boxed_slice(),
            plain_buffer: vec![0; plain_bytes].into_boxed_slice(),
            tls,
            commands: VecDeque::with_capacity(64),
            unfinished: Vec::new(),
            turn: Vec::new(),
            next_source: 0,
            hops: BTreeMap::new(),
            poll,
            timer,
            armed: Tick::MAX,
            sampler: Sampler::new(),
            next_sample: Tick(SAMPLE_EVERY_NS),
            passes: 0,
        })
    }

    /// Runs from tick 0, which is `clock`'s, until the engine has nothing left to do.
    ///
    /// # Errors
    /// Where the kernel refuses to poll: nothing can go on then.
    pub(super) fn run(&mut self, clock: Clock) -> io::Result<()> {
        // Without sharper timers the run goes on; lateness shows what it costs.
        let _ = sys::sharpen_timers();
        self.clock = clock;
        self.recorder.sink_mut().set_clock(clock);
        self.sampler.begin();
        let mut events = Events::with_capacity(EVENTS_PER_POLL);
        let mut now = self.clock.now();
        self.step(now, Input::Wake);
        self.carry_out();
        while !self.recorder.is_finished() {
            self.poll(now, &mut events)?;
            self.passes += 1;
            let began = self.clock.now();
            for event in &events {
                self.handle(event);
            }
            self.read_on();
            now = self.keep_time();
            self.sampler.pass_took(now.since(began));
        }
        self.sample();
        self.links.end_sessions();
        Ok(())
    }

    /// Waits for the kernel until the next thing is due.
    fn poll(&mut self, now: Tick, events: &mut Events) -> io::Result<()> {
        let engine = self.recorder.engine_deadline().unwrap_or(Tick::MAX);
        let spin_from = self.spin_from(engine);
        let due = spin_from.min(self.recorder.block_deadline()).min(self.next_sample);
        if !self.unfinished.is_empty() || due <= now {
            self.take_events(events, Some(Duration::ZERO))?;
            if due == spin_from && events.is_empty() {
                self.spin(now, engine, events)?;
            }
            return Ok(());
        }
        if due < self.armed {
            self.timer.arm(self.clock.monotonic_ns(due))?;
            self.armed = due;
        }
        self.take_events(events, None)
    }

    /// When the loop stops sleeping for the engine's deadline.
    fn spin_from(&self, engine: Tick) -> Tick {
        if self.common.spin && engine != Tick::MAX {
            Tick(engine.0.saturating_sub(SPIN_NS))
        } else {
            engine
        }
    }

    /// Waits for `until` without sleeping, while nothing happens.
    fn spin(&mut self, from: Tick, until: Tick, events: &mut Events) -> io::Result<()> {
        let mut now = from;
        while now < until && events.is_empty() {
            self.take_events(events, Some(Duration::ZERO))?;
            now = self.clock.now();
        }
        self.sampler.spun(now.since(from));
        Ok(())
    }

    fn take_events(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            other => other,
        }
    }

    #[inline]
    fn handle(&mut self, event: &IoEvent) {
        match event.token() {
            // Spent: whoever waits next arms it again.
            TOKEN_TIMER => self.armed = Tick::MAX,
            TOKEN_WAKER => {
                if let Some(reason) = self.state.take_stop() {
                    let now = self.clock.now();
                    self.step(now, Input::Stop { reason });
                    self.carry_out();
                }
            }
            token => self.handle_connection(token, event),
        }
    }

    fn handle_connection(&mut self, token: Token, event: &IoEvent) {
        let Some(slot) = self.links.current(token) else { return };
        if self.links.at(slot).connecting {
            match self.links.at(slot).tls {
                None => self.check_connect(slot),
                Some(_) => self.handshake(slot, token),
            }
            // What else the event tells is told once only: bytes may have come with the connection.
            if self.links.current(token).is_none() || self.links.at(slot).connecting {
                return;
            }
        }
        if event.is_read_closed() || event.is_error() {
            self.links.at(slot).peer_closed = true;
        }
        if event.is_writable() && self.links.at(slot).tls.is_some() {
            self.flush_sealed(slot);
        }
        if event.is_writable() && !self.links.at(slot).http.unwritten().is_empty() {
            self.write(slot);
            self.carry_out();
        }
        let readable = event.is_readable() || event.is_read_closed() || event.is_error();
        if readable && self.links.current(token).is_some() {
            self.read(slot, token);
        }
    }

    /// Goes on with the connections whose turn was over before they were drained.
    fn read_on(&mut self) {
        if self.unfinished.is_empty() {
            return;
        }
        std::mem::swap(&mut self.unfinished, &mut self.turn);
        for i in 0..self.turn.len() {
            let token = self.turn[i];
            if let Some(slot) = self.links.current(token) {
                self.links.at(slot).queued = false;
                self.read(slot, token);
            }
        }
        self.turn.clear();
    }

    /// Timers, the sample of the second, the age of the block. Answers with the time.
    fn keep_time(&mut self) -> Tick {
        let mut now = self.clock.now();
        if self.is_overdue(now) {
            self.step(now, Input::Wake);
            self.carry_out();
            now = self.clock.now();
        }
        if self.next_sample <= now && !self.recorder.is_finished() {
            self.next_sample = Tick(now.0 - now.0 % SAMPLE_EVERY_NS).plus_ns(SAMPLE_EVERY_NS);
            self.sample();
            now = self.clock.now();
        }
        self.recorder.maintain(now);
        let waited_ns = self.recorder.sink_mut().take_waited_ns();
        if waited_ns > 0 {
            now = self.clock.now();
            self.recorder.copy(now, &Event::LogStalled { waited_ns });
        }
        now
    }

    /// Whether a timer of the engine is due.
    #[inline]
    pub(super) fn is_overdue(&self, at: Tick) -> bool {
        self.recorder.engine_deadline().is_some_and(|deadline| deadline <= at)
    }

    fn sample(&mut self) {
        let sink = self.recorder.sink_mut();
        let (queued, waited_ns) = (sink.queued(), sink.waited_in_all_ns());
        let sample = self.sampler.take(queued, waited_ns, self.passes);
        let now = self.clock.now();
        self.recorder.sample(now, sample);
    }

    /// Gives an input to the engine and queues what it asks for.
    #[inline]
    pub(super) fn step(&mut self, at: Tick, input: Input) {
        self.recorder.step(at, input, |out| self.commands.extend(&out.commands));
    }

    /// Carries out all that was asked for, and what that leads to. Nothing called from here calls
    /// it again: inputs that a command gives rise to queue their commands behind the others.
    #[inline]
    pub(super) fn carry_out(&mut self) {
        while let Some(command) = self.commands.pop_front() {
            if self.recorder.is_finished() {
                // Sockets close with the worker; what is unsent stays unsent.
                self.commands.clear();
                return;
            }
            match command {
                Command::Connect { connection, target, address } => {
                    self.connect(connection, target, address);
                }
                Command::Send { exchange, connection, request, attempt } => {
                    self.send(connection, exchange, request, attempt);
                }
                Command::Cancel { connection, .. } => {
                    // Over HTTP/1.1 an exchange is given up with its connection.
                    self.links.at(connection).in_flight = None;
                }
                Command::Close { connection } => self.links.close(connection),
            }
        }
    }

    /// Closes the log of this worker.
    pub(super) fn close_log(self) {
        let now = self.clock.now();
        drop(self.recorder.finish(now));
    }

    pub(super) fn registry(&self) -> &mio::Registry {
        self.poll.registry()
    }
}
