//! A server that keeps every request byte for byte, and runs against it whose log is replayed.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use z6::ReplayOutcome as Outcome;
use z6::{Finished, Log, Run};
use z6_analysis::analyze::{AnalyzeOptions, Selection, analyze};
use z6_analysis::checks::check_log;
use z6_analysis::export::{RowFormat, export_requests};
use z6_events::{LogReader, Tick};
use z6_metrics::Metrics;
use z6_proto_http1::Limits;
use z6_proto_http1::server::read_whole;

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Number of the connection, from 0.
    pub(crate) connection: usize,
    /// Where it came from.
    pub(crate) peer: Option<SocketAddr>,
    /// Which address it came to.
    pub(crate) local: Option<SocketAddr>,
    /// Head with its empty line.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    /// `GET /x`.
    pub(crate) fn asked(&self) -> &str {
        self.head.split(" HTTP/1.1\r\n").next().unwrap()
    }

    /// The values of a field, in any case.
    pub(crate) fn field(&self, name: &str) -> Vec<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }
}

/// A complete response with this status, these further fields and this body.
pub(crate) fn response(status: u16, fields: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\n{fields}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

pub(crate) fn ok() -> Vec<u8> {
    response(200, "", "hi")
}

/// Addresses of the peer and of the server's end.
type Ends = (Option<SocketAddr>, Option<SocketAddr>);

type Answer = Arc<dyn Fn(&Seen) -> Vec<u8> + Send + Sync>;

/// What the server saw so far; taken by [`Server::seen`].
pub(crate) struct Server {
    seen: Mutex<Receiver<Seen>>,
    accepted: Arc<Mutex<usize>>,
}

impl Server {
    /// Serves on a port of its own.
    pub(crate) fn tcp(
        answer: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static,
    ) -> (Server, SocketAddr) {
        Server::on(TcpListener::bind("127.0.0.1:0").unwrap(), answer)
    }

    pub(crate) fn on(
        listener: TcpListener,
        answer: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static,
    ) -> (Server, SocketAddr) {
        let address = listener.local_addr().unwrap();
        let (server, serve) = Server::new(Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream: TcpStream = stream.unwrap();
                serve((stream.peer_addr().ok(), stream.local_addr().ok()), Box::new(stream));
            }
        });
        (server, address)
    }

    /// Serves on a socket of the file system.
    pub(crate) fn unix(
        path: &Path,
        answer: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static,
    ) -> Server {
        let listener = UnixListener::bind(path).unwrap();
        let (server, serve) = Server::new(Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serve((None, None), Box::new(stream.unwrap()));
            }
        });
        server
    }

    fn new(answer: Answer) -> (Server, impl Fn(Ends, Box<dyn Stream>)) {
        let (sender, seen) = channel();
        let accepted = Arc::new(Mutex::new(0));
        let count = Arc::clone(&accepted);
        let serve = move |ends, stream: Box<dyn Stream>| {
            let mut count = count.lock().unwrap();
            let connection = *count;
            *count += 1;
            let (sender, answer) = (sender.clone(), Arc::clone(&answer));
            // Ends when the run closes the connection.
            std::thread::spawn(move || serve_one(stream, connection, ends, &sender, &answer));
        };
        (Server { seen: Mutex::new(seen), accepted }, serve)
    }

    /// All requests that came since the last call. Each was told before it was answered.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().try_iter().collect()
    }

    pub(crate) fn accepted(&self) -> usize {
        *self.accepted.lock().unwrap()
    }
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

fn serve_one(
    mut stream: Box<dyn Stream>,
    connection: usize,
    ends: Ends,
    sender: &Sender<Seen>,
    answer: &Answer,
) {
    let mut bytes = Vec::new();
    loop {
        let Some(seen) = read_request(&mut *stream, &mut bytes, connection, ends) else { return };
        let answer = answer(&seen);
        let closes = answer.windows(17).any(|part| part == b"Connection: close");
        let _ = sender.send(seen);
        if stream.write_all(&answer).is_err() || closes {
            return;
        }
    }
}

/// One request; what follows it stays in `bytes`.
fn read_request(
    stream: &mut dyn Stream,
    bytes: &mut Vec<u8>,
    connection: usize,
    (peer, local): Ends,
) -> Option<Seen> {
    let mut part = vec![0; 64 << 10];
    let mut more = |bytes: &mut Vec<u8>| match stream.read(&mut part) {
        Ok(0) | Err(_) => false,
        Ok(length) => {
            bytes.extend_from_slice(&part[..length]);
            true
        }
    };
    loop {
        if let Some(request) = read_whole(bytes, &Limits::default()).unwrap() {
            let head = String::from_utf8(request.head.bytes.to_vec()).unwrap();
            let (body, length) = (request.body, request.bytes);
            bytes.drain(..length);
            return Some(Seen { connection, peer, local, head, body });
        }
        if !more(bytes) {
            return None;
        }
    }
}

/// Runs a scenario to its end and replays its log: every run must replay.
pub(crate) fn run(text: &str) -> Finished {
    run_in(tempfile::tempdir().unwrap().path(), text)
}

/// The same, with the log `events.z6log` in `folder`, beside a scenario that may name files there.
pub(crate) fn run_in(folder: &Path, text: &str) -> Finished {
    let (scenario, log) = (folder.join("scenario.toml"), folder.join("events.z6log"));
    std::fs::write(&scenario, text).unwrap();
    let run = match Run::from_file(&scenario) {
        Ok(run) => run,
        Err(error) => panic!("{error}"),
    };
    let finished = run.seed(7).log_file(&log).start().unwrap().wait().unwrap();
    assert_eq!(finished.panic, None);
    let log = Log::open(&log).unwrap();
    let outcome = log.replay().unwrap();
    assert!(matches!(outcome, Outcome::Identical { .. }), "{outcome:?}");
    assert_eq!(log.refold().unwrap().metrics, finished.metrics);
    cross_check(&folder.join("events.z6log"), &finished);
    finished
}

/// Failed requests by kind.
pub(crate) fn errors(finished: &Finished) -> Vec<(String, u64)> {
    finished.metrics.errors.by_kind.0.iter().map(|(kind, n)| (kind.name().to_owned(), *n)).collect()
}

/// The independent checks find nothing, and the figures of all requests, one by one, are those of the
/// run.
fn cross_check(log: &Path, finished: &Finished) {
    let open = || LogReader::new(std::fs::File::open(log).unwrap()).unwrap();
    let report = check_log(&mut open(), &finished.scenario).unwrap();
    let violations: Vec<String> = report.violations.iter().map(ToString::to_string).collect();
    assert!(violations.is_empty(), "{violations:#?}");
    let selection = Selection { from: Some(Tick(0)), ..Selection::default() };
    let options = AnalyzeOptions { selection, ..AnalyzeOptions::default() };
    let scenario = &finished.scenario;
    let again = analyze(&mut open(), scenario, |_| String::new(), &options).unwrap();
    let (again, metrics) = (&again.metrics, &finished.metrics);
    assert_eq!(again.requests, metrics.requests);
    assert_eq!(again.connections, metrics.connections);
    assert_eq!(again.errors, metrics.errors);
    let bytes =
        |metrics: &Metrics| (metrics.throughput.bytes_sent, metrics.throughput.bytes_received);
    assert_eq!(bytes(again), bytes(metrics));
}

/// One line per request, as `z6 export` writes it: its cells by name.
pub(crate) fn rows(folder: &Path, finished: &Finished) -> Vec<BTreeMap<String, String>> {
    let mut out = Vec::new();
    let log = std::fs::File::open(folder.join("events.z6log")).unwrap();
    let (mut reader, all) = (LogReader::new(log).unwrap(), Selection::default());
    export_requests(&mut reader, &finished.scenario, &all, RowFormat::Csv, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned));
    let names: Vec<String> = lines.next().unwrap().collect();
    lines.map(|cells| names.iter().cloned().zip(cells).collect()).collect()
}
