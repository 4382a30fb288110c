//! What a server sees of sessions: every VU keeps to its sequence, and two runs with one seed ask
//! for the same things.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};

use z6::{Finished, Run};
use z6_http::IdParts;
use z6_proto_http1::Limits;
use z6_proto_http1::server::read_whole;

const SESSION: &str = include_str!("../../../examples/session.toml");

/// (actor, step, method and path) of one request.
type Seen = (u64, u64, String);

/// Answers every request, and records it with the id it carries. `detours` makes it slower.
fn record(mut stream: TcpStream, detours: u32, seen: &Sender<Seen>) -> std::io::Result<()> {
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let Some(request) = read_whole(&bytes, &Limits::default()).unwrap() else {
            match stream.read(&mut part)? {
                0 => return Ok(()),
                length => bytes.extend_from_slice(&part[..length]),
            }
            continue;
        };
        let head = request.head;
        let id = IdParts::parse(head.field("Z6-Id").unwrap()).unwrap();
        seen.send((id.actor, id.step, format!("{} {}", head.method, head.target))).unwrap();
        let length = request.bytes;
        bytes.drain(..length);
        (0..detours).for_each(|_| std::thread::yield_now());
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")?;
    }
}

fn start_server(detours: u32) -> (SocketAddr, std::sync::mpsc::Receiver<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, sender) = (stream.unwrap(), sender.clone());
            // Ends when the run closes the connection.
            std::thread::spawn(move || record(stream, detours, &sender));
        }
    });
    (address, receiver)
}

/// Runs a scenario against a recording server: requests by actor, in the order of their steps.
fn run(text: &str, detours: u32) -> (Finished, BTreeMap<u64, Vec<String>>) {
    let (address, seen) = start_server(detours);
    let target = format!("base_url = \"http://{address}\"\nrequest_id_header = \"Z6-Id\"");
    let text = text.replace("base_url = \"http://127.0.0.1:8080\"", &target);
    let finished = Run::from_toml(&text).unwrap().start().unwrap().wait().unwrap();
    assert_eq!(finished.panic, None);
    let mut by_actor: BTreeMap<u64, BTreeMap<u64, String>> = BTreeMap::new();
    let on_wire = usize::try_from(finished.metrics.requests.on_wire).unwrap();
    for (actor, step, asked) in seen.iter().take(on_wire) {
        let before = by_actor.entry(actor).or_default().insert(step, asked);
        assert_eq!(before, None, "actor {actor} did step {step} twice");
    }
    let in_order = by_actor.into_iter().map(|(actor, steps)| {
        assert!(steps.keys().copied().eq(0..steps.len() as u64), "actor {actor} skipped a step");
        (actor, steps.into_values().collect())
    });
    (finished, in_order.collect())
}

/// The example, ten times as fast.
fn quick_session() -> String {
    let mut text = SESSION.to_owned();
    for (slow, quick) in [
        ("duration_seconds = 20", "duration_seconds = 2"),
        ("spike_start_seconds = 8", "spike_start_seconds = 0.8"),
        ("spike_duration_seconds = 4", "spike_duration_seconds = 0.4"),
        ("duration_ms = 50", "duration_ms = 5"),
    ] {
        assert!(text.contains(slow), "{slow}");
        text = text.replace(slow, quick);
    }
    text
}

#[test]
fn every_vu_logs_in_browses_and_logs_out() {
    let (finished, by_vu) = run(&quick_session(), 0);
    assert_eq!(finished.metrics.requests.failed, 0);
    let session = [
        "POST /login",
        "GET /profile",
        "GET /profile",
        "GET /profile",
        "GET /profile",
        "GET /profile",
        "POST /logout",
    ];
    for (vu, requests) in &by_vu {
        let expected: Vec<&str> = session.iter().copied().cycle().take(requests.len()).collect();
        assert_eq!(*requests, expected, "vu {vu}");
    }
    // The spike's VUs come and go; all of them get as far as a request.
    assert!(by_vu.len() > 10 && by_vu.keys().all(|vu| *vu < 100), "{:?}", by_vu.keys());
}

const MIX: &str = r#"
runtime.duration_seconds = 1
runtime.vus = 5
runtime.prng_seed = 11
[target]
base_url = "http://127.0.0.1:8080"
[[requests]]
name = "a"
path = "/a"
weight = 3
[[requests]]
name = "b"
path = "/b"
weight = 2
[think_time]
type = "exponential"
mean_ms = 2
max_ms = 10
"#;

#[test]
fn one_seed_asks_for_the_same_whatever_the_servers_speed() {
    let (fast, quick) = run(MIX, 0);
    let (slow, late) = run(MIX, 2_000);
    assert_eq!(fast.metrics.run.plan_digest, slow.metrics.run.plan_digest);
    for (vu, requests) in &quick {
        let other = &late[vu];
        let shared = requests.len().min(other.len());
        assert!(shared > 0);
        assert_eq!(requests[..shared], other[..shared], "vu {vu}: one is a prefix of the other");
    }
    let (another, third) = run(&MIX.replace("prng_seed = 11", "prng_seed = 12"), 0);
    assert_ne!(fast.metrics.run.plan_digest, another.metrics.run.plan_digest);
    let differs = |vu: &u64| {
        let shared = quick[vu].len().min(third[vu].len());
        quick[vu][..shared] != third[vu][..shared]
    };
    assert!(quick.keys().any(differs));
}
