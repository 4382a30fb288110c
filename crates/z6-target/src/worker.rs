//! The event loop of one thread: events, deadlines and turns, each handed to its connection.
//!
//! Owns the event queue and the connections of the thread; must not know HTTP.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::accept::{Listener, Refusal, classify};
use crate::config::ACCEPT_RETRY_NS;
use crate::conn::{Connection, Context, Next};
use crate::server::Shared;
use crate::socket::Socket;
use crate::sys::monotonic_ns;
use crate::table::Table;
use crate::timers::Timers;
use crate::tls::Identity;

const WAKER: Token = Token(usize::MAX);
const TIMER: Token = Token(usize::MAX - 1);
/// Listener i has this token minus i; all lie far above the indices of the connection table.
const FIRST_LISTENER: usize = usize::MAX - 2;

const EVENTS_PER_POLL: usize = 1024;
const READ_BUFFER_BYTES: usize = 64 * 1024;
/// Connections accepted before the open ones have their turn.
const ACCEPT_BATCH: usize = 64;
/// How often a stalled thread checks whether the server stops.
const STALL_SLICE_NS: u64 = 20_000_000;

/// One thread's share of a server.
#[derive(Debug)]
pub(crate) struct Worker {
    poll: Poll,
    listeners: Vec<Listener>,
    connections: Table<Connection>,
    timers: Timers,
    /// Connections and listeners with work left that no event will announce; each at most once.
    queue: VecDeque<Token>,
    context: Context,
    buffer: Vec<u8>,
}

impl Worker {
    pub(crate) fn new(
        thread: usize,
        mut listeners: Vec<Listener>,
        shared: Arc<Shared>,
    ) -> io::Result<(Self, Waker)> {
        let poll = Poll::new()?;
        for (index, listener) in listeners.iter_mut().enumerate() {
            let token = Token(FIRST_LISTENER - index);
            poll.registry().register(&mut listener.socket, token, Interest::READABLE)?;
        }
        let waker = Waker::new(poll.registry(), WAKER)?;
        let timers = Timers::new(poll.registry(), TIMER)?;
        let worker = Self {
            poll,
            listeners,
            connections: Table::new(),
            timers,
            queue: VecDeque::new(),
            context: Context { shared, thread, out: Vec::new(), wire: Vec::new() },
            buffer: vec![0; READ_BUFFER_BYTES],
        };
        Ok((worker, waker))
    }

    /// Serves until the server stops.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let outcome = self.serve();
        let open = self.connections.len();
        self.context.counters().closed.add(open as u64);
        self.context.shared.open.fetch_sub(open, Ordering::Relaxed);
        outcome
    }

    fn serve(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_PER_POLL);
        while !self.context.shared.stop.load(Ordering::Acquire) {
            self.timers.arm()?;
            let timeout = if self.queue.is_empty() { None } else { Some(Duration::ZERO) };
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                outcome => outcome?,
            }
            if !self.stand_still() {
                return Ok(());
            }
            for event in &events {
                match event.token() {
                    WAKER => {}
                    TIMER => self.timers.expired(),
                    token => {
                        if let Some(connection) = self.connections.find(token) {
                            connection.on_event(event);
                        }
                        self.visit(token);
                    }
                }
            }
            self.fire();
            self.take_turns();
        }
        Ok(())
    }

    /// Does nothing while a stall is on; false if the server was stopped meanwhile.
    fn stand_still(&self) -> bool {
        let shared = &self.context.shared;
        if shared.stalls.is_empty() {
            return true;
        }
        let mut now_ns = monotonic_ns();
        while let Some(until_ns) = shared.stalls.until(now_ns) {
            if shared.stop.load(Ordering::Acquire) {
                return false;
            }
            thread::sleep(Duration::from_nanos((until_ns - now_ns).min(STALL_SLICE_NS)));
            now_ns = monotonic_ns();
        }
        true
    }

    /// Visits those whose deadline has passed.
    fn fire(&mut self) {
        if self.timers.is_empty() {
            return;
        }
        let now_ns = monotonic_ns();
        while let Some(token) = self.timers.pop_due(now_ns) {
            if let Some(connection) = self.connections.find(token) {
                connection.on_deadline();
            } else if let Some(listener) = self.listener(token) {
                listener.retry_ns = None;
            }
            self.visit(token);
        }
    }

    /// Visits once those that were queued up to now.
    fn take_turns(&mut self) {
        for _ in 0..self.queue.len() {
            let Some(token) = self.queue.pop_front() else { return };
            if let Some(connection) = self.connections.find(token) {
                connection.queued = false;
            } else if let Some(listener) = self.listener(token) {
                listener.queued = false;
            }
            self.visit(token);
        }
    }

    fn visit(&mut self, token: Token) {
        let Some(connection) = self.connections.find(token) else {
            self.accept(token);
            return;
        };
        let before = connection.deadline_ns();
        let next = connection.drive(&mut self.context, &mut self.buffer);
        let after = connection.deadline_ns();
        if next == Next::Again && !mem::replace(&mut connection.queued, true) {
            self.queue.push_back(token);
        }
        if before != after {
            if let Some(deadline_ns) = before {
                self.timers.remove(deadline_ns, token);
            }
            if let Some(deadline_ns) = after {
                self.timers.insert(deadline_ns, token);
            }
        }
        if next == Next::Close {
            if let Some(deadline_ns) = after {
                self.timers.remove(deadline_ns, token);
            }
            // Closing the socket takes it off the event queue.
            drop(self.connections.remove(token));
            self.context.counters().closed.add(1);
            self.context.shared.open.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn listener(&mut self, token: Token) -> Option<&mut Listener> {
        self.listeners.get_mut(FIRST_LISTENER.checked_sub(token.0)?)
    }

    /// Accepts a batch of waiting connections; `token` may also be stale, and is then no listener's.
    fn accept(&mut self, token: Token) {
        for _ in 0..ACCEPT_BATCH {
            let Some(listener) = self.listener(token) else { return };
            match listener.socket.accept() {
                Ok((stream, _)) => {
                    let is_tls = listener.is_tls;
                    self.admit(stream, is_tls);
                }
                Err(error) => match classify(&error) {
                    Refusal::NoneWaiting => return,
                    Refusal::TryNext => {}
                    Refusal::TryLater => return self.accept_later(token),
                },
            }
        }
        if let Some(listener) = self.listener(token)
            && !mem::replace(&mut listener.queued, true)
        {
            self.queue.push_back(token);
        }
    }

    /// Leaves the connections waiting until descriptors may be free again.
    fn accept_later(&mut self, token: Token) {
        self.context.counters().accept_errors.add(1);
        if let Some(listener) = self.listener(token)
            && listener.retry_ns.is_none()
        {
            let retry_ns = monotonic_ns() + ACCEPT_RETRY_NS;
            listener.retry_ns = Some(retry_ns);
            self.timers.insert(retry_ns, token);
        }
    }

    fn admit(&mut self, stream: TcpStream, is_tls: bool) {
        let shared = &self.context.shared;
        if shared.open.fetch_add(1, Ordering::Relaxed) >= shared.max_connections {
            shared.open.fetch_sub(1, Ordering::Relaxed);
            self.context.counters().refused.add(1);
            return;
        }
        let number = shared.next_connection.fetch_add(1, Ordering::Relaxed);
        let identity = shared.identity.as_ref().filter(|_| is_tls);
        let socket = Socket::new(stream, identity.and_then(Identity::open));
        let token = self.connections.insert(Connection::new(socket, number));
        self.context.counters().accepted.add(1);
        let Some(connection) = self.connections.find(token) else { return };
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(connection.stream(), token, interest).is_err() {
            self.connections.remove(token);
            self.context.counters().closed.add(1);
            self.context.counters().accept_errors.add(1);
            self.context.shared.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
