//! One connection: moves bytes between its socket and its request reader, in order. Once it turns out to
//! speak HTTP/2, `http2` takes the place of the reader.
//!
//! Owns the socket and everything that is partly read, partly written or not yet due over HTTP/1.1; must
//! not know the event queue, the other connections or the meaning of routes.

use std::io::{ErrorKind, IoSlice};
use std::mem;
use std::sync::Arc;

use mio::event::Event;
use mio::net::TcpStream;

use crate::config::LINGER_NS;
use crate::http2::Http2;
use crate::reader::{Act, Found, Note, Reader, Request, Settings};
use crate::reply::{CONTINUE, Persistence, Reply, Source};
use crate::server::Shared;
use crate::socket::Socket;
use crate::stats::Counters;
use crate::sys::monotonic_ns;
use z6_proto_http1::server::BadRequest;
use z6_proto_http2::frame::CLIENT_PREFACE;
use z6_proto_http2::{SLICES_MAX, Slices};

/// Reads, writes and batches of requests per visit, after which other connections have their turn.
const VISIT_STEPS: u32 = 16;
/// Answers to pipelined requests are gathered up to this length before they are written.
pub(crate) const GATHER_BYTES: usize = 64 * 1024;
/// Length of the stretches in which chunked bodies are generated.
const FILL_BYTES: usize = 64 * 1024;

/// What the connections of one thread share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) shared: Arc<Shared>,
    pub(crate) thread: usize,
    /// Answers on their way to a socket; empty between visits.
    pub(crate) out: Vec<u8>,
    /// Memory for one read of TLS.
    pub(crate) wire: Vec<u8>,
}

impl Context {
    pub(crate) fn counters(&self) -> &Counters {
        &self.shared.counters[self.thread]
    }
}

/// What the worker is to do with a connection after a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing until an event or its deadline.
    Idle,
    /// Visit again when the others have had their turn.
    Again,
    Close,
}

/// What the connection awaits once its output is written.
#[derive(Debug)]
enum Wait {
    /// The bytes of a request.
    Request,
    /// The end of a request's delay.
    Deadline(Box<Request>),
    /// The visit in which to act on a request whose delay is over.
    Turn(Box<Request>),
    /// The end of the time by which the body follows its head.
    Body(Box<HeldBack>),
    /// Nothing: a stalled request is never answered.
    Nothing,
    /// The end of the output, then the end of the connection.
    Ending(End),
    /// The client's end of the connection, so that it can read the answer before a reset could.
    PeerClose,
}

/// What is held back of an answer, and what comes behind it.
#[derive(Debug)]
struct HeldBack {
    bytes: Vec<u8>,
    source: Source,
    then: Wait,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Closed; unread input is waited out first.
    Close,
    /// Closed after waiting for the client, which may still be sending.
    Linger,
    /// Closed whatever is unread.
    Now,
    /// Reset the connection.
    Reset,
}

enum Step {
    Again,
    Blocked,
    Close,
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: Socket,
    number: u64,
    /// What it speaks is known: without `http2`, HTTP/1.1.
    is_known: bool,
    http2: Option<Box<Http2>>,
    reader: Reader,
    wait: Wait,
    /// Bytes read that the reader has not consumed.
    input: Vec<u8>,
    /// Whether `input` may hold a whole request.
    unexamined: bool,
    /// Bytes to be written, before `source`.
    unsent: Vec<u8>,
    unsent_at: usize,
    source: Source,
    /// When to be woken if nothing else happens.
    deadline_ns: Option<u64>,
    readable: bool,
    writable: bool,
    /// The client will send no more: reading must continue until that shows.
    read_closed: bool,
    /// Both directions are over.
    hung_up: bool,
    /// Whether the worker has it in its queue.
    pub(crate) queued: bool,
}

// An idle connection costs this and no allocation.
const _: () = assert!(size_of::<Connection>() <= 256);

impl Connection {
    pub(crate) fn new(socket: Socket, number: u64) -> Self {
        Self {
            socket,
            number,
            is_known: false,
            http2: None,
            reader: Reader::new(number),
            wait: Wait::Request,
            input: Vec::new(),
            unexamined: false,
            unsent: Vec::new(),
            unsent_at: 0,
            source: Source::Empty,
            deadline_ns: None,
            readable: false,
            writable: true,
            read_closed: false,
            hung_up: false,
            queued: false,
        }
    }

    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        self.socket.stream()
    }

    pub(crate) fn deadline_ns(&self) -> Option<u64> {
        self.deadline_ns
    }

    /// Updates the state of the socket from an event.
    pub(crate) fn on_event(&mut self, event: &Event) {
        let over = event.is_error() || event.is_write_closed();
        self.hung_up |= over;
        self.read_closed |= event.is_read_closed() || over;
        self.readable |= event.is_readable() || event.is_read_closed() || over;
        self.writable |= event.is_writable() || over;
    }

    /// Notes that the deadline has passed.
    pub(crate) fn on_deadline(&mut self) {
        self.deadline_ns = None;
        if self.http2.is_some() {
            return;
        }
        self.wait = match mem::replace(&mut self.wait, Wait::Request) {
            Wait::Deadline(request) => Wait::Turn(request),
            Wait::PeerClose => Wait::Ending(End::Now),
            Wait::Body(held) => {
                self.unsent.extend_from_slice(&held.bytes);
                self.source = held.source;
                held.then
            }
            // Idle for too long.
            Wait::Request => Wait::Ending(End::Close),
            other @ (Wait::Turn(_) | Wait::Nothing | Wait::Ending(_)) => other,
        };
    }

    /// Runs until it has to wait for the socket or the clock, or the visit is over.
    pub(crate) fn drive(&mut self, context: &mut Context, buffer: &mut [u8]) -> Next {
        for _ in 0..VISIT_STEPS {
            let step = if let Some(http2) = self.http2.take() {
                self.drive_http2(http2, context, buffer)
            } else if self.has_output() {
                self.send(context)
            } else {
                match &self.wait {
                    Wait::Request => self.receive(context, buffer),
                    Wait::Turn(_) => self.act(context),
                    Wait::Deadline(_) | Wait::Body(_) if self.hung_up => Step::Close,
                    Wait::Nothing if self.read_closed => Step::Close,
                    Wait::Deadline(_) | Wait::Body(_) | Wait::Nothing => Step::Blocked,
                    Wait::Ending(end) => self.end(*end, context),
                    Wait::PeerClose => self.discard(context, buffer),
                }
            };
            match step {
                Step::Again => {}
                Step::Blocked => return Next::Idle,
                Step::Close => return Next::Close,
            }
        }
        Next::Again
    }

    fn has_output(&self) -> bool {
        self.unsent_at < self.unsent.len() || !self.source.is_empty() || self.socket.has_unsent()
    }

    // ---- input ----

    fn receive(&mut self, context: &mut Context, buffer: &mut [u8]) -> Step {
        if self.unexamined {
            return self.consume_input(context);
        }
        let count = match self.read(context, buffer) {
            Ok(count) => count,
            Err(step) => return step,
        };
        if !self.input.is_empty() {
            self.input.extend_from_slice(&buffer[..count]);
            return self.consume_input(context);
        }
        let (used, step) = self.consume(&buffer[..count], context);
        if used < count {
            self.input.extend_from_slice(&buffer[used..count]);
        }
        step
    }

    /// One read; `Err` holds the next step if there is nothing to consume.
    fn read(&mut self, context: &mut Context, buffer: &mut [u8]) -> Result<usize, Step> {
        if !self.readable {
            return Err(Step::Blocked);
        }
        match self.socket.read(buffer, &mut context.wire) {
            Ok(read) if read.bytes == 0 => Err(Step::Close),
            Ok(read) => {
                // A short read has drained the socket, and later bytes raise a new event. Only the
                // end of the stream would not, where its event is the one being handled.
                self.readable = !read.is_drained || self.read_closed;
                context.counters().bytes_in.add(read.bytes as u64);
                Ok(read.bytes)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readable = false;
                Err(Step::Blocked)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Err(Step::Again),
            Err(_) => Err(Step::Close),
        }
    }

    fn consume_input(&mut self, context: &mut Context) -> Step {
        let mut input = mem::take(&mut self.input);
        let (used, step) = self.consume(&input, context);
        if used < input.len() {
            input.drain(..used);
            self.input = input;
        }
        step
    }

    /// Handles the requests in `bytes` until one has to be waited for; writes their answers.
    fn consume(&mut self, bytes: &[u8], context: &mut Context) -> (usize, Step) {
        self.unexamined = false;
        if !self.is_known {
            if self.socket.has_agreed_on_http2() || bytes.starts_with(CLIENT_PREFACE) {
                self.http2 = Some(Box::new(Http2::new(self.number, &context.shared.settings)));
                return (0, Step::Again);
            }
            if CLIENT_PREFACE.starts_with(bytes) {
                return (0, Step::Again);
            }
            self.is_known = true;
        }
        let mut used = 0;
        while used < bytes.len() {
            let (count, found) = self.reader.next(&bytes[used..], &context.shared.settings);
            used += count;
            match found {
                Found::NeedMore => break,
                Found::Continue => context.out.extend_from_slice(CONTINUE),
                Found::Bad(refusal) => self.refuse(refusal, context),
                Found::Request(request) => self.begin(request, context),
            }
            if !self.reads_on(context) {
                self.unexamined = used < bytes.len();
                break;
            }
        }
        (used, self.flush(context))
    }

    /// Whether the next pipelined request may be read before anything is written.
    fn reads_on(&self, context: &Context) -> bool {
        matches!(self.wait, Wait::Request)
            && self.source.is_empty()
            && context.out.len() < GATHER_BYTES
            && context.shared.log.is_none()
    }

    fn refuse(&mut self, refusal: BadRequest, context: &mut Context) {
        context.counters().bad_requests.add(1);
        let reply = Reply::text(refusal.status(), format!("{refusal}\n"));
        self.source = reply.encode(Persistence::Close, false, &mut context.out);
        self.wait = Wait::Ending(End::Linger);
    }

    // ---- requests ----

    fn begin(&mut self, mut request: Request, context: &mut Context) {
        context.counters().requests.add(1);
        self.deadline_ns = None;
        if !context.shared.stalls.is_empty() {
            context.shared.stalls.on_request(monotonic_ns());
        }
        if let Some(note) = &mut request.note {
            note.received_ns = monotonic_ns();
        }
        if request.delay_ns == 0 {
            self.answer(request, context);
        } else {
            self.deadline_ns = Some(monotonic_ns() + request.delay_ns);
            self.wait = Wait::Deadline(Box::new(request));
        }
    }

    fn act(&mut self, context: &mut Context) -> Step {
        if let Wait::Turn(request) = mem::replace(&mut self.wait, Wait::Request) {
            self.answer(*request, context);
        }
        self.flush(context)
    }

    fn answer(&mut self, mut request: Request, context: &mut Context) {
        let outcome = match request.act {
            Act::Answer(reply) => Ok(reply),
            Act::Call(call) => Ok(context.shared.shop.answer(&call, monotonic_ns())),
            Act::Reset => Err(Wait::Ending(End::Reset)),
            Act::Fin => Err(Wait::Ending(End::Close)),
            Act::Stall => Err(Wait::Nothing),
        };
        if let Some(note) = request.note.take() {
            self.record(request.number, *note, outcome.is_ok(), context);
        }
        let reply = match outcome {
            Ok(reply) => reply,
            Err(wait) => {
                self.wait = wait;
                return;
            }
        };
        context.counters().responses.add(1);
        let begin = context.out.len();
        self.source = reply.encode(request.persistence, request.no_body, &mut context.out);
        let then = self.after_answer(request.number, request.persistence, &context.shared.settings);
        self.wait = if request.body_delay_ns == 0 {
            then
        } else {
            self.hold_back(begin, request.body_delay_ns, then, context)
        };
    }

    /// What is awaited once a request is answered.
    fn after_answer(&mut self, number: u64, persistence: Persistence, settings: &Settings) -> Wait {
        let is_last = number + 1 >= settings.max_requests_per_connection;
        if persistence == Persistence::Close || is_last {
            return Wait::Ending(End::Close);
        }
        self.deadline_ns = settings.idle_timeout_ns.map(|idle_ns| monotonic_ns() + idle_ns);
        Wait::Request
    }

    /// Keeps the body of the answer that begins at `begin` for later.
    fn hold_back(&mut self, begin: usize, ns: u64, then: Wait, context: &mut Context) -> Wait {
        let head = context.out[begin..].windows(4).position(|end| end == b"\r\n\r\n");
        let bytes = head.map_or_else(Vec::new, |at| context.out.split_off(begin + at + 4));
        self.deadline_ns = Some(monotonic_ns() + ns);
        Wait::Body(Box::new(HeldBack { bytes, source: mem::take(&mut self.source), then }))
    }

    fn record(&self, number: u64, note: Note, answered: bool, context: &Context) {
        if let Some(log) = &context.shared.log {
            log.push(note.record((self.number, number), answered.then(monotonic_ns)));
        }
    }

    // ---- output ----

    /// Writes what was gathered; what the socket does not take waits in `unsent`.
    fn flush(&mut self, context: &mut Context) -> Step {
        if context.out.is_empty() {
            return Step::Again;
        }
        let mut written = 0;
        if self.writable && self.unsent.is_empty() {
            match self.socket.write(&context.out) {
                Ok(count) => written = count,
                Err(_) => {
                    context.out.clear();
                    return Step::Close;
                }
            }
            context.counters().bytes_out.add(written as u64);
            // A partial write has filled the socket, and room in it raises an event.
            self.writable = !self.socket.is_full_after(written, context.out.len());
        }
        self.unsent.extend_from_slice(&context.out[written..]);
        context.out.clear();
        Step::Again
    }

    /// Writes the next stretch of the output.
    fn send(&mut self, context: &Context) -> Step {
        if !self.writable {
            return Step::Blocked;
        }
        if self.socket.has_unsent() {
            return self.send_sealed();
        }
        let from_unsent = self.prepare();
        let bytes = if from_unsent { &self.unsent[self.unsent_at..] } else { self.source.ready() };
        let length = bytes.len();
        let Ok(written) = self.socket.write(bytes) else {
            return Step::Close;
        };
        self.writable = !self.socket.is_full_after(written, length);
        context.counters().bytes_out.add(written as u64);
        if from_unsent {
            self.unsent_at += written;
        } else {
            self.source.advance(written);
        }
        if !self.has_output() {
            self.unsent = Vec::new();
            self.unsent_at = 0;
        }
        Step::Again
    }

    /// Sends what TLS has sealed.
    fn send_sealed(&mut self) -> Step {
        if self.socket.flush().is_err() {
            return Step::Close;
        }
        self.writable = !self.socket.has_unsent();
        Step::Again
    }

    /// Makes sure that `unsent` or the source has bytes ready; true if it is `unsent`.
    fn prepare(&mut self) -> bool {
        if self.unsent_at < self.unsent.len() {
            return true;
        }
        if !self.source.ready().is_empty() {
            return false;
        }
        self.unsent.clear();
        self.unsent_at = 0;
        self.source.fill(FILL_BYTES, &mut self.unsent);
        true
    }

    // ---- HTTP/2 ----

    /// One round: what is due, one write, one read.
    fn drive_http2(
        &mut self,
        mut http2: Box<Http2>,
        context: &mut Context,
        buffer: &mut [u8],
    ) -> Step {
        http2.fire(context);
        let mut step = self.send_http2(&mut http2, context);
        if matches!(step, Step::Blocked) {
            step = self.receive_http2(&mut http2, context, buffer);
        }
        if http2.is_over() && !self.socket.has_unsent() && !matches!(step, Step::Close) {
            self.deadline_ns = None;
            self.wait = Wait::Ending(End::Linger);
            return Step::Again;
        }
        self.deadline_ns = http2.deadline_ns();
        self.http2 = Some(http2);
        step
    }

    /// Writes until there is nothing to write or the socket is full.
    fn send_http2(&mut self, http2: &mut Http2, context: &Context) -> Step {
        loop {
            http2.fill(context);
            if !self.writable {
                return Step::Blocked;
            }
            let mut slices = Slices::new();
            let bytes = http2.unwritten(&mut slices);
            if bytes == 0 {
                return if self.socket.has_unsent() { self.send_sealed() } else { Step::Blocked };
            }
            let mut io = [IoSlice::new(&[]); SLICES_MAX];
            let count = slices.as_slice().len();
            for (io, slice) in io.iter_mut().zip(slices.as_slice()) {
                *io = IoSlice::new(slice);
            }
            let Ok(written) = self.socket.write_vectored(&io[..count]) else {
                return Step::Close;
            };
            context.counters().bytes_out.add(written as u64);
            http2.wrote(written);
            self.writable = !self.socket.is_full_after(written, bytes);
        }
    }

    fn receive_http2(
        &mut self,
        http2: &mut Http2,
        context: &mut Context,
        buffer: &mut [u8],
    ) -> Step {
        if http2.is_full() || http2.is_over() {
            return Step::Blocked;
        }
        // The first bytes were read before it was known whose they are.
        let first = mem::take(&mut self.input);
        let bytes = if first.is_empty() {
            match self.read(context, buffer) {
                Ok(count) => &buffer[..count],
                Err(step) => return step,
            }
        } else {
            &first
        };
        let mut from = 0;
        while http2.received(bytes, &mut from, context) {
            // Each answer follows its stamp at once.
            if context.shared.log.is_some()
                && let Step::Close = self.send_http2(http2, context)
            {
                return Step::Close;
            }
        }
        Step::Again
    }

    // ---- the end ----

    fn end(&mut self, end: End, context: &Context) -> Step {
        match end {
            End::Close if !self.readable => {
                self.socket.say_goodbye();
                Step::Close
            }
            End::Close | End::Linger => {
                // Closing now could reset the connection, and destroy what the client has not read.
                if self.socket.shutdown().is_err() {
                    return Step::Close;
                }
                self.input = Vec::new();
                self.deadline_ns = Some(monotonic_ns() + LINGER_NS);
                self.wait = Wait::PeerClose;
                Step::Again
            }
            End::Now => Step::Close,
            End::Reset => {
                context.counters().resets.add(1);
                self.socket.reset();
                Step::Close
            }
        }
    }

    fn discard(&mut self, context: &mut Context, buffer: &mut [u8]) -> Step {
        match self.read(context, buffer) {
            Ok(_) => Step::Again,
            Err(step) => step,
        }
    }
}
