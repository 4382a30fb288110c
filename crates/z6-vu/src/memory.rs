//! A driver without a network: connections and answers are made up by a function, time is a number.
//!
//! For tests and for embedders who want to see the engine at work. The full simulation, with bytes
//! and faults, is a crate of its own.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use z6_events::{
    Cause, ConnectionSlot, ErrorKind, ExchangeSlot, Failure, NextHop, PlannedRequest, Response,
    TargetId, Tick,
};

use crate::engine::{Command, Input};
use crate::recorder::{BlockSink, Recorder};

/// What becomes of a connection attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dial {
    /// Ready after this long, nanoseconds.
    Ready(u64),
    /// Fails after this long, nanoseconds.
    Fails(u64, ErrorKind),
    /// Nothing is ever heard of it.
    Silence,
}

/// What becomes of a request.
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
    /// A failure after this long, nanoseconds.
    Fails(u64, ErrorKind),
    /// No answer ever.
    Silence,
}

/// Makes up the network: asked once per attempt and once per request.
pub trait Network {
    /// What becomes of an attempt to connect to `target` at `at`.
    fn dial(&mut self, at: Tick, target: TargetId) -> Dial;
    /// What becomes of `ask`, sent at `at`.
    fn answer(&mut self, at: Tick, request: &PlannedRequest) -> Answer;
}

/// Who a pending input is about, to drop it if the engine gives that up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum About {
    Connection(ConnectionSlot, u64),
    Exchange(ExchangeSlot, u64),
    Run,
}

#[derive(Debug, Clone, Copy)]
struct Pending {
    at: Tick,
    number: u64,
    about: About,
    input: Input,
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

/// Runs one engine against a [`Network`], in order of time.
#[derive(Debug)]
pub struct MemoryDriver<N, S> {
    recorder: Recorder<S>,
    network: N,
    pending: BinaryHeap<Reverse<Pending>>,
    /// Current user of each slot, to tell stale inputs: counts up with each use.
    connections: Vec<u64>,
    exchanges: Vec<u64>,
    next_number: u64,
    now: Tick,
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
        }
    }

    /// Has `input` happen at `at`, whatever else goes on: a stop, say.
    pub fn schedule(&mut self, at: Tick, input: Input) {
        self.push(at, About::Run, input);
    }

    /// Runs to the end and gives the sink and the network back.
    pub fn run(mut self) -> (S, N) {
        self.step(Tick::ZERO, Input::Wake);
        while self.advance() {}
        let now = self.now;
        (self.recorder.finish(now), self.network)
    }

    /// One input or one timer further; false once the engine is finished or nothing is left.
    pub fn advance(&mut self) -> bool {
        if self.recorder.is_finished() {
            return false;
        }
        let wake = self.recorder.engine_deadline();
        let next = self.pending.peek().map(|Reverse(pending)| pending.at);
        // At equal ticks the input comes first: the step fires what is due before it anyway.
        let Some(at) = [wake, next].into_iter().flatten().min() else { return false };
        self.recorder.maintain(at);
        if next == Some(at) {
            if let Some(Reverse(pending)) = self.pending.pop()
                && self.is_current(pending.about)
            {
                self.step(at, self.possible(at, pending.input));
            }
        } else {
            self.step(at, Input::Wake);
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
            },
        }
    }

    fn is_current(&self, about: About) -> bool {
        match about {
            About::Connection(slot, user) => self.connections[slot.index()] == user,
            About::Exchange(slot, user) => self.exchanges[slot.index()] == user,
            About::Run => true,
        }
    }

    fn step(&mut self, at: Tick, input: Input) {
        self.now = at;
        self.recorder.step(at, input);
        self.recorder.engine().invariants();
        let commands = self.recorder.commands().to_vec();
        for command in commands {
            self.carry_out(at, command);
        }
    }

    fn carry_out(&mut self, at: Tick, command: Command) {
        match command {
            Command::Connect { connection, target, .. } => self.dial(at, connection, target),
            Command::Send { exchange, request, .. } => self.send(at, exchange, &request),
            Command::Cancel { exchange, .. } => bump(&mut self.exchanges, exchange.index()),
            Command::Close { connection } => bump(&mut self.connections, connection.index()),
        }
    }

    fn dial(&mut self, at: Tick, connection: ConnectionSlot, target: TargetId) {
        bump(&mut self.connections, connection.index());
        let about = About::Connection(connection, self.connections[connection.index()]);
        match self.network.dial(at, target) {
            Dial::Ready(after_ns) => {
                let input = Input::Connected { connection, started: at };
                self.push(at.plus_ns(after_ns), about, input);
            }
            Dial::Fails(after_ns, error) => {
                let input = Input::ConnectFailed {
                    connection,
                    started: at,
                    cause: Cause { error, detail: 0 },
                };
                self.push(at.plus_ns(after_ns), about, input);
            }
            Dial::Silence => {}
        }
    }

    fn send(&mut self, at: Tick, exchange: ExchangeSlot, request: &PlannedRequest) {
        bump(&mut self.exchanges, exchange.index());
        let about = About::Exchange(exchange, self.exchanges[exchange.index()]);
        let answer = self.network.answer(at, request);
        self.step(at, Input::Sent { exchange, written_bytes: 100, request_bytes: None });
        match answer {
            Answer::Status { after_ns, status, reusable } => {
                let done = at.plus_ns(after_ns);
                let input = Input::Done {
                    exchange,
                    response: Response {
                        first_byte: done,
                        status,
                        received_bytes: 120,
                        unsent_bytes: 0,
                        reusable,
                        unsolicited: false,
                    },
                };
                self.push(done, about, input);
            }
            Answer::Redirect { after_ns, target, reusable } => {
                let done = at.plus_ns(after_ns);
                let input = Input::Redirected {
                    exchange,
                    response: Response {
                        first_byte: done,
                        status: 302,
                        received_bytes: 120,
                        unsent_bytes: 0,
                        reusable,
                        unsolicited: false,
                    },
                    next: NextHop { target, request_bytes: 100 },
                };
                self.push(done, about, input);
            }
            Answer::Fails(after_ns, error) => {
                let input = Input::Failed {
                    exchange,
                    failure: Failure {
                        error,
                        detail: 0,
                        first_byte: None,
                        received_bytes: 0,
                        unsent_bytes: 0,
                        reusable: false,
                    },
                };
                self.push(at.plus_ns(after_ns), about, input);
            }
            Answer::Silence => {}
        }
    }

    fn push(&mut self, at: Tick, about: About, input: Input) {
        let number = self.next_number;
        self.next_number += 1;
        self.pending.push(Reverse(Pending { at, number, about, input }));
    }
}

fn bump(users: &mut Vec<u64>, index: usize) {
    if users.len() <= index {
        users.resize(index + 1, 0);
    }
    users[index] += 1;
}
