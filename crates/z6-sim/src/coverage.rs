//! Which fault befell what: counts of faults, and of faults by what the client was at.

use z6_scenario::simulation::FaultKind;

/// What a connection of the client was at when a fault befell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequestState {
    /// No connection there is, or a new one is about to be attempted.
    NoConnection,
    /// An attempt is under way.
    Connecting,
    /// The request is being written.
    Writing,
    /// The request is written, no byte of the answer has come.
    AwaitingHead,
    /// A part of the head has come.
    InHead,
    /// The head has come, and a part of the body may have.
    InBody,
    /// Nothing is asked on it.
    Idle,
}

impl RequestState {
    /// How many there are.
    pub const COUNT: usize = 7;

    /// All of them, in order.
    pub const ALL: [RequestState; RequestState::COUNT] = [
        RequestState::NoConnection,
        RequestState::Connecting,
        RequestState::Writing,
        RequestState::AwaitingHead,
        RequestState::InHead,
        RequestState::InBody,
        RequestState::Idle,
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
        }
    }
}

/// How often each fault befell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FaultCounts([u64; FaultKind::COUNT]);

impl FaultCounts {
    /// How often this one did.
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

/// How often each fault befell a connection in each state. A fault that befalls more than one, a stall of
/// the server, say, counts once for each state in which there was a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage([[u64; RequestState::COUNT]; FaultKind::COUNT]);

impl Default for Coverage {
    fn default() -> Coverage {
        Coverage([[0; RequestState::COUNT]; FaultKind::COUNT])
    }
}

impl Coverage {
    /// How often this fault befell a connection in this state.
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
