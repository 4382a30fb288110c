//! A driver without a network: a function decides outcomes of connections and requests, time is a number.
//!
//! For tests and for embedders who want to see the engine at work. The full simulation, with bytes
//! and faults, is a separate crate.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use z6_events::{
    ByteRange, Cause, ConnectedAs, ConnectionSlot, ErrorKind, ExchangeSlot, Failure,
    Irregularities, LoggedValue, NextHop, PlannedRequest, Protocol, Response, TargetId, Tick,
    VariableId,
};

use crate::engine::{Command, Input};
use crate::recorder::{BlockSink, Recorder};
use crate::virtual_time::StepsAtOnce;

/// The outcome of a connection attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dial {
    /// Ready after this long, nanoseconds.
    Ready(u64),
    /// Fails after this long, nanoseconds.
    Fails(u64, ErrorKind),
    /// Nothing is ever heard of it.
    Silence,
}

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A complete response with this status after `after_ns`; the connection stays or not.
    Status {
        /// Nanoseconds from the send.
        after_ns: u64,
        /// Status code.
        status: u16,
        /// Whether the connection can be used again.
        reusable: bool,
    },
    /// A redirect to `target` after `after_ns`, followed as far as the request allows.
    Redirect {
        /// Nanoseconds from the send.
        after_ns: u64,
        /// Where it leads.
        target: TargetId,
        /// Whether the connection can be used again.
        reusable: bool,
    },
    /// A failure of the request and of its connection after this long, nanoseconds. All that the
    /// connection carries fails with it.
    Fails(u64, ErrorKind),
    /// A failure of the request alone after this long, nanoseconds: its connection remains usable.
    FailsAlone(u64, ErrorKind),
    /// It cannot be made of its values: it fails before a byte of it is written.
    Unmade,
    /// No answer ever.
    Silence,
}

/// A value that was taken from a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extracted {
    /// The response does not hold it.
    Missing,
    /// At most [`MAX_VALUE_BYTES`](z6_events::MAX_VALUE_BYTES) that the log holds.
    Clear(Vec<u8>),
    /// One that the log withholds.
    Withheld,
}

/// What was read from a response.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// One for each extraction that was done, in the order of the request.
    pub values: Vec<(VariableId, Extracted)>,
    /// The checks that failed, by bit.
    pub failed_checks: u64,
}

/// Makes up the network: asked once per attempt and once per request.
pub trait Network {
    /// The outcome of an attempt to connect to `target` at `at`.
    fn dial(&mut self, at: Tick, target: TargetId) -> Dial;
    /// What a connection to `target` speaks.
    fn protocol(&mut self, _target: TargetId) -> Protocol {
        Protocol::Http1
    }
    /// The outcome of `request`, given to a connection at `at`.
    fn answer(&mut self, at: Tick, request: &PlannedRequest) -> Answer;
    /// What is read from the response with `status` to `request`, if that reads anything.
    fn read(&mut self, _request: &PlannedRequest, _status: u16) -> Found {
        Found::default()
    }
    /// How long the next request waits to be written, nanoseconds.
    fn write_delay_ns(&mut self) -> u64 {
        0
    }
}

/// Who a pending input is about, to drop it if the engine gives that up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum About {
    Connection(ConnectionSlot, u64),
    Exchange(ExchangeSlot, u64),
    Run,
}

#[derive(Debug, Clone)]
struct Pending {
    at: Tick,
    number: u64,
    about: About,
    input: Input,
    /// What the input names.
    bytes: Vec<u8>,
}

impl Pending {
    fn key(&self) -> (Tick, u64) {
        (self.at, self.number)
    }
}

impl PartialEq for Pending {
    fn eq(&self, other: &Pending) -> bool {
        self.key() == other.key()
    }
}
impl Eq for Pending {}
impl PartialOrd for Pending {
    fn partial_cmp(&self, other: &Pending) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Pending {
    fn cmp(&self, other: &Pending) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// The current use of an exchange slot.
#[derive(Debug, Clone, Copy, Default)]
struct Use {
    /// Counts up with each use.
    number: u64,
    /// What carries it, while it belongs to the driver.
    connection: Option<ConnectionSlot>,
}

/// Runs one engine against a [`Network`], in order of time.
#[derive(Debug)]
pub struct MemoryDriver<N, S> {
    recorder: Recorder<S>,
    network: N,
    pending: BinaryHeap<Reverse<Pending>>,
    /// Current use of each slot, to tell stale inputs: counts up with each.
    connections: Vec<u64>,
    exchanges: Vec<Use>,
    next_number: u64,
    now: Tick,
    steps: StepsAtOnce,
}

impl<N: Network, S: BlockSink> MemoryDriver<N, S> {
    /// A driver at tick 0.
    pub fn new(recorder: Recorder<S>, network: N) -> MemoryDriver<N, S> {
        MemoryDriver {
            recorder,
            network,
            pending: BinaryHeap::new(),
            connections: Vec::new(),
            exchanges: Vec::new(),
            next_number: 0,
            now: Tick::ZERO,
            steps: StepsAtOnce::default(),
        }
    }

    /// Gives `input` at `at`, independent of the network: a stop, for example.
    pub fn schedule(&mut self, at: Tick, input: Input) {
        self.push(at, About::Run, input, Vec::new());
    }

    /// Runs to the end and gives the sink and the network back.
    ///
    /// # Panics
    /// As [`MemoryDriver::advance`].
    pub fn run(mut self) -> (S, N) {
        self.step(Tick::ZERO, Input::Wake, &[]);
        while self.advance() {}
        let now = self.now;
        (self.recorder.finish(now), self.network)
    }

    /// One input or one timer further; false once the engine is finished or nothing is left.
    ///
    /// # Panics
    /// If time stands still (see [`virtual_time`](crate::virtual_time)), because the network takes none and
    /// neither does the scenario: a run that would never end.
    pub fn advance(&mut self) -> bool {
        if self.recorder.is_finished() {
            return false;
        }
        let wake = self.recorder.engine_deadline();
        let next = self.pending.peek().map(|Reverse(pending)| pending.at);
        // At equal ticks the input comes first: the step fires what is due before it anyway.
        let Some(at) = [wake, next].into_iter().flatten().min() else { return false };
        let is_stuck = self.steps.is_too_many(at, || self.recorder.engine().vus_alive());
        assert!(
            !is_stuck,
            "time stands still at {at}: neither the network nor the scenario takes any"
        );
        self.recorder.maintain(at);
        if next == Some(at) {
            if let Some(Reverse(pending)) = self.pending.pop()
                && self.is_current(pending.about)
            {
                self.take(at, self.possible(at, pending.input), &pending.bytes);
            }
        } else {
            self.step(at, Input::Wake, &[]);
        }
        true
    }

    /// The engine and its log.
    pub fn recorder(&self) -> &Recorder<S> {
        &self.recorder
    }

    /// The current tick.
    pub fn now(&self) -> Tick {
        self.now
    }

    /// The input, or the failure of a redirect that is one too many.
    fn possible(&self, at: Tick, input: Input) -> Input {
        let Input::Redirected {
            exchange,
            response: Response { first_byte, status, received_bytes, .. },
            ..
        } = input
        else {
            return input;
        };
        if self.recorder.engine().accepts(at, &input) {
            return input;
        }
        Input::Failed {
            exchange,
            failure: Failure {
                error: ErrorKind::TooManyRedirects,
                detail: u64::from(status),
                first_byte: Some(first_byte),
                received_bytes,
                unsent_bytes: 0,
                reusable: false,
                irregularities: Irregularities::NONE,
                arrival: z6_events::ArrivalStamp::NONE,
            },
        }
    }

    fn is_current(&self, about: About) -> bool {
        match about {
            About::Connection(slot, number) => self.connections[slot.index()] == number,
            About::Exchange(slot, number) => self.exchanges[slot.index()].number == number,
            About::Run => true,
        }
    }

    /// Gives an input to the engine; with a connection that failed, all that it carried.
    fn take(&mut self, at: Tick, input: Input, bytes: &[u8]) {
        let broken = match input {
            Input::Failed { exchange, failure } if !failure.reusable => {
                self.exchanges[exchange.index()].connection.map(|connection| (connection, failure))
            }
            _ => None,
        };
        if let Input::Done { exchange, .. }
        | Input::Redirected { exchange, .. }
        | Input::Failed { exchange, .. } = input
        {
            self.exchanges[exchange.index()].connection = None;
        }
        self.step(at, input, bytes);
        let Some((connection, failure)) = broken else { return };
        let carried = |used: &Use| used.connection == Some(connection);
        while let Some(index) = self.exchanges.iter().position(carried) {
            self.exchanges[index].connection = None;
            self.exchanges[index].number += 1;
            let exchange = ExchangeSlot(index as u32);
            let failure = Failure { first_byte: None, received_bytes: 0, ..failure };
            self.step(at, Input::Failed { exchange, failure }, &[]);
        }
    }

    /// One step: carries its commands out, then writes what was given to connections.
    fn step(&mut self, at: Tick, input: Input, bytes: &[u8]) {
        self.now = at;
        let mut commands = Vec::new();
        let mut stop_run = None;
        self.recorder.step_with(at, input, bytes, |out| {
            commands.extend(&out.commands);
            stop_run = stop_run.or(out.stop_run);
        });
        self.recorder.engine().invariants();
        if let Some(reason) = stop_run {
            self.schedule(at, Input::Stop { reason });
        }
        let mut unwritten = Vec::new();
        for command in commands {
            match command {
                Command::Connect { connection, target, .. } => self.dial(at, connection, target),
                Command::Send { exchange, connection, request, .. } => {
                    self.use_again(exchange, Some(connection));
                    unwritten.push((exchange, self.exchanges[exchange.index()].number, request));
                }
                Command::Cancel { exchange, .. } => self.use_again(exchange, None),
                Command::Close { connection } => bump(&mut self.connections, connection.index()),
                Command::Forget { .. } => {}
            }
        }
        for (exchange, number, request) in unwritten {
            if self.exchanges[exchange.index()].number == number {
                self.send(at, exchange, &request);
            }
        }
    }

    /// A slot changes hands.
    fn use_again(&mut self, exchange: ExchangeSlot, connection: Option<ConnectionSlot>) {
        if self.exchanges.len() <= exchange.index() {
            self.exchanges.resize(exchange.index() + 1, Use::default());
        }
        let used = &mut self.exchanges[exchange.index()];
        used.number += 1;
        used.connection = connection;
    }

    fn dial(&mut self, at: Tick, connection: ConnectionSlot, target: TargetId) {
        bump(&mut self.connections, connection.index());
        let about = About::Connection(connection, self.connections[connection.index()]);
        match self.network.dial(at, target) {
            Dial::Ready(after_ns) => {
                let protocol = self.network.protocol(target);
                let negotiated = ConnectedAs { protocol, tls: None };
                let input = Input::Connected { connection, started: at, negotiated };
                self.push(at.plus_ns(after_ns), about, input, Vec::new());
            }
            Dial::Fails(after_ns, error) => {
                let input = Input::ConnectFailed {
                    connection,
                    started: at,
                    cause: Cause { error, detail: 0 },
                };
                self.push(at.plus_ns(after_ns), about, input, Vec::new());
            }
            Dial::Silence => {}
        }
    }

    /// Writes a request and makes up its outcome.
    fn send(&mut self, at: Tick, exchange: ExchangeSlot, request: &PlannedRequest) {
        let about = About::Exchange(exchange, self.exchanges[exchange.index()].number);
        let answer = self.network.answer(at, request);
        if answer == Answer::Unmade {
            return self.take(at, failed(exchange, ErrorKind::BadValue, true), &[]);
        }
        let delay_ns = self.network.write_delay_ns();
        let sent = at.plus_ns(delay_ns);
        let request_bytes = self.recorder.engine().needs_length(exchange).then_some(100);
        let input = Input::Sent { exchange, written_bytes: 100, request_bytes };
        if delay_ns == 0 {
            self.step(at, input, &[]);
        } else {
            self.push(sent, about, input, Vec::new());
        }
        let Some((ended, input)) = outcome(sent, exchange, answer) else { return };
        if let Answer::Status { status, .. } = answer {
            self.read(ended, (exchange, about), request, status);
        }
        self.push(ended, about, input, Vec::new());
    }

    /// What was read from a response comes just before its end.
    fn read(
        &mut self,
        at: Tick,
        (exchange, about): (ExchangeSlot, About),
        request: &PlannedRequest,
        status: u16,
    ) {
        let Found { values, failed_checks: failed } = self.network.read(request, status);
        for (variable, extracted) in values {
            let (value, bytes) = match extracted {
                Extracted::Missing => (LoggedValue::Missing, Vec::new()),
                Extracted::Clear(bytes) => {
                    (LoggedValue::Clear(ByteRange::new(0, bytes.len())), bytes)
                }
                Extracted::Withheld => (LoggedValue::Withheld, Vec::new()),
            };
            self.push(at, about, Input::Value { exchange, variable, value, count: None }, bytes);
        }
        if failed != 0 {
            self.push(at, about, Input::ChecksFailed { exchange, failed }, Vec::new());
        }
    }

    fn push(&mut self, at: Tick, about: About, input: Input, bytes: Vec<u8>) {
        let number = self.next_number;
        self.next_number += 1;
        self.pending.push(Reverse(Pending { at, number, about, input, bytes }));
    }
}

/// The end of an exchange without a response.
fn failed(exchange: ExchangeSlot, error: ErrorKind, reusable: bool) -> Input {
    let failure = Failure {
        error,
        detail: 0,
        first_byte: None,
        received_bytes: 0,
        unsent_bytes: 0,
        reusable,
        irregularities: Irregularities::NONE,
        arrival: z6_events::ArrivalStamp::NONE,
    };
    Input::Failed { exchange, failure }
}

/// How an exchange that was sent at `sent` ends, and when.
fn outcome(sent: Tick, exchange: ExchangeSlot, answer: Answer) -> Option<(Tick, Input)> {
    let response = |first_byte, status, reusable| Response {
        first_byte,
        status,
        received_bytes: 120,
        unsent_bytes: 0,
        reusable,
        unsolicited: false,
        irregularities: Irregularities::NONE,
        arrival: z6_events::ArrivalStamp::NONE,
    };
    Some(match answer {
        Answer::Status { after_ns, status, reusable } => {
            let done = sent.plus_ns(after_ns);
            (done, Input::Done { exchange, response: response(done, status, reusable) })
        }
        Answer::Redirect { after_ns, target, reusable } => {
            let done = sent.plus_ns(after_ns);
            let next = NextHop { target, request_bytes: 100 };
            let response = response(done, 302, reusable);
            (done, Input::Redirected { exchange, response, next })
        }
        Answer::Fails(after_ns, error) => (sent.plus_ns(after_ns), failed(exchange, error, false)),
        Answer::FailsAlone(after_ns, error) => {
            (sent.plus_ns(after_ns), failed(exchange, error, true))
        }
        Answer::Unmade | Answer::Silence => return None,
    })
}

fn bump(users: &mut Vec<u64>, index: usize) {
    if users.len() <= index {
        users.resize(index + 1, 0);
    }
    users[index] += 1;
}
