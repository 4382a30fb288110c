//! The server as a whole: counts, log, limits, several at once, and its end.

mod common;

use std::net::TcpStream;

use common::{Client, start, start_with, wait_for};
use z6_target::{Config, Server};

#[test]
fn counts_are_exact_once_stopped() {
    let mut server = start();
    let mut client = Client::connect(&server);
    let request = "GET / HTTP/1.1\r\nHost: t\r\n\r\n";
    let mut received = 0;
    for _ in 0..10 {
        let answer = client.send(request).answer();
        received += answer.head.len() + answer.body.len();
    }
    Client::connect(&server).send("nonsense\r\n\r\n").answer();
    server.stop().expect("an orderly end");
    let stats = server.stats();
    assert_eq!((stats.accepted, stats.open), (2, 0));
    assert_eq!((stats.requests, stats.responses, stats.bad_requests), (10, 10, 1));
    assert_eq!(stats.bytes_in as usize, 10 * request.len() + 12);
    assert!(stats.bytes_out as usize > received);
    assert_eq!((stats.refused, stats.accept_errors, stats.log_dropped), (0, 0, 0));
}

/// A server on a loopback address of its own, whose port no other test can be given.
fn start_alone(host: u8) -> Server {
    start_with(Config { addresses: vec![([127, 0, 66, host], 0).into()], ..Config::default() })
}

#[test]
fn stop_ends_what_is_open() {
    let mut server = start_alone(2);
    let mut idle = Client::connect(&server);
    let mut stalled = Client::connect(&server);
    stalled.send("GET /stall HTTP/1.1\r\nHost: t\r\n\r\n");
    let mut delayed = Client::connect(&server);
    delayed.send("GET /delay/3600000 HTTP/1.1\r\nHost: t\r\n\r\n");
    let mut large = Client::connect(&server);
    large.send("GET /bytes/1000000000 HTTP/1.1\r\nHost: t\r\n\r\n");
    wait_for(&server, |stats| stats.accepted == 4 && stats.requests == 3);
    assert!(server.is_running());
    server.stop().expect("an orderly end");
    assert!(!server.is_running());
    server.stop().expect("nothing left to do");
    assert!(idle.ends_in_order() && stalled.ends_in_order() && delayed.ends_in_order());
    assert!(TcpStream::connect(server.addresses()[0]).is_err(), "no server listens");
    assert_eq!(server.stats().open, 0);
}

#[test]
fn dropping_a_server_stops_it() {
    let server = start_alone(3);
    let address = server.addresses()[0];
    let mut client = Client::connect(&server);
    assert_eq!(client.get("/").status, 200);
    drop(server);
    assert!(client.ends_in_order());
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn servers_in_one_process_are_apart() {
    let first = start();
    let second = start();
    assert_ne!(first.addresses(), second.addresses());
    Client::connect(&first).get("/");
    assert_eq!((first.stats().requests, second.stats().requests), (1, 0));
}

#[test]
fn several_addresses_and_threads_serve_alike() {
    let local = "127.0.0.1:0".parse().expect("an address");
    let config = Config { addresses: vec![local, local], threads: 3, ..Config::default() };
    let mut server = start_with(config);
    let addresses = server.addresses().to_vec();
    assert_eq!(addresses.len(), 2);
    let mut clients: Vec<Client> = (0..30)
        .map(|at| Client::over(TcpStream::connect(addresses[at % 2]).expect("connected")))
        .collect();
    for client in &mut clients {
        assert_eq!(client.get("/hello").status, 200);
        assert_eq!(client.get("/delay/0.1").status, 200);
    }
    server.stop().expect("an orderly end");
    let stats = server.stats();
    assert_eq!((stats.accepted, stats.requests, stats.responses), (30, 60, 60));
}

#[test]
fn connections_above_the_limit_are_refused_and_counted() {
    let server = start_with(Config { max_connections: 2, ..Config::default() });
    let mut first = Client::connect(&server);
    let mut second = Client::connect(&server);
    assert_eq!((first.get("/").status, second.get("/").status), (200, 200));
    assert!(Client::connect(&server).ends_in_order());
    assert_eq!(server.stats().refused, 1);
    drop(first);
    wait_for(&server, |stats| stats.open == 1);
    let mut third = Client::connect(&server);
    assert_eq!((third.get("/").status, second.get("/").status), (200, 200));
}

#[test]
fn a_slot_used_again_serves_its_new_connection() {
    let server = start();
    for _ in 0..50 {
        let mut stays = Client::connect(&server);
        let mut leaves = Client::connect(&server);
        leaves.send("GET /delay/1 HTTP/1.1\r\nHost: t\r\n\r\n");
        drop(leaves);
        assert_eq!(stays.get("/").status, 200);
    }
    let stats = wait_for(&server, |stats| stats.open == 0);
    assert_eq!(stats.accepted, 100);
}

#[test]
fn the_log_holds_every_request_in_order() {
    let server = start_with(Config { request_log: true, ..Config::default() });
    let mut client = Client::connect(&server);
    client.get("/");
    client
        .send("POST /delay/1 HTTP/1.1\r\nHost: t\r\nZ6-Id: 00a1-02\r\nContent-Length: 1\r\n\r\nx")
        .answer();
    client.send("GET /abort HTTP/1.1\r\nHost: t\r\n\r\n").ends_in_order();
    let log = server.take_log();
    let shape: Vec<_> = log
        .iter()
        .map(|record| {
            let id = record.id.as_deref();
            (record.connection, record.number, record.method.as_str(), record.target.as_str(), id)
        })
        .collect();
    let expected = [
        (0, 0, "GET", "/", None),
        (0, 1, "POST", "/delay/1", Some("00a1-02")),
        (0, 2, "GET", "/abort", None),
    ];
    assert_eq!(shape, expected);
    let answered = log[1].answered_ns.expect("answered");
    assert!(answered >= log[1].received_ns + 1_000_000, "the delay lies between");
    assert!(log[1].received_ns >= log[0].answered_ns.expect("answered"));
    assert_eq!(log[2].answered_ns, None);
    assert!(server.take_log().is_empty(), "what was taken is gone");
}

#[test]
fn pipelined_requests_are_logged_one_by_one() {
    let server = start_with(Config { request_log: true, ..Config::default() });
    let mut client = Client::connect(&server);
    client.send("GET /status/201 HTTP/1.1\r\nHost: t\r\n\r\n".repeat(100));
    for _ in 0..100 {
        assert_eq!(client.answer().status, 201);
    }
    let numbers: Vec<u64> = server.take_log().iter().map(|record| record.number).collect();
    assert_eq!(numbers, (0..100).collect::<Vec<u64>>());
}

#[test]
fn a_full_log_counts_what_it_does_not_take() {
    let config = Config { request_log: true, max_log_records: 2, ..Config::default() };
    let server = start_with(config);
    let mut client = Client::connect(&server);
    for _ in 0..5 {
        client.get("/");
    }
    assert_eq!((server.take_log().len(), server.stats().log_dropped), (2, 3));
}

#[test]
fn without_a_log_there_are_no_records() {
    let server = start();
    Client::connect(&server).get("/");
    assert!(server.take_log().is_empty());
}
