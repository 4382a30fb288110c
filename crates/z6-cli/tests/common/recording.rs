//! A server that notes when each answer left, by actor and step; and a witness of how busy the
//! machine is.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use std::collections::BTreeMap;
use std::io::{Read, Seek, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use z6_http::IdParts;
use z6_proto_http1::Limits;
use z6_proto_http1::server::read_whole;

/// How long a run may take to get somewhere.
const PATIENCE: Duration = Duration::from_secs(60);

/// By (actor, step): when the answer had left; none if it may not have.
pub type Answers = BTreeMap<(u64, u64), Option<Instant>>;

#[derive(Default)]
struct Book {
    answers: Answers,
    left: u64,
    connections: usize,
}

/// Answers every request, and keeps book.
pub struct RecordingServer {
    pub address: SocketAddr,
    book: Arc<(Mutex<Book>, Condvar)>,
}

impl RecordingServer {
    pub fn start() -> RecordingServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let book: Arc<(Mutex<Book>, Condvar)> = Arc::default();
        let shared = Arc::clone(&book);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let book = Arc::clone(&shared);
                book.0.lock().unwrap().connections += 1;
                std::thread::spawn(move || {
                    // A client that is killed leaves in the middle of anything.
                    let _ = serve(stream.unwrap(), &book);
                    book.0.lock().unwrap().connections -= 1;
                    book.1.notify_all();
                });
            }
        });
        RecordingServer { address, book }
    }

    /// Waits until so many answers have left.
    pub fn await_answers(&self, count: u64) {
        self.wait(|book| book.left >= count);
    }

    /// All answers since the last call, once every client is gone.
    pub fn take(&self) -> Answers {
        self.wait(|book| book.connections == 0);
        let mut book = self.book.0.lock().unwrap();
        book.left = 0;
        std::mem::take(&mut book.answers)
    }

    fn wait(&self, until: impl Fn(&Book) -> bool) {
        let book = self.book.0.lock().unwrap();
        let (_book, waited) =
            self.book.1.wait_timeout_while(book, PATIENCE, |book| !until(book)).unwrap();
        assert!(!waited.timed_out(), "the run gets nowhere");
    }
}

fn serve(mut stream: TcpStream, book: &(Mutex<Book>, Condvar)) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let Some(request) = read_whole(&bytes, &Limits::default()).unwrap() else {
            match stream.read(&mut part)? {
                0 => return Ok(()),
                length => bytes.extend_from_slice(&part[..length]),
            }
            continue;
        };
        let parts = IdParts::parse(request.head.field("Z6-Id").unwrap()).unwrap();
        let (id, length) = ((parts.actor, parts.step), request.bytes);
        bytes.drain(..length);
        let twice = book.0.lock().unwrap().answers.insert(id, None);
        assert_eq!(twice, None, "{id:?} came twice");
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")?;
        let left = Instant::now();
        let mut open = book.0.lock().unwrap();
        open.answers.insert(id, Some(left));
        open.left += 1;
        drop(open);
        book.1.notify_all();
    }
}

/// A thread that sleeps a little and writes a little, over and over, and notes how long each took.
pub struct Witness {
    delays: Arc<Mutex<Vec<(Instant, Duration)>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Witness {
    pub fn start() -> Witness {
        let delays: Arc<Mutex<Vec<(Instant, Duration)>>> = Arc::default();
        let stop = Arc::new(AtomicBool::new(false));
        let (noted, stopped) = (Arc::clone(&delays), Arc::clone(&stop));
        let mut file = tempfile::tempfile().unwrap();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let start = Instant::now();
                std::thread::sleep(Duration::from_millis(2));
                file.rewind().unwrap();
                file.write_all(&[0; 4096]).unwrap();
                noted.lock().unwrap().push((start, start.elapsed()));
            }
        });
        Witness { delays, stop, thread: Some(thread) }
    }

    /// The longest that a sleep of 2 ms and a write took between two instants.
    pub fn longest_delay(&self, from: Instant, to: Instant) -> Duration {
        loop {
            let mut delays = self.delays.lock().unwrap();
            // What was under way at the end is noted once it is over.
            if delays.last().is_some_and(|(start, _)| *start > to) {
                let within =
                    delays.iter().filter(|(start, took)| *start + *took >= from && *start <= to);
                let longest = within.map(|(_, took)| *took).max().unwrap_or_default();
                delays.clear();
                return longest;
            }
            drop(delays);
            std::thread::yield_now();
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
