//! Bugs that a simulated run can be told to have, for tests of the checkers that must find them.
//!
//! Only there with the feature `planted-bugs`. Each bug sits in the engine, the recorder, a
//! connection or the fold: never in the simulator, never in a checker.

use z6_metrics::planted::Bug as FoldBug;
use z6_proto_http1::planted::Bug as ConnectionBug;
use z6_vu::planted::Bug as EngineBug;

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
