//! HTTP/1.1 on the connection: order, splits, persistence, and what is refused.

mod common;

use common::{Client, start, start_with};
use z6_target::Config;

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = start();
    let mut client = Client::connect(&server);
    let targets = [
        "/",
        "/bytes/70000",
        "/delay/2",
        "/status/404",
        "/chunked/50000",
        "/?delay=constant:1ms",
        "/bytes/5",
    ];
    let batch: String =
        targets.iter().map(|target| format!("GET {target} HTTP/1.1\r\nHost: t\r\n\r\n")).collect();
    client.send(batch.repeat(3));
    for _ in 0..3 {
        let answers: Vec<_> = targets.iter().map(|_| client.answer()).collect();
        let shape: Vec<_> =
            answers.iter().map(|answer| (answer.status, answer.body.len())).collect();
        let expected =
            [(200, 13), (200, 70_000), (200, 13), (404, 11), (200, 50_000), (200, 13), (200, 5)];
        assert_eq!(shape, expected);
    }
    assert_eq!(server.stats().requests, 21);
}

#[test]
fn more_pipelined_requests_than_a_buffer_holds_are_all_answered() {
    let server = start();
    let mut client = Client::connect(&server);
    let count = 10_000;
    let request = "GET /?pad=0123456789012345678901234567890123456789 HTTP/1.1\r\nHost: t\r\n\r\n";
    let stream = client.stream().try_clone().expect("a second handle");
    let writer = std::thread::spawn(move || {
        Client::over(stream).send(request.repeat(count));
    });
    for at in 0..count {
        assert_eq!(client.answer().text(), "Hello, World!", "{at}");
    }
    writer.join().expect("all sent");
    assert_eq!(server.stats().requests, count as u64);
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let server = start();
    let mut client = Client::connect(&server);
    let request =
        b"POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    for byte in request {
        client.send([*byte]);
    }
    assert_eq!(client.answer().text(), "hi");
    assert_eq!(client.get("/hello").text(), "Hello, World!");
}

#[test]
fn head_is_answered_without_a_body() {
    let server = start();
    let mut client = Client::connect(&server);
    for (target, field) in [
        ("/", "Content-Length: 13\r\n"),
        ("/bytes/1000000", "Content-Length: 1000000\r\n"),
        ("/chunked/5", "Transfer-Encoding: chunked\r\n"),
        ("/nope", "Content-Length: "),
    ] {
        let (_, head) = client.send(format!("HEAD {target} HTTP/1.1\r\nHost: t\r\n\r\n")).head();
        assert!(head.contains(field), "{target}: {head}");
    }
    assert_eq!(client.get("/").text(), "Hello, World!", "nothing lies between");
}

#[test]
fn any_method_is_accepted() {
    let server = start();
    let mut client = Client::connect(&server);
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
        let request =
            format!("{method} /hello HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc");
        assert_eq!(client.send(request).answer().text(), "Hello, World!", "{method}");
    }
    let answer = client.send("OPTIONS * HTTP/1.1\r\nHost: t\r\n\r\n").answer();
    assert_eq!((answer.status, answer.text()), (200, ""));
}

#[test]
fn http_1_0_closes_unless_asked_otherwise() {
    let server = start();
    let mut client = Client::connect(&server);
    let answer = client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").answer();
    assert_eq!((answer.text(), answer.field("Connection")), ("Hello, World!", Some("keep-alive")));
    let answer = client.send("GET / HTTP/1.0\r\n\r\n").answer();
    assert_eq!((answer.text(), answer.field("Connection")), ("Hello, World!", Some("close")));
    assert!(client.ends_in_order());
    let mut client = Client::connect(&server);
    let answer =
        client.send("GET /chunked/3000 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").answer();
    assert_eq!(answer.field("Transfer-Encoding"), None);
    assert_eq!((answer.body.len(), answer.field("Connection")), (3000, Some("close")));
}

#[test]
fn a_client_that_asks_for_the_end_gets_it() {
    let server = start();
    let mut client = Client::connect(&server);
    client.send(
        "GET /bytes/1000000 HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\n",
    );
    assert_eq!(client.answer().body.len(), 1_000_000);
    assert!(client.ends_in_order());
    assert_eq!(server.stats().requests, 1);
}

#[test]
fn a_client_that_has_said_all_is_still_answered() {
    let server = start();
    let mut client = Client::connect(&server);
    client.send(
        "GET /bytes/5000000 HTTP/1.1\r\nHost: t\r\n\r\nGET /delay/1 HTTP/1.1\r\nHost: t\r\n\r\n",
    );
    client.stream().shutdown(std::net::Shutdown::Write).expect("shut down");
    assert_eq!(client.answer().body.len(), 5_000_000);
    assert_eq!(client.answer().text(), "Hello, World!");
    assert!(client.ends_in_order());
}

#[test]
fn leave_to_send_a_body_is_given() {
    let server = start();
    let mut client = Client::connect(&server);
    client.send(
        "POST /echo HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n",
    );
    assert_eq!(client.head().0, 100);
    assert_eq!(client.send("body").answer().text(), "body");
}

#[test]
fn malformed_requests_are_refused_and_the_connection_closed() {
    let server = start();
    let refused = [
        ("\0\0\0\0 / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ("GET / HTTP/1.1\r\nHost: a\r\nbad field: x\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    ];
    for (request, status) in refused {
        let mut client = Client::connect(&server);
        let answer = client.send([request.as_bytes(), &[b'x'; 1000]].concat()).answer();
        assert_eq!(answer.status, status, "{request:?}");
        assert_eq!(answer.field("Connection"), Some("close"));
        assert!(client.ends_in_order());
    }
    let stats = server.stats();
    assert_eq!((stats.bad_requests, stats.requests), (refused.len() as u64, 0));
}

#[test]
fn a_target_in_another_form_is_refused() {
    let server = start();
    let mut client = Client::connect(&server);
    assert_eq!(client.send("CONNECT host:443 HTTP/1.1\r\nHost: t\r\n\r\n").answer().status, 400);
    assert_eq!(client.send("GET hello HTTP/1.1\r\nHost: t\r\n\r\n").answer().status, 400);
}

#[test]
fn a_long_head_is_refused() {
    let server = start_with(Config { max_request_head_bytes: 1000, ..Config::default() });
    let fits = |bytes: usize| format!("GET /?{} HTTP/1.1\r\nHost: t\r\n\r\n", "x".repeat(bytes));
    let mut client = Client::connect(&server);
    assert_eq!(client.send(fits(1000 - 30)).answer().status, 200);
    assert_eq!(client.send(fits(1000)).answer().status, 431);
    assert!(client.ends_in_order());
}
