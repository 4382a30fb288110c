//! What a TLS connection does in addition to a plain one: the handshake, sealed bytes in and out.

use std::io::{self, Read as _};

use mio::Token;
use z6_events::{Cause, ConnectionSlot, ErrorKind, Tick};

use super::super::engine_handle::EngineHandle;
use super::super::tls::Condition;
use super::super::tls_error::TlsFailure;
use super::super::tunnel::Asked;
use super::Connections;
use super::table::Opening;
use crate::engine::Input;
use crate::session::{End, ReadAt};

const REFUSED: Cause = Cause { error: ErrorKind::TlsHandshake, detail: 0 };
const CLOSED: Cause = Cause { error: ErrorKind::TlsClosed, detail: 0 };

impl Connections {
    /// The TCP connection to a proxy is ready, or its socket reported something: asks for a tunnel.
    pub(super) fn ask_for_tunnel(
        &mut self,
        engine: &mut EngineHandle,
        slot: ConnectionSlot,
        token: Token,
    ) {
        let link = self.links.at(slot);
        let (Some(stream), Some(Opening::Asks(tunnel))) =
            (&mut link.stream, link.opening.as_deref_mut())
        else {
            return;
        };
        match tunnel.go_on(stream, &mut self.buffers.read) {
            Asked::Waits => {}
            Asked::Open => {
                link.opening = None;
                self.begin_tls(engine, slot, token);
            }
            Asked::Failed(cause) => {
                self.attempt_failed(engine, slot, cause, "");
                self.carry_out(engine);
            }
        }
    }

    /// The TCP connection of an attempt, or the tunnel, is ready: its handshake begins.
    pub(super) fn begin_tls(
        &mut self,
        engine: &mut EngineHandle,
        slot: ConnectionSlot,
        token: Token,
    ) {
        let now = engine.now();
        engine.step(now, Input::TcpReady { connection: slot });
        self.carry_out(engine);
        if self.links.current(token).is_none() {
            return;
        }
        let link = self.links.at(slot);
        match self.dialer.open_tls(link.target) {
            Some(tls) => link.tls = Some(tls),
            None => return self.handshake_failed(engine, slot, REFUSED),
        }
        // Also reads: what came with the connection is reported once only.
        self.handshake(engine, slot, token);
    }

    /// Continues a handshake until the socket has no more or takes no more.
    pub(super) fn handshake(
        &mut self,
        engine: &mut EngineHandle,
        slot: ConnectionSlot,
        token: Token,
    ) {
        loop {
            let link = self.links.at(slot);
            let (Some(stream), Some(tls)) = (&mut link.stream, &mut link.tls) else { return };
            // A peer that takes no more may have said why: that is read first.
            let flushed = tls.flush(stream);
            match stream.read(&mut self.buffers.read) {
                Ok(0) => return self.handshake_failed(engine, slot, CLOSED),
                Ok(length) => {
                    let at = engine.now();
                    if self.shake(engine, slot, token, length, at) {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return match flushed {
                        Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                            self.connect_failed(engine, slot, &error);
                            self.carry_out(engine);
                        }
                        Ok(()) | Err(_) => {}
                    };
                }
                Err(error) => {
                    self.connect_failed(engine, slot, &error);
                    return self.carry_out(engine);
                }
            }
        }
    }

    /// Bytes of a handshake are in the read buffer. Returns whether it has ended, with or without success.
    fn shake(
        &mut self,
        engine: &mut EngineHandle,
        slot: ConnectionSlot,
        token: Token,
        length: usize,
        at: Tick,
    ) -> bool {
        let link = self.links.at(slot);
        let (Some(stream), Some(tls)) = (&mut link.stream, &mut link.tls) else { return true };
        let (plain, condition) = tls.open(&self.buffers.read[..length], &mut self.buffers.plain);
        // A failure of this write shows in the read, or in the next one.
        let _ = tls.flush(stream);
        let is_done = !tls.is_handshaking();
        match condition {
            Condition::Open | Condition::Closed if is_done => {}
            Condition::Open => return false,
            Condition::Closed => {
                self.handshake_failed(engine, slot, CLOSED);
                return true;
            }
            Condition::Failed(failure) => {
                let TlsFailure { kind, detail, note } = failure;
                self.attempt_failed(engine, slot, Cause { error: kind, detail }, &note);
                self.carry_out(engine);
                return true;
            }
        }
        if !self.is_agreed(slot) {
            let cause = Cause { error: ErrorKind::TlsAlpn, detail: 0 };
            self.attempt_failed(engine, slot, cause, "the server does not speak HTTP/2");
            self.carry_out(engine);
            return true;
        }
        self.ready(engine, slot, at);
        if self.links.current(token).is_some() {
            self.opened(engine, slot, token, (plain, condition), at.into());
        }
        true
    }

    /// Whether the server has selected a protocol that was offered: one that selects none speaks HTTP/1.1.
    fn is_agreed(&mut self, slot: ConnectionSlot) -> bool {
        let link = self.links.at(slot);
        let needs_http2 = self.dialer.http2(link.target).is_some_and(|http2| !http2.is_negotiated);
        !needs_http2 || link.tls.as_ref().is_some_and(|tls| tls.speaks_http2())
    }

    fn handshake_failed(&mut self, engine: &mut EngineHandle, slot: ConnectionSlot, cause: Cause) {
        self.attempt_failed(engine, slot, cause, "");
        self.carry_out(engine);
    }

    /// Bytes came over TLS, and are sealed in the read buffer.
    pub(super) fn received_sealed(
        &mut self,
        engine: &mut EngineHandle,
        slot: ConnectionSlot,
        token: Token,
        length: usize,
        read: ReadAt,
    ) {
        let link = self.links.at(slot);
        let (Some(stream), Some(tls)) = (&mut link.stream, &mut link.tls) else { return };
        let opened = tls.open(&self.buffers.read[..length], &mut self.buffers.plain);
        if tls.wants_write() {
            // An answer to a key update, or an alert: a failure shows where it matters.
            let _ = tls.flush(stream);
        }
        self.opened(engine, slot, token, opened, read);
    }

    /// `length` bytes are in the plain buffer; `condition` is what came behind them.
    fn opened(
        &mut self,
        engine: &mut EngineHandle,
        slot: ConnectionSlot,
        token: Token,
        (length, condition): (usize, Condition),
        read: ReadAt,
    ) {
        if condition != Condition::Open {
            self.links.at(slot).mark_peer_closed();
        }
        if length > 0 {
            self.received(engine, slot, token, length, read);
            if self.links.current(token).is_none() {
                return;
            }
        }
        match condition {
            Condition::Open => {}
            Condition::Closed => self.ended(engine, slot, token, End::CloseNotify),
            Condition::Failed(TlsFailure { kind, detail, .. }) => {
                self.ended(engine, slot, token, End::Tls(Cause { error: kind, detail }));
            }
        }
    }

    /// The socket takes bytes again: what is sealed and unwritten is written.
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
