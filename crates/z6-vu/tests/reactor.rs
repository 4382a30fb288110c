//! The real event loop against servers that do one odd thing each: kinds, counts, replay.
#![cfg(feature = "reactor")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, reason = "tests")]
#![allow(clippy::disallowed_types, reason = "the servers here are real sockets and threads")]

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use z6_events::{
    Cause, CloseCause, ErrorKind, Event, Failure, LogReader, NeverSentReason, ReleaseCause,
    Response, StopReason, StoppedBy, Tick, Visitor, WorkerId,
};
use z6_scenario::Scenario;
use z6_vu::log_file::{LogTarget, partial_path};
use z6_vu::reactor::{RunReport, RunSpec, Spin, Stamping, Stopper, start};
use z6_vu::replay::{Outcome, replay};

/// A server that hands each connection, with its number, to a function on its own thread.
struct Server {
    address: SocketAddr,
    accepted: Arc<AtomicU64>,
}

impl Server {
    fn new(serve: impl Fn(u64, &mut TcpStream) + Send + Sync + 'static) -> Server {
        Server::on(TcpListener::bind("127.0.0.1:0").unwrap(), serve)
    }

    fn on(
        listener: TcpListener,
        serve: impl Fn(u64, &mut TcpStream) + Send + Sync + 'static,
    ) -> Server {
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicU64::new(0));
        let (count, serve) = (Arc::clone(&accepted), Arc::new(serve));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let serve = Arc::clone(&serve);
                // Ends with its connection, at the latest when the run closes it.
                std::thread::spawn(move || serve(number, &mut stream.unwrap()));
            }
        });
        Server { address, accepted }
    }
}

/// Reads one request without a body; false at the end of the connection.
fn read_request(stream: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return false,
        }
    }
    true
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/// Answers each request with these bytes, over and over.
fn answers(bytes: &'static [u8]) -> impl Fn(u64, &mut TcpStream) + Send + Sync {
    move |_, stream| while read_request(stream) && stream.write_all(bytes).is_ok() {}
}

/// Which event.
type When = fn(&Event) -> bool;

/// Sees all events, and can stop the run at one of them.
#[derive(Debug)]
struct Keep {
    events: Vec<(WorkerId, Tick, Event)>,
    stop_at: Option<(When, StopReason, mpsc::Receiver<Stopper>)>,
}

impl z6_vu::observer::Observer for Keep {}

impl Visitor for Keep {
    type Error = Infallible;

    fn event(
        &mut self,
        _: u64,
        worker: WorkerId,
        at: Tick,
        event: &Event,
    ) -> Result<(), Infallible> {
        self.events.push((worker, at, *event));
        if self.stop_at.as_ref().is_some_and(|(when, ..)| when(event)) {
            let (_, reason, stopper) = self.stop_at.take().unwrap();
            stopper.recv().unwrap().stop(reason);
        }
        Ok(())
    }
}

struct Ran {
    report: RunReport<Keep>,
    log: Vec<u8>,
}

impl Ran {
    fn count(&self, what: impl Fn(&Event) -> bool) -> usize {
        self.report.observer.events.iter().filter(|(_, _, event)| what(event)).count()
    }

    fn succeeded(&self) -> usize {
        self.count(|event| matches!(event, Event::Done { failure: None, .. }))
    }

    /// Failed requests by kind: those on the wire and those that never got there.
    fn failed(&self, kind: ErrorKind) -> usize {
        self.count(|event| match event {
            Event::Failed { failure: Failure { error, .. }, .. } => *error == kind,
            Event::NotOnWire { cause: Cause { error, .. }, .. } => *error == kind,
            Event::Done { failure, .. } => *failure == Some(kind),
            Event::TimedOut { .. } => kind == ErrorKind::RequestTimeout,
            _ => false,
        })
    }
}

fn spec(text: &str, log: LogTarget, workers: u16) -> RunSpec {
    let scenario = match Scenario::from_toml(text) {
        Ok(scenario) => scenario,
        Err(diagnostics) => panic!("{}", diagnostics.render("test", text, false)),
    };
    RunSpec {
        stamping: Stamping::of(&scenario),
        given: z6_vu::session::Given::default(),
        folder: std::path::PathBuf::new(),
        scenario: Arc::new(scenario),
        seed: 7,
        workers,
        shard: z6_events::Shard::WHOLE,
        meeting: z6_vu::reactor::Meeting::default(),
        builtin: None,
        log,
        overrides: Vec::new(),
        attached: Vec::new(),
        spin: Spin::default(),
    }
}

/// Runs for real, then replays the log: every run must replay, whatever the server did.
fn run(text: &str, workers: u16) -> Ran {
    run_and_stop(text, workers, None)
}

fn run_and_stop(text: &str, workers: u16, stop: Option<(When, StopReason)>) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.z6log");
    let (sender, receiver) = mpsc::channel();
    let stop_at = stop.map(|(when, reason)| (when, reason, receiver));
    let keep = Keep { events: Vec::new(), stop_at };
    let handle = start(&spec(text, LogTarget::File(path.clone()), workers), keep).unwrap();
    sender.send(handle.stopper()).ok();
    let report = handle.wait();
    assert_eq!(report.panic, None);
    assert!(report.log_error.is_none(), "{:?}", report.log_error);
    assert!(!partial_path(&path).exists());
    let log = std::fs::read(&path).unwrap();
    assert_eq!(report.log_bytes, log.len() as u64);
    let Outcome::Identical { events, ending } = replay(&log[..]).unwrap() else {
        panic!("{:?}", replay(&log[..]).unwrap());
    };
    assert_eq!(ending.digest(), report.digest);
    assert_eq!(events, report.observer.events.len() as u64);
    Ran { report, log }
}

fn scenario(address: SocketAddr, vus: u32, iterations: u32, more: &str) -> String {
    format!(
        "[runtime]\nvus = {vus}\niterations = {iterations}\n[target]\nbase_url = 'http://{address}'\n\
         reconnect_delay_ms = 1\n[[requests]]\nname = 'r'\npath = '/x'\n{more}\n"
    )
}

#[test]
fn requests_are_sent_and_answered() {
    let server = Server::new(answers(OK));
    for workers in [1, 2] {
        let ran = run(&scenario(server.address, 6, 50, ""), workers);
        assert_eq!(ran.succeeded(), 300);
        assert_eq!(ran.report.stopped_by, StoppedBy::Iterations);
        let connects = |event: &Event| matches!(event, Event::ConnectStarted { .. });
        assert_eq!(ran.count(connects), 6, "each VU keeps its connection");
        let reader = LogReader::new(&ran.log[..]).unwrap();
        assert_eq!(reader.header().addresses[0].addresses, [server.address.to_string()]);
    }
    assert_eq!(server.accepted.load(Ordering::SeqCst), 12);
}

#[test]
fn instants_are_in_order_and_first_byte_comes_before_the_last() {
    let server = Server::new(|_, stream: &mut TcpStream| {
        while read_request(stream) {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n").unwrap();
            stream.flush().unwrap();
            // A second segment: its own read, most of the time; the order holds either way.
            std::thread::yield_now();
            stream.write_all(b"hi").unwrap();
        }
    });
    let ran = run(&scenario(server.address, 2, 40, ""), 1);
    let mut sent = std::collections::BTreeMap::new();
    for (_, at, event) in &ran.report.observer.events {
        match event {
            Event::Sent { exchange, request, .. } => {
                assert!(request.planned <= *at);
                sent.insert(exchange.0, *at);
            }
            Event::Done {
                exchange, response: Response { first_byte, received_bytes, .. }, ..
            } => {
                assert!(sent[&exchange.0] <= *first_byte && first_byte <= at);
                assert_eq!(*received_bytes, OK.len() as u64);
            }
            _ => {}
        }
    }
    assert_eq!(ran.succeeded(), 80);
}

/// What a server does wrong, and the kind under which the request fails.
#[test]
fn each_fault_has_its_kind() {
    let cases: [(&'static [u8], ErrorKind); 7] = [
        (b"", ErrorKind::ClosedBeforeResponse),
        (b"HTTP/1.1 200 OK\r\nContent-", ErrorKind::IncompleteHead),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi", ErrorKind::IncompleteBody),
        (b"SSH-2.0-OpenSSH_9.6\r\n", ErrorKind::BadStatusLine),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", ErrorKind::BadContentLength),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", ErrorKind::BadChunk),
        (
            b"HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            ErrorKind::Status5xx,
        ),
    ];
    for (bytes, kind) in cases {
        let server = Server::new(move |_, stream: &mut TcpStream| {
            if read_request(stream) {
                stream.write_all(bytes).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
                // Until the client has closed: no reset may overtake the bytes.
                while stream.read(&mut [0; 64]).is_ok_and(|n| n > 0) {}
            }
        });
        let ran = run(&scenario(server.address, 2, 3, ""), 1);
        assert_eq!((ran.failed(kind), ran.succeeded()), (6, 0), "{kind:?}");
    }
}

#[test]
fn a_reset_is_a_reset_and_a_refusal_a_refusal() {
    let server = Server::new(|_, stream: &mut TcpStream| {
        // Closing with unread bytes resets the connection.
        let mut some = [0; 4];
        let _ = stream.read(&mut some);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
    });
    let ran = run(&scenario(server.address, 1, 5, ""), 1);
    assert_eq!(ran.failed(ErrorKind::ConnectionReset), 5);

    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ran = run(&scenario(closed, 2, 2, ""), 1);
    assert_eq!(ran.failed(ErrorKind::ConnectionRefused), 4);
    assert_eq!(ran.report.stopped_by, StoppedBy::NoTarget);
    let failure = ran.report.no_target.unwrap();
    assert_eq!((failure.address, failure.errno), (closed.into(), 111));
}

/// Requests that failed because their connection ended before any byte of a response.
fn closed(ran: &Ran) -> usize {
    let kinds =
        [ErrorKind::StaleConnection, ErrorKind::ClosedBeforeResponse, ErrorKind::ConnectionReset];
    kinds.into_iter().map(|kind| ran.failed(kind)).sum()
}

/// A server that closes after each answer without saying so: the next request on that connection
/// fails, and no completed one.
#[test]
fn a_connection_closed_between_requests_fails_one_or_is_replaced() {
    let server = Server::new(|_, stream: &mut TcpStream| {
        if read_request(stream) {
            stream.write_all(OK).unwrap();
        }
    });
    let ran = run(&scenario(server.address, 1, 40, ""), 1);
    assert_eq!(ran.succeeded() + closed(&ran), 40, "nothing else happens");
    assert!(ran.succeeded() >= 20, "every second request at least");
}

#[test]
fn bytes_behind_a_response_close_the_connection_and_fail_nothing() {
    let server = Server::new(answers(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ));
    let ran = run(&scenario(server.address, 1, 5, ""), 1);
    assert_eq!(ran.succeeded(), 5);
    assert_eq!(
        ran.count(|e| matches!(
            e,
            Event::Done { response: Response { unsolicited: true, .. }, .. }
        )),
        5
    );
    assert_eq!(server.accepted.load(Ordering::SeqCst), 5);
}

/// Whether this kernel stamps what arrives, as Linux does.
fn kernel_stamps() -> bool {
    let text = scenario(
        ([127, 0, 0, 1], 1).into(),
        1,
        1,
        "[think_time]\ntype = 'constant'\nduration_ms = 1",
    );
    Stamping::of(&Scenario::from_toml(&text).unwrap()).is_on()
}

fn stamped(text: &str, stamps: &str) -> String {
    text.replacen("[runtime]\n", &format!("[runtime]\narrival_stamps = '{stamps}'\n"), 1)
}

#[test]
fn arrivals_are_stamped_where_the_scenario_says_so() {
    let server = Server::new(answers(OK));
    for (stamps, is_on) in [("on", kernel_stamps()), ("off", false), ("auto", false)] {
        let ran = run(&stamped(&scenario(server.address, 2, 50, ""), stamps), 2);
        assert_eq!(ran.succeeded(), 100);
        assert_eq!(LogReader::new(&ran.log[..]).unwrap().header().arrival_stamps, is_on);
        let has_stamp = |event: &Event| matches!(event, Event::Done { response, .. } if response.arrival.read_lag_ns().is_some());
        let stamps = ran.count(has_stamp);
        assert!(if is_on { stamps >= 95 } else { stamps == 0 }, "{stamps} stamps");
    }
}

/// A server that sends a response too many stays one ahead: each answer has arrived before its request is sent.
#[test]
fn a_server_that_is_one_response_ahead_is_not_believed() {
    if !kernel_stamps() {
        return z6_testing::skip("the kernel does not stamp arrivals");
    }
    let server = Server::new(move |number, stream: &mut TcpStream| {
        let mut is_first = number == 0;
        // Else each response would wait for the next request, which acknowledges the one before.
        stream.set_nodelay(true).unwrap();
        while read_request(stream) && stream.write_all(OK).is_ok() {
            if std::mem::take(&mut is_first) {
                let _ = stream.write_all(OK);
            }
        }
    });
    let more = "[think_time]\ntype = 'constant'\nduration_ms = 0.001";
    let ran = run(&stamped(&scenario(server.address, 1, 200, more), "on"), 1);
    let early = ran.count(|event| {
        matches!(event, Event::Failed { failure, .. } if failure.error == ErrorKind::ResponseBeforeRequest)
    });
    let unsolicited = ran.count(|event| {
        matches!(
            event,
            Event::ConnectionClosed { cause: CloseCause::Unsolicited, .. }
                | Event::Done { response: Response { unsolicited: true, .. }, .. }
        )
    });
    assert_eq!(ran.succeeded() + early, 200);
    assert_eq!(early + unsolicited, 1, "the response too many is seen, whenever it comes");
}

/// RFC 9112 §9.2, §9.3.
#[test]
fn unsolicited_bytes_and_ends_of_idle_connections_are_seen() {
    let (about, seen) = mpsc::channel();
    let server = Server::new(move |number, stream: &mut TcpStream| {
        assert!(read_request(stream));
        stream.write_all(OK).unwrap();
        about.send(number).unwrap();
        if number == 0 {
            stream.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").unwrap();
        } else {
            stream.shutdown(Shutdown::Both).unwrap();
        }
        while stream.read(&mut [0; 64]).is_ok_and(|n| n > 0) {}
    });
    let think = "[think_time]\ntype = 'constant'\nduration_ms = 300";
    let ran = run(&scenario(server.address, 1, 2, think), 1);
    assert_eq!(ran.succeeded(), 2);
    let closed = |cause| move |e: &Event| matches!(e, Event::ConnectionClosed { cause: c, .. } if *c == cause);
    let by_late_bytes = ran.count(closed(CloseCause::Unsolicited))
        + ran.count(|e| {
            matches!(e, Event::Done { response: Response { unsolicited: true, .. }, .. })
        });
    assert_eq!(by_late_bytes, 1);
    assert_eq!(seen.try_iter().count(), 2);
}

#[test]
fn responses_that_read_to_close_and_http_1_0_are_complete() {
    let server = Server::new(|_, stream: &mut TcpStream| {
        if read_request(stream) {
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nall there is").unwrap();
        }
    });
    let ran = run(&scenario(server.address, 1, 4, ""), 1);
    assert_eq!(ran.succeeded(), 4);
    let released =
        |e: &Event| matches!(e, Event::ConnectionReleased { cause: ReleaseCause::NotReusable, .. });
    assert_eq!(ran.count(released), 4);
}

/// IPv6 literals, names, and connections from chosen local addresses.
#[test]
fn addresses_of_all_forms_are_reached() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let note = Arc::clone(&seen);
    let serve = move |_: u64, stream: &mut TcpStream| {
        note.lock().unwrap().push(stream.peer_addr().unwrap().ip().to_string());
        while read_request(stream) && stream.write_all(OK).is_ok() {}
    };
    let v4 = Server::new(serve);
    let port = v4.address.port();
    let by_name = scenario(v4.address, 2, 5, "").replace("127.0.0.1", "localhost");
    assert_eq!(run(&by_name, 1).succeeded(), 10);
    let sources = "source_addresses = ['127.0.0.2', '127.0.0.3']\n[[requests]]";
    let from = scenario(v4.address, 4, 5, "").replace("[[requests]]", sources);
    seen.lock().unwrap().clear();
    assert_eq!(run(&from, 1).succeeded(), 20, "port {port}");
    let mut peers = seen.lock().unwrap().clone();
    peers.sort();
    assert_eq!(peers, ["127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.3"]);

    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        z6_testing::skip("no IPv6 on this machine");
        return;
    };
    let v6 = Server::on(listener, answers(OK));
    assert_eq!(run(&scenario(v6.address, 2, 5, ""), 1).succeeded(), 10);
}

/// A large upload that is refused halfway: the answer counts, the rest is not sent.
#[test]
fn an_early_response_stops_the_upload() {
    let server = Server::new(|_, stream: &mut TcpStream| {
        if read_request(stream) {
            stream
                .write_all(
                    b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                )
                .unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut rest = vec![0; 1 << 16];
            while stream.read(&mut rest).is_ok_and(|n| n > 0) {}
        }
    });
    let body = format!("method = 'POST'\nbody = '{}'", "x".repeat(8 << 20));
    let ran = run(&scenario(server.address, 1, 2, &body), 1);
    assert_eq!(ran.failed(ErrorKind::Status4xx), 2, "{:?}", ran.report.observer.events);
}

/// A large upload in many writes, and a large answer in many reads, arrive whole.
#[test]
fn large_bodies_pass_in_parts() {
    let server = Server::new(|_, stream: &mut TcpStream| {
        while read_request(stream) {
            let mut left = 4 << 20;
            let mut buffer = vec![0; 1 << 16];
            while left > 0 {
                let want = buffer.len().min(left);
                let n = stream.read(&mut buffer[..want]).unwrap();
                assert!(n > 0 && buffer[..n].iter().all(|byte| *byte == b'x'));
                left -= n;
            }
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 6 << 20);
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&vec![b'y'; 6 << 20]).unwrap();
        }
    });
    let body = format!("method = 'POST'\nbody = '{}'", "x".repeat(4 << 20));
    let ran = run(&scenario(server.address, 2, 3, &body), 1);
    assert_eq!(ran.succeeded(), 6);
    assert_eq!(server.accepted.load(Ordering::SeqCst), 2);
}

#[test]
fn request_ids_name_population_actor_and_step() {
    let (about, ids) = mpsc::channel();
    let server = Server::new(move |_, stream: &mut TcpStream| {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = stream.read(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..n]).into_owned();
            let id = text.lines().find_map(|line| line.strip_prefix("Z6-Id: ")).unwrap().to_owned();
            about.send(id).unwrap();
            stream.write_all(OK).unwrap();
        }
    });
    let text = scenario(server.address, 2, 2, "")
        .replace("[[requests]]", "request_id_header = 'Z6-Id'\n[[requests]]");
    assert_eq!(run(&text, 1).succeeded(), 4);
    let mut ids: Vec<String> = ids.try_iter().collect();
    ids.sort();
    let id = |actor, step| format!("00-{actor:016x}-{step:016x}-00");
    assert_eq!(ids, [id(0, 0), id(0, 1), id(1, 0), id(1, 1)]);
}

/// No answer: a timeout, by our timer; and at the end of the grace period in flight.
#[test]
fn silence_is_a_timeout_and_at_the_end_in_flight() {
    let server = Server::new(
        |_, stream: &mut TcpStream| {
            while stream.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {}
        },
    );
    let ran = run(&scenario(server.address, 2, 2, "timeout_ms = 20"), 1);
    assert_eq!(ran.failed(ErrorKind::RequestTimeout), 4);

    let text = format!(
        "[runtime]\nvus = 3\nduration_seconds = 60\ngraceful_stop_seconds = 0.05\n[target]\n\
         base_url = 'http://{}'\nmax_connections = 2\nconnection_reuse = 'shared'\n\
         [[requests]]\nname = 'r'\npath = '/x'\n",
        server.address
    );
    let when: When = |event| matches!(event, Event::Sent { .. });
    let ran = run_and_stop(&text, 1, Some((when, StopReason::Interrupt)));
    assert_eq!(ran.report.stopped_by, StoppedBy::Interrupt);
    let in_flight = ran.count(|e| matches!(e, Event::InFlightAtStop { .. }));
    let never = |e: &Event| matches!(e, Event::NeverSent { reason: NeverSentReason::RunEnded, .. });
    assert!((1..=2).contains(&in_flight));
    assert_eq!(in_flight + ran.count(never), 3);
}

/// A server that answers before it is asked, and closes its side at once: the answer is taken for
/// that of the first request, whether it came with the connection or after it.
#[test]
fn an_answer_that_comes_with_the_connection_is_not_lost() {
    let server = Server::new(|_, stream: &mut TcpStream| {
        stream.write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        while stream.read(&mut [0; 64]).is_ok_and(|n| n > 0) {}
    });
    let ran = run(&scenario(server.address, 4, 10, ""), 1);
    // Where the close was seen after the answer, the next request found the connection closed.
    let (answered, closed) = (ran.failed(ErrorKind::Status5xx), closed(&ran));
    assert!(answered >= 20 && answered + closed == 40, "{answered} answered, {closed} closed");
}

/// Two engines in one process do not meet.
#[test]
fn two_runs_at_once() {
    let server = Server::new(answers(OK));
    let text = scenario(server.address, 3, 200, "");
    let runs = std::thread::scope(|scope| {
        let threads = [scope.spawn(|| run(&text, 1)), scope.spawn(|| run(&text, 2))];
        threads.map(|thread| thread.join().unwrap())
    });
    assert!(runs.iter().all(|ran| ran.succeeded() == 600));
}

#[test]
fn a_log_that_cannot_be_begun_keeps_the_run_from_starting() {
    let server = Server::new(answers(OK));
    let text = scenario(server.address, 1, 1, "");
    let nowhere = LogTarget::File("/nonexistent-directory/events.z6log".into());
    let keep = Keep { events: Vec::new(), stop_at: None };
    let error = start(&spec(&text, nowhere, 1), keep).unwrap_err();
    assert!(error.to_string().contains("/nonexistent-directory/events.z6log"), "{error}");
    assert_eq!(server.accepted.load(Ordering::SeqCst), 0);
}

/// The log reaches its limit: the run stops, with a footer, and says so.
#[test]
fn a_full_log_stops_the_run() {
    let server = Server::new(answers(OK));
    let text = format!(
        "[runtime]\nvus = 4\nduration_seconds = 3600\n[target]\nbase_url = 'http://{}'\n\
         [[requests]]\nname = 'r'\npath = '/x'\n[limits]\nmax_event_log_bytes = 1048577\n",
        server.address
    );
    let ran = run(&text, 1);
    assert_eq!(ran.report.stopped_by, StoppedBy::LogLimit);
    assert!(ran.report.digest.is_some() && ran.log.len() < 1_048_577);
}

/// An observer that panics takes the log with it: the run stops, and the panic reaches the caller.
#[test]
fn a_panicking_observer_stops_the_run() {
    struct Panics;
    impl z6_vu::observer::Observer for Panics {}

    impl Visitor for Panics {
        type Error = Infallible;

        fn event(
            &mut self,
            _index: u64,
            _worker: WorkerId,
            _at: Tick,
            event: &Event,
        ) -> Result<(), Infallible> {
            assert!(!matches!(event, Event::Done { .. }), "an observer's own fault");
            Ok(())
        }
    }
    let server = Server::new(answers(OK));
    let text = scenario(server.address, 2, 1, "")
        .replace("iterations = 1", "duration_seconds = 3600\ngraceful_stop_seconds = 0");
    let handle = start(&spec(&text, LogTarget::Discard, 2), Panics).unwrap();
    let outcome =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| handle.wait().stopped_by));
    let said = outcome.unwrap_err();
    assert_eq!(said.downcast_ref::<&str>(), Some(&"an observer's own fault"));
}
