//! What a server does by plan: stalls, requests per connection, idle connections, answers held back or
//! never given, and the stamps that say when it did.

mod common;

use std::io::ErrorKind;
use std::io::Read as _;
use std::time::{Duration, Instant};

use common::{Client, start, start_with, wait_for};
use z6_target::{Config, Stall};

const STALL: Duration = Duration::from_millis(150);

/// A server that stands still from the first request on.
fn stalling() -> z6_target::Server {
    let stalls = vec![Stall { start_ns: 0, length_ns: 150_000_000 }];
    start_with(Config { stalls, request_log: true, ..Config::default() })
}

#[test]
fn a_stall_holds_up_every_connection_and_the_stamps_show_it() {
    let server = stalling();
    let mut client = Client::connect(&server);
    let began = Instant::now();
    assert_eq!(client.get("/").status, 200, "the first request starts the plan");
    assert_eq!(client.get("/").status, 200);
    assert_eq!(Client::connect(&server).get("/").status, 200);
    assert!(began.elapsed() >= STALL, "{:?}", began.elapsed());
    let log = server.take_log();
    let waited_ns = log[1].received_ns - log[0].received_ns;
    assert!(waited_ns >= 150_000_000, "{waited_ns}");
    assert!(log[2].received_ns > log[1].received_ns);
}

#[test]
fn a_stalled_server_can_be_stopped() {
    let stalls = vec![Stall { start_ns: 0, length_ns: u64::MAX }];
    let mut server = start_with(Config { stalls, ..Config::default() });
    let mut client = Client::connect(&server);
    assert_eq!(client.get("/").status, 200);
    client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
    server.stop().expect("an orderly end");
    assert_eq!(server.stats().requests, 1);
}

#[test]
fn a_connection_ends_unannounced_after_its_requests() {
    let config = Config { max_requests_per_connection: Some(2), ..Config::default() };
    let server = start_with(config);
    let mut client = Client::connect(&server);
    for _ in 0..2 {
        let answer = client.get("/");
        assert_eq!((answer.status, answer.field("Connection")), (200, None));
    }
    assert!(client.ends_in_order());
    assert_eq!(Client::connect(&server).get("/").status, 200);
}

#[test]
fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let config = Config { idle_timeout_ns: Some(30_000_000), ..Config::default() };
    let server = start_with(config);
    let mut client = Client::connect(&server);
    assert_eq!(client.get("/").status, 200);
    assert_eq!(client.get("/delay/90").status, 200, "a request in progress is not idleness");
    let answered = Instant::now();
    assert!(client.ends_in_order());
    assert!(answered.elapsed() >= Duration::from_millis(25), "{:?}", answered.elapsed());
}

#[test]
fn a_body_held_back_comes_behind_its_head() {
    let server = start_with(Config { request_log: true, ..Config::default() });
    for target in ["/hello", "/bytes/100000", "/chunked/3000"] {
        let mut client = Client::connect(&server);
        let began = Instant::now();
        client.send(format!("GET {target}?body_delay=60 HTTP/1.1\r\nHost: t\r\n\r\n"));
        let mut head = [0; 1_024];
        let count = client.stream().read(&mut head).expect("a head");
        assert!(head[..count].ends_with(b"\r\n\r\n"), "{target}: no byte of the body");
        let mut body = Vec::new();
        while !body.ends_with(if target == "/hello" { b"World!" } else { b"\r\n\r\n" })
            && body.len() < 100_000
        {
            let mut piece = [0; 4_096];
            let count = client.stream().read(&mut piece).expect("a body");
            body.extend_from_slice(&piece[..count]);
        }
        assert!(began.elapsed() >= Duration::from_millis(60), "{target}: {:?}", began.elapsed());
    }
}

#[test]
fn a_share_of_requests_is_never_answered() {
    let mut server = start();
    let mut client = Client::connect(&server);
    client.send("GET /?stall=1 HTTP/1.1\r\nHost: t\r\n\r\n");
    wait_for(&server, |stats| stats.requests == 1);
    assert_eq!(Client::connect(&server).get("/?stall=0").status, 200);
    client.stream().set_nonblocking(true).expect("a mode");
    let unanswered = client.stream().read(&mut [0; 1]).map_err(|error| error.kind());
    assert_eq!(unanswered, Err(ErrorKind::WouldBlock));
    server.stop().expect("an orderly end");
    let stats = server.stats();
    assert_eq!((stats.requests, stats.responses), (2, 1));
}
