//! Opening connections and naming what went wrong with them. Knows no protocol.

use std::io;
use std::net::{IpAddr, SocketAddr};

use mio::net::{TcpStream, UnixStream};
use socket2::{Domain, Protocol, Socket, Type};
use z6_events::{Cause, ErrorKind};

use super::sys;
use super::transport::{Address, Stream};

/// Starts to connect, without waiting. `from` is for TCP only.
///
/// # Errors
/// What the attempt is logged as.
pub(super) fn connect(to: &Address, from: Option<Source>) -> Result<Stream, Cause> {
    match to {
        Address::Ip(to) => connect_tcp(*to, from).map(Stream::Tcp),
        Address::Unix(path) => {
            UnixStream::connect(&**path).map(Stream::Unix).map_err(|error| cause(&error))
        }
    }
}

/// A local address to connect from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source {
    pub(super) address: IpAddr,
    /// Which of the target's `source_addresses` it is.
    pub(super) index: usize,
}

fn connect_tcp(to: SocketAddr, from: Option<Source>) -> Result<TcpStream, Cause> {
    let Some(from) = from else { return connect_from_any(to).map_err(|error| cause(&error)) };
    let socket = bound(to, from.address).map_err(|error| match error.raw_os_error() {
        // The port is chosen later: what is not available is the address.
        Some(libc::EADDRNOTAVAIL) => {
            Cause { error: ErrorKind::BadSourceAddress, detail: from.index as u64 }
        }
        _ => cause(&error),
    })?;
    match socket.connect(&to.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Err(cause(&error)),
    }
    Ok(TcpStream::from_std(socket.into()))
}

fn connect_from_any(to: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(to)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A socket with a local address and no port yet.
fn bound(to: SocketAddr, from: IpAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    // Each target address has the full range of ports that way.
    sys::bind_address_no_port(&socket)?;
    socket.bind(&SocketAddr::new(from, 0).into())?;
    Ok(socket)
}

/// What became of an attempt whose socket reported something; none while it is in progress.
pub(super) fn connect_outcome(stream: &Stream) -> Option<io::Result<()>> {
    match stream.take_error() {
        Ok(Some(error)) | Err(error) => return Some(Err(error)),
        Ok(None) => {}
    }
    match stream.check_peer() {
        Ok(()) => Some(Ok(())),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => None,
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => None,
        Err(error) => Some(Err(error)),
    }
}

/// What an error of a socket is logged as: its kind, and its errno, or 0 for an error that has none.
pub(super) fn cause(error: &io::Error) -> Cause {
    let detail = error.raw_os_error().unwrap_or(0).unsigned_abs().into();
    Cause { error: error_kind(error), detail }
}

/// Whether this is how a write fails if the peer had closed before: EPIPE. A reset that comes without
/// an end is ECONNRESET.
pub(super) fn follows_an_end(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EPIPE)
}

/// The kind under which an error of a socket is logged.
fn error_kind(error: &io::Error) -> ErrorKind {
    match error.raw_os_error() {
        Some(libc::ECONNREFUSED) => ErrorKind::ConnectionRefused,
        Some(libc::ETIMEDOUT) => ErrorKind::ConnectionTimedOut,
        Some(libc::EHOSTUNREACH | libc::EHOSTDOWN) => ErrorKind::HostUnreachable,
        Some(libc::ENETUNREACH | libc::ENETDOWN) => ErrorKind::NetworkUnreachable,
        Some(libc::EADDRNOTAVAIL | libc::EADDRINUSE) => ErrorKind::OutOfPorts,
        Some(libc::EMFILE | libc::ENFILE) => ErrorKind::OutOfDescriptors,
        Some(libc::ENOBUFS | libc::ENOMEM) => ErrorKind::OutOfMemory,
        Some(libc::ENOENT | libc::ENOTDIR) => ErrorKind::SocketMissing,
        // Of a socket of the file system: TCP waits for room in the queue.
        Some(libc::EAGAIN) => ErrorKind::AcceptQueueFull,
        Some(libc::EACCES | libc::EPERM) => ErrorKind::PermissionDenied,
        Some(libc::ECONNRESET | libc::EPIPE | libc::ECONNABORTED) => ErrorKind::ConnectionReset,
        _ => ErrorKind::SocketError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_errno_has_a_kind_that_says_what_happened() {
        let kind = |errno| error_kind(&io::Error::from_raw_os_error(errno));
        assert_eq!(kind(libc::ECONNREFUSED), ErrorKind::ConnectionRefused);
        assert_eq!(kind(libc::EADDRNOTAVAIL), ErrorKind::OutOfPorts);
        assert_eq!(kind(libc::EMFILE), ErrorKind::OutOfDescriptors);
        assert_eq!(kind(libc::EPIPE), ErrorKind::ConnectionReset);
        assert_eq!(kind(libc::ETIMEDOUT), ErrorKind::ConnectionTimedOut);
        assert_eq!(kind(libc::ENETUNREACH), ErrorKind::NetworkUnreachable);
        assert_eq!(kind(libc::EHOSTUNREACH), ErrorKind::HostUnreachable);
        assert_eq!(kind(libc::EPERM), ErrorKind::PermissionDenied);
        assert_eq!(kind(libc::ENOBUFS), ErrorKind::OutOfMemory);
        assert_eq!(kind(libc::ENOENT), ErrorKind::SocketMissing);
        assert_eq!(kind(libc::EAGAIN), ErrorKind::AcceptQueueFull);
        assert_eq!(kind(libc::EPROTO), ErrorKind::SocketError);
        assert_eq!(error_kind(&io::Error::other("no errno")), ErrorKind::SocketError);
    }
}
