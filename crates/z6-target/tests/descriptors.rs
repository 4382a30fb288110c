//! A process without free descriptors: alone in its file, because the limit is the process's.
mod common;

use std::fs::File;

use common::{Client, start, wait_for};
use rustix::process::{Resource, Rlimit, setrlimit};
use socket2::{Domain, Socket, Type};

fn lower_descriptor_limit(to: u64) {
    let limit = Rlimit { current: Some(to), maximum: Some(to) };
    assert_eq!(setrlimit(Resource::Nofile, limit), Ok(()), "a lower limit");
}

#[test]
fn a_connection_waits_until_a_descriptor_is_free() {
    lower_descriptor_limit(256);
    let mut server = start();
    assert!(server.max_connections() < 256);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let files: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(!files.is_empty());
    socket.connect(&server.addresses()[0].into()).expect("connected");
    let mut client = Client::over(socket.into());
    client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
    // The second failure shows that it is tried again.
    let stats = wait_for(&server, |stats| stats.accept_errors >= 2);
    assert_eq!((stats.accepted, stats.refused), (0, 0));
    drop(files);
    assert_eq!(client.answer().text(), "Hello, World!");
    assert_eq!(server.stats().accepted, 1);
    server.stop().expect("an orderly end");
}
