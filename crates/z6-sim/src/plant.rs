//! Bugs that a simulated run can be told to have, for tests of the checkers that must find them.
//!
//! Only there with the feature `planted-bugs`. Each bug sits in the engine, the recorder, a
//! connection or the fold: never in the simulator, never in a checker.

use z6_metrics::Fold;
use z6_metrics::planted::Bug as FoldBug;
use z6_proto_http1::Connection;
use z6_proto_http1::planted::Bug as ConnectionBug;
use z6_vu::Engine;
use z6_vu::planted::Bug as EngineBug;
use z6_vu::replay::{Outcome, ReplayError, replay_planted};

use crate::SimSpec;

/// A bug and where it sits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// In the engine or the recorder.
    Engine(EngineBug),
    /// In the protocol state of connections.
    Connection(ConnectionBug),
    /// In the fold.
    Fold(FoldBug),
}

impl Plant {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Plant> {
        let engine = EngineBug::ALL.into_iter().map(Plant::Engine);
        let connection = ConnectionBug::ALL.into_iter().map(Plant::Connection);
        let fold = FoldBug::ALL.into_iter().map(Plant::Fold);
        engine.chain(connection).chain(fold)
    }
}

pub(crate) fn in_engine(spec: &SimSpec, mut engine: Engine) -> Engine {
    if let Some(Plant::Engine(bug)) = spec.plant {
        engine.plant(bug);
    }
    engine
}

pub(crate) fn in_connection(spec: &SimSpec, mut connection: Connection) -> Connection {
    if let Some(Plant::Connection(bug)) = spec.plant {
        connection.plant(bug);
    }
    connection
}

pub(crate) fn in_fold(spec: &SimSpec, mut fold: Fold) -> Fold {
    if let Some(Plant::Fold(bug)) = spec.plant {
        fold.plant(bug);
    }
    fold
}

/// The replay of a run whose engine has a bug: by the same engine, as it would be if the bug were in the
/// product. None for other runs.
pub(crate) fn replayed(spec: &SimSpec, log: &[u8]) -> Option<Result<Outcome, ReplayError>> {
    match spec.plant {
        Some(Plant::Engine(bug)) => Some(replay_planted(log, bug)),
        Some(Plant::Connection(_) | Plant::Fold(_)) | None => None,
    }
}
