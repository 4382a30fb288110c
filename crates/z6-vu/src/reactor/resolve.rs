//! Names to addresses, before the run starts. Knows no connection.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::time::Duration;

use z6_scenario::{ConnectTo, Host, Target};

use super::transport::Address;

/// A target whose address is not to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The resolver says no.
    #[error("cannot resolve `{host}` (target `{target}`): {reason}")]
    Failed {
        /// Name of the target.
        target: String,
        /// The host.
        host: String,
        /// What the resolver says.
        reason: String,
    },
    /// The resolver does not answer.
    #[error(
        "resolving `{host}` (target `{target}`) took longer than {timeout_ms} ms (dns_timeout_ms)"
    )]
    Timeout {
        /// Name of the target.
        target: String,
        /// The host.
        host: String,
        /// The limit, milliseconds.
        timeout_ms: u64,
    },
}

/// Where connections of a target go: all addresses, in the resolver's or the scenario's order,
/// without doubles.
///
/// # Errors
/// [`ResolveError`] where there is none.
pub(super) fn resolve(target: &Target) -> Result<Vec<Address>, ResolveError> {
    let base_port = target.base_url.port;
    let addresses = match &target.connect_to {
        ConnectTo::Unix(path) => return Ok(vec![Address::Unix(path.as_str().into())]),
        ConnectTo::Addresses(all) => {
            all.iter().map(|address| SocketAddr::new(*address, base_port)).collect()
        }
        ConnectTo::Host { host, port } => resolve_host(target, host, *port)?,
        ConnectTo::BaseUrl => resolve_host(target, &target.base_url.host, base_port)?,
    };
    Ok(addresses.into_iter().map(Address::Ip).collect())
}

fn resolve_host(target: &Target, host: &Host, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
    let name = match host {
        Host::V4(address) => return Ok(vec![SocketAddr::new(IpAddr::V4(*address), port)]),
        Host::V6(address) => return Ok(vec![SocketAddr::new(IpAddr::V6(*address), port)]),
        Host::Name(name) => name.clone(),
    };
    let (sender, receiver) = mpsc::channel();
    let host = name.clone();
    // The resolver of the system cannot be interrupted: a thread of its own may outlive the wait.
    let spawned = std::thread::Builder::new().name("z6-resolve".to_owned()).spawn(move || {
        let addresses = (host.as_str(), port).to_socket_addrs().map(|all| all.collect::<Vec<_>>());
        // The receiver is gone if the wait was over: nobody to tell.
        let _ = sender.send(addresses);
    });
    let failed = |reason: String| ResolveError::Failed {
        target: target.name.clone(),
        host: name.clone(),
        reason,
    };
    spawned.map_err(|error| failed(error.to_string()))?;
    let timeout = Duration::from_nanos(target.dns_timeout_ns);
    match receiver.recv_timeout(timeout) {
        Ok(Ok(addresses)) => unique(addresses).ok_or_else(|| failed("no address".to_owned())),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(ResolveError::Timeout {
            target: target.name.clone(),
            host: name,
            timeout_ms: target.dns_timeout_ns / 1_000_000,
        }),
    }
}

fn unique(addresses: Vec<SocketAddr>) -> Option<Vec<SocketAddr>> {
    let mut unique: Vec<SocketAddr> = Vec::with_capacity(addresses.len());
    for address in addresses {
        if !unique.contains(&address) {
            unique.push(address);
        }
    }
    (!unique.is_empty()).then_some(unique)
}
