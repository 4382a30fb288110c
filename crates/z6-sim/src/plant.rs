//! Bugs that a simulated run can be told to have, for tests of the checkers that must find them.
//!
//! Each bug sits in the product: the engine, the recorder, the session, a connection or the fold; never
//! in the simulator, never in a checker. This file is the only one of the simulator that knows whether
//! bugs are compiled in: without the feature `planted-bugs` [`Planted`] has no bytes and changes nothing.

use z6_metrics::Fold;
use z6_vu::Engine;
use z6_vu::replay::{Outcome, ReplayError, replay};
use z6_vu::session::{Http2, Requests, Session};

#[cfg(feature = "planted-bugs")]
use z6_metrics::planted::Bug as FoldBug;
#[cfg(feature = "planted-bugs")]
use z6_proto_http1::planted::Bug as ConnectionBug;
#[cfg(feature = "planted-bugs")]
use z6_proto_http2::planted::Bug as Http2Bug;
#[cfg(feature = "planted-bugs")]
use z6_vu::planted::Bug as VuBug;

/// A bug and where it sits.
#[cfg(feature = "planted-bugs")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// In the engine, the recorder or the session.
    Vu(VuBug),
    /// In the protocol state of connections.
    Connection(ConnectionBug),
    /// In that of connections over HTTP/2.
    Http2(Http2Bug),
    /// In the fold.
    Fold(FoldBug),
}

#[cfg(feature = "planted-bugs")]
impl Plant {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Plant> {
        let vu = VuBug::ALL.into_iter().chain(VuBug::OF_JOURNEYS).chain(VuBug::OF_FLOW);
        let vu = vu.chain(VuBug::OF_HTTP2).chain(VuBug::OF_STREAMS).map(Plant::Vu);
        let connection = ConnectionBug::ALL.into_iter().map(Plant::Connection);
        let fold = FoldBug::ALL.into_iter().map(Plant::Fold);
        let http2 = Http2Bug::ALL.into_iter().map(Plant::Http2);
        vu.chain(connection).chain(http2).chain(fold)
    }
}

/// The bug that a run has, if it has one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Planted {
    #[cfg(feature = "planted-bugs")]
    plant: Option<Plant>,
}

#[cfg(feature = "planted-bugs")]
impl From<Plant> for Planted {
    fn from(plant: Plant) -> Planted {
        Planted { plant: Some(plant) }
    }
}

#[cfg(feature = "planted-bugs")]
impl Planted {
    pub(crate) fn engine(self, mut engine: Engine) -> Engine {
        if let Some(Plant::Vu(bug)) = self.plant {
            engine.plant(bug);
        }
        engine
    }

    pub(crate) fn requests(self, mut requests: Requests) -> Requests {
        if let Some(Plant::Vu(bug)) = self.plant {
            requests.plant(bug);
        }
        requests
    }

    pub(crate) fn session(self, mut session: Session) -> Session {
        if let Some(Plant::Connection(bug)) = self.plant {
            session.plant(bug);
        }
        session
    }

    pub(crate) fn http2(self, mut session: Http2) -> Http2 {
        if let Some(Plant::Http2(bug)) = self.plant {
            session.plant(bug);
        }
        session
    }

    pub(crate) fn fold(self, mut fold: Fold) -> Fold {
        if let Some(Plant::Fold(bug)) = self.plant {
            fold.plant(bug);
        }
        fold
    }

    /// Replays a log by an engine with the same bug, as it would be if the bug were in the product.
    pub(crate) fn replay(self, log: &[u8]) -> Result<Outcome, ReplayError> {
        match self.plant {
            Some(Plant::Vu(bug)) => z6_vu::replay::replay_planted(log, bug),
            Some(Plant::Connection(_) | Plant::Http2(_) | Plant::Fold(_)) | None => replay(log),
        }
    }
}

#[cfg(not(feature = "planted-bugs"))]
impl Planted {
    pub(crate) fn engine(self, engine: Engine) -> Engine {
        engine
    }

    pub(crate) fn requests(self, requests: Requests) -> Requests {
        requests
    }

    pub(crate) fn session(self, session: Session) -> Session {
        session
    }

    pub(crate) fn http2(self, session: Http2) -> Http2 {
        session
    }

    pub(crate) fn fold(self, fold: Fold) -> Fold {
        fold
    }

    pub(crate) fn replay(self, log: &[u8]) -> Result<Outcome, ReplayError> {
        replay(log)
    }
}
