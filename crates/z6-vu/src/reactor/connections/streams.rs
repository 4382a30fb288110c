//! What a connection over HTTP/2 does otherwise than one over HTTP/1.1: many requests are written at once, and one
//! read brings the ends of many.
//!
//! Requests wait in their sessions while commands are carried out. Then each connection that has something to say is
//! written to once: the frames of all its requests, of bodies as far as windows allow, and of what the protocol
//! answers by itself.

use std::io::{IoSlice, Write as _};

use mio::Token;
use z6_events::{
    ConnectionSlot, ExchangeSlot, Http2Sample, PlannedRequest, Protocol, TargetId, Tick,
};
use z6_proto_http2::SLICES_MAX;

use super::super::engine_handle::EngineHandle;
use super::Connections;
use crate::engine::Input;
use crate::session::{Http2, ReadAt};

/// Sessions without a connection that are kept for the next ones.
const SPARE_MAX: usize = 256;

/// What is kept of all connections over HTTP/2 of one event loop.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// Connections that have something to say, in order.
    due: Vec<Token>,
    /// Where in `due` the next one is.
    next: usize,
    spare: Vec<(TargetId, Box<Http2>)>,
    /// Counters of connections that have ended.
    ended: Http2Sample,
    has_been_used: bool,
}

impl Streams {
    /// Whether connections have something to say.
    #[inline]
    pub(super) fn is_waiting(&self) -> bool {
        !self.due.is_empty()
    }

    fn next_due(&mut self) -> Option<Token> {
        let token = self.due.get(self.next).copied();
        self.next += 1;
        if token.is_none() {
            self.due.clear();
            self.next = 0;
        }
        token
    }
}

impl Connections {
    /// What a connection that is ready speaks.
    pub(super) fn protocol(&mut self, slot: ConnectionSlot) -> Protocol {
        let link = self.links.at(slot);
        let is_http2 = self.dialer.http2(link.target).is_some()
            && link.tls.as_ref().is_none_or(|tls| tls.speaks_http2());
        if is_http2 { Protocol::Http2 } else { Protocol::Http1 }
    }

    /// A connection is ready, and speaks HTTP/2.
    pub(super) fn open_http2(&mut self, slot: ConnectionSlot) {
        self.http2.has_been_used = true;
        let link = self.links.at(slot);
        let Some(setup) = self.dialer.http2(link.target) else { return };
        let spare = &mut self.http2.spare;
        let kept = spare.iter().rposition(|(target, _)| *target == link.target);
        let mut http2 = match kept {
            Some(at) => spare.swap_remove(at).1,
            None => Box::new(Http2::new(setup.config, setup.limits.clone(), setup.is_tls)),
        };
        http2.open(slot, &self.requests);
        link.http2 = Some(http2);
        link.stalled_since = None;
        self.due(slot);
    }

    /// Puts a connection among those that have something to say.
    pub(super) fn due(&mut self, slot: ConnectionSlot) {
        let token = self.links.token_of(slot);
        let link = self.links.at(slot);
        if !std::mem::replace(&mut link.is_due, true) {
            self.http2.due.push(token);
        }
    }

    /// Takes a request to be written once all commands are carried out.
    pub(super) fn queue_stream(
        &mut self,
        engine: &mut EngineHandle,
        slot: ConnectionSlot,
        exchange: ExchangeSlot,
        request: PlannedRequest,
        attempt: u8,
    ) {
        let Some(http2) = &mut self.links.at(slot).http2 else { return };
        match http2.queue(exchange, request, attempt, &mut self.requests) {
            Ok(()) => self.due(slot),
            Err(input) => {
                let at = engine.now();
                self.note(engine, at);
                engine.step(at, input);
            }
        }
    }

    /// The engine gives up an exchange; its connection lives.
    pub(super) fn cancel_stream(&mut self, slot: ConnectionSlot, exchange: ExchangeSlot) {
        if let Some(http2) = &mut self.links.at(slot).http2 {
            http2.cancel(exchange, &mut self.requests);
            self.due(slot);
        }
    }

    /// Writes to all connections that have something to say, and to those that have it after that.
    pub(super) fn flush(&mut self, engine: &mut EngineHandle) {
        while let Some(token) = self.http2.next_due() {
            if engine.is_finished() {
                continue;
            }
            let Some(slot) = self.links.current(token) else { continue };
            self.links.at(slot).is_due = false;
            self.write_frames(engine, slot);
            self.carry_out(engine);
        }
    }

    /// Writes as much as the socket takes.
    fn write_frames(&mut self, engine: &mut EngineHandle, slot: ConnectionSlot) {
        loop {
            let at = engine.now();
            if engine.is_overdue(at) {
                // What is due comes first: it may take a request back, or be the end of the run.
                engine.step(at, Input::Wake);
                return self.due(slot);
            }
            let link = self.links.at(slot);
            let (Some(stream), Some(http2)) = (&mut link.stream, &mut link.http2) else { return };
            http2.begin_queued(&self.requests);
            let at = engine.now();
            let mut written = Ok(0);
            let bytes = http2.unwritten(&self.requests, |slices| {
                written = match (&mut link.tls, slices) {
                    (_, []) => return,
                    (None, [one]) => stream.write(one),
                    (None, all) => stream.write_vectored(&io_slices(all)[..all.len()]),
                    (Some(tls), [one]) => tls.write(stream, one),
                    (Some(tls), all) => tls.write_vectored(stream, &io_slices(all)[..all.len()]),
                };
            });
            if bytes == 0 {
                break;
            }
            match written {
                Ok(written) => {
                    http2.wrote(written, at, |input| engine.step(at, input));
                    if !http2.wants_write() {
                        break;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return self.write_failed(slot, &error),
            }
        }
        self.note_stall(engine.now(), slot);
    }

    /// Measures how long bodies wait for windows.
    fn note_stall(&mut self, now: Tick, slot: ConnectionSlot) {
        let link = self.links.at(slot);
        let is_stalled = link.http2.as_ref().is_some_and(|http2| http2.is_stalled());
        match link.stalled_since {
            None if is_stalled => link.stalled_since = Some(now),
            Some(since) if !is_stalled => {
                link.stalled_since = None;
                self.http2.ended.window_stall_ns += now.since(since);
            }
            None | Some(_) => {}
        }
    }

    /// Bytes came, and are in the read buffer or, of a connection with TLS, opened in the plain buffer.
    pub(super) fn received_frames(
        &mut self,
        engine: &mut EngineHandle,
        slot: ConnectionSlot,
        token: Token,
        length: usize,
        read: ReadAt,
    ) {
        let mut from = 0;
        loop {
            let link = self.links.at(slot);
            let buffer = if link.tls.is_some() { &self.buffers.plain } else { &self.buffers.read };
            let Some(http2) = &mut link.http2 else { return };
            let output = http2.received(&buffer[..length], &mut from, read, &mut self.requests);
            let Some(output) = output else { break };
            self.tell(engine, slot, read.at, output);
            if self.links.current(token).is_none() {
                return;
            }
        }
        if self.links.at(slot).http2.as_ref().is_some_and(|http2| http2.wants_write()) {
            self.due(slot);
        }
    }

    /// A connection over HTTP/2 is closed next: says so as far as the socket takes it at once, and keeps its
    /// session for another.
    pub(super) fn end_http2(&mut self, slot: ConnectionSlot) {
        let link = self.links.at(slot);
        let Some(mut http2) = link.http2.take() else { return };
        if let Some(stream) = &mut link.stream
            && !http2.is_peer_closed()
        {
            http2.go_away();
            // The socket is closed next, whatever the result.
            http2.unwritten(&self.requests, |slices| {
                let slices = &io_slices(slices)[..slices.len()];
                let _ = match &mut link.tls {
                    None => stream.write_vectored(slices),
                    Some(tls) => tls.write_vectored(stream, slices),
                };
            });
        }
        http2.count_into(&mut self.http2.ended);
        http2.close(&mut self.requests);
        if self.http2.spare.len() < SPARE_MAX {
            self.http2.spare.push((link.target, http2));
        }
    }

    /// What connections over HTTP/2 have carried so far; none if there has been none.
    pub(in super::super) fn http2_sample(&self, now: Tick) -> Option<Http2Sample> {
        let mut sample = self.http2.ended;
        for link in self.links.over_http2() {
            if let Some(http2) = &link.http2 {
                http2.count_into(&mut sample);
            }
            sample.window_stall_ns += link.stalled_since.map_or(0, |since| now.since(since));
        }
        self.http2.has_been_used.then_some(sample)
    }
}

/// The same slices for the system.
fn io_slices<'a>(slices: &[&'a [u8]]) -> [IoSlice<'a>; SLICES_MAX] {
    let mut all = [IoSlice::new(&[]); SLICES_MAX];
    for (to, from) in all.iter_mut().zip(slices) {
        *to = IoSlice::new(from);
    }
    all
}
