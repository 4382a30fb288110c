//! The TLS side of one connection: bytes of the wire in, plain bytes out, and the other way round.
//!
//! The one file that calls a session of the TLS library. Knows no engine and no HTTP.

use std::io::{self, IoSlice, Read as _, Write as _};
use std::sync::Arc;

use super::transport::Stream;
use rustls::ClientConnection;
use z6_events::TlsNegotiated;

use super::tls_config::ClientAuth;
use super::tls_error::{self, Stage, TlsFailure};

/// Plain bytes sealed at once: four records. While the socket does not take them nothing more is
/// sealed, so that no more than this counts as written before it is.
const SEALED_AT_ONCE: usize = 64 << 10;
/// What one read of the wire may bring more in plain bytes than it has bytes: what stood unread of
/// the record before.
pub(super) const HELD_BACK_MAX: usize = 32 << 10;

/// The state of a connection after some bytes of the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// It continues.
    Open,
    /// The peer has said that it sends no more (close_notify, RFC 8446 section 6.1).
    Closed,
    /// It cannot continue.
    Failed(TlsFailure),
}

/// A session over one socket.
pub(super) struct Tls {
    session: ClientConnection,
    client: Arc<ClientAuth>,
    /// The peer has sent close_notify.
    peer_closed: bool,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("peer_closed", &self.peer_closed).finish_non_exhaustive()
    }
}

impl Tls {
    pub(super) fn new(mut session: ClientConnection, client: Arc<ClientAuth>) -> Tls {
        session.set_buffer_limit(Some(SEALED_AT_ONCE));
        Tls { session, client, peer_closed: false }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    /// What the handshake came to; none while it lasts.
    pub(super) fn negotiated(&self) -> Option<TlsNegotiated> {
        let version = u16::from(self.session.protocol_version()?);
        let cipher = u16::from(self.session.negotiated_cipher_suite()?.suite());
        Some(TlsNegotiated { version, cipher })
    }

    /// Whether the peer has said that it sends no more.
    pub(super) fn has_peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// Whether bytes wait for the socket.
    pub(super) fn wants_write(&self) -> bool {
        self.session.wants_write()
    }

    fn stage(&self) -> Stage {
        let client_asked = self.client.was_asked();
        if self.session.is_handshaking() {
            Stage::Handshake { client_asked }
        } else {
            Stage::Established { client_asked }
        }
    }

    /// Takes what a read of the socket brought; returns the length of the plain bytes it put
    /// into `plain`, which must have room for [`HELD_BACK_MAX`] more than `wire` has, and what
    /// comes after them.
    pub(super) fn open(&mut self, mut wire: &[u8], plain: &mut [u8]) -> (usize, Condition) {
        let mut length = 0;
        while !wire.is_empty() && !self.peer_closed {
            let read = self.session.read_tls(&mut wire);
            let stage = self.stage();
            let processed = self.session.process_new_packets();
            length += self.take_plain(&mut plain[length..]);
            if let Err(error) = processed {
                return (length, Condition::Failed(tls_error::failure(&error, stage)));
            }
            if read.is_err() {
                // A record longer than any may be (RFC 8446 section 5.1).
                let error = rustls::Error::General(String::new());
                return (length, Condition::Failed(tls_error::failure(&error, stage)));
            }
        }
        (length, if self.peer_closed { Condition::Closed } else { Condition::Open })
    }

    fn take_plain(&mut self, plain: &mut [u8]) -> usize {
        let mut length = 0;
        while length < plain.len() {
            match self.session.reader().read(&mut plain[length..]) {
                Ok(0) => {
                    self.peer_closed = true;
                    break;
                }
                Ok(read) => length += read,
                // Nothing more for now; nor does it know of an end of file.
                Err(_) => break,
            }
        }
        length
    }

    /// Seals plain bytes and writes what the socket takes; returns how many were sealed.
    ///
    /// # Errors
    /// As a write to the socket; `WouldBlock` if what was sealed before still waits for it.
    pub(super) fn write(&mut self, stream: &mut Stream, plain: &[u8]) -> io::Result<usize> {
        self.flush(stream)?;
        let sealed = self.session.writer().write(plain)?;
        match self.flush(stream) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            Ok(()) | Err(_) => Ok(sealed),
        }
    }

    /// The same with bytes in several places.
    ///
    /// # Errors
    /// As [`Tls::write`].
    pub(super) fn write_vectored(
        &mut self,
        stream: &mut Stream,
        plain: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        self.flush(stream)?;
        let sealed = self.session.writer().write_vectored(plain)?;
        match self.flush(stream) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            Ok(()) | Err(_) => Ok(sealed),
        }
    }

    /// Whether the server has selected HTTP/2 (ALPN).
    pub(super) fn speaks_http2(&self) -> bool {
        self.session.alpn_protocol() == Some(super::tls_config::ALPN_HTTP2)
    }

    /// Writes what waits for the socket.
    ///
    /// # Errors
    /// As a write to the socket; `WouldBlock` if some of it still waits.
    pub(super) fn flush(&mut self, stream: &mut Stream) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(stream) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Says that we send no more (RFC 9112 section 9.8), as far as the socket takes it at once.
    pub(super) fn close(&mut self, stream: &mut Stream) {
        self.session.send_close_notify();
        // The socket is closed next, whatever the result.
        let _ = self.flush(stream);
    }
}
