//! The session of a waiting connection in either version of HTTP, and what can be shown of what it carries.
//!
//! Owns the difference between the two. Knows no scenario; the socket is the wire's.

use std::sync::Arc;

use z6_events::{ConnectionSlot, ExchangeSlot, PlannedRequest, Tick};
use z6_proto_http1::{KeptResponse, Limits};
use z6_proto_http2::{Config, Trace, Traced};
use z6_scenario::Target;

use super::view::SHOWN_BYTES_MAX;
use super::wire::{self, Unopened, Wire};
use crate::engine::Input;
use crate::session::{Came, End, Http2, Output, Requests, Session};

/// What connections to a target begin with.
#[derive(Debug, Clone)]
pub(super) struct Versions {
    pub(super) http1: Limits,
    pub(super) http2: Option<(Config, Arc<z6_proto_http2::Limits>)>,
    /// HTTP/1.1 is spoken where nothing else is agreed on.
    pub(super) may_be_http1: bool,
    pub(super) is_tls: bool,
}

/// A session.
pub(super) enum Speaks {
    Http1(Box<Session>),
    Http2(Box<Two>),
}

/// One over HTTP/2.
pub(super) struct Two {
    http: Http2,
    /// Reads what the server sends a second time, to be shown.
    trace: Trace,
    response: Shown,
}

/// A response as text.
#[derive(Debug, Default)]
struct Shown {
    /// Heads of interim responses.
    interim: Vec<u8>,
    head: Vec<u8>,
    trailers: Vec<u8>,
    body: Vec<u8>,
    is_interim: bool,
    /// It has a final status, and the block of fields that this came in is complete.
    has_head: bool,
    is_too_large: bool,
}

impl Versions {
    pub(super) fn of(target: &Target, scenario: &z6_scenario::Limits) -> Versions {
        let http2 =
            (crate::templates::http2_config(target), crate::templates::response_limits2(scenario));
        Versions {
            http1: crate::templates::response_limits(scenario),
            http2: target.may_speak_http2().then(|| (http2.0, Arc::new(http2.1))),
            may_be_http1: target.may_speak_http1(),
            is_tls: target.is_tls(),
        }
    }

    /// The session of a connection that was just opened.
    pub(super) fn open(&self, wire: &Wire, requests: &Requests) -> Result<Speaks, Unopened> {
        let agreed = wire.has_agreed_on_http2();
        match &self.http2 {
            Some((config, limits)) if agreed || !self.is_tls => {
                let mut http = Http2::new(*config, Arc::clone(limits), self.is_tls);
                http.open(ConnectionSlot(0), requests);
                let two = Two { http, trace: Trace::of_server(), response: Shown::default() };
                Ok(Speaks::Http2(Box::new(two)))
            }
            Some(_) if !self.may_be_http1 => Err(wire::not_agreed()),
            Some(_) | None => {
                let mut session = Session::new(self.http1);
                session.open();
                Ok(Speaks::Http1(Box::new(session)))
            }
        }
    }
}

impl Speaks {
    /// Takes a request; returns it as text.
    pub(super) fn start(
        &mut self,
        slot: ExchangeSlot,
        request: PlannedRequest,
        attempt: u8,
        requests: &mut Requests,
    ) -> Result<Vec<u8>, Input> {
        match self {
            Speaks::Http1(session) => {
                session.start(slot, request, attempt, requests)?;
                Ok(session.unwritten(requests).to_vec())
            }
            Speaks::Http2(two) => {
                two.response = Shown::default();
                two.http.queue(slot, request, attempt, requests)?;
                Ok(two.http.request_text(slot, requests))
            }
        }
    }

    /// Writes what the socket takes; `tap` is given it.
    pub(super) fn write(
        &mut self,
        wire: &mut Wire,
        requests: &Requests,
        tap: &mut dyn FnMut(&[u8]),
    ) {
        loop {
            let bytes = match self {
                Speaks::Http1(session) if session.wants_write() => {
                    session.unwritten(requests).to_vec()
                }
                Speaks::Http1(_) => return,
                Speaks::Http2(two) => {
                    let mut bytes = Vec::new();
                    two.http.begin_queued(requests);
                    two.http.unwritten(requests, |slices| bytes = slices.concat());
                    bytes
                }
            };
            if bytes.is_empty() {
                return;
            }
            match wire.write(&bytes) {
                Ok(0) => return,
                Ok(written) => {
                    tap(&bytes[..written]);
                    match self {
                        Speaks::Http1(session) => session.wrote(written, Tick::ZERO, |_| ()),
                        Speaks::Http2(two) => two.http.wrote(written, Tick::ZERO, |_| ()),
                    }
                }
                Err(error) => {
                    let broken = wire::broken(&error);
                    return match self {
                        Speaks::Http1(session) => session.write_failed(broken),
                        Speaks::Http2(two) => two.http.write_failed(broken),
                    };
                }
            }
        }
    }

    /// Takes the bytes of a read, until there is no more to tell of them.
    pub(super) fn received(
        &mut self,
        bytes: &[u8],
        at: Tick,
        requests: &mut Requests,
        take: &mut dyn FnMut(Output, &mut Requests),
    ) {
        let mut from = 0;
        loop {
            let output = match self {
                Speaks::Http1(session) => session.received(bytes, &mut from, at, requests),
                Speaks::Http2(two) => two.http.received(bytes, &mut from, at, requests),
            };
            let Some(output) = output else { break };
            let is_end = matches!(output, Output::Closed(_));
            take(output, requests);
            if is_end {
                break;
            }
        }
        if let Speaks::Http2(two) = self {
            let response = &mut two.response;
            two.trace.read(bytes, &mut |seen| response.take(&seen));
        }
    }

    /// Takes what a read says that brought no bytes.
    pub(super) fn ended(&mut self, end: End, at: Tick, requests: &mut Requests) -> Option<Output> {
        match self {
            Speaks::Http1(session) => session.ended(end, at, requests),
            Speaks::Http2(two) => two.http.ended(end, requests),
        }
    }

    pub(super) fn cancel(&mut self, slot: ExchangeSlot, requests: &mut Requests) {
        match self {
            Speaks::Http1(session) => session.cancel(slot, requests),
            Speaks::Http2(two) => two.http.cancel(slot, requests),
        }
    }

    pub(super) fn is_peer_closed(&self) -> bool {
        match self {
            Speaks::Http1(session) => session.is_peer_closed(),
            Speaks::Http2(two) => two.http.is_peer_closed(),
        }
    }

    /// The connection ends: says so, as far as the socket takes it at once.
    pub(super) fn close(
        mut self,
        mut wire: Wire,
        requests: &mut Requests,
        tap: &mut dyn FnMut(&[u8]),
    ) {
        if let Speaks::Http2(two) = &mut self {
            two.http.go_away();
        }
        self.write(&mut wire, requests, tap);
        match &mut self {
            Speaks::Http1(session) => session.close(),
            Speaks::Http2(two) => two.http.close(requests),
        }
        wire.close();
    }

    /// What came of a response over HTTP/2.
    pub(super) fn shown(&self, is_whole: bool) -> Option<Came<'_>> {
        let Speaks::Http2(two) = self else { return None };
        let Shown { interim, head, trailers, body, is_too_large, .. } = &two.response;
        let kept = KeptResponse { head, trailers, body: Some(body) };
        Some(Came { interim, kept, is_whole, is_cut: *is_too_large })
    }
}

impl Shown {
    fn take(&mut self, seen: &Traced<'_>) {
        match *seen {
            Traced::Field { name: b":status", value, .. } => {
                if self.is_interim {
                    self.interim.append(&mut self.head);
                }
                self.is_interim = value.starts_with(b"1");
                self.has_head = false;
                self.head = [b"HTTP/2 ", value, b"\r\n\r\n"].concat();
            }
            Traced::Field { name, value, .. } => {
                let text = if self.has_head { &mut self.trailers } else { &mut self.head };
                text.truncate(text.len().saturating_sub(2));
                for part in [name, b": ", value, b"\r\n\r\n"] {
                    text.extend_from_slice(part);
                }
            }
            // What comes next belongs to the body, or stands behind it.
            Traced::Content { bytes, .. } => {
                self.has_head = true;
                let room = SHOWN_BYTES_MAX - self.body.len();
                self.is_too_large |= bytes.len() > room;
                self.body.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            Traced::Frame(header) if header.stream > 0 && !self.head.is_empty() => {
                self.has_head = !self.is_interim;
            }
            _ => {}
        }
    }
}
