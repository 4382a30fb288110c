//! Where connections go and what carries them: TCP, or a socket of the file system.
//!
//! Owns the difference between the two; knows neither protocol nor engine.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;

use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token, event};

use super::sys;

/// Where a connection goes. In words: `127.0.0.1:8080`, `[::1]:8080`, `unix:/run/app.sock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A host and port.
    Ip(SocketAddr),
    /// The path of a socket.
    Unix(Arc<str>),
}

impl Address {
    /// The port; none for a socket of the file system.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self {
            Address::Ip(address) => Some(address.port()),
            Address::Unix(_) => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::Ip(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Ip(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

/// A socket that connects or is connected, without waiting for anything.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    pub(super) fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            Stream::Tcp(stream) => stream.take_error(),
            Stream::Unix(stream) => stream.take_error(),
        }
    }

    /// Has the kernel say when what is read had arrived; on a socket of the file system it says nothing.
    pub(super) fn stamp_arrivals(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => sys::stamp_arrivals(stream.as_raw_fd()),
            Stream::Unix(_) => Ok(()),
        }
    }

    /// Reads, and says when the last of it had arrived, nanoseconds since 1970 by the wall clock, if that is
    /// known.
    #[inline]
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Option<u64>)> {
        match self {
            Stream::Tcp(stream) => sys::receive(stream.as_raw_fd(), buffer),
            Stream::Unix(stream) => stream.read(buffer).map(|length| (length, None)),
        }
    }

    /// Whether it has a peer: an error while there is none.
    pub(super) fn check_peer(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.peer_addr().map(drop),
            Stream::Unix(stream) => stream.peer_addr().map(drop),
        }
    }
}

impl Read for Stream {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Unix(stream) => stream.write(bytes),
        }
    }

    #[inline]
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write_vectored(slices),
            Stream::Unix(stream) => stream.write_vectored(slices),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.flush(),
            Stream::Unix(stream) => stream.flush(),
        }
    }
}

impl event::Source for Stream {
    fn register(&mut self, to: &Registry, token: Token, interest: Interest) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.register(to, token, interest),
            Stream::Unix(stream) => stream.register(to, token, interest),
        }
    }

    fn reregister(&mut self, to: &Registry, token: Token, interest: Interest) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.reregister(to, token, interest),
            Stream::Unix(stream) => stream.reregister(to, token, interest),
        }
    }

    fn deregister(&mut self, from: &Registry) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.deregister(from),
            Stream::Unix(stream) => stream.deregister(from),
        }
    }
}
