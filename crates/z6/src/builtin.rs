//! The built-in target of a run: started before it on a loopback port, stopped after it.

use std::net::SocketAddr;

use z6_scenario::load::limits;
use z6_scenario::{Scenario, Scheme};
use z6_target::{Config, Server, Stats, TargetError};
use z6_vu::templates::MAX_REQUEST_FIELDS;

use crate::error::Error;

// What a scenario may ask of its target, the built-in one can do.
const _: () = {
    assert!(limits::MAX_CONNECTIONS <= z6_target::MAX_CONNECTIONS_CEILING as u64);
    assert!(MAX_REQUEST_FIELDS <= z6_target::MAX_FIELDS);
};

/// The built-in target's own view of a run.
#[derive(Debug)]
#[non_exhaustive]
pub struct BuiltinReport {
    /// Where it listened.
    pub address: SocketAddr,
    /// What it counted: exact, as it was stopped.
    pub stats: Stats,
    /// What made it fail, if it did: a bug in Z6.
    pub error: Option<TargetError>,
}

/// A server, seeded by the run's seed.
#[derive(Debug)]
pub(crate) struct Builtin {
    server: Server,
    address: SocketAddr,
}

impl Builtin {
    /// Starts it if a target of the scenario is `builtin`.
    pub(crate) fn start(scenario: &Scenario, seed: u64) -> Result<Option<Builtin>, Error> {
        let is_builtin = |target: &&z6_scenario::Target| target.base_url.scheme == Scheme::Builtin;
        let mut targets = scenario.targets.iter().filter(is_builtin).peekable();
        if targets.peek().is_none() {
            return Ok(None);
        }
        // Where the system refuses, the check below finds out.
        let _ = z6_vu::reactor::raise_descriptor_limit();
        let needed: u64 = targets.map(|target| u64::from(target.max_connections)).sum();
        let config = Config::default();
        let wanted = usize::try_from(needed).unwrap_or(usize::MAX).max(config.max_connections);
        let server = Server::start(Config { seed, max_connections: wanted, ..config })?;
        let limit = server.max_connections() as u64;
        if needed > limit {
            return Err(Error::BuiltinConnections { needed, limit });
        }
        let address = server.addresses()[0];
        Ok(Some(Builtin { server, address }))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops it and returns what it counted.
    pub(crate) fn stop(mut self) -> BuiltinReport {
        let error = self.server.stop().err();
        BuiltinReport { address: self.address, stats: self.server.stats(), error }
    }
}
