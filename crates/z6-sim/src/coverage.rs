//! Which fault occurred when: counts of faults, and of faults by what the client was doing.

use z6_scenario::simulation::FaultKind;

/// What a connection of the client was doing when a fault occurred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequestState {
    /// There is no connection, or an attempt is about to begin.
    NoConnection,
    /// An attempt is in progress.
    Connecting,
    /// The request is being written.
    Writing,
    /// The request is written, no byte of the response has arrived.
    AwaitingHead,
    /// A part of the head has arrived.
    InHead,
    /// The head has arrived, and perhaps a part of the body.
    InBody,
    /// It carries no request.
    Idle,
    /// It is ready and speaks HTTP/2, whatever it carries.
    Http2,
}

impl RequestState {
    /// How many there are.
    pub const COUNT: usize = 8;

    /// All of them, in order.
    pub const ALL: [RequestState; RequestState::COUNT] = [
        RequestState::NoConnection,
        RequestState::Connecting,
        RequestState::Writing,
        RequestState::AwaitingHead,
        RequestState::InHead,
        RequestState::InBody,
        RequestState::Idle,
        RequestState::Http2,
    ];

    /// Its name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            RequestState::NoConnection => "no connection",
            RequestState::Connecting => "connecting",
            RequestState::Writing => "writing",
            RequestState::AwaitingHead => "awaiting head",
            RequestState::InHead => "in head",
            RequestState::InBody => "in body",
            RequestState::Idle => "idle",
            RequestState::Http2 => "http2",
        }
    }
}

/// How often each fault occurred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultCounts([u64; FaultKind::COUNT]);

impl Default for FaultCounts {
    fn default() -> FaultCounts {
        FaultCounts([0; FaultKind::COUNT])
    }
}

impl FaultCounts {
    /// How often this one occurred.
    #[must_use]
    pub fn get(&self, kind: FaultKind) -> u64 {
        self.0[kind.index()]
    }

    /// Each with its count, in the order of [`FaultKind::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (FaultKind, u64)> + '_ {
        FaultKind::ALL.iter().map(|kind| (*kind, self.get(*kind)))
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: &FaultCounts) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine += theirs);
    }

    pub(crate) fn count(&mut self, kind: FaultKind) {
        self.0[kind.index()] += 1;
    }
}

/// How often each fault occurred to a connection in each state. A fault that affects more than one, for
/// instance a stall of the server, counts once for each state in which there was a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage([[u64; RequestState::COUNT]; FaultKind::COUNT]);

impl Default for Coverage {
    fn default() -> Coverage {
        Coverage([[0; RequestState::COUNT]; FaultKind::COUNT])
    }
}

impl Coverage {
    /// How often this fault occurred to a connection in this state.
    #[must_use]
    pub fn get(&self, kind: FaultKind, state: RequestState) -> u64 {
        self.0[kind.index()][state as usize]
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: &Coverage) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine += theirs);
        }
    }

    pub(crate) fn count(&mut self, kind: FaultKind, state: RequestState) {
        self.0[kind.index()][state as usize] += 1;
    }
}
