//! The lower limit: the least work that a client on readiness events can do for a response. Connections are kept open
//! with one request in flight on each; nothing is parsed (a probe determines the length of a response),
//! nothing is timed per request, nothing is recorded. `raw-client PORT CONNECTIONS SECONDS PATH`, loopback only.
//!
//! Prints `requests N`. The program that starts it measures its cost.
#![allow(clippy::print_stdout, reason = "a command")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream as BlockingStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

/// Answers of up to this size are read at once, bytes; larger ones in several reads.
const BUFFER_BYTES: usize = 128 * 1024;

/// Readiness events taken at once.
const EVENTS: usize = 1024;

/// A client that gets no answer looks at the clock this often.
const POLL: Duration = Duration::from_millis(100);

/// A connection and how much of an answer it has.
struct Link {
    stream: TcpStream,
    received: usize,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, connections, seconds, path] = arguments.as_slice() else {
        bail!("usage: raw-client PORT CONNECTIONS SECONDS PATH");
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().context("PORT")?));
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let answer_bytes = probe(address, request.as_bytes())?;

    let mut poll = Poll::new()?;
    let connections = connections.parse().context("CONNECTIONS")?;
    let mut links = connect(&poll, address, connections)?;
    let length = Duration::try_from_secs_f64(seconds.parse().context("SECONDS")?)?;
    let answered = exchange(&mut poll, &mut links, request.as_bytes(), answer_bytes, length)?;
    println!("requests {answered}");
    Ok(())
}

/// Length of an answer on a connection that stays open, head and body: all that comes until nothing
/// more does.
fn probe(address: SocketAddr, request: &[u8]) -> Result<usize> {
    let mut stream = BlockingStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_millis(300)))?;
    stream.write_all(request)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut received = 0;
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => bail!("the server closed the connection"),
            Ok(count) => received += count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    if received == 0 {
        bail!("the server did not answer");
    }
    Ok(received)
}

/// Connects one after another, blocking. Their cost counts too, as for all other clients.
fn connect(poll: &Poll, address: SocketAddr, connections: usize) -> Result<Vec<Link>> {
    let mut links = Vec::with_capacity(connections);
    for i in 0..connections {
        let stream = BlockingStream::connect(address).context("connect")?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(i), Interest::READABLE)?;
        links.push(Link { stream, received: 0 });
    }
    Ok(links)
}

/// Sends on all connections, and again on each whose answer is complete; the number of answers.
fn exchange(
    poll: &mut Poll,
    links: &mut [Link],
    request: &[u8],
    answer_bytes: usize,
    length: Duration,
) -> Result<u64> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut events = Events::with_capacity(EVENTS);
    let mut answered = 0;
    let start = Instant::now();
    for link in links.iter_mut() {
        send(&mut link.stream, request)?;
    }
    while start.elapsed() < length {
        poll.poll(&mut events, Some(POLL))?;
        for event in &events {
            let link = &mut links[event.token().0];
            link.received += receive(&mut link.stream, &mut buffer)?;
            if link.received >= answer_bytes {
                link.received = 0;
                answered += 1;
                send(&mut link.stream, request)?;
            }
        }
    }
    Ok(answered)
}

/// Reads all that has arrived; later bytes come with another event.
fn receive(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<usize> {
    let mut received = 0;
    loop {
        match stream.read(buffer) {
            Ok(0) => bail!("the server closed a connection"),
            Ok(count) if count < buffer.len() => return Ok(received + count),
            Ok(count) => received += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(received),
            Err(error) => return Err(error).context("read"),
        }
    }
}

/// One write: a request is small and the connection is idle.
fn send(stream: &mut TcpStream, request: &[u8]) -> Result<()> {
    if stream.write(request).context("write")? < request.len() {
        bail!("a request was cut");
    }
    Ok(())
}
