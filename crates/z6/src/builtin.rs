//! The built-in target of a run: started before it on a loopback port, stopped after it.

use std::net::{Ipv4Addr, SocketAddr};

use z6_scenario::load::limits;
use z6_scenario::{Scenario, Target};
use z6_target::{Config, Server, Stats, TargetError};
use z6_vu::reactor::BuiltinTarget;
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
    /// Where it listened: in plain text if it did, otherwise over TLS.
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
}

impl Builtin {
    /// Starts it if a target of the scenario is `builtin`.
    pub(crate) fn start(scenario: &Scenario, seed: u64) -> Result<Option<Builtin>, Error> {
        let targets = || scenario.targets.iter().filter(|target| target.base_url.is_builtin());
        if targets().next().is_none() {
            return Ok(None);
        }
        // Where the system refuses, the check below finds out.
        let _ = z6_vu::reactor::raise_descriptor_limit();
        let needed: u64 = targets().map(|target| u64::from(target.max_connections)).sum();
        let config = Config::default();
        let wanted = usize::try_from(needed).unwrap_or(usize::MAX).max(config.max_connections);
        let listens = |is_wanted: bool| match is_wanted {
            true => vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
            false => Vec::new(),
        };
        let server = Server::start(Config {
            addresses: listens(!targets().all(Target::is_tls)),
            tls_addresses: listens(targets().any(Target::is_tls)),
            seed,
            max_connections: wanted,
            ..config
        })?;
        let limit = server.max_connections() as u64;
        if needed > limit {
            return Err(Error::BuiltinConnections { needed, limit });
        }
        Ok(Some(Builtin { server }))
    }

    /// Where it listens, and whom to trust there.
    pub(crate) fn target(&self) -> BuiltinTarget {
        BuiltinTarget {
            plain: self.server.addresses().first().copied(),
            tls: self.server.tls_addresses().first().copied(),
            authority: self.server.authority().map(<[u8]>::to_vec),
        }
    }

    /// Stops it and returns what it counted.
    pub(crate) fn stop(mut self) -> BuiltinReport {
        let error = self.server.stop().err();
        let all = self.server.addresses().iter().chain(self.server.tls_addresses());
        let address = all.copied().next().unwrap_or((Ipv4Addr::LOCALHOST, 0).into());
        BuiltinReport { address, stats: self.server.stats(), error }
    }
}
