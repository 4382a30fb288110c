//! The client of the examples, against a server that sends what it is told.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "the server of this test has a socket and a thread"
)]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

#[path = "../../../examples/blocking_client.rs"]
mod blocking_client;

/// Responds with these bytes, in two pieces, and closes.
fn answer(response: &'static [u8]) -> blocking_client::Answer {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") {
            socket.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        let (one, two) = response.split_at(response.len() / 2);
        socket.write_all(one).unwrap();
        socket.write_all(two).unwrap();
        request
    });
    let answer = blocking_client::get("127.0.0.1", port, "/a?b").unwrap();
    let request = server.join().unwrap();
    assert!(request.starts_with(b"GET /a?b HTTP/1.1\r\nHost: 127.0.0.1:"), "{request:?}");
    answer
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn status_fields_and_body_arrive_whatever_the_framing() {
    let (status, fields, body) = answer(
        b"HTTP/1.1 404 No\r\nX-Kind: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    );
    assert_eq!((status, body.as_slice()), (404, &b"abcde"[..]));
    assert_eq!(fields, [pair("X-Kind", "a"), pair("Transfer-Encoding", "chunked")]);
    let (status, fields, body) = answer(b"HTTP/1.0 200 OK\r\n\r\nup to the end");
    assert_eq!((status, fields.len(), body.as_slice()), (200, 0, &b"up to the end"[..]));
}

#[test]
fn the_body_is_decoded() {
    // "go" in the zlib format.
    let (_, _, body) = answer(
        b"HTTP/1.1 200 OK\r\ncontent-encoding: deflate\r\nContent-Length: 10\r\n\r\n\x78\x9c\x4b\xcf\x07\x00\x01\x3f\x00\xd7",
    );
    assert_eq!(body, b"go");
}
