//! What connections speak, and what those over HTTP/2 carry. Knows nothing of requests but that they
//! occupy streams.

use std::collections::BTreeMap;

use z6_events::protocol::{HTTP2_CODES, http2_code_name};
use z6_events::{ConnectedAs, ConnectionSlot, ErrorKind, Failure, Http2Sample, Protocol, TargetId};

use crate::metrics::{ConnectedFigures, HeaderBytes, Http2Figures, Named};
use crate::outline::Outline;
use crate::requests::Requests;

/// Kinds of connections that are told apart: by target, address and what was negotiated.
const KINDS_MAX: usize = 4_096;
/// The error code that says that the peer saw too much of something (RFC 9113 section 7).
const ENHANCE_YOUR_CALM: u64 = 11;

/// Counts by error code. Codes that RFC 9113 does not have are counted together.
#[derive(Debug, Clone, Copy, Default)]
struct Codes {
    known: [u64; HTTP2_CODES.len()],
    others: u64,
}

impl Codes {
    fn add(&mut self, code: u64) {
        let known = usize::try_from(code).ok().and_then(|code| self.known.get_mut(code));
        *known.unwrap_or(&mut self.others) += 1;
    }

    fn figures(&self) -> Named<u64, &'static str> {
        let known = (0..).zip(self.known).map(|(code, count)| (http2_code_name(code), count));
        let named = known.filter_map(|(name, count)| Some((name?, count)));
        let all = named.chain([("other", self.others)]);
        Named(all.filter(|(_, count)| *count > 0).collect())
    }
}

/// What the connections of the whole run spoke, and how those over HTTP/2 ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct Protocols {
    /// Connections of HTTP/1.1 without TLS.
    plain: u64,
    others: BTreeMap<(TargetId, u16, ConnectedAs), u64>,
    http1: u64,
    http2: u64,
    going_away: Codes,
    drained: u64,
    resets: Codes,
    refused: u64,
    resent: u64,
    calmed: u64,
}

impl Protocols {
    /// A connection is ready.
    pub(crate) fn connected(&mut self, endpoint: (TargetId, u16), negotiated: Option<ConnectedAs>) {
        let Some(negotiated) = negotiated else {
            self.plain += 1;
            return;
        };
        match negotiated.protocol {
            Protocol::Http1 => self.http1 += 1,
            Protocol::Http2 => self.http2 += 1,
        }
        let key = (endpoint.0, endpoint.1, negotiated);
        if self.others.len() < KINDS_MAX || self.others.contains_key(&key) {
            *self.others.entry(key).or_default() += 1;
        }
    }

    /// A peer takes no more requests on a connection.
    pub(crate) fn going_away(&mut self, code: u64) {
        self.going_away.add(code);
        self.calmed += u64::from(code == ENHANCE_YOUR_CALM);
    }

    /// A connection ended because its peer went away.
    pub(crate) fn drained(&mut self) {
        self.drained += 1;
    }

    /// An exchange failed without a response, and is not sent again.
    pub(crate) fn failed(&mut self, failure: &Failure) {
        match failure.error {
            ErrorKind::StreamReset => {
                self.resets.add(failure.detail);
                self.calmed += u64::from(failure.detail == ENHANCE_YOUR_CALM);
            }
            ErrorKind::StreamRefused => self.refused += 1,
            _ => {}
        }
    }

    /// A peer refused a request, which is sent again.
    pub(crate) fn refused(&mut self) {
        self.refused += 1;
        self.resent += 1;
    }

    /// Refused requests that were sent again.
    pub(crate) fn resent(&self) -> u64 {
        self.resent
    }

    /// Connections and streams that peers ended because they saw too much of something.
    pub(crate) fn calmed(&self) -> u64 {
        self.calmed
    }

    /// Whether any connection was another than one of plain HTTP/1.1.
    fn is_plain(&self) -> bool {
        self.http1 + self.http2 == 0
    }

    /// `connections.by_protocol`: empty if all were of plain HTTP/1.1.
    pub(crate) fn by_protocol(&self) -> Named<u64, &'static str> {
        let counts = [(Protocol::Http1, self.plain + self.http1), (Protocol::Http2, self.http2)];
        let named = counts.map(|(protocol, count)| (protocol.name(), count));
        let occurred = named.into_iter().filter(|(_, count)| *count > 0 && !self.is_plain());
        Named(occurred.collect())
    }

    /// `connections.connected_as`.
    pub(crate) fn connected_as(
        &self,
        requests: &Requests,
        outline: &Outline,
    ) -> Vec<ConnectedFigures> {
        let one = |(&(target, address, negotiated), &connections): (&(_, _, ConnectedAs), &u64)| {
            let TargetId(index) = target;
            let hex = |number: u16| format!("{number:#06x}");
            ConnectedFigures {
                target: outline.targets.get(usize::from(index)).cloned().unwrap_or_default(),
                address: requests.address_name(target, address).to_owned(),
                protocol: negotiated.protocol.name(),
                tls_version: negotiated
                    .tls
                    .map(|tls| tls.version_name().map_or_else(|| hex(tls.version), str::to_owned)),
                cipher_suite: negotiated
                    .tls
                    .map(|tls| tls.cipher_name().map_or_else(|| hex(tls.cipher), str::to_owned)),
                connections,
            }
        };
        self.others.iter().map(one).collect()
    }

    /// `connections.going_away` and `connections.drained`.
    pub(crate) fn ends(&self) -> (Named<u64, &'static str>, u64) {
        (self.going_away.figures(), self.drained)
    }

    /// `http2`; none if no connection spoke it.
    pub(crate) fn figures<'a>(
        &self,
        workers: &(impl Iterator<Item = &'a Streams> + Clone),
    ) -> Option<Http2Figures> {
        if self.http2 == 0 {
            return None;
        }
        let sum = |of: fn(&Http2Sample) -> u64| {
            workers.clone().fold(0_u64, |sum, one| sum.saturating_add(of(&one.sample)))
        };
        Some(Http2Figures {
            streams: workers.clone().map(|one| one.count).sum(),
            streams_peak_per_connection: workers.clone().map(|one| one.peak).max().unwrap_or(0),
            refused: self.refused,
            resent: self.resent,
            reset_by_peer: self.resets.figures(),
            reset_by_us: sum(|sample| sample.resets_out),
            request_header_bytes: HeaderBytes {
                plain: sum(|sample| sample.request_header_bytes_plain),
                wire: sum(|sample| sample.request_header_bytes_wire),
            },
            response_header_bytes: HeaderBytes {
                plain: sum(|sample| sample.response_header_bytes_plain),
                wire: sum(|sample| sample.response_header_bytes_wire),
            },
            window_stalls: sum(|sample| sample.window_stalls),
            window_stall_ns: sum(|sample| sample.window_stall_ns),
            frames_in: sum(|sample| sample.frames_in),
            frames_out: sum(|sample| sample.frames_out),
            pings: sum(|sample| sample.pings),
        })
    }
}

/// The open streams of one connection over HTTP/2.
#[derive(Debug, Clone, Copy, Default)]
struct OpenStreams {
    open: u32,
    /// What the peer allows, if it said so.
    allowed: Option<u32>,
}

/// The streams of one worker.
#[derive(Debug, Clone, Default)]
pub(crate) struct Streams {
    /// Of connections over HTTP/2.
    connections: BTreeMap<u32, OpenStreams>,
    /// Requests sent on them.
    count: u64,
    /// The most at once on one.
    peak: u32,
    /// The fewest that a peer allowed a connection that carried as many; 0 if one allowed none.
    limit: Option<u32>,
    sample: Http2Sample,
}

impl Streams {
    /// A connection over HTTP/2 is ready.
    pub(crate) fn opened(&mut self, connection: ConnectionSlot) {
        self.connections.insert(connection.0, OpenStreams::default());
    }

    /// A connection ended.
    #[inline]
    pub(crate) fn closed(&mut self, connection: ConnectionSlot) {
        if !self.connections.is_empty() {
            self.connections.remove(&connection.0);
        }
    }

    /// The peer of a connection allows this many at once.
    pub(crate) fn allowed(&mut self, connection: ConnectionSlot, allowed: u32) {
        if let Some(streams) = self.connections.get_mut(&connection.0) {
            streams.allowed = Some(allowed);
            if allowed == 0 {
                self.limit = Some(0);
            }
        }
    }

    /// A request was sent on a connection.
    #[inline]
    pub(crate) fn sent(&mut self, connection: ConnectionSlot) {
        if self.connections.is_empty() {
            return;
        }
        if let Some(streams) = self.connections.get_mut(&connection.0) {
            streams.open += 1;
            self.count += 1;
            self.peak = self.peak.max(streams.open);
            if let Some(allowed) = streams.allowed.filter(|allowed| streams.open >= *allowed) {
                self.limit = Some(self.limit.map_or(allowed, |limit| limit.min(allowed)));
            }
        }
    }

    /// The exchange of a request that was sent on a connection ended.
    #[inline]
    pub(crate) fn ended(&mut self, connection: ConnectionSlot) {
        if self.connections.is_empty() {
            return;
        }
        if let Some(streams) = self.connections.get_mut(&connection.0) {
            streams.open = streams.open.saturating_sub(1);
        }
    }

    /// All that its connections have carried so far.
    pub(crate) fn sample(&mut self, sample: &Http2Sample) {
        self.sample = *sample;
    }

    /// The fewest streams that a peer allowed a connection that carried as many.
    pub(crate) fn limit(&self) -> Option<u32> {
        self.limit
    }

    /// How often request bodies waited for the windows of their peers, and how long, nanoseconds.
    pub(crate) fn stalls(&self) -> (u64, u64) {
        (self.sample.window_stalls, self.sample.window_stall_ns)
    }

    /// Requests sent over HTTP/2.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_counted_by_connection() {
        let mut streams = Streams::default();
        let (first, second) = (ConnectionSlot(0), ConnectionSlot(1));
        streams.sent(first);
        assert_eq!(streams.count(), 0, "it speaks HTTP/1.1");
        streams.opened(second);
        (0..3).for_each(|_| streams.sent(second));
        streams.ended(second);
        streams.allowed(second, 3);
        assert_eq!((streams.count(), streams.peak, streams.limit()), (3, 3, None));
        streams.sent(second);
        assert_eq!((streams.peak, streams.limit()), (3, Some(3)));
        streams.closed(second);
        streams.sent(second);
        assert_eq!(streams.count(), 4);
    }

    #[test]
    fn codes_that_nobody_knows_are_counted_together() {
        let mut codes = Codes::default();
        for code in [0, 7, 7, 14, u64::MAX] {
            codes.add(code);
        }
        let named = [("NO_ERROR", 1), ("REFUSED_STREAM", 2), ("other", 2)];
        assert_eq!(codes.figures().0, named);
    }
}
