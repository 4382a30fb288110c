//! The connections of one worker: open them, write to them, read from them, see them end.
//!
//! Owns sockets and the order of what is done with one. What bytes mean is the session's to say, what
//! happens next the engine's; this module passes between them and stamps. Reading order: this file,
//! `handshake` (what is done more over TLS), `streams` (what is done
//! otherwise over HTTP/2), `table` (connections by slot), `turns` (which are read again),
//! `dialer` (how sockets are opened).

mod dialer;
mod handshake;
mod streams;
mod table;
mod turns;

use std::io::{self, Read, Write};
use std::sync::Arc;

use mio::event::Event as IoEvent;
use mio::{Registry, Token};
use z6_events::{
    Actor, Cause, ConnectedAs, ConnectionSlot, ErrorGroup, ErrorKind, ExchangeSlot, NoteKind,
    PlannedRequest, Population, Protocol, StopReason, TargetId, Tick,
};

use super::arrival::Stamps;
use super::clock::Clock;
use super::engine_handle::EngineHandle;
use super::shared::{AttemptFailure, Reports};
use super::socket;
use super::tls::HELD_BACK_MAX;
use super::worker::Common;
use crate::engine::{Command, Input};
use crate::session::{
    self, BrokenWrite, End, Note, Output, READ_BUFFER_BYTES, READS_PER_TURN, ReadAt, Requests,
    RunValues,
};

use dialer::Dialer;
use streams::Streams;
use table::{Link, Links, Opening};
use turns::Turns;

/// All connections of one event loop and what they need.
pub(super) struct Connections {
    links: Links,
    requests: Requests,
    dialer: Dialer,
    buffers: Buffers,
    reports: Reports,
    turns: Turns,
    http2: Streams,
    /// What the kernel's stamps mean; none if the run has none.
    stamps: Option<Stamps>,
}

/// What reads go through; one of each per worker.
struct Buffers {
    /// Bytes as the socket gave them.
    read: Box<[u8]>,
    /// What came over TLS, opened; empty if no target has TLS.
    plain: Box<[u8]>,
}

impl Connections {
    pub(super) fn new(common: Arc<Common>, registry: Registry, reports: Reports) -> Connections {
        let limits = common.limits;
        let requests = common.prepared.requests(&common.given);
        let dialer = Dialer::new(common, registry);
        let plain_bytes = if dialer.has_tls() { READ_BUFFER_BYTES + HELD_BACK_MAX } else { 0 };
        Connections {
            links: Links::new(limits),
            requests,
            dialer,
            buffers: Buffers {
                read: vec![0; READ_BUFFER_BYTES].into_boxed_slice(),
                plain: vec![0; plain_bytes].into_boxed_slice(),
            },
            reports,
            turns: Turns::default(),
            http2: Streams::default(),
            stamps: None,
        }
    }

    /// The clock of the run.
    pub(super) fn start_clock(&mut self, clock: Clock) {
        self.stamps = self.dialer.has_stamps().then(|| Stamps::new(clock));
    }

    /// A pass of the loop begins.
    #[inline]
    pub(super) fn begin_pass(&mut self) {
        if let Some(stamps) = &mut self.stamps {
            stamps.begin_pass();
        }
    }

    /// Sets when tick 0 is, nanoseconds since 1970-01-01 UTC, and what set-up has left.
    pub(super) fn begin(&mut self, unix_ns: u64, values: RunValues) {
        self.requests.set_epoch(unix_ns);
        self.requests.set_run_values(values);
    }

    /// What an actor of set-up leaves.
    pub(super) fn leave(&mut self, actor: Actor) -> RunValues {
        self.requests.leave(Population(0), actor)
    }

    /// The engine of this worker asks for the end of the whole run.
    pub(super) fn ask_to_stop(&self, reason: StopReason) {
        self.reports.ask_to_stop(reason);
    }

    /// Carries out all that the engine asked for, and writes what connections over HTTP/2 have to say then.
    #[inline]
    pub(super) fn settle(&mut self, engine: &mut EngineHandle) {
        self.carry_out(engine);
        if self.http2.is_waiting() {
            self.flush(engine);
        }
    }

    /// Carries out all that the engine asked for, and what that leads to. Nothing called from here calls
    /// it again: inputs that a command gives rise to queue their commands behind the others.
    #[inline]
    fn carry_out(&mut self, engine: &mut EngineHandle) {
        while let Some(command) = engine.next_command() {
            match command {
                Command::Connect { connection, target, address } => {
                    self.connect(engine.now(), connection, target, address);
                }
                Command::Send { exchange, connection, request, attempt } => {
                    self.send(engine, connection, exchange, request, attempt);
                }
                Command::Cancel { exchange, connection } => {
                    // Over HTTP/1.1 the connection is closed next.
                    match &mut self.links.at(connection).http2 {
                        None => {
                            let session = &mut self.links.at(connection).session;
                            session.cancel(exchange, &mut self.requests);
                        }
                        Some(_) => self.cancel_stream(connection, exchange),
                    }
                }
                Command::Close { connection } => self.close(connection),
                Command::Decide(decide) => {
                    let holds = self.requests.decide(&decide);
                    // No time passes: more of what one read brought may come at this tick.
                    engine.step(engine.last_tick(), decide.answer(holds));
                }
                Command::Forget { population, actor } => self.requests.forget(population, actor),
            }
        }
    }

    /// The engine closes a connection, or gives up an attempt: because it took too long, as long as the
    /// engine is not finished.
    fn close(&mut self, slot: ConnectionSlot) {
        let link = self.links.at(slot);
        if link.connecting {
            let is_secured = link.tls.is_some();
            let error = if is_secured { ErrorKind::TlsTimeout } else { ErrorKind::ConnectTimeout };
            self.report_failure(slot, Cause { error, detail: 0 }, "");
        }
        self.drop_link(slot);
    }

    fn report_failure(&mut self, slot: ConnectionSlot, cause: Cause, note: &str) {
        let (link, dialer) = (self.links.at(slot), &self.dialer);
        let is_bad_source = cause.error == ErrorKind::BadSourceAddress;
        let of_proxy = cause.error.proxy_words(cause.detail);
        let is_errno = cause.error.group() == ErrorGroup::Transport && !is_bad_source;
        let is_errno = is_errno && of_proxy.is_none();
        self.reports.attempt_failed(link.target, link.address, || AttemptFailure {
            address: dialer.address(link.target, link.address).clone(),
            error: Some(cause.error),
            errno: if is_errno { cause.detail } else { 0 },
            note: match is_bad_source {
                true => dialer.source(link.target, cause.detail),
                false => of_proxy.unwrap_or_else(|| note.to_owned()),
            },
            started: link.started,
        });
    }

    /// Closes a connection, or drops an attempt.
    fn drop_link(&mut self, slot: ConnectionSlot) {
        if self.links.at(slot).http2.is_some() {
            self.end_http2(slot);
        }
        self.links.close(slot);
    }

    /// A socket reported something.
    pub(super) fn handle(&mut self, engine: &mut EngineHandle, token: Token, event: &IoEvent) {
        self.handle_event(engine, token, event);
        if self.http2.is_waiting() {
            self.flush(engine);
        }
    }

    fn handle_event(&mut self, engine: &mut EngineHandle, token: Token, event: &IoEvent) {
        let Some(slot) = self.links.current(token) else { return };
        if self.links.at(slot).connecting {
            if self.links.at(slot).tls.is_some() {
                self.handshake(engine, slot, token);
            } else if self.links.at(slot).asks_for_tunnel() {
                self.ask_for_tunnel(engine, slot, token);
            } else {
                self.check_connect(engine, slot, token);
            }
            // What else the event reports is reported once only: bytes may have come with the
            // connection.
            if self.links.current(token).is_none() || self.links.at(slot).connecting {
                return;
            }
        }
        let link = self.links.at(slot);
        if event.is_read_closed() || event.is_error() {
            link.mark_peer_closed();
        }
        if event.is_writable() {
            if link.tls.is_some() {
                self.flush_sealed(slot);
            }
            if self.links.at(slot).http2.is_some() {
                self.due(slot);
            } else if self.links.at(slot).session.wants_write() {
                self.write(engine, slot);
                self.carry_out(engine);
            }
        }
        let readable = event.is_readable() || event.is_read_closed() || event.is_error();
        if readable && self.links.current(token).is_some() {
            self.read(engine, slot, token);
        }
    }

    /// Whether connections wait for another turn of reading.
    pub(super) fn have_turns(&self) -> bool {
        self.turns.is_waited_for()
    }

    /// Continues with the connections whose turn was over before they were drained, and with attempts that
    /// failed when they began.
    pub(super) fn read_on(&mut self, engine: &mut EngineHandle) {
        if !self.turns.is_waited_for() {
            return;
        }
        let turn = self.turns.take();
        for token in &turn {
            if let Some((slot, cause)) = self.links.take_refused(*token) {
                self.attempt_failed(engine, slot, cause, "");
                self.carry_out(engine);
            } else if let Some(slot) = self.links.current(*token) {
                self.links.at(slot).queued = false;
                self.read(engine, slot, *token);
            }
            if self.http2.is_waiting() {
                self.flush(engine);
            }
        }
        self.turns.give_back(turn);
    }

    /// At the end of the run: open TLS sessions are ended as the protocol asks. Sockets close with this.
    pub(super) fn end_sessions(&mut self) {
        for slot in self.links.slots_over_http2() {
            self.end_http2(slot);
        }
        self.links.end_sessions();
    }

    /// Opens a connection.
    fn connect(&mut self, now: Tick, slot: ConnectionSlot, target: TargetId, address: u16) {
        let token = self.links.open(slot, target, address, now);
        self.reports.attempt_started(target, self.dialer.address(target, address), now);
        match self.dialer.connect(target, address, token) {
            Ok(stream) => self.links.at(slot).stream = Some(stream),
            Err(cause) => {
                self.links.at(slot).opening = Some(Box::new(Opening::Refused(cause)));
                self.turns.wait(token);
            }
        }
    }

    /// The socket of an attempt reported something.
    fn check_connect(&mut self, engine: &mut EngineHandle, slot: ConnectionSlot, token: Token) {
        let link = self.links.at(slot);
        let Some(stream) = &link.stream else { return };
        match socket::connect_outcome(stream) {
            None => {}
            Some(Ok(())) if self.dialer.is_tls(link.target) => {
                let tunnel = self.dialer.tunnel(link.target);
                link.opening = tunnel.map(|tunnel| Box::new(Opening::Asks(tunnel)));
                match link.opening {
                    Some(_) => self.ask_for_tunnel(engine, slot, token),
                    None => self.begin_tls(engine, slot, token),
                }
            }
            Some(Ok(())) => {
                let now = engine.now();
                self.ready(engine, slot, now);
            }
            Some(Err(error)) => {
                self.connect_failed(engine, slot, &error);
                self.carry_out(engine);
            }
        }
    }

    /// A connection can carry requests.
    fn ready(&mut self, engine: &mut EngineHandle, slot: ConnectionSlot, at: Tick) {
        let link = self.links.at(slot);
        let tls = link.tls.as_ref().and_then(|tls| tls.negotiated());
        let protocol = self.protocol(slot);
        let negotiated = ConnectedAs { protocol, tls };
        let started = self.links.at(slot).started;
        if engine.connected(at, slot, started, negotiated) {
            self.links.at(slot).connecting = false;
            if protocol == Protocol::Http2 {
                self.open_http2(slot);
            }
            self.reports.connected();
        }
        self.carry_out(engine);
    }

    /// Queues what the engine makes of it; the caller carries it out.
    fn connect_failed(
        &mut self,
        engine: &mut EngineHandle,
        slot: ConnectionSlot,
        error: &io::Error,
    ) {
        self.attempt_failed(engine, slot, socket::cause(error), "");
    }

    /// The same for a failure that has its name already, with words about it.
    fn attempt_failed(
        &mut self,
        engine: &mut EngineHandle,
        slot: ConnectionSlot,
        cause: Cause,
        note: &str,
    ) {
        self.report_failure(slot, cause, note);
        let started = self.links.at(slot).started;
        self.links.close(slot);
        let now = engine.now();
        if !note.is_empty() {
            engine.note(now, NoteKind::Tls, slot.0, note.as_bytes());
        }
        engine.step(now, Input::ConnectFailed { connection: slot, started, cause });
    }

    /// Begins a request: its first bytes go out right away.
    #[inline]
    fn send(
        &mut self,
        engine: &mut EngineHandle,
        slot: ConnectionSlot,
        exchange: ExchangeSlot,
        request: PlannedRequest,
        attempt: u8,
    ) {
        // What was carried out before it may have taken time, and a timer what it asks for.
        if engine.takes_back(slot, exchange) {
            return;
        }
        let link = self.links.at(slot);
        if link.stream.is_none() {
            let now = engine.now();
            return engine.step(now, session::crossed(exchange));
        }
        if link.http2.is_some() {
            return self.queue_stream(engine, slot, exchange, request, attempt);
        }
        match link.session.start(exchange, request, attempt, &mut self.requests) {
            Ok(()) => self.write(engine, slot),
            Err(input) => {
                let at = engine.now();
                self.note(engine, at);
                engine.step(at, input);
            }
        }
    }

    /// Logs words about the input that comes next, if there are any.
    fn note(&mut self, engine: &mut EngineHandle, at: Tick) {
        if let Some(Note { about, exchange, text }) = self.requests.take_note() {
            engine.note(at, about, exchange.0, &text);
        }
    }

    /// Writes as much of the request as the socket takes. Inputs are queued, not carried out, for the
    /// caller to carry out.
    fn write(&mut self, engine: &mut EngineHandle, slot: ConnectionSlot) {
        loop {
            let at = engine.now();
            if engine.is_overdue(at) {
                // What is due comes first: it may be the end of the run.
                engine.step(at, Input::Wake);
                if engine.is_finished() || engine.withdraws(slot) {
                    return;
                }
            }
            let link = self.links.at(slot);
            let Some(stream) = &mut link.stream else { return };
            let bytes = link.session.unwritten(&self.requests);
            if bytes.is_empty() {
                return;
            }
            let length = bytes.len();
            let written = match &mut link.tls {
                None => stream.write(bytes),
                Some(tls) => tls.write(stream, bytes),
            };
            match written {
                Ok(written) => {
                    link.session.wrote(written, at, |input| engine.step(at, input));
                    if written == length {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.write_failed(slot, &error),
            }
        }
    }

    /// The socket takes no more. The connection is read in a separate turn, which settles what the
    /// failure meant.
    fn write_failed(&mut self, slot: ConnectionSlot, error: &io::Error) {
        let (cause, follows_end) = (socket::cause(error), socket::follows_an_end(error));
        self.links.at(slot).write_failed(BrokenWrite { cause, follows_end });
        self.read_later(slot);
    }

    fn read_later(&mut self, slot: ConnectionSlot) {
        let token = self.links.token_of(slot);
        let link = self.links.at(slot);
        if !link.queued {
            link.queued = true;
            self.turns.wait(token);
        }
    }

    /// Reads until the socket is drained, the connection is closed, or its turn is over. A read that
    /// fills less than the buffer has drained the socket: what comes later is a new event.
    fn read(&mut self, engine: &mut EngineHandle, slot: ConnectionSlot, token: Token) {
        for _ in 0..READS_PER_TURN {
            let link = self.links.at(slot);
            let Some(stream) = &mut link.stream else { return };
            let read = match &self.stamps {
                None => stream.read(&mut self.buffers.read).map(|length| (length, None)),
                Some(_) => stream.receive(&mut self.buffers.read),
            };
            let end = match read {
                Ok((0, _)) => {
                    let is_truncated = link.tls.as_ref().is_some_and(|tls| !tls.has_peer_closed());
                    End::EndOfStream { is_truncated }
                }
                Ok((length, wall_ns)) => {
                    let at = engine.now();
                    let drained = length < READ_BUFFER_BYTES && !link.is_peer_closed();
                    let read = read_at(&mut self.stamps, link, wall_ns, at);
                    if link.tls.is_some() {
                        self.received_sealed(engine, slot, token, length, read);
                    } else {
                        self.received(engine, slot, token, length, read);
                    }
                    if drained || self.links.current(token).is_none() {
                        return;
                    }
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => End::WouldBlock,
                Err(error) => End::Transport(socket::cause(&error)),
            };
            return self.ended(engine, slot, token, end);
        }
        self.read_later(slot);
    }

    /// Bytes came, and are in the read buffer or, of a connection with TLS, opened in the plain buffer.
    #[inline]
    fn received(
        &mut self,
        engine: &mut EngineHandle,
        slot: ConnectionSlot,
        token: Token,
        length: usize,
        read: ReadAt,
    ) {
        let mut from = 0;
        if self.links.at(slot).http2.is_some() {
            return self.received_frames(engine, slot, token, length, read);
        }
        loop {
            let link = self.links.at(slot);
            let buffer = if link.tls.is_some() { &self.buffers.plain } else { &self.buffers.read };
            let bytes = &buffer[..length];
            let output = link.session.received(bytes, &mut from, read, &mut self.requests);
            let Some(output) = output else { return };
            self.tell(engine, slot, read.at, output);
            if self.links.current(token).is_none() {
                return;
            }
        }
    }

    /// A read brought no bytes.
    fn ended(&mut self, engine: &mut EngineHandle, slot: ConnectionSlot, token: Token, end: End) {
        let at = engine.now();
        loop {
            let link = self.links.at(slot);
            let output = match &mut link.http2 {
                None => link.session.ended(end, at, &mut self.requests),
                Some(http2) => http2.ended(end, &mut self.requests),
            };
            let Some(output) = output else { return };
            self.tell(engine, slot, at, output);
            if self.links.current(token).is_none() {
                return;
            }
        }
    }

    /// Tells the engine what became of an exchange or of the connection, and carries out what it asks. `at`: when
    /// that was read. It may be the second thing that one read brought, and what the first one led to, such as
    /// a request over HTTP/1.1 to another target, have taken time: then the engine is told at its last tick.
    #[inline]
    fn tell(&mut self, engine: &mut EngineHandle, slot: ConnectionSlot, at: Tick, output: Output) {
        let at = at.max(engine.last_tick());
        let input = match output {
            Output::Input(input) => {
                if let Input::Failed { .. } | Input::Done { .. } = input {
                    self.note(engine, at);
                }
                if let Input::Value { .. } | Input::ChecksFailed { .. } = input {
                    engine.step_with(at, input, self.requests.arena());
                    // What comes next of this response has the same tick. So only what takes the
                    // connection away is carried out before, and then nothing more comes.
                    if engine.withdraws(slot) {
                        self.carry_out(engine);
                    }
                    return;
                }
                input
            }
            Output::Closed(cause) => {
                self.drop_link(slot);
                Input::ConnectionClosed { connection: slot, cause }
            }
        };
        engine.step(at, input);
        self.carry_out(engine);
    }
}

/// When a read brought bytes, and when they had arrived. What seems to have arrived before the request was sent
/// counts only if the wall clock has not been stepped meanwhile.
#[inline]
fn read_at(stamps: &mut Option<Stamps>, link: &Link, wall_ns: Option<u64>, at: Tick) -> ReadAt {
    let Some(stamps) = stamps else { return at.into() };
    let read = ReadAt { at, arrival: stamps.arrival(wall_ns, at) };
    let sent = match &link.http2 {
        None => link.session.last_sent(),
        Some(http2) => http2.last_sent(),
    };
    if read.is_before(sent) && !stamps.is_steady() { at.into() } else { read }
}
