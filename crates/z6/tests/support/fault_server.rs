//! A server that does what a script says: exact bytes, pauses, half-closes, resets, nothing at all.
//!
//! One thread accepts, one serves each connection, all of them joined at the end. Knows no HTTP
//! beyond the empty line that ends a head, and nothing of what its client makes of it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

/// Receive buffer of its sockets: small, so that large uploads come in many writes.
const RECEIVE_BUFFER_BYTES: usize = 32 << 10;

/// What a connection's thread does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Reads a request's head.
    Head,
    /// Reads so many bytes of a body.
    Body(usize),
    /// Reads so many bytes of a body in pieces of 16 KiB, with a pause after each.
    Sip(usize, Duration),
    /// Sends these bytes at once.
    Send(Vec<u8>),
    /// Sends these bytes one at a time.
    Bytes(Vec<u8>),
    /// Sends these bytes over and over until that fails.
    Endless(Vec<u8>),
    /// Sends these bytes over and over until that fails, with a pause after each time.
    Drip(Vec<u8>, Duration),
    /// Looks whether the client has sent more than was asked of it; counts it as a breach if so.
    Quiet,
    /// Does nothing for a while.
    Pause(Duration),
    /// Closes its own direction.
    Shut,
    /// Reads until the client closes.
    Drain,
    /// Resets the connection.
    Reset,
    /// Begins again, so many times in all; without a number for ever.
    Again(Option<u32>),
}

/// What a server does, by number of the connection; after the last step it closes.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// Steps of single connections.
    pub of: Vec<(u64, Vec<Step>)>,
    /// Steps of all others.
    pub steps: Vec<Step>,
}

impl Script {
    fn steps_of(&self, number: u64) -> &[Step] {
        self.of.iter().find(|(n, _)| *n == number).map_or(&self.steps, |(_, steps)| steps)
    }
}

#[derive(Debug, Default)]
struct Shared {
    stopping: AtomicBool,
    accepted: AtomicU64,
    heads: AtomicU64,
    breaches: AtomicU64,
    connections: Mutex<Vec<JoinHandle<()>>>,
}

/// A server under way.
#[derive(Debug)]
pub struct FaultServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// What a server saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Connections accepted.
    pub accepted: u64,
    /// Request heads read to their end.
    pub heads: u64,
    /// How often a client had sent more than it should have.
    pub breaches: u64,
}

impl FaultServer {
    /// Listens on a free port of the loopback interface.
    pub fn start(script: Script) -> FaultServer {
        let listener = listen(128);
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        let accepting =
            std::thread::spawn(move || accept(&listener, &Arc::new(script), &for_thread));
        FaultServer { address, shared, accepting }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it once its clients are gone; waits for all its threads.
    pub fn stop(self) -> Seen {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes up the thread that accepts.
        drop(TcpStream::connect(self.address).unwrap());
        self.accepting.join().unwrap();
        let connections = std::mem::take(&mut *self.shared.connections.lock().unwrap());
        connections.into_iter().for_each(|thread| thread.join().unwrap());
        Seen {
            accepted: self.shared.accepted.load(Ordering::SeqCst),
            heads: self.shared.heads.load(Ordering::SeqCst),
            breaches: self.shared.breaches.load(Ordering::SeqCst),
        }
    }
}

/// A listener with small receive buffers, which the sockets it accepts inherit.
fn listen(backlog: i32) -> TcpListener {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(backlog).unwrap();
    socket.into()
}

/// A listener that takes no more connections: its queue is full and no process accepts from it.
#[derive(Debug)]
pub struct SilentServer {
    listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl SilentServer {
    /// Listens on a free port, and fills its own queue.
    pub fn start() -> SilentServer {
        let listener = listen(0);
        let address = listener.local_addr().unwrap();
        let patience = Duration::from_millis(100);
        let more = || TcpStream::connect_timeout(&address, patience).ok();
        SilentServer { _queued: std::iter::from_fn(more).collect(), listener }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }
}

/// An address of the loopback interface without a listener.
pub fn closed_port() -> SocketAddr {
    listen(1).local_addr().unwrap()
}

fn accept(listener: &TcpListener, script: &Arc<Script>, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
        let (script, for_thread) = (Arc::clone(script), Arc::clone(shared));
        let serve = move || {
            let mut peer = Peer { stream: stream.unwrap(), unread: Vec::new() };
            // A client that goes away is an end like any other.
            let _ = peer.play(script.steps_of(number), &for_thread);
        };
        shared.connections.lock().unwrap().push(std::thread::spawn(serve));
    }
}

/// One connection.
struct Peer {
    stream: TcpStream,
    /// What was read beyond a head.
    unread: Vec<u8>,
}

impl Peer {
    fn play(&mut self, steps: &[Step], shared: &Shared) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        let (mut at, mut rounds) = (0, 0);
        while let Some(step) = steps.get(at) {
            at += 1;
            match step {
                Step::Head => {
                    self.read_head()?;
                    shared.heads.fetch_add(1, Ordering::SeqCst);
                }
                Step::Body(bytes) => self.read_body(*bytes, Duration::ZERO)?,
                Step::Sip(bytes, pause) => self.read_body(*bytes, *pause)?,
                Step::Send(bytes) => self.stream.write_all(bytes)?,
                Step::Bytes(bytes) => {
                    bytes.chunks(1).try_for_each(|byte| self.stream.write_all(byte))?;
                }
                Step::Endless(bytes) => self.send_until_it_fails(bytes, Duration::ZERO)?,
                Step::Drip(bytes, pause) => self.send_until_it_fails(bytes, *pause)?,
                Step::Quiet => {
                    let is_breach = self.has_more()?;
                    shared.breaches.fetch_add(u64::from(is_breach), Ordering::SeqCst);
                }
                Step::Pause(pause) => std::thread::sleep(*pause),
                Step::Shut => self.stream.shutdown(Shutdown::Write)?,
                Step::Drain => while self.stream.read(&mut [0; 1 << 14])? > 0 {},
                // The descriptor closes when the connection is dropped.
                Step::Reset => return SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)),
                Step::Again(times) => {
                    rounds += 1;
                    if times.is_none_or(|times| rounds < times) {
                        at = 0;
                    }
                }
            }
        }
        Ok(())
    }

    fn has_more(&self) -> io::Result<bool> {
        self.stream.set_nonblocking(true)?;
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false)?;
        Ok(!self.unread.is_empty() || peeked.is_ok_and(|bytes| bytes > 0))
    }

    fn send_until_it_fails(&mut self, bytes: &[u8], pause: Duration) -> io::Result<()> {
        loop {
            self.stream.write_all(bytes)?;
            std::thread::sleep(pause);
        }
    }

    fn fill(&mut self, bytes_max: usize) -> io::Result<()> {
        let mut buffer = [0; 16 << 10];
        let room = bytes_max.min(buffer.len());
        let length = self.stream.read(&mut buffer[..room])?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.unread.extend_from_slice(&buffer[..length]);
        Ok(())
    }

    fn read_head(&mut self) -> io::Result<()> {
        loop {
            let end = self.unread.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                self.unread.drain(..end + 4);
                return Ok(());
            }
            self.fill(1 << 14)?;
        }
    }

    fn read_body(&mut self, bytes: usize, pause: Duration) -> io::Result<()> {
        let mut left = bytes;
        loop {
            let taken = left.min(self.unread.len());
            self.unread.drain(..taken);
            left -= taken;
            if left == 0 {
                return Ok(());
            }
            self.fill(left)?;
            std::thread::sleep(pause);
        }
    }
}
