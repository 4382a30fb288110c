//! The client of the examples, against the server of this crate on a socket.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "the server of this test has a socket and a thread"
)]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use z6_proto_http2::server::{Asked, ServerConfig, ServerConnection};
use z6_proto_http2::{ErrorCode, KeptResponse, Limits, Slices};

#[path = "../../../examples/blocking_http2_client.rs"]
mod blocking_http2_client;

type Answer = Result<(u16, KeptResponse), String>;

/// What the client makes of a server that begins to answer a request with `respond`, and sends the body that it returns.
fn answer(respond: fn(&mut ServerConnection, u32) -> Vec<u8>) -> Answer {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || serve(&mut listener.accept().unwrap().0, respond));
    let answer = blocking_http2_client::get("127.0.0.1", port, "/a?b");
    server.join().unwrap();
    answer.map_err(|error| error.to_string())
}

fn serve(socket: &mut TcpStream, respond: fn(&mut ServerConnection, u32) -> Vec<u8>) {
    let mut server = ServerConnection::new(ServerConfig::default(), Limits::default());
    let (mut buffer, mut left, mut open) = ([0; 1_000], Vec::new(), None);
    loop {
        let count = socket.read(&mut buffer).unwrap_or(0);
        let mut from = 0;
        while let Some(asked) = server.received(&buffer[..count], &mut from) {
            let Asked::Request { stream, ends: true } = asked else { panic!("{asked:?}") };
            assert_eq!(server.request().path(), b"/a?b");
            assert!(server.request().authority().starts_with(b"127.0.0.1:"));
            left = respond(&mut server, stream);
            open = Some(stream);
        }
        if let Some(stream) = open {
            let taken = server.content(stream, &left, true);
            left.drain(..taken);
        }
        let mut slices = Slices::new();
        server.unwritten(&mut slices);
        let bytes = slices.as_slice().concat();
        // The client may have gone.
        if count == 0 || socket.write_all(&bytes).is_err() {
            return;
        }
        server.wrote(bytes.len());
    }
}

#[test]
fn status_fields_and_a_body_beyond_the_first_windows_arrive() {
    let (status, kept) = answer(|server, stream| {
        server.ping([7; 8]);
        server.respond_fields(stream, [(&b":status"[..], &b"103"[..]), (b"link", b"x")], false);
        server.respond_fields(stream, [(&b":status"[..], &b"404"[..]), (b"server", b"z6")], false);
        vec![b'x'; 3 << 20]
    })
    .unwrap();
    assert_eq!(status, 404);
    assert_eq!(kept.fields().collect::<Vec<_>>(), [(&b"server"[..], &b"z6"[..])]);
    let body = kept.body().unwrap();
    assert!(body.len() == 3 << 20 && body.iter().all(|byte| *byte == b'x'));
}

#[test]
fn what_goes_wrong_is_said() {
    let refused = answer(|server, stream| {
        server.reset(stream, ErrorCode::REFUSED_STREAM);
        Vec::new()
    });
    assert_eq!(refused.unwrap_err(), "refused: REFUSED_STREAM");
    let broken = answer(|server, _| {
        server.raw(b"\0\0\0\0\0\0\0\0\x02");
        Vec::new()
    });
    assert!(broken.unwrap_err().contains("RFC 9113"));
}
