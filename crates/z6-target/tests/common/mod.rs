//! A client that writes raw bytes and reads raw answers, shared by the tests of this folder.
//!
//! Must not use the crate's own HTTP code, so that both ends can disagree.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::expect_used, reason = "a failed expectation is a failed test")]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use z6_target::{Config, Server, Stats};

/// So long that only a server that never answers can exceed it.
const HANG: Duration = Duration::from_secs(120);

pub(crate) fn start() -> Server {
    start_with(Config::default())
}

pub(crate) fn start_with(config: Config) -> Server {
    Server::start(config).expect("the server starts")
}

/// Waits, without sleeping, until the server's counts satisfy `holds`.
pub(crate) fn wait_for(server: &Server, holds: impl Fn(Stats) -> bool) -> Stats {
    loop {
        let stats = server.stats();
        if holds(stats) {
            return stats;
        }
        std::thread::yield_now();
    }
}

/// One answer, head and decoded body apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// The value of a header field, case-sensitive as this server writes it.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let prefix = format!("{name}: ");
        self.head.lines().find_map(|line| line.strip_prefix(prefix.as_str()))
    }
}

pub(crate) struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(server: &Server) -> Self {
        Self::over(TcpStream::connect(server.addresses()[0]).expect("connected"))
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(HANG)).expect("a timeout");
        stream.set_write_timeout(Some(HANG)).expect("a timeout");
        stream.set_nodelay(true).expect("nodelay");
        Self { stream, read: Vec::new() }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).expect("sent");
        self
    }

    pub(crate) fn get(&mut self, target: &str) -> Answer {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n")).answer()
    }

    /// Reads one answer with a body.
    pub(crate) fn answer(&mut self) -> Answer {
        let (status, head) = self.head();
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
        let body = if let Some(length) = field("Content-Length: ") {
            self.take(length.parse().expect("a length"))
        } else if field("Transfer-Encoding: ").is_some() {
            self.chunks()
        } else if matches!(status, 204 | 304) {
            Vec::new()
        } else {
            self.rest()
        };
        Answer { status, head, body }
    }

    /// Reads one answer that has no body whatever its head says.
    pub(crate) fn head(&mut self) -> (u16, String) {
        let head = self.until(b"\r\n\r\n");
        let head = String::from_utf8(head).expect("text");
        let rest = head.strip_prefix("HTTP/1.1 ").expect("a status line");
        (rest[..3].parse().expect("a status"), head)
    }

    /// Reads to the end of the connection.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.more().expect("an orderly end") {}
        std::mem::take(&mut self.read)
    }

    /// Whether the connection ends in order (true) or with a reset (false), without another byte.
    pub(crate) fn ends_in_order(&mut self) -> bool {
        match self.more() {
            Ok(more) => {
                assert!(!more, "unexpected bytes: {}", self.read.escape_ascii());
                true
            }
            Err(ErrorKind::ConnectionReset) => false,
            Err(kind) => panic!("unexpected error: {kind}"),
        }
    }

    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let line = String::from_utf8(self.until(b"\r\n")).expect("text");
            let size = usize::from_str_radix(line.trim_end(), 16).expect("a size");
            body.extend(self.take(size));
            assert_eq!(self.take(2), b"\r\n");
            if size == 0 {
                return body;
            }
        }
    }

    fn until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            let found = self.read.windows(end.len()).position(|window| window == end);
            if let Some(at) = found {
                return self.read.drain(..at + end.len()).collect();
            }
            let more = self.more().expect("more bytes");
            assert!(more, "cut off after {}", self.read.escape_ascii());
        }
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            assert!(self.more().expect("more bytes"), "cut off at {} of {count}", self.read.len());
        }
        let rest = self.read.split_off(count);
        std::mem::replace(&mut self.read, rest)
    }

    fn more(&mut self) -> Result<bool, ErrorKind> {
        let mut buffer = [0; 16 * 1024];
        let count = self.stream.read(&mut buffer).map_err(|error| error.kind())?;
        self.read.extend_from_slice(&buffer[..count]);
        Ok(count > 0)
    }
}
