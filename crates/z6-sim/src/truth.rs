//! What the world knows of each request, apart from Z6: what the server received and answered, and when
//! the last byte of an answer was read.

use z6_events::{Actor, RequestId, Step, Tick};

/// A request as the simulated server saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TruthRequest {
    /// Who asked, as the driver knows.
    pub actor: Actor,
    /// Which request of the actor's life.
    pub step: Step,
    /// Which template.
    pub request: RequestId,
    /// When it was due, as the driver was told.
    pub planned: Tick,
    /// When the server had all of it.
    pub received: Tick,
    /// Its length, bytes.
    pub request_bytes: u64,
    /// Bytes that nobody asked for were sent on its connection before: what its client takes for the
    /// answer may be those.
    pub is_muddled: bool,
    /// What the server answered, if it answered whole.
    pub answer: Option<TruthAnswer>,
}

/// A whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TruthAnswer {
    /// Its status.
    pub status: u16,
    /// Bytes, interim responses included.
    pub bytes: u64,
    /// The server announced that this is the last on the connection.
    pub closes: bool,
    /// When the server sent the last of them.
    pub sent: Tick,
    /// What the driver's clock said as it had read the first byte of the final response, interim ones
    /// apart, if it did.
    pub first_read: Option<Tick>,
    /// What the driver's clock said as it had read the last of them, if it did.
    pub read: Option<Tick>,
}

/// All requests of a run.
#[derive(Debug, Clone, Default)]
pub struct Truth {
    requests: u64,
    responses: u64,
    /// Each, in the order received; empty unless the run is checked.
    pub list: Vec<TruthRequest>,
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

    /// Counts a request; keeps it where `keep`.
    pub(crate) fn received(&mut self, keep: bool, request: impl FnOnce() -> TruthRequest) -> usize {
        self.requests += 1;
        if keep {
            self.list.push(request());
        }
        self.list.len().saturating_sub(1)
    }

    pub(crate) fn answered(&mut self, index: usize, answer: TruthAnswer) {
        if let Some(request) = self.list.get_mut(index) {
            request.answer = Some(answer);
        }
    }

    /// The first byte of the final response was read.
    pub(crate) fn read_first(&mut self, index: usize, at: Tick) {
        let request = self.list.get_mut(index);
        if let Some(answer) = request.and_then(|request| request.answer.as_mut()) {
            answer.first_read = Some(at);
        }
    }

    pub(crate) fn read(&mut self, index: usize, at: Tick) {
        self.responses += 1;
        let request = self.list.get_mut(index);
        if let Some(answer) = request.and_then(|request| request.answer.as_mut()) {
            answer.read = Some(at);
        }
    }
}
