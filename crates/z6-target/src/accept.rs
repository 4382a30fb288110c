//! Listening sockets: how they are opened, and when accepting is tried again.
//!
//! Owns socket options and the reading of accept's errors; must not know what happens to a connection.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use mio::net::TcpListener;
use socket2::{Domain, Protocol, Socket, Type};

use crate::config::LISTEN_BACKLOG;
use crate::error::TargetError;

/// A listening socket of one thread.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    /// Its connections begin with TLS.
    pub(crate) is_tls: bool,
    /// Whether the worker has it in its queue.
    pub(crate) queued: bool,
    /// When to try again after accepting failed.
    pub(crate) retry_ns: Option<u64>,
}

/// What one call of accept means for the calls after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No connection is waiting.
    NoneWaiting,
    /// This connection is gone; the next may be there.
    TryNext,
    /// Descriptors or memory are short; a waiting connection raises no new event.
    TryLater,
}

pub(crate) fn classify(error: &io::Error) -> Refusal {
    if error.kind() == ErrorKind::WouldBlock {
        Refusal::NoneWaiting
    } else if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) {
        Refusal::TryNext
    } else {
        Refusal::TryLater
    }
}

/// Opens a non-blocking listening socket; returns it with its address.
pub(crate) fn listen(address: SocketAddr) -> Result<(Socket, SocketAddr), TargetError> {
    open(address).map_err(|source| TargetError::Listen { address, source })
}

fn open(address: SocketAddr) -> io::Result<(Socket, SocketAddr)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit this from the listening one, which saves a call for each of them.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(LISTEN_BACKLOG)?;
    let bound = socket.local_addr()?.as_socket().unwrap_or(address);
    Ok((socket, bound))
}

impl Listener {
    /// A handle of `socket` for one more thread; each connection goes to the first that accepts it.
    pub(crate) fn share(socket: &Socket, is_tls: bool) -> io::Result<Self> {
        let socket = TcpListener::from_std(socket.try_clone()?.into());
        Ok(Self { socket, is_tls, queued: false, retry_ns: None })
    }
}
