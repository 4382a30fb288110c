//! What a worker does with one connection over TLS: the handshake, sealed bytes in and out.
//!
//! Owns the steps in which such a connection differs from a plain one; all else is in `link`.

use std::io::{self, Read as _};

use mio::Token;
use z6_events::{CloseCause, ConnectionSlot, ErrorKind, Tick};

use super::tls::Condition;
use super::tls_error::TlsFailure;
use super::worker::Worker;
use crate::engine::Input;

impl Worker {
    /// The TCP connection of an attempt is ready: its handshake begins.
    pub(super) fn begin_tls(&mut self, slot: ConnectionSlot) {
        let token = self.links.token_of(slot);
        let now = self.clock.now();
        self.step(now, Input::TcpReady { connection: slot });
        self.carry_out();
        if self.links.current(token).is_none() {
            return;
        }
        let link = self.links.at(slot);
        let target = link.target.index();
        match self.tls[target].as_ref().and_then(super::tls_config::TlsTarget::open) {
            Some(tls) => link.tls = Some(tls),
            None => {
                self.attempt_failed(slot, ErrorKind::TlsHandshake, 0);
                return self.carry_out();
            }
        }
        // Also reads: what came with the connection is told once only.
        self.handshake(slot, token);
    }

    /// Goes on with a handshake until the socket has no more or takes no more.
    pub(super) fn handshake(&mut self, slot: ConnectionSlot, token: Token) {
        loop {
            let link = self.links.at(slot);
            let (Some(stream), Some(tls)) = (&mut link.stream, &mut link.tls) else { return };
            // A peer that takes no more may have said why: that is read first.
            let flushed = tls.flush(stream);
            match stream.read(&mut self.read_buffer) {
                Ok(0) => {
                    self.attempt_failed(slot, ErrorKind::TlsClosed, 0);
                    return self.carry_out();
                }
                Ok(length) => {
                    let at = self.clock.now();
                    if self.shake(slot, token, length, at) {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return match flushed {
                        Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                            self.connect_failed(slot, &error);
                            self.carry_out();
                        }
                        Ok(()) | Err(_) => {}
                    };
                }
                Err(error) => {
                    self.connect_failed(slot, &error);
                    return self.carry_out();
                }
            }
        }
    }

    /// Bytes of a handshake stand in the read buffer. Whether it is over, one way or the other.
    fn shake(&mut self, slot: ConnectionSlot, token: Token, length: usize, at: Tick) -> bool {
        let link = self.links.at(slot);
        let (Some(stream), Some(tls)) = (&mut link.stream, &mut link.tls) else { return true };
        let (plain, condition) = tls.open(&self.read_buffer[..length], &mut self.plain_buffer);
        // What is told of failure here was told by the read, or is told by the next one.
        let _ = tls.flush(stream);
        let is_done = !tls.is_handshaking();
        match condition {
            Condition::Open | Condition::Closed if is_done => {}
            Condition::Open => return false,
            Condition::Closed => {
                self.attempt_failed(slot, ErrorKind::TlsClosed, 0);
                self.carry_out();
                return true;
            }
            Condition::Failed(TlsFailure { kind, detail }) => {
                self.attempt_failed(slot, kind, detail);
                self.carry_out();
                return true;
            }
        }
        self.ready(slot, at);
        if self.links.current(token).is_some() {
            self.opened(slot, token, plain, condition, at);
        }
        true
    }

    /// Bytes came over TLS, and stand sealed in the read buffer.
    pub(super) fn received_sealed(
        &mut self,
        slot: ConnectionSlot,
        token: Token,
        length: usize,
        at: Tick,
    ) {
        let link = self.links.at(slot);
        let (Some(stream), Some(tls)) = (&mut link.stream, &mut link.tls) else { return };
        let (plain, condition) = tls.open(&self.read_buffer[..length], &mut self.plain_buffer);
        if tls.wants_write() {
            // An answer to a key update, or an alert: a failure shows where it matters.
            let _ = tls.flush(stream);
        }
        self.opened(slot, token, plain, condition, at);
    }

    /// Plain bytes stand in the plain buffer; `condition` is what came behind them.
    fn opened(
        &mut self,
        slot: ConnectionSlot,
        token: Token,
        length: usize,
        condition: Condition,
        at: Tick,
    ) {
        let link = self.links.at(slot);
        // A peer that has closed its side would not answer the next request.
        link.peer_closed |= condition != Condition::Open;
        if length > 0 {
            let received = link.http.received(&self.plain_buffer[..length]);
            self.take_received(slot, received, at);
            if self.links.current(token).is_none() {
                return;
            }
        }
        match condition {
            Condition::Open => {}
            Condition::Closed => self.end_of_file(slot),
            Condition::Failed(TlsFailure { kind, detail }) => {
                match self.links.at(slot).http.io_error() {
                    None => self.idle_ended(slot, CloseCause::ResetByPeer),
                    Some(_) => self.exchange_failed(slot, kind, detail),
                }
            }
        }
    }

    /// The socket takes bytes again: what was sealed goes on.
    pub(super) fn flush_sealed(&mut self, slot: ConnectionSlot) {
        let link = self.links.at(slot);
        let (Some(stream), Some(tls)) = (&mut link.stream, &mut link.tls) else { return };
        match tls.flush(stream) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                self.write_failed(slot, &error);
            }
            Ok(()) | Err(_) => {}
        }
    }
}
