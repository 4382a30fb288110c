//! One exchange, with every byte that is sent and received, and what the server does for a while after it.
//!
//! For those who test a server, or a client by what it sends. The connection stays open after the exchange and
//! answers: what a peer says late, it says then.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use z6_events::{Actor, CloseCause, ErrorKind, PlannedRequest, Population, Tick, TlsNegotiated};
use z6_scenario::Scenario;

use super::speaks::{Speaks, Versions};
use super::wire::{Got, Unopened, Wire, after};
use super::{Heard, Last, Outcome, SLOT, outcome, route};
use crate::prepare::{Prepared, RunSetup};
use crate::reactor::clock;
use crate::reactor::error::StartError;
use crate::reactor::start::{addresses, named, tunnel_request};
use crate::reactor::tls_config;
use crate::reactor::transport::Address;
use crate::session::{End, Given, Output, Requests};

/// What is probed: the first request of the scenario's first VU.
#[derive(Debug, Clone)]
pub struct ProbeSpec {
    /// The scenario. Its targets are not `builtin`.
    pub scenario: Arc<Scenario>,
    /// Secrets.
    pub given: Given,
    /// Where relative paths of certificates and keys start.
    pub folder: PathBuf,
    /// How long the connection stays open after the exchange, nanoseconds.
    pub stay_ns: u64,
}

/// What is told, as it happens. Bytes are those of HTTP: TLS is taken off.
#[derive(Debug)]
pub enum Probed<'a> {
    /// A connection is attempted.
    Connecting(&'a Address),
    /// It failed.
    NotConnected {
        /// Why.
        kind: ErrorKind,
        /// The same in words, or nothing.
        words: &'a str,
    },
    /// There is a connection.
    Connected {
        /// It speaks HTTP/2.
        is_http2: bool,
        /// What the handshake of TLS came to.
        tls: Option<TlsNegotiated>,
    },
    /// Bytes were written.
    Sent(&'a [u8]),
    /// Bytes were read.
    Received(&'a [u8]),
    /// The exchange has ended.
    Ended {
        /// How.
        outcome: &'a Outcome,
        /// From the first write to the end, nanoseconds.
        elapsed_ns: u64,
    },
    /// The connection has ended, not by us.
    Closed(CloseCause),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeEnd {
    /// How the exchange ended; none if there was no connection.
    pub outcome: Option<Outcome>,
    /// What the server did after it is against the protocol.
    pub is_broken_after: bool,
}

impl ProbeEnd {
    /// Whether the exchange succeeded, and nothing was wrong after it.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self.outcome, Some(Outcome::Succeeded { .. })) && !self.is_broken_after
    }
}

/// Does it: `tell` is given what happens, as it happens.
///
/// # Errors
/// [`StartError`] for whatever keeps it from starting; nothing was sent then.
pub fn probe(spec: &ProbeSpec, tell: &mut dyn FnMut(Probed<'_>)) -> Result<ProbeEnd, StartError> {
    let scenario = &spec.scenario;
    let addresses = addresses(scenario, None)?;
    let setup = RunSetup { addresses: named(&addresses), ..RunSetup::new(0, 1) };
    let prepared = Prepared::new(scenario, setup)?;
    let tls: Vec<_> =
        tls_config::targets(scenario, &spec.folder, None).collect::<Result<_, _>>()?;
    let mut requests = prepared.requests(&spec.given);
    requests.set_epoch(clock::wall_ns());
    let actor = Actor(0);
    let step = prepared.plan.first(actor);
    let planned = prepared.plan.step(actor, step);
    let target = planned.target;
    let request = PlannedRequest {
        population: Population(0),
        actor,
        step,
        request: planned.request,
        target,
        planned: Tick(0),
    };
    let settings = scenario.target(target);
    let versions = Versions::of(settings, &scenario.limits);
    let tunnel = tunnel_request(settings)?;
    for address in &addresses[target.index()] {
        tell(Probed::Connecting(address));
        let opened =
            Wire::open(&route(settings, address, tls[target.index()].as_ref(), tunnel.as_ref()))
                .and_then(|wire| versions.open(&wire, &requests).map(|speaks| (wire, speaks)));
        match opened {
            Ok((wire, speaks)) => {
                let is_http2 = matches!(speaks, Speaks::Http2(_));
                tell(Probed::Connected { is_http2, tls: wire.negotiated() });
                let start = Instant::now();
                let mut probe = Probe {
                    spec,
                    wire,
                    speaks,
                    requests,
                    heard: Heard::default(),
                    closed: None,
                    start,
                };
                let end = probe.run(&request, tell);
                probe.close(tell);
                return Ok(end);
            }
            Err(Unopened { cause, words }) => {
                tell(Probed::NotConnected { kind: cause.error, words: &words });
            }
        }
    }
    Ok(ProbeEnd { outcome: None, is_broken_after: false })
}

struct Probe<'a> {
    spec: &'a ProbeSpec,
    wire: Wire,
    speaks: Speaks,
    requests: Requests,
    heard: Heard,
    closed: Option<CloseCause>,
    start: Instant,
}

impl Probe<'_> {
    fn run(&mut self, request: &PlannedRequest, tell: &mut dyn FnMut(Probed<'_>)) -> ProbeEnd {
        let about = self.spec.scenario.request(request.request);
        let deadline = after(about.timeout_ns);
        if let Err(input) = self.speaks.start(SLOT, *request, 0, &mut self.requests) {
            self.heard.hear(input, &mut self.requests);
        }
        while self.heard.last.is_none() {
            self.turn(tell);
            if self.heard.last.is_none() && !self.wire.wait(deadline) {
                self.speaks.cancel(SLOT, &mut self.requests);
                let kind = ErrorKind::RequestTimeout;
                self.heard.last = Some(Last::Failed { kind, reusable: false });
            }
        }
        let outcome = outcome(about, &self.heard, &self.spec.scenario);
        tell(Probed::Ended { outcome: &outcome, elapsed_ns: self.now().0 });
        if self.heard.has_unsolicited {
            // Whether the end of the stream came with it is chance.
            self.closed = Some(CloseCause::Unsolicited);
        }
        let until = after(self.spec.stay_ns);
        loop {
            self.turn(tell);
            if self.closed.is_some() || !self.wire.wait(until) {
                break;
            }
        }
        if let Some(cause) = self.closed {
            tell(Probed::Closed(cause));
        }
        let is_broken_after = self.closed == Some(CloseCause::Unsolicited);
        ProbeEnd { outcome: Some(outcome), is_broken_after }
    }

    fn now(&self) -> Tick {
        Tick(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// Writes what there is to write, and reads what is there.
    fn turn(&mut self, tell: &mut dyn FnMut(Probed<'_>)) {
        while self.closed.is_none() {
            self.speaks.write(&mut self.wire, &self.requests, &mut |bytes| {
                tell(Probed::Sent(bytes));
            });
            let at = self.now();
            let (heard, closed) = (&mut self.heard, &mut self.closed);
            let mut take = |output: Output, requests: &mut Requests| {
                if let Output::Closed(cause) = output {
                    *closed = Some(cause);
                }
                heard.take(output, requests);
            };
            match self.wire.read() {
                Got::Bytes(length) => {
                    let bytes = self.wire.bytes(length).to_vec();
                    tell(Probed::Received(&bytes));
                    self.speaks.received(&bytes, at, &mut self.requests, &mut take);
                }
                Got::End(end) => {
                    while let Some(output) = self.speaks.ended(end, at, &mut self.requests) {
                        let is_closed = matches!(output, Output::Closed(_));
                        take(output, &mut self.requests);
                        if is_closed {
                            break;
                        }
                    }
                    let cause = match end {
                        End::WouldBlock => return,
                        End::EndOfStream { .. } | End::CloseNotify => CloseCause::ClosedByPeer,
                        End::Transport(_) | End::Tls(_) => CloseCause::ResetByPeer,
                    };
                    self.closed.get_or_insert(cause);
                    return;
                }
            }
        }
    }

    fn close(mut self, tell: &mut dyn FnMut(Probed<'_>)) {
        let is_open = matches!(self.closed, None | Some(CloseCause::Unsolicited));
        self.speaks.close(self.wire, &mut self.requests, &mut |bytes| {
            if is_open {
                tell(Probed::Sent(bytes));
            }
        });
    }
}
