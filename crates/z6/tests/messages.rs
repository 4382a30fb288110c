//! What people are told of a failure: how long a connection was idle, which address is dead, which source
//! address is not ours.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod wire;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use wire::{Server, errors, ok, response, run};
use z6::Finished;
use z6_metrics::Style;
use z6_metrics::report::summary_text;

/// A server that answers the first request of each connection with this field, and ends the connection
/// at the second.
fn ends_at_the_second(field: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            read_head(&mut stream);
            let answer = format!("HTTP/1.1 204 No Content\r\n{field}\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
            read_head(&mut stream);
        }
    });
    address
}

fn read_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|length| length > 0) {
        head.push(byte[0]);
    }
}

fn scenario(address: SocketAddr, target: &str, more: &str) -> String {
    format!(
        "[runtime]\niterations = 2\n[target]\nbase_url = 'http://{address}'\n\
         reconnect_delay_ms = 1\n{target}\n[[requests]]\nname = 'r'\npath = '/'\n{more}\n"
    )
}

fn example<'a>(finished: &'a Finished, kind: &str) -> &'a str {
    finished.metrics.errors.examples.get(kind).unwrap()
}

/// The summary in one line, so that it does not matter where lines are wrapped.
fn summary(finished: &Finished) -> String {
    let text = summary_text(&finished.metrics, &Style::plain());
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

const PAUSE: &str = "[think_time]\ntype = 'constant'\nduration_ms = 150";

#[test]
fn a_stale_connection_says_how_long_it_was_idle_and_what_was_announced() {
    for (field, announced) in [
        ("Keep-Alive: timeout=1, max=100\r\n", " (the server announced Keep-Alive: timeout=1)"),
        ("", ""),
    ] {
        let address = ends_at_the_second(field);
        let finished = run(&scenario(address, "", PAUSE));
        assert_eq!(errors(&finished), [("stale_connection".to_owned(), 1)]);
        let words = example(&finished, "stale_connection");
        let words = words.strip_prefix(&format!("r to {address}: closed after ")).unwrap();
        let (idle, rest) = words.split_once(' ').unwrap();
        assert!(idle.parse::<f64>().unwrap() >= 1.0, "{words}");
        let (_, rest) = rest.split_once(' ').unwrap();
        let way_out = "set idle_timeout_ms below the server's own";
        assert_eq!(rest, format!("without a request{announced}: {way_out}"));
        assert!(summary(&finished).contains(words));
    }
}

#[test]
fn a_server_that_ends_a_busy_connection_is_not_stale() {
    let finished = run(&scenario(ends_at_the_second(""), "", ""));
    assert_eq!(errors(&finished), [("closed_before_response".to_owned(), 1)]);
    let words = example(&finished, "closed_before_response");
    assert!(
        words.contains("closed before the first byte, on a connection in use until"),
        "{words}"
    );
}

#[test]
fn a_server_that_speaks_the_other_version_of_http_is_named() {
    let says = |answer: &'static [u8]| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                // The preface of HTTP/2 begins like a head.
                read_head(&mut stream);
                stream.write_all(answer).unwrap();
                // What has not been read would make a reset of the close.
                let _ = stream.shutdown(std::net::Shutdown::Write);
                let _ = std::io::copy(&mut stream, &mut std::io::sink());
            }
        });
        address
    };
    let settings: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    let http1 = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for (answer, version, kind, words) in [
        (
            settings,
            "http1.1",
            "bad_status_line",
            "HTTP/2 here: http_version = \"http2-prior-knowledge\"",
        ),
        (
            http1,
            "http2-prior-knowledge",
            "http2_bad_preface",
            "HTTP/1.1 here: http_version = \"http1.1\"",
        ),
    ] {
        let target = format!("http_version = '{version}'");
        let finished = run(&scenario(says(answer), &target, ""));
        assert_eq!(errors(&finished), [(kind.to_owned(), 2)]);
        let found = example(&finished, kind);
        assert!(found.ends_with(&format!("the server speaks {words}")), "{found}");
        assert!(summary(&finished).contains(words), "{}", summary(&finished));
    }
}

/// The log holds what the server sent; it is never shown as it is.
#[test]
fn what_a_server_says_reaches_no_terminal_as_it_is() {
    let answer = "HTTP/1.1 302 Found\r\nLocation: x:\u{9b}31m\u{202e}\r\nContent-Length: 0\r\n\r\n";
    let (_server, address) = Server::tcp(|_| answer.as_bytes().to_vec());
    let finished = run(&scenario(address, "", "follow_redirects = 1"));
    assert_eq!(errors(&finished), [("bad_location".to_owned(), 2)]);
    let summary = summary(&finished);
    assert!(summary.contains("\\u{9b}31m\\u{202e}"), "{summary}");
    assert!(!summary.contains(['\u{9b}', '\u{202e}']));
}

/// A response that fails though its status is fine: what was looked for, and why it was not found.
#[test]
fn a_response_without_what_is_read_from_it_says_what_is_missing() {
    let (_server, address) = Server::tcp(|_| response(200, "", "{\"a\": [1, 2, 3]}"));
    let text = scenario(address, "", "extract.id = { json = '$.id' }");
    let finished = run(&text);
    let words = example(&finished, "extract_failed");
    let expected = format!("r to {address}: status 200; extract `id`: nothing was found");
    assert_eq!(words, expected);
    let limits = "limits.max_kept_body_bytes = 10\n";
    let text = scenario(address, "", "checks.'has a' = 'json(\"$.a[0]\") == 1'");
    let finished = run(&(limits.to_owned() + &text));
    let words = example(&finished, "check_failed");
    let too_large = "the body is larger than what is kept of it";
    assert!(words.ends_with(&format!(": status 200; check `has a`: {too_large}")), "{words}");
    assert!(summary(&finished).contains(words), "{}", summary(&finished));
}

#[test]
fn a_dead_address_is_named_with_its_share_of_attempts() {
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    let (_server, address) = Server::on(listener, |_| ok());
    let target = "connection_reuse = 'none'\nresolve = ['127.0.0.2', '127.0.0.3']";
    let text = scenario(address, target, "")
        .replace(&format!("http://{address}"), &format!("http://api.invalid:{}", address.port()))
        .replace("iterations = 2", "iterations = 6");
    let finished = run(&text);
    assert_eq!(finished.metrics.requests.succeeded, 6);
    let [dead] = &finished.metrics.connections.failed_addresses[..] else { panic!("one") };
    assert_eq!(dead.address, format!("127.0.0.3:{}", address.port()));
    assert_eq!((dead.target.as_str(), dead.error), ("target", "connection_refused"));
    assert!(dead.failed > 0 && dead.failed == dead.attempts, "{dead:?}");
    assert_eq!(dead.target_attempts, 6 + dead.failed);
    let line = format!(
        "127.0.0.3:{}: {} of {} attempts failed (connection_refused), ",
        address.port(),
        dead.failed,
        dead.attempts
    );
    assert!(summary(&finished).contains(&line), "{}", summary(&finished));
}

#[test]
fn a_source_address_that_is_not_ours_is_named() {
    let (_server, address) = Server::tcp(|_| ok());
    // 192.0.2.1 belongs to no host (RFC 5737).
    let sources = "connection_reuse = 'none'\nsource_addresses = ['127.0.0.5', '192.0.2.1']";
    let finished = run(&scenario(address, sources, ""));
    assert_eq!(errors(&finished), [("bad_source_address".to_owned(), 1)]);
    let expected =
        format!("r to {address}: the source address 192.0.2.1 does not belong to this machine");
    assert_eq!(example(&finished, "bad_source_address"), expected);
    let only = "source_addresses = ['192.0.2.1']";
    let finished = run(&scenario(address, only, ""));
    let message = finished.no_target_message().unwrap();
    assert!(
        message.ends_with("source address 192.0.2.1 does not belong to this machine"),
        "{message}"
    );
}
