//! What carries the bytes of a connection: TCP, or TLS over it.
//!
//! Owns the difference between the two; must not know HTTP or the event queue.

use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::net::Shutdown;
use std::time::Duration;

use mio::net::TcpStream;
use rustls::ServerConnection;
use socket2::SockRef;

/// Bytes of the wire read at once; what they open to has room in the buffer of a read.
pub(crate) const WIRE_BYTES: usize = 16 * 1024;
/// Plain bytes sealed ahead of what the socket takes.
const SEALED_AHEAD_BYTES: usize = 64 * 1024;
/// The name of HTTP/2 in the handshake (RFC 9113 section 3.2).
const ALPN_HTTP2: &[u8] = b"h2";

/// A connected socket that waits for nothing.
#[derive(Debug)]
pub(crate) enum Socket {
    Plain(TcpStream),
    Tls(Box<Tls>),
}

/// A TLS session over a socket.
#[derive(Debug)]
pub(crate) struct Tls {
    stream: TcpStream,
    session: ServerConnection,
    /// The client has said that it sends no more.
    is_closed: bool,
}

/// What a read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReadCount {
    /// Plain bytes; 0 at the end of the connection.
    pub(crate) bytes: usize,
    /// The socket has no more for now.
    pub(crate) is_drained: bool,
}

impl Socket {
    /// `session`: the TLS side, if it has one.
    pub(crate) fn new(stream: TcpStream, session: Option<ServerConnection>) -> Socket {
        match session {
            None => Socket::Plain(stream),
            Some(mut session) => {
                session.set_buffer_limit(Some(SEALED_AHEAD_BYTES));
                Socket::Tls(Box::new(Tls { stream, session, is_closed: false }))
            }
        }
    }

    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        match self {
            Socket::Plain(stream) => stream,
            Socket::Tls(tls) => &mut tls.stream,
        }
    }

    /// Whether the handshake came to HTTP/2.
    pub(crate) fn has_agreed_on_http2(&self) -> bool {
        match self {
            Socket::Plain(_) => false,
            Socket::Tls(tls) => tls.session.alpn_protocol() == Some(ALPN_HTTP2),
        }
    }

    /// One read. `wire` is memory for what is not opened yet.
    ///
    /// # Errors
    /// As a read of the socket; `Interrupted` where it brought no plain bytes, `InvalidData` where it
    /// is no TLS.
    pub(crate) fn read(&mut self, buffer: &mut [u8], wire: &mut Vec<u8>) -> io::Result<ReadCount> {
        match self {
            Socket::Plain(stream) => {
                let bytes = stream.read(buffer)?;
                Ok(ReadCount { bytes, is_drained: bytes < buffer.len() })
            }
            Socket::Tls(tls) => {
                wire.resize(WIRE_BYTES, 0);
                tls.read(buffer, wire)
            }
        }
    }

    /// One write; a full socket takes 0 bytes.
    ///
    /// # Errors
    /// As a write to the socket.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Plain(stream) => taken(|| stream.write(bytes)),
            Socket::Tls(tls) => tls.write(&[IoSlice::new(bytes)]),
        }
    }

    /// The same with bytes in several places.
    ///
    /// # Errors
    /// As a write to the socket.
    pub(crate) fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socket::Plain(stream) => taken(|| stream.write_vectored(slices)),
            Socket::Tls(tls) => tls.write(slices),
        }
    }

    /// Whether a write that took `written` of `length` bytes has filled the socket: room in it raises an event. TLS
    /// may take fewer bytes than the socket has room for.
    pub(crate) fn is_full_after(&self, written: usize, length: usize) -> bool {
        match self {
            Socket::Plain(_) => written < length,
            Socket::Tls(tls) => tls.session.wants_write(),
        }
    }

    /// Whether bytes that were taken wait for the socket.
    pub(crate) fn has_unsent(&self) -> bool {
        match self {
            Socket::Plain(_) => false,
            Socket::Tls(tls) => tls.session.wants_write(),
        }
    }

    /// Sends what was taken, as far as the socket allows.
    ///
    /// # Errors
    /// As a write to the socket.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match self {
            Socket::Plain(_) => Ok(()),
            Socket::Tls(tls) => tls.flush(),
        }
    }

    /// Says that no more is sent.
    ///
    /// # Errors
    /// If the connection is gone.
    pub(crate) fn shutdown(&mut self) -> io::Result<()> {
        self.say_goodbye();
        self.stream().shutdown(Shutdown::Write)
    }

    /// The close_notify of TLS, as far as the socket takes it at once.
    pub(crate) fn say_goodbye(&mut self) {
        if let Socket::Tls(tls) = self {
            tls.session.send_close_notify();
            // The socket is closed next, whatever the result.
            let _ = tls.flush();
        }
    }

    /// Has the connection reset once it is dropped.
    pub(crate) fn reset(&mut self) {
        // If this fails, the connection is already gone, as requested.
        let _ = SockRef::from(&*self.stream()).set_linger(Some(Duration::ZERO));
    }
}

impl Tls {
    fn read(&mut self, buffer: &mut [u8], wire: &mut [u8]) -> io::Result<ReadCount> {
        let count = self.stream.read(wire)?;
        let mut rest = &wire[..count];
        let mut bytes = 0;
        while !rest.is_empty() && !self.is_closed {
            self.session.read_tls(&mut rest)?;
            let processed = self.session.process_new_packets();
            // Answers of the handshake, or an alert that says what is wrong.
            self.flush()?;
            processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            bytes += self.open(&mut buffer[bytes..]);
        }
        if bytes == 0 && count > 0 && !self.is_closed {
            return Err(ErrorKind::Interrupted.into());
        }
        Ok(ReadCount { bytes, is_drained: count < wire.len() && !self.is_closed })
    }

    /// Takes the plain bytes that are there.
    fn open(&mut self, buffer: &mut [u8]) -> usize {
        let mut bytes = 0;
        while bytes < buffer.len() {
            match self.session.reader().read(&mut buffer[bytes..]) {
                Ok(0) => {
                    self.is_closed = true;
                    break;
                }
                Ok(count) => bytes += count,
                // No more for now.
                Err(_) => break,
            }
        }
        bytes
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.flush()?;
        if self.session.wants_write() {
            return Ok(0);
        }
        let taken = self.session.writer().write_vectored(slices)?;
        self.flush()?;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            if taken(|| self.session.write_tls(&mut self.stream))? == 0 {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn taken(mut write: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match write() {
            Ok(count) => return Ok(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
