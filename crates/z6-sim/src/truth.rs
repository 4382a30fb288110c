//! What the world knows of each request apart from Z6: the bytes that the server received, what it
//! answered, and when the client had read that.
//!
//! Nothing here comes from the client but the instants of its reads.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use z6_events::{TargetId, Tick};
use z6_http::IdParts;

use crate::answer::Meant;

/// A request as the simulated server received it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TruthRequest {
    /// The connection it came on: worker (upper 16 bits) and number of the attempt there, from 0.
    pub connection: u64,
    /// Number of the request on its connection, from 0; over HTTP/2 that of its stream.
    pub number: u64,
    /// The target whose server received it.
    pub target: TargetId,
    /// The id in it, if the target has a `request_id_header`.
    pub id: Option<IdParts>,
    /// It came over HTTP/2.
    pub is_http2: bool,
    /// Its bytes, over HTTP/2 its fields and content, as an index into [`Truth::texts`].
    pub text: usize,
    /// Length, bytes; over HTTP/2 that of its frames, DATA in as few as its length needs.
    pub request_bytes: u64,
    /// When the server had all of it.
    pub received: Tick,
    /// Bytes that belong to no response were sent on its connection before: what its client takes for
    /// the response may be those.
    pub is_muddled: bool,
    /// What the server answered, if it answered whole.
    pub answer: Option<TruthAnswer>,
}

/// A whole response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TruthAnswer {
    /// Its status.
    pub status: u16,
    /// Length with interim responses, bytes; over HTTP/2 that of all frames of its stream.
    pub bytes: u64,
    /// Where it redirects to, if it has a `Location`.
    pub leads: Option<Leads>,
    /// What its content means, if something is read of it.
    pub meant: Option<Meant>,
    /// The server announced that the connection takes no more requests, with the response or before its end.
    pub closes: bool,
    /// When the server sent the last byte.
    pub sent: Tick,
    /// What the driver's clock said when it had read the first byte of the final response, if it did.
    pub first_read: Option<Tick>,
    /// What the driver's clock said when it had read the last byte, if it did.
    pub read: Option<Tick>,
}

/// Where a redirect leads: what the server meant, not what its `Location` is read as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leads {
    /// To a target of the scenario.
    To {
        /// The target.
        target: TargetId,
        /// Path and query, as the next request line has them.
        path: String,
    },
    /// To an origin that no target has.
    Elsewhere,
    /// Nowhere: the `Location` is not a URL.
    Nowhere,
}

/// A PING of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TruthPing {
    /// The connection.
    pub connection: u64,
    /// What the driver's clock said when it had read the PING, if it did.
    pub read: Option<Tick>,
    /// Streams of which the server had seen the head when it was answered, if it was.
    pub answered_behind: Option<u64>,
}

/// All requests of a run.
#[derive(Debug, Clone, Default)]
pub struct Truth {
    requests: u64,
    responses: u64,
    /// Each, in the order received; empty unless the run is checked.
    pub list: Vec<TruthRequest>,
    /// The different byte strings that were received, request ids as zeros.
    pub texts: Vec<Vec<u8>>,
    /// What was wrong with bytes that are not a request; empty if Z6 is right.
    pub refused: Vec<String>,
    /// Requests over HTTP/2 that the server said it did not process, by connection and number. They are not in the
    /// list.
    pub unprocessed: BTreeSet<(u64, u64)>,
    /// What was wrong with streams of HTTP/2; empty if Z6 is right.
    pub streams: Vec<String>,
    /// The PINGs of the server.
    pub pings: Vec<TruthPing>,
    known: BTreeMap<Vec<u8>, usize>,
}

impl Truth {
    /// Requests that the server received whole.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.requests
    }

    /// Whole responses of which the client read the last byte.
    #[must_use]
    pub const fn responses(&self) -> u64 {
        self.responses
    }

    /// Counts a request; keeps it if there is one to keep. Returns its index for later.
    pub(crate) fn received(&mut self, request: Option<TruthRequest>) -> usize {
        self.requests += 1;
        self.list.extend(request);
        self.list.len().saturating_sub(1)
    }

    /// Keeps the bytes of a request, the id in them as zeros; returns their index.
    pub(crate) fn keep_text(&mut self, bytes: &[u8], id: Option<Range<usize>>) -> usize {
        let mut text = bytes.to_vec();
        for place in id.into_iter().flatten() {
            if text[place] != b'-' {
                text[place] = b'0';
            }
        }
        if let Some(index) = self.known.get(&text) {
            return *index;
        }
        self.texts.push(text.clone());
        self.known.insert(text, self.texts.len() - 1);
        self.texts.len() - 1
    }

    /// The server received bytes that are not a request.
    pub(crate) fn refused(&mut self, error: &impl ToString) {
        self.refused.push(error.to_string());
    }

    /// The server said that it did not process a request.
    pub(crate) fn not_processed(&mut self, connection: u64, number: u64) {
        self.unprocessed.insert((connection, number));
    }

    /// A client broke a rule of streams.
    pub(crate) fn broke_streams(&mut self, what: String) {
        self.streams.push(what);
    }

    /// The server sends a PING. Returns its index for later.
    pub(crate) fn pinged(&mut self, connection: u64) -> usize {
        self.pings.push(TruthPing { connection, read: None, answered_behind: None });
        self.pings.len() - 1
    }

    /// A PING was answered behind the heads of so many streams.
    pub(crate) fn answered_ping(&mut self, ping: usize, behind: Option<u64>) {
        if let Some(ping) = self.pings.get_mut(ping) {
            ping.answered_behind = behind;
        }
    }

    /// The client has read a PING.
    pub(crate) fn read_ping(&mut self, ping: usize, at: Tick) {
        if let Some(ping) = self.pings.get_mut(ping) {
            ping.read = Some(at);
        }
    }

    pub(crate) fn answered(&mut self, index: usize, answer: TruthAnswer) {
        if let Some(request) = self.list.get_mut(index) {
            request.answer = Some(answer);
        }
    }

    /// The client has read the first byte of the final response.
    pub(crate) fn read_first(&mut self, index: usize, at: Tick) {
        let request = self.list.get_mut(index);
        if let Some(answer) = request.and_then(|request| request.answer.as_mut()) {
            answer.first_read = Some(at);
        }
    }

    /// The client has read the last byte of a response.
    pub(crate) fn read(&mut self, index: usize, at: Tick) {
        self.responses += 1;
        let request = self.list.get_mut(index);
        if let Some(answer) = request.and_then(|request| request.answer.as_mut()) {
            answer.read = Some(at);
        }
    }
}
