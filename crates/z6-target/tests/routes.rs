//! Each route over a real socket: what it answers, and how the connection goes on.

mod common;

use std::time::{Duration, Instant};

use common::{Client, start, start_with};
use z6_target::Config;

#[test]
fn hello_is_the_same_on_both_paths() {
    let server = start();
    let mut client = Client::connect(&server);
    for target in ["/", "/hello", "http://test/hello", "/hello?user=7"] {
        let answer = client.get(target);
        assert_eq!((answer.status, answer.text()), (200, "Hello, World!"), "{target}");
        assert_eq!(answer.field("Content-Type"), Some("text/plain"));
        assert_eq!(answer.field("Connection"), None);
        let server = concat!("z6-target/", env!("CARGO_PKG_VERSION"));
        assert_eq!(answer.field("Server"), Some(server));
    }
}

fn is_pattern(body: &[u8]) -> bool {
    let alphabet = b"abcdefghijklmnopqrstuvwxyz012345";
    body.iter().enumerate().all(|(at, byte)| *byte == alphabet[at % 32])
}

#[test]
fn bytes_come_whole_at_every_size() {
    let server = start();
    let mut client = Client::connect(&server);
    for size in [0, 1, 32 * 1024, 32 * 1024 + 1, 65_536, 100_003, 10_000_000] {
        let answer = client.get(&format!("/bytes/{size}"));
        assert_eq!((answer.status, answer.body.len()), (200, size));
        assert_eq!(answer.field("Content-Length"), Some(size.to_string().as_str()));
        assert!(is_pattern(&answer.body), "{size}");
    }
}

#[test]
fn chunked_bodies_come_whole_at_every_size() {
    let server = start();
    let mut client = Client::connect(&server);
    for target in
        ["/chunked/0", "/chunked/5000", "/chunked/5000?chunk=7", "/chunked/3000000?chunk=100000"]
    {
        let answer = client.get(target);
        let size: usize = target[9..].split('?').next().expect("a size").parse().expect("a size");
        assert_eq!((answer.status, answer.body.len()), (200, size), "{target}");
        assert_eq!(answer.field("Transfer-Encoding"), Some("chunked"));
        assert!(is_pattern(&answer.body), "{target}");
    }
}

#[test]
fn chunks_have_the_size_asked_for() {
    let server = start();
    let mut client = Client::connect(&server);
    client.send("GET /chunked/5?chunk=2 HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").head();
    assert_eq!(client.rest(), b"2\r\nab\r\n2\r\ncd\r\n1\r\ne\r\n0\r\n\r\n");
}

#[test]
fn sizes_above_the_limit_are_refused() {
    let server = start_with(Config { max_response_bytes: 1000, ..Config::default() });
    let mut client = Client::connect(&server);
    for target in ["/bytes/1001", "/chunked/1001", "/bytes/99999999999999999999", "/bytes/x"] {
        assert_eq!(client.get(target).status, 400, "{target}");
    }
    assert_eq!(client.get("/bytes/1000").body.len(), 1000);
}

#[test]
fn a_delay_is_waited_at_least() {
    let server = start();
    let mut client = Client::connect(&server);
    for (target, least) in [
        ("/delay/20", Duration::from_millis(20)),
        ("/delay/0.25", Duration::from_micros(250)),
        ("/hello?delay=constant:3ms", Duration::from_millis(3)),
        ("/delay/2?delay=uniform:2ms..4ms", Duration::from_millis(4)),
    ] {
        let begun = Instant::now();
        assert_eq!(client.get(target).text(), "Hello, World!");
        assert!(begun.elapsed() >= least, "{target}: {:?}", begun.elapsed());
    }
}

#[test]
fn delays_end_in_the_order_of_their_deadlines() {
    let server = start();
    let mut slow = Client::connect(&server);
    let mut fast = Client::connect(&server);
    slow.send("GET /delay/60000 HTTP/1.1\r\nHost: t\r\n\r\n");
    common::wait_for(&server, |stats| stats.requests == 1);
    assert_eq!(fast.get("/delay/1").status, 200);
    assert_eq!(server.stats().responses, 1);
}

#[test]
fn statuses_are_those_asked_for() {
    let server = start();
    let mut client = Client::connect(&server);
    for (status, reason) in
        [(200, "OK"), (201, "Created"), (404, "Not Found"), (503, "Service Unavailable"), (599, "")]
    {
        let answer = client.get(&format!("/status/{status}"));
        assert!(
            answer.head.starts_with(&format!("HTTP/1.1 {status} {reason}\r\n")),
            "{}",
            answer.head
        );
        assert_eq!(answer.text(), format!("status {status}\n"));
    }
    for status in [204, 304] {
        let answer = client.get(&format!("/status/{status}"));
        assert_eq!((answer.status, answer.field("Content-Length")), (status, None));
    }
    assert_eq!(client.get("/status/205").field("Content-Length"), Some("0"));
    for code in ["100", "199", "600", "x", ""] {
        assert_eq!(client.get(&format!("/status/{code}")).status, 400, "{code}");
    }
}

#[test]
fn close_says_so_and_does_so() {
    let server = start();
    let mut client = Client::connect(&server);
    let answer = client.get("/close");
    assert_eq!((answer.text(), answer.field("Connection")), ("Hello, World!", Some("close")));
    assert!(client.ends_in_order());
}

#[test]
fn echo_returns_what_it_was_sent() {
    let server = start();
    let mut client = Client::connect(&server);
    let counted = "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    let answer = client.send(counted).answer();
    assert_eq!((answer.text(), answer.field("Content-Type")), ("{}", Some("application/json")));
    let chunked = "PUT /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n\
        3;name=value\r\nabc\r\n5\r\ndefgh\r\n0\r\nTrailer: x\r\n\r\n";
    let answer = client.send(chunked).answer();
    assert_eq!(answer.text(), "abcdefgh");
    assert_eq!(answer.field("Content-Type"), Some("application/octet-stream"));
    assert_eq!(client.get("/echo").text(), "");
}

#[test]
fn echo_returns_large_bodies() {
    let server = start();
    let mut client = Client::connect(&server);
    let body: Vec<u8> = (0..10_000_000_u32).map(|at| (at % 251) as u8).collect();
    let head = format!("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: {}\r\n\r\n", body.len());
    let answer = client.send(head).send(&body).answer();
    assert!(answer.status == 200 && answer.body == body);
    let head =
        format!("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: {}\r\n\r\n", body.len() + 1);
    assert_eq!(client.send(head).send(&body).send("x").answer().status, 413);
    assert_eq!(client.get("/").status, 200, "the connection goes on");
}

#[test]
fn abort_ends_without_an_answer() {
    let server = start();
    let request = |how| format!("GET /abort{how} HTTP/1.1\r\nHost: t\r\n\r\n");
    assert!(!Client::connect(&server).send(request("")).ends_in_order());
    assert!(!Client::connect(&server).send(request("?how=reset")).ends_in_order());
    assert!(Client::connect(&server).send(request("?how=fin")).ends_in_order());
    let stats = server.stats();
    assert_eq!((stats.requests, stats.responses, stats.resets), (3, 0, 2));
}

#[test]
fn stall_never_answers_and_leaves_with_its_client() {
    let server = start();
    let mut client = Client::connect(&server);
    client.send("GET /stall HTTP/1.1\r\nHost: t\r\n\r\nGET / HTTP/1.1\r\nHost: t\r\n\r\n");
    common::wait_for(&server, |stats| stats.requests == 1);
    assert_eq!(Client::connect(&server).get("/delay/5").status, 200);
    let stats = server.stats();
    assert_eq!((stats.requests, stats.responses), (2, 1));
    drop(client);
    common::wait_for(&server, |stats| stats.open == 0);
}

#[test]
fn unknown_routes_are_told_the_known_ones() {
    let server = start();
    let mut client = Client::connect(&server);
    for target in ["/nope", "/bytes", "/HELLO", "//", "/hello/", "/nope?delay=constant:1us"] {
        assert_eq!(client.get(target).status, 404, "{target}");
    }
    let answer = client.get("/nope");
    for route in [
        "/hello",
        "/bytes/N",
        "/chunked/N",
        "/delay/MS",
        "/status/CODE",
        "/close",
        "/echo",
        "/abort",
        "/stall",
        "/token",
        "/api/me",
        "/login",
        "/account",
        "/search?q=TEXT",
        "/orders",
        "/orders/ID",
    ] {
        assert!(answer.text().contains(route), "{route}");
    }
}

#[test]
fn a_malformed_query_is_told_what_was_wrong() {
    let server = start();
    let mut client = Client::connect(&server);
    for (target, message) in [
        ("/?delay=5", "`delay=5`: expected constant:TIME"),
        ("/?fail=1.5", "`fail=1.5`: expected a decimal from 0 to 1"),
        ("/?reset=0.1&reset=0.1", "`reset` stands twice"),
        ("/chunked/5?chunk=0", "`chunk=0`: expected a number of bytes"),
        ("/abort?how=softly", "`how=softly`: expected fin or reset"),
    ] {
        let answer = client.get(target);
        assert_eq!(answer.status, 400, "{target}");
        assert!(answer.text().starts_with(message), "{target}: {}", answer.text());
    }
}

#[test]
fn drawn_failures_depend_on_the_seed_alone() {
    let statuses = |seed| -> Vec<u16> {
        let server = start_with(Config { seed, ..Config::default() });
        let mut client = Client::connect(&server);
        (0..40).map(|_| client.get("/?fail=0.5").status).collect()
    };
    let drawn = statuses(42);
    assert_eq!(drawn, statuses(42));
    assert_ne!(drawn, statuses(43));
    assert!(drawn.contains(&503) && drawn.contains(&200));
}

#[test]
fn a_drawn_reset_is_a_reset() {
    let server = start();
    let mut client = Client::connect(&server);
    assert!(!client.send("GET /?reset=1 HTTP/1.1\r\nHost: t\r\n\r\n").ends_in_order());
    assert_eq!(Client::connect(&server).get("/?reset=0").status, 200);
}
